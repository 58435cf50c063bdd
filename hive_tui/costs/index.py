"""What is remembered of the transcripts: how far each was read, every call once, and sums of them.

The sums (by quarter of an hour, session, model and folder) are kept with the calls, so reading again costs
what was appended, and asking costs what there are sums. A file that is damaged is made anew; one process
writes at a time, and whatever was cut off is as if it had not begun.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.costs import files
from hive_tui.costs.prices import Prices
from hive_tui.costs.sums import MICRO, Dimension, Sum
from hive_tui.costs.tariff import Tariffs

__all__ = ["Dimension", "Index", "Sum"]

BUSY_SECONDS = 60.0
"""How long to wait for another process that reads the transcripts for the first time."""

_AT_ONCE = 1 << 30
"""Bytes after which what was read is kept, whatever happens then; others wait so long to write."""

VERSION = 5
"""Of the tables; part of the file's name, so that a newer hive has its own."""

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    id INTEGER PRIMARY KEY, agent TEXT, model TEXT, session TEXT, project TEXT
);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, path TEXT UNIQUE, device INT, inode INT, size INT, modified INT,
    offset INT, tail BLOB, state BLOB, beaten INT
);
CREATE TABLE IF NOT EXISTS calls (
    key INTEGER PRIMARY KEY, place INT, at INT, input INT, output INT, cache_read INT, cache_write_5m INT,
    cache_write_1h INT, searches INT, flags INT, file INT
);
CREATE TABLE IF NOT EXISTS sums (
    quarter INT, place INT, calls INT, unpriced INT, input INT, output INT, cache_read INT,
    cache_write_5m INT, cache_write_1h INT, cost INT, first INT, last INT, PRIMARY KEY (quarter, place)
) WITHOUT ROWID;
"""


_TOTALS = (
    "sum(calls), sum(unpriced), sum(input), sum(output), sum(cache_read), sum(cache_write_5m),"
    f" sum(cache_write_1h), sum(cost / {MICRO}), sum(cost % {MICRO}), min(first), max(last)"
)

_COST, _COUNTED = 7, 11
"""Where in `_TOTALS` its cost is, in two columns, and how many there are."""

_Tariffs = dict[str, Tariffs | None]


class Index:
    """The remembered transcripts, in one file that any number of processes may use."""

    def __init__(self, folder: Path, prices: Prices | None = None) -> None:
        self.path = folder / f"usage-{VERSION}.db"
        self._prices = prices or Prices()
        self._tariffs: _Tariffs = {}
        self._roots: Sequence[files.Root] | None = None
        """What was read at last; None before."""

    def refresh(self, roots: Iterable[files.Root]) -> int:
        """Read what is new in the transcripts; returns how many bytes that were. Raises SourceError."""
        roots = tuple(roots)
        try:
            read = self._refresh(roots)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            if not _damage(error):
                raise _unusable(self.path, error) from error
            read = self._anew(roots)
        except OSError as error:
            raise _unusable(self.path, error) from error
        self._roots = roots
        return read

    def sums(
        self, by: Sequence[Dimension], *, since: int | None = None, until: int | None = None
    ) -> list[Sum]:
        """Sums by these dimensions, ordered by them, of quarters of an hour that begin at `since` or later
        and before `until` (milliseconds). Raises SourceError."""
        if not self.path.exists():
            return []
        try:
            return self._sums(by, since or 0, until or 1 << 62)
        except sqlite3.Error as error:
            # Reading what is new does not come upon a page that has nothing but sums.
            if self._roots is None or not _damage(error):
                raise _unusable(self.path, error) from error
        self._anew(self._roots)
        try:
            return self._sums(by, since or 0, until or 1 << 62)
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error

    def _sums(self, by: Sequence[Dimension], since: int, until: int) -> list[Sum]:
        names = [each.value for each in by]
        table = "sums" if set(by) <= {Dimension.QUARTER} else "sums JOIN places ON place = id"
        columns = ", ".join(names)
        with closing(self._connect()) as connection:
            rows = connection.execute(
                f"SELECT {_TOTALS}, {columns} FROM {table} WHERE quarter >= ? AND quarter < ?"
                f" GROUP BY {columns} ORDER BY {columns}",
                (since, until),
            ).fetchall()
        return [
            Sum(
                *(*row[:_COST], row[_COST] * MICRO + row[_COST + 1], *row[_COST + 2 : _COUNTED]),
                **dict(zip(names, row[_COUNTED:], strict=True)),
            )
            for row in rows
        ]

    def _anew(self, roots: Sequence[files.Root]) -> int:
        """Forget all, and read all: nothing is in a damaged index that the transcripts do not have."""
        try:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            return self._refresh(roots)
        except (sqlite3.Error, OSError) as error:
            raise _unusable(self.path, error) from error

    def _refresh(self, roots: Sequence[files.Root]) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        read = 0
        with closing(self._connect()) as connection:
            connection.executescript(_TABLES)
            with _writing(connection):
                self._reprice(connection)
            found = list(files.find(roots))
            # Looked at before anything is locked: mostly nothing is new.
            while changed := _portion(_changed(connection, found)):
                from hive_tui.costs.batch import Batch  # takes its time, and mostly nothing is new
                from hive_tui.costs.keys import KIND

                with _writing(connection):
                    if (_fact(connection, "keys") or KIND) != KIND:
                        raise sqlite3.DatabaseError("keys of another kind")
                    _remember(connection, "keys", KIND)
                    known = len(self._tariffs)
                    batch = Batch(connection, self._tariffs_of)
                    for each in _changed(connection, changed):
                        try:
                            read += batch.read(each)
                        except OSError:
                            found.remove(each)
                    batch.keep()
                    if len(self._tariffs) != known:
                        self._remember_tariffs(connection)
        return read

    def _tariffs_of(self, model: str) -> Tariffs | None:
        if model not in self._tariffs:
            self._tariffs[model] = self._prices.tariffs(model)
        return self._tariffs[model]

    def _reprice(self, connection: sqlite3.Connection) -> None:
        """Work all costs out anew if a price may have changed."""
        now = self._prices.fingerprint
        if _fact(connection, "prices") == now:
            # Looking prices up again would take longer than reading what is new.
            known = _fact(connection, "tariffs")
            self._tariffs = msgspec.json.decode(known, type=_Tariffs) if known is not None else {}
            return
        self._tariffs = {}
        from hive_tui.costs.batch import Places  # as below
        from hive_tui.costs.rollups import Rollups

        Rollups(connection, Places(connection).places, self._tariffs_of).anew()
        _remember(connection, "prices", now)
        self._remember_tariffs(connection)

    def _remember_tariffs(self, connection: sqlite3.Connection) -> None:
        _remember(connection, "tariffs", msgspec.json.encode(self._tariffs).decode())

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16000")  # kilobytes: calls are written all over their table
        return connection


def _fact(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return row[0] if row is not None else None


def _remember(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _changed(connection: sqlite3.Connection, found: Iterable[files.Found]) -> list[files.Found]:
    """Those of the files that are new or look different from when they were read."""
    known = {
        path: facts
        for path, *facts in connection.execute("SELECT path, device, inode, size, modified FROM files")
    }
    return [each for each in found if known.get(each.path) != list(each[2:])]


def _portion(changed: Sequence[files.Found]) -> list[files.Found]:
    """As many of them as are read before what they say is kept."""
    sizes = itertools.accumulate(each.size for each in changed)
    return [each for each, size in zip(changed, sizes, strict=True) if size - each.size < _AT_ONCE]


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _damage(error: Exception) -> bool:
    """Whether it is the index itself that is wrong, not what is around it: disk, rights, users."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode == sqlite3.SQLITE_ERROR  # its tables are others
    return True


def _unusable(path: Path, error: Exception) -> SourceError:
    why = error.strerror if isinstance(error, OSError) else error
    return SourceError(f"{path}: {why}.", "Look at the folder's rights and free space; it may be deleted.")
