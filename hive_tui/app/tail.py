"""The event log of one run at a time, followed in a thread, without loss or doubles over breaks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from hive_tui.core.errors import HiveError
from hive_tui.core.events import LogLine
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Cluster

T = TypeVar("T")

LARGEST_BACKLOG = 20_000
"""Lines kept for a screen that does not look; older ones are dropped and counted."""

RETRY_SECONDS = 2.0

RETRY_MOST = 60.0
"""Where it is in vain again and again, as where a right is missing, it is tried ever more seldom."""

READING_SECONDS = 0.02
"""For so long a log is read at least between two waits for a key: one that is held down does not stop it."""

GOES_WELL_SECONDS = 1.0
"""A log that has been read for so long without an error can be read again, also while nothing is said."""


class _Clustered(Protocol):
    @property
    def cluster(self) -> Cluster: ...


Logs = Callable[[RunId, int, threading.Event], Iterator[LogLine]]
"""`logs(run, after, stop)`: the lines after number `after`, followed until the run's log is complete."""


def before(fleet: _Clustered) -> Logs:
    """What the containers of a fleet's runs said before they were started again."""

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        return (line for line in fleet.cluster.previous_logs(run) if line.n > after)

    return logs


Telling = Callable[[], Callable[[LogLine], T]]
"""Makes, for each log, what turns its lines into what is shown; that is done in the reading thread."""


class TailedOf(NamedTuple, Generic[T]):
    """What came since the last look."""

    run: RunId
    lines: list[T]
    dropped: int
    ended: bool
    """The run's log is complete."""
    error: str | None
    """Why it cannot be read now; it is tried again."""


Tailed = TailedOf[LogLine]


class TailOf(Generic[T]):
    """Follows the log of the run that was named last. `notify` is called from a thread."""

    def __init__(
        self,
        logs: Logs,
        *,
        notify: Callable[[], object],
        telling: Telling[T],
        backlog: int = LARGEST_BACKLOG,
        left_to_key: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`left_to_key` is for how many seconds the screen is still left to a key that was pressed: so long
        a log that grows quickly waits, because Python runs one thread at a time."""
        self._left_to_key = left_to_key
        self._logs = logs
        self._notify = notify
        self._telling = telling
        self._backlog = backlog
        self._current: _Follower[T] | None = None
        self._closed = False

    def follow(self, run: RunId | None, logs: Logs | None = None) -> None:
        """Switch to another run's log, or to another log of it; its first lines come as soon as they are
        read."""
        self.stop()
        if run is not None and not self._closed:
            self._current = _Follower(
                run, logs or self._logs, self._notify, self._telling(), self._backlog, self._left_to_key
            )
            self._current.start()

    def take(self) -> TailedOf[T] | None:
        """The new lines of the current run's log, and how it stands."""
        return None if self._current is None else self._current.take()

    def stop(self) -> None:
        """Follow nothing. The thread ends by itself; what it still reads is not shown."""
        if self._current is not None:
            self._current.stopped.set()
            self._current = None

    def close(self) -> None:
        """Follow nothing any more, whoever still asks."""
        self._closed = True
        self.stop()


class Tail(TailOf[LogLine]):
    """The same, of the lines as they were recorded."""

    def __init__(
        self, logs: Logs, *, notify: Callable[[], object], left_to_key: Callable[[], float] = lambda: 0.0
    ) -> None:
        super().__init__(logs, notify=notify, telling=lambda: lambda line: line, left_to_key=left_to_key)


class _Follower(threading.Thread, Generic[T]):
    def __init__(
        self,
        run: RunId,
        logs: Logs,
        notify: Callable[[], object],
        tell: Callable[[LogLine], T],
        backlog: int,
        left_to_key: Callable[[], float],
    ) -> None:
        super().__init__(name=f"log {run}", daemon=True)
        self.stopped = threading.Event()
        self._run = run
        self._logs = logs
        self._notify = notify
        self._line_of = tell
        self._left_to_key = left_to_key
        self._reads_until = 0.0
        self._lock = threading.Lock()
        self._lines: deque[T] = deque(maxlen=backlog)
        self._told = False
        self._dropped = 0
        self._ended = False
        self._error: str | None = None
        self._reading = False
        self._reading_since = 0.0
        self._last = 0

    def run(self) -> None:
        wait, last = RETRY_SECONDS, 0
        while not self.stopped.is_set():
            try:
                self._reading, self._reading_since = True, time.monotonic()
                self._reads_until = self._reading_since + READING_SECONDS
                for line in self._logs(self._run, self._last, self.stopped):
                    if self.stopped.is_set():
                        return
                    self._add(line)
                    self._give_way()
                return self._tell(ended=True, error=None)
            except HiveError as error:
                self._tell(ended=False, error=error.words)
            except Exception as error:  # a thread's edge: shown in the log pane
                self._tell(ended=False, error=f"{type(error).__name__}: {error}")
            wait = RETRY_SECONDS if self._last > last else wait
            last = self._last
            self.stopped.wait(wait)
            wait = min(2 * wait, max(RETRY_MOST, RETRY_SECONDS))

    def _give_way(self) -> None:
        """Let a key that was just pressed be painted before the next line."""
        if time.monotonic() >= self._reads_until and (wait := self._left_to_key()) > 0:
            self.stopped.wait(wait)
            self._reads_until = time.monotonic() + READING_SECONDS

    def take(self) -> TailedOf[T]:
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            dropped, self._dropped = self._dropped, 0
            self._told = False
            if self._reading and time.monotonic() - self._reading_since > GOES_WELL_SECONDS:
                self._error = None
            return TailedOf(self._run, lines, dropped, self._ended, self._error)

    def _add(self, line: LogLine) -> None:
        if line.n <= self._last:
            return
        told_line = self._line_of(line)
        with self._lock:
            self._last = line.n
            self._error = None
            self._dropped += len(self._lines) == self._lines.maxlen
            self._lines.append(told_line)
            told, self._told = self._told, True
        if not told:
            self._call()

    def _tell(self, *, ended: bool, error: str | None) -> None:
        with self._lock:
            self._ended, self._error, self._reading = ended, error, False
            told, self._told = self._told, True
        if not told:
            self._call()

    def _call(self) -> None:
        if not self.stopped.is_set():
            self._notify()
