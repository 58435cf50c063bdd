"""What was used as a screen shows it: one question, and all sums that answer it; pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

import msgspec

from hive_tui.core.ids import RunId
from hive_tui.core.ledger import Entry
from hive_tui.core.model import Run
from hive_tui.costs import periods, summary
from hive_tui.costs.periods import Block, Use
from hive_tui.costs.summary import By, Transcripts
from hive_tui.costs.sums import Sum

DAYS = 31
"""Days in the picture, today with them."""

BLOCKS_SINCE = timedelta(days=7)
"""How far back blocks are shown."""


class Scope(enum.Enum):
    """What is counted."""

    FLEET = "fleet"
    """This fleet's runs, as its ledger and they themselves have them."""
    MACHINE = "machine"
    """Every session on this machine, and those runs."""


class Question(msgspec.Struct, frozen=True):
    """What somebody wants to see."""

    scope: Scope = Scope.FLEET
    by: By = By.DAY


class FleetRows(msgspec.Struct, frozen=True):
    """What the fleet says at one moment; rows and runs are other objects once something changed."""

    rows: Sequence[Entry] = ()
    """The ledger's."""
    runs: Mapping[RunId, Run] = {}
    checkouts: Mapping[str, str] = {}
    """As in `summary.totals`."""


class CostView(msgspec.Struct, frozen=True):
    """The answer."""

    question: Question
    uses: tuple[Use, ...] = ()
    """Under the heading that was asked for: times in order, newest last; else the costliest first."""
    total: Use = Use("")
    today: Use = Use("")
    week: Use = Use("")
    """Today and the six days before."""
    days: tuple[tuple[date, tuple[Use, ...]], ...] = ()
    """The last days, each with its models, the costliest first; also those on which nothing was used."""
    blocks: tuple[Block, ...] = ()
    """Of this machine's subscription in the last days, oldest first."""
    whole: bool = True
    """Nothing is still to be read."""
    problems: tuple[str, ...] = ()
    """What could not be read, and the next step."""


def answer(
    question: Question,
    index: Transcripts,
    booked: FleetRows,
    now: datetime,
    *,
    quarters: Callable[[datetime, datetime], Sequence[Sum]],
) -> CostView:
    """All sums for one question, those of `hive costs`. Raises SourceError."""
    machine = index if question.scope is Scope.MACHINE else None
    rows, runs = booked.rows, tuple(booked.runs.values())
    today = now.astimezone().date()
    first = today - timedelta(days=DAYS - 1)
    uses = summary.totals(question.by, index=machine, ledger=rows, runs=runs, checkouts=booked.checkouts)
    by_day = summary.days(index=machine, ledger=rows, runs=runs, since=_midnight(first))
    shown = [first + timedelta(days=number) for number in range(DAYS)]
    days = tuple((day, tuple(by_day.get(str(day), ()))) for day in shown)
    sums = [summary.whole(models, str(day)) for day, models in days]
    since = now - BLOCKS_SINCE
    blocks = [each for each in periods.blocks(quarters(since, now), now) if each.end > since]
    return CostView(
        question,
        tuple(uses),
        summary.whole(uses),
        sums[-1],
        summary.whole(sums[-7:], "week"),
        days,
        tuple(blocks),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
