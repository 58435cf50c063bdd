"""What needs a person, most urgent first; each item says which action helps.

Pure, and made from the same snapshot and plan that everything else shows.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from hive_tui.core import gates, merging, text, trouble, workflow
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import CheckState, DispatcherState, Issue, Phase, PullRequest, PullState, Run
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Health
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from hive_tui.core.workflow import IssueState

if TYPE_CHECKING:
    from hive_tui.core.dispatch import Plan

ASKS = "asks: "
"""How `why` begins while a run waits for a person's answer."""

PATIENCE = timedelta(minutes=1)
"""How long a source or a repository may fail before a person should look."""


class AttentionKind(enum.Enum):
    """Why somebody is needed, in the order of the list."""

    DISPATCHER = "dispatcher"
    SOURCE = "source"
    REPOSITORY = "repository"
    QUESTION = "question"
    STALLED = "stalled"
    NEEDS_HUMAN = "needs-human"
    FAILED = "failed"
    BUDGET = "budget"
    AGENT = "agent"
    CONFLICT = "conflict"
    CHECKS = "checks"
    READY_TO_MERGE = "ready-to-merge"
    APPROVAL = "approval"
    KILLED = "killed"


_RANK = {kind: rank for rank, kind in enumerate(AttentionKind)}


class AttentionItem(msgspec.Struct, frozen=True):
    """One thing that does not go on without a person."""

    kind: AttentionKind
    text: str
    """One line, without the number that `target` has."""
    target: Target
    since: datetime | None = None
    action: str | None = None
    """Id of the action that helps most, in `core.actions`."""

    @property
    def key(self) -> tuple[AttentionKind, Target]:
        """Stays the same while the cause does, so that nobody is told twice."""
        return self.kind, self.target


def attention(
    snapshot: Snapshot, plan: Plan, settings: FleetSettings, now: datetime
) -> tuple[AttentionItem, ...]:
    """All items: by kind, then the one that waits longest."""
    latest: dict[IssueKey, Run] = {}
    for run in snapshot.runs.values():
        latest[run.key] = later(run, latest.get(run.key))
    held: dict[str, list[IssueKey]] = {}
    for key, issue in snapshot.issues.items():
        gate = plan.gate(key) if issue.open else None
        if gate is not None and gate.name == "budget":
            held.setdefault(gate.detail, []).append(key)
    items = [
        *of_fleet(snapshot, now),
        *(
            item
            for key in {*latest, *snapshot.issues}
            for item in of_issue(key, latest.get(key), snapshot, settings)
        ),
        *(of_budget(detail, len(keys), min(keys)) for detail, keys in held.items()),
        *(item for pull in snapshot.pulls.values() for item in of_pull(pull, snapshot, settings)),
    ]
    return tuple(sorted(items, key=lambda item: urgency(item, now)))


def urgency(item: AttentionItem, now: datetime) -> tuple[int, datetime, str, str]:
    """The order of the list."""
    return (_RANK[item.kind], item.since or now, str(item.target), item.text)


def later(run: Run, other: Run | None) -> Run:
    """Of two runs on one issue the one with the higher attempt."""
    return run if other is None or (other.spec.attempt, other.id) < (run.spec.attempt, run.id) else other


def of_fleet(snapshot: Snapshot, now: datetime) -> list[AttentionItem]:
    """What the fleet as a whole needs somebody for."""
    return [
        *_dispatcher(snapshot),
        *_sources(snapshot, now),
        *_repositories(snapshot, now),
        *_agents(snapshot, now),
    ]


def of_issue(
    key: IssueKey, latest: Run | None, snapshot: Snapshot, settings: FleetSettings
) -> list[AttentionItem]:
    """What an issue or its latest run needs somebody for; depends on those two and the claim alone."""
    issue = snapshot.issues.get(key)
    return [
        *(_run(latest) if latest is not None else ()),
        *(_issue(issue, latest, snapshot, settings) if issue is not None else ()),
    ]


