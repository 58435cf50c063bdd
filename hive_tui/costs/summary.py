"""What was used, by every heading: the transcripts of this machine, the fleet's ledger and its runs at work
together, each call once."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, tzinfo
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import msgspec

from hive_tui.core.ledger import Certainty, Entry, Heard, Price, Source, united
from hive_tui.core.model import Run, Tokens, Usage
from hive_tui.core.settings import RepoSettings
from hive_tui.core.usage import add, beyond
from hive_tui.costs import periods
from hive_tui.costs.call import Call
from hive_tui.costs.clock import stamp
from hive_tui.costs.periods import Use, Weekday
from hive_tui.costs.prices import PICO_PER_MICRO, Prices, cost, micros
from hive_tui.costs.sums import Dimension, Sum


class Transcripts(Protocol):
    """What is asked of the index of transcripts (`costs.index.Index`)."""

    def sums(
        self, by: Sequence[Dimension], *, since: int | None = None, until: int | None = None
    ) -> list[Sum]: ...


class By(enum.Enum):
    """Headings."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    SESSION = "session"
    PROJECT = "project"
    """The folder in which the agent worked; of a run, which has one of its own, its repository."""
    MODEL = "model"
    AGENT = "agent"
    """As the fleet calls it; of sessions that are no runs, `claude` or `codex`."""
    REPO = "repo"
    ISSUE = "issue"
    """`owner/name#42`."""
    RUN = "run"


_NO_CHECKOUTS: Mapping[str, str] = MappingProxyType({})

_TIMES = (By.DAY, By.WEEK, By.MONTH)

_OF_RUNS = (By.REPO, By.ISSUE, By.RUN)


def totals(
    by: By,
    *,
    index: Transcripts | None = None,
    ledger: Iterable[Entry] = (),
    runs: Iterable[Run] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    zone: tzinfo | None = None,
    week_begins: Weekday = Weekday.MONDAY,
    checkouts: Mapping[str, str] = _NO_CHECKOUTS,
) -> list[Use]:
    """What was used from `since` to before `until`, under each heading: days, weeks and months in order,
    the others the costliest first. What no heading of that kind has (sessions that are no runs, by issue)
    is under the heading ``""``.

    `index` is of the transcripts, refreshed. `ledger` are the rows of all runs that ended after `since`;
    `runs` are what the cluster knows, of which those in the ledger count as there. A row whose session is in
    the transcripts counts as those have it. `checkouts` are folders and the repositories that they are of,
    whose sessions that are no runs count for those. Times of transcripts are to the quarter of an hour.
    Raises SourceError when the index cannot be read.
    """
    rows = united(ledger, runs)
    told = {row.session: row for row in rows if row.session is not None}
    heading = _heading(by, told, zone, week_begins, checkouts)
    uses: dict[str, Use] = {}
    unknown: dict[str, set[str]] = {}
    for one, row in _parts(_DIMENSIONS[by], index, rows, told.keys(), since, until):
        key = heading(one, row)
        use = periods.add(uses.get(key) or Use(key), one)
        uses[key] = use if row is None else _with(use, row, unknown.setdefault(key, set()))
    if by in _TIMES:
        return [uses[key] for key in sorted(uses)]
    return _costliest_first(uses.values())


def days(
    *,
    index: Transcripts | None = None,
    ledger: Iterable[Entry] = (),
    runs: Iterable[Run] = (),
    since: datetime | None = None,
    zone: tzinfo | None = None,
) -> dict[str, list[Use]]:
    """What was used each day from `since` on, by model, the costliest first; the rest as of `totals`."""
    rows = united(ledger, runs)
    sessions = {row.session for row in rows if row.session is not None}
    day = periods.day(zone)
    found: dict[str, dict[str, Use]] = {}
    unknown: dict[tuple[str, str], set[str]] = {}
    for one, row in _parts((Dimension.QUARTER, Dimension.MODEL), index, rows, sessions, since, None):
        key = day(one), one.model
        models = found.setdefault(key[0], {})
        use = periods.add(models.get(one.model) or Use(one.model), one)
        models[one.model] = use if row is None else _with(use, row, unknown.setdefault(key, set()))
    return {key: _costliest_first(found[key].values()) for key in sorted(found)}


