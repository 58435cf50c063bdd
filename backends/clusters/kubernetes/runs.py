"""Runs: their birth, their Jobs, orders to them, and making good for one whose pod is no more.

The AgentRun's status is the fence. Every step reads it, decides, and writes it by its resourceVersion; a Job
is made and removed after that, by its name and uid, so that whoever comes next may do it again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from backends import typed
from backends.clusters.kubernetes import camel, claims, evidence, fleet_object, run_status, schema, signs
from backends.clusters.kubernetes import job as jobs
from backends.clusters.kubernetes.api import AGENT_RUNS, JOBS, PODS, Api
from backends.clusters.kubernetes.errors import AlreadyExists, Conflict, Forbidden
from backends.clusters.kubernetes.evidence import Signs
from backends.clusters.kubernetes.objects import (
    API_VERSION,
    FLEET_LABEL,
    RUN_LABEL,
    AgentRunObject,
    AgentRunSpec,
    AgentRunStatus,
    JobObject,
    KubeObject,
    PodObject,
    slot_of,
    template_of,
)
from backends.clusters.kubernetes.swap import until_won
from hive_tui.core.errors import ClaimLost, NoSlot, RunEnded, SourceError, unknown
from hive_tui.core.ids import RunId
from hive_tui.core.model import Actor, Control, ControlKind, Phase, Process, RunStatus
from hive_tui.core.ports import BackendContext, Job
from hive_tui.core.text import clean


class Found(msgspec.Struct, frozen=True):
    """An AgentRun as it is stored."""

    run: RunId
    uid: str
    version: str
    status: AgentRunStatus
    written: bool
    """Somebody has written its status: its creation is complete."""
    raw: msgspec.Raw
    """Its spec."""

    @property
    def spec(self) -> AgentRunSpec:
        return camel.decode(self.raw, AgentRunSpec)


class _Orders(msgspec.Struct, frozen=True):
    """Orders as they are stored, since those of a newer hive are written back as they were."""

    control: tuple[dict[str, Any], ...] = ()


def get(api: Api, fleet: str, run: RunId) -> Found:
    """Raises UsageError naming the nearest runs when there is no such one."""
    found = claims.find_run(api, fleet, run)
    if found is None:
        every = api.list(AGENT_RUNS, KubeObject, labels=f"{FLEET_LABEL}={fleet}").items
        raise unknown("run", run, (each.metadata.name for each in every), listing="hive ls")
    return _found(run, found)


def create(api: Api, context: BackendContext, job: Job) -> None:
    """Record a run as queued, if it has its claim and its slot. Raises ClaimLost, NoSlot."""
    fleet, run = context.fleet, job.spec.id
    stored = claims.find_run(api, fleet, run)
    if stored is None:
        claims.check_holder(api, fleet, job.spec.key, run)
        record = fleet_object.made(api, context)
        if slot_of(record.status.slots, run) is None:
            raise NoSlot(f"Run {run} has no slot.", "Take a slot first.")
        stored = _create(api, fleet, jobs.in_pod(job, template_of(record.spec, job.agent.name)))
    _complete(api, fleet, _found(run, stored))


def _complete(api: Api, fleet: str, found: Found) -> None:
    """Have the claim vouch for a run that was just stored, once. Raises ClaimLost, and the run is gone then:
    without a status nothing has been started for it."""
    if found.written:
        return
    spec = found.spec.work.spec
    try:
        claims.seal(api, fleet, spec.key, found.run)
    except ClaimLost:
        with suppress(Conflict):
            api.delete(AGENT_RUNS, found.run, uid=found.uid)
        raise
    # A status that somebody has written meanwhile is one.
    with suppress(Conflict):
        write(api, found, RunStatus(phase=Phase.QUEUED, since=spec.created_at))


def _create(api: Api, fleet: str, job: Job) -> AgentRunObject:
    run = job.spec.id
    body = {
        "apiVersion": API_VERSION,
        "kind": "AgentRun",
        "metadata": {"name": run, "labels": {FLEET_LABEL: fleet}},
        "spec": schema.clipped(AgentRunSpec(job)),
    }
    try:
        return api.create(AGENT_RUNS, body, AgentRunObject)
    except AlreadyExists:
        found = claims.find_run(api, fleet, run)
    if found is None:
        raise ClaimLost(
            f"Another fleet of the namespace {api.namespace} has a run {run}.",
            "Give each fleet that serves the same repository a namespace of its own.",
        )
    return found


def start(api: Api, context: BackendContext, run: RunId) -> bool:
    """Make the Job of a run that is queued or waits, holds a slot and has no process. Whether it was made."""
    found = get(api, context.fleet, run)
    if not found.written:
        # Whoever recorded it died before it was done.
        try:
            _complete(api, context.fleet, found)
        except ClaimLost:
            return False
        found = get(api, context.fleet, run)
    status, work = found.status, found.spec.work
    if not evidence.startable(status):
        return False
    record = fleet_object.read(api, context)
    if slot_of(record.status.slots, run) is None:
        return False
    seen = signs.of(api, run, events=False)
    if evidence.look(run, status, seen, datetime.now(UTC)).process is not Process.NONE:
        return False
    if status.phase is Phase.QUEUED:
        try:
            claims.check_holder(api, context.fleet, work.spec.key, run)
        except ClaimLost as error:
            end(api, found, Phase.LOST, f"it was never started: {error.message}")
            return False
    template = template_of(record.spec, work.agent.name)
    body = jobs.manifest(run, found.uid, work, template, context.fleet, status.starts)
    try:
        api.create(JOBS, body, JobObject)
    except AlreadyExists:
        _look_at_namesake(api, found, body["metadata"]["name"])
        return False
    return True


def _look_at_namesake(api: Api, found: Found, name: str) -> None:
    """A Job of that name is this run's, unless it was left by an AgentRun that somebody deleted."""
    job = api.get(JOBS, name, JobObject)
    if any(owner.uid == found.uid for owner in job.metadata.owner_references):
        return
    if RUN_LABEL in job.metadata.labels:
        with suppress(Conflict):
            api.delete(JOBS, name, uid=job.metadata.uid)
        raise SourceError(f"The Job {name} of an earlier run of that name is being removed.", "Try again.")
    raise SourceError(
        f"There is a Job {name} that is not hive's.", f"`kubectl delete job {name}` removes it."
    )