def of_budget(detail: str, number: int, first: IssueKey) -> AttentionItem:
    """A budget that holds so many issues."""
    words = detail if number == 1 else f"{detail}; it holds {number} issues"
    # Of the issues that it holds the first stands for all: several budgets may hold some at once.
    target = Target(repo=first.repo, issue=first.number)
    return AttentionItem(AttentionKind.BUDGET, words, target, None, "budget")


def of_pull(pull: PullRequest, snapshot: Snapshot, settings: FleetSettings) -> list[AttentionItem]:
    """What a pull request needs somebody for; depends on it and its issue alone."""
    return list(_pull(pull, snapshot, settings))


def _dispatcher(snapshot: Snapshot) -> Iterator[AttentionItem]:
    fleet = snapshot.fleet
    if fleet is None:
        return
    if fleet.dispatcher.held is not None:
        yield AttentionItem(AttentionKind.DISPATCHER, fleet.dispatcher.held, Target())
    if fleet.dispatcher.state not in (DispatcherState.DEAD, DispatcherState.STOPPED):
        return
    if any(issue.open for issue in snapshot.issues.values()):
        words = "died" if fleet.dispatcher.state is DispatcherState.DEAD else "is stopped"
        yield AttentionItem(
            AttentionKind.DISPATCHER,
            f"the dispatcher {words}: nothing is started",
            Target(),
            # When it left is not known; when it was last seen at work is.
            fleet.dispatcher.last_decision_at,
            "dispatcher.start",
        )


def _sources(snapshot: Snapshot, now: datetime) -> Iterator[AttentionItem]:
    """Sources that have not come back by themselves; one item, since one cause has often both."""
    failed = [
        source
        for source in snapshot.sources.values()
        if source.state is Health.FAILED and (source.heard_at is None or now - source.heard_at >= PATIENCE)
    ]
    if failed:
        names = " and ".join(source.name for source in failed)
        why = f": {failed[0].why.rstrip('.')}" if failed[0].why else ""
        since = min((source.heard_at for source in failed if source.heard_at is not None), default=None)
        yield AttentionItem(
            AttentionKind.SOURCE,
            f"{names} cannot be read{why}; nothing is started",
            Target(),
            since,
            "refresh",
        )


def _repositories(snapshot: Snapshot, now: datetime) -> Iterator[AttentionItem]:
    """Repositories that have not come back by themselves: most often only a person can mend that."""
    for state in snapshot.repos.values():
        target = Target(repo=state.name)
        if state.why is not None:
            if state.retry_at is None or (state.since is not None and now - state.since >= PATIENCE):
                named = state.why.startswith(state.name)
                words = state.why if named else f"{state.name} cannot be read: {state.why}"
                yield AttentionItem(AttentionKind.REPOSITORY, words, target, state.since, "refresh")
        elif state.closed_to_work is not None:
            words = f"{state.name} {trouble.repository(state, now)}"
            yield AttentionItem(AttentionKind.REPOSITORY, words, target, None, "refresh")


def _target(run: Run) -> Target:
    return Target(repo=run.spec.repo, issue=run.spec.issue, run=run.id)


def _run(run: Run) -> Iterator[AttentionItem]:
    status, place = run.status, run.place
    why = run.why or ""
    if place is not None and place.remedy is not None and not status.phase.final:
        # Where to mend it comes first: the cluster's words may be longer than a line.
        words = f"cannot start, {place.remedy}: {place.condition}"
        yield AttentionItem(AttentionKind.STALLED, words, _target(run), status.since, "describe")
    elif run.phase is Phase.WAITING and why.startswith(ASKS):
        yield AttentionItem(AttentionKind.QUESTION, why, _target(run), status.since, "send")
    elif run.phase is Phase.STALLED:
        said = f"stalled: {why}" if why else "stalled"
        yield AttentionItem(
            AttentionKind.STALLED, said, _target(run), status.progress_at or status.since, "log"
        )


