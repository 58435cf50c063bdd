"""What a run's Job, pod and events say of it, in the cluster's own words. Pure.

Phases stand in the AgentRun; whether there is still a process behind them, what keeps one from starting and
what ended it is read off the cluster's objects here, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from backends.clusters.kubernetes.objects import (
    NOT_REGISTERED,
    RUNNER,
    AgentRunStatus,
    ContainerStatus,
    EventObject,
    JobObject,
    KubeCondition,
    PodObject,
    job_name,
)
from hive_tui.core.cluster_facts import Place
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, Process, RunStatus
from hive_tui.core.ports import ENDED_FROM_OUTSIDE
from hive_tui.core.text import clean_line

START_LIMIT = timedelta(minutes=5)
"""How long what cannot work by itself (an image, a secret) is waited for: somebody may be mending it."""

REFUSED_FOR = timedelta(seconds=30)
"""How long a Job may be without the pod that a quota refuses it. It tries again ever more seldom, so that the
run is better off in the queue: as soon as there is room it gets another Job."""

DELETED_FOR = timedelta(minutes=1)
"""How long after its grace period a pod may still be there before its node is taken to be lost."""

MAX_WORDS = 600

_NO_IMAGE = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"),
        "RegistryUnavailable",
    }
)
"""Why a container waits whose image cannot be fetched."""

_STUCK = _NO_IMAGE | frozenset(
    {
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
        *("CrashLoopBackOff", "StartError", "ContainerCannotRun"),
    }
)
"""Why a container waits, where waiting alone does not help."""

_MOUNTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"})

_DISRUPTED = {
    "PreemptionByScheduler": "preempted by a pod of a higher priority",
    "DeletionByTaintManager": "its node was lost",
    "DeletionByPodGC": "its node is gone",
    "EvictionByEvictionAPI": "evicted from its node",
    "TerminationByKubelet": "ended by its node",
}
"""A pod's condition DisruptionTarget, by its reason."""


_TAKEN = frozenset({"Evicted", "Preempted", "NodeNotReady"})
"""Reasons of events about a pod that the cluster takes away."""


class Signs(msgspec.Struct, frozen=True):
    """All that the cluster has of one run."""

    jobs: tuple[JobObject, ...] = ()
    pods: tuple[PodObject, ...] = ()
    events: tuple[EventObject, ...] = ()
    """Warnings about its Jobs and pods."""
    silent: frozenset[str] = frozenset()
    """Nodes that are known not to answer."""


class Finding(msgspec.Struct, frozen=True):
    """What the signs say of a run's process."""

    process: Process
    place: Place | None = None
    why: str | None = None
    """What keeps a run that has not begun from it."""
    again: datetime | None = None
    """When time alone may change this."""
    no_image: bool = False
    """What keeps it is an image that cannot be fetched."""


class Cause(msgspec.Struct, frozen=True):
    """Why a run has no process any more."""

    words: str
    problem: bool = False
    """The fleet's own pods cannot work: the next start would end the same way."""
    disrupted: bool = False
    """The cluster took it away, for no fault of the run."""


class _Obstacle(msgspec.Struct, frozen=True):
    words: str
    lasting: bool
    """It does not go away by waiting."""
    no_image: bool = False


def look(run: RunId, status: AgentRunStatus, signs: Signs, now: datetime) -> Finding:
    """Whether a run has a process, where, and what stands in its way."""
    if status.phase.final:
        there = any(not over(pod, now) for pod in signs.pods)
        never = status.pod is None and not signs.pods
        gone = Process.NONE if never else Process.GONE
        place = _place(status, mine(run, status, signs), signs)
        return Finding(Process.ALIVE if there else gone, place, again=_again(signs.pods) if there else None)
    if startable(status):
        return _look_at_start(run, status, signs, now)
    pod = mine(run, status, signs)
    if pod is None:
        return Finding(Process.GONE, _place(status, None, signs))
    place = _place(status, pod, signs)
    if _lost(pod, now) or over(pod, now) or _ended(pod) is not None:
        return Finding(Process.GONE, place)
    process = Process.UNKNOWN if _silent(pod, signs) else Process.ALIVE
    return Finding(process, place, again=_again((pod,)))


def startable(status: RunStatus) -> bool:
    """Whether a pod may still become the run's."""
    return status.phase is Phase.QUEUED or status.parked


