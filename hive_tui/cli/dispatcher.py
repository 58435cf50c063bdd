"""`hive dispatcher`: the process that starts agents, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.core.model import Dispatcher, DispatcherState
from hive_tui.core.text import clock, since
from hive_tui.detached import (
    dispatcher_state,
    ensure_dispatcher,
    run_in_foreground,
    stop_dispatcher,
)


@click.group("dispatcher", cls=Group)
def dispatcher_command() -> None:
    """Start, stop and ask the dispatcher."""


@dispatcher_command.command("start")
@global_options
@output_option
@pass_session
def start_command(session: Session) -> None:
    """Start it, detached from this terminal, unless it runs already."""
    session.require_writable()
    state, started = ensure_dispatcher(session.fleet, _config(session))
    session.emit(
        _data(session, state), f"The dispatcher {'started' if started else 'runs already'} (pid {state.pid})."
    )


@dispatcher_command.command("stop")
@global_options
@output_option
@pass_session
def stop_command(session: Session) -> None:
    """Stop it. Agents that work go on; nothing new is started."""
    session.require_writable()
    stopped = stop_dispatcher(session.fleet)
    state = dispatcher_state(session.fleet)
    session.emit(
        _data(session, state), "The dispatcher stopped." if stopped else "The dispatcher was not running."
    )


@dispatcher_command.command("status")
@global_options
@output_option
@pass_session
def status_command(session: Session) -> None:
    """Whether it runs, since when, and when it last decided something."""
    state = dispatcher_state(session.fleet)
    session.emit(_data(session, state), lambda: _sentence(session, state))


@dispatcher_command.command("run")
@global_options
@pass_session
def run_command(session: Session) -> None:
    """Dispatch in this terminal until Ctrl-C."""
    session.require_writable()
    session.fleet.close()
    run_in_foreground(session.fleet_name, _config(session))


def _config(session: Session) -> Path | None:
    return Path(session.config_option) if session.config_option else None


def _data(session: Session, state: Dispatcher) -> dict[str, object]:
    return {
        "fleet": session.fleet_name,
        "state": state.state,
        "pid": state.pid,
        "since": state.since,
        "last_decision_at": state.last_decision_at,
        "version": state.version,
    }


def _sentence(session: Session, state: Dispatcher) -> str:
    now = session.now()
    if state.state is DispatcherState.RUNNING:
        return (
            f"running (pid {state.pid}, hive {state.version}) for {since(state.since, now)},"
            f" last decision {clock(state.last_decision_at, now)}"
        )
    words = {
        DispatcherState.STOPPED: "stopped",
        DispatcherState.DEAD: "dead: it ended without saying so",
        DispatcherState.UNKNOWN: "unknown",
    }
    return f"{words[state.state]}; `hive dispatcher start` starts it"
