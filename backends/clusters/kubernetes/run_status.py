"""An AgentRun's status as it is written, and a run's last word where no API server takes it: pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from backends.clusters.kubernetes import camel, schema
from backends.clusters.kubernetes.objects import API_VERSION, AgentRunStatus, Condition
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus
from hive_tui.core.text import clean_line
from hive_tui.core.usage import condensed

LAST_WORD = 4_096
"""Bytes that the kubelet keeps of what a container leaves in its termination log."""

_SHORT = 300

_FEW = 6
"""Parts of a run's use that find room in its last word."""


def after(before: AgentRunStatus, reported: RunStatus, now: datetime, **changes: Any) -> AgentRunStatus:
    """What stands in the cluster once a run was reported: what only this backend needs stays as it was.

    `changes` are of those fields.
    """
    fields = {name: getattr(reported, name) for name in RunStatus.__struct_fields__}
    if reported.phase.final and reported.ended_at is None:
        fields["ended_at"] = now
    new = msgspec.structs.replace(before, **fields, **changes)
    return msgspec.structs.replace(new, conditions=_conditions(before.conditions, new, now))


def body(run: RunId, version: str, status: AgentRunStatus) -> dict[str, Any]:
    """For a PUT on the status of the AgentRun, as long as it has this `resourceVersion`."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AgentRun",
        "metadata": {"name": run, "resourceVersion": version},
        "status": schema.clipped(status),
    }


def plain(status: AgentRunStatus) -> RunStatus:
    """What every backend knows of a run."""
    return RunStatus(*(getattr(status, name) for name in RunStatus.__struct_fields__))


def last_word(status: RunStatus) -> bytes:
    """A status as JSON in at most LAST_WORD bytes; texts for people are cut first."""
    for shorter in (_whole, _brief, _bare):
        said = msgspec.json.encode(schema.clipped(shorter(status)))
        if len(said) <= LAST_WORD:
            return said
    raise AssertionError("what is left has bounds of its own")


def adopted(message: str | None) -> RunStatus | None:
    """The status that a runner left as its last word; None when it left none, or the kubelet kept the end
    of its output instead."""
    try:
        status = camel.decode((message or "").encode(), RunStatus)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return status if status.phase.final or status.parked else None


def _whole(status: RunStatus) -> RunStatus:
    return status


def _brief(status: RunStatus) -> RunStatus:
    """Without what the log has, too."""
    tests = status.tests and msgspec.structs.replace(
        status.tests, command=_cut(status.tests.command), summary=_cut(status.tests.summary)
    )
    return msgspec.structs.replace(
        status,
        why=_cut(status.why),
        evidence=_cut(status.evidence),
        agent_problem=_cut(status.agent_problem),
        tests=tests,
        used=tuple(
            msgspec.structs.replace(use, model=_cut(use.model, 64), session=_cut(use.session, 64))
            for use in condensed(status.used, _FEW)
        ),
        last_event=None,
        last_words=None,
    )


def _bare(status: RunStatus) -> RunStatus:
    return RunStatus(
        status.phase,
        since=status.since,
        why=_cut(status.why),
        agent_problem=_cut(status.agent_problem),
        started_at=status.started_at,
        ended_at=status.ended_at,
        until=status.until,
        base_sha=_cut(status.base_sha, 64),
        head=_cut(status.head, 64),
        wip=_cut(status.wip, 64),
        usage=status.usage,
    )


def _cut(text: Any, most: int = _SHORT) -> Any:
    """The beginning of a text."""
    return text and clean_line(text, limit=most)


def _conditions(
    before: tuple[Condition, ...], status: AgentRunStatus, now: datetime
) -> tuple[Condition, ...]:
    phase, why = status.phase, status.why or ""
    reason = "".join(word.capitalize() for word in phase.value.split("-"))
    wanted = [Condition("Finished", str(phase.final), now, reason, why)]
    if phase.final:
        wanted.append(Condition("Succeeded", str(phase is Phase.SUCCEEDED), now, reason, why))
    if status.pod is not None:
        wanted.insert(0, Condition("Registered", "True", now, "PodRegistered", status.pod.name))
    known = {each.type: each for each in before}
    return tuple(_since(known.get(each.type), each) for each in wanted)


def _since(before: Condition | None, now: Condition) -> Condition:
    """With the time at which its status came to be what it is."""
    if before is None or (before.status, before.reason) != (now.status, now.reason):
        return now
    return msgspec.structs.replace(now, last_transition_time=before.last_transition_time)
