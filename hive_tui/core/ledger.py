"""The ledger: what every run used, as rows that outlast the runs; pure.

Rows are written by the dispatcher before it settles a run, all of a run at once and once for all.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from hive_tui.core.ids import AgentName, IssueKey, RepoName, RunId
from hive_tui.core.model import Run, RunStatus, Step, StepUse, Tokens, Usage
from hive_tui.core.usage import beyond, joined


class Source(enum.Enum):
    """Where a row's figures are from."""

    REPORTED = "reported"
    """The agent's own stream said them."""
    TRANSCRIPT = "transcript"
    """The agent's transcript has them."""
    NONE = "none"


class Certainty(enum.Enum):
    """How far a row's cost can be trusted."""

    EXACT = "exact"
    ESTIMATED = "estimated"
    """At least this much: something of it was cut off, or was worked out by us."""
    UNACCOUNTED = "unaccounted"
    """Nobody knows what it cost."""


class Entry(msgspec.Struct, frozen=True):
    """A row: what one run used of one model in one round of a step, in one session of its agent."""

    run: RunId
    attempt: int
    repo: RepoName
    issue: int
    agent: AgentName
    step: Step
    round: int
    at: datetime
    """When the run ended; of one that has not, its last sign of life."""
    model: str | None = None
    session: str | None = None
    tokens: Tokens = Tokens()
    cost_micros: int | None = None
    started_at: datetime | None = None
    """When the run was."""
    source: Source = Source.NONE
    certainty: Certainty = Certainty.UNACCOUNTED
    complete: bool = False
    """The agent says that these are all tokens that there were."""
    limit_micros: int | None = None
    """The run's own budget, which is what an unknown cost counts as."""

    @property
    def key(self) -> IssueKey:
        return IssueKey(self.repo, self.issue)


Price = Callable[[str, Tokens, datetime], int | None]
"""What so many tokens of a model cost at that time, in micro-dollars; None where nobody has a price."""


def entries(run: Run, price: Price | None = None) -> tuple[Entry, ...]:
    """The rows of a run as far as it got; none of one that was never started. `price` is for tokens
    of which an agent does not say the cost."""
    if run.status.started_at is None:
        return ()
    return _unique(_entry(run, use, price) for use in _uses(run.status))


def united(ledger: Iterable[Entry], runs: Iterable[Run]) -> list[Entry]:
    """The rows of a fleet: the ledger's, and those of runs that are not in there yet."""
    rows = list(ledger)
    booked = {row.run for row in rows}
    for run in runs:
        if run.id not in booked:
            rows += entries(run)
    return rows


def _entry(run: Run, use: StepUse, price: Price | None) -> Entry:
    spec, status = run.spec, run.status
    at = status.ended_at or status.progress_at or status.since or status.started_at
    assert at is not None, "it was started"
    model = use.model or status.model or spec.model
    usage = _priced(use.usage, model, at, price)
    return Entry(
        run=spec.id,
        attempt=spec.attempt,
        repo=spec.repo,
        issue=spec.issue,
        agent=spec.agent,
        step=use.step,
        round=use.round,
        at=at,
        model=model,
        session=use.session,
        tokens=usage.tokens,
        cost_micros=usage.cost_micros,
        started_at=status.started_at,
        source=Source.NONE if usage == Usage() else Source.REPORTED,
        certainty=_certainty(usage),
        complete=_counted(use.usage) and not use.usage.estimated,
        limit_micros=spec.budget_micros,
    )


def _counted(usage: Usage) -> bool:
    return usage.tokens.input is not None and usage.tokens.output is not None


def _priced(usage: Usage, model: str | None, at: datetime, price: Price | None) -> Usage:
    if price is None or model is None or usage.cost_micros is not None or not _counted(usage):
        return usage
    # Of how many tokens a call was, on which some prices depend, a sum does not say; and of an agent that was
    # killed it is what it had said, such as in a pod that takes its transcript with it.
    return Usage(usage.tokens, price(model, usage.tokens, at), estimated=True)


def _unique(rows: Iterable[Entry]) -> tuple[Entry, ...]:
    """The same with one row for each step, round, model and session."""
    found: dict[tuple[Step, int, str | None, str | None], Entry] = {}
    for row in rows:
        name = (row.step, row.round, row.model, row.session)
        known = found.get(name)
        found[name] = row if known is None else _joined(known, row)
    return tuple(found.values())


