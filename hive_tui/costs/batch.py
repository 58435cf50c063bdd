"""A few transcripts read within one transaction: of all records of a call the one that counts is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import PurePath

import msgspec

from hive_tui.costs import claude, codex, files
from hive_tui.costs.call import Call
from hive_tui.costs.sums import MICRO, MOST, QUARTER

CALL_COLUMNS = (
    "key, place, at, input, output, cache_read, cache_write_5m, cache_write_1h, searches, flags, file, cost"
)

_HELD = 50_000
"""Calls that are held before they are written, some twenty megabytes."""

_SIDECHAIN, _REGIONAL, _FAST, _BATCH = 1, 2, 4, 8

_Row = tuple[int, int, int, int, int, int, int, int, int, int, int, int | None]
"""A call by its `CALL_COLUMNS`."""

_TOGETHER = 80
"""Rows that one statement writes: that is twice as fast as one by one, and within what any SQLite takes."""

_COST = "coalesce(cost, 0)"

_SUMMED = f"""
INSERT INTO sums SELECT at / {QUARTER} * {QUARTER}, place, count(*), sum(cost IS NULL), sum(input),
    sum(output), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h),
    min(sum({_COST} / {MICRO}) * {MICRO} + sum({_COST} %% {MICRO}), {MOST}), min(at), max(at)
FROM calls WHERE %s GROUP BY 1, 2
"""

_ADDED = f"""
INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (quarter, place) DO UPDATE SET calls = calls + excluded.calls,
    unpriced = unpriced + excluded.unpriced, input = input + excluded.input,
    output = output + excluded.output,
    cache_read = cache_read + excluded.cache_read, cache_write_5m = cache_write_5m + excluded.cache_write_5m,
    cache_write_1h = cache_write_1h + excluded.cache_write_1h,
    cost = min(cost + excluded.cost, {MOST}),
    first = min(first, excluded.first), last = max(last, excluded.last)
"""

Price = Callable[[Call], int | None]

_Place = tuple[str, str, str, str]
"""What a call is summed by, besides the time: agent, model, session, folder."""


class Places:
    """Places by number, as they stand in many rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT id, agent, model, session, project FROM places")
        self.places: dict[int, _Place] = {number: (*place,) for number, *place in rows}
        self._numbers = {place: number for number, place in self.places.items()}
        self._new: list[tuple[int, str, str, str, str]] = []

    def number(self, place: _Place) -> int:
        found = self._numbers.get(place)
        if found is None:
            found = len(self.places) + 1
            self._new.append((found, *place))
            self.places[found] = place
            self._numbers[place] = found
        return found

    def keep(self) -> None:
        """Write those that are new."""
        self._connection.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?)", self._new)
        self._new.clear()


def call_of(places: Places, row: _Row) -> Call:
    """A call from its `CALL_COLUMNS`."""
    key, place, at, fresh, output, read, short, long, searches, flags = row[:10]
    return Call(
        key, at, *places.places[place], fresh, output, read, short, long, searches,
        bool(flags & _SIDECHAIN), bool(flags & _REGIONAL), bool(flags & _FAST), bool(flags & _BATCH),
    )  # fmt: skip


