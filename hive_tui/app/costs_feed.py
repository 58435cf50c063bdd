"""Sums up what was used, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from hive_tui.app.live import Fleet
from hive_tui.app.looks_feed import LooksFeed
from hive_tui.core.booked import Booked
from hive_tui.core.errors import StoreError
from hive_tui.core.ledger import Entry
from hive_tui.costs.overview import CostView, FleetRows, Question


class CostLooks(Protocol):
    """What answers questions, as `costs.cost_sources.CostSources` does."""

    question: Question

    def look(self) -> CostView:
        """The answer now; the same object as before where nothing is new. Raises HiveError."""
        ...

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new; costs next to nothing."""
        ...


OpenCosts = Callable[[Callable[[], FleetRows]], CostLooks]
"""Opens what answers, from what the fleet says of its runs; called in a thread."""


class LedgerRows:
    """All rows of a fleet's ledger, read when somebody wants them, again once there are more. For one
    thread."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._read: tuple[Booked | None, Sequence[Entry]] = (None, ())

    def __call__(self, booked: Booked) -> Sequence[Entry]:
        """Those that `booked` is the sum of; the same object as before where nothing is new."""
        if booked is not self._read[0]:
            with suppress(StoreError):  # what was known stays; the cluster's own source says what is wrong
                self._read = (booked, tuple(self._fleet.ledger.read()))
        return self._read[1]


class CostsFeed(LooksFeed[CostView]):
    """The newest answer to a question."""

    def __init__(
        self, looks: Callable[[], CostLooks], question: Question, *, notify: Callable[[], object]
    ) -> None:
        """`looks` is called in the thread: what it needs is imported there."""
        super().__init__("costs", notify=notify)
        self._make = looks
        self._looks: CostLooks | None = None
        self._question = question

    def put(self, question: Question) -> None:
        """Answer this one from now on, at once."""
        self._question = question
        self.wake()

    def ask(self, turn: int) -> CostView:
        if self._looks is None:
            self._looks = self._make()
        self._looks.question = self._question
        return self._looks.look()

    @property
    def stirred(self) -> bool:
        return self._looks is None or self._looks.question != self._question or self._looks.stirred
