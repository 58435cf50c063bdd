"""The console, `hive top`: opens a fleet's screen in this terminal until it is quit."""

from __future__ import annotations

import sys
from pathlib import Path

from hive_tui.core.errors import HiveError
from hive_tui.core.model import DispatcherState
from hive_tui.detached import dispatcher_state, ensure_dispatcher
from hive_tui.fleet import LOCAL, OpenFleet

__all__ = ["run"]


def run(fleet: OpenFleet, *, read_only: bool = False, config: Path | None = None) -> int:
    """Show the fleet until the person quits; returns the exit code.

    On a local fleet a detached dispatcher is started if none runs, unless `read_only`; it stays when
    the console closes. `config` is the file given with --config, which that dispatcher reads too.
    """
    from hive_tui.app.app import HiveApp

    local = fleet.settings.cluster == LOCAL

    def prepare() -> str | None:
        _, started = ensure_dispatcher(fleet, config)
        return "Started the dispatcher; it keeps running when you quit." if started else None

    app = HiveApp(
        fleet,
        user=fleet.context.user,
        read_only=read_only,
        prepare=prepare if local and not read_only else None,
    )
    app.run()
    if local:
        _say_what_stays(fleet)
    return app.return_code or 0


def _say_what_stays(fleet: OpenFleet) -> None:
    """A closed console changes nothing, and says so."""
    try:
        running = dispatcher_state(fleet).state is DispatcherState.RUNNING
    except HiveError:
        return
    if running:
        print(
            f"The dispatcher of fleet {fleet.name} keeps running: `hive dispatcher stop` ends it.",
            file=sys.stderr,
        )
