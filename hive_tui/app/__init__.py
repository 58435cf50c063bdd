"""The console, `hive top`: a fleet on the whole screen of this terminal, until it is quit."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hive_tui.config import Configuration, load
from hive_tui.core.errors import HiveError
from hive_tui.core.model import DispatcherState
from hive_tui.fleet import LOCAL, OpenFleet, open_fleet

if TYPE_CHECKING:
    from hive_tui.app.commander import Commands
    from hive_tui.app.costs_feed import OpenCosts

__all__ = ["run_console"]

STARTED = "Started the dispatcher. It keeps running when you quit."


class Session(Protocol):
    """What the console needs of a call of `hive`."""

    config_option: str | None

    @property
    def configuration(self) -> Configuration: ...
    @property
    def fleet_name(self) -> str: ...
    @property
    def read_only(self) -> bool: ...


def run_console(
    session: Session,
    *,
    verbs: Collection[str] = (),
    stops: Mapping[str, str] | None = None,
    cost_looks: OpenCosts | None = None,
) -> int:
    """Show the fleet until the person quits; returns the exit code.

    `verbs` are the commands of `hive`, for the line behind `:`; `stops` the command lines that end what
    stays, of fleets where it is not that of every fleet; `cost_looks` opens what sums up costs.

    On a local fleet a detached dispatcher is started if none runs, unless in read-only mode; on any other
    one only when the person orders it. It stays when the console closes. Raises UsageError for an unknown
    fleet, before the screen is taken.
    """
    config = Path(session.config_option) if session.config_option else None
    configuration, name = session.configuration, session.fleet_name
    configuration.fleet(name)
    seen: dict[str, OpenFleet] = {}
    wanted: str | None = name
    code = 0
    if _serves_nothing(configuration, name):
        wanted, code = _first_contact(configuration, name, config, session.read_only)
        configuration = load(config)
    while wanted is not None:
        with closing(open_fleet(configuration, wanted)) as fleet:
            wanted, code = _show(fleet, configuration, config, session.read_only, verbs, cost_looks)
        seen[fleet.name] = fleet
        if wanted is not None:
            configuration = load(config)  # what was done in the console may have changed it
    for fleet in seen.values():
        if fleet.settings.cluster == LOCAL:
            _say_what_stays(
                fleet, (stops or {}).get(fleet.name, f"hive --fleet {fleet.name} dispatcher stop")
            )
    return code


def _show(
    fleet: OpenFleet,
    configuration: Configuration,
    config: Path | None,
    read_only: bool,
    verbs: Collection[str],
    cost_looks: OpenCosts | None,
) -> tuple[str | None, int]:
    """One console, until it is quit. Returns the fleet to open next, and the exit code."""
    from hive_tui.app.app import HiveApp
    from hive_tui.app.terminal import TerminalWatch, drawn_on_standard_output
    from hive_tui.core import keymap

    local = fleet.settings.cluster == LOCAL

    def start() -> str | None:
        from hive_tui.detached import ensure_dispatcher  # after the first picture

        _, started = ensure_dispatcher(fleet, config)
        return STARTED if started else None

    def commands() -> Commands:
        from hive_tui.app.commander import Commands
        from hive_tui.app.line.child import Caller

        return Commands(
            Caller(fleet.name, config),
            tuple(verbs),
            lambda: load(config).names(),
            configuration.folders.data / "console.history",
        )

    settings = configuration.settings
    app = HiveApp(
        fleet,
        user=fleet.context.user,
        read_only=read_only,
        # A cluster is looked at from many machines: on which one its dispatcher runs, a person says.
        prepare=start if local and not read_only else None,
        start_dispatcher=start,
        keymap=keymap.build(settings.keys) if settings.keys else keymap.DEFAULT,
        commands=commands,
        theme=settings.theme,
        memory=fleet.home / "console.json",
        cost_looks=cost_looks,
    )
    with drawn_on_standard_output(), TerminalWatch(sys.stdin, lambda: app.call_later(app.exit)):
        app.run()
    return app.next_fleet, app.return_code or 0


def _serves_nothing(configuration: Configuration, name: str) -> bool:
    """Whether there is nothing to work on yet, so that a console would show nothing but empty panes."""
    settings = configuration.fleet(name)
    return settings.forge == LOCAL and not settings.repos


def _first_contact(
    configuration: Configuration, name: str, config: Path | None, read_only: bool
) -> tuple[str | None, int]:
    """Say what is here and what can be done. Returns the fleet to open, and the exit code."""
    import os

    from hive_tui import probing
    from hive_tui.app.contact_lines import Found
    from hive_tui.app.first_contact import DEMO_FLEET, FirstContact, Probes
    from hive_tui.app.line import child
    from hive_tui.app.terminal import TerminalWatch, drawn_on_standard_output

    settings, caller = configuration.fleet(name), child.Caller(name, config)
    agents: dict[str, tuple[str, str | None]] = {
        str(agent.name): (agent.entry_point, agent.command) for agent in settings.agents
    }
    agents |= {known: (known, None) for known in probing.WELL_KNOWN if known not in agents}

    async def call(words: Sequence[str], *, columns: int) -> child.Said:
        return await child.call(caller.argv(words), columns=columns, name=child.shown(words))

    app = FirstContact(
        Found(
            fleet=name,
            config=str(configuration.path),
            configured=configuration.path.exists(),
            demo=DEMO_FLEET in configuration.names(),
        ),
        Probes(
            checkout=lambda: probing.checkout(Path.cwd(), configuration.user),
            agents={known: partial(probing.probe, known, *how) for known, how in agents.items()},
            kubeconfig=lambda: probing.kubeconfig(os.environ, Path.home()),
        ),
        call,
        read_only=read_only,
        theme=configuration.settings.theme,
    )
    with drawn_on_standard_output(), TerminalWatch(sys.stdin, lambda: app.call_later(app.exit)):
        app.run()
    return app.next_fleet, app.return_code or 0


def _say_what_stays(fleet: OpenFleet, stop: str) -> None:
    """Closing the console changes nothing; whoever closed it should know."""
    from hive_tui.detached import dispatcher_state

    try:
        running = dispatcher_state(fleet).state is DispatcherState.RUNNING
    except HiveError:
        return
    finally:
        fleet.close()
    if running:
        print(f"The dispatcher of fleet {fleet.name} keeps running: `{stop}` ends it.", file=sys.stderr)
