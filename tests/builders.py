"""Small values for tests: everything has a sensible default, tests name what matters to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hive_tui.core.booked import Booked, Charge, Spent
from hive_tui.core.ids import AgentName, IssueKey, RepoName, RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    AgentState,
    ApiUse,
    Claim,
    Fleet,
    Issue,
    Mode,
    Phase,
    Process,
    PullRequest,
    PullState,
    RepoState,
    Run,
    RunSpec,
    RunStatus,
    Slot,
)
from hive_tui.core.settings import AgentSettings, FleetSettings, RepoSettings
from hive_tui.core.sources import CLUSTER, FORGE, Item, Kind, Listed
from hive_tui.core.store import Snapshot, Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPO = RepoName("me/proj")
BODY = "It breaks.\n\n## Plan\n\nMend it.\n\n## Definition of Done\n\n- [ ] it works\n"
CLAUDE = AgentName("claude")
CODEX = AgentName("codex")

HOSTILE = (
    "\x1b[2J\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x1b\\\x9b31m[bold red]markup[/] "
    "\u202egnp.exe\u202c\u200b\x00\x07nul \u2066x\u2069 \ud800 $(rm -rf /) `id`"
)
"""What an agent or an issue may say: escapes, OSC 52, markup, bidi, invisible, NUL, a lone surrogate."""


def ago(**units: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(**units)


def settings(**changes: Any) -> FleetSettings:
    base = FleetSettings(
        repos=(RepoSettings(REPO, path="/somewhere", base="main"),),
        agents=(AgentSettings(CLAUDE), AgentSettings(CODEX)),
        allowed_authors=("me",),
    )
    return msgspec.structs.replace(base, **changes)


def issue(number: int = 1, **changes: Any) -> Issue:
    base = Issue(
        repo=REPO,
        number=number,
        title=f"Issue {number}",
        body=BODY,
        author="me",
        open=True,
        created_at=ago(days=1) + timedelta(minutes=number),
        updated_at=ago(days=1),
        labels=("status:ready",),
    )
    return msgspec.structs.replace(base, **changes)


def run(number: int = 1, attempt: int = 1, *, repo: RepoName = REPO, **status: Any) -> Run:
    """A run of issue `number`; `status` changes its RunStatus, `process`, `settled`, `agent`, `worker`,
    `budget_micros`, `stop_requested` the run."""
    process = status.pop("process", None)
    settled = status.pop("settled", False)
    stop_requested = status.pop("stop_requested", False)
    agent = status.pop("agent", CLAUDE)
    worker = status.pop("worker", WorkerName(f"{agent}-a"))
    budget = status.pop("budget_micros", None)
    status.setdefault("phase", Phase.WORKING)
    status.setdefault("since", ago(minutes=5))
    status.setdefault("started_at", ago(minutes=6))
    if status["phase"].final:
        status.setdefault("ended_at", ago(minutes=1))
    spec = RunSpec(
        id=run_id("local", repo, number, attempt),
        repo=repo,
        issue=number,
        attempt=attempt,
        worker=worker,
        agent=agent,
        mode=Mode.IMPROVEMENT,
        branch=branch_name(number, attempt),
        base="main",
        title=f"Issue {number}",
        created_at=ago(minutes=10),
        created_by=DISPATCHER,
        budget_micros=budget,
    )
    record = RunStatus(**status)
    if process is None:
        process = Process.NONE if record.phase.final or record.parked else Process.ALIVE
    return Run(spec, record, process, settled, stop_requested)


def claim(number: int = 1, **changes: Any) -> Claim:
    return msgspec.structs.replace(Claim(repo=REPO, number=number, version=1), **changes)


def pull(number: int = 50, **changes: Any) -> PullRequest:
    base = PullRequest(
        repo=REPO,
        number=number,
        title=f"Pull {number}",
        body="",
        author="claude-a",
        branch="hive/issue-1-a1",
        head="a" * 40,
        base="main",
        state=PullState.OPEN,
        created_at=ago(hours=1),
        updated_at=ago(hours=1),
        issue=1,
        mergeable=True,
    )
    return msgspec.structs.replace(base, **changes)


def fleet(*runs: Run, **changes: Any) -> Fleet:
    """A fleet whose slots are held by `runs`."""
    base = Fleet(
        name="local",
        cluster="local",
        forge="local",
        slots=2,
        slots_used=tuple(Slot(run.spec.worker, run.id) for run in runs),
        agents=(AgentState(CLAUDE), AgentState(CODEX)),
    )
    return msgspec.structs.replace(base, **changes)


def snapshot(*items: Item, at: datetime = NOW) -> Snapshot:
    """A snapshot of fresh sources; a fleet is added where `items` has none."""
    return store(*items, at=at).snapshot


def store(*items: Item, at: datetime = NOW) -> Store:
    made = Store((CLUSTER, FORGE))
    ours = [item for item in items if not isinstance(item, Issue | PullRequest | RepoState | ApiUse)]
    theirs = tuple(item for item in items if isinstance(item, Issue | PullRequest | RepoState | ApiUse))
    if not any(isinstance(item, Fleet) for item in ours):
        ours.append(fleet())
    made.apply(
        [
            Listed(CLUSTER, (Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT), tuple(ours)),
            Listed(FORGE, (Kind.ISSUE, Kind.PULL, Kind.REPO, Kind.API), theirs),
        ],
        at,
    )
    return made


def run_ids(*runs: Run) -> set[RunId]:
    return {run.id for run in runs}


def booked(*charges: Charge) -> Booked:
    """What a ledger of these comes to, summed in the plainest way."""
    keys = {IssueKey(each.repo, each.issue) for each in charges}
    return Booked(
        {each.run for each in charges},
        spent(charges),
        {name: spent(each for each in charges if each.repo == name) for name in {key.repo for key in keys}},
        {str(key): spent(each for each in charges if (each.repo, each.issue) == key) for key in keys},
        sorted(charges, key=lambda each: each.at),
    )


def spent(charges: Iterable[Charge]) -> Spent:
    mine = list(charges)
    lost = max((each.run for each in mine if each.unknown), default=None)
    return Spent(sum(each.micros for each in mine), lost)
