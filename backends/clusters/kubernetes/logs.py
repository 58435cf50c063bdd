"""A run's event log, read from its pods: what its runner printed, in order of its numbers, whatever breaks.

The runner writes each line of the log to its standard output, too; what else is there (a traceback) is shown
only where a run never said a line. The cluster keeps the last 10 MiB or so of what a pod printed (the
kubelet's `containerLogMaxSize`), and nothing of a pod that was deleted: what is missing is said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from backends.clusters.event_log import decode
from backends.clusters.kubernetes import camel
from backends.clusters.kubernetes.api import AGENT_RUNS, PODS, Api, Resource, selectors
from backends.clusters.kubernetes.errors import Invalid, NotFound, Unreachable
from backends.clusters.kubernetes.objects import (
    RUN_LABEL,
    RUNNER,
    WORK,
    AgentRunObject,
    AgentRunStatus,
    ContainerStatus,
    PodObject,
)
from hive_tui.core.errors import UsageError
from hive_tui.core.events import LogLine, Note, Raw
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase
from hive_tui.core.text import Redactor, clean

if TYPE_CHECKING:
    from backends.clusters.kubernetes.stream import Stream

IDLE_SECONDS = 120.0
"""Without a line it is asked again; that a connection is dead the system finds out sooner."""

WATCH_SECONDS = 300

PAUSES = (0.25, 10.0)
"""Seconds before a stream that ended is opened again: the least, and the most after several in vain."""

GIVEN_UP = 3
"""Tries to read what an ended run's pod still has, while its node does not answer."""

_AHEAD = 5_000
"""Lines that are read before somebody takes them."""

_STRAY = 200
"""Lines kept of what is no line of the log."""

_LOOK = 0.25

_WAITED = 0.0005
"""Seconds: a line that took longer was the last that had come."""

_HANDFUL = 0.1
"""Seconds in which others may come."""

_redact = Redactor()

_NEVER = datetime.max.replace(tzinfo=UTC)


def read(
    api: Api, run: RunId, *, after: int = 0, follow: bool = False, stop: threading.Event | None = None
) -> Iterator[LogLine]:
    """The lines with a higher number than `after`; with `follow` until the run has ended and all was read.

    Raises HiveError where it cannot be read; while it is followed, an outage is waited out.
    """
    reader = _Reader(api, run, after, follow)
    thread = threading.Thread(target=reader.work, name=f"log-{run}", daemon=True)
    thread.start()
    try:
        while (lines := reader.take(stop)) is not None:
            yield from lines
    finally:
        reader.close()


def previous(api: Api, run: RunId) -> Iterator[LogLine]:
    """The last words of the container where the agent works before it was started again; the runner never is.

    Raises UsageError when it was not.
    """
    for pod in reversed(_pods(api, run)):
        found = _container(pod, WORK)
        if found is not None and found.restart_count:
            query = {"container": WORK, "previous": "true", "timestamps": "true", "tailLines": "2000"}
            lines = api.stream(PODS, pod.metadata.name, sub="log", query=query, idle=20.0)
            return (_stamped(number, line) for number, line in enumerate(lines, 1))
    raise UsageError(f"No container of run {run} was started again.", "`hive logs` shows its log.")


def _stamped(number: int, line: bytes) -> LogLine:
    stamp, _, text = line.partition(b" ")
    try:
        at = msgspec.json.decode(b'"%s"' % stamp, type=datetime)
    except msgspec.DecodeError:
        at, text = datetime.now(UTC), line
    return LogLine(number, at, _raw(text))


def _raw(text: bytes) -> Raw:
    return Raw(text=_redact(clean(text.decode("utf-8", "replace"))))


