"""Costs on the screen: the pane, and the screen that it opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from hive_tui.app import looks_feed
from hive_tui.app.app import HiveApp
from hive_tui.app.screens.costs import LEAST_CHART, CostsScreen
from hive_tui.app.screens.detail import DetailScreen
from hive_tui.core.errors import SourceError
from hive_tui.core.model import Budget
from hive_tui.costs import overview
from hive_tui.costs.overview import CostView, FleetRows, Question, Scope
from hive_tui.costs.prices import PICO_PER_MICRO
from hive_tui.costs.sums import Dimension, Sum
from tests.console.conftest import Console, Open, wait_for
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)


class Transcripts:
    """An index that has what it is given."""

    def __init__(self, sums: Sequence[Sum]) -> None:
        self.all = list(sums)

    def sums(
        self, by: Sequence[Dimension], *, since: int | None = None, until: int | None = None
    ) -> list[Sum]:
        found: dict[tuple[Any, ...], Sum] = {}
        for one in self.all:
            if (since or 0) <= one.quarter < (until or 1 << 62):
                key = tuple(getattr(one, each.value) for each in by)
                found[key] = _plus(found.get(key), one)
        return [found[key] for key in sorted(found)]


def _plus(known: Sum | None, one: Sum) -> Sum:
    if known is None:
        return one
    numbers = ("calls", "unpriced", "input", "output", "cache_read", "cache_write_5m", "cost")
    sums = {name: getattr(known, name) + getattr(one, name) for name in numbers}
    first, last = min(known.first, one.first), max(known.last, one.last)
    return msgspec.structs.replace(known, **sums, first=first, last=last)


def call(hours: float, model: str, cents: int, project: str = "shop", *, unpriced: int = 0) -> Sum:
    """A quarter of an hour of use, so long ago."""
    at = round((scene.NOW - timedelta(hours=hours)).timestamp() * 1_000)
    cost = cents * 10_000 * PICO_PER_MICRO
    return Sum(
        calls=4,
        unpriced=unpriced,
        input=900,
        output=300 * cents,
        cache_read=9_000 * cents,
        cache_write_5m=700 * cents,
        cache_write_1h=0,
        cost=cost,
        first=at - 60_000,
        last=at,
        quarter=at // 900_000 * 900_000,
        session=f"{project}-{hours:g}-{model}",
        model=model,
        project=f"/home/ann/src/{project}",
        agent="codex" if "gpt" in model else "claude",
    )


MONTH = [
    *(call(7 * hour, "claude-opus-5-5", 40 + 13 * hour % 90) for hour in range(70)),
    *(call(11 * hour + 1, "gpt-6.1-sol", 20 + 17 * hour % 60, "api") for hour in range(40)),
    *(call(19 * hour + 2, "claude-haiku-4-5-20251001", 9, "infra") for hour in range(20)),
    *(call(31 * hour + 3, "claude-sonnet-4-5-20250929", 33, "docs") for hour in range(12)),
    call(50, "someone-s-model", 0, "notes", unpriced=4),
    *(call(hour / 4, "claude-opus-5-5", 21) for hour in range(7)),
]


class Looks:
    """Answers from transcripts that a test changes."""

    def __init__(self, told: Callable[[], FleetRows]) -> None:
        self.question = Question()
        self.stirred = False
        self.transcripts = Transcripts(MONTH)
        self.error: SourceError | None = None
        self._told = told

    def look(self) -> CostView:
        if self.error is not None:
            raise self.error

        def quarters(since: datetime, now: datetime) -> Sequence[Sum]:
            return self.transcripts.sums([Dimension.QUARTER])

        view = overview.answer(self.question, self.transcripts, self._told(), scene.NOW, quarters=quarters)
        self.stirred = False
        return view


class Opened:
    """Opens looks, and keeps them for the test."""

    looks: Looks

    def __call__(self, told: Callable[[], FleetRows]) -> Looks:
        self.looks = Looks(told)
        return self.looks


async def at(c: Console, *keys: str, words: Sequence[str]) -> None:
    await c.press(*keys)
    await c.until(c.shows(*words), f"{words}")


async def test_enter_on_the_pane_opens_what_the_fleet_cost_and_esc_goes_back(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        await at(c, "6", words=["this fleet's runs", "~$10.32"])
        # All of it is of today: by day there would be one row.
        await at(c, "enter", words=["all ~$10.32", "By issue", "#37", "$3.10", "a run counts when it ended"])
        assert isinstance(c.app.screen, CostsScreen)
        await at(c, "1", words=["By day", "[1 day]"])
        await c.press("escape")
        assert c.app.screen is c.app.main


async def test_charts_leave_the_lines_that_they_do_not_need_to_the_table(console: Open) -> None:
    class NoTranscripts(Opened):
        def __call__(self, told: Callable[[], FleetRows]) -> Looks:
            looks = super().__call__(told)
            looks.transcripts = Transcripts([])
            return looks

    async with console(said=True, cost_looks=NoTranscripts()) as c:
        await at(c, "dollar_sign", words=["By issue", "#37", "no block in a week"])
        charts = c.app.screen.query_one("#charts")
        await c.until(lambda: charts.size.height == LEAST_CHART, "charts of the height that they need")


async def test_headings_and_what_is_counted_are_changed_by_key(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        await at(c, "dollar_sign", words=["this fleet's runs", "By issue"])
        await at(c, "w", words=["everything on this machine", "By day", "█ opus-5-5", "left"])
        await at(c, "6", words=["By model", "haiku-4-5", "without 4 calls that nobody has a price for"])
        await at(c, "right_square_bracket", words=["By agent", "codex"])
        await at(c, "left_square_bracket", "left_square_bracket", words=["By project", "/home/ann/src/infra"])
        first = next(line for line in c.lines if "▌" in line)
        assert "shop" in first
        await at(c, "s", words=["project↑"])
        assert c.app.screen.uses.table.keys[0].endswith("api")
        await at(c, "right", words=["to cache,", "from cache"])


async def test_rows_are_filtered_until_another_heading(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        await at(c, "dollar_sign", "w", words=["everything on this machine", "█ opus-5-5"])
        await at(c, "6", words=["By model", "haiku-4-5"])
        table = c.app.screen.uses.table
        listed = len(table.keys)
        await at(c, "slash", *"opus", words=[f"/opus  1 of {listed}"])
        assert list(table.keys) == ["claude-opus-5-5"]
        # A new answer leaves it as it is.
        await at(c, "enter", "s", words=[f"/opus  1 of {listed}"])
        await at(c, "slash", *"zzz", words=['No row matches "opuszzz"', "Esc clears the filter"])
        await c.press("escape", "escape")
        await c.until(lambda: len(table.keys) == listed, "all rows again")
        await at(c, "slash", *"haiku", "enter", words=["/haiku  1 of"])
        await at(c, "7", words=["By agent", "codex"])
        assert "/haiku" not in c.text
        await c.press("escape")
        assert c.app.screen is c.app.main


async def test_only_the_answer_to_what_is_asked_is_shown(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        await at(c, "dollar_sign", "w", "6", words=["everything on this machine", "By model", "haiku-4-5"])
        await at(c, "slash", *"haiku", "enter", words=["/haiku  1 of"])
        screen = c.app.screen
        assert isinstance(screen, CostsScreen)
        pane, asked, view = screen.uses, screen.question, screen._feed.overview
        # Nothing awaits here: the feed cannot answer meanwhile.
        pane.show(Question(scope=Scope.FLEET, by=asked.by), view, None, scene.NOW)
        assert list(pane.table.keys) == []
        assert pane.filtering == "haiku"
        pane.show(asked, view, None, scene.NOW)
        assert list(pane.table.keys) == ["claude-haiku-4-5-20251001"]


async def test_a_line_opens_it_as_the_command_would(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        c.app.commander.run("costs --by issue --scope machine")
        await c.until(c.shows("By issue", "everything on this machine", "other sessions", "#37"))
        c.app.commander.run("costs --by run")
        await c.until(c.shows("By run", "everything on this machine"))
        assert isinstance(c.app.screen, CostsScreen)


async def test_an_issue_is_opened_from_its_row(console: Open) -> None:
    async with console(said=True, cost_looks=Opened()) as c:
        c.app.commander.run("costs --by issue")
        await c.until(c.shows("By issue", "#37"))
        await c.press("enter")
        await c.until(lambda: isinstance(c.app.screen, DetailScreen), "the issue")


async def test_a_new_call_is_on_the_screen_soon(console: Open) -> None:
    assert looks_feed.PEEK_SECONDS < 1
    opened = Opened()
    async with console(said=True, cost_looks=opened) as c:
        await at(c, "dollar_sign", "w", words=["everything on this machine", "31 days"])
        await at(c, "6", words=["By model", "opus-5-5"])
        opened.looks.transcripts.all.append(call(0, "brand-new-model", 5_000))
        opened.looks.stirred = True
        await c.until(c.shows("brand-new-model", "$50.00"))


async def test_what_was_known_stays_when_the_transcripts_cannot_be_read(console: Open) -> None:
    opened = Opened()
    async with console(said=True, cost_looks=opened) as c:
        await at(c, "dollar_sign", "w", words=["█ opus-5-5", "2 week"])
        opened.looks.error = SourceError("usage.db: disk I/O error.", "Look at the disk.")
        await at(c, "r", words=["cannot be read", "disk I/O error. Look at the disk.", "█ opus-5-5"])
        opened.looks.error = None
        await c.press("r")
        await c.until(lambda: "cannot be read" not in c.text, "it is read again")


async def test_a_console_without_transcripts_says_so(console: Open) -> None:
    async with console(said=True) as c:
        await at(c, "dollar_sign", words=["no transcripts to sum up"])


async def test_it_fits_from_the_smallest_terminal_on(console: Open) -> None:
    for size in ((44, 12), (80, 24), (110, 20), (200, 60)):
        async with console(said=True, size=size, cost_looks=Opened()) as c:
            await at(c, "dollar_sign", "w", words=["everything on this machine", "day", "2026-"])


async def test_every_budget_is_a_bar_in_the_pane(console: Open) -> None:
    fleet = ScriptedFleet()
    budget = Budget(day_micros=20_000_000, fleet_micros=11_000_000, issue_micros=4_000_000)
    of_scene = msgspec.structs.replace(scene.fleet(), budget=budget)
    fleet.list_all(of_scene, *(item for item in scene.ITEMS if not isinstance(item, type(of_scene))))
    async with console(fleet, said=False) as c:
        await at(c, "6", "z", words=["52 % of $20 a day", "fleet", "94 % of $11", "#37", "78 % of $4"])


# Pictures


def pictured(*keys: str, words: str) -> Callable[[Pilot[None]], Any]:
    async def run(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, HiveApp)
        await wait_for(lambda: app.main.agents.table.keys)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

        def shown() -> bool:
            strips = app.screen._compositor.render_strips(app.size)
            return words in "\n".join(strip.text for strip in strips)

        await wait_for(shown)
        for _ in range(4):
            await pilot.pause(0.02)

    return run


def app_with_costs() -> HiveApp:
    fleet = ScriptedFleet()
    fleet.list_all(*scene.PICTURED)
    return HiveApp(fleet, user="ann", now=lambda: scene.NOW, cost_looks=Opened())


def test_picture_of_the_machine(snap_compare: Any) -> None:
    keys = pictured("dollar_sign", "w", "6", words="haiku-4-5")
    assert snap_compare(app_with_costs(), terminal_size=(160, 48), run_before=keys)


def test_picture_on_a_small_terminal(snap_compare: Any) -> None:
    keys = pictured("dollar_sign", "9", words="#37")
    assert snap_compare(app_with_costs(), terminal_size=(80, 24), run_before=keys)
