"""What `hive top --once` prints: the fleet as text, JSON or YAML, once or again and again."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from hive_tui.core import document, report
from hive_tui.core.booked import RECENT
from hive_tui.core.dispatch import Planner
from hive_tui.core.errors import StoreError

if TYPE_CHECKING:
    from datetime import datetime

    from hive_tui.cli.common import Session
    from hive_tui.core.spend import Bill
    from hive_tui.core.store import Snapshot


class Printer:
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


def print_every(session: Session, printer: Printer, seconds: float, timeout: float) -> bool:
    while True:
        printer(session.snapshot(timeout))
        time.sleep(seconds)


def print_changes(session: Session, printer: Printer) -> bool:
    from hive_tui.cli.live import snapshots

    for snapshot in snapshots(session.fleet):
        printer(snapshot)
    return False
