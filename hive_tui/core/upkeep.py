"""Keeping runs, slots, claims and quotas in order: the decisions that are not about new work. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hive_tui.core import gates, workflow
from hive_tui.core.decisions import (
    CloseIssue,
    Decision,
    Launch,
    LimitAgent,
    Recover,
    ReleaseClaim,
    ReleaseSlot,
    RestoreAgent,
    Settle,
)
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Phase, Process, PullState, Quota, QuotaState, Run, RunStatus
from hive_tui.core.settings import FleetSettings
from hive_tui.core.store import Snapshot
from hive_tui.core.workflow import IssueState
from hive_tui.core.world import World, issue_of

LAUNCH_AGAIN_AFTER = timedelta(seconds=10)
"""A queued run without a process for this long is started again (its dispatcher died in between)."""

LOOKED_UP = timedelta(days=1)
"""How long after a merge the issue is looked up that the tracker does not list."""


def upkeep(snapshot: Snapshot, current: World, settings: FleetSettings, now: datetime) -> list[Decision]:
    """What runs, slots, claims and merged pull requests need, whatever is started besides."""
    decisions: list[Decision] = []
    fleet = current.fleet
    if fleet is None:
        return decisions
    slots = {slot.run for slot in fleet.slots_used}
    free = fleet.slots - len(slots)
    for run in snapshot.runs.values():
        if run.settled:
            continue
        decision = _keep_up(run, current, settings, now)
        if isinstance(decision, Launch):
            needs_slot = run.id not in slots
            if fleet.paused is not None or (needs_slot and free <= 0):
                continue
            if gates.repository_gate(run.spec.repo, current, now) is not None:
                continue
            free -= needs_slot
        if decision is not None:
            decisions.append(decision)
    runs = snapshot.runs
    unneeded = [slot for slot in slots if slot not in runs or _needs_no_slot(runs[slot])]
    decisions += map(ReleaseSlot, sorted(unneeded))
    for claim in current.claims.values():
        if claim.run is not None and claim.run not in snapshot.runs:
            decisions.append(ReleaseClaim(claim))
    decisions += _merged(snapshot, settings, now)
    return decisions


def _keep_up(run: Run, current: World, settings: FleetSettings, now: datetime) -> Decision | None:
    status = run.status
    if status.phase.final:
        return _settle(run, current, settings)
    if run.process is Process.GONE:
        return Recover(run)
    if run.stop_requested and _may_end_now(run):
        return Recover(run)
    if run.process is not Process.NONE:
        return None
    if status.phase is Phase.QUEUED:
        waited = now - (status.since or run.spec.created_at)
        # A wait of less than nothing is a clock that was set back, not a start that is under way.
        overdue = waited > LAUNCH_AGAIN_AFTER or waited < timedelta(0)
        return Launch(run, "it was recorded but never started") if overdue else None
    agent = current.agents.get(run.spec.agent)
    if not status.parked or agent is None or not gates.available(agent, now):
        return None
    over = status.until is None or now >= status.until or _lifted(agent.quota, status)
    return Launch(run, "its wait is over") if over else None


def _may_end_now(run: Run) -> bool:
    """Whether a run that is told to stop has nobody who would do it: no process, or one that has not taken it
    up and may never do so (a pod that waits for a place)."""
    waits = run.status.phase is Phase.QUEUED or run.status.parked
    return run.process is Process.NONE or (run.process is Process.ALIVE and waits)


def _settle(run: Run, current: World, settings: FleetSettings) -> Settle:
    claim = current.claims.get(run.spec.key)
    failed = run.status.phase in (Phase.FAILED, Phase.LOST)
    if not failed or claim is None or run.status.agent_problem is not None:
        return Settle(run, gives_up=False)
    backoff = settings.backoff
    used = max(1, claim.attempts_used)
    wait = timedelta(seconds=min(backoff.most, backoff.first * 2 ** min(used - 1, 32)))
    ended = run.status.ended_at or run.spec.created_at
    return Settle(run, gives_up=used >= settings.max_attempts, not_before=ended + wait)


def _merged(snapshot: Snapshot, settings: FleetSettings, now: datetime) -> list[Decision]:
    """Issues that hive put in review and whose pull request was merged since; one that a person reopened
    after that stays open. A tracker may close the issue with the merge, leave its label, and list it no
    more: whether there is something to do is then looked up once."""
    decisions: list[Decision] = []
    for pull in snapshot.pulls.values():
        if pull.state is not PullState.MERGED:
            continue
        key = issue_of(pull)
        issue = snapshot.issues.get(key) if key is not None else None
        if issue is not None:
            wanted = IssueState.IN_REVIEW in workflow.states(issue.labels, settings.labels)
        else:
            wanted = now - pull.updated_at < LOOKED_UP
        if key is not None and wanted:
            decisions.append(CloseIssue(key, pull.number))
    return decisions


def _needs_no_slot(run: Run) -> bool:
    return run.process is not Process.ALIVE and (run.settled or run.status.parked)


def quotas(snapshot: Snapshot, current: World, now: datetime) -> list[Decision]:
    """Agents whose limit a run has just met, and agents whose limit is over."""
    met: dict[AgentName, Quota] = {}
    for run in snapshot.runs.values():
        status = run.status
        agent = current.agents.get(run.spec.agent)
        if status.agent_problem is None or run.settled or agent is None:
            continue
        over = status.until is not None and status.until <= now
        if over or _lifted(agent.quota, status):
            continue
        quota = Quota(QuotaState.LIMITED, status.until, status.agent_problem, status.since)
        if not _covers(met.get(agent.name, agent.quota), quota):
            met[agent.name] = quota
    decisions: list[Decision] = [LimitAgent(name, quota) for name, quota in met.items()]
    for agent in current.agents.values():
        past = agent.quota.until is not None and agent.quota.until <= now
        if agent.quota.state is QuotaState.LIMITED and past and agent.name not in met:
            decisions.append(RestoreAgent(agent.name, agent.quota))
    return decisions


def with_limits(current: World, decisions: list[Decision]) -> World:
    """The world in which the limits just met hold already."""
    agents = dict(current.agents)
    for decision in decisions:
        if isinstance(decision, LimitAgent):
            agents[decision.agent] = msgspec.structs.replace(agents[decision.agent], quota=decision.quota)
    return msgspec.structs.replace(current, agents=agents)


def _lifted(quota: Quota, status: RunStatus) -> bool:
    """What is known of the agent is newer than this run's limit and says that it can work."""
    newer = quota.at is not None and status.since is not None and quota.at > status.since
    return newer and quota.state is QuotaState.OK


def _covers(known: Quota, new: Quota) -> bool:
    """The known limit already lasts as long as the new one."""
    if known.state is not QuotaState.LIMITED:
        return False
    return known.until is None or (new.until is not None and known.until >= new.until)
