"""The fleet as one JSON object, `hive/v1`: what `-o json` prints and what the text report is made from.

It only ever grows. What is not known is null, money is integer micro-dollars, times are UTC.
`docs/hive-v1.schema.json` is generated from these structs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

import msgspec

from hive_tui.core import attention as attentions
from hive_tui.core import spend, targets, workflow
from hive_tui.core.cluster_facts import ClusterFacts, Denied, Place
from hive_tui.core.dispatch import Plan
from hive_tui.core.gates import Gate
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import (
    ApiUse,
    Budget,
    Event,
    Fleet,
    Issue,
    LastEvent,
    Lease,
    PullRequest,
    PullState,
    RepoState,
    Run,
    TestResult,
    Tokens,
)
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, Freshness, Health
from hive_tui.core.spend import Costs
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

SCHEMA: Literal["hive/v1"] = "hive/v1"

LAST_EVENTS = 50
"""Lines of the fleet's log in the document, the newest last."""


class SlotsDoc(msgspec.Struct, frozen=True):
    max: int | None
    used: int | None


class PausedDoc(msgspec.Struct, frozen=True):
    by: str
    since: datetime
    why: str | None


class DispatcherDoc(msgspec.Struct, frozen=True):
    state: str
    since: datetime | None
    pid: int | None
    last_decision_at: datetime | None
    host: str | None
    """The machine that it runs on; null where it can only be this one."""
    held: str | None
    """Why it starts nothing that could be started; null where nothing is in its way."""


class QuotaDoc(msgspec.Struct, frozen=True):
    state: str
    until: datetime | None
    why: str | None


class AgentDoc(msgspec.Struct, frozen=True):
    name: str
    enabled: bool
    quota: QuotaDoc


class FleetDoc(msgspec.Struct, frozen=True):
    name: str
    cluster: str
    forge: str
    slots: SlotsDoc
    paused: PausedDoc | None
    dispatcher: DispatcherDoc
    agents: list[AgentDoc]
    budget: Budget | None
    facts: ClusterFacts | None
    """Of the cluster, where it is one of several machines."""
    denied: list[Denied]
    """What whoever reads this may not do there."""


class SourceDoc(msgspec.Struct, frozen=True):
    name: str
    state: str
    age_seconds: float | None
    why: str | None
    retry_at: datetime | None
    """When it is read again, for one that failed."""


class AttentionDoc(msgspec.Struct, frozen=True):
    kind: str
    text: str
    since: datetime | None
    target: Target
    action: str | None


class IssueDoc(msgspec.Struct, frozen=True):
    repo: str
    number: int
    title: str
    state: str | None
    """The workflow state; null when no status label, or more than one, says it."""
    type: str | None
    worker: str | None
    run: str | None
    """The live run, else the last one."""
    pull_request: int | None
    gate: Gate | None
    """Why it is not started; null while it is worked on, or over."""
    open: bool
    author: str
    labels: tuple[str, ...]
    url: str | None


class RunDoc(msgspec.Struct, frozen=True):
    id: str
    worker: str
    agent: str
    model: str | None
    repo: str
    issue: int
    attempt: int
    phase: str
    why: str | None
    since: datetime | None
    step: str | None
    branch: str
    tokens: Tokens
    cost_micros: int | None
    last_event: LastEvent | None
    estimated: bool
    """The cost is incomplete or worked out by hive."""
    title: str
    evidence: str | None
    started_at: datetime | None
    ended_at: datetime | None
    until: datetime | None
    head: str | None
    round: int
    tests: TestResult | None
    """How the repository's own test command ended last."""
    wip: str | None
    """The commit of unfinished work that was saved last."""
    changed_files: int | None
    session: str | None
    budget_micros: int | None
    place: Place | None
    """Where its process is, on a cluster of several machines."""


class CheckDoc(msgspec.Struct, frozen=True):
    name: str
    state: str


class PullDoc(msgspec.Struct, frozen=True):
    repo: str
    number: int
    title: str
    branch: str
    head: str
    base: str
    state: str
    checks: list[CheckDoc]
    """Of the head commit."""
    verdict: str | None
    """Of the head commit; what was said of an older one is void."""
    mergeable: bool | None
    issue: int | None
    run: str | None
    lease: Lease | None
    """While it is valid."""
    verdict_sha: str | None
    merged_as: str | None
    updated_at: datetime
    url: str | None


class EventDoc(msgspec.Struct, frozen=True):
    seq: int
    at: datetime
    actor: str
    kind: str
    text: str
    repo: str | None
    number: int | None
    run: str | None


