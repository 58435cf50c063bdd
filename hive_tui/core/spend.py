"""What the fleet's runs cost, summed for people; the gates that keep budgets are in `core.gates`.

What the ledger has of runs counts as there, also when the runs are gone, and what others say of
themselves: the rows that `hive costs --scope fleet` sums. A run's money counts on the local day on which
the run ended, or of its last sign of life.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from operator import attrgetter

import msgspec

from hive_tui.core import text
from hive_tui.core.ids import RunId
from hive_tui.core.ledger import Certainty, Entry, entries
from hive_tui.core.model import Budget, Run
from hive_tui.core.settings import BudgetSettings

WEEK = timedelta(days=6)
"""A week is today and the six days before."""

BURN_WINDOW = timedelta(hours=1)


class Costs(msgspec.Struct, frozen=True):
    """Sums in micro-dollars. None: there are runs, and of none of them is the cost known."""

    today_micros: int | None = None
    week_micros: int | None = None
    all_micros: int | None = None
    burn_per_hour_micros: int | None = None
    """What the last hour cost, a run's money spread evenly over its time."""
    by_model: dict[str, int] = {}
    """The costliest first; a run whose model is not known counts under its agent's name."""
    by_issue: dict[str, int] = {}
    """`owner/name#42`, the costliest first."""
    estimated: bool = False
    """At least one figure in the sums is an estimate."""
    unaccounted_runs: int = 0
    """Runs that were started and whose cost is not known, at least in part; that part is in no sum."""


class Bill:
    """What rows of the ledger come to, worked out once for any moment."""

    def __init__(self, rows: Iterable[Entry] = ()) -> None:
        dated = sorted(rows, key=attrgetter("at"))
        self._at = [row.at for row in dated]
        # Sums up to each of them, so that those since any moment are a subtraction.
        self._micros = [0, *accumulate(row.cost_micros or 0 for row in dated)]
        self._known = [0, *accumulate(row.cost_micros is not None for row in dated)]
        self.runs = frozenset(row.run for row in dated)
        self.unaccounted = len({row.run for row in dated if row.certainty is Certainty.UNACCOUNTED})
        self.estimated = any(row.certainty is Certainty.ESTIMATED for row in dated)
        self.by_model: dict[str, int] = {}
        self.by_issue: dict[str, int] = {}
        for row in dated:
            if row.cost_micros is not None:
                for sums, key in ((self.by_model, row.model or row.agent), (self.by_issue, str(row.key))):
                    sums[key] = sums.get(key, 0) + row.cost_micros

    def since(self, moment: datetime | None) -> _Sum:
        """Of the rows from that moment on; None: of all."""
        begin = 0 if moment is None else bisect_left(self._at, moment)
        asked, known = len(self._at) - begin, self._known[-1] - self._known[begin]
        return _Sum(self._micros[-1] - self._micros[begin], known=bool(known), asked=bool(asked))


class Reader:
    """The rows of runs, made once of each run as it is: most stay the same while a few go on."""

    def __init__(self) -> None:
        self._rows: dict[RunId, tuple[Run, tuple[Entry, ...]]] = {}

    def __call__(self, run: Run) -> tuple[Entry, ...]:
        known = self._rows.get(run.id)
        if known is None or known[0] is not run:
            known = self._rows[run.id] = (run, entries(run))
        return known[1]

    def forget(self, keep: Container[RunId]) -> None:
        """Keep no rows but of these runs."""
        for name in [name for name in self._rows if name not in keep]:
            del self._rows[name]


