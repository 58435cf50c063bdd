"""Pictures of the console at fixed size, time and theme; `pytest --snapshot-update` takes them anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from hive_tui.app.app import HiveApp
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Actor, ActorKind, Paused
from hive_tui.core.settings import FleetSettings, RepoSettings
from hive_tui.core.sources import CLUSTER, SourceFailed
from tests.console.conftest import wait_for
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet
from widgets.table import Table

pytestmark = pytest.mark.timeout(60)

WIDE, NORMAL, NARROW = (160, 48), (100, 30), (80, 24)

SETTINGS = FleetSettings(repos=(RepoSettings(RepoName(str(scene.REPO))),), allowed_authors=("ann",))


def app_at_work(*, theme: str | None = None, read_only: bool = False) -> HiveApp:
    fleet = ScriptedFleet(SETTINGS)
    fleet.agents_side.logged[scene.FIRST_RUN] = scene.log_lines(24)
    fleet.list_all(*scene.PICTURED)
    return HiveApp(fleet, user="ann", now=lambda: scene.NOW, theme=theme, read_only=read_only)


async def settled(app: HiveApp, pilot: Pilot[None]) -> None:
    """Everything that was said is on the screen, and nothing more is to come."""
    deck = app.main.deck
    await wait_for(lambda: deck._arrange(*deck.size) == deck.arrangement)
    for _ in range(3):
        await pilot.pause()


async def filled(app: HiveApp, pilot: Pilot[None]) -> None:
    main = app.main
    lists = (main.pulls.table, main.agents.table, main.issues.table)
    await wait_for(lambda: all(table.keys for table in lists), "a row in each list")
    await wait_for(lambda: main.log_pane.log_view.lines, "a line of the log")
    await settled(app, pilot)


def when(
    app: HiveApp,
    *keys: str,
    ready: Callable[[HiveApp, Pilot[None]], Awaitable[None]] = filled,
    until: Callable[[], object] | None = None,
) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Press keys when all is there, and wait."""

    async def run(pilot: Pilot[None]) -> None:
        await ready(app, pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if until is not None:
            await wait_for(until)
        for _ in range(4):
            await pilot.pause(0.02)

    return run


@pytest.mark.parametrize("size", [WIDE, NORMAL], ids=["wide", "normal"])
def test_all_panes(snap_compare: Any, size: tuple[int, int]) -> None:
    app = app_at_work()
    assert snap_compare(app, terminal_size=size, run_before=when(app))


@pytest.mark.parametrize("digit", range(1, 9))
def test_one_pane_at_a_time(snap_compare: Any, digit: int) -> None:
    app = app_at_work()
    assert snap_compare(app, terminal_size=NARROW, run_before=when(app, str(digit)))


@pytest.mark.parametrize("theme", ["hive-light", "hive-ansi"])
def test_other_colours(snap_compare: Any, theme: str) -> None:
    app = app_at_work(theme=theme)
    assert snap_compare(app, terminal_size=(120, 40), run_before=when(app))


def test_no_colours(snap_compare: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_at_work()
    assert snap_compare(app, terminal_size=NORMAL, run_before=when(app, "2"))


KEYS: dict[str, Sequence[str]] = {
    "kill": ["x"],
    "stop": ["X"],
    "fire": ["2", *["down"] * 7, "f"],
    "help": ["question_mark"],
    "log": ["l"],
    "zoom": ["4", "z"],
    "filter": ["2", "slash", "t", "i", "m", "e"],
}


@pytest.mark.parametrize("name", KEYS)
def test_screens_and_dialogs(snap_compare: Any, name: str) -> None:
    app = app_at_work()
    assert snap_compare(app, terminal_size=(120, 40), run_before=when(app, *KEYS[name]))


def test_nothing_there_yet(snap_compare: Any) -> None:
    """Before any source has said anything."""
    app = HiveApp(ScriptedFleet(SETTINGS), user="ann", now=lambda: scene.NOW)
    assert snap_compare(app, terminal_size=NORMAL, run_before=when(app, ready=settled))


def test_an_empty_fleet(snap_compare: Any) -> None:
    fleet = ScriptedFleet(SETTINGS)
    fleet.list_all(scene.fleet())
    app = HiveApp(fleet, user="ann", now=lambda: scene.NOW)

    async def empty(app: HiveApp, pilot: Pilot[None]) -> None:
        await wait_for(lambda: app.view.snapshot.fleet and len(app.view.snapshot.sources) == 2)
        await wait_for(lambda: all(source.ok for source in app.view.snapshot.sources.values()))
        await settled(app, pilot)

    assert snap_compare(app, terminal_size=NORMAL, run_before=when(app, ready=empty))


def test_paused_and_read_only(snap_compare: Any) -> None:
    app = app_at_work(read_only=True)

    async def pause(app: HiveApp, pilot: Pilot[None]) -> None:
        await filled(app, pilot)
        paused = Paused(Actor(ActorKind.PERSON, "bob"), scene.ago(minutes=4), "release day")
        fleet = app.fleet
        assert isinstance(fleet, ScriptedFleet)
        fleet.change(msgspec.structs.replace(scene.fleet(*scene.RUNS), paused=paused))
        await wait_for(lambda: app.view.snapshot.fleet and app.view.snapshot.fleet.paused)
        await settled(app, pilot)

    assert snap_compare(app, terminal_size=NORMAL, run_before=when(app, ready=pause))


def test_a_source_that_failed(snap_compare: Any) -> None:
    app = app_at_work()

    async def fail(app: HiveApp, pilot: Pilot[None]) -> None:
        await filled(app, pilot)
        fleet = app.fleet
        assert isinstance(fleet, ScriptedFleet)
        fleet.agents_side.say(SourceFailed(CLUSTER, "the database is locked"))
        await wait_for(lambda: not app.view.snapshot.sources[CLUSTER].ok)
        await wait_for(lambda: "the database" in app.main.agents.words)
        await settled(app, pilot)

    assert snap_compare(app, terminal_size=(110, 34), run_before=when(app, ready=fail))


@pytest.mark.parametrize("tab", ["4", "5"], ids=["issue", "cost"])
def test_one_thing_closely(snap_compare: Any, tab: str) -> None:
    app = app_at_work()
    assert isinstance(app.main.agents.table, Table)
    until = lambda: app.screen is not app.main  # noqa: E731
    assert snap_compare(app, terminal_size=(120, 40), run_before=when(app, "enter", tab, until=until))
