"""From what a source says to what stands on the screen."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta

import msgspec
import pytest
from textual.strip import Strip
from textual.widget import Widget

from hive_tui.app import shell
from hive_tui.core.errors import SourceError
from hive_tui.core.model import Actor, ActorKind, LastEvent, Paused, Phase
from hive_tui.core.sources import FORGE, SourceFailed
from tests.console.conftest import Open
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet
from widgets.log_window import LogWindow

pytestmark = pytest.mark.timeout(60)


async def test_first_paint_waits_for_no_backend(console: Open) -> None:
    async with console() as c:
        await c.until(c.shows("1 Fleet", "2 Issues", "3 Agents", "4 Log", "5 Pull requests"))
        await c.until(c.shows("reading"))
        assert "No issues yet" not in c.text


async def test_rows_appear(console: Open) -> None:
    async with console(said=True) as c:
        await c.until(c.shows("claude-b", "#29", "working", "$1.02", "Edit src/io/reader.py +14 −3"))
        await c.until(c.shows("#45", "held", "no DoD", "!52", "✓ PASS", "✓ 3/3", "5/6"))
        main = c.app.main
        assert main.agents.table.keys[0] == scene.FIRST_RUN
        assert set(main.issues.table.keys) == {issue.key for issue in scene.ISSUES}
        assert [key.number for key in main.pulls.table.keys] == [50, 51, 52, 49]


async def test_a_row_is_updated_in_place(console: Open) -> None:
    async with console(said=True) as c:
        before = list(c.app.main.agents.table.keys)
        run = scene.RUNS[1]
        status = msgspec.structs.replace(
            run.status, last_event=LastEvent(scene.NOW, "Writing the second half")
        )
        c.fleet.change(msgspec.structs.replace(run, status=status))
        await c.until(c.shows("Writing the second half"))
        assert list(c.app.main.agents.table.keys) == before


async def test_a_new_order_keeps_the_selection_by_key(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("j", "j")
        table = c.app.main.agents.table
        chosen = table.selected
        assert chosen == scene.RUNS[1].id
        urgent = scene.run(60, "claude-z", Phase.STALLED, why="nothing moves")
        c.fleet.change(urgent)
        await c.until(lambda: urgent.id in table.keys)
        assert table.selected == chosen
        marked = next(line for line in c.lines if "▌claude" in line)
        assert "claude-b" in marked


async def test_a_list_that_nobody_touched_shows_its_first_row_selected(console: Open) -> None:
    async with console(said=True) as c:
        table = c.app.main.issues.table
        c.fleet.change(scene.issue(5, "Comes first", "status:needs-human", "priority:critical"))
        await c.until(lambda: len(table.keys) == len(scene.ISSUES) + 1)
        assert table.selected == table.keys[0]


@pytest.mark.parametrize("key", ["x", "enter", "l", "g"])
async def test_what_was_acted_on_stays_selected(console: Open, key: str) -> None:
    async with console(said=True) as c:
        table = c.app.main.agents.table
        chosen = table.selected
        await c.press(key)
        await c.until(lambda: c.app.screen is not c.app.main)
        await c.press("escape")
        await c.until(lambda: c.app.screen is c.app.main)
        urgent = scene.run(60, "a-a", Phase.STALLED, why="nothing moves")
        c.fleet.change(urgent)
        await c.until(lambda: urgent.id in table.keys)
        assert table.keys[0] != chosen
        assert table.selected == chosen


async def test_the_selection_moves_on_when_its_row_goes(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("2", "down")
        table = c.app.main.issues.table
        gone = table.selected
        rest = [issue for issue in scene.ISSUES if issue.key != gone]
        c.fleet.list_all(scene.fleet(*scene.RUNS), *scene.RUNS, *rest, *scene.PULLS)
        await c.until(lambda: gone not in table.keys)
        assert table.selected == table.keys[1]


async def test_scroll_position_survives_rows_that_come_above(console: Open) -> None:
    issues = [scene.issue(number, f"Title {number}") for number in range(100, 200)]
    fleet = ScriptedFleet()
    async with console(fleet) as c:
        fleet.list_all(scene.fleet(), *issues)
        table = c.app.main.issues.table
        await c.until(lambda: len(table.keys) == 100)
        await c.press("2", "end")
        chosen, top = table.selected, table.scroll_offset.y
        assert top > 0
        fleet.change(scene.issue(5, "Comes first", "status:ready", "priority:critical"))
        await c.until(lambda: len(table.keys) == 101)
        assert table.selected == chosen
        assert table.scroll_offset.y == top + 1


async def test_a_failed_source_says_so_and_keeps_its_rows(console: Open) -> None:
    async with console(said=True) as c:
        c.fleet.tracker.say(SourceFailed(FORGE, "rate limit reached", scene.NOW + timedelta(seconds=40)))
        await c.until(c.shows("failed, as of", "rate limit reached", "next try in 40s"))
        assert len(c.app.main.issues.table.keys) == len(scene.ISSUES)
        assert "Remove the old" in c.text
        c.fleet.change(scene.issue(99, "It is back"))
        await c.until(c.shows("It is back"))
        assert "failed, as of" not in c.text


async def test_a_source_that_was_never_read_says_what_to_do(console: Open) -> None:
    async with console() as c:
        c.fleet.tracker.say(SourceError("The database is locked.", "Close the other program."))
        await c.until(c.shows("forge cannot be read", "The database is locked. Close the other program."))
        assert c.text.count("hive doctor") >= 2


async def test_an_exception_in_a_watch_is_visible_and_the_app_lives(console: Open) -> None:
    async with console(said=True) as c:
        c.fleet.agents_side.say(ZeroDivisionError("in the middle of it"))
        await c.until(c.shows("ZeroDivisionError: in the middle of it"))
        assert c.app.is_running
        assert len(c.app.main.agents.table.keys) == len(scene.RUNS)


async def test_what_comes_by_itself_lets_keys_go_first_but_not_for_ever(
    console: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(said=True) as c:
        monkeypatch.setattr(shell, "KEY_SECONDS", 60.0)
        monkeypatch.setattr(shell, "LATEST_SECONDS", 0.2)
        await c.press("j")
        done: list[str] = []
        c.app.unhurried(lambda: done.append("later"))
        assert done == []
        c.fleet.change(scene.issue(99, "It is new"))
        await c.until(c.shows("It is new"))
        assert done == ["later"]
        monkeypatch.setattr(shell, "KEY_SECONDS", 0.0)
        c.app.unhurried(lambda: done.append("at once"))
        assert done == ["later", "at once"]


async def test_empty_panes_say_what_comes_next(console: Open) -> None:
    async with console() as c:
        c.fleet.list_all(scene.fleet())
        await c.until(
            c.shows("No repository yet", "hive init", "No agent is at work", "No pull requests yet")
        )


async def test_a_paused_fleet_names_who_and_why(console: Open) -> None:
    async with console(said=True) as c:
        paused = Paused(Actor(ActorKind.PERSON, "bob"), scene.ago(minutes=4), "release day")
        c.fleet.change(msgspec.structs.replace(scene.fleet(*scene.RUNS), paused=paused))
        await c.until(c.shows("paused by bob 4m: release day"))


async def test_a_closed_screen_leaves_nothing_painted_behind(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("question_mark")
        assert c.app.screen is not c.app.main
        painted = [weakref.ref(node._styles_cache) for node in c.app.screen.walk_children()]
        await c.press("escape")
        assert c.app.screen is c.app.main
        await c.press("j")
        gc.collect()
        assert [kept() for kept in painted if kept() is not None] == []


async def test_painted_lines_of_a_closed_screen_wait_for_no_look_for_garbage(console: Open) -> None:
    async with console(said=True) as c:
        await c.press("l")
        await c.until(lambda: any(_strips_of(node) for node in c.app.screen.walk_children()))
        closed = c.app.screen.walk_children()
        await c.press("escape")
        assert [node for node in closed if _strips_of(node)] == []


def _strips_of(node: Widget) -> list[Strip]:
    """The painted lines that a widget keeps."""
    kept = node._strips.values() if isinstance(node, LogWindow) else ()
    return [*node._styles_cache._cache.values(), *kept]
