"""Threads that watch the sources, and the one queue through which all they say is taken in.

The console and the dispatcher read a fleet in the same way: one thread per source, a bounded queue,
batches to a store with one owner.
"""

from __future__ import annotations

import queue
import random
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from hive_tui.core.errors import HiveError
from hive_tui.core.ports import Emit
from hive_tui.core.sources import CLUSTER, FORGE, SourceEvent, SourceFailed

MAX_QUEUED = 10_000
"""Events waiting to be taken in; a source that is faster waits."""

RETRY_SECONDS = (1.0, 30.0)
"""First and longest wait before a watch that broke off is begun anew."""

Watch = Callable[[Emit, threading.Event], None]


class WatchedCluster(Protocol):
    """What of a cluster is watched."""

    def watch(self, emit: Emit, stop: threading.Event) -> None: ...


class WatchedForge(Protocol):
    """What of a forge is watched."""

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event) -> None: ...


class Feed:
    """Watches a fleet's cluster and forge until it is stopped."""

    def __init__(self, cluster: WatchedCluster, forge: WatchedForge) -> None:
        self.stop = threading.Event()
        self.wake = threading.Event()
        """Set it to have the forge read at once."""
        self._queue: queue.Queue[SourceEvent] = queue.Queue(MAX_QUEUED)
        watches: dict[str, Watch] = {
            CLUSTER: cluster.watch,
            FORGE: lambda emit, stop: forge.watch(emit, stop, self.wake),
        }
        self._threads = [
            threading.Thread(
                target=self._keep_watching, args=(name, watch), name=f"watch {name}", daemon=True
            )
            for name, watch in watches.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Ask the threads to end, and wait for them."""
        self.stop.set()
        self.wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout)

    def take(self, timeout: float, *, settle: float = 0.05) -> list[SourceEvent]:
        """What the sources said: waits up to `timeout` seconds for the first event, then gathers what
        comes within `settle` seconds, so that a burst is one batch."""
        try:
            batch = [self._queue.get(timeout=timeout)]
        except queue.Empty:
            return []
        deadline = time.monotonic() + settle
        while len(batch) < MAX_QUEUED:
            try:
                batch.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                break
        return batch

    def _emit(self, event: SourceEvent) -> None:
        while not self.stop.is_set():
            try:
                return self._queue.put(event, timeout=0.5)
            except queue.Full:
                continue

    def _keep_watching(self, name: str, watch: Watch) -> None:
        wait, longest = RETRY_SECONDS
        while not self.stop.is_set():
            try:
                watch(self._emit, self.stop)
                why = "the watch ended"
            except HiveError as error:
                why = error.words
            # The thread's edge: a bug in a backend must show as a failed source, not as silence.
            except Exception as error:
                traceback.print_exc()
                why = f"{type(error).__name__}: {error}"
            if self.stop.is_set():
                return
            pause = wait * random.uniform(0.5, 1.0)
            self._emit(SourceFailed(name, why, datetime.now(UTC) + timedelta(seconds=pause)))
            self.stop.wait(pause)
            wait = min(wait * 2, longest)
