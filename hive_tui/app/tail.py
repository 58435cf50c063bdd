"""The event log of one run at a time, followed in a thread, without loss or doubles over breaks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hive_tui.core.errors import HiveError
from hive_tui.core.events import LogLine
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Cluster

LARGEST_BACKLOG = 20_000
"""Lines kept for a screen that does not look; older ones are dropped and counted."""

RETRY_SECONDS = 2.0

Logs = Callable[[RunId, int, threading.Event], Iterator[LogLine]]
"""`logs(run, after, stop)`: the lines after number `after`, followed until the run's log is complete."""


def following(cluster: Cluster) -> Logs:
    """A cluster's logs, followed."""
    return lambda run, after, stop: cluster.logs(run, after=after, follow=True, stop=stop)


class Tailed(NamedTuple):
    """What came since the last look."""

    run: RunId
    lines: list[LogLine]
    dropped: int
    ended: bool
    """The run's log is complete."""
    error: str | None
    """Why it cannot be read now; it is tried again."""


class Tail:
    """Follows the log of the run that was named last. `notify` is called from a thread."""

    def __init__(self, logs: Logs, *, notify: Callable[[], object]) -> None:
        self._logs = logs
        self._notify = notify
        self._current: _Follower | None = None

    def follow(self, run: RunId | None) -> None:
        """Switch to another run's log; its first lines come as soon as they are read."""
        self.stop()
        if run is not None:
            self._current = _Follower(run, self._logs, self._notify)
            self._current.start()

    def take(self) -> Tailed | None:
        """The new lines of the current run's log, and how it stands."""
        return None if self._current is None else self._current.take()

    def stop(self) -> None:
        """Follow nothing. The thread ends by itself; what it still reads is not shown."""
        if self._current is not None:
            self._current.stopped.set()
            self._current = None


class _Follower(threading.Thread):
    def __init__(self, run: RunId, logs: Logs, notify: Callable[[], object]) -> None:
        super().__init__(name=f"log {run}", daemon=True)
        self.stopped = threading.Event()
        self._run = run
        self._logs = logs
        self._notify = notify
        self._lock = threading.Lock()
        self._lines: deque[LogLine] = deque()
        self._told = False
        self._dropped = 0
        self._ended = False
        self._error: str | None = None
        self._last = 0

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                for line in self._logs(self._run, self._last, self.stopped):
                    if self.stopped.is_set():
                        return
                    self._add(line)
                return self._tell(ended=True, error=None)
            except HiveError as error:
                self._tell(ended=False, error=f"{error.message} {error.hint or ''}".strip())
            except Exception as error:  # a thread's edge: shown in the log pane
                self._tell(ended=False, error=f"{type(error).__name__}: {error}")
            self.stopped.wait(RETRY_SECONDS)

    def take(self) -> Tailed:
        with self._lock:
            lines, self._lines = list(self._lines), deque()
            dropped, self._dropped = self._dropped, 0
            self._told = False
            return Tailed(self._run, lines, dropped, self._ended, self._error)

    def _add(self, line: LogLine) -> None:
        with self._lock:
            if line.n <= self._last:
                return
            self._last = line.n
            self._error = None
            self._lines.append(line)
            if len(self._lines) > LARGEST_BACKLOG:
                self._lines.popleft()
                self._dropped += 1
        self._tell_once()

    def _tell(self, *, ended: bool, error: str | None) -> None:
        with self._lock:
            self._ended, self._error = ended, error
        self._tell_once()

    def _tell_once(self) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told and not self.stopped.is_set():
            self._notify()
