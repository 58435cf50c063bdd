"""A few transcripts read within one transaction: of all records of a call the one that counts is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
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
                calls: dict[int, Call] = {}
                for call in self._calls(found, part.data, state):
                    if isinstance(call, codex.State):
                        state = call
                    elif (known := calls.get(call.key)) is None or call.rank > known.rank:
                        calls[call.key] = call
                self._take(calls, number)
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
        rows, beaten = [], []
        sums: dict[_Place, list[int]] = {}
        for key, stored in self._best.items():
            before = self._before[key]
            if before is stored:
                continue
            rows.append(self._row(key, stored))
            _add(sums, stored, 1)
            if before is not None:
                _add(sums, before, -1)
                # A sum that loses a call does not know which one is its first then.
                moved = (before.call.at, _place(before.call)) != (stored.call.at, _place(stored.call))
                self._resum = self._resum or moved
                if before.file != stored.file:
                    beaten.append(before.file)
        marks = ", ".join("?" * 15)
        self._connection.executemany(
            f"INSERT OR REPLACE INTO calls (key, file, {CALL_COLUMNS}) VALUES ({marks})", rows
        )
        self._beaten(beaten)
        if self._resum:
            sum_up(self._connection)
        else:
            number = self._names.number
            self._connection.executemany(
                _ADD, [(place[0], *map(number, place[1:]), *sums[place]) for place in sums]
            )
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

    def _take(self, calls: dict[int, Call], file: int) -> None:
        """Hold those of a file's calls that count for more than what is held or kept of them."""
        self._look_up([key for key in calls if key not in self._before])
        beaten: list[int] = []
        for key, call in calls.items():
            known = self._best.get(key)
            if known is None or call.rank > known.call.rank:
                self._best[key] = Stored(call, file, self._price(call))
                if known is not None and known.file != file and known is not self._before[key]:
                    beaten.append(known.file)
            elif known.file != file:
                beaten.append(file)
        self._beaten(beaten)

    def _look_up(self, keys: Sequence[int]) -> None:
        """What is kept of these calls becomes what is held."""
        self._before.update(dict.fromkeys(keys))
        for start in range(0, len(keys), _ASKED):
            some = keys[start : start + _ASKED]
            marks = ", ".join("?" * len(some))
            for key, file, *row in self._connection.execute(
                f"SELECT key, file, {CALL_COLUMNS} FROM calls WHERE key IN ({marks})", some
            ):
                stored = Stored(call_of(self._names, key, tuple(row)), file, row[-1])
                self._before[key] = self._best[key] = stored

    def _beaten(self, those: Sequence[int]) -> None:
        """Another file's record counts for a call of each of these: it is read again should that one go."""
        self._connection.executemany(
            "UPDATE files SET beaten = beaten + 1 WHERE id = ?", [(file,) for file in those]
        )

    def _row(self, key: int, stored: Stored) -> tuple[int | None, ...]:
        call, number = stored.call, self._names.number
        flags = _SIDECHAIN * call.sidechain | _REGIONAL * call.regional | _FAST * call.fast
        return (
            key, stored.file, number(call.agent), number(call.model), number(call.session),
            number(call.project), call.at, call.input, call.output, call.cache_read, call.cache_write_5m,
            call.cache_write_1h, call.searches, flags, stored.cost,
        )  # fmt: skip

    def _forget(self, file: int) -> None:
        """A file was written anew: what it said is gone, and others may have said the same."""
        self.keep()
        self._connection.execute("DELETE FROM calls WHERE file = ?", (file,))
        self._connection.execute(
            "UPDATE files SET offset = 0, tail = x'', beaten = 0, size = -1 WHERE beaten > 0"
        )
        self._resum = True


_Place = tuple[int, str, str, str, str]
"""What a sum is by: the quarter of an hour, session, model, folder, agent."""


def _place(call: Call) -> _Place:
    return call.at // QUARTER * QUARTER, call.session, call.model, call.project, call.agent


def _add(sums: dict[_Place, list[int]], stored: Stored, sign: int) -> None:
    """Add a call to its sum, or take it away."""
    call, place = stored.call, _place(stored.call)
    known = sums.get(place)
    if known is None:
        known = sums[place] = [0] * 8 + [call.at, call.at]
    known[0] += sign
    known[1] += sign * (stored.cost is None)
    known[2] += sign * call.input
    known[3] += sign * call.output
    known[4] += sign * call.cache_read
    known[5] += sign * call.cache_write_5m
    known[6] += sign * call.cache_write_1h
    known[7] += sign * (stored.cost or 0)
    known[8] = min(known[8], call.at)
    known[9] = max(known[9], call.at)


def sum_up(connection: sqlite3.Connection) -> None:
    """Make all sums anew from the calls."""
    connection.execute("DELETE FROM sums")
    connection.execute(
        f"INSERT INTO sums SELECT at / {QUARTER} * {QUARTER}, session, model, project, agent, count(*),"
        " sum(cost IS NULL), sum(input), sum(output), sum(cache_read), sum(cache_write_5m),"
        " sum(cache_write_1h), sum(coalesce(cost, 0)), min(at), max(at) FROM calls GROUP BY 1, 2, 3, 4"
    )
