"""The fleet's log: Events of the cluster, about the Fleet or one of its runs.

`kubectl get events` shows them beside the cluster's own. The API server forgets them after a while (an hour,
unless it is told otherwise).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from backends import typed
from backends.clusters.kubernetes.api import EVENTS, Api
from backends.clusters.kubernetes.errors import AlreadyExists
from backends.clusters.kubernetes.objects import (
    API_VERSION,
    EVENT_ANNOTATION,
    FLEET_LABEL,
    RUN_LABEL,
    EventObject,
)
from hive_tui.core.model import Event
from hive_tui.core.text import clean, clean_line

MAX_MESSAGE = 1_024
"""Bytes that the API server takes."""

_SHORTEST = 4
"""Bytes of a character, at most."""


def of(found: EventObject) -> Event | None:
    """The line that an Event of the fleet is; its number is the version that the cluster gave it."""
    try:
        event = typed.decode(found.metadata.annotations.get(EVENT_ANNOTATION, ""), Event)
        seq = int(found.metadata.resource_version)
    except (msgspec.DecodeError, ValueError):
        return None
    return msgspec.structs.replace(
        event, seq=seq, kind=clean_line(event.kind, limit=40), text=clean(event.text, limit=MAX_MESSAGE)
    )


def record(api: Api, fleet: str, event: Event) -> None:
    """Append a line. The same line of the same moment is written once."""
    text = clean(event.text, limit=MAX_MESSAGE // _SHORTEST)
    stored = msgspec.json.encode(msgspec.structs.replace(event, seq=0, text=text))
    moment = event.at.astimezone(UTC)
    about = {"apiVersion": API_VERSION, "namespace": api.namespace}
    if event.run is not None:
        about |= {"kind": "AgentRun", "name": event.run}
    else:
        about |= {"kind": "Fleet", "name": fleet}
    labels = {FLEET_LABEL: fleet} | ({RUN_LABEL: event.run} if event.run is not None else {})
    second = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"hive-{fleet}.{_mark(moment)}.{hashlib.sha256(stored).hexdigest()[:16]}",
            "labels": labels,
            "annotations": {EVENT_ANNOTATION: stored.decode()},
        },
        "involvedObject": about,
        "type": "Warning" if event.kind in ("error", "lost", "failed") else "Normal",
        "reason": clean_line(event.kind, limit=100).title().replace(" ", "").replace("-", "") or "Said",
        "message": text,
        "source": {"component": "hive"},
        "firstTimestamp": second,
        "lastTimestamp": second,
        "count": 1,
    }
    try:
        api.create(EVENTS, body, EventObject)
    except AlreadyExists:
        return


def _mark(moment: datetime) -> str:
    """So that names stand in the order of their moments."""
    return format(int(moment.timestamp() * 1_000_000), "x")
