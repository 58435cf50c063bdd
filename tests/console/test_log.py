"""The log pane: it follows the selected run, and leaves a reader alone."""

from __future__ import annotations

import pytest

from hive_tui.app import run_log
from hive_tui.core.events import LogLine, Note, Said
from hive_tui.core.ids import RunId
from tests.console.conftest import Open
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)


def said(count: int, first: int = 1, word: str = "line") -> list[LogLine]:
    return [LogLine(n, scene.NOW, Said(text=f"{word} {n}")) for n in range(first, first + count)]


def logging(run: RunId, lines: list[LogLine]) -> ScriptedFleet:
    fleet = ScriptedFleet()
    fleet.agents_side.logged[run] = lines
    return fleet


async def test_it_follows_the_selected_run(console: Open) -> None:
    lines = said(100)
    async with console(logging(scene.FIRST_RUN, lines), said=True) as c:
        await c.until(c.shows("line 100", "following", "100 lines", "claude-a #37 attempt 2"))
        lines.extend(said(5, 101))
        await c.until(c.shows("line 105", "105 lines"))


async def test_another_selection_is_another_log(console: Open) -> None:
    fleet = logging(scene.FIRST_RUN, said(3, word="first"))
    fleet.agents_side.logged[scene.RUNS[3].id] = said(3, word="second")
    async with console(fleet, said=True) as c:
        await c.until(c.shows("first 3"))
        await c.press("j")
        await c.until(c.shows("second 3", "codex-a #41"))
        assert "first 3" not in c.text
        await c.until(lambda: fleet.agents_side.followers == 1, "the end of the first follower")


async def test_another_log_comes_as_fast_after_a_flood(console: Open) -> None:
    async with console(said=True) as c:
        log = c.app.main.log_pane.run_log
        log._flooded = True
        assert log._pause > run_log.BATCH_SECONDS
        log.follow(scene.RUNS[3].id)
        assert log._pause == run_log.BATCH_SECONDS


async def test_a_shorter_log_after_a_longer_one(console: Open) -> None:
    fleet = logging(scene.FIRST_RUN, said(12, word="first"))
    fleet.agents_side.logged[scene.RUNS[3].id] = said(1, word="second")
    async with console(fleet, said=True) as c:
        await c.until(c.shows("first 12"))
        await c.press("j")
        await c.until(c.shows("second 1", "codex-a #41"))
        assert "first" not in c.text


async def test_switching_fast_opens_the_last_one_only(console: Open) -> None:
    fleet = ScriptedFleet()
    for run in scene.RUNS:
        fleet.agents_side.logged[run.id] = said(2, word=run.spec.worker)
    async with console(fleet, said=True) as c:
        await c.press(*("j", "k") * 10, "j", "j")
        chosen = c.app.main.agents.table.selected
        await c.until(lambda: c.app.main.log_pane.run == chosen)
        await c.until(lambda: len(c.app.main.log_pane.log_view.lines) == 2)
        await c.until(lambda: fleet.agents_side.followers == 1)


async def test_scrolling_up_pauses_and_end_follows_again(console: Open) -> None:
    lines = said(200)
    async with console(logging(scene.FIRST_RUN, lines), said=True) as c:
        await c.until(c.shows("line 200"))
        view = c.app.main.log_pane.log_view
        await c.press("4", "pageup")
        await c.until(lambda: not view.following)
        top = view.scroll_offset.y
        lines.extend(said(7, 201))
        await c.until(c.shows("▼ 7 new"))
        assert view.scroll_offset.y == top
        assert "line 207" not in c.text
        await c.press("end")
        await c.until(c.shows("line 207", "following"))
        lines.extend(said(1, 208))
        await c.until(c.shows("line 208"))


async def test_scrolling_down_to_the_end_follows_again(console: Open) -> None:
    async with console(logging(scene.FIRST_RUN, said(200)), said=True) as c:
        await c.until(c.shows("line 200"))
        view = c.app.main.log_pane.log_view
        await c.press("4", "up", "up")
        assert not view.following
        await c.press("down", "down")
        assert view.following


async def test_the_ring_drops_the_oldest_and_says_how_many(console: Open) -> None:
    lines = said(20_500)
    async with console(logging(scene.FIRST_RUN, lines), said=True) as c:
        await c.until(c.shows("line 20500", "20,000 lines", "500 older dropped"))
        view = c.app.main.log_pane.log_view
        assert view.lines[0].n == 501
        await c.press("4", "pageup", "pageup")
        reading = next(line for line in c.lines if "said" in line).split("line ")[1].split()[0]
        lines.extend(said(50, 20_501))
        await c.until(c.shows("550 older dropped"))
        assert f"line {reading}" in next(line for line in c.lines if "said" in line)


async def test_an_ended_log_says_so(console: Open) -> None:
    fleet = logging(scene.FIRST_RUN, [LogLine(1, scene.NOW, Note(text="published"))])
    fleet.agents_side.ended.add(scene.FIRST_RUN)
    async with console(fleet, said=True) as c:
        await c.until(c.shows("published", "ended"))


async def test_a_run_without_a_word(console: Open) -> None:
    fleet = logging(scene.FIRST_RUN, [])
    fleet.agents_side.ended.add(scene.FIRST_RUN)
    async with console(fleet, said=True) as c:
        await c.until(c.shows("This run left no log"))


async def test_no_run_at_all(console: Open) -> None:
    async with console() as c:
        c.fleet.list_all(scene.fleet())
        await c.until(c.shows("No agent selected"))