def whole(uses: Sequence[Use], key: str = "total") -> Use:
    """All of them together; a run that is unaccounted under two headings counts twice in `unaccounted`."""
    firsts = [use.first for use in uses if use.first is not None]
    lasts = [use.last for use in uses if use.last is not None]
    sums = {name: sum(getattr(use, name) for use in uses) for name in _NUMBERS}
    return Use(
        key,
        **sums,
        first=min(firsts, default=None),
        last=max(lasts, default=None),
        estimated=any(use.estimated for use in uses),
    )


def heard(index: Transcripts, sessions: Set[str]) -> dict[str, list[Heard]]:
    """What the transcripts have of these sessions, by model. Raises SourceError."""
    found: dict[str, list[Heard]] = {}
    for one in index.sums((Dimension.SESSION, Dimension.MODEL)):
        if one.session in sessions:
            written = one.cache_write_5m + one.cache_write_1h
            tokens = Tokens(one.input, one.output, one.cache_read, written)
            cost = None if one.unpriced else micros(one.cost)
            found.setdefault(one.session, []).append(Heard(one.model, tokens, cost))
    return found


def price(prices: Prices) -> Price:
    """What tokens cost, for rows of the ledger whose agent does not say it."""

    def of(model: str, tokens: Tokens, at: datetime) -> int | None:
        tariffs = prices.tariffs(model)
        if tariffs is None:
            return None
        call = Call(
            key=0,
            place=0,
            at=stamp(at),
            input=tokens.input or 0,
            output=tokens.output or 0,
            cache_read=tokens.cache_read or 0,
            cache_write_5m=tokens.cache_write or 0,
        )
        found = cost(call, tariffs)
        return None if found is None else micros(found)

    return of


_NUMBERS = (
    "calls", "unpriced", "input", "output", "cache_read", "cache_write", "cost", "unaccounted",
)  # fmt: skip


_DIMENSIONS = {
    **dict.fromkeys(_TIMES, (Dimension.QUARTER,)),
    **dict.fromkeys((By.SESSION, *_OF_RUNS), (Dimension.SESSION,)),
    **dict.fromkeys((By.PROJECT, By.REPO), (Dimension.SESSION, Dimension.PROJECT)),
    By.MODEL: (Dimension.MODEL,),
    By.AGENT: (Dimension.SESSION, Dimension.AGENT),
}
"""What sums have to be told apart by for a heading."""


def _parts(
    dimensions: Sequence[Dimension],
    index: Transcripts | None,
    rows: Iterable[Entry],
    sessions: Set[str],
    since: datetime | None,
    until: datetime | None,
) -> Iterator[tuple[Sum, Entry | None]]:
    """Everything that was used, each once: sums of transcripts, and rows of no transcript; `sessions` are
    those of the rows."""
    begin, end = _milliseconds(since), _milliseconds(until)
    counted: dict[str | None, Sum] = {}
    if index is not None:
        for one in index.sums(dimensions, since=begin, until=end):
            yield one, None
        # Of all times: what a session used before `since` is no reason to count all of it after.
        known = index.sums((Dimension.SESSION,)) if sessions else []
        counted = {one.session: one for one in known if one.session in sessions}
    alone: list[Entry] = []
    twice: dict[str | None, list[Entry]] = {}
    for row in rows:
        (twice.setdefault(row.session, []) if row.session in counted else alone).append(row)
    surplus = (_surplus(mine, counted[session]) for session, mine in twice.items())
    for row in (*alone, *(row for row in surplus if row is not None)):
        at = stamp(row.at)
        if (begin or 0) <= at < (end or 1 << 62):
            yield _sum(row, at), row


