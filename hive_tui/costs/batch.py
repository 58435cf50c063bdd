"""A few transcripts read within one transaction: of all records of a call the one that counts is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import PurePath

import msgspec

from hive_tui.costs import claude, codex, files
from hive_tui.costs.call import Call

QUARTER = 900_000
"""Milliseconds of a sum: every time zone's days begin with one."""

CALL_COLUMNS = (
    "agent, model, session, project, at, input, output, cache_read, cache_write_5m, cache_write_1h, searches,"
    " flags, cost"
)

_HELD = 20_000
"""Calls that are held before they are written, a few megabytes."""

_ASKED = 500

_SIDECHAIN, _REGIONAL, _FAST = 1, 2, 4

_ADD = """
INSERT INTO sums VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (quarter, session, model, project) DO UPDATE SET calls = calls + excluded.calls,
    unpriced = unpriced + excluded.unpriced, input = input + excluded.input,
    output = output + excluded.output,
    cache_read = cache_read + excluded.cache_read, cache_write_5m = cache_write_5m + excluded.cache_write_5m,
    cache_write_1h = cache_write_1h + excluded.cache_write_1h, cost = cost + excluded.cost,
    first = min(first, excluded.first), last = max(last, excluded.last)
"""

Price = Callable[[Call], int | None]


class Stored(msgspec.Struct, frozen=True):
    """A call as it is kept."""

    call: Call
    file: int
    cost: int | None
    """Picodollars; None for unpriced."""


