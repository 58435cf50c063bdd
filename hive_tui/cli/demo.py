"""`hive demo`: a fleet of scripted agents to look at. Your configuration is not touched."""

from __future__ import annotations

import sys

import click

from hive_tui.cli.commands import COMMANDS
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.core.errors import Refused, UsageError
from hive_tui.demo import fleet as demo
from hive_tui.demo.names import NAME

speed_option = click.option(
    "--speed",
    type=click.FloatRange(min=0.05, max=200),
    metavar="X",
    help="How many times faster than normal; an existing demo keeps its pace.",
)


@click.group("demo", cls=Group, invoke_without_command=True)
@speed_option
@global_options
@pass_session
def demo_command(session: Session, speed: float | None) -> None:
    """A fleet of scripted agents, a repository and a maintainer of its own, in the console.

    Agents edit, test and commit for real, but no model works and nothing is paid. The fleet is called
    `demo`: `hive --fleet demo …` speaks to it. It goes on when you close the console; `hive demo stop`
    ends it, `hive demo reset` removes it without a trace.
    """
    if click.get_current_context().invoked_subcommand is not None:
        if speed is not None:
            raise UsageError("--speed stands behind the command.", "`hive demo start --speed 2`.")
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "This is not a terminal, so there is no console.",
            "`hive demo start` runs the demo, `hive --fleet demo top --once` prints it.",
        )
    _start(session, speed)
    session.fleet_option = NAME
    from hive_tui.app import run_console  # Textual, which no other form of this command needs
    from hive_tui.cli.cost_looks import cost_looks

    run_console(session, verbs=COMMANDS, stops={NAME: "hive demo stop"}, cost_looks=cost_looks(session))


@demo_command.command("start")
@speed_option
@global_options
@output_option
@pass_session
def start_command(session: Session, speed: float | None) -> None:
    """Start it, or go on with it, without a console."""
    started = _start(session, speed)
    session.emit(
        started,
        f"The demo {'is built and runs' if started.built else 'runs'} (speed {started.speed:g}).\n"
        "  hive --fleet demo top         the console\n"
        "  hive --fleet demo top --once  the fleet as text\n"
        "  hive demo stop                end it; the data stays\n"
        "  hive demo reset               remove it",
    )


@demo_command.command("stop")
@global_options
@pass_session
def stop_command(session: Session) -> None:
    """End the demo's processes. What they did stays; `hive demo start` goes on."""
    session.require_writable()
    stopped = demo.stop(session.configuration, session.now())
    session.say("The demo has stopped." if stopped else "There is no demo.")


@demo_command.command("reset")
@global_options
@pass_session
def reset_command(session: Session) -> None:
    """End the demo's processes and remove everything it made."""
    session.require_writable()
    removed = demo.reset(session.configuration)
    session.say("The demo is removed." if removed else "There is no demo.")


def _start(session: Session, speed: float | None) -> demo.Started:
    session.require_writable()
    if session.fleet_option not in (None, NAME):
        raise Refused(f"The demo is a fleet of its own, not {session.fleet_option!r}.", "Leave out --fleet.")
    return demo.start(session.configuration, speed=speed, now=session.now())