def _surplus(rows: Sequence[Entry], known: Sum) -> Entry | None:
    """What a session used beyond its transcript, as a row: calls for compaction, say, are in none, and the
    agent counts them. None where that is nothing, or nobody knows."""
    if any(row.certainty is not Certainty.EXACT or row.source is not Source.REPORTED for row in rows):
        return None
    told = reduce(add, (Usage(row.tokens, row.cost_micros) for row in rows))
    written = known.cache_write_5m + known.cache_write_1h
    tokens = beyond(told.tokens, Tokens(known.input, known.output, known.cache_read, written))
    cost = (told.cost_micros or 0) - micros(known.cost)
    if not tokens.total or cost <= 0:
        return None
    return msgspec.structs.replace(rows[-1], tokens=tokens, cost_micros=cost)


def _with(use: Use, row: Entry, unknown: set[str]) -> Use:
    """`use` with what a row is not sure of; `unknown` are the heading's runs of which nobody knows all."""
    if row.certainty is Certainty.UNACCOUNTED:
        unknown.add(row.run)
    estimated = use.estimated or row.certainty is Certainty.ESTIMATED
    return msgspec.structs.replace(use, unaccounted=len(unknown), estimated=estimated)


def _costliest_first(uses: Iterable[Use]) -> list[Use]:
    return sorted(uses, key=lambda use: (-use.cost, -use.tokens, use.key))


def _heading(
    by: By, told: dict[str, Entry], zone: tzinfo | None, week_begins: Weekday, checkouts: Mapping[str, str]
) -> Callable[[Sum, Entry | None], str]:
    """What a sum is under; a row of the ledger is known with it."""

    def of_nobody(one: Sum) -> str:
        """Of a session that is no run."""
        match by:
            case By.AGENT:
                return one.agent
            case By.PROJECT:
                return one.project
            case By.REPO:
                return _checked_out(one.project, checkouts)
            case _:
                return ""

    def of_run(one: Sum, row: Entry | None) -> str:
        row = row or told.get(one.session)
        if row is None:
            return of_nobody(one)
        match by:
            case By.AGENT:
                return row.agent
            case By.REPO | By.PROJECT:
                return row.repo
            case By.ISSUE:
                return str(row.key)
            case _:
                return row.run

    match by:
        case By.DAY:
            named = periods.day(zone)
        case By.WEEK:
            named = periods.week(zone, week_begins)
        case By.MONTH:
            named = periods.month(zone)
        case By.SESSION | By.MODEL:
            return lambda one, row: str(getattr(one, by.value))
        case _:
            return of_run
    return lambda one, row: named(one)


def checkouts(repos: Iterable[RepoSettings]) -> dict[str, str]:
    """The folders in which a fleet's repositories are checked out, and which they are."""
    return {str(Path(repo.path).expanduser()): repo.name for repo in repos if repo.path is not None}


def _checked_out(folder: str, checkouts: Mapping[str, str]) -> str:
    """The repository of the innermost checkout that a folder is in, "" for none."""
    around = [checkout for checkout in checkouts if f"{folder}/".startswith(f"{checkout.rstrip('/')}/")]
    return checkouts[max(around, key=len)] if around else ""


def _sum(row: Entry, at: int) -> Sum:
    tokens = row.tokens
    return Sum(
        calls=0,
        unpriced=0,
        input=tokens.input or 0,
        output=tokens.output or 0,
        cache_read=tokens.cache_read or 0,
        cache_write_5m=tokens.cache_write or 0,
        cache_write_1h=0,
        cost=(row.cost_micros or 0) * PICO_PER_MICRO,
        first=at,
        last=at,
        quarter=at,
        session=row.session or row.run,
        model=row.model or row.agent,
        project=row.repo,
        agent=row.agent,
    )


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else stamp(at)
