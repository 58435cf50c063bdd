"""`hive dispatcher`: the one process of a fleet that starts agents."""

from __future__ import annotations

from pathlib import Path

import click

from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.core.model import Dispatcher, DispatcherState
from hive_tui.core.text import clean_line, clock, since
from hive_tui.detached import (
    LOG,
    dispatcher_state,
    elsewhere,
    ensure_dispatcher,
    run_in_foreground,
    stop_dispatcher,
)


@click.group("dispatcher", cls=Group)
def dispatcher_command() -> None:
    """Start, stop and ask the dispatcher, of which a fleet has one.

    A local fleet starts it by itself. A fleet on a cluster is looked at from many machines: there it runs
    where you start it, and a second one refuses.
    """


@dispatcher_command.command("start", epilog="Example: `hive dispatcher start`.")
@global_options
@output_option
@pass_session
def start_command(session: Session) -> None:
    """Start it on this machine, detached from this terminal, unless it runs already."""
    session.require_writable()
    state, started = ensure_dispatcher(session.fleet, _config(session))
    said = "started" if started else f"runs already{_on(state)}"
    text = f"The dispatcher {said} (pid {state.pid})."
    if state.state is DispatcherState.UNKNOWN:
        text += (
            f" It takes long to begin: `hive dispatcher status` tells; its log is {session.fleet.home / LOG}."
        )
    session.emit(_data(session, state), text)


@dispatcher_command.command("stop", epilog="Example: `hive dispatcher stop`.")
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


@dispatcher_command.command("status", epilog="Example: `hive dispatcher status -o json`.")
@global_options
@output_option
@pass_session
def status_command(session: Session) -> None:
    """Whether it runs, since when, and when it last decided something."""
    state = dispatcher_state(session.fleet)
    session.emit(_data(session, state), lambda: _sentence(session, state))


@dispatcher_command.command("run", epilog="Example: `hive --fleet work dispatcher run`.")
@global_options
@pass_session
def run_command(session: Session) -> None:
    """Dispatch in this terminal until Ctrl-C; agents at work go on without it."""
    session.require_writable()
    session.fleet.close()
    session.say(
        f"Dispatching for fleet {session.fleet_name} until Ctrl-C; `hive events -f` tells what it does."
    )
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
        "host": state.host,
        "held": state.held,
    }


def _on(state: Dispatcher) -> str:
    other = elsewhere(state)
    return "" if other is None else f" on {clean_line(other)}"


def _sentence(session: Session, state: Dispatcher) -> str:
    now = session.now()
    if state.state is DispatcherState.RUNNING:
        return (
            f"running{_on(state)} (pid {state.pid}, hive {state.version}) for {since(state.since, now)},"
            f" last decision {clock(state.last_decision_at, now)}" + (f"\n{state.held}" if state.held else "")
        )
    words = {
        DispatcherState.STOPPED: "stopped",
        DispatcherState.DEAD: "dead: it ended without saying so",
        DispatcherState.UNKNOWN: "unknown",
    }
    return f"{words[state.state]}; `hive dispatcher start` starts it"
