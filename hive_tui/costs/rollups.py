"""Sums of calls by quarter of an hour and place, in the index; what is asked of it is read from them."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from hive_tui.costs.call import SIDECHAIN, Call, Place
from hive_tui.costs.prices import rates_of
from hive_tui.costs.sums import MOST, QUARTER
from hive_tui.costs.tariff import Tariffs

CALL_COLUMNS = ", ".join(Call._fields)

_BELIEVED = 10**16
"""Picodollars of a call, ten thousand dollars: what is dearer has no price."""

_AT_ONCE = 50_000
"""Calls that are summed at a time where sums are made anew, some twenty megabytes."""

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


class Rollups:
    """Sums calls in Python, which is twice as fast as SQLite, and prices those together that have the same
    rates: since these are integers, that comes to what the calls cost one by one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        places: Mapping[int, Place],
        tariffs: Callable[[str], Tariffs | None],
    ) -> None:
        """`tariffs` are of a model; `connection` is within a transaction."""
        self._connection = connection
        self._places = places
        self._tariffs = tariffs
        self._steps: dict[int, tuple[int, ...]] = {}
        """Of each place the lengths of prompts from which its model has other rates."""

    def add(self, calls: Iterable[Call]) -> None:
        """Add calls that are in no sum yet."""
        self._connection.executemany(_ADDED, self._summed(calls))

    def anew(self, quarters: Collection[int] | None = None) -> None:
        """Make the sums of these quarters of an hour from the calls; None: all of them."""
        if quarters is None:
            self._connection.execute("DELETE FROM sums")
            found = self._connection.execute(f"SELECT {CALL_COLUMNS} FROM calls")
        else:
            these = (msgspec.json.encode(list(quarters)).decode(),)
            among = "IN (SELECT value FROM json_each(?))"
            self._connection.execute(f"DELETE FROM sums WHERE quarter {among}", these)
            found = self._connection.execute(
                f"SELECT {CALL_COLUMNS} FROM calls WHERE at / {QUARTER} * {QUARTER} {among}", these
            )
        while some := found.fetchmany(_AT_ONCE):
            self.add(map(Call._make, some))

    def _summed(self, calls: Iterable[Call]) -> Iterator[tuple[int, ...]]:
        groups: defaultdict[tuple[int, int, int, int], list[Call]] = defaultdict(list)
        for call in calls:
            _, place, at, fresh, _, read, short, long, _, flags, _ = call
            steps = self._steps.get(place)
            if steps is None:
                steps = self._steps[place] = self._steps_of(place)
            step = bisect_left(steps, fresh + read + short + long) if steps else 0
            groups[at // QUARTER, place, flags & ~SIDECHAIN, step].append(call)
        for group in (groups[key] for key in sorted(groups)):
            yield self._sum(group)

    def _steps_of(self, place: int) -> tuple[int, ...]:
        tariffs = self._tariffs(self._places[place][1]) or ()
        return tuple(sorted({start for tariff in tariffs for start, _ in tariff.long}))

    def _sum(self, group: list[Call]) -> tuple[int, ...]:
        """What calls of one quarter of an hour and place that have the same rates come to."""
        some = group[0]
        _, _, at, *counts, _, _ = zip(*group, strict=True)
        totals = [sum(each) for each in counts]
        tariffs = self._tariffs(self._places[some.place][1])
        rates = None if tariffs is None else rates_of(tariffs, some.at, some.prompt, some.flags)
        unpriced, cost = len(group), 0
        if rates is not None:
            unpriced, cost = 0, rates.cost(*totals)
            if cost > _BELIEVED:
                costs = [rates.cost(*call[3:9]) for call in group]
                believed = [cost for cost in costs if cost <= _BELIEVED]
                unpriced, cost = len(costs) - len(believed), sum(believed)
        quarter = some.at // QUARTER * QUARTER
        return (
            quarter, some.place, len(group), unpriced, *totals[:5], min(cost, MOST), min(at), max(at)
        )  # fmt: skip
