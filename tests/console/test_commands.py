"""Everything is found and reached by keyboard: key bar, help, palette, chords, the line behind `:`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from textual import events
from textual.command import CommandInput
from textual.keys import _character_to_key

from hive_tui.app import keys
from hive_tui.app.commander import Commands
from hive_tui.app.line.child import Caller, Said
from hive_tui.app.palette import Palette
from hive_tui.app.screens.chord import ChordScreen
from hive_tui.app.screens.command import CommandScreen
from hive_tui.app.screens.confirm import ConfirmScreen
from hive_tui.app.screens.help import HelpScreen
from hive_tui.app.screens.output import OutputScreen
from hive_tui.cli.commands import COMMANDS
from hive_tui.core import actions, keymap
from tests.console.conftest import Console, Open, wait_for
from widgets.key_bar import KeyBar
from widgets.sheet import Sheet

pytestmark = pytest.mark.timeout(60)


class Shell:
    """Stands for the processes that calls of `hive` would be."""

    def __init__(self, *answers: Said) -> None:
        self.calls: list[list[str]] = []
        self._answers = list(answers)

    async def __call__(self, argv: Sequence[str], *, columns: int, name: str) -> Said:
        self.calls.append(list(argv)[4:])
        await asyncio.sleep(0)
        return self._answers.pop(0) if self._answers else Said(0, "")


def commands(shell: Shell, history: Path | None = None) -> Callable[[], Commands]:
    return lambda: Commands(Caller("trial"), tuple(COMMANDS), lambda: ("demo", "trial"), history, shell)


def bar(c: Console) -> str:
    return "  ".join(f"{hint.label} {hint.words}" for hint in c.app.screen.query_one(KeyBar).shown())


async def write(c: Console, line: str) -> None:
    """Give a line as a person does."""
    await c.press("colon")
    await c.until(lambda: isinstance(c.app.screen, CommandScreen), "the line")
    assert isinstance(c.app.screen, CommandScreen)
    c.app.screen.line.value = line
    await c.press("enter")


async def test_the_bar_names_what_works_in_the_focused_pane(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: "x kill" in bar(c))
        assert bar(c).endswith("? help")
        await c.press("2")
        await c.until(lambda: "f fire" in bar(c))
        assert "x kill" not in bar(c)
        await c.press("5")
        await c.until(lambda: "M merge" in bar(c) or "t take" in bar(c))
        assert "+/- slots" in bar(c)


async def test_the_bar_is_about_an_input_and_about_read_only(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: "x kill" in bar(c))
        await c.press("slash")
        await c.until(lambda: bar(c) == "Enter done  Esc back", "the keys of an input")
        await c.press("enter")
        await c.until(lambda: "x kill" in bar(c))
        c.app.action_read_only()
        await c.until(lambda: "x kill" not in bar(c) and "/ filter" in bar(c), "no orders")
        c.app.action_read_only()
        await c.until(lambda: "x kill" in bar(c))


async def test_a_click_in_the_bar_presses_the_key(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: "? help" in bar(c))
        key_bar = c.app.screen.query_one(KeyBar)
        at = next(x for x in range(160) if (hint := key_bar.hint_at(x)) and hint.words == "help")
        await c.pilot.click(key_bar, offset=(at, 0))
        await c.until(lambda: isinstance(c.app.screen, HelpScreen))


async def test_help_tells_the_keys_in_force_and_is_searched(console: Open) -> None:
    async with console(said=True, size=(80, 24), keymap=keymap.build({"kill": "K", "mute": "p"})) as c:
        await c.press("question_mark")
        await c.until(c.shows("what each agent is doing right now", "Kill", "has no key"))
        sheet = c.app.screen.query_one(Sheet)
        assert sheet.max_scroll_y > 0
        await c.press("slash", *"@K")
        await c.until(lambda: "End a run" in c.text and "Pause" not in c.text, "what K does")
        await c.press("escape")
        await c.until(c.shows("what each agent is doing right now"))
        await c.press("slash", *"wall of nothing")
        await c.until(c.shows("Nothing here is called"))
        await c.press("escape", "escape")
        await c.until(lambda: c.app.screen is c.app.main)


async def test_help_says_why_a_key_is_dim(console: Open) -> None:
    async with console(said=True, read_only=True) as c:
        await c.press("question_mark")
        await c.until(c.shows("Not now: hive is in read-only mode"))


async def test_the_palette_finds_actions_and_things(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("ctrl+p")
        await c.until(lambda: isinstance(c.app.screen, Palette))
        await c.press(*"zoom")
        await c.until(c.shows("Zoom"))
        await c.until(lambda: c.app.screen.query_one("CommandList").option_count == 1)
        await c.press("down", "enter")
        await c.until(lambda: c.app.screen is c.app.main)
        await c.until(lambda: c.app.main.agents.region.width == 160, "the zoomed pane")
        await c.press("ctrl+p", *"locale of")
        await c.until(c.shows("!50 Locale of the numbers"))
        await c.press("escape", "escape")


async def test_chords_show_what_may_follow(console: Open) -> None:
    async with console(said=True) as c:
        c.app.say("It is said above what may follow, but must not hide it. " * 3)
        await c.until(c.shows("It is said above"))
        await c.press("g")
        await c.until(lambda: c.app.screen.query("Toast"), "what was said, on this screen too")
        assert c.shows("g i", "Go to the issue", "g p", "Esc leaves")()
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)
        selected = c.app.main.agents.table.selected
        await c.press("g", "i")
        await c.until(lambda: c.app.main.current is c.app.main.issues)
        assert c.app.main.issues.table.selected == c.app.view.snapshot.runs[selected].key
        await c.press("3", "down", "g", "g")
        await c.until(lambda: c.app.main.agents.table.selected == c.app.main.agents.table.keys[0])
        await c.press("g", "z")
        await c.until(lambda: not isinstance(c.app.screen, ChordScreen))


async def test_a_key_that_follows_a_chord_at_once_is_for_the_screen_below(console: Open) -> None:
    async with console(said=True) as c:
        table = c.app.main.agents.table
        await c.press("g")
        await c.until(lambda: isinstance(c.app.screen, ChordScreen))
        for key in ("z", "j"):
            c.app.simulate_key(key)
        await c.until(lambda: c.app.screen is c.app.main and table.selected == table.keys[1])


async def test_lines_do_what_the_console_does_itself(console: Open, tmp_path: Path) -> None:
    shell = Shell()
    async with console(said=True, commands=commands(shell, tmp_path / "history")) as c:
        await write(c, "issues state:stalled")
        await c.until(lambda: c.app.main.current is c.app.main.issues)
        assert c.app.main.issues.filtering == "state:stalled"
        await write(c, "theme nord")
        await c.until(lambda: c.app.theme == "nord")
        await write(c, "pause")
        await c.until(lambda: c.fleet.agents_side.paused)
        await write(c, "read-only")
        await c.until(lambda: c.app.read_only)
        await c.press("colon", "up", "up")
        await c.until(lambda: c.app.screen.line.value == "pause", "the line before")
        await c.press("escape")
        assert shell.calls == []


def burst(c: Console, line: str) -> None:
    """Type it in one go, as what a slow line or a busy machine gathers: nothing is done in between."""
    for character in line:
        key = {"\n": "enter", "\x1b": "escape", "\x10": "ctrl+p"}.get(character) or _character_to_key(
            character
        )
        c.app.post_message(events.Key(key, "\r" if character == "\n" else character))


async def test_lines_typed_in_one_go_are_two_lines(console: Open) -> None:
    shell = Shell()
    async with console(said=True, commands=commands(shell)) as c:
        burst(c, ":slots 4\n:costs --by nope\n:slots 5\n")
        await c.until(lambda: len(shell.calls) == 3)
        assert [call[2:] for call in shell.calls] == [
            ["slots", "4"],
            ["costs", "--by", "nope"],
            ["slots", "5"],
        ]
        assert c.app.screen is c.app.main
        assert not c.fleet.agents_side.told


async def test_keys_wait_for_a_line_that_is_slow_to_open_and_to_leave(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, opened = Shell(), asyncio.Event()
    compose, leave = CommandScreen._compose, CommandScreen._message_loop_exit

    async def slow(screen: CommandScreen) -> None:
        await opened.wait()
        await compose(screen)

    async def lingering(screen: CommandScreen) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await leave(screen)

    monkeypatch.setattr(CommandScreen, "_compose", slow)
    monkeypatch.setattr(CommandScreen, "_message_loop_exit", lingering)
    async with console(said=True, commands=commands(shell)) as c:
        burst(c, ":slots 4\n")
        await wait_for(lambda: isinstance(c.app.screen, CommandScreen))
        burst(c, ":costs --by nope\n")
        opened.set()
        await c.until(lambda: len(shell.calls) == 2)
        assert [call[2:] for call in shell.calls] == [["slots", "4"], ["costs", "--by", "nope"]]
        assert not c.fleet.agents_side.told


async def test_keys_behind_the_palette_and_a_wrong_line_are_for_them(console: Open) -> None:
    async with console(said=True) as c:
        burst(c, "\x10nope")
        await c.until(lambda: isinstance(c.app.screen, Palette) and c.app.screen.query(CommandInput))
        await c.until(lambda: c.app.screen.query_one(CommandInput).value == "nope")
        burst(c, "\x1b:wrong -n\n-n\x1b")
        await c.until(lambda: c.app.screen is c.app.main and not c.app._ahead)
        assert not c.fleet.agents_side.told


async def test_keys_behind_a_chord_and_a_line_wait_for_what_those_do(console: Open) -> None:
    async with console(said=True, commands=commands(Shell())) as c:
        issues, agents = c.app.main.issues, c.app.main.agents
        run = agents.table.selected
        burst(c, "gij4")
        await c.until(lambda: c.app.main.current is c.app.main.log_pane)
        assert agents.table.selected == run
        place = issues.table.index(c.app.view.snapshot.runs[run].key)
        assert issues.table.selected == issues.table.keys[place + 1]
        burst(c, ":issues\n:filter\nlists\n:help\n/pau\nq4")
        await c.until(lambda: c.app.main.current is c.app.main.log_pane)
        assert issues.filtering == "lists"
        assert c.app.screen is c.app.main


async def test_what_is_typed_to_be_found_goes_into_the_line_and_what_follows_does_not(console: Open) -> None:
    async with console(said=True) as c:
        burst(c, "?/pause\njj")
        await c.until(lambda: isinstance(c.app.screen, HelpScreen) and c.app.screen._wanted == "pause")
        burst(c, "\x1b\x1b2d/pau\nn\x1b\x1b4")
        await c.until(lambda: c.app.main.current is c.app.main.log_pane)
        assert c.app.screen is c.app.main
        assert not c.fleet.agents_side.told


async def test_a_wrong_line_stays_and_says_what_is_wrong(console: Open) -> None:
    async with console(said=True, commands=commands(Shell())) as c:
        await write(c, "fleet dmeo")
        await c.until(c.shows("Did you mean demo?"))
        c.app.screen.line.value = "top"
        await c.press("enter")
        await c.until(c.shows("`:top --once` prints the fleet"))
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)


async def test_tab_and_right_complete_and_enter_adds_nothing(console: Open) -> None:
    shell = Shell()
    async with console(said=True, commands=commands(shell)) as c:
        await c.press("colon", *"ver")
        await c.until(lambda: c.app.screen.line._suggestion == "version", "the ghost")
        await c.press("right")
        assert c.app.screen.line.value == "version"
        c.app.screen.line.value = "theme nor"
        await c.press("tab")
        assert c.app.screen.line.value == "theme nord"
        c.app.screen.line.value = "versio"
        await c.press("enter")
        await c.until(c.shows("Unknown command 'versio'"))
        assert shell.calls == []


async def test_a_call_says_one_line_in_passing_and_shows_more(console: Open) -> None:
    many = "\n".join(f"line {number} [bold]" for number in range(100))
    shell = Shell(Said(0, "Slots: 8."), Said(0, many), Said(3, "hive: refused."), Said(0, ""))
    async with console(said=True, commands=commands(shell)) as c:
        await write(c, "slots 8")
        await c.until(c.shows("Slots: 8."))
        await write(c, "ls")
        await c.until(lambda: isinstance(c.app.screen, OutputScreen))
        await c.until(c.shows("hive ls", "line 0 [bold]"))
        await c.press("G")
        await c.until(c.shows("line 99 [bold]"))
        await c.press("escape")
        await write(c, "merge 3 --dry-run")
        await c.until(c.shows("hive: refused."))
        await write(c, "retry 3")
        await c.until(c.shows("hive retry 3: done."))
        assert shell.calls[:2] == [["--fleet", "trial", "slots", "8"], ["--fleet", "trial", "ls"]]


async def test_a_line_that_ends_something_is_tried_shown_and_confirmed(console: Open) -> None:
    plan = Said(0, "claude-a  #37 Parser drops CRLF\n  at work for 12m, $3.10 spent")
    shell = Shell(plan, plan, Said(0, "ends"))
    async with console(said=True, commands=commands(shell)) as c:
        await write(c, "kill 37 --yes")
        await c.until(lambda: isinstance(c.app.screen, ConfirmScreen))
        await c.until(c.shows("claude-a  #37 Parser drops CRLF", "$3.10 spent"))
        assert c.app.focused is not None
        assert c.app.focused.id == "cancel"
        await c.press("enter")
        await c.until(lambda: c.app.screen is c.app.main)
        assert shell.calls == [["--fleet", "trial", "kill", "37", "--dry-run"]]
        await write(c, "kill 37")
        await c.until(lambda: isinstance(c.app.screen, ConfirmScreen))
        await c.press("y")
        await c.until(c.shows("ends"))
        assert shell.calls[-1] == ["--fleet", "trial", "kill", "37", "--yes"]


async def test_what_a_dry_run_refuses_is_not_asked(console: Open) -> None:
    shell = Shell(Said(3, "hive: #37 has ended."))
    async with console(said=True, read_only=True, commands=commands(shell)) as c:
        await write(c, "kill 37")
        await c.until(c.shows("#37 has ended"))
        assert c.app.screen is c.app.main
        assert shell.calls == [["--fleet", "trial", "--read-only", "kill", "37", "--dry-run"]]


async def test_another_fleet_is_opened_by_leaving_this_one(console: Open) -> None:
    async with console(said=True, commands=commands(Shell())) as c:
        await write(c, "fleet demo")
        await c.until(lambda: not c.app.is_running, "the end")
        assert c.app.next_fleet == "demo"


async def test_remapped_keys_work_and_the_old_ones_do_not(console: Open) -> None:
    mine = keymap.build(
        {"pane.next": "ctrl+n", "list.down": "J", "go.issue": "b i", "zoom": "p", "help": "f1"}
    )
    async with console(said=True, keymap=mine) as c:
        await c.until(c.shows("has no key"))
        await c.until(lambda: "F1 help" in bar(c) or "f1 help" in bar(c))
        first, second = c.app.main.agents.table.keys[:2]
        await c.press("j")
        assert c.app.main.agents.table.selected == first
        await c.press("J")
        assert c.app.main.agents.table.selected == second
        await c.press("tab")
        assert c.app.main.current is c.app.main.agents
        await c.press("ctrl+n")
        await c.until(lambda: c.app.main.current is c.app.main.log_pane)
        await c.press("3", "p")
        await c.until(lambda: c.app.main.agents.region.width == 160, "the zoomed pane")
        assert c.fleet.agents_side.paused == []
        await c.press("p", "b", "i")
        await c.until(lambda: c.app.main.current is c.app.main.issues)
        await c.press("question_mark")
        assert c.app.screen is c.app.main
        await c.press("f1")
        await c.until(lambda: isinstance(c.app.screen, HelpScreen))


def test_everything_in_the_registry_is_done_somewhere() -> None:
    done = {*keys.EVERYWHERE, *keys.MAIN, *keys.DETAIL, *keys.SESSIONS, *keys.TRANSCRIPT, *keys.COSTS}
    bound = {action.id for action in keys.orders()} | done
    elsewhere = {
        action.id for action in actions.REGISTRY if action.scope in (actions.Scope.LIST, actions.Scope.LOG)
    }
    missing = {action.id for action in actions.REGISTRY if not action.writes} - bound - elsewhere
    assert missing == {"open"}  # the lists' own, as those for moving


async def test_an_issue_is_written_in_the_editor_of_the_person(console: Open) -> None:
    asked: list[list[str]] = []

    def editor(_: object, argv: Sequence[str], *, name: str) -> int:
        asked.append([*argv][4:])
        return 0

    shell = Shell()
    made = commands(shell)()
    async with console(said=True, commands=lambda: msgspec.structs.replace(made, foreground=editor)) as c:
        await write(c, "issue new 'Say hello'")
        await c.until(lambda: asked == [["--fleet", "trial", "issue", "new", "Say hello"]], "the editor")
        await write(c, "issue edit 37 --title 'Say goodbye'")
        await c.until(lambda: len(shell.calls) == 1, "what needs no terminal")
    async with console(said=True, commands=commands(shell)) as c:
        await write(c, "issue edit 37")
        await c.until(c.shows("needs a terminal of its own"), "where there is none")


@pytest.mark.parametrize("read_only", [False, True])
async def test_the_sessions_of_this_machine_have_the_terminal(console: Open, read_only: bool) -> None:
    """They change nothing, so that it does not matter who may."""
    asked: list[list[str]] = []

    def terminal(_: object, argv: Sequence[str], *, name: str) -> int:
        asked.append([*argv][-1:])
        return 0

    shell = Shell()
    made = msgspec.structs.replace(commands(shell)(), foreground=terminal)
    async with console(said=True, commands=lambda: made, read_only=read_only) as c:
        await write(c, "sessions")
        await c.until(lambda: asked == [["sessions"]], "the sessions")
        await write(c, "sessions --once")
        await c.until(lambda: len(shell.calls) == 1, "what is printed")
