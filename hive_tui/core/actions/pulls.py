"""Actions on pull requests: merge one, reserve one for a person's review, give it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from hive_tui.core import merging, text, workflow
from hive_tui.core.actions.base import (
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Danger,
    Draft,
    Planned,
    Request,
    Scope,
    for_each,
    record,
    sentence,
)
from hive_tui.core.errors import Refused
from hive_tui.core.ids import PullKey, WorkerName
from hive_tui.core.model import Issue, PullRequest, PullState
from hive_tui.core.ports import Capability
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target, find_worker
from hive_tui.core.workflow import IssueState

LEASE = timedelta(hours=12)


class Merge(Request, frozen=True):
    pulls: tuple[PullKey, ...]


class Take(Request, frozen=True):
    """Reserve this pull request, or the next eligible one."""

    worker: WorkerName
    pull: PullKey | None = None


class Release(Request, frozen=True):
    """Give this pull request back, or all that the worker has."""

    worker: WorkerName
    pull: PullKey | None = None


def _target(pull: PullRequest) -> Target:
    return Target(repo=pull.repo, issue=pull.issue, pull_request=pull.number, run=pull.run)


def _label(pull: PullRequest) -> str:
    return f"{pull.key} {pull.title}"


def _unfinished(pull: PullRequest, issue: Issue | None) -> bool:
    """It is merged, but the one who merged it did not get to close its issue."""
    return pull.state is PullState.MERGED and issue is not None and issue.open


def _draft_merge(context: ActionContext, snapshot: Snapshot, request: Merge) -> Draft:
    targets = []
    for key in request.pulls:
        pull = snapshot.pulls.get(key)
        if pull is None:
            target = Target(repo=key.repo, pull_request=key.number)
            targets.append(Planned(target, str(key), refusal="there is no such pull request"))
            continue
        issue = snapshot.issues.get(pull.issue_key) if pull.issue_key is not None else None
        against: tuple[str, ...] = ()
        if not _unfinished(pull, issue):
            against = merging.obstacles(pull, issue, context.settings, base=snapshot.base(pull.repo))
        lines = [f"squashed onto {pull.base}; branch {pull.branch} is deleted"]
        if issue is not None:
            lines.append(f"issue #{issue.number} is done and closed")
        refusal = "; ".join(against) or None
        targets.append(Planned(_target(pull), _label(pull), tuple(lines), refusal, evidence=pull.head))
    return Draft(tuple(targets), hint="`hive pr show` has all that stands in the way.")


def _merge(context: ActionContext, plan: ActionPlan, request: Merge) -> ActionResult:
    return for_each(plan, lambda planned: _merge_one(context, planned))


def _merge_one(context: ActionContext, planned: Planned) -> str:
    """Look again at everything that the plan rests on, merge exactly that head, close the issue.

    After a kill in between, the same command finishes what is left.
    """
    key = planned.target.pull_key
    assert key is not None
    pull = context.forge.get_pull(key)
    issue = context.forge.get_issue(pull.issue_key) if pull.issue_key is not None else None
    if not _unfinished(pull, issue):
        if pull.head != planned.evidence:
            raise Refused(f"New commits were pushed to {key} just now.", "Look at them, then merge again.")
        base = context.forge.remote(pull.repo).base
        against = merging.obstacles(pull, issue, context.settings, base=base)
        if against:
            raise Refused(sentence(f"{key} is not merged: {'; '.join(against)}"))
        message = f"{pull.title} (!{pull.number})\n"
        if pull.issue is not None:
            message += f"\nCloses #{pull.issue}\n"
        pull = context.forge.merge(key, head=pull.head, by=context.actor.name, message=message)
        record(context, "merge", f"merged !{pull.number} onto {pull.base}", planned.target)
    if issue is not None:
        add, remove = workflow.transition(issue.labels, IssueState.DONE, context.settings.labels)
        if add or remove:
            context.forge.set_labels(issue.key, add=add, remove=remove, by=context.actor.name)
        context.forge.set_open(issue.key, False, by=context.actor.name)
    as_sha = f" as {pull.merged_as[:10]}" if pull.merged_as else ""
    return f"Merged {_label(pull)} onto {pull.base}{as_sha}."


def _free(pull: PullRequest, context: ActionContext) -> bool:
    return pull.lease is None or pull.lease.until <= context.now()


def _eligible(context: ActionContext, snapshot: Snapshot) -> list[PullRequest]:
    """Open, in review and not reserved; the oldest first."""
    found = []
    for pull in snapshot.pulls.values():
        key = pull.issue_key
        issue = snapshot.issues.get(key) if key is not None else None
        state = workflow.state(issue.labels, context.settings.labels) if issue is not None else None
        if pull.state is PullState.OPEN and state is IssueState.IN_REVIEW and _free(pull, context):
            found.append(pull)
    return sorted(found, key=lambda pull: (pull.created_at, pull.key))


def _draft_take(context: ActionContext, snapshot: Snapshot, request: Take) -> Draft:
    if request.pull is None:
        free = _eligible(context, snapshot)
        if not free:
            return Draft(refusal="no pull request waits for a review", hint="`hive pr list` has all.")
        return Draft((Planned(_target(free[0]), _label(free[0])),))
    pull = snapshot.pulls.get(request.pull)
    if pull is None:
        return Draft(refusal=f"there is no pull request {request.pull}")
    refusal = None
    if pull.state is not PullState.OPEN:
        refusal = f"it is {pull.state.value}"
    elif pull.lease is not None and pull.lease.worker != request.worker and not _free(pull, context):
        refusal = f"{pull.lease.worker} has it until {text.clock(pull.lease.until, context.now())}"
    return Draft((Planned(_target(pull), _label(pull), refusal=refusal),))


def _take(context: ActionContext, plan: ActionPlan, request: Take) -> ActionResult:
    def take(planned: Planned) -> str:
        key = planned.target.pull_key
        assert key is not None
        until = context.now() + LEASE
        context.forge.set_lease(key, request.worker, until)
        when = text.clock(until, context.now())
        record(context, "take", f"reserved !{key.number} for {request.worker} until {when}", planned.target)
        return f"{planned.label} is reserved for {request.worker} until {when}."

    return for_each(plan, take)


def _draft_release(context: ActionContext, snapshot: Snapshot, request: Release) -> Draft:
    if request.pull is None:
        mine = [
            pull
            for pull in snapshot.pulls.values()
            if pull.lease is not None and pull.lease.worker == request.worker
        ]
        if not mine:
            return Draft(refusal=f"{request.worker} has nothing reserved")
        return Draft(tuple(Planned(_target(pull), _label(pull)) for pull in mine))
    pull = snapshot.pulls.get(request.pull)
    if pull is None:
        return Draft(refusal=f"there is no pull request {request.pull}")
    return Draft((Planned(_target(pull), _label(pull), refusal=_not_theirs(pull, request)),))


def _not_theirs(pull: PullRequest, request: Release) -> str | None:
    if pull.lease is None:
        return "it is not reserved"
    return None if pull.lease.worker == request.worker else f"{pull.lease.worker} has it"


def _release(context: ActionContext, plan: ActionPlan, request: Release) -> ActionResult:
    def release(planned: Planned) -> str:
        key = planned.target.pull_key
        assert key is not None
        refusal = _not_theirs(context.forge.get_pull(key), request)
        if refusal is not None:
            raise Refused(sentence(f"{planned.label}: {refusal}"))
        context.forge.set_lease(key, None, None)
        record(context, "release", f"gave !{key.number} back", planned.target)
        return f"{planned.label} is free again."

    return for_each(plan, release)


def _pulls(targets: Sequence[Target]) -> tuple[PullKey, ...]:
    return tuple(dict.fromkeys(key for target in targets if (key := target.pull_key) is not None))


def _merge_of(targets: Sequence[Target], user: str) -> Merge | None:
    pulls = _pulls(targets)
    return Merge(pulls) if pulls else None


def _take_of(targets: Sequence[Target], user: str) -> Take | None:
    pulls = _pulls(targets)
    return Take(find_worker(user), pulls[0]) if pulls else None


def _release_of(targets: Sequence[Target], user: str) -> Release | None:
    pulls = _pulls(targets)
    return Release(find_worker(user), pulls[0]) if pulls else None


def _pull(snapshot: Snapshot, target: Target) -> PullRequest | None:
    return snapshot.pulls.get(target.pull_key) if target.pull_key is not None else None


def _over(snapshot: Snapshot, target: Target) -> str | None:
    pull = _pull(snapshot, target)
    if pull is None:
        return "there is no such pull request"
    return None if pull.state is PullState.OPEN else f"it is {pull.state.value}"


def _not_to_be_merged(snapshot: Snapshot, target: Target) -> str | None:
    """Merged already, unless whoever merged it did not get to close its issue."""
    pull = _pull(snapshot, target)
    issue = snapshot.issues.get(pull.issue_key) if pull is not None and pull.issue_key is not None else None
    return None if pull is not None and _unfinished(pull, issue) else _over(snapshot, target)


def _merged(before: Snapshot, after: Snapshot, request: Merge, target: Target) -> bool:
    pull = _pull(after, target)
    return pull is not None and pull.state is PullState.MERGED


def _leased(before: Snapshot, after: Snapshot, request: Take, target: Target) -> bool:
    """It is this worker's, for longer than before."""
    pull, old = _pull(after, target), _pull(before, target)
    if pull is None or pull.lease is None or pull.lease.worker != request.worker:
        return False
    return old is None or pull.lease != old.lease