def _issue(
    issue: Issue, run: Run | None, snapshot: Snapshot, settings: FleetSettings
) -> Iterator[AttentionItem]:
    if not issue.open:
        return
    if run is not None and not run.phase.final:
        return
    target = Target(repo=issue.repo, issue=issue.number, run=run.id if run is not None else None)
    claim = snapshot.claims.get(issue.key)
    if claim is not None and claim.hold is not None:
        yield AttentionItem(AttentionKind.KILLED, claim.hold.why, target, claim.hold.at, "retry")
        return
    state = workflow.state(issue.labels, settings.labels)
    if state is IssueState.NEEDS_HUMAN:
        failed = run is not None and run.phase in (Phase.FAILED, Phase.LOST)
        kind = AttentionKind.FAILED if failed else AttentionKind.NEEDS_HUMAN
        since = run.status.ended_at if run is not None else issue.updated_at
        yield AttentionItem(kind, _evidence(run) or f"needs a human: {issue.title}", target, since, "retry")
        return
    if state is IssueState.READY:
        gate = gates.text_gate(issue, settings)
        if gate is not None and gate.name == "edited":
            yield AttentionItem(
                AttentionKind.APPROVAL, gate.detail, target, issue.updated_at, "issue.approve"
            )


def _evidence(run: Run | None) -> str | None:
    if run is None:
        return None
    if run.phase is Phase.SUCCEEDED:
        # The run did its part; what came after it, such as a pull request that was refused, is told there.
        return f"needs a human, though attempt {run.spec.attempt} finished: the issue's comment says why"
    words = f"{run.phase.value}: {run.why}" if run.status.why else run.phase.value
    return f"{words} (attempt {run.spec.attempt})"


def _agents(snapshot: Snapshot, now: datetime) -> Iterator[AttentionItem]:
    """Agents that no passing of time brings back."""
    for agent in snapshot.fleet.agents if snapshot.fleet is not None else ():
        quota = agent.quota
        if agent.enabled and quota.until is None and gates.limited(quota, now):
            why = f": {quota.why}" if quota.why else ""
            yield AttentionItem(
                AttentionKind.AGENT,
                f"{agent.name} cannot work{why}",
                Target(agent=agent.name),
                None,
                "agent.enable",
            )


def _pull(pull: PullRequest, snapshot: Snapshot, settings: FleetSettings) -> Iterator[AttentionItem]:
    if pull.state is not PullState.OPEN:
        return
    key = pull.issue_key
    issue = snapshot.issues.get(key) if key is not None else None
    target = Target(repo=pull.repo, issue=pull.issue, pull_request=pull.number, run=pull.run)
    if merging.ready(pull, issue, settings, base=snapshot.base(pull.repo)):
        checks = [check for check in pull.checks if check.sha == pull.head]
        passed = f": {text.plural(len(checks), 'check')} passed" if checks else ""
        yield AttentionItem(
            AttentionKind.READY_TO_MERGE, f"ready to merge{passed}", target, pull.updated_at, "merge"
        )
    elif pull.mergeable is False:
        yield AttentionItem(
            AttentionKind.CONFLICT,
            f"conflicts with {pull.base}: {pull.title}",
            target,
            pull.updated_at,
            # A new attempt starts from the base as it is now.
            "reset" if pull.issue is not None else "describe",
        )
    elif issue is not None and workflow.state(issue.labels, settings.labels) is IssueState.IN_REVIEW:
        failed = [
            check.name for check in pull.checks if check.sha == pull.head and check.state is CheckState.FAILED
        ]
        if failed:
            words = f"{text.plural(len(failed), 'check')} failed ({', '.join(failed)}): {pull.title}"
            yield AttentionItem(AttentionKind.CHECKS, words, target, pull.updated_at, "describe")
