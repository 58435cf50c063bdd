"""Which rows of a list are shown and in what order, worked out in slices so that no frame waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice
from typing import Any

from hive_tui.app.filters import Facts, Query
from hive_tui.app.sorting import By, Order, Value, arranged

CHUNK = 64
"""Rows looked at between two looks at the clock."""


class Arranging:
    """Keeps the keys that match a filter, in the order asked for, while the data goes on changing.

    What was worked out stays shown until the next result is complete; only what a person has just
    typed shows what was found so far. Neither filtered nor sorted, the keys are handed through as they are.
    """

    def __init__(
        self,
        thing: Callable[[Hashable], Any],
        facts: Callable[[Any], Facts],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`thing` is what a row is made of, None for a row that is gone; `facts` what is found in it."""
        self._thing = thing
        self._facts = facts
        self._clock = clock
        self.keys: Sequence[Hashable] = ()
        """The result."""
        self.query = Query()
        self.order = Order()
        self._by: By[Any] | None = None
        self._all: Sequence[Hashable] = ()
        self._stamp: tuple[object, ...] = ()
        self._known: dict[Hashable, tuple[Any, Facts]] = {}
        self._left: Iterator[Hashable] | None = None
        self._asked = False
        """A person waits for this result."""
        self._again = False
        self._found: list[Hashable] = []
        self._values: dict[Hashable, Value] = {}

    @property
    def all(self) -> Sequence[Hashable]:
        """The keys of all rows."""
        return self._all

    @property
    def busy(self) -> bool:
        """There is more to work out."""
        return self._left is not None

    def ask(self, query: Query, order: Order, by: By[Any] | None) -> None:
        """Another filter or order is wanted; `by` is how the column of the order is sorted."""
        self.query, self.order, self._by = query, order, by
        self._begin(asked=True)

    def take(self, keys: Sequence[Hashable], *stamp: object) -> None:
        """The data may have changed: not where each `stamp` is the same object as the last time."""
        same = len(stamp) == len(self._stamp) and all(map(_is, stamp, self._stamp))
        if same and (keys is self._all or keys == self._all):
            return
        self._all, self._stamp = keys, stamp
        if self._left is not None and not self._plain:
            # Begun again with every change, it would never come to an end.
            self._again = True
        else:
            self._begin(asked=False)

    def work(self, seconds: float) -> bool:
        """Go on for about so long. Returns whether `keys` is another result than before."""
        if self._left is None:
            return False
        until = self._clock() + seconds
        while True:
            if not self._look_at(CHUNK):
                self._finish()
                return True
            if self._clock() >= until:
                if self._asked and self._by is None and not self.order.turned:
                    self.keys = list(self._found)
                    return True
                return False

    @property
    def _plain(self) -> bool:
        return not self.query.terms and self._by is None

    def _begin(self, *, asked: bool) -> None:
        self._asked, self._again = asked, False
        if self._plain:
            self._left = None
            self.keys = list(reversed(self._all)) if self.order.turned else self._all
        else:
            self._left, self._found, self._values = iter(self._all), [], {}

    def _look_at(self, rows: int) -> bool:
        assert self._left is not None
        key = None
        by, matches, known = self._by, self.query.matches, self._known
        filtered = bool(self.query.terms)
        for key in islice(self._left, rows):
            thing = self._thing(key)
            if thing is None:
                continue
            if filtered:
                before = known.get(key)
                if before is None or (before[0] is not thing and before[0] != thing):
                    before = known[key] = (thing, self._facts(thing))
                if not matches(before[1]):
                    continue
            if by is not None:
                self._values[key] = by.value(thing)
            self._found.append(key)
        return key is not None

    def _finish(self) -> None:
        found, by = self._found, self._by
        if by is not None:
            found = arranged(found, self._values, down=by.down is not self.order.turned)
        elif self.order.turned:
            found.reverse()
        self.keys = found
        self._left, self._asked, self._values = None, False, {}
        if len(self._known) > 2 * len(self._all) + 1_000:
            listed = set(self._all)
            self._known = {key: known for key, known in self._known.items() if key in listed}
        if self._again:
            self._begin(asked=False)


def _is(left: object, right: object) -> bool:
    return left is right