def current(run: RunId, status: AgentRunStatus) -> str:
    """The name of the Job that the run is in, or would be in if it were started."""
    return job_name(run, status.starts if startable(status) else max(0, status.starts - 1))


def mine(run: RunId, status: AgentRunStatus, signs: Signs) -> PodObject | None:
    """The pod that is the run, or the one that is about to become it."""
    if status.pod is not None and not startable(status):
        return next((pod for pod in signs.pods if pod.metadata.uid == status.pod.uid), None)
    job = job_of(run, status, signs)
    if job is None:
        return None
    uid = job.metadata.uid
    owned = [pod for pod in signs.pods if any(owner.uid == uid for owner in pod.metadata.owner_references)]
    return max(owned, key=_age, default=None)


def job_of(run: RunId, status: AgentRunStatus, signs: Signs) -> JobObject | None:
    """The Job that the run is in, or is about to be."""
    name = current(run, status)
    return next((job for job in signs.jobs if job.metadata.name == name), None)


def over(pod: PodObject, now: datetime) -> bool:
    """Whether nothing of a pod runs any more, as far as that can be known."""
    return pod.status.phase in ("Succeeded", "Failed") or _lost(pod, now)


def cause(run: RunId, status: AgentRunStatus, signs: Signs) -> Cause:
    """Why a run without a process has none, from what is left of it."""
    pod, job = mine(run, status, signs), job_of(run, status, signs)
    failed = _condition(job.status.conditions, "Failed") if job is not None else None
    if failed is not None and failed.reason == "DeadlineExceeded":
        return Cause("it took longer than its Job may (activeDeadlineSeconds)")
    if pod is not None:
        found = _cause_in_pod(pod)
        if found is not None:
            return _before_it_began(pod, found) if startable(status) else found
    if startable(status):
        obstacle = _obstacle(job, pod, signs.events)
        if obstacle is not None:
            return Cause(obstacle.words, problem=obstacle.lasting, disrupted=not obstacle.lasting)
    for event in sorted(signs.events, key=_at, reverse=True):
        if event.involved_object.kind == "Pod" and event.reason in _TAKEN:
            return _taken(event)
    if job is None:
        return Cause("its Job was deleted", disrupted=True)
    return Cause("its pod was deleted", disrupted=True)


def interrupted(run: RunId, status: AgentRunStatus, signs: Signs) -> str | None:
    """Why a run was ended that knows of a signal only, as far as its pod or the cluster's events tell."""
    pod = mine(run, status, signs)
    unknown = status.phase is Phase.LOST and (status.why or "").startswith(ENDED_FROM_OUTSIDE)
    if pod is None or not unknown:
        return None
    own = [event for event in signs.events if event.involved_object.uid == pod.metadata.uid]
    found = _cause_in_pod(pod)
    for event in sorted(own, key=_at, reverse=True):
        if event.reason in _TAKEN and pod.status.reason is None:
            return _taken(event).words
    return None if found is None or not found.disrupted else found.words


def _before_it_began(pod: PodObject, found: Cause) -> Cause:
    """The same for a runner that never was its run: no attempt is spent on what is not the issue's fault."""
    ended = _ended(pod)
    end = None if ended is None else ended.state.terminated
    if found.problem or found.disrupted or end is None or end.reason != "Error" or end.exit_code > 128:
        return found
    # Without a last word the kubelet keeps the end of what it printed.
    said = [line for line in (end.message or "").splitlines() if line.strip()]
    if end.exit_code == NOT_REGISTERED and said:
        return Cause(_words(said[-1]), disrupted=True)
    words = _words(": ".join([f"{found.words} before it began", *said[-1:]]))
    return Cause(words, problem=True)


def last_word(pod: PodObject) -> str | None:
    """What the runner left as its termination message."""
    ended = _ended(pod)
    return None if ended is None or ended.state.terminated is None else ended.state.terminated.message


