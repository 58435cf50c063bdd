"""`hive top`: the console; with `--once` the fleet as text, JSON or YAML."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.core import document, report
from hive_tui.core.booked import RECENT
from hive_tui.core.dispatch import Planner
from hive_tui.core.errors import StoreError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from hive_tui.core.spend import Bill
    from hive_tui.core.store import Snapshot


@click.command(
    "top",
    epilog="Example: `hive top --once --section attention --section agents`, or `hive top --once -o json`.",
)
@click.option("--once", is_flag=True, help="Print the fleet and end.")
@click.option(
    "--section",
    "sections",
    multiple=True,
    type=click.Choice(list(report.SECTIONS)),
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
    printer = _Printer(session, sections)
    if watch is None:
        failed = printer(session.snapshot(timeout))
    elif watch == 0:
        failed = _print_changes(session, printer)
    else:
        failed = _print_every(session, printer, watch, timeout)
    if failed:
        click.get_current_context().exit(1)


class _Printer:
    """Prints a snapshot as the options say; tells whether something could not be read."""

    def __init__(self, session: Session, sections: tuple[str, ...]) -> None:
        self._session = session
        self._sections = sections
        self._planner = Planner(session.fleet_settings)
        self._printed = False

    def __call__(self, snapshot: Snapshot) -> bool:
        session, now = self._session, self._session.now()
        bill, errors = self._bill(snapshot, now)
        data = document.build(
            snapshot.of(session.repo),
            self._planner.decide(snapshot, now),
            session.fleet_settings,
            now,
            fleet=session.fleet_name,
            errors=errors,
            bill=bill,
        )
        if self._printed and session.output_option == "text":
            click.echo()
        if self._printed and session.output_option == "yaml":
            click.echo("---")
        session.emit(data, lambda: self._text(data))
        for error in data.errors:
            session.say(f"hive: {error}")
        sys.stdout.flush()
        self._printed = True
        return bool(data.errors)

    def _bill(self, snapshot: Snapshot, now: datetime) -> tuple[Bill | None, list[str]]:
        """What the ledger comes to of the repositories that are meant, and why it cannot be read."""
        try:
            return self._session.fleet.ledger.bill(snapshot.runs, now - RECENT, self._session.repo), []
        except StoreError as error:
            return None, [f"ledger: {error.words}"]

    def _text(self, data: document.Document) -> str:
        from hive_tui.cli.paint import paint, width

        return paint(report.lines(data, width=width(), sections=self._sections), color=self._session.color)


def _print_every(session: Session, printer: _Printer, seconds: float, timeout: float) -> bool:
    while True:
        printer(session.snapshot(timeout))
        time.sleep(seconds)


def _print_changes(session: Session, printer: _Printer) -> bool:
    from hive_tui.cli.live import snapshots

    for snapshot in snapshots(session.fleet):
        printer(snapshot)
    return False


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