def _joined(one: Entry, other: Entry) -> Entry:
    both = joined(Usage(one.tokens, one.cost_micros), Usage(other.tokens, other.cost_micros))
    worst = max(one.certainty, other.certainty, key=list(Certainty).index)
    return msgspec.structs.replace(
        one,
        tokens=both.tokens,
        cost_micros=both.cost_micros,
        source=max(one.source, other.source, key=[Source.NONE, Source.REPORTED, Source.TRANSCRIPT].index),
        certainty=worst,
        complete=one.complete and other.complete,
    )


def _uses(status: RunStatus) -> tuple[StepUse, ...]:
    """What was used; of a run whose parts are not known it is one part."""
    if status.used:
        return status.used
    return (StepUse(Step.IMPLEMENT, status.round, status.usage, status.model, status.session),)


def _certainty(usage: Usage) -> Certainty:
    if usage.cost_micros is None:
        return Certainty.UNACCOUNTED
    return Certainty.ESTIMATED if usage.estimated else Certainty.EXACT


# What transcripts know better


class Heard(msgspec.Struct, frozen=True):
    """What the transcripts of one session have of one model."""

    model: str | None
    tokens: Tokens
    cost_micros: int | None
    """None where nobody has a price for it."""


def completed(rows: Sequence[Entry], heard: Mapping[str, Sequence[Heard]]) -> tuple[Entry, ...]:
    """The rows of one run, those without an exact cost replaced by what the transcripts have of their
    sessions beyond the exact ones; `heard` is by session."""
    found: list[Entry] = []
    for session in dict.fromkeys(row.session for row in rows):
        own = [row for row in rows if row.session == session]
        known = heard.get(session) if session is not None else None
        found += _completed(own, known) if known else own
    return _unique(found)


def _completed(rows: Sequence[Entry], heard: Sequence[Heard]) -> list[Entry]:
    exact = [row for row in rows if row.certainty is Certainty.EXACT]
    open_ = [row for row in rows if row.certainty is not Certainty.EXACT]
    if not open_:
        return exact
    # Which of the open rounds a call was made in the transcript does not say: the last stands for them.
    last = open_[-1]
    told = sum(row.cost_micros or 0 for row in open_)
    names = {_plain(one.model) for one in heard}
    if all(_plain(row.model) in names for row in exact):
        of = {name: [row for row in exact if _plain(row.model) == name] for name in names}
        made = [_beyond(last, one, of[_plain(one.model)]) for one in heard]
    else:
        # Which of them was counted is not known: only the sum can be told.
        made = [_beyond(last, _together(heard, last.model), exact)]
    made = [row for row in made if row.tokens.total or row.cost_micros]
    cost = sum(row.cost_micros or 0 for row in made)
    if not made or cost < told:
        # What the agent said while it worked is at least true.
        return [*exact, *open_]
    agree = sum(_total(row) for row in made) == sum(_total(row) for row in open_)
    if agree and all(row.complete for row in open_):
        # The agent and its transcript agree on all that there was.
        made = [_certain(row) for row in made]
    return [*exact, *made]


def _total(row: Entry) -> int:
    return row.tokens.total or 0


def _certain(row: Entry) -> Entry:
    known = row.certainty is not Certainty.UNACCOUNTED
    return msgspec.structs.replace(row, certainty=Certainty.EXACT) if known else row


def _together(heard: Sequence[Heard], model: str | None) -> Heard:
    costs = [one.cost_micros for one in heard if one.cost_micros is not None]
    tokens = Tokens(*(sum(getattr(one.tokens, name) or 0 for one in heard) for name in _KINDS))
    return Heard(model, tokens, sum(costs) if len(costs) == len(heard) else None)


def _plain(model: str | None) -> str:
    """A model's name without what is put behind it, such as `[1m]` for a long context."""
    return (model or "").partition("[")[0]


def _beyond(row: Entry, heard: Heard, exact: Iterable[Entry]) -> Entry:
    tokens, cost = heard.tokens, heard.cost_micros
    for counted in exact:
        tokens = beyond(tokens, counted.tokens)
        cost = None if cost is None else max(0, cost - (counted.cost_micros or 0))
    return msgspec.structs.replace(
        row,
        model=heard.model,
        tokens=tokens,
        cost_micros=cost,
        source=Source.TRANSCRIPT,
        # A call that was cut off is in no transcript.
        certainty=Certainty.UNACCOUNTED if cost is None else Certainty.ESTIMATED,
    )


_KINDS = Tokens.__struct_fields__
