"""What the dispatcher may do, as data: testable, loggable, and executable by any backend.

Every decision may be executed twice: what is done already is seen in the next snapshot, and what
competes is compare-and-swap.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName
from hive_tui.core.model import Actor, Claim, Issue, Mode, Quota, Run


class Start(msgspec.Struct, frozen=True, tag=True):
    """Claim an issue and start a run on it."""

    issue: Issue
    claim: Claim | None
    """As it was seen: what compare-and-swap expects."""
    attempt: int
    worker: WorkerName
    agent: AgentName
    mode: Mode
    by: Actor | None = None
    """The person who fired it; None when it was its turn."""
    model: str | None = None
    budget_micros: int | None = None

    @property
    def key(self) -> IssueKey:
        return self.issue.key


class Launch(msgspec.Struct, frozen=True, tag=True):
    """Start the process of a run that has none: it was only recorded, or its wait is over."""

    run: Run
    why: str


class Recover(msgspec.Struct, frozen=True, tag=True):
    """Save the work of a run whose process is gone."""

    run: Run


class Renew(msgspec.Struct, frozen=True, tag=True):
    """Keep the right to the issue of a run that lives, among the fleets that serve its repository."""

    run: Run


class Show(msgspec.Struct, frozen=True, tag=True):
    """Have the tracker show that a run is at work, which it may not do yet."""

    run: Run


class Settle(msgspec.Struct, frozen=True, tag=True):
    """Draw the consequences of a run's end: pull request, labels, back-off, slot."""

    run: Run
    gives_up: bool
    """It was the last attempt that the issue gets."""
    not_before: datetime | None = None


class ReleaseSlot(msgspec.Struct, frozen=True, tag=True):
    """A slot whose run waits, has ended, or never came to be."""

    run: RunId


class ReleaseClaim(msgspec.Struct, frozen=True, tag=True):
    """A claim for a run that was never recorded: the dispatcher died in between."""

    claim: Claim


class LimitAgent(msgspec.Struct, frozen=True, tag=True):
    """Stop new starts of an agent whose account or installation stopped a run."""

    agent: AgentName
    quota: Quota


class RestoreAgent(msgspec.Struct, frozen=True, tag=True):
    """The limit's time has passed."""

    agent: AgentName
    over: Quota
    """The limit that is over."""


class CloseIssue(msgspec.Struct, frozen=True, tag=True):
    """Its pull request is merged, whoever merged it."""

    key: IssueKey
    pull: int


Decision = (
    Start
    | Launch
    | Recover
    | Renew
    | Show
    | Settle
    | ReleaseSlot
    | ReleaseClaim
    | LimitAgent
    | RestoreAgent
    | CloseIssue
)


def about(decision: Decision) -> IssueKey | None:
    """The issue that a decision is about, where it is about one."""
    match decision:
        case Start() | CloseIssue():
            return decision.key
        case Launch() | Recover() | Renew() | Show() | Settle():
            return decision.run.key
        case ReleaseClaim():
            return decision.claim.key
    return None


def undone(decision: Decision) -> str:
    """What is not so yet, for people, while a decision cannot be carried out."""
    match decision:
        case Start():
            return "it is not started yet"
        case Launch():
            return "its run is not at work yet"
        case Recover():
            return "its run's work is not saved yet"
        case Renew():
            return "the right to it is not renewed yet"
        case Show():
            return "the tracker does not show yet that it is in work"
        case Settle():
            return "what its run came to is not in the tracker yet"
        case ReleaseSlot():
            return f"the slot of {decision.run} is not free yet"
        case ReleaseClaim():
            return "its claim is not given back yet"
        case LimitAgent() | RestoreAgent():
            return f"the limit of {decision.agent} is not noted yet"
        case CloseIssue():
            return "it is merged, but not closed yet"