def costs(
    runs: Iterable[Run],
    now: datetime,
    booked: Bill | None = None,
    rows_of: Callable[[Run], Iterable[Entry]] = entries,
) -> Costs:
    """Sum up at the moment `now` what the ledger has, and runs that are not in there."""
    started = [run for run in runs if run.status.started_at is not None]
    booked = booked or Bill()
    bills = (booked, Bill(row for run in started if run.id not in booked.runs for row in rows_of(run)))
    today = now.astimezone().date()
    days = {"today": _midnight(today), "week": _midnight(today - WEEK), "all": None}
    sums = {name: bills[0].since(begin).plus(bills[1].since(begin)) for name, begin in days.items()}
    burn = _Sum()
    for run in started:
        share = _share(run, now)
        if share > 0:
            cost = run.status.usage.cost_micros
            burn.add(None if cost is None else round(cost * share))
    return Costs(
        today_micros=sums["today"].value,
        week_micros=sums["week"].value,
        all_micros=sums["all"].value,
        burn_per_hour_micros=burn.value,
        by_model=_costliest_first([bill.by_model for bill in bills]),
        by_issue=_costliest_first([bill.by_issue for bill in bills]),
        estimated=any(bill.estimated for bill in bills),
        unaccounted_runs=sum(bill.unaccounted for bill in bills),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


class _Sum:
    """A sum that is unknown when there was something to add and none of it was known."""

    def __init__(self, micros: int = 0, *, known: bool = False, asked: bool = False) -> None:
        self._micros = micros
        self._known = known
        self._asked = asked

    def add(self, micros: int | None) -> None:
        self._asked = True
        if micros is not None:
            self._known = True
            self._micros += micros

    def plus(self, other: _Sum) -> _Sum:
        return _Sum(
            self._micros + other._micros,
            known=self._known or other._known,
            asked=self._asked or other._asked,
        )

    @property
    def value(self) -> int | None:
        return self._micros if self._known or not self._asked else None


def _share(run: Run, now: datetime) -> float:
    """How much of a run's time lies in the last hour, 0 to 1."""
    start, end = run.status.started_at, run.status.ended_at or now
    if start is None or end < start:
        return 0.0
    inside = end - max(start, now - BURN_WINDOW)
    whole = end - start
    if not whole:
        return 1.0 if end >= now - BURN_WINDOW else 0.0
    return min(1.0, max(0.0, inside / whole))


HOURS = 24
"""How far back the hourly figures go."""


def hourly(runs: Iterable[Run], now: datetime, hours: int = HOURS) -> tuple[int | None, ...]:
    """Micro-dollars of each of the last `hours` hours of the clock, the current one last.

    A run's money is spread evenly over its time. 0: nothing was at work; None: something was, and
    nobody knows what it cost.
    """
    hour = 3_600.0
    # By local time: in some places hours do not begin with those of UTC.
    current = now.astimezone().replace(minute=0, second=0, microsecond=0)
    first = current.timestamp() - (hours - 1) * hour
    latest = now.timestamp()
    sums = [_Sum() for _ in range(hours)]
    for run in runs:
        status = run.status
        if status.started_at is None:
            continue
        end = latest if status.ended_at is None else status.ended_at.timestamp()
        start = min(status.started_at.timestamp(), end)
        if end < first or start > latest:
            continue
        cost, whole = status.usage.cost_micros, end - start
        for index in range(
            max(0, int((start - first) // hour)), min(hours - 1, int((end - first) // hour)) + 1
        ):
            begin = first + index * hour
            inside = min(end, begin + hour) - max(start, begin)
            if whole and inside <= 0:
                continue
            sums[index].add(None if cost is None else round(cost * inside / whole) if whole else cost)
    return tuple(found.value for found in sums)


def _costliest_first(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for part in parts:
        for key, micros in part.items():
            sums[key] = sums.get(key, 0) + micros
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def limits(dollars: BudgetSettings) -> Budget:
    """The limits that the configuration states."""

    def micros(value: float | None) -> int | None:
        return None if value is None else round(value * 1_000_000)

    return Budget(
        micros(dollars.run),
        micros(dollars.issue),
        micros(dollars.repo),
        micros(dollars.day),
        micros(dollars.fleet),
    )


def limits_text(budget: Budget) -> str:
    """`run $1.20 · day $60.00`, as far as there are limits."""
    named = (
        ("run", budget.run_micros),
        ("issue", budget.issue_micros),
        ("repo", budget.repo_micros),
        ("day", budget.day_micros),
        ("fleet", budget.fleet_micros),
    )
    found = [f"{name} {text.money(micros)}" for name, micros in named if micros is not None]
    return " · ".join(found) or "no limit"