class Names:
    """Texts that stand in many rows, by number."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.texts: dict[int, str] = dict(connection.execute("SELECT id, text FROM names"))
        self._numbers = {text: number for number, text in self.texts.items()}

    def number(self, text: str) -> int:
        found = self._numbers.get(text)
        if found is None:
            found = len(self.texts) + 1
            self._connection.execute("INSERT INTO names VALUES (?, ?)", (found, text))
            self.texts[found] = text
            self._numbers[text] = found
        return found


def call_of(names: Names, key: int, row: tuple[int, ...]) -> Call:
    """A call from its `CALL_COLUMNS`."""
    agent, model, session, project, at, fresh, output, read, short, long, searches, flags, _ = row
    texts = names.texts
    return Call(
        key, at, texts[agent], texts[model], texts[session], texts[project], fresh, output, read, short, long,
        searches, bool(flags & _SIDECHAIN), bool(flags & _REGIONAL), bool(flags & _FAST),
    )  # fmt: skip


class Batch:
    """Reads files into the tables; nothing is there for others before its transaction ends."""

    def __init__(self, connection: sqlite3.Connection, price: Price) -> None:
        self._connection = connection
        self._price = price
        self._names = Names(connection)
        self._best: dict[int, Stored] = {}
        self._before: dict[int, Stored | None] = {}
        """What was kept of a call when it was met first."""
        self._resum = False

    def read(self, found: files.Found) -> int:
        """Read what was appended to a transcript, or all of it where it is another file by now; returns the
        bytes. One that cannot be read is left for the next time."""
        known = self._connection.execute(
            "SELECT id, device, inode, offset, tail, state FROM files WHERE path = ?", (found.path,)
        ).fetchone()
        offset, tail, state = 0, b"", codex.State()
        with suppress(OSError):
            if known is None:
                number = self._connection.execute(
                    "INSERT INTO files (path, offset, beaten) VALUES (?, 0, 0)", (found.path,)
                ).lastrowid
                assert number is not None
            else:
                number, device, inode, offset, tail, raw = known
                same = (device, inode) == (found.device, found.inode) and found.size >= offset
                if same and files.same_before(found.path, offset, tail):
                    state = msgspec.json.decode(raw, type=codex.State)
                else:
                    self._forget(number)
                    offset, tail = 0, b""
            begin = offset
            for part in files.appended(found.path, begin):
                offset, tail = part.offset, part.tail
                for call in self._calls(found, part.data, state):
                    if isinstance(call, codex.State):
                        state = call
                    else:
                        self._take(call, number)
                self._spill()
            self._connection.execute(
                "UPDATE files SET device = ?, inode = ?, size = ?, modified = ?, offset = ?, tail = ?,"
                " state = ? WHERE id = ?",
                (*found[2:], offset, tail, msgspec.json.encode(state), number),
            )
            return offset - begin
        return 0

    def keep(self) -> None:
        """Write what is held."""
        rows, changes, beaten = [], [], []
        for key, stored in self._best.items():
            before = self._before[key]
            if before is stored:
                continue
            rows.append(self._row(key, stored))
            changes.append(self._change(stored, 1))
            if before is not None:
                changes.append(self._change(before, -1))
                # A sum that loses a call does not know which one is its first then.
                self._resum = self._resum or _place(before.call) != _place(stored.call)
                if before.file != stored.file:
                    beaten.append((before.file,))
        marks = ", ".join("?" * 15)
        self._connection.executemany(
            f"INSERT OR REPLACE INTO calls (key, file, {CALL_COLUMNS}) VALUES ({marks})", rows
        )
        self._connection.executemany("UPDATE files SET beaten = beaten + 1 WHERE id = ?", beaten)
        if self._resum:
            sum_up(self._connection)
        else:
            self._connection.executemany(_ADD, _merged(changes))
        self._best.clear()
        self._before.clear()
        self._resum = False

    def _spill(self) -> None:
        if len(self._best) > _HELD:
            self.keep()

    def _calls(self, found: files.Found, data: bytes, state: codex.State) -> Iterator[Call | codex.State]:
        if found.agent == "codex":
            yield from codex.calls(data, state)
        else:
            yield from claude.calls(data, PurePath(found.path).stem)

    def _take(self, call: Call, file: int) -> None:
        known = self._best.get(call.key)
        if known is None and call.key not in self._before:
            known = self._before[call.key] = self._stored(call.key)
            if known is not None:
                self._best[call.key] = known
        if known is None:
            self._best[call.key] = Stored(call, file, self._price(call))
        elif call.rank > known.call.rank:
            self._best[call.key] = Stored(call, file, self._price(call))
            if known.file != file and self._before[call.key] is not known:
                self._beaten(known.file)
        elif known.file != file:
            self._beaten(file)

    def _beaten(self, file: int) -> None:
        """Another file's record counts for a call of this one: it is read again should that one go."""
        self._connection.execute("UPDATE files SET beaten = beaten + 1 WHERE id = ?", (file,))

    def _stored(self, key: int) -> Stored | None:
        row = self._connection.execute(
            f"SELECT file, {CALL_COLUMNS} FROM calls WHERE key = ?", (key,)
        ).fetchone()
        return None if row is None else Stored(call_of(self._names, key, row[1:]), row[0], row[-1])

    def _row(self, key: int, stored: Stored) -> tuple[int | None, ...]:
        call, number = stored.call, self._names.number
        flags = _SIDECHAIN * call.sidechain | _REGIONAL * call.regional | _FAST * call.fast
        return (
            key, stored.file, number(call.agent), number(call.model), number(call.session),
            number(call.project), call.at, call.input, call.output, call.cache_read, call.cache_write_5m,
            call.cache_write_1h, call.searches, flags, stored.cost,
        )  # fmt: skip

    def _change(self, stored: Stored, sign: int) -> tuple[int, ...]:
        call, number = stored.call, self._names.number
        counts = (
            1, stored.cost is None, call.input, call.output, call.cache_read, call.cache_write_5m,
            call.cache_write_1h, stored.cost or 0,
        )  # fmt: skip
        return (
            call.at // QUARTER * QUARTER, number(call.session), number(call.model), number(call.project),
            number(call.agent), *(sign * each for each in counts), call.at, call.at,
        )  # fmt: skip

    def _forget(self, file: int) -> None:
        """A file was written anew: what it said is gone, and others may have said the same."""
        self.keep()
        self._connection.execute("DELETE FROM calls WHERE file = ?", (file,))
        self._connection.execute(
            "UPDATE files SET offset = 0, tail = x'', beaten = 0, size = -1 WHERE beaten > 0"
        )
        self._resum = True


def _place(call: Call) -> tuple[int, str, str, str]:
    return call.at, call.session, call.model, call.project


def _merged(changes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """One change for each sum: most calls of a file are in the same few."""
    found: dict[tuple[int, ...], list[int]] = {}
    for change in changes:
        known = found.get(change[:5])
        if known is None:
            found[change[:5]] = list(change[5:])
        else:
            for index in range(8):
                known[index] += change[5 + index]
            known[8] = min(known[8], change[13])
            known[9] = max(known[9], change[14])
    return [(*key, *values) for key, values in found.items()]


def sum_up(connection: sqlite3.Connection) -> None:
    """Make all sums anew from the calls."""
    connection.execute("DELETE FROM sums")
    connection.execute(
        f"INSERT INTO sums SELECT at / {QUARTER} * {QUARTER}, session, model, project, agent, count(*),"
        " sum(cost IS NULL), sum(input), sum(output), sum(cache_read), sum(cache_write_5m),"
        " sum(cache_write_1h), sum(coalesce(cost, 0)), min(at), max(at) FROM calls GROUP BY 1, 2, 3, 4"
    )
