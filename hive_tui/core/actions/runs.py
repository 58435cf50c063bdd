"""Actions on runs: end one, tell one something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from hive_tui.core import text
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
    recorded,
    swap_claim,
)
from hive_tui.core.cluster_facts import Right
from hive_tui.core.ids import RunId, wip_branch_name
from hive_tui.core.model import Claim, ControlKind, Hold, Phase, Run
from hive_tui.core.ports import Capability
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target

MAX_MESSAGE = 16_384
"""Characters of one message to an agent."""


class Kill(Request, frozen=True):
    runs: tuple[RunId, ...]


class Send(Request, frozen=True):
    """Tell an agent at work something, or answer what it asks."""

    run: RunId
    text: str


def describe_run(run: Run, now: datetime) -> Planned:
    """A run that is about to end: what it has cost and where its work will be."""
    spec, status = run.spec, run.status
    started = status.started_at
    spent = text.money(status.usage.cost_micros, estimated=status.usage.estimated)
    work = f"at work for {text.since(started, now)}, {spent} spent" if started else "not started yet"
    files = status.changed_files
    branch = wip_branch_name(spec.issue, spec.attempt)
    kept = {
        None: f"what it changed will be kept on {branch}",
        0: "it has changed no file yet",
    }.get(files, f"{text.plural(files or 0, 'changed file')} will be kept on {branch}")
    return Planned(
        Target(repo=spec.repo, issue=spec.issue, run=run.id),
        f"{spec.worker}  {spec.key} {spec.title}  attempt {spec.attempt}",
        (work, kept),
        refusal=f"it has ended ({run.phase.value})" if run.status.phase.final else None,
    )


def _draft_kill(context: ActionContext, snapshot: Snapshot, request: Kill) -> Draft:
    now = context.now()
    targets = []
    for name in request.runs:
        run = snapshot.runs.get(name)
        if run is None:
            targets.append(Planned(Target(run=name), str(name), refusal="there is no such run"))
        else:
            targets.append(describe_run(run, now))
    words = "The issue is" if sum(planned.refusal is None for planned in targets) <= 1 else "The issues are"
    return Draft(tuple(targets), (f"{words} not started again until you retry.",))


def _kill(context: ActionContext, plan: ActionPlan, request: Kill) -> ActionResult:
    return for_each(plan, lambda planned: stop_run(context, planned.target, forgive=False))


def stop_run(context: ActionContext, target: Target, *, forgive: bool) -> str:
    """Order a run to end. Its issue is held (until a retry), or the attempt forgiven, so that the
    issue goes back to be ready. Raises RunEnded when there is nothing to end any more."""
    key, run = target.issue_key, target.run
    assert key is not None
    assert run is not None

    def forgiven(claim: Claim) -> Claim:
        if claim.run != run:
            return claim
        return msgspec.structs.replace(claim, forgiven=max(claim.forgiven, claim.attempt))

    def held(claim: Claim) -> Claim:
        hold = claim.hold or Hold(context.actor, context.now(), f"killed by {context.actor}")
        return msgspec.structs.replace(claim, hold=hold, fire=None)

    if forgive:
        # Before the order: a run that ends unforgiven would hold its issue.
        swap_claim(context, key, forgiven)
    context.cluster.control(run, ControlKind.STOP, context.actor)
    if not forgive:
        swap_claim(context, key, held)
    record(context, "kill", f"stops {run}", target)
    return f"{run} ends; its work is saved."


def _draft_send(context: ActionContext, snapshot: Snapshot, request: Send) -> Draft:
    run = snapshot.runs.get(request.run)
    if run is None:
        return Draft(refusal=f"there is no run {request.run}")
    planned = Planned(
        Target(repo=run.spec.repo, issue=run.spec.issue, run=run.id),
        f"{run.spec.worker}  {run.spec.key}",
        refusal=f"it has ended ({run.phase.value})" if run.phase.final else None,
    )
    if not request.text.strip():
        return Draft((planned,), refusal="the message is empty")
    if len(request.text) > MAX_MESSAGE:
        return Draft((planned,), refusal=f"the message is longer than {MAX_MESSAGE:,} characters")
    return Draft((planned,))


def _send(context: ActionContext, plan: ActionPlan, request: Send) -> ActionResult:
    def send(planned: Planned) -> str:
        context.cluster.control(
            request.run, ControlKind.MESSAGE, context.actor, text.clean(request.text.strip())
        )
        said = text.truncate(text.clean_line(request.text), 200)
        record(context, "message", f"told {request.run}: {said}", planned.target)
        return f"Sent to {planned.label}."

    return for_each(plan, send)


def _kill_of(targets: Sequence[Target], user: str) -> Kill | None:
    runs = tuple(dict.fromkeys(target.run for target in targets if target.run is not None))
    return Kill(runs) if runs else None


def ended(snapshot: Snapshot, target: Target) -> str | None:
    """That a run has ended, in half a sentence; None while it works."""
    run = snapshot.runs.get(target.run) if target.run is not None else None
    if run is None:
        return "there is no such run any more"
    return f"it has ended ({run.phase.value})" if run.status.phase.final else None


def ending(snapshot: Snapshot, target: Target) -> bool:
    """Whether the run of this target was told to end, or has ended."""
    run = snapshot.runs.get(target.run) if target.run is not None else None
    return run is None or run.stop_requested or run.status.phase.final


def _not_to_be_ended(snapshot: Snapshot, target: Target) -> str | None:
    return ended(snapshot, target) or ("it ends already" if ending(snapshot, target) else None)


def _no_terminal(snapshot: Snapshot, target: Target) -> str | None:
    """Why there is no place in which a shell could be opened."""
    run = snapshot.runs.get(target.run) if target.run is not None else None
    if run is not None and run.status.phase is Phase.QUEUED:
        return "it has not begun yet"
    if run is not None and run.status.parked:
        return "it waits, and has no process meanwhile"
    return ended(snapshot, target)


ACTIONS = (
    Action(
        id="kill",
        title="Kill",
        help="End a run with its work saved; its issue is not started again until you retry it.",
        scope=Scope.RUN,
        keys=("x",),
        command="kill RUN|ISSUE",
        danger=Danger.CONFIRM,
        needs=frozenset({Capability.KILL}),
        rights=frozenset({Right.ORDER, Right.CLAIM}),
        writes=True,
        request=Kill,
        draft=_draft_kill,
        perform=_kill,
        of=_kill_of,
        against=_not_to_be_ended,
        doing="killing",
        confirmed=lambda before, after, request, target: ending(after, target),
    ),
    Action(
        id="send",
        title="Message",
        help="Tell a working agent something, or answer what it asks.",
        scope=Scope.RUN,
        keys=("m",),
        command="send RUN TEXT",
        needs=frozenset({Capability.MESSAGE}),
        rights=frozenset({Right.ORDER}),
        writes=True,
        request=Send,
        draft=_draft_send,
        perform=_send,
        against=ended,
        doing="sending",
        confirmed=recorded("message"),
    ),
    Action(
        id="attach",
        title="Shell",
        short="shell",
        help="Open a shell where the agent of a run works.",
        scope=Scope.RUN,
        keys=("e",),
        command="attach RUN [-- COMMAND...]",
        needs=frozenset({Capability.ATTACH}),
        rights=frozenset({Right.EXEC}),
        writes=True,
        against=_no_terminal,
    ),
)