def recover(api: Api, context: BackendContext, run: RunId) -> bool:
    """Make good for a run whose pod is no more, or that is told to stop before it has one. Whether anything
    had to be done."""

    def attempt() -> bool:
        found = get(api, context.fleet, run)
        status = found.status
        if status.phase.final:
            return False
        seen = signs.of(api, run)
        process = evidence.look(run, status, seen, datetime.now(UTC)).process
        stopped = _stopped_by(found.spec.control)
        unstarted = evidence.startable(status)
        if stopped is not None and unstarted:
            _kill(api, found, stopped, seen)
            return True
        if process is not Process.GONE:
            return False
        pod = evidence.mine(run, status, seen)
        word = None if pod is None or unstarted else run_status.adopted(evidence.last_word(pod))
        if word is not None:
            write(api, found, word)
            return True
        _conclude(api, found, stopped, seen)
        return True

    return until_won(attempt)


def _conclude(api: Api, found: Found, stopped: Actor | None, seen: Signs) -> None:
    """Write down how a run ended whose runner cannot say it."""
    cause = evidence.cause(found.run, found.status, seen)
    again = False
    if stopped is not None:
        end(api, found, Phase.KILLED, f"by {stopped}", evidence=cause.words)
    elif cause.problem:
        # No attempt is spent on it, and the same is not tried again and again.
        end(api, found, Phase.FAILED, cause.words, evidence="its pod cannot start", problem=cause.words)
    elif evidence.startable(found.status) and cause.disrupted:
        again = True
        if not found.status.parked:
            queued = msgspec.structs.replace(
                run_status.plain(found.status),
                since=datetime.now(UTC),
                why=f"it is started again: {cause.words}",
            )
            write(api, found, queued)
    else:
        end(api, found, Phase.LOST, cause.words, evidence=f"it was {found.status.phase.value}")
    _remove_job(api, found, seen, again=again)


def release_slot(api: Api, context: BackendContext, run: RunId) -> None:
    """Take a run out of its slot, unless it is queued or something of it still runs: a slot is a pod."""
    found = claims.find_run(api, context.fleet, run)
    if found is not None:
        if camel.decode(found.status, AgentRunStatus).phase is Phase.QUEUED:
            return
        now = datetime.now(UTC)
        pods = api.list(PODS, PodObject, labels=f"{RUN_LABEL}={run}").items
        if any(not evidence.over(pod, now) for pod in pods):
            return
    fleet_object.release_slot(api, context, run)


def control(
    api: Api, context: BackendContext, run: RunId, kind: ControlKind, actor: Actor, text: str
) -> None:
    """Append an order. Raises RunEnded."""
    now = datetime.now(UTC)

    def attempt() -> None:
        found = get(api, context.fleet, run)
        status = found.status
        if status.phase.final:
            raise RunEnded(f"Run {run} has ended: {status.phase.value}.", "`hive ls` shows what runs.")
        version = found.version
        if kind is ControlKind.STOP and evidence.startable(status):
            # Whoever may only give orders leaves this to the dispatcher.
            with suppress(Forbidden):
                version = _kill(api, found, actor, signs.of(api, run, events=False))
        given = typed.decode(found.raw, _Orders).control
        number = max((order.get("seq", 0) for order in given), default=0) + 1
        order = schema.clipped(Control(number, kind, actor, now, clean(text)))
        body = {"metadata": {"resourceVersion": version}, "spec": {"control": [*given, order]}}
        try:
            api.patch(AGENT_RUNS, run, body, AgentRunObject)
        except Conflict:
            if version == found.version:
                raise
            # It has ended by this order; that it is not in the list as well does no harm.

    until_won(attempt)