class Document(msgspec.Struct, frozen=True):
    """Everything that `hive top --once` knows."""

    schema: Literal["hive/v1"]
    at: datetime
    fleet: FleetDoc
    sources: list[SourceDoc]
    attention: list[AttentionDoc]
    issues: list[IssueDoc]
    """Open ones, and closed ones that hive worked on."""
    runs: list[RunDoc]
    """Those at work by worker, then the ended ones, the newest first."""
    pull_requests: list[PullDoc]
    costs: Costs
    events: list[EventDoc]
    errors: list[str]
    """What could not be read, and why; not empty means that something is missing here: what a source has
    whose `age_seconds` is null is in no list, since nobody knows of it."""
    repos: list[RepoState]
    """How far each repository of the tracker can be read and worked on."""
    api: list[ApiUse]
    """The budgets of the tracker's API; empty where it has none."""


_NO_BILL = spend.Bill()


def build(
    snapshot: Snapshot,
    plan: Plan,
    settings: FleetSettings,
    now: datetime,
    *,
    fleet: str,
    errors: Iterable[str] = (),
    bill: spend.Bill | None = _NO_BILL,
) -> Document:
    """The document of a snapshot. `fleet` is the name to show while the fleet itself is not known, `bill`
    what the ledger comes to, None where it cannot be read."""
    runs = sorted(snapshot.runs.values(), key=_run_order)
    failed = [
        f"{source.name}: {source.why or 'cannot be read'}"
        for source in snapshot.sources.values()
        if source.state is Health.FAILED
    ]
    repos = [state for _, state in sorted(snapshot.repos.items())]
    failed += [f"{state.name}: {state.why}" for state in repos if state.why is not None]
    return Document(
        schema=SCHEMA,
        at=now,
        fleet=fleet_doc(snapshot.fleet, settings, fleet),
        sources=[_source(source, now) for source in snapshot.sources.values()],
        attention=[
            AttentionDoc(item.kind.value, item.text, item.since, item.target, item.action)
            for item in attentions.attention(snapshot, plan, settings, now)
        ],
        issues=issue_docs(snapshot, plan, settings),
        runs=[run_doc(run) for run in runs],
        pull_requests=[pull_doc(pull, now) for _, pull in sorted(snapshot.pulls.items())],
        costs=_costs(snapshot, now, bill),
        events=[event_doc(event) for event in snapshot.events[-LAST_EVENTS:]],
        errors=[*failed, *errors],
        repos=repos,
        api=[use for _, use in sorted(snapshot.api.items())],
    )


def _costs(snapshot: Snapshot, now: datetime, bill: spend.Bill | None) -> Costs:
    if not snapshot.heard(CLUSTER):
        return spend.NOT_KNOWN
    if bill is None:
        # Of the runs that are left alone the sums would be too low.
        burn = spend.costs(snapshot.runs.values(), now).burn_per_hour_micros
        return msgspec.structs.replace(spend.NOT_KNOWN, burn_per_hour_micros=burn)
    return spend.costs(snapshot.runs.values(), now, bill)


def schema() -> dict[str, Any]:
    """The JSON Schema of `hive/v1`."""
    return {"title": SCHEMA, **msgspec.json.schema(Document)}


def fleet_doc(fleet: Fleet | None, settings: FleetSettings, name: str) -> FleetDoc:
    """The fleet's switches; without its record what the configuration says, and null."""
    if fleet is None:
        return FleetDoc(
            name=name,
            cluster=settings.cluster,
            forge=settings.forge,
            slots=SlotsDoc(None, None),
            paused=None,
            dispatcher=DispatcherDoc("unknown", None, None, None, None, None),
            agents=[],
            budget=None,
            facts=None,
            denied=[],
        )
    paused, dispatcher = fleet.paused, fleet.dispatcher
    return FleetDoc(
        name=fleet.name,
        cluster=fleet.cluster,
        forge=fleet.forge,
        slots=SlotsDoc(fleet.slots, len(fleet.slots_used)),
        paused=None if paused is None else PausedDoc(str(paused.by), paused.since, paused.why),
        dispatcher=DispatcherDoc(
            dispatcher.state.value,
            dispatcher.since,
            dispatcher.pid,
            dispatcher.last_decision_at,
            dispatcher.host,
            dispatcher.held,
        ),
        agents=[
            AgentDoc(
                agent.name,
                agent.enabled,
                QuotaDoc(agent.quota.state.value, agent.quota.until, agent.quota.why),
            )
            for agent in fleet.agents
        ],
        budget=fleet.budget,
        facts=fleet.facts,
        denied=list(fleet.denied),
    )


def _source(source: Freshness, now: datetime) -> SourceDoc:
    age = None if source.heard_at is None else max(0.0, round((now - source.heard_at).total_seconds(), 1))
    return SourceDoc(source.name, source.state.value, age, source.why, source.retry_at)


