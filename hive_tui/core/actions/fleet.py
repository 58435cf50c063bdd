"""Actions on the whole fleet: its switches, its agents, a stop of everything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hive_tui.core import text
from hive_tui.core.actions.base import (
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Danger,
    Draft,
    Request,
    Scope,
    for_each,
    record,
    recorded,
)
from hive_tui.core.actions.runs import describe_run, ending, stop_run
from hive_tui.core.cluster_facts import Right
from hive_tui.core.errors import HiveError, unknown
from hive_tui.core.ids import AgentName
from hive_tui.core.model import AgentState, DispatcherState, Paused, Quota, QuotaState
from hive_tui.core.ports import Capability
from hive_tui.core.store import Snapshot, Store
from hive_tui.core.targets import Target

MAX_SLOTS = 1_000
_MANY_MORE = 10
"""So many slots more, and more than double, are asked for first: one zero too many is money."""

_NOBODY = "No dispatcher runs, so nothing is started: `hive dispatcher start` starts it on this machine."


class Wake(Request, frozen=True):
    """Look at the tracker and start what is ready, at once."""


class Pause(Request, frozen=True):
    why: str | None = None


class Resume(Request, frozen=True):
    pass


class StopAll(Request, frozen=True):
    why: str | None = None


class SetSlots(Request, frozen=True):
    """To a number, or by a difference to what is set now."""

    to: int | None = None
    by: int = 0


class EnableAgent(Request, frozen=True):
    """Let an agent be started again, whatever its quota said."""

    agent: AgentName


class DisableAgent(Request, frozen=True):
    agent: AgentName


class Collect(Request, frozen=True):
    """Remove what settled runs left behind that ended before that moment."""

    before: datetime
    dry_run: bool = False


def _draft_wake(context: ActionContext, snapshot: Snapshot, request: Wake) -> Draft:
    if _nobody_dispatches(snapshot, Target()) is not None:
        return Draft(consequences=(_NOBODY,))
    return Draft(
        consequences=("It is paused: nothing is started until `hive resume`.",) if _paused(snapshot) else ()
    )


def _wake(context: ActionContext, plan: ActionPlan, request: Wake) -> ActionResult:
    record(context, "wake", "asked to dispatch now")
    if _NOBODY in plan.consequences:
        return ActionResult(plan.consequences)
    return ActionResult((" ".join(("The dispatcher looks at the tracker now.", *plan.consequences)),))


def _draft_pause(context: ActionContext, snapshot: Snapshot, request: Pause) -> Draft:
    live = sum(run.live for run in snapshot.runs.values())
    return Draft(consequences=(f"Nothing new is started; runs at work go on: {live}.",))


def _pause(context: ActionContext, plan: ActionPlan, request: Pause) -> ActionResult:
    _set_paused(context, request.why)
    return ActionResult(("Paused: nothing new is started. Runs at work go on.",))


def _set_paused(context: ActionContext, why: str | None) -> None:
    context.cluster.set_paused(Paused(context.actor, context.now(), why))
    record(context, "pause", f"paused the fleet{f': {why}' if why else ''}")


def _draft_resume(context: ActionContext, snapshot: Snapshot, request: Resume) -> Draft:
    return Draft()


def _resume(context: ActionContext, plan: ActionPlan, request: Resume) -> ActionResult:
    context.cluster.set_paused(None)
    record(context, "resume", "resumed the fleet")
    return ActionResult(("Running: what is ready is started.",))


def _draft_stop(context: ActionContext, snapshot: Snapshot, request: StopAll) -> Draft:
    now = context.now()
    live = [run for run in snapshot.runs.values() if not run.phase.final]
    return Draft(
        targets=tuple(describe_run(run, now) for run in sorted(live, key=lambda run: run.spec.worker)),
        consequences=(
            "The fleet is paused. After `hive resume` the issues are started anew."
            if live
            else "The fleet is paused until `hive resume`. Nobody is at work, so no run ends.",
        ),
    )


def _stop(context: ActionContext, plan: ActionPlan, request: StopAll) -> ActionResult:
    _set_paused(context, request.why or "stopped")
    done = for_each(plan, lambda planned: stop_run(context, planned.target, forgive=True))
    messages = ("Paused: nothing new is started.", *done.messages)
    return ActionResult(messages, done.errors, done.failed)


def _wanted_slots(snapshot: Snapshot, request: SetSlots) -> int | None:
    if request.to is not None:
        return request.to
    return None if snapshot.fleet is None else snapshot.fleet.slots + request.by


def _draft_slots(context: ActionContext, snapshot: Snapshot, request: SetSlots) -> Draft:
    wanted = _wanted_slots(snapshot, request)
    if wanted is None:
        return Draft(refusal="the fleet's slots are not known yet", hint="Give a number: `hive slots 3`.")
    if not 0 <= wanted <= MAX_SLOTS:
        return Draft(refusal=f"{wanted} slots are not possible", hint=f"0 to {MAX_SLOTS:,} are.")
    if snapshot.fleet is None:
        return Draft()
    used, before = len(snapshot.fleet.slots_used), snapshot.fleet.slots
    if used > wanted:
        one = used - wanted == 1
        go_on = (
            "is above that and goes on until it ends" if one else "are above that and go on until they end"
        )
        return Draft(consequences=(f"{used - wanted} of {text.plural(used, 'run')} {go_on}.",))
    if wanted - before > _MANY_MORE and wanted > 2 * before:
        more = f"Before there were {before}: up to {wanted - before:,} more agents work at once, and cost."
        return Draft(consequences=(more,), asks=f"{wanted:,} slots")
    return Draft()


def _slots(context: ActionContext, plan: ActionPlan, request: SetSlots) -> ActionResult:
    wanted = request.to
    if wanted is None:
        wanted = max(0, min(MAX_SLOTS, _slots_now(context) + request.by))
    context.cluster.set_slots(wanted)
    record(context, "slots", f"set the slots to {wanted}")
    return ActionResult((f"Slots: {wanted}.", *plan.consequences))


def _slots_now(context: ActionContext) -> int:
    """The slots that are set now: a difference counts from the truth, not from what was on a screen."""
    store = Store(())
    store.apply(context.cluster.read(), context.now())
    fleet = store.snapshot.fleet
    if fleet is None:
        raise HiveError("The fleet's slots are not known.", "Give a number: `hive slots 3`.")
    return fleet.slots


def _draft_agent(context: ActionContext, snapshot: Snapshot, request: EnableAgent | DisableAgent) -> Draft:
    known = {agent.name for agent in context.settings.agents}
    if snapshot.fleet is not None:
        known.update(agent.name for agent in snapshot.fleet.agents)
    if request.agent not in known:
        raise unknown("agent", request.agent, known, listing="hive agents list")
    return Draft()


def _enable(context: ActionContext, plan: ActionPlan, request: EnableAgent) -> ActionResult:
    context.cluster.set_agent_enabled(request.agent, True)
    context.cluster.set_quota(request.agent, Quota(QuotaState.OK, at=context.now()))
    record(context, "agent", f"enabled {request.agent}", Target(agent=request.agent))
    return ActionResult((f"{request.agent} is enabled.",))


def _disable(context: ActionContext, plan: ActionPlan, request: DisableAgent) -> ActionResult:
    context.cluster.set_agent_enabled(request.agent, False)
    record(context, "agent", f"disabled {request.agent}", Target(agent=request.agent))
    return ActionResult((f"{request.agent} is disabled: it is not started any more. Its runs go on.",))


def _draft_gc(context: ActionContext, snapshot: Snapshot, request: Collect) -> Draft:
    return Draft(consequences=("Work trees of ended runs are removed, in a cluster their pods and logs.",))


def _gc(context: ActionContext, plan: ActionPlan, request: Collect) -> ActionResult:
    removed = context.cluster.gc(before=request.before, dry_run=request.dry_run)
    if removed and not request.dry_run:
        record(context, "gc", f"removed {text.plural(len(removed), 'thing')} of ended runs")
    return ActionResult(tuple(removed))


def _paused(snapshot: Snapshot) -> bool:
    return snapshot.fleet is not None and snapshot.fleet.paused is not None


def _agent_of(targets: Sequence[Target]) -> AgentName | None:
    return next((target.agent for target in targets if target.agent is not None), None)


def _enable_of(targets: Sequence[Target], user: str) -> EnableAgent | None:
    agent = _agent_of(targets)
    return None if agent is None else EnableAgent(agent)


def _disable_of(targets: Sequence[Target], user: str) -> DisableAgent | None:
    agent = _agent_of(targets)
    return None if agent is None else DisableAgent(agent)


def _nobody_dispatches(snapshot: Snapshot, target: Target) -> str | None:
    """A wish for the dispatcher is of no use where none runs."""
    fleet = snapshot.fleet
    if fleet is None or fleet.dispatcher.state in (DispatcherState.RUNNING, DispatcherState.UNKNOWN):
        return None
    return f"the dispatcher is {fleet.dispatcher.state.value}: start it first"


def _slots_unknown(snapshot: Snapshot, target: Target) -> str | None:
    return "the fleet's slots are not known yet" if snapshot.fleet is None else None


def _most_slots(snapshot: Snapshot, target: Target) -> str | None:
    full = snapshot.fleet is not None and snapshot.fleet.slots >= MAX_SLOTS
    return f"{MAX_SLOTS:,} slots are the most" if full else _slots_unknown(snapshot, target)


def _no_slots(snapshot: Snapshot, target: Target) -> str | None:
    none = snapshot.fleet is not None and snapshot.fleet.slots <= 0
    return "the fleet has no slots already" if none else _slots_unknown(snapshot, target)


def _slots_moved(before: Snapshot, after: Snapshot, request: SetSlots, target: Target) -> bool:
    if before.fleet is None or after.fleet is None:
        return after.fleet is not None
    return after.fleet.slots == request.to or (
        request.to is None and (not request.by or after.fleet.slots != before.fleet.slots)
    )


def _stopping(before: Snapshot, after: Snapshot, request: StopAll, target: Target) -> bool:
    """Of the fleet, that it is paused; of a run, that it ends."""
    return _paused(after) if target.run is None else ending(after, target)


def _agent(snapshot: Snapshot, name: AgentName | None) -> AgentState | None:
    agents = snapshot.fleet.agents if snapshot.fleet is not None else ()
    return next((agent for agent in agents if agent.name == name), None)


def _works(snapshot: Snapshot, target: Target) -> str | None:
    agent = _agent(snapshot, target.agent)
    works = agent is not None and agent.enabled and agent.quota.state is not QuotaState.LIMITED
    return f"{target.agent} is enabled" if works else None


def _off(snapshot: Snapshot, target: Target) -> str | None:
    agent = _agent(snapshot, target.agent)
    return None if agent is None or agent.enabled else f"{target.agent} is disabled already"


def _enabled(before: Snapshot, after: Snapshot, request: EnableAgent, target: Target) -> bool:
    agent = _agent(after, request.agent)
    return agent is not None and agent.enabled and agent.quota.state is not QuotaState.LIMITED


def _disabled(before: Snapshot, after: Snapshot, request: DisableAgent, target: Target) -> bool:
    agent = _agent(after, request.agent)
    return agent is not None and not agent.enabled


ACTIONS = (
    Action(
        id="dispatch",
        title="Dispatch now",
        short="now",
        help="Look at the tracker and start what is ready, without waiting for the next turn.",
        scope=Scope.FLEET,
        keys=("n",),
        command="dispatch",
        rights=frozenset({Right.CLAIM}),
        writes=True,
        request=Wake,
        draft=_draft_wake,
        perform=_wake,
        of=lambda targets, user: Wake(),
        against=_nobody_dispatches,
        doing="dispatching",
        confirmed=recorded("wake"),
    ),
    Action(
        id="pause",
        title="Pause",
        help="Start nothing new; runs at work go on.",
        scope=Scope.FLEET,
        keys=("p",),
        command="pause [--why TEXT]",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        request=Pause,
        draft=_draft_pause,
        perform=_pause,
        of=lambda targets, user: Pause(),
        when=lambda snapshot, targets: not _paused(snapshot),
        against=lambda snapshot, target: "the fleet is paused already" if _paused(snapshot) else None,
        doing="pausing",
        confirmed=lambda before, after, request, target: _paused(after),
    ),
    Action(
        id="resume",
        title="Resume",
        help="Start again what is ready.",
        scope=Scope.FLEET,
        keys=("p",),
        command="resume",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        request=Resume,
        draft=_draft_resume,
        perform=_resume,
        of=lambda targets, user: Resume(),
        when=lambda snapshot, targets: _paused(snapshot),
        against=lambda snapshot, target: None if _paused(snapshot) else "the fleet is not paused",
        doing="resuming",
        confirmed=lambda before, after, request, target: after.fleet is not None and not _paused(after),
    ),
    Action(
        id="stop",
        title="Stop everything",
        short="stop all",
        help="Pause, and end every run with its work saved.",
        scope=Scope.FLEET,
        keys=("X",),
        command="stop [--why TEXT]",
        danger=Danger.CONFIRM,
        needs=frozenset({Capability.KILL}),
        rights=frozenset({Right.SWITCH, Right.ORDER, Right.CLAIM}),
        writes=True,
        request=StopAll,
        draft=_draft_stop,
        perform=_stop,
        of=lambda targets, user: StopAll(),
        doing="stopping",
        confirmed=_stopping,
    ),
    Action(
        id="slots.more",
        title="One slot more",
        short="slots",
        help="Let one more agent work at once.",
        scope=Scope.FLEET,
        keys=("plus",),
        command="slots N|+1|-1",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        request=SetSlots,
        draft=_draft_slots,
        perform=_slots,
        of=lambda targets, user: SetSlots(by=1),
        against=_most_slots,
        confirmed=_slots_moved,
    ),
    Action(
        id="slots.fewer",
        title="One slot fewer",
        short="slots",
        help="Let one agent fewer work at once; nobody at work is ended.",
        scope=Scope.FLEET,
        keys=("minus",),
        command="slots N|+1|-1",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        draft=_draft_slots,
        perform=_slots,
        of=lambda targets, user: SetSlots(by=-1),
        against=_no_slots,
        confirmed=_slots_moved,
    ),
    Action(
        id="agent.enable",
        title="Enable the agent",
        help="Let an agent be started again; its limit is forgotten.",
        scope=Scope.FLEET,
        command="agents enable NAME",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        request=EnableAgent,
        draft=_draft_agent,
        perform=_enable,
        of=_enable_of,
        against=_works,
        doing="enabling",
        confirmed=_enabled,
    ),
    Action(
        id="agent.disable",
        title="Disable the agent",
        help="Start nothing with this agent any more; its runs go on.",
        scope=Scope.FLEET,
        command="agents disable NAME",
        rights=frozenset({Right.SWITCH}),
        writes=True,
        request=DisableAgent,
        draft=_draft_agent,
        perform=_disable,
        of=_disable_of,
        against=_off,
        doing="disabling",
        confirmed=_disabled,
    ),
    Action(
        id="gc",
        title="Clean up",
        help="Remove the work trees of ended runs, in a cluster their pods and logs; branches stay.",
        scope=Scope.FLEET,
        command="gc [--dry-run]",
        rights=frozenset({Right.DISPATCH}),
        writes=True,
        request=Collect,
        draft=_draft_gc,
        perform=_gc,
        doing="cleaning up",
    ),
)
