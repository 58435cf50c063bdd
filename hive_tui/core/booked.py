"""What the ledger comes to, summed for budgets; pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType

import msgspec

from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.ledger import Certainty, Entry


class Charge(msgspec.Struct, frozen=True):
    """What all rows of a run come to."""

    run: RunId
    repo: RepoName
    issue: int
    at: datetime
    micros: int
    """As far as it is known; of a run with a budget of its own at least that where it is not."""
    unknown: bool = False
    """Something of it is not known, and no budget of the run's own stands for that."""


def charge(rows: Sequence[Entry]) -> Charge:
    """The sum of a run's rows, of which there is at least one."""
    first = rows[0]
    micros = sum(row.cost_micros or 0 for row in rows)
    unknown = any(row.certainty is Certainty.UNACCOUNTED for row in rows)
    if unknown and first.limit_micros is not None:
        micros, unknown = max(micros, first.limit_micros), False
    return Charge(first.run, first.repo, first.issue, first.at, micros, unknown)


class Spent(msgspec.Struct):
    """Money of several runs, in micro-dollars."""

    micros: int = 0
    unknown: RunId | None = None
    """A run of which nobody knows what it cost."""

    def add(self, one: Charge) -> None:
        self.micros += one.micros
        if one.unknown:
            self.unknown = one.run


class Booked:
    """The charges of all runs in the ledger, summed for budgets. Never changes."""

    def __init__(self, charges: Iterable[Charge] = (), rows: Iterable[Entry] = ()) -> None:
        """`rows` are for sums that are shown, and may be left out where nothing is."""
        self.rows = tuple(rows)
        self._dated = sorted(charges, key=attrgetter("at"))
        self._runs = {each.run: each for each in self._dated}
        self._sums: dict[IssueKey | RepoName, Spent] = {}
        self.fleet = Spent()
        """Of all runs ever."""
        for each in self._dated:
            self.fleet.add(each)
            for scope in (each.repo, IssueKey(each.repo, each.issue)):
                self._sums.setdefault(scope, Spent()).add(each)

    @property
    def runs(self) -> Mapping[RunId, Charge]:
        """Those that are in the ledger."""
        return MappingProxyType(self._runs)

    def of(self, scope: IssueKey | RepoName) -> Spent:
        """Of all runs for an issue or a repository."""
        return self._sums.get(scope) or Spent()

    def since(self, moment: datetime) -> Spent:
        """Of the runs that ended at that moment or later."""
        spent = Spent()
        for each in self._dated[bisect_left(self._dated, moment, key=attrgetter("at")) :]:
            spent.add(each)
        return spent

    def entered(self, rows: Iterable[Entry]) -> Booked:
        """With all rows of more runs; a run that is there already stays as it is."""
        found: dict[RunId, list[Entry]] = {}
        for row in rows:
            if row.run not in self._runs:
                found.setdefault(row.run, []).append(row)
        grown = self.plus(map(charge, found.values()))
        if grown is not self:
            grown.rows = (*self.rows, *(row for mine in found.values() for row in mine))
        return grown

    def plus(self, charges: Iterable[Charge]) -> Booked:
        """With more charges; a run that is there already stays as it is."""
        new = {each.run: each for each in charges if each.run not in self.runs}
        if not new:
            return self
        # Shared but for what is different: a ledger of years has a hundred thousand runs.
        grown = Booked()
        grown.rows, grown._runs = self.rows, self._runs | new
        grown._dated, grown._sums = list(self._dated), dict(self._sums)
        grown.fleet = msgspec.structs.replace(self.fleet)
        for each in new.values():
            insort(grown._dated, each, key=attrgetter("at"))
            grown.fleet.add(each)
            for scope in (each.repo, IssueKey(each.repo, each.issue)):
                spent = grown._sums[scope] = msgspec.structs.replace(grown.of(scope))
                spent.add(each)
        return grown