def settle(api: Api, context: BackendContext, run: RunId) -> None:
    """Mark a run's end as settled, with what the cluster knows of it: its pod does not stay."""

    def attempt() -> None:
        found = get(api, context.fleet, run)
        if found.status.phase.final and not found.status.settled:
            status = run_status.plain(found.status)
            if (why := _interrupted(api, found)) is not None:
                status = msgspec.structs.replace(status, why=why, evidence=status.why)
            write(api, found, status, settled=True)

    until_won(attempt)


def _interrupted(api: Api, found: Found) -> str | None:
    """See `evidence.interrupted`; nothing is asked about a run that knows why it ended."""
    if found.status.phase is not Phase.LOST:
        return None
    return evidence.interrupted(found.run, found.status, signs.of(api, found.run))


def write(api: Api, found: Found, status: RunStatus, **changes: Any) -> str:
    """Swap the status of an AgentRun; returns its new version. Raises Conflict."""
    new = run_status.after(found.status, status, datetime.now(UTC), **changes)
    body = run_status.body(found.run, found.version, new)
    written = api.replace(AGENT_RUNS, found.run, body, AgentRunObject, sub="status")
    return written.metadata.resource_version


def end(
    api: Api,
    found: Found,
    phase: Phase,
    why: str,
    *,
    evidence: str | None = None,
    problem: str | None = None,
) -> str:
    """Write a run's final record in its runner's place, with what its runner saved last."""
    now = datetime.now(UTC)
    ended = msgspec.structs.replace(
        run_status.plain(found.status),
        phase=phase,
        since=now,
        why=why,
        evidence=evidence,
        ended_at=now,
        until=None,
        agent_problem=problem,
    )
    return write(api, found, ended)


def gc(api: Api, fleet: str, *, before: datetime, dry_run: bool) -> list[str]:
    """Remove the Jobs of settled runs that ended before that moment, with their pods and logs, and those
    whose AgentRun is gone."""
    labels = f"{FLEET_LABEL}={fleet}"
    # Jobs first: the AgentRun of each that is listed now was there before it.
    every = api.list(JOBS, JobObject, labels=labels).items
    known = {each.metadata.name: each for each in api.list(AGENT_RUNS, AgentRunObject, labels=labels).items}
    lines = []
    for job in every:
        run = RunId(job.metadata.labels.get(RUN_LABEL, ""))
        stored = known.get(run)
        if not run or (stored is not None and not _old(_found(run, stored), before)):
            continue
        orphan = "" if stored is not None else ", an orphan"
        lines.append(f"{run}: Job {job.metadata.name}{orphan}, with its log")
        if not dry_run:
            with suppress(Conflict):
                api.delete(JOBS, job.metadata.name, uid=job.metadata.uid)
    return lines


def _old(found: Found, before: datetime) -> bool:
    status = found.status
    ended = status.ended_at or status.since
    return status.settled and status.phase.final and ended is not None and ended < before


def _kill(api: Api, found: Found, actor: Actor, seen: Signs) -> str:
    """End a run that no pod is. One that is about to register loses its swap, or wins and has its orders."""
    version = end(
        api, found, Phase.KILLED, f"by {actor}", evidence=f"stopped while it was {found.status.phase.value}"
    )
    _remove_job(api, found, seen, again=False)
    return version


def _remove_job(api: Api, found: Found, seen: Signs, *, again: bool) -> None:
    """Delete the run's current Job; one whose pod is over stays for a while, to be looked at, unless the run
    is to start again, which needs the name."""
    job = evidence.job_of(found.run, found.status, seen)
    pod = evidence.mine(found.run, found.status, seen)
    over = pod is not None and evidence.over(pod, datetime.now(UTC))
    if job is None or (over and not again):
        return
    # One that stays finds out from the AgentRun that it is not wanted, and `gc` removes it.
    with suppress(Conflict, Forbidden):
        api.delete(JOBS, job.metadata.name, uid=job.metadata.uid)


def _stopped_by(orders: tuple[Control, ...]) -> Actor | None:
    return next((order.actor for order in orders if order.kind is ControlKind.STOP), None)


def _found(run: RunId, found: AgentRunObject) -> Found:
    return Found(
        run,
        found.metadata.uid,
        found.metadata.resource_version,
        camel.decode(found.status, AgentRunStatus),
        bytes(found.status) not in (b"{}", b"null"),
        found.spec,
    )
