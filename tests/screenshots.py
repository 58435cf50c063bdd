"""`python -m tests.screenshots`: the README's pictures, of the real demo at work in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot

from hive_tui import config
from hive_tui.app.app import HiveApp
from hive_tui.app.theme import HIVE, HIVE_LIGHT
from hive_tui.core.model import Phase, PullState, Step
from hive_tui.costs.cost_sources import CostSources
from hive_tui.costs.index import Index
from hive_tui.demo import fleet as demo
from hive_tui.demo.names import NAME
from hive_tui.fleet import open_fleet
from tests import month

FOLDER = Path(__file__).parent.parent / "screenshots"
WITHIN = 180.0
"""Seconds for the demo to become worth a picture."""


def main() -> int:
    """Build a demo, take the pictures, remove it."""
    with tempfile.TemporaryDirectory(prefix="hive-pictures-") as home:
        os.environ.update(HIVE_HOME=home, HIVE_USER="you", TEXTUAL_ANIMATIONS="none")
        os.environ.pop("NO_COLOR", None)
        configuration = config.load()
        demo.start(configuration, speed=2.0, now=datetime.now(UTC))
        try:
            asyncio.run(_take(configuration))
        finally:
            demo.reset(configuration)
    return 0


async def _take(configuration: config.Configuration) -> None:
    FOLDER.mkdir(exist_ok=True)
    fleet = open_fleet(configuration, NAME)
    folders = configuration.folders
    roots = month.make(folders.data / "claude", datetime.now(UTC))
    app = HiveApp(
        fleet,
        user=configuration.user,
        cost_looks=lambda told: CostSources(Index(folders.cache), roots, told),
    )
    async with app.run_test(size=(160, 48)) as pilot:
        await _until(pilot, lambda: _worth_a_picture(app), "a fleet in the middle of its work")
        await _select_a_working_run(app, pilot)
        _save(app, "main.svg")
        for name, keys in _SCREENS:
            await _select_a_working_run(app, pilot, young=name == "dialog.svg")
            await pilot.press(*keys)
            await pilot.pause(1.0)
            _save(app, name)
            while app.screen is not app.main:
                await pilot.press("escape")
                await pilot.pause(0.2)
        app.theme = HIVE_LIGHT.name
        await pilot.pause(0.5)
        _save(app, "light.svg")
        app.theme = HIVE.name
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.5)
        _save(app, "narrow.svg")
    fleet.close()
    print(f"The pictures in {FOLDER} are new.", file=sys.stderr)


_SCREENS = (
    ("dialog.svg", ("x",)),
    ("log.svg", ("l",)),
    ("detail.svg", ("3", "enter")),
    ("costs.svg", ("dollar_sign", "w", "9")),
    ("help.svg", ("question_mark",)),
)
"""What is opened by which keys, from the pane of agents."""

_REMOTE_FONT = re.compile(r",?\s*url\([^)]*\) format\([^)]*\)")


def _save(app: HiveApp, name: str) -> None:
    """The screen as SVG that loads nothing: the reader's own monospaced font will do."""
    (FOLDER / name).write_text(_REMOTE_FONT.sub("", app.export_screenshot()), encoding="utf-8")


def _worth_a_picture(app: HiveApp) -> bool:
    """Some work, someone asks or waits, something is merged and something is to be merged."""
    snapshot = app.view.snapshot
    phases = [run.phase for run in snapshot.runs.values()]
    pulls = [pull.state for pull in snapshot.pulls.values()]
    return (
        phases.count(Phase.WORKING) >= 2
        and Phase.WAITING in phases
        and pulls.count(PullState.MERGED) >= 2
        and PullState.OPEN in pulls
    )


async def _select_a_working_run(app: HiveApp, pilot: Pilot[None], *, young: bool = False) -> None:
    """The one that has said most: its log tells a story. A `young` one does not end so soon."""
    working = [run for run in app.view.snapshot.runs.values() if run.phase is Phase.WORKING]
    working.sort(key=lambda run: (run.status.step is Step.IMPLEMENT, run.status.usage.tokens.total or 0))
    if not working:
        return
    chosen = working[0 if young else -1]
    app.main.agents.table.select(chosen.id)
    await _until(
        pilot, lambda: app.main.log_pane.run == chosen.id and app.main.log_pane.log_view.lines, "its log"
    )


async def _until(pilot: Pilot[None], condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not come within {WITHIN:.0f} s.")
        await pilot.pause(0.1)
    await pilot.pause(0.2)


if __name__ == "__main__":
    sys.exit(main())
