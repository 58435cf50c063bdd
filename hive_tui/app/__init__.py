"""The console, `hive top`: a fleet on the whole screen of this terminal, until it is quit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from hive_tui.core.errors import HiveError
from hive_tui.core.model import DispatcherState
from hive_tui.detached import dispatcher_state, ensure_dispatcher
from hive_tui.fleet import LOCAL, OpenFleet

__all__ = ["run_console"]


class Session(Protocol):
    """What the console needs of a call of `hive`."""

    config_option: str | None

    @property
    def fleet(self) -> OpenFleet: ...
    @property
    def read_only(self) -> bool: ...


def run_console(session: Session, *, stop: str | None = None) -> int:
    """Show the fleet until the person quits; returns the exit code.

    `stop` is the command line that ends what stays, where it is not that of every fleet.

    On a local fleet a detached dispatcher is started if none runs, unless in read-only mode; it stays
    when the console closes. Raises UsageError for an unknown fleet, before the screen is taken.
    """
    from hive_tui.app.app import HiveApp
    from hive_tui.app.terminal import TerminalWatch

    fleet = session.fleet
    config = Path(session.config_option) if session.config_option else None
    local = fleet.settings.cluster == LOCAL

    def prepare() -> str | None:
        _, started = ensure_dispatcher(fleet, config)
        return "Started the dispatcher. It keeps running when you quit." if started else None

    app = HiveApp(
        fleet,
        user=fleet.context.user,
        read_only=session.read_only,
        prepare=prepare if local and not session.read_only else None,
    )
    with TerminalWatch(sys.stdin, lambda: app.call_later(app.exit)):
        app.run()
    if local:
        _say_what_stays(fleet, stop or f"hive --fleet {fleet.name} dispatcher stop")
    return app.return_code or 0


def _say_what_stays(fleet: OpenFleet, stop: str) -> None:
    """Closing the console changes nothing; whoever closed it should know."""
    try:
        running = dispatcher_state(fleet).state is DispatcherState.RUNNING
    except HiveError:
        return
    if running:
        print(f"The dispatcher of fleet {fleet.name} keeps running: `{stop}` ends it.", file=sys.stderr)