class Batch:
    """Reads files into the tables; nothing is there for others before its transaction ends."""

    def __init__(self, connection: sqlite3.Connection, price: Price) -> None:
        self._connection = connection
        self._price = price
        self._places = Places(connection)
        self._buffer = files.Buffer()
        self._best: dict[int, _Row] = {}
        """Of each call the record that counts most so far."""
        self._beaten: set[int] = set()
        """Files with a record of a call for which another file's counts: should that one go, they are read
        again."""

    def read(self, found: files.Found) -> int:
        """Read what was appended to a transcript, or all of it where it is another file by now; returns the
        bytes. Raises OSError for one that cannot be read; it is left for the next time."""
        known = self._connection.execute(
            "SELECT id, device, inode, offset, tail, state FROM files WHERE path = ?", (found.path,)
        ).fetchone()
        offset, tail, state = 0, b"", codex.State()
        if known is None:
            number = self._connection.execute(
                "INSERT INTO files (path, offset, beaten) VALUES (?, 0, 0)", (found.path,)
            ).lastrowid
            assert number is not None
        else:
            number, device, inode, offset, tail, raw = known
            same = (device, inode) == (found.device, found.inode) and found.size >= offset
            if offset and same and files.same_before(found.path, offset, tail):
                state = msgspec.json.decode(raw, type=codex.State)
            elif offset:
                self._forget(number)
                offset, tail = 0, b""
        begin = offset
        name = PurePath(found.path).stem
        for part in files.appended(found.path, begin, self._buffer):
            offset, tail = part.offset, part.tail
            for call in _calls(found.agent, name, part, state):
                if not isinstance(call, Call):
                    state = call
                    continue
                row = self._row(call, number)
                held = self._best.setdefault(call.key, row)
                if held is not row:
                    self._best[call.key] = self._better(row, held)
            if len(self._best) > _HELD:
                self.keep()
        self._connection.execute(
            "UPDATE files SET device = ?, inode = ?, size = ?, modified = ?, offset = ?, tail = ?,"
            " state = ? WHERE id = ?",
            (*found[2:], offset, tail, msgspec.json.encode(state), number),
        )
        return offset - begin

    def keep(self) -> None:
        """Write what is held."""
        self._places.keep()
        replaced = self._compare()
        rows = list(self._best.values())
        for some in (rows[at : at + _TOGETHER] for at in range(0, len(rows), _TOGETHER)):
            marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(some))
            self._connection.execute(
                f"INSERT OR REPLACE INTO calls ({CALL_COLUMNS}) VALUES {marks}", [*chain.from_iterable(some)]
            )
        if replaced:
            # A sum that loses a call does not know which one is its first then.
            sum_up(self._connection, replaced.union(row[2] // QUARTER * QUARTER for row in rows))
        else:
            self._connection.executemany(_ADDED, _summed(rows))
        self._connection.executemany(
            "UPDATE files SET beaten = 1 WHERE id = ?", [(file,) for file in self._beaten]
        )
        self._best.clear()
        self._beaten.clear()

    def _row(self, call: Call, file: int) -> _Row:
        place = self._places.number((call.agent, call.model, call.session, call.project))
        flags = _SIDECHAIN if call.sidechain else 0
        if call.regional or call.fast or call.batch:
            flags |= _REGIONAL * call.regional | _FAST * call.fast | _BATCH * call.batch
        return (
            call.key, place, call.at, call.input, call.output, call.cache_read, call.cache_write_5m,
            call.cache_write_1h, call.searches, flags, file, self._price(call),
        )  # fmt: skip

    def _better(self, row: _Row, other: _Row) -> _Row:
        """Which of two records of a call counts."""
        wins = call_of(self._places, row).rank > call_of(self._places, other).rank
        better, worse = (row, other) if wins else (other, row)
        if better[10] != worse[10]:
            self._beaten.add(worse[10])
        return better

    def _compare(self) -> set[int]:
        """Let go of those that count for no more than what is kept of them already; returns the quarters of
        an hour out of which the others take a call."""
        quarters: set[int] = set()
        if self._connection.execute("SELECT 1 FROM calls LIMIT 1").fetchone() is None:
            return quarters
        for kept in self._connection.execute(
            f"SELECT {CALL_COLUMNS} FROM calls WHERE key IN (SELECT value FROM json_each(?))",
            (_json(self._best),),
        ):
            if self._better(self._best[kept[0]], kept) is kept:
                del self._best[kept[0]]
            else:
                quarters.add(kept[2] // QUARTER * QUARTER)
        return quarters

    def _forget(self, file: int) -> None:
        """A file was written anew: what it said is gone, and others may have said the same."""
        self.keep()
        self._connection.execute("DELETE FROM calls WHERE file = ?", (file,))
        self._connection.execute(
            "UPDATE files SET offset = 0, tail = x'', beaten = 0, size = -1 WHERE beaten > 0"
        )
        sum_up(self._connection)


def _calls(agent: str, name: str, part: files.Appended, state: codex.State) -> Iterator[Call | codex.State]:
    if agent == "codex":
        return codex.calls(bytes(part.data[files.BEGIN : part.end]), state)
    return claude.calls(part.data, name, files.BEGIN, part.end)


def sum_up(connection: sqlite3.Connection, quarters: Collection[int] | None = None) -> None:
    """Make the sums of these quarters of an hour anew from the calls; None: all of them."""
    if quarters is None:
        connection.execute("DELETE FROM sums")
        connection.execute(_SUMMED % "true")
        return
    these = (_json(quarters),)
    connection.execute("DELETE FROM sums WHERE quarter IN (SELECT value FROM json_each(?))", these)
    within = f"at / {QUARTER} * {QUARTER} IN (SELECT value FROM json_each(?))"
    connection.execute(_SUMMED % within, these)


def _summed(rows: Iterable[_Row]) -> Iterator[tuple[int, ...]]:
    """What these calls add to the sums. Python does it twice as fast as SQLite would."""
    groups: dict[tuple[int, int], list[_Row]] = {}
    for row in rows:
        groups.setdefault((row[2] // QUARTER, row[1]), []).append(row)
    for (quarter, place), group in sorted(groups.items()):
        _, _, at, fresh, output, read, short, long, _, _, _, costs = zip(*group, strict=True)
        priced = [cost for cost in costs if cost is not None]
        yield (
            quarter * QUARTER, place, len(group), len(group) - len(priced), sum(fresh), sum(output),
            sum(read), sum(short), sum(long), min(sum(priced), MOST), min(at), max(at),
        )  # fmt: skip


def _json(numbers: Iterable[int]) -> str:
    """For `json_each`: as many as there are, in one statement."""
    return msgspec.json.encode(list(numbers)).decode()