class _Reader:
    """Reads in a thread of its own, since nothing wakes one that waits for a server."""

    def __init__(self, api: Api, run: RunId, after: int, follow: bool) -> None:
        self._api, self._run, self._follow = api, run, follow
        self._last = after
        self._at: datetime | None = None
        """When line `_last` was said; None where it was not read here."""
        self._heard = False
        """Some line of the log was seen."""
        self._stray: deque[bytes] = deque(maxlen=_STRAY)
        self._from: str | None = None
        """The pod that said it."""
        self._read_out: set[str] = set()
        """Pods that have nothing more to say."""
        self._gone: set[str] = set()
        self._changed = threading.Condition()
        self._lines: list[LogLine] = []
        self._ended = False
        self._failed: BaseException | None = None
        self._over = threading.Event()
        self._stream: Stream | None = None

    # The side of whoever reads

    def take(self, stop: threading.Event | None) -> list[LogLine] | None:
        """What has come since the last time, at least one line; None at the end. Raises HiveError."""
        with self._changed:
            while not self._lines:
                if stop is not None and stop.is_set():
                    return None
                if self._ended:
                    if self._failed is not None:
                        raise self._failed
                    return None
                self._changed.wait(None if stop is None else _LOOK)
            lines, self._lines = self._lines, []
            self._changed.notify_all()
            return None if stop is not None and stop.is_set() else lines

    def close(self) -> None:
        with self._changed:
            self._over.set()
            stream = self._stream
            self._changed.notify_all()
        if stream is not None:
            stream.close()

    # The side of the cluster

    def work(self) -> None:
        try:
            self._work()
        except BaseException as error:  # raised where somebody waits for lines
            self._failed = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _work(self) -> None:
        failures = 0
        known = False
        while not self._over.is_set():
            before, final = self._last, False
            try:
                try:
                    run = self._api.get(AGENT_RUNS, self._run, AgentRunObject)
                except NotFound:
                    if not known:
                        raise
                    return
                known = True
                status = camel.decode(run.status, AgentRunStatus)
                final = status.phase.final
                running = self._read_pods(_at_work(status))
                if not self._follow or (final and (not running or failures >= GIVEN_UP)):
                    self._finish(status, running)
                    return
                if not running and not final:
                    self._wait_for_change(run.metadata.resource_version)
                failures = failures + 1 if running and self._last == before else 0
            except Unreachable:
                failures = failures + 1 if self._last == before else 1
                if failures >= GIVEN_UP and (final or not self._follow):
                    raise
                if self._over.is_set():
                    return
            if failures:
                self._over.wait(min(PAUSES[1], PAUSES[0] * 2 ** min(failures - 1, 10)))

    def _read_pods(self, at_work: bool) -> bool:
        """Read what pods have to say, the oldest first; True while one of them may say more soon."""
        running = False
        for pod in _pods(self._api, self._run):
            if pod.metadata.uid in self._read_out:
                continue
            state = _container(pod, RUNNER)
            if state is None or state.state.waiting is not None:
                # A runner that is at work is seen as such only when its node has said so.
                running |= at_work and pod.status.phase == "Pending"
                continue
            self._pod(pod, whole=pod.metadata.uid != self._from)
            if state.state.terminated is not None or pod.metadata.uid in self._gone:
                self._read_out.add(pod.metadata.uid)
            else:
                running = True
        return running

    def _pod(self, pod: PodObject, *, whole: bool) -> None:
        """Read one pod's log, to its end if it is followed."""
        query = {"container": RUNNER}
        if self._follow:
            query["follow"] = "true"
        if not whole and self._at is not None:
            query["sinceTime"] = f"{self._at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        elif not self._heard:
            self._stray.clear()
        try:
            stream = self._open(PODS, pod.metadata.name, "log", query)
        except NotFound:
            self._gone.add(pod.metadata.uid)
            return
        except Invalid:  # it is not started yet, or its container was removed
            return
        for raw in self._paced(stream):
            line = decode(raw)
            if line is None:
                self._stray.append(raw)
                continue
            self._heard = True
            if line.n <= self._last:
                continue
            if line.n > self._last + 1 and not whole:
                # Not all came that was said since; the beginning tells whether it is still there.
                stream.close()
                self._pod(pod, whole=True)
                return
            self._put(line)
            self._at, self._from = line.at, pod.metadata.uid
            if self._over.is_set():
                stream.close()
                return

    def _paced(self, stream: Stream) -> Iterator[bytes]:
        """The lines as they come, but in handfuls: to be woken for each one costs more than to read it."""
        lines = iter(stream)
        while True:
            asked = time.monotonic()
            line = next(lines, None)
            if line is None:
                return
            waited = time.monotonic() - asked
            yield line
            if waited > _WAITED:
                self._over.wait(_HANDFUL)

    def _open(self, resource: Resource, name: str, sub: str, query: dict[str, str]) -> Stream:
        stream = self._api.stream(resource, name, sub=sub, query=query, idle=IDLE_SECONDS)
        with self._changed:
            self._stream = stream
        if self._over.is_set():
            stream.close()
        return stream

    def _wait_for_change(self, version: str) -> None:
        """Until something happens to the run: it is registered by a pod, or ends."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS)}
        query |= selectors("", f"metadata.name={self._run}")
        stream = self._open(AGENT_RUNS, "", "", query)
        for _ in stream:
            stream.close()
            return

    def _finish(self, status: AgentRunStatus, running: bool) -> None:
        if not self._heard and not status.lines:
            # A runner that broke at its start said why, but not as a line of its log.
            now = datetime.now(UTC)
            for number, raw in enumerate(self._stray, 1):
                if number > self._last:
                    self._put(LogLine(number, now, _raw(raw)))
        elif status.lines > self._last and not running:
            self._missing(status.lines, status.ended_at or status.since or datetime.now(UTC))

    def _put(self, line: LogLine) -> None:
        if line.n > self._last + 1:
            self._missing(line.n - 1, line.at)
        with self._changed:
            self._last = line.n
            self._lines.append(line)
            if len(self._lines) == 1:
                self._changed.notify_all()
            while len(self._lines) >= _AHEAD and not self._over.is_set():
                self._changed.wait(_LOOK)

    def _missing(self, last: int, at: datetime) -> None:
        """Say that the lines after the last one, up to this one, cannot be had."""
        which = f"line {last} is" if last == self._last + 1 else f"lines {self._last + 1} to {last} are"
        why = "the cluster keeps only the end of what a pod says, and nothing of a pod that was deleted"
        said = Note(text=f"{which} not there any more: {why}")
        with self._changed:
            self._last = last
            self._lines.append(LogLine(last, at, said))
            self._changed.notify_all()


def _at_work(status: AgentRunStatus) -> bool:
    return not (status.phase.final or status.parked or status.phase is Phase.QUEUED)


def _pods(api: Api, run: RunId) -> list[PodObject]:
    """Those of a run, the oldest first."""
    found = api.list(PODS, PodObject, labels=f"{RUN_LABEL}={run}").items
    return sorted(found, key=lambda pod: (pod.metadata.creation_timestamp or _NEVER, pod.metadata.name))


def _container(pod: PodObject, name: str) -> ContainerStatus | None:
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((each for each in every if each.name == name), None)