def _given_back(before: Snapshot, after: Snapshot, request: Release, target: Target) -> bool:
    pull = _pull(after, target)
    return pull is None or pull.lease is None or pull.lease.worker != request.worker


def _not_reserved(snapshot: Snapshot, target: Target) -> str | None:
    pull = _pull(snapshot, target)
    return "it is not reserved" if pull is not None and pull.lease is None else _over(snapshot, target)


def _reserved(snapshot: Snapshot, targets: Sequence[Target]) -> bool:
    found = [snapshot.pulls[key] for key in _pulls(targets) if key in snapshot.pulls]
    return bool(found) and all(pull.lease is not None for pull in found)


ACTIONS = (
    Action(
        id="merge",
        title="Merge",
        help="Squash a pull request onto its base branch, delete its branch and close its issue.",
        scope=Scope.PULL,
        keys=("M",),
        command="merge ISSUE",
        danger=Danger.CONFIRM,
        needs=frozenset({Capability.MERGE}),
        writes=True,
        request=Merge,
        draft=_draft_merge,
        perform=_merge,
        of=_merge_of,
        against=_not_to_be_merged,
        doing="merging",
        confirmed=_merged,
    ),
    Action(
        id="take",
        title="Take for review",
        short="take",
        help="Reserve a pull request for your review, for 12 hours.",
        scope=Scope.PULL,
        keys=("t",),
        command="take --worker W [PULL]",
        needs=frozenset({Capability.LEASE}),
        writes=True,
        request=Take,
        draft=_draft_take,
        perform=_take,
        of=_take_of,
        against=_over,
        doing="taking",
        confirmed=_leased,
        when=lambda snapshot, targets: not _reserved(snapshot, targets),
    ),
    Action(
        id="release",
        title="Give back",
        help="Give a reserved pull request back.",
        scope=Scope.PULL,
        keys=("t",),
        command="release --worker W [PULL]",
        needs=frozenset({Capability.LEASE}),
        writes=True,
        request=Release,
        draft=_draft_release,
        perform=_release,
        of=_release_of,
        against=_not_reserved,
        doing="releasing",
        confirmed=_given_back,
        when=_reserved,
    ),
)
