"""What the fleet's runs cost, summed for people; the gates that keep budgets are in `core.gates`.

A run's money counts on the local day on which the run ended, or today while it works.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from hive_tui.core import text
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
    """Runs that were started and whose cost is not known; they are in no sum."""


def costs(runs: Iterable[Run], now: datetime) -> Costs:
    """Sum up the runs at the moment `now`."""
    today = now.astimezone().date()
    started = [run for run in runs if run.status.started_at is not None]
    sums = {"today": _Sum(), "week": _Sum(), "all": _Sum(), "burn": _Sum()}
    by_model: dict[str, int] = {}
    by_issue: dict[str, int] = {}
    estimated, unaccounted = False, 0
    for run in started:
        usage = run.status.usage
        cost = usage.cost_micros
        day = (run.status.ended_at or now).astimezone().date()
        sums["all"].add(cost)
        if day == today:
            sums["today"].add(cost)
        if day >= today - WEEK:
            sums["week"].add(cost)
        share = _share(run, now)
        if share > 0:
            sums["burn"].add(None if cost is None else round(cost * share))
        if cost is None:
            unaccounted += 1
            continue
        estimated = estimated or usage.estimated
        model = run.status.model or run.spec.model or run.spec.agent
        by_model[model] = by_model.get(model, 0) + cost
        by_issue[str(run.key)] = by_issue.get(str(run.key), 0) + cost
    return Costs(
        today_micros=sums["today"].value,
        week_micros=sums["week"].value,
        all_micros=sums["all"].value,
        burn_per_hour_micros=sums["burn"].value,
        by_model=_costliest_first(by_model),
        by_issue=_costliest_first(by_issue),
        estimated=estimated,
        unaccounted_runs=unaccounted,
    )


class _Sum:
    """A sum that is unknown when there was something to add and none of it was known."""

    def __init__(self) -> None:
        self._micros = 0
        self._known = False
        self._asked = False

    def add(self, micros: int | None) -> None:
        self._asked = True
        if micros is not None:
            self._known = True
            self._micros += micros

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


def _costliest_first(sums: dict[str, int]) -> dict[str, int]:
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
