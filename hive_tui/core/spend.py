"""What the fleet's runs cost, summed for people; the gates that keep budgets are in `core.gates`.

What the ledger has of runs counts as there, also when the runs are gone, and what others say of
themselves: the rows that `hive costs --scope fleet` sums. A run's money counts on the local day on which
the run ended, or of its last sign of life.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from operator import attrgetter, itemgetter

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
    """Sums in micro-dollars. None: there are runs, and of none of them is the cost known, or what there is
    cannot be read."""

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
    unaccounted_runs: int | None = 0
    """Runs that were started and whose cost is not known, at least in part; that part is in no sum."""


NOT_KNOWN = Costs(unaccounted_runs=None)
"""Where runs or the ledger cannot be read."""


class Sum(msgspec.Struct, frozen=True):
    """Money that is unknown when there was something to add and none of it was known."""

    micros: int = 0
    known: bool = False
    asked: bool = False

    def plus(self, other: Sum) -> Sum:
        return Sum(self.micros + other.micros, self.known or other.known, self.asked or other.asked)

    def add(self, micros: int | None) -> Sum:
        return self.plus(Sum(micros or 0, known=micros is not None, asked=True))

    @property
    def value(self) -> int | None:
        return self.micros if self.known or not self.asked else None


class Bill(msgspec.Struct, frozen=True, eq=False):
    """What rows of the ledger come to, for any moment of the last days."""

    runs: Set[RunId] = frozenset()
    """Those whose rows these are, as far as somebody asks."""
    whole: Sum = Sum()
    by_model: Mapping[str, int] = {}
    by_issue: Mapping[str, int] = {}
    unaccounted: int = 0
    """Runs, as of `Costs`."""
    estimated: bool = False
    recent: Sequence[tuple[datetime, int | None]] = ()
    """When a row's run ended and what the row cost, of the last days or of all, the oldest first."""

    def since(self, moment: datetime) -> Sum:
        """Of the rows from that moment on."""
        begin = bisect_left(self.recent, moment, key=itemgetter(0))
        costs = [cost for _, cost in self.recent[begin:]]
        known = [cost for cost in costs if cost is not None]
        return Sum(sum(known), known=bool(known), asked=bool(costs))


def bill(rows: Iterable[Entry]) -> Bill:
    """What these rows come to."""
    dated = sorted(rows, key=attrgetter("at"))
    sums: dict[str, dict[str, int]] = {"model": {}, "issue": {}}
    for row in dated:
        if row.cost_micros is not None:
            for part, key in (("model", row.model or row.agent), ("issue", str(row.key))):
                sums[part][key] = sums[part].get(key, 0) + row.cost_micros
    known = [row.cost_micros for row in dated if row.cost_micros is not None]
    return Bill(
        frozenset(row.run for row in dated),
        Sum(sum(known), known=bool(known), asked=bool(dated)),
        sums["model"],
        sums["issue"],
        len({row.run for row in dated if row.certainty is Certainty.UNACCOUNTED}),
        any(row.certainty is Certainty.ESTIMATED for row in dated),
        [(row.at, row.cost_micros) for row in dated],
    )


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
    bills = (booked, bill(row for run in started if run.id not in booked.runs for row in rows_of(run)))
    today = now.astimezone().date()
    midnight, begun = _midnight(today), _midnight(today - WEEK)
    burn = Sum()
    for run in started:
        share = _share(run, now)
        if share > 0:
            cost = run.status.usage.cost_micros
            burn = burn.add(None if cost is None else round(cost * share))
    return Costs(
        today_micros=bills[0].since(midnight).plus(bills[1].since(midnight)).value,
        week_micros=bills[0].since(begun).plus(bills[1].since(begun)).value,
        all_micros=bills[0].whole.plus(bills[1].whole).value,
        burn_per_hour_micros=burn.value,
        by_model=_costliest_first([each.by_model for each in bills]),
        by_issue=_costliest_first([each.by_issue for each in bills]),
        estimated=any(each.estimated for each in bills),
        unaccounted_runs=sum(each.unaccounted for each in bills),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()


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
    sums = [Sum()] * hours
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
            part = None if cost is None else round(cost * inside / whole) if whole else cost
            sums[index] = sums[index].add(part)
    return tuple(found.value for found in sums)


def _costliest_first(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = dict(parts[0])
    for part in parts[1:]:
        for key, micros in part.items():
            sums[key] = sums.get(key, 0) + micros
    # In two steps without a function of ours: a ledger of years has thousands of issues.
    return dict(sorted(sorted(sums.items()), key=itemgetter(1), reverse=True))


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