def issue_docs(
    snapshot: Snapshot, plan: Plan, settings: FleetSettings, *, everything: bool = False
) -> list[IssueDoc]:
    """Issues in the order of their repository and number: the open ones and those that hive worked on,
    or `everything`."""
    runs: dict[IssueKey, Run] = {}
    for run in snapshot.runs.values():
        known = runs.get(run.key)
        if known is None or known.spec.attempt < run.spec.attempt:
            runs[run.key] = run
    pulls: dict[IssueKey, PullRequest] = {}
    for pull in snapshot.pulls.values():
        key = pull.issue_key
        if key is None:
            continue
        other = pulls.get(key)
        if other is None or _pull_rank(other) < _pull_rank(pull):
            pulls[key] = pull
    return [
        _issue(issue, runs.get(key), pulls.get(key), plan, settings)
        for key, issue in sorted(snapshot.issues.items())
        if everything or issue.open or key in runs or key in pulls
    ]


def issue_doc(snapshot: Snapshot, issue: Issue, plan: Plan, settings: FleetSettings) -> IssueDoc:
    """One issue, as in `hive issue show -o json`."""
    attempts = targets.runs_of_issue(snapshot, issue.key)
    pull = targets.pull_of_issue(snapshot, issue.key)
    return _issue(issue, attempts[-1] if attempts else None, pull, plan, settings)


def _pull_rank(pull: PullRequest) -> tuple[bool, int]:
    return pull.state is PullState.OPEN, pull.number


def _issue(
    issue: Issue, run: Run | None, pull: PullRequest | None, plan: Plan, settings: FleetSettings
) -> IssueDoc:
    state = workflow.state(issue.labels, settings.labels)
    kind = workflow.issue_type(issue.labels)
    at_work = run is not None and not run.phase.final
    return IssueDoc(
        repo=issue.repo,
        number=issue.number,
        title=issue.title,
        state=None if state is None else state.value,
        type=None if kind is None else kind.value,
        worker=run.spec.worker if run is not None and at_work else None,
        run=None if run is None else run.id,
        pull_request=None if pull is None else pull.number,
        gate=plan.gate(issue.key) if issue.open and not at_work else None,
        open=issue.open,
        author=issue.author,
        labels=issue.labels,
        url=issue.url,
    )


def _run_order(run: Run) -> tuple[bool, str, float, str]:
    if not run.phase.final:
        return False, run.spec.worker, 0.0, run.id
    ended = run.status.ended_at or run.spec.created_at
    return True, "", -ended.timestamp(), run.id


def run_doc(run: Run) -> RunDoc:
    """One run, as in `hive ls -o json`."""
    spec, status = run.spec, run.status
    return RunDoc(
        id=spec.id,
        worker=spec.worker,
        agent=spec.agent,
        model=status.model or spec.model,
        repo=spec.repo,
        issue=spec.issue,
        attempt=spec.attempt,
        phase=run.phase.value,
        why=run.why,
        since=status.since or spec.created_at,
        step=None if status.step is None else status.step.value,
        branch=spec.branch,
        tokens=status.usage.tokens,
        cost_micros=status.usage.cost_micros,
        last_event=status.last_event,
        estimated=status.usage.estimated,
        title=spec.title,
        evidence=status.evidence,
        started_at=status.started_at,
        ended_at=status.ended_at,
        until=status.until,
        head=status.head,
        round=status.round,
        tests=status.tests,
        wip=status.wip,
        changed_files=status.changed_files,
        session=status.session,
        budget_micros=spec.budget_micros,
        place=run.place,
    )


def pull_doc(pull: PullRequest, now: datetime) -> PullDoc:
    """One pull request, as in `hive pr list -o json`."""
    verdict, lease = pull.verdict, pull.lease
    return PullDoc(
        repo=pull.repo,
        number=pull.number,
        title=pull.title,
        branch=pull.branch,
        head=pull.head,
        base=pull.base,
        state=pull.state.value,
        checks=[CheckDoc(check.name, check.state.value) for check in pull.checks if check.sha == pull.head],
        verdict=verdict.value.value if verdict is not None and verdict.sha == pull.head else None,
        mergeable=pull.mergeable,
        issue=pull.issue,
        run=pull.run,
        lease=lease if lease is not None and now < lease.until else None,
        verdict_sha=None if verdict is None else verdict.sha,
        merged_as=pull.merged_as,
        updated_at=pull.updated_at,
        url=pull.url,
    )


def event_doc(event: Event) -> EventDoc:
    """One line of the fleet's log, as in `hive events -o json`."""
    return EventDoc(
        seq=event.seq,
        at=event.at,
        actor=str(event.actor),
        kind=event.kind,
        text=event.text,
        repo=event.repo,
        number=event.number,
        run=event.run,
    )