def _look_at_start(run: RunId, status: AgentRunStatus, signs: Signs, now: datetime) -> Finding:
    pod, job = mine(run, status, signs), job_of(run, status, signs)
    if job is None:
        # What is still being ended may be the pod of the run's time before it waited, or of a deleted Job.
        ending = [other for other in signs.pods if not over(other, now)]
        if not ending:
            return Finding(Process.NONE)
        return Finding(Process.ALIVE, _place(status, ending[0], signs), again=_again(ending))
    place = None if pod is None else _place(status, pod, signs)
    ended = any(_condition(job.status.conditions, kind) for kind in ("Failed", "Complete"))
    if ended or (pod is not None and (over(pod, now) or _ended(pod) is not None)):
        return Finding(Process.GONE, place)
    obstacle = _obstacle(job, pod, signs.events)
    if obstacle is None:
        if pod is not None and _silent(pod, signs):
            return Finding(Process.UNKNOWN, place)
        return Finding(Process.ALIVE, place)
    if place is not None:
        place = msgspec.structs.replace(place, condition=obstacle.words)
    since = job.metadata.creation_timestamp if pod is None else pod.metadata.creation_timestamp
    if since is None or not (obstacle.lasting or pod is None):
        return Finding(Process.ALIVE, place, obstacle.words)
    limit = since + (START_LIMIT if obstacle.lasting else REFUSED_FOR)
    if now >= limit:
        return Finding(Process.GONE, place, obstacle.words, no_image=obstacle.no_image)
    return Finding(Process.ALIVE, place, obstacle.words, again=limit, no_image=obstacle.no_image)


def _obstacle(
    job: JobObject | None, pod: PodObject | None, events: Iterable[EventObject]
) -> _Obstacle | None:
    """What keeps a pod that is to start from it."""
    if pod is None:
        refused = _newest(events, job, frozenset({"FailedCreate"}))
        return None if refused is None else _refused(refused)
    scheduled = _condition(pod.status.conditions, "PodScheduled", "False")
    if scheduled is not None:
        # What the scheduler also tried makes the line long and helps nobody.
        words = re.split(r"\s*(?:no new claims to deallocate|preemption:)", scheduled.message or "")[0]
        return _Obstacle(_words(words.rstrip(" ,") or scheduled.reason or "it is not scheduled"), False)
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = container.state.waiting
        if waiting is not None and waiting.reason in _STUCK:
            words = _words(f"{container.name}: {waiting.reason}: {waiting.message or ''}")
            return _Obstacle(words, True, waiting.reason in _NO_IMAGE)
        if container.name != RUNNER and container.restart_count and container.state.running is None:
            return _Obstacle(_restarts(container), True)
    begun = any(container.state.running for container in pod.status.init_container_statuses)
    mount = None if begun else _newest(events, pod, _MOUNTS)
    return None if mount is None else _Obstacle(_words(mount.message), True)


def _refused(event: EventObject) -> _Obstacle:
    """A pod that the API server did not take, without the name that it would have had."""
    words = re.sub(r'^Error creating: (?:pods? "[^"]*" is forbidden: )?', "", event.message)
    return _Obstacle(_words(words), lasting="exceeded quota" not in words)


def _cause_in_pod(pod: PodObject) -> Cause | None:
    status = pod.status
    disrupted = _condition(status.conditions, "DisruptionTarget")
    if status.reason == "Evicted":
        return Cause(_words(f"evicted: {status.message or ''}"), disrupted=True)
    if disrupted is not None:
        plain = _DISRUPTED.get(disrupted.reason or "", disrupted.reason or "disrupted")
        node = f" ({pod.spec.node_name})" if pod.spec.node_name else ""
        return Cause(_words(f"{plain}{node}: {disrupted.message or ''}"), disrupted=True)
    if status.reason is not None:
        return Cause(_words(f"{status.reason}: {status.message or ''}"), disrupted=True)
    runner = _ended(pod)
    if runner is not None and runner.state.terminated is not None:
        end = runner.state.terminated
        if end.reason == "OOMKilled":
            return Cause("its runner was out of memory (OOMKilled)")
        if end.reason in _STUCK:
            return Cause(_words(f"{runner.name}: {end.reason}: {end.message or ''}"), problem=True)
        if pod.metadata.deletion_timestamp is not None:
            return Cause("its pod was deleted", disrupted=True)
        if end.reason == "ContainerStatusUnknown":
            return Cause("its node does not know what became of it", disrupted=True)
        signal = f", signal {end.signal}" if end.signal else ""
        return Cause(f"its runner ended with exit status {end.exit_code}{signal}")
    if pod.metadata.deletion_timestamp is not None:
        return Cause("its pod was deleted", disrupted=True)
    return None


