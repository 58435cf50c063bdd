"""The log on the whole screen, and what is looked for in it; the wall of all logs."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual import events

from hive_tui.app.run_log import RunLog
from hive_tui.app.screens.log import LogScreen
from hive_tui.app.screens.wall import Tile, WallScreen, choose, fitting, shape
from hive_tui.core.errors import SourceError
from hive_tui.core.events import AnyEvent, LogLine, Note, Said, Thinking, ToolCall, ToolResult
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase
from tests.console.conftest import Console, Open, wait_for
from tests.console.test_hostile import HOSTILE
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet
from widgets.log_paint import Times
from widgets.log_view import LogView

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIVE_HOME", str(tmp_path))
    return tmp_path


def log(*events: AnyEvent) -> list[LogLine]:
    return [LogLine(n, scene.NOW, event) for n, event in enumerate(events, 1)]


def said(count: int, word: str = "line") -> list[LogLine]:
    return log(*(Said(text=f"{word} {n}") for n in range(1, count + 1)))


def logging(lines: list[LogLine], run: RunId = scene.FIRST_RUN) -> ScriptedFleet:
    fleet = ScriptedFleet()
    fleet.agents_side.logged[run] = lines
    return fleet


def run_log(c: Console) -> RunLog:
    screen = c.app.screen
    assert isinstance(screen, LogScreen)
    return screen.run_log


async def opened(c: Console, *words: str) -> LogView:
    """The log of the first run on the whole screen."""
    await c.until(lambda: c.app.main.log_pane.run == scene.FIRST_RUN)
    await c.press("l")
    await c.until(lambda: isinstance(c.app.screen, LogScreen))
    await c.until(c.shows(*words))
    return run_log(c).view


def line_of(c: Console, word: str) -> int:
    return next(y for y, line in enumerate(c.lines) if word in line)


async def test_it_opens_on_a_screen_of_its_own_where_keys_are_its_own(console: Open) -> None:
    lines = said(100)
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "line 100", "claude-a", "#37", "attempt 2", "stalled", "following")
        assert view.has_focus
        assert c.app.targets is None
        await c.press("f")
        await c.until(c.shows("paused", "▼ End follows"))
        assert isinstance(c.app.screen, LogScreen)
        lines.extend(said(103)[100:])
        await c.until(c.shows("▼ 3 new", "103 lines"))
        assert "line 103" not in c.text
        await c.press("f")
        await c.until(c.shows("line 103", "following"))
        await c.press("X", "x", "q")
        await c.until(lambda: c.app.screen is c.app.main)
        assert c.app.is_running


async def test_a_line_is_selected_and_the_view_follows_it(console: Open) -> None:
    async with console(logging(said(100)), said=True) as c:
        view = await opened(c, "line 100")
        await c.press("k", "k")
        assert view.entry is not None
        assert view.entry.text == "line 98"
        assert not view.following
        await c.press("home")
        assert view.entry.text == "line 1"
        await c.press("pagedown", "pagedown", "pagedown")
        assert view.following
        assert view.entry.text == "line 100"


async def test_the_line_under_the_eyes_stays(console: Open) -> None:
    """While the ring drops lines, lines are wrapped, the terminal is resized, others are filtered out."""
    lines = log(*(Said(text=f"line {n}. {'word ' * 50}") for n in range(1, 2_001)))
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "line 2000.")
        view._book._capacity = 2_000
        await c.press("pageup", "pageup", "k", "k")
        assert view.entry is not None
        word = view.entry.text.split(" word")[0]
        y = line_of(c, word)
        lines.extend(LogLine(n, scene.NOW, Said(text=f"line {n}.")) for n in range(2_001, 2_401))
        await c.until(c.shows("▼ 400 new", "400 older dropped"))
        assert line_of(c, word) == y
        await c.press("w")
        assert view.wrap
        assert line_of(c, word) == y
        await c.until(lambda: not view._page.unmeasured, "all lines to be measured")
        assert line_of(c, word) == y
        await c.pilot.resize_terminal(100, 48)
        await c.until(lambda: c.app.screen.size.width == 100)
        assert line_of(c, word) == y
        await c.press("w")
        assert line_of(c, word) == y
        await c.pilot.resize_terminal(120, 30)
        await c.until(lambda: c.app.screen.size.height == 30)
        assert word in c.text
        assert not view.following


async def test_find_begins_at_the_end_of_what_is_followed(console: Open) -> None:
    lines = log(*(Said(text=f"needle {n}") for n in range(1, 101)))
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "needle 100")
        # The line in which it is typed was put in, and the log was not moved up yet.
        view.set_reactive(LogView.scroll_y, view.scroll_y - 1)
        view.find("needle")
        assert view.found == (100, 100)


async def test_find_goes_to_matches_and_counts_them(console: Open) -> None:
    lines = log(*(Said(text=f"{'needle' if n % 10 == 0 else 'hay'} {n}") for n in range(1, 101)))
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "needle 100")
        await c.press("slash", *"NEEDLE"[:1])
        await c.until(c.shows("/N not found", "following"))
        await c.press("backspace", *"hay")
        await c.until(c.shows("/hay 90/90", "paused"))
        await c.press("x")
        await c.until(c.shows("/hayx not found", "following"))
        await c.press("backspace", "backspace", "backspace")
        await c.press("backspace", *"needle")
        await c.until(c.shows("/needle 10/10"))
        await c.press("enter", "n")
        await c.until(c.shows("/needle 1/10"))
        assert view.has_focus
        assert view.entry is not None
        assert view.entry.text == "needle 10"
        await c.press("N", "N")
        await c.until(c.shows("/needle 9/10"))
        lines.append(LogLine(101, scene.NOW, Said(text="one more needle")))
        await c.until(c.shows("/needle 9/11"))
        # Esc goes back one step at a time.
        await c.press("slash")
        await c.press("escape")
        await c.until(lambda: view.has_focus)
        assert view.found is not None
        await c.press("escape")
        assert view.found is None
        assert view.entry.text == "needle 90"
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)


async def test_a_match_that_is_folded_away_is_shown(console: Open) -> None:
    lines = log(ToolResult(text="first\n" + "other\n" * 5 + "the needle"), *(Note(text="x"),) * 3)
    async with console(logging(lines), said=True) as c:
        await opened(c, "first", "+6 lines")
        assert "the needle" not in c.text
        await c.press("slash", *"needle", "enter")
        await c.until(c.shows("the needle", "1/1"))
        await c.press("escape")
        await c.until(lambda: "the needle" not in c.text)


async def test_a_filter_shows_some_lines_only(console: Open) -> None:
    events = [Said(text=f"said {n}") if n % 2 else ToolCall(name="Bash", argument=f"{n}") for n in range(60)]
    lines = log(*events)
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "said 59")
        await c.press("ampersand", *"!tool", "enter")
        await c.until(c.shows("&!tool", "30 of 60 lines"))
        assert "Bash" not in c.text
        lines += [LogLine(61, scene.NOW, Said(text="later")), LogLine(62, scene.NOW, ToolCall(name="Bash"))]
        await c.until(c.shows("later", "31 of 62 lines"))
        await c.press("ampersand", *" nothing", "enter")
        await c.until(c.shows("No line fits", "Esc shows all lines again"))
        await c.press("escape")
        await c.until(c.shows("said 59", "62 lines"))
        assert view.following
        await c.press("2")
        await c.until(c.shows("last 1m"))
        await c.press("1")
        await c.until(lambda: not view.following and view.scroll_offset.y == 0)
        await c.press("0")
        await c.until(lambda: view.following)


async def test_one_line_is_opened_and_seen_as_it_was_recorded(console: Open) -> None:
    lines = log(Said(text="before"), ToolResult(text="a\nb\nthe end of it", size=3), Said(text="after"))
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "after")
        await c.press("k", "enter")
        await c.until(c.shows("the end of it"))
        y = line_of(c, "before")
        await c.press("J")
        await c.until(c.shows('"kind": "result"'))
        assert line_of(c, "before") == y
        await c.press("J")
        await c.until(c.shows("+2 lines"))
        assert not view.following


async def test_times_wrap_and_columns_are_independent(console: Open) -> None:
    lines = log(Said(text="start " + "x" * 500 + " end"), *(Said(text=f"line {n}") for n in range(5)))
    async with console(logging(lines), said=True) as c:
        view = await opened(c, "line 4", scene.NOW.astimezone().strftime("%H:%M:%S"))
        await c.press("t")
        assert str(view.times.value) == "age"
        await c.until(c.shows("0s"))
        c.later(minutes=3)
        await c.until(c.shows("3m"))
        await c.press("t")
        await c.until(lambda: view.times is Times.OFF)
        await c.press("right")
        await c.until(lambda: "start" not in c.text)
        pan = view.pan
        assert pan > 0
        lines.append(LogLine(7, scene.NOW, Said(text="y" * 500)))
        await c.until(c.shows("yyy"))
        assert view.pan == pan
        await c.press(*["right"] * 20)
        await c.until(c.shows(" end"))
        await c.press(*["left"] * 20)
        await c.until(c.shows("start"))
        assert view.pan == 0
        await c.press("w")
        await c.until(c.shows("start", " end", "wrap"))
        assert view.following


async def test_the_attempts_at_an_issue_one_after_the_other(console: Open) -> None:
    first = scene.run(37, "claude-c", Phase.FAILED, title="Parser drops CRLF", attempt=1)
    fleet = logging(said(3, "second"))
    fleet.agents_side.logged[first.id] = said(3, "first")
    fleet.agents_side.ended.add(first.id)
    async with console(fleet) as c:
        fleet.list_all(*scene.ITEMS, first)
        await opened(c, "second 3")
        await c.press("p")
        await c.until(c.shows("first 3", "attempt 1", "claude-c", "ended"))
        await c.press("p")
        await c.until(c.shows("second 3", "attempt 2"))
        await c.until(lambda: fleet.agents_side.followers == 2)


async def test_a_log_is_saved_whole_to_a_new_file(
    console: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[str] = []
    monkeypatch.setattr("hive_tui.app.clipboard.copy", lambda app, words, what=None: copied.append(words))
    async with console(logging(said(50)), said=True) as c:
        await opened(c, "line 50")
        await c.press("ctrl+s")
        folder = home / "data/fleets/trial/saved"
        await c.until(c.shows("Saved 50 lines to"))
        (path,) = folder.iterdir()
        assert copied == [str(path)]
        assert path.read_text().splitlines()[49].endswith("line 50")
        await c.press("ampersand", *"9", "enter", "ctrl+s")
        await c.until(c.shows("Saved 5 lines to"))
        assert len(list(folder.iterdir())) == 2
        folder.rename(home / "gone")
        folder.write_text("no folder")
        await c.press("ctrl+s")
        await c.until(c.shows("The log was not saved"))


async def test_a_line_is_copied(console: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    monkeypatch.setattr("hive_tui.app.clipboard.copy", lambda app, words, what=None: copied.append(words))
    async with console(logging(log(Said(text="one\ntwo"))), said=True) as c:
        await opened(c, "one")
        await c.press("y")
        assert copied == ["one\ntwo"]


async def test_keys_right_behind_the_one_that_finds_are_for_its_line(console: Open) -> None:
    """As over a slow line, where several keys arrive together: none of them may pause the fleet."""
    lines = log(*(Said(text=f"pq {n}") for n in range(1, 51)))
    async with console(logging(lines), said=True) as c:
        await c.until(c.shows("pq 50"))
        view = c.app.main.log_pane.log_view
        await c.press("4")
        for key, character in (("slash", "/"), ("p", "p"), ("q", "q"), ("enter", "\r"), ("w", "w")):
            c.app.post_message(events.Key(key, character))
        await c.until(c.shows("/pq 50/50", "wrap"))
        assert view.has_focus
        assert not c.fleet.agents_side.told


async def test_the_keys_of_the_log_work_wherever_the_focus_is(console: Open) -> None:
    async with console(logging(said(50)), said=True) as c:
        await opened(c, "line 50")
        c.app.screen.set_focus(None)
        await c.press("slash", *"line 7")
        await c.until(c.shows("/line 7 1/1"))


async def test_in_the_pane_enter_steps_through_matches_and_else_opens_the_log(console: Open) -> None:
    lines = log(*(Said(text=f"{'needle' if n % 40 == 0 else 'hay'} {n}") for n in range(1, 201)))
    async with console(logging(lines), said=True) as c:
        await c.until(c.shows("needle 200"))
        view = c.app.main.log_pane.log_view
        await c.press("4", "slash", *"needle")
        await c.until(c.shows("/needle 5/5", "paused"))
        await c.press("enter", "enter")
        await c.until(c.shows("/needle 1/5", "needle 40"))
        await c.press("enter")
        await c.until(c.shows("/needle 2/5", "needle 80"))
        await c.press("w")
        await c.until(c.shows("wrap"))
        await c.press("escape")
        await c.until(lambda: view.found is None)
        assert c.shows("needle 80")()
        await c.press("end", "enter")
        await c.until(lambda: isinstance(c.app.screen, LogScreen))


async def test_why_a_log_cannot_be_read_and_that_it_goes_on(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_tui.app.tail.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("hive_tui.app.tail.GOES_WELL_SECONDS", 0.02)
    fleet = ScriptedFleet()
    broken = True

    def logs(
        run: RunId, *, after: int = 0, follow: bool = False, stop: threading.Event | None = None
    ) -> Iterator[LogLine]:
        if broken:
            raise SourceError("Permission denied.", "Look at the folder's owner.")
        yield from said(3)[after:]
        assert stop is not None
        stop.wait(30)

    monkeypatch.setattr(fleet.agents_side, "logs", logs)
    async with console(fleet, said=True) as c:
        await c.until(c.shows("The log cannot be read", "Permission denied. Look at the folder's owner."))
        broken = False
        await c.until(c.shows("line 3"))
        await c.until(lambda: c.app.main.log_pane.run_log.error is None)
        assert "cannot be read" not in c.text


async def test_hostile_text_reaches_no_cell(console: Open) -> None:
    events: list[AnyEvent] = []
    for text in HOSTILE:
        events += [Said(text=text, agent=text), ToolResult(text=text), Thinking(text=text)]
    async with console(logging(log(*events)), said=True, size=(120, 60)) as c:
        await opened(c, f"{len(events)} lines")
        for keys in (("w",), ("pageup",), ("home",), ("J",), ("J", "enter"), ("w", "right"), ("end",)):
            await c.press(*keys)
            for line in c.lines:
                bad = [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
                assert not bad, (bad, line)
                assert cell_len(line) == 120


async def test_the_wall_shows_all_runs_at_work(console: Open) -> None:
    fleet = ScriptedFleet()
    for run in scene.RUNS:
        fleet.agents_side.logged[run.id] = said(20, run.spec.worker)
    at_work = [run for run in scene.RUNS if not run.phase.final]
    async with console(fleet, said=True) as c:
        await c.press("L")
        await c.until(lambda: isinstance(c.app.screen, WallScreen))
        await c.until(c.shows(*(f"{run.spec.worker} 20" for run in at_work), "5 at work"))
        screen = c.app.screen
        assert isinstance(screen, WallScreen)
        await c.press("tab")
        tile = next(tile for tile in screen.tiles if tile.has_focus_within)
        assert tile is screen.tiles[1]
        await c.press("enter")
        await c.until(lambda: isinstance(c.app.screen, LogScreen))
        await c.until(c.shows(f"{c.app.view.snapshot.runs[tile.run].spec.worker} 20", "following"))
        await c.press("escape")
        await c.until(lambda: c.app.screen is screen)
        await c.pilot.resize_terminal(60, 16)
        await c.until(c.shows("without room"))
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)
        await c.until(lambda: fleet.agents_side.followers == 1, "the end of the wall's followers")
        assert not list(c.app.query(Tile))


async def test_nothing_at_work_leaves_an_empty_wall_that_says_so(console: Open) -> None:
    async with console() as c:
        c.fleet.list_all(scene.fleet())
        await c.press("L")
        await c.until(c.shows("No agent is at work", "Esc goes back"))


async def test_following_many_logs_fast_leaks_no_thread(console: Open) -> None:
    fleet = ScriptedFleet()
    others = set(threading.enumerate())
    runs = [scene.run(n, f"claude-{n}", Phase.WORKING) for n in range(1, 41)]
    for run in runs:
        fleet.agents_side.logged[run.id] = said(5, run.spec.worker)
    async with console(fleet) as c:
        fleet.list_all(scene.fleet(*runs), *runs)
        await c.until(lambda: len(c.app.main.agents.table.keys) == 40)
        log_of_run = c.app.main.log_pane.run_log
        for key in c.app.main.agents.table.keys:
            log_of_run.follow(RunId(str(key)))
        await c.until(lambda: fleet.agents_side.followers == 1)

        def following() -> list[threading.Thread]:
            return [one for one in threading.enumerate() if one.name.startswith("log ") and one not in others]

        await c.until(lambda: len(following()) == 1)
    await wait_for(lambda: not following())


@pytest.mark.parametrize(
    ("size", "room", "logs", "grid"),
    [
        ((160, 46), (3, 3), 1, (1, 1)),
        ((160, 46), (3, 3), 2, (1, 2)),
        ((160, 46), (3, 3), 5, (2, 3)),
        ((160, 46), (3, 3), 9, (3, 3)),
        ((80, 22), (2, 3), 6, (2, 3)),
        ((44, 10), (1, 1), 1, (1, 1)),
        ((300, 100), (3, 3), 9, (3, 3)),
    ],
)
def test_as_many_logs_as_there_is_room_for(
    size: tuple[int, int], room: tuple[int, int], logs: int, grid: tuple[int, int]
) -> None:
    assert fitting(*size) == room
    assert shape(logs, *room) == grid


def test_logs_stay_where_they_are_on_the_wall() -> None:
    a, b, c, d = map(RunId, "abcd")
    assert choose([], [a, b, c], 2) == [a, b]
    assert choose([a, b], [b, c], 2) == [c, b]
    assert choose([a, b], [b], 2) == [a, b]
    assert choose([a, b], [a, b, c, d], 4) == [a, b, c, d]
    assert choose([a, b, c], [a, b, c], 1) == [a]
