"""`hive top`: the console; with `--once` the fleet as text, JSON or YAML."""

from __future__ import annotations

import sys

import click

from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.core.errors import UsageError

SECTIONS = (
    "fleet",
    "quota",
    "attention",
    "issues",
    "agents",
    "pull-requests",
    "costs",
    "reservations",
    "events",
)
"""Those of the report, which the console does without."""


@click.command(
    "top",
    epilog="Example: `hive top --once --section attention --section agents`, or `hive top --once -o json`.",
)
@click.option("--once", is_flag=True, help="Print the fleet and end.")
@click.option(
    "--section",
    "sections",
    multiple=True,
    type=click.Choice(SECTIONS),
    help="With --once as text: only this section; may be repeated.",
)
@click.option(
    "--watch",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="With --once: print again every so many seconds; 0 prints on every change.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for slow sources.",
)
@global_options
@repo_option
@output_option
@pass_session
def top_command(
    session: Session, once: bool, sections: tuple[str, ...], watch: float | None, timeout: float
) -> None:
    """The console, full screen. With --once the fleet is printed instead.

    What cannot be read is named, the rest is printed all the same, and the exit code is then 1.
    """
    if not once:
        if watch is not None or sections or session.repo is not None or session.output_option != "text":
            raise UsageError("These options print the fleet.", "Add --once.")
        _console(session)
        return
    from hive_tui.cli import once as printing  # the console prints no report

    printer = printing.Printer(session, sections)
    if watch is None:
        failed = printer(session.snapshot(timeout))
    elif watch == 0:
        failed = printing.print_changes(session, printer)
    else:
        failed = printing.print_every(session, printer, watch, timeout)
    if failed:
        click.get_current_context().exit(1)


def _console(session: Session) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "This is not a terminal, so there is no console.", "`hive top --once` prints the fleet."
        )
    from hive_tui.app import run_console
    from hive_tui.cli.commands import COMMANDS
    from hive_tui.cli.cost_looks import cost_looks
    from hive_tui.demo.names import NAME

    stops = {} if NAME in session.settings.fleets else {NAME: "hive demo stop"}
    click.get_current_context().exit(
        run_console(session, verbs=COMMANDS, stops=stops, cost_looks=cost_looks(session))
    )