def _taken(event: EventObject) -> Cause:
    return Cause(_words(f"{event.reason.lower()}: {event.message}"), disrupted=True)


def _place(status: AgentRunStatus, pod: PodObject | None, signs: Signs) -> Place | None:
    if pod is None:
        return None if status.pod is None else Place(status.pod.name)
    containers = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    restarts = sum(container.restart_count for container in containers)
    return Place(pod.metadata.name, pod.spec.node_name, restarts, _condition_of(status, pod, signs))


def _condition_of(status: AgentRunStatus, pod: PodObject, signs: Signs) -> str | None:
    """What is wrong with a pod that has begun."""
    if status.phase is Phase.SUCCEEDED:
        return None
    if pod.status.phase not in ("Pending", "Running") or _ended(pod) is not None:
        # Somebody who ended the run ended its pod, and a run that ended by itself exits with 0.
        ended = _ended(pod)
        well = (
            ended is not None and ended.state.terminated is not None and not ended.state.terminated.exit_code
        )
        found = None if well or status.phase is Phase.KILLED else _cause_in_pod(pod)
        return None if found is None else found.words
    if _silent(pod, signs):
        return _words(f"its node {pod.spec.node_name} does not answer")
    if pod.metadata.deletion_timestamp is not None:
        found = _cause_in_pod(pod)
        return "it is being ended" if found is None else f"it is being ended: {found.words}"
    for container in pod.status.init_container_statuses:
        if container.restart_count or container.state.terminated is not None:
            return _restarts(container)
    return None


def _restarts(container: ContainerStatus) -> str:
    """A container beside the runner that ended, or was started again."""
    end = container.state.terminated or container.last_state.terminated
    if end is None:
        how = "ended"
    elif end.reason == "OOMKilled":
        how = "out of memory (OOMKilled)"
    else:
        how = f"ended with exit status {end.exit_code}"
    times = container.restart_count
    again = "" if not times else f", started again {'once' if times == 1 else f'{times} times'}"
    return _words(f"{container.name}: {how}{again}")


def _silent(pod: PodObject, signs: Signs) -> bool:
    """Whether a pod's node does not answer: a kubelet says why a pod of its is not ready, what marks
    the pods of a lost node gives none."""
    if pod.spec.node_name in signs.silent or pod.status.phase == "Unknown":
        return True
    unready = _condition(pod.status.conditions, "Ready", "False")
    return unready is not None and unready.reason is None and pod.status.phase == "Running"


def _lost(pod: PodObject, now: datetime) -> bool:
    """Whether a pod was given up with its node: nobody is there who could end it."""
    deleted = pod.metadata.deletion_timestamp
    if deleted is None:
        return False
    # It is set to the end of the grace period, not to the moment of the order.
    return now >= deleted + DELETED_FOR


def _again(pods: Iterable[PodObject]) -> datetime | None:
    """When pods that are being deleted are given up."""
    deleted = [pod.metadata.deletion_timestamp for pod in pods if pod.metadata.deletion_timestamp is not None]
    return min(deleted) + DELETED_FOR if deleted else None


def _ended(pod: PodObject) -> ContainerStatus | None:
    """The runner, if it has ended. The containers beside it may take a while longer."""
    for container in pod.status.container_statuses:
        if container.name == RUNNER and container.state.terminated is not None:
            return container
    return None


def _condition(conditions: Iterable[KubeCondition], kind: str, status: str = "True") -> KubeCondition | None:
    return next((one for one in conditions if one.type == kind and one.status == status), None)


def _newest(
    events: Iterable[EventObject], about: JobObject | PodObject | None, reasons: frozenset[str]
) -> EventObject | None:
    if about is None:
        return None
    uid = about.metadata.uid
    found = [event for event in events if event.reason in reasons and event.involved_object.uid == uid]
    return max(found, key=_at, default=None)


def _at(event: EventObject) -> float:
    return 0.0 if event.moment is None else event.moment.timestamp()


def _age(pod: PodObject) -> float:
    return 0.0 if pod.metadata.creation_timestamp is None else pod.metadata.creation_timestamp.timestamp()


def _words(text: str) -> str:
    return clean_line(text, limit=MAX_WORDS).strip().rstrip(":,").strip()
