"""What keys do: focus, selection, orders to the fleet, leaving."""

from __future__ import annotations

import msgspec
import pytest
from textual import events

from hive_tui.app import keys, shell
from hive_tui.core.model import Actor, ActorKind, Paused
from tests.console.conftest import Console, Open
from tests.fakes import scene

pytestmark = pytest.mark.timeout(60)


def focused(c: Console) -> int:
    return next(pane.digit for pane in c.app.main.panes if pane.body.has_focus_within)


async def test_q_quits(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("q")
        await c.until(lambda: not c.app.is_running, "the end")
        assert c.app.return_code == 0


async def test_ctrl_c_tells_the_way_out(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("ctrl+c")
        await c.until(c.shows("q leaves the console"))
        assert c.app.is_running


async def test_escape_does_not_quit(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("escape", "escape")
        assert c.app.is_running


async def test_digits_and_tab_move_the_focus(console: Open) -> None:
    async with console(said=True) as c:
        assert focused(c) == 3
        for digit in (1, 2, 4, 5, 6, 7, 8, 3):
            await c.press(str(digit))
            assert focused(c) == digit
        await c.press("tab")
        assert focused(c) == 4
        await c.press("8", "tab")
        assert focused(c) == 1
        await c.press("shift+tab")
        assert focused(c) == 8


async def test_the_frame_of_the_focused_pane_has_the_accent(console: Open) -> None:
    def corner(c: Console, pane: int) -> object:
        region = c.app.main.panes[pane - 1].region
        return c.app.screen.get_style_at(region.x, region.y).color

    async with console(said=True) as c:
        accent, quiet = corner(c, 3), corner(c, 2)
        assert accent != quiet
        await c.press("2")
        await c.until(lambda: (corner(c, 2), corner(c, 3)) == (accent, quiet))


async def test_a_narrow_terminal_shows_one_pane_at_a_time(console: Open) -> None:
    async with console(said=True, size=(80, 24)) as c:
        await c.until(c.shows("3 Agents", "claude-b", "5/6"))
        assert "2 Issues" not in c.text
        await c.press("2")
        await c.until(c.shows("2 Issues", "Remove the old flag", "5/6"))
        assert "3 Agents" not in c.text
        await c.press("tab")
        assert focused(c) == 3


async def test_a_key_is_not_undone_by_what_a_new_arrangement_focuses(console: Open) -> None:
    async with console(said=True, size=(80, 24)) as c:
        c.app.main.set_focus(None)
        c.app.main.on_deck_rearranged()
        c.app.main.action_pane(2)
        await c.until(c.shows("2 Issues", "Remove the old flag"))
        assert focused(c) == 2


@pytest.mark.parametrize("digit", [1, 2, 3, 4, 5])
async def test_the_one_pane_fills_a_narrow_terminal(console: Open, digit: int) -> None:
    async with console(said=True, size=(80, 24)) as c:
        await c.press(str(digit))
        pane = c.app.main.panes[digit - 1]
        await c.until(lambda: (pane.region.width, pane.region.height) == (80, 21), "the whole screen")


async def test_the_first_agent_is_selected_until_somebody_chooses(console: Open) -> None:
    async with console(said=True) as c:
        agents = c.app.main.agents.table
        rows = {key: agents.row(key) for key in agents.keys}
        first, second = agents.keys[:2]
        agents.show([second, first], rows.__getitem__)
        assert agents.selected == second
        agents.action_move(1)  # by no key: meanwhile the pane might show its own rows again
        agents.show([first, second], rows.__getitem__)
        assert agents.selected == first
        agents.show([second, first], rows.__getitem__)
        assert agents.selected == first


async def test_a_tiny_terminal_says_what_it_needs(console: Open) -> None:
    async with console(said=True, size=(30, 8)) as c:
        await c.until(c.shows("Make the terminal larger"))
        await c.pilot.resize_terminal(160, 48)
        await c.until(c.shows("3 Agents", "claude-b"))


async def test_a_click_selects(console: Open) -> None:
    async with console(said=True) as c:
        table = c.app.main.agents.table
        await c.pilot.click("#agents Table", offset=(5, 3))
        assert table.selected == table.keys[2] == scene.RUNS[1].id


async def test_pause_is_a_wish_until_the_fleet_confirms_it(console: Open) -> None:
    async with console(said=True) as c:
        orders = c.fleet.agents_side.paused
        await c.press("p")
        await c.until(lambda: orders)
        assert orders == [Paused(Actor(ActorKind.PERSON, "ann"), scene.NOW)]
        assert "▶ running → pausing" in c.text
        c.fleet.change(msgspec.structs.replace(scene.fleet(*scene.RUNS), paused=orders[0]))
        await c.until(c.shows("paused by ann"))
        assert "pausing" not in c.text
        await c.press("p")
        await c.until(lambda: len(orders) == 2)
        assert orders[1] is None


async def test_an_order_that_fails_says_why(console: Open) -> None:
    async with console(said=True) as c:
        c.fleet.agents_side.refuses = True
        await c.press("p")
        await c.until(c.shows("The database is locked. Try again."))
        assert "pausing" not in c.text
        assert c.app.is_running


async def test_read_only_changes_nothing(console: Open) -> None:
    async with console(said=True, read_only=True) as c:
        await c.press("p")
        await c.until(c.shows("read-only"))
        assert c.fleet.agents_side.paused == []


async def test_preparations_that_fail_are_told(console: Open) -> None:
    def prepare() -> str | None:
        raise OSError("no room for a dispatcher")

    async with console(prepare=prepare) as c:
        await c.until(c.shows("no room for a dispatcher"))
        assert c.app.is_running


async def test_preparations_tell_what_they_did(console: Open) -> None:
    async with console(prepare=lambda: "Started the dispatcher.") as c:
        await c.until(c.shows("Started the dispatcher."))


async def test_dispatch_now_is_recorded_for_the_dispatcher(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("n")
        await c.until(lambda: c.fleet.agents_side.recorded)
        assert [event.kind for event in c.fleet.agents_side.recorded] == ["wake"]


async def test_the_footer_shows_the_order_that_applies(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(lambda: "p pause" in c.lines[-1])
        paused = Paused(Actor(ActorKind.PERSON, "bob"), scene.NOW)
        c.fleet.change(msgspec.structs.replace(scene.fleet(*scene.RUNS), paused=paused))
        await c.until(lambda: "p resume" in c.lines[-1])
        assert "p pause" not in c.lines[-1]


async def test_enter_is_a_key_where_there_is_something_to_open(console: Open) -> None:
    async with console() as c:
        c.fleet.list_all(scene.fleet())
        await c.press("3")
        await c.until(c.shows("n now"))
        assert "Enter open" not in c.lines[-1]
        c.fleet.change(*scene.RUNS)
        await c.until(c.shows("Enter open"))


async def test_an_order_that_is_not_confirmed_is_given_up(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("p")
        await c.until(c.shows("→ pausing", "Paused: nothing new"))
        c.later(seconds=11)
        await c.until(c.shows("did not confirm pausing"))
        assert "→ pausing" not in c.text


async def test_keys_that_wait_too_long_for_a_form_are_dropped_and_later_ones_work(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "AHEAD_SECONDS", 0.2)
    async with console(said=True) as c:
        c.app.expect()
        for key in ("j", "p"):
            c.app.post_message(events.Key(key, key))
        await c.until(c.shows("type it again"))
        assert not c.fleet.cluster.paused
        await c.press("question_mark")
        await c.until(lambda: c.app.screen is not c.app.main)


def test_every_key_of_the_console_is_in_the_registry() -> None:
    taken: dict[str, list[str]] = {}
    for action in keys.offered():
        for key in action.keys:
            taken.setdefault(key, []).append(action.id)
    shared = {key: names for key, names in taken.items() if len(names) > 1}
    assert shared == {"p": ["pause", "resume"], "t": ["take", "release"]}
