"""The ledger in a fleet's file: rows of what its runs used, appended once and never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from backends.database import Database
from backends.typed import decode
from hive_tui.core.booked import Charge, charge
from hive_tui.core.ledger import Entry
from hive_tui.core.ports import BackendContext

_AT_ONCE = 1_000
"""Rows that are read together."""

_encode = msgspec.json.encode


class FleetLedger:
    """See `core.ports.Ledger`. Nothing is created before the first write."""

    def __init__(self, context: BackendContext) -> None:
        self._database = Database(context.home / "fleet.db")

    def write(self, rows: Sequence[Entry]) -> Charge:
        made = charge(rows)
        with self._database.writing() as connection:
            done = connection.execute(
                "INSERT OR IGNORE INTO charges (run, at, doc) VALUES (?, ?, ?)",
                (made.run, _milliseconds(made.at), _encode(made)),
            )
            if not done.rowcount:
                row = connection.execute("SELECT doc FROM charges WHERE run = ?", (made.run,)).fetchone()
                return decode(row[0], Charge)
            connection.executemany(
                "INSERT INTO ledger (at, run, step, round, model, session, doc) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        _milliseconds(each.at),
                        each.run,
                        each.step.value,
                        each.round,
                        each.model or "",
                        each.session or "",
                        _encode(each),
                    )
                    for each in rows
                ],
            )
        return made

    def read(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[Entry]:
        # A page at a time, and no transaction in between: whoever prints the rows may be slow.
        after = (-1 << 62 if since is None else _milliseconds(since), -1)
        end = 1 << 62 if until is None else _milliseconds(until)
        while True:
            with self._database.reading() as connection:
                if connection is None:
                    return
                page = connection.execute(
                    "SELECT at, seq, doc FROM ledger WHERE (at, seq) > (?, ?) AND at < ?"
                    " ORDER BY at, seq LIMIT ?",
                    (*after, end, _AT_ONCE),
                ).fetchall()
            for at, seq, doc in page:
                yield decode(doc, Entry)
                after = (at, seq)
            if len(page) < _AT_ONCE:
                return

    def charges(self) -> list[Charge]:
        with self._database.reading() as connection:
            if connection is None:
                return []
            return [decode(doc, Charge) for (doc,) in connection.execute("SELECT doc FROM charges")]

    def prune(self, before: datetime) -> int:
        with self._database.writing() as connection:
            done = connection.execute("DELETE FROM ledger WHERE at < ?", (_milliseconds(before),))
            return done.rowcount

    def close(self) -> None:
        self._database.close()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000)
