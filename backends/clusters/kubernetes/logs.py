"""A run's event log, read from its pods: what its runner printed, in order of its numbers, whatever breaks.

The runner writes each line of the log to its standard output, too; what else is there (a traceback) is shown
only where a run never said a line. The cluster keeps the last 10 MiB or so of what a pod printed (the
kubelet's `containerLogMaxSize`), and nothing of a pod that was deleted: what is missing is said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from backends.clusters.event_log import decode
from backends.clusters.kubernetes import camel
from backends.clusters.kubernetes.api import AGENT_RUNS, PODS, Api, Resource, selectors
from backends.clusters.kubernetes.errors import Invalid, NotFound, Silent, Unreachable
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

IDLE_SECONDS = 240.0
"""Without a line it is asked again; that a connection is dead the system finds out sooner."""

WATCH_SECONDS = 300.0
"""How long a change is waited for before one looks all the same."""

PAUSES = (0.25, 10.0)
"""Seconds until a server that does not answer is asked again: first, and at most."""

VAIN = (0.25, 4.0)
"""Seconds until a pod is looked at again that has nothing to read, and how much longer each time: that it has
changed is heard, so that looking by itself is for what changes unheard."""

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


class _Event(msgspec.Struct, frozen=True):
    """A line of a watch: that something happened is enough."""

    type: str


def _refused(line: bytes) -> bool:
    try:
        return msgspec.json.decode(line, type=_Event).type == "ERROR"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return True


class _Reader:
    """Reads in a thread of its own, since nothing wakes one that waits for a server."""

    def __init__(self, api: Api, run: RunId, after: int, follow: bool) -> None:
        self._api, self._run, self._follow = api, run, follow
        self._labels = f"{RUN_LABEL}={run}"
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
        self._lasted = False
        """A log was followed for a while, whether it said something or not."""
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
        failures, vain, known = 0, 0, False
        while not self._over.is_set():
            before, final = self._last, False
            try:
                # Lists, not single objects: only their versions are such as a watch can surely begin from.
                runs = self._api.list(AGENT_RUNS, AgentRunObject, fields=f"metadata.name={self._run}")
                if not runs.items:
                    if known:
                        return
                    raise NotFound(f"There is no AgentRun {self._run}.", "`hive ls` shows what there is.")
                known = True
                status = camel.decode(runs.items[0].status, AgentRunStatus)
                final = status.phase.final
                pods = self._api.list(PODS, PodObject, labels=self._labels)
                running = self._read_pods(pods.items, _at_work(status))
                vain = 0 if self._last > before or self._lasted else vain + 1
                if not self._follow or (final and (not running or vain >= GIVEN_UP)):
                    self._finish(status, running)
                    return
                failures = 0
                if running:
                    self._await_pod(pods.version, vain)
                elif not final:
                    self._await_run(runs.version)
            except Unreachable as error:
                quiet = isinstance(error, Silent) or self._last > before
                failures = 0 if quiet else failures + 1
                if failures >= GIVEN_UP and (final or not self._follow):
                    raise
                if failures:
                    self._over.wait(min(PAUSES[1], PAUSES[0] * 2 ** min(failures - 1, 10)))

    def _await_run(self, version: str) -> None:
        """Until something happens to the run: it is registered by a pod, or ends."""
        self._await_change(AGENT_RUNS, version, selectors("", f"metadata.name={self._run}"), WATCH_SECONDS)

    def _await_pod(self, version: str, vain: int) -> None:
        """Until something happens to its pods, or a while is over: longer the more often it was in vain."""
        if vain:
            seconds = min(WATCH_SECONDS, VAIN[0] * VAIN[1] ** (vain - 1))
            self._await_change(PODS, version, selectors(self._labels, ""), seconds)

    def _await_change(
        self, resource: Resource, version: str, narrowed: dict[str, str], seconds: float
    ) -> None:
        if seconds < 1.0:  # less than a watch can be told to last
            self._over.wait(seconds)
            return
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": f"{seconds:.0f}"}
        stream = self._open(resource, "", "", query | narrowed, seconds + IDLE_SECONDS)
        begun = time.monotonic()
        heard = next(iter(stream), None)
        stream.close()
        if _refused(heard) if heard is not None else time.monotonic() - begun < 1.0:
            # Whoever ends watches at once is not asked at once.
            self._over.wait(PAUSES[1])

    def _read_pods(self, pods: Iterable[PodObject], at_work: bool) -> bool:
        """Read what pods have to say, the oldest first; True while one of them may say more soon."""
        running = self._lasted = False
        for pod in sorted(pods, key=_age):
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
        begun = time.monotonic()
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
        self._lasted |= time.monotonic() - begun >= PAUSES[1]

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

    def _open(
        self, resource: Resource, name: str, sub: str, query: dict[str, str], idle: float = IDLE_SECONDS
    ) -> Stream:
        stream = self._api.stream(resource, name, sub=sub, query=query, idle=idle)
        with self._changed:
            self._stream = stream
        if self._over.is_set():
            stream.close()
        return stream

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
    return sorted(api.list(PODS, PodObject, labels=f"{RUN_LABEL}={run}").items, key=_age)


def _age(pod: PodObject) -> tuple[datetime, str]:
    return pod.metadata.creation_timestamp or _NEVER, pod.metadata.name


def _container(pod: PodObject, name: str) -> ContainerStatus | None:
    every = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return next((each for each in every if each.name == name), None)
