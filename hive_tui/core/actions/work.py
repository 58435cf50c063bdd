"""Actions on the work at an issue: fire it, try it again, start it afresh."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hive_tui.core import text, workflow
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
    issue_label,
    issue_target,
    keys_of,
    record,
    recorded,
    swap_claim,
)
from hive_tui.core.actions.runs import describe_run
from hive_tui.core.cluster_facts import Right
from hive_tui.core.errors import RunEnded, unknown
from hive_tui.core.ids import AgentName, IssueKey
from hive_tui.core.model import Claim, ControlKind, Fire, Mode, PullState, Run
from hive_tui.core.ports import Capability
from hive_tui.core.settings import Preset
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target, pull_of_issue, runs_of_issue
from hive_tui.core.workflow import IssueState


class FireIssue(Request, frozen=True):
    """Start an issue ahead of order and back-off; what is None is chosen as always."""

    issue: IssueKey
    agent: AgentName | None = None
    model: str | None = None
    budget_micros: int | None = None
    mode: Mode | None = None


class Retry(Request, frozen=True):
    issues: tuple[IssueKey, ...]


class Reset(Request, frozen=True):
    issues: tuple[IssueKey, ...]


def _fire_of(context: ActionContext, request: FireIssue) -> Fire:
    return Fire(
        by=context.actor,
        at=context.now(),
        agent=request.agent,
        model=request.model,
        budget_micros=request.budget_micros,
        mode=request.mode,
    )


def _draft_fire(context: ActionContext, snapshot: Snapshot, request: FireIssue) -> Draft:
    key = request.issue
    if request.agent is not None:
        known = [agent.name for agent in context.settings.agents]
        if request.agent not in known:
            raise unknown("agent", request.agent, known, listing="hive agents list")
    if key not in snapshot.issues:
        return Draft(refusal=f"there is no issue {key}")
    from hive_tui.core.dispatch import decide  # the console's first picture needs no gates

    # The gates are asked as if it were fired already: then order and back-off are out of the way.
    claim = snapshot.claims.get(key) or Claim(repo=key.repo, number=key.number, version=0)
    fired = msgspec.structs.replace(claim, fire=_fire_of(context, request))
    claims = {**snapshot.claims, key: fired}
    gate = decide(msgspec.structs.replace(snapshot, claims=claims), context.settings, context.now()).gate(key)
    refusal = None if gate is None else f"{gate.detail} (gate {gate.name})"
    return Draft((Planned(issue_target(key), issue_label(snapshot, key), refusal=refusal),))


def _fire(context: ActionContext, plan: ActionPlan, request: FireIssue) -> ActionResult:
    fire = _fire_of(context, request)

    def wish(planned: Planned) -> str:
        swap_claim(context, request.issue, lambda claim: msgspec.structs.replace(claim, fire=fire))
        how = [
            str(value)
            for value in (
                request.agent,
                request.model,
                request.mode.value if request.mode is not None else None,
                text.money(request.budget_micros) if request.budget_micros is not None else None,
            )
            if value is not None
        ]
        words = f"fired it ({', '.join(how)})" if how else "fired it"
        record(context, "fire", words, planned.target)
        return f"Fired {planned.label}."

    return for_each(plan, wish)


def _live_run(snapshot: Snapshot, key: IssueKey) -> Run | None:
    return next((run for run in reversed(runs_of_issue(snapshot, key)) if not run.phase.final), None)


def _plan_retry(context: ActionContext, snapshot: Snapshot, key: IssueKey) -> Planned:
    issue, run = snapshot.issues.get(key), _live_run(snapshot, key)
    refusal: str | None
    if issue is None:
        refusal = "there is no such issue"
    elif not issue.open:
        refusal = "it is closed"
    elif run is not None:
        refusal = f"{run.spec.worker} works on it"
    else:
        refusal = _in_review(snapshot, key)
    return Planned(issue_target(key), issue_label(snapshot, key), refusal=refusal)


def _in_review(snapshot: Snapshot, key: IssueKey) -> str | None:
    pull = pull_of_issue(snapshot, key)
    if pull is None or pull.state is not PullState.OPEN:
        return None
    return f"pull request !{pull.number} is open for it: merge it, or `hive reset {key.number}`"


def _draft_retry(context: ActionContext, snapshot: Snapshot, request: Retry) -> Draft:
    return Draft(tuple(_plan_retry(context, snapshot, key) for key in request.issues))


def _retry(context: ActionContext, plan: ActionPlan, request: Retry) -> ActionResult:
    def retry(planned: Planned) -> str:
        key = planned.target.issue_key
        assert key is not None
        swap_claim(context, key, _afresh)
        _make_ready(context, key)
        record(context, "retry", "may be tried again", planned.target)
        return f"{planned.label} is ready again."

    return for_each(plan, retry)


def _afresh(claim: Claim) -> Claim:
    """No hold, no back-off, every attempt so far forgiven; the number of the last attempt stays."""
    return msgspec.structs.replace(
        claim,
        hold=None,
        failed_at=None,
        not_before=None,
        forgiven=max(claim.forgiven, claim.attempt),
        elsewhere=None,
    )


def _make_ready(context: ActionContext, key: IssueKey) -> None:
    issue = context.forge.get_issue(key)
    add, remove = workflow.transition(issue.labels, IssueState.READY, context.settings.labels)
    if add or remove:
        context.forge.set_labels(key, add=add, remove=remove, by=context.actor.name)


def _plan_reset(context: ActionContext, snapshot: Snapshot, key: IssueKey) -> Planned:
    issue = snapshot.issues.get(key)
    if issue is None or not issue.open:
        why = "there is no such issue" if issue is None else "it is closed"
        return Planned(issue_target(key), issue_label(snapshot, key), refusal=why)
    target, lines = issue_target(key), []
    run = _live_run(snapshot, key)
    if run is not None:
        target = msgspec.structs.replace(target, run=run.id)
        lines += [f"{run.spec.worker} is ended", *describe_run(run, context.now()).consequences]
    pull = pull_of_issue(snapshot, key)
    if pull is not None and pull.state is PullState.OPEN:
        target = msgspec.structs.replace(target, pull_request=pull.number)
        lines.append(f"pull request !{pull.number} is closed; its branch {pull.branch} stays")
    claim = snapshot.claims.get(key)
    if claim is not None and claim.attempts_used:
        verb = "counts" if claim.attempts_used == 1 else "count"
        lines.append(f"{text.plural(claim.attempts_used, 'attempt')} no longer {verb}")
    return Planned(target, issue_label(snapshot, key), tuple(lines))


def _draft_reset(context: ActionContext, snapshot: Snapshot, request: Reset) -> Draft:
    return Draft(
        tuple(_plan_reset(context, snapshot, key) for key in request.issues),
        ("The issue starts afresh from its base branch.",),
    )


def _reset(context: ActionContext, plan: ActionPlan, request: Reset) -> ActionResult:
    def reset(planned: Planned) -> str:
        target = planned.target
        key, pull = target.issue_key, target.pull_key
        assert key is not None
        swap_claim(context, key, lambda claim: msgspec.structs.replace(_afresh(claim), fire=None))
        if pull is not None:
            context.forge.close_pull(pull, by=context.actor.name)
        if target.run is None or not _ordered_to_end(context, target):
            _make_ready(context, key)
        record(context, "reset", "starts afresh", target)
        return f"{planned.label} starts afresh."

    return for_each(plan, reset)


def _ordered_to_end(context: ActionContext, target: Target) -> bool:
    """Whether a run is about to end: then the dispatcher hands the issue back when it has."""
    assert target.run is not None
    try:
        context.cluster.control(target.run, ControlKind.STOP, context.actor)
    except RunEnded:
        return False
    return True


def _fire_request(targets: Sequence[Target], user: str) -> FireIssue | None:
    keys = keys_of(targets)
    return FireIssue(keys[0]) if keys else None


def _retry_request(targets: Sequence[Target], user: str) -> Retry | None:
    keys = keys_of(targets)
    return Retry(keys) if keys else None


def _reset_request(targets: Sequence[Target], user: str) -> Reset | None:
    keys = keys_of(targets)
    return Reset(keys) if keys else None


def _not_open(snapshot: Snapshot, target: Target) -> str | None:
    key = target.issue_key
    issue = snapshot.issues.get(key) if key is not None else None
    if issue is None:
        return "there is no such issue"
    return None if issue.open else "it is closed"


def _not_to_be_fired(snapshot: Snapshot, target: Target) -> str | None:
    against = _not_open(snapshot, target)
    key = target.issue_key
    if against is not None or key is None:
        return against
    claim = snapshot.claims.get(key)
    run = snapshot.runs.get(claim.run) if claim is not None and claim.run is not None else None
    if run is not None and not run.phase.final:
        return f"{run.spec.worker} works on it"
    return f"{claim.fire.by} fired it already" if claim is not None and claim.fire is not None else None


def _not_to_be_retried(snapshot: Snapshot, target: Target) -> str | None:
    against = _not_open(snapshot, target)
    key = target.issue_key
    if against is not None or key is None:
        return against
    claim = snapshot.claims.get(key)
    run = snapshot.runs.get(claim.run) if claim is not None and claim.run is not None else None
    if run is not None and not run.phase.final:
        return f"{run.spec.worker} works on it"
    return _in_review(snapshot, key)


def _fired(before: Snapshot, after: Snapshot, request: FireIssue, target: Target) -> bool:
    """The wish stands in the claim, or an attempt was made of it already."""
    key = request.issue
    old, new = before.claims.get(key), after.claims.get(key)
    if new is None:
        return False
    return new.fire is not None or new.attempt > (old.attempt if old is not None else 0)


def _retried(before: Snapshot, after: Snapshot, request: Retry, target: Target) -> bool:
    """Nothing holds it back any more and its label says that it may be started, or it was."""
    key = target.issue_key
    if key is None:
        return True
    claim, old, issue = after.claims.get(key), before.claims.get(key), after.issues.get(key)
    if claim is not None and claim.attempt > (old.attempt if old is not None else 0):
        return True
    held = claim is not None and (claim.hold is not None or claim.not_before is not None)
    ready = issue is not None and any(
        workflow.state(issue.labels, preset) is IssueState.READY for preset in Preset
    )
    return ready and not held and recorded("retry")(before, after, request, target)


def _reset_done(before: Snapshot, after: Snapshot, request: Reset, target: Target) -> bool:
    """No attempt counts any more, and whoever worked on it ends."""
    key = target.issue_key
    if key is None:
        return True
    claim, run = after.claims.get(key), _live_run(after, key)
    pull = pull_of_issue(after, key)
    ends = run is None or run.stop_requested
    return (
        ends
        and (claim is None or not claim.attempts_used)
        and (pull is None or pull.state is not PullState.OPEN)
    )


ACTIONS = (
    Action(
        id="fire",
        title="Fire",
        help="Start one issue now, ahead of order and back-off; every other gate still holds.",
        scope=Scope.ISSUE,
        keys=("f",),
        command="fire ISSUE [--type T] [--agent A] [--model M] [--budget $] [--wait]",
        rights=frozenset({Right.CLAIM}),
        writes=True,
        request=FireIssue,
        draft=_draft_fire,
        perform=_fire,
        of=_fire_request,
        against=_not_to_be_fired,
        doing="firing",
        confirmed=_fired,
    ),
    Action(
        id="retry",
        title="Retry",
        help="Let a failed or held issue start again; its attempts so far no longer count.",
        scope=Scope.ISSUE,
        keys=("R",),
        command="retry ISSUE",
        needs=frozenset({Capability.EDIT_ISSUE}),
        rights=frozenset({Right.CLAIM}),
        writes=True,
        request=Retry,
        draft=_draft_retry,
        perform=_retry,
        of=_retry_request,
        against=_not_to_be_retried,
        doing="retrying",
        confirmed=_retried,
    ),
    Action(
        id="reset",
        title="Reset",
        help="End an issue's run, close its pull request and start it afresh.",
        scope=Scope.ISSUE,
        command="reset ISSUE",
        danger=Danger.CONFIRM,
        needs=frozenset({Capability.KILL, Capability.EDIT_ISSUE}),
        rights=frozenset({Right.CLAIM, Right.ORDER}),
        writes=True,
        request=Reset,
        draft=_draft_reset,
        perform=_reset,
        of=_reset_request,
        against=_not_open,
        doing="resetting",
        confirmed=_reset_done,
    ),
)
