"""What the cluster knows of a run, as a person reads it: its AgentRun, Jobs and pods, and their events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from backends.clusters.kubernetes import runs, signs
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.objects import (
    AgentRunSpec,
    AgentRunStatus,
    ContainerStatus,
    EventObject,
    JobObject,
    KubeCondition,
    Meta,
    PodObject,
)
from hive_tui.core import text
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Section
from hive_tui.core.text import clean_line

MAX_EVENTS = 40
MAX_WORDS = 400

_WIDTH = 14
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def describe(api: Api, fleet: str, run: RunId) -> tuple[Section, ...]:
    """Raises UsageError for an unknown run."""
    found = runs.get(api, fleet, run)
    seen = signs.of(api, run, events=False)
    happened = signs.about(api, seen.jobs, seen.pods)
    sections = [Section("AgentRun", _agent_run(api, run, found.version, found.spec, found.status))]
    sections += [Section("Job", _job(job)) for job in seen.jobs]
    sections += [Section("Pod", _pod(pod)) for pod in seen.pods]
    return (*sections, Section("Events", _events(happened)))


def _agent_run(api: Api, run: RunId, version: str, spec: AgentRunSpec, status: AgentRunStatus) -> str:
    orders = [
        f"{_moment(order.at)}  {order.kind.value} by {order.actor}{': ' if order.text else ''}{order.text}"
        for order in spec.control
    ]
    return _lines(
        ("name", f"{api.namespace}/{run}"),
        ("version", version),
        ("phase", status.phase.value + (f": {status.why}" if status.why else "")),
        ("evidence", status.evidence),
        ("since", _moment(status.since)),
        ("pod", f"{status.pod.name} ({status.pod.uid})" if status.pod is not None else "none has registered"),
        ("starts", str(status.starts)),
        ("settled", "yes" if status.settled else "no"),
        *(
            (
                "condition",
                f"{each.type} {each.status}: {_joined(each.reason, each.message)}, "
                f"{_moment(each.last_transition_time)}",
            )
            for each in status.conditions
        ),
        *(("order", order) for order in orders),
    )


def _job(job: JobObject) -> str:
    status = job.status
    return _lines(
        *_meta(job.metadata),
        ("pods", f"{status.active} active, {status.succeeded} succeeded, {status.failed} failed"),
        *_conditions(status.conditions),
    )


def _pod(pod: PodObject) -> str:
    status = pod.status
    reason = f": {_joined(status.reason, status.message)}" if status.reason else ""
    return _lines(
        *_meta(pod.metadata),
        ("node", pod.spec.node_name or "none yet"),
        ("phase", f"{status.phase}{reason}"),
        *(
            (each.name, _container(each))
            for each in (*status.init_container_statuses, *status.container_statuses)
        ),
        *_conditions(status.conditions),
    )


def _meta(meta: Meta) -> Iterable[tuple[str, str | None]]:
    yield "name", meta.name
    yield "created", _moment(meta.creation_timestamp)
    if meta.deletion_timestamp is not None:
        yield "deleted by", _moment(meta.deletion_timestamp)


def _container(container: ContainerStatus) -> str:
    state, last = container.state, container.last_state.terminated
    if state.running is not None:
        words = f"running since {_moment(state.running.started_at)}"
    elif state.terminated is not None:
        end = state.terminated
        words = (
            f"ended with {end.exit_code}{f', {end.reason}' if end.reason else ''} {_moment(end.finished_at)}"
        )
    elif state.waiting is not None:
        words = _joined("waiting:", state.waiting.reason, state.waiting.message)
    else:
        words = "not started"
    if container.restart_count:
        before = f", before that {_joined(str(last.exit_code), last.reason)}" if last is not None else ""
        words += f"; started again {container.restart_count} times{before}"
    return f"{words} ({container.image})" if container.image else words


def _conditions(conditions: Iterable[KubeCondition]) -> Iterable[tuple[str, str]]:
    for each in conditions:
        why = _joined(each.reason, each.message)
        yield "condition", f"{each.type} {each.status}{f': {why}' if why else ''}"


def _events(found: Iterable[EventObject]) -> str:
    ordered = sorted(found, key=lambda event: event.moment or _LONG_AGO)
    lines = []
    for event in ordered[-MAX_EVENTS:]:
        times = f" (x{event.count})" if event.count and event.count > 1 else ""
        about = f"{event.involved_object.kind} {event.involved_object.name}"
        words = f"{event.type} {event.reason}{times}, {about}: {event.message}"
        lines.append(f"{_moment(event.moment)}  {clean_line(words, limit=MAX_WORDS)}")
    return "\n".join(lines) or "none that the cluster remembers"


def _moment(moment: datetime | None) -> str:
    return text.UNKNOWN if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part)


def _lines(*rows: tuple[str, str | None]) -> str:
    """One line for each thing that is known, made harmless."""
    return "\n".join(
        f"{clean_line(label, limit=40):<{_WIDTH}}{clean_line(words, limit=MAX_WORDS)}".rstrip()
        for label, words in rows
        if words is not None
    )
