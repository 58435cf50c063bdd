"""An API server that has one AgentRun and nothing else: compare-and-swap, a watch, outages to order."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from backends.clusters.kubernetes import camel
from backends.clusters.kubernetes.api import Api, Listing
from backends.clusters.kubernetes.errors import Conflict, NotFound, Unreachable
from backends.clusters.kubernetes.objects import AgentRunStatus
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Actor, ActorKind, Control, ControlKind
from hive_tui.core.ports import Job


class OneRun:
    """Stands in for an `Api`, as far as a run's own pod asks."""

    server, namespace, context = "https://fake", "agents", None

    def __init__(self, work: Job) -> None:
        self._changed = threading.Condition()
        self._spec: dict[str, Any] = {"work": camel.to_camel(work), "control": []}
        self._status: dict[str, Any] = {}
        self._version, self._generation, self._gone = 1, 1, False
        self._watchers: list[queue.Queue[bytes | None]] = []
        self.writes: list[tuple[float, AgentRunStatus]] = []
        """When, and what."""
        self.down = threading.Event()
        """Nothing gets through while it is set."""
        self.refusing: HiveError | None = None
        """What every call is refused with."""
        self.losing = 0
        """So many writes take place, and their answers are lost."""

    @property
    def api(self) -> Api:
        return cast(Api, self)

    @property
    def status(self) -> AgentRunStatus:
        return camel.decode(json.dumps(self._status).encode(), AgentRunStatus)

    def order(self, kind: ControlKind, text: str = "") -> None:
        with self._changed:
            control = self._spec["control"]
            anna = Actor(ActorKind.PERSON, "anna")
            control.append(camel.to_camel(Control(len(control) + 1, kind, anna, datetime.now(UTC), text)))
            self._generation += 1
            self._say("MODIFIED")

    def write(self, status: AgentRunStatus) -> None:
        """As somebody else."""
        with self._changed:
            self._status = camel.to_camel(status)
            self._say("MODIFIED")

    def remove(self) -> None:
        with self._changed:
            self._gone = True
            self._say("DELETED")

    # What an Api does

    def get(self, resource: object, name: str, kind: type[Any], **_: Any) -> Any:
        self._reach()
        with self._changed:
            if self._gone:
                raise NotFound("There is no such AgentRun.")
            return msgspec.json.decode(self._object(), type=kind)

    def replace(
        self, resource: object, name: str, body: Mapping[str, Any], kind: type[Any], *, sub: str = ""
    ) -> Any:
        self._reach()
        assert sub == "status"
        with self._changed:
            if self._gone:
                raise NotFound("There is no such AgentRun.")
            if body["metadata"]["resourceVersion"] != str(self._version):
                raise Conflict("It was changed.")
            self._status = json.loads(msgspec.json.encode(body["status"]))
            self.writes.append((time.monotonic(), self.status))
            self._say("MODIFIED")
            if self.losing:
                self.losing -= 1
                raise Unreachable("The connection was closed.")
            return msgspec.json.decode(self._object(), type=kind)

    def list(self, resource: object, kind: type[Any], **_: Any) -> Listing[Any]:
        self._reach()
        with self._changed:
            items = () if self._gone else (msgspec.json.decode(self._object(), type=kind),)
            return Listing(items, str(self._version))

    def stream(self, resource: object, name: str = "", **_: Any) -> _Watch:
        self._reach()
        with self._changed:
            lines: queue.Queue[bytes | None] = queue.Queue()
            self._watchers.append(lines)
        return _Watch(lines)

    def _reach(self) -> None:
        if self.down.is_set():
            raise Unreachable("fake does not answer.")
        if self.refusing is not None:
            raise self.refusing

    def _object(self) -> bytes:
        meta = {"name": self._spec["work"]["spec"]["id"], "resourceVersion": str(self._version)}
        whole = {"metadata": {**meta, "generation": self._generation}}
        return msgspec.json.encode({**whole, "spec": self._spec, "status": self._status})

    def _say(self, kind: str) -> None:
        self._version += 1
        line = b'{"type":"%s","object":%s}' % (kind.encode(), self._object())
        for watcher in self._watchers:
            watcher.put(line)


class _Watch:
    def __init__(self, lines: queue.Queue[bytes | None]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[bytes]:
        while (line := self._lines.get()) is not None:
            yield line

    def close(self) -> None:
        self._lines.put(None)
