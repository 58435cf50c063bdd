"""A few transcripts read within one transaction: of all records of a call the one that counts is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import PurePath

import msgspec

from hive_tui.costs import claude, codex, files
from hive_tui.costs.call import Call, Place, Source
from hive_tui.costs.rollups import CALL_COLUMNS, Rollups
from hive_tui.costs.sums import QUARTER
from hive_tui.costs.tariff import Tariffs

_HELD = 50_000
"""Calls that are held before they are written, some twenty megabytes."""

_TOGETHER = 80
"""Rows that one statement writes: that is twice as fast as one by one, and within what any SQLite takes."""


class Places:
    """Places by number, as they stand in many rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        rows = connection.execute("SELECT id, agent, model, session, project FROM places")
        self.places: dict[int, Place] = {number: (*place,) for number, *place in rows}
        self._numbers = {place: number for number, place in self.places.items()}
        self._new: list[tuple[int, str, str, str, str]] = []

    def number(self, place: Place) -> int:
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


class Batch:
    """Reads files into the tables; nothing is there for others before its transaction ends."""

    def __init__(self, connection: sqlite3.Connection, tariffs: Callable[[str], Tariffs | None]) -> None:
        self._connection = connection
        self._places = Places(connection)
        self._rollups = Rollups(connection, self._places.places, tariffs)
        self._buffer = files.Buffer()
        self._best: dict[int, Call] = {}
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
        begin, best = offset, self._best
        source = Source(number, PurePath(found.path).stem, self._places.number)
        for part in files.appended(found.path, begin, self._buffer):
            offset, tail = part.offset, part.tail
            for call in _calls(found.agent, source, part, state):
                if isinstance(call, codex.State):
                    state = call
                    continue
                held = best.setdefault(call.key, call)
                if held is not call:
                    best[call.key] = self._better(call, held)
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
        calls = list(self._best.values())
        for some in (calls[at : at + _TOGETHER] for at in range(0, len(calls), _TOGETHER)):
            marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(some))
            self._connection.execute(
                f"INSERT OR REPLACE INTO calls ({CALL_COLUMNS}) VALUES {marks}", [*chain.from_iterable(some)]
            )
        if replaced:
            # A sum that loses a call does not know which one is its first then.
            self._rollups.anew(replaced)
            calls = [call for call in calls if call.at // QUARTER * QUARTER not in replaced]
        self._rollups.add(calls)
        self._connection.executemany(
            "UPDATE files SET beaten = 1 WHERE id = ?", [(file,) for file in self._beaten]
        )
        self._best.clear()
        self._beaten.clear()

    def _better(self, call: Call, other: Call) -> Call:
        """Which of two records of a call counts."""
        places = self._places.places
        wins = call.rank(places[call.place]) > other.rank(places[other.place])
        better, worse = (call, other) if wins else (other, call)
        if better.file != worse.file:
            self._beaten.add(worse.file)
        return better

    def _compare(self) -> set[int]:
        """Let go of those that count for no more than what is kept of them already; returns the quarters of
        an hour out of which the others take a call."""
        quarters: set[int] = set()
        if self._connection.execute("SELECT 1 FROM calls LIMIT 1").fetchone() is None:
            return quarters
        keys = msgspec.json.encode(list(self._best)).decode()
        for row in self._connection.execute(
            f"SELECT {CALL_COLUMNS} FROM (SELECT value FROM json_each(?)) CROSS JOIN calls ON key = value",
            (keys,),
        ):
            kept = Call._make(row)
            if self._better(self._best[kept.key], kept) is kept:
                del self._best[kept.key]
            else:
                quarters.add(kept.at // QUARTER * QUARTER)
        return quarters

    def _forget(self, file: int) -> None:
        """A file was written anew: what it said is gone, and others may have said the same."""
        self.keep()
        self._connection.execute("DELETE FROM calls WHERE file = ?", (file,))
        self._connection.execute(
            "UPDATE files SET offset = 0, tail = x'', beaten = 0, size = -1 WHERE beaten > 0"
        )
        self._rollups.anew()


def _calls(
    agent: str, source: Source, part: files.Appended, state: codex.State
) -> Iterator[Call | codex.State]:
    if agent == "codex":
        return codex.calls(bytes(part.data[files.BEGIN : part.end]), source, state)
    return claude.calls(part.data, source, files.BEGIN, part.end)
