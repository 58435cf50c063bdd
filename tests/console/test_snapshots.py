"""Pictures of the console at fixed size, time and theme; `pytest --snapshot-update` takes them anew."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from hive_tui.app.app import HiveApp
from hive_tui.core.sources import CLUSTER, SourceFailed
from tests.console.conftest import wait_for
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

pytestmark = pytest.mark.timeout(60)


def app_at_work() -> HiveApp:
    fleet = ScriptedFleet()
    fleet.agents_side.logged[scene.FIRST_RUN] = scene.log_lines(24)
    fleet.list_all(*scene.ITEMS)
    return HiveApp(fleet, user="ann", now=lambda: scene.NOW)


async def all_there(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, HiveApp)
    await wait_for(
        lambda: app.main.pulls.table.keys and app.main.agents.table.keys and app.main.log_pane.log_view.lines
    )
    await pilot.pause()


def test_wide(snap_compare: Any) -> None:
    assert snap_compare(app_at_work(), terminal_size=(160, 48), run_before=all_there)


def test_narrow(snap_compare: Any) -> None:
    assert snap_compare(app_at_work(), terminal_size=(80, 24), run_before=all_there)


def test_a_source_that_failed(snap_compare: Any) -> None:
    fleet = ScriptedFleet()
    fleet.list_all(*scene.ITEMS)

    async def fail(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, HiveApp)
        await wait_for(lambda: app.main.pulls.table.keys and app.main.agents.table.keys)
        fleet.agents_side.say(SourceFailed(CLUSTER, "the database is locked"))
        await wait_for(lambda: not app.view.snapshot.sources[CLUSTER].ok)
        await wait_for(lambda: "the database" in app.main.panes[2].words)
        await pilot.pause()

    app = HiveApp(fleet, user="ann", now=lambda: scene.NOW)
    assert snap_compare(app, terminal_size=(110, 34), run_before=fail)
