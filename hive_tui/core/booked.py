"""What the ledger comes to, summed for budgets; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

import msgspec

from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.ledger import Certainty, Entry
from hive_tui.core.spend import Bill

RECENT = timedelta(days=8)
"""How far back money can be asked for by time: today's and this week's, in any time zone."""


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


class Spent(NamedTuple):
    """Money of several runs, in micro-dollars."""

    micros: int = 0
    unknown: RunId | None = None
    """A run of which nobody knows what it cost."""


class Booked(msgspec.Struct, frozen=True, eq=False):
    """What the ledger came to when it was asked: of all runs that ever were in it, also of those whose rows
    are gone."""

    runs: Set[RunId] = frozenset()
    """Of the runs that it was asked about those that are in it, with all that they cost."""
    fleet: Spent = Spent()
    repos: Mapping[RepoName, Spent] = {}
    issues: Mapping[str, tuple[int, RunId | None]] = {}
    """By `owner/name#42`, as `Spent` has it: there are thousands, of which few are ever asked for."""
    recent: Sequence[Charge] = ()
    """Those of the last days, the oldest first."""
    bill: Bill = Bill()
    """The sums that are shown; empty where nothing is."""

    def of(self, scope: IssueKey | RepoName) -> Spent:
        """Of all runs for an issue or a repository."""
        if isinstance(scope, IssueKey):
            return Spent(*self.issues.get(str(scope), ()))
        return self.repos.get(scope) or Spent()

    def since(self, moment: datetime) -> Spent:
        """Of the runs that ended at that moment or later; it is within the last days."""
        counted = self.recent[bisect_left(self.recent, moment, key=attrgetter("at")) :]
        unknown = next((each.run for each in counted if each.unknown), None)
        return Spent(sum(each.micros for each in counted), unknown)
