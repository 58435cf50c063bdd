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

REST = 10
"""How many times as long as it took it rests before it works out what changed by itself: never more than
a tenth of the time goes there, however often the data changes."""


class _Known:
    """A thing, in which version of the data it was seen, and what can be found in it."""

    __slots__ = ("facts", "thing", "version")

    def __init__(self, thing: Any, version: int) -> None:
        self.thing = thing
        self.version = version
        self.facts: Facts | None = None


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
        self._known: dict[Hashable, _Known] = {}
        self._version = 0
        """Another number whenever rows are looked at anew."""
        self._left: Iterator[Hashable] | None = None
        self._ahead: Iterator[Hashable] | None = None
        """What is looked at before anybody asks."""
        self._asked = False
        """A person waits for this result."""
        self._again = False
        """The data changed since the result was begun."""
        self._took = 0.0
        self._rest_until = 0.0
        self._found: list[Hashable] = []
        """What matches so far, and of a result that is complete all that does, in the order of `all`."""
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
        complete = self._left is None and not self._again and bool(self.query.terms)
        within = self._found if complete and query.narrows(self.query) else None
        self.query, self.order, self._by = query, order, by
        self._begin(asked=True, within=within)

    def take(self, keys: Sequence[Hashable], *stamp: object) -> None:
        """The data may have changed: not where each `stamp` is the same object as the last time."""
        same = len(stamp) == len(self._stamp) and all(map(_is, stamp, self._stamp))
        if not same or not (keys is self._all or keys == self._all):
            self._all, self._stamp = keys, stamp
            self._again, self._ahead = True, None
        # Begun again with every change, it would never come to an end.
        if self._again and (self._plain or (self._left is None and self._clock() >= self._rest_until)):
            self._begin(asked=False)

    def clear(self) -> None:
        """Other things are coming, not these ones changed: nothing that is known holds for them."""
        self.keys, self._all, self._stamp, self._known = (), (), (), {}
        self._left, self._again, self._rest_until = None, True, 0.0

    def work(self, seconds: float) -> bool:
        """Go on for about so long. Returns whether `keys` is another result than before."""
        if self._left is None:
            return False
        begin = now = self._clock()
        done = False
        while not done and now < begin + seconds:
            done = not self._look_at(CHUNK)
            now = self._clock()
        self._took += now - begin
        if done:
            self._finish()
            self._rest_until = now + REST * self._took
        elif self._asked and self._by is None and not self.order.turned:
            self.keys = list(self._found)
            return True
        return done

    def prepare(self, seconds: float) -> bool:
        """Look for about so long at rows that were never looked at, before anybody asks. Returns whether
        there may be more of them."""
        begin = self._clock()
        if self._ahead is None:
            self._ahead = iter(self._all)
        for key in self._ahead:
            if key not in self._known and (thing := self._thing(key)) is not None:
                it = self._known[key] = _Known(thing, self._version)
                it.facts = self._facts(thing)
                if self._clock() >= begin + seconds:
                    return True
        self._ahead = None
        self._forget()
        return False

    @property
    def _plain(self) -> bool:
        return not self.query.terms and self._by is None

    def _begin(self, *, asked: bool, within: Sequence[Hashable] | None = None) -> None:
        """`within`: nothing else can match."""
        self._asked = asked
        # What a person types is answered from what the last result found in the rows, a moment ago: to look
        # at all of them anew with every key takes many times as long. The next result does.
        if not asked:
            self._version += 1
            self._again = False
        if self._plain:
            self._left = None
            self.keys = list(reversed(self._all)) if self.order.turned else self._all
        else:
            self._left = iter(self._all if within is None else within)
            self._found, self._values, self._took = [], {}, 0.0

    def _look_at(self, rows: int) -> bool:
        assert self._left is not None
        key = None
        by, matches, known, version = self._by, self.query.matches, self._known, self._version
        filtered = bool(self.query.terms)
        for key in islice(self._left, rows):
            it = known.get(key)
            if it is None or it.version != version:
                thing = self._thing(key)
                if thing is None:
                    continue
                if it is None or (it.thing is not thing and it.thing != thing):
                    it = known[key] = _Known(thing, version)
                it.version = version
            if filtered:
                if it.facts is None:
                    it.facts = self._facts(it.thing)
                if not matches(it.facts):
                    continue
            if by is not None:
                self._values[key] = by.value(it.thing)
            self._found.append(key)
        return key is not None

    def _finish(self) -> None:
        found, by = self._found, self._by
        if by is not None:
            found = arranged(found, self._values, down=by.down is not self.order.turned)
        elif self.order.turned:
            found = found[::-1]
        self.keys = found
        self._left, self._asked, self._values = None, False, {}
        self._forget()

    def _forget(self) -> None:
        """Forget rows that are not there any more, when they are many."""
        if len(self._known) > 2 * len(self._all) + 1_000:
            listed = set(self._all)
            self._known = {key: known for key, known in self._known.items() if key in listed}


def _is(left: object, right: object) -> bool:
    return left is right
