"""The ledger in a fleet's file: rows of what its runs used, appended once and never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection

import msgspec

from backends.database import fleet_database
from backends.local_schema import BILL, CHARGE, MOST_MICROS
from backends.typed import decode
from hive_tui.core.booked import Booked, Charge, Spent, charge
from hive_tui.core.ids import RepoName, RunId
from hive_tui.core.ledger import Entry
from hive_tui.core.ports import BackendContext
from hive_tui.core.spend import Bill, Sum

_AT_ONCE = 1_000
"""Rows that are read together."""

_EPOCH = datetime.fromtimestamp(0, UTC)

_encode = msgspec.json.encode

# A sum of integers that is too large for SQLite is an error; `total` is exact up to billions of dollars.
_TOTAL = "CAST(total(micros) AS INTEGER)"


class FleetLedger:
    """See `core.ports.Ledger`. Nothing is created before the first write."""

    def __init__(self, context: BackendContext) -> None:
        self._database = fleet_database(context.home)

    def write(self, rows: Sequence[Entry]) -> None:
        made = charge(rows)
        with self._database.writing() as connection:
            done = connection.execute(
                "INSERT OR IGNORE INTO charges (run, at, doc) VALUES (?, ?, ?)",
                (made.run, _milliseconds(made.at), _encode(made)),
            )
            if not done.rowcount:
                return
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
            for add in (CHARGE, BILL):
                connection.execute(add.format(where="run = ?"), (made.run,))

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

    def known(self, runs: Iterable[RunId]) -> frozenset[RunId]:
        with self._database.reading() as connection:
            return frozenset() if connection is None else _among(connection, "charges", runs)

    def bill(self, runs: Iterable[RunId], since: datetime, repo: RepoName | None = None) -> Bill:
        of, its = ("", ()) if repo is None else ("AND repo = ?", (repo,))
        with self._database.reading() as connection:
            if connection is None:
                return Bill()
            models = connection.execute(
                f"SELECT name, {_TOTAL}, sum(known), sum(lines), sum(estimated), sum(unaccounted)"
                f" FROM billed WHERE heading = 'model' {of} GROUP BY name",
                its,
            ).fetchall()
            issues = connection.execute(
                f"SELECT repo || '#' || name, micros FROM billed WHERE heading = 'issue' AND known {of}", its
            )
            # Pulled out by SQLite, since a whole row takes ten times as long.
            recent = connection.execute(
                "SELECT at, json_extract(text, '$.cost_micros') FROM"
                " (SELECT at, seq, CAST(doc AS TEXT) AS text FROM ledger WHERE at >= ?)"
                " WHERE ? IN ('', json_extract(text, '$.repo')) ORDER BY at, seq",
                (_milliseconds(since), repo or ""),
            )
            return Bill(
                _among(connection, "ledger", runs),
                Sum(
                    sum(micros for _, micros, *_ in models),
                    known=any(known for _, _, known, *_ in models),
                    asked=any(lines for _, _, _, lines, *_ in models),
                ),
                {model: micros for model, micros, known, *_ in models if known},
                dict(issues.fetchall()),
                sum(unaccounted for *_, unaccounted in models),
                any(estimated for *_, estimated, _ in models),
                [(_moment(at), None if cost is None else _bounded(cost)) for at, cost in recent],
            )

    def booked(self, runs: Iterable[RunId], since: datetime) -> Booked:
        with self._database.reading() as connection:
            if connection is None:
                return Booked()
            repos = connection.execute(
                f"SELECT repo, {_TOTAL}, max(unknown) FROM charged GROUP BY repo"
            ).fetchall()
            issues = connection.execute("SELECT repo || '#' || issue, micros, unknown FROM charged")
            recent = connection.execute(
                "SELECT doc FROM charges WHERE at >= ? ORDER BY at", (_milliseconds(since),)
            )
            return Booked(
                _among(connection, "charges", runs),
                Spent(
                    sum(micros for _, micros, _ in repos),
                    max((lost for *_, lost in repos if lost), default=None),
                ),
                {repo: Spent(micros, unknown) for repo, micros, unknown in repos},
                {key: (micros, unknown) for key, micros, unknown in issues},
                [decode(doc, Charge) for (doc,) in recent],
            )

    def prune(self, before: datetime) -> int:
        with self._database.writing() as connection:
            done = connection.execute("DELETE FROM ledger WHERE at < ?", (_milliseconds(before),))
            if done.rowcount:
                connection.execute("DELETE FROM billed")
                connection.execute(BILL.format(where="true"))
            return done.rowcount

    def close(self) -> None:
        self._database.close()


def _among(connection: Connection, table: str, runs: Iterable[RunId]) -> frozenset[RunId]:
    """Those of the runs that the table has."""
    asked = msgspec.json.encode(list(runs)).decode()
    found = connection.execute(
        f"SELECT DISTINCT run FROM {table} WHERE run IN (SELECT value FROM json_each(?))", (asked,)
    )
    return frozenset(run for (run,) in found)


def _bounded(micros: float) -> int:
    return round(min(max(micros, 0), MOST_MICROS))


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)
