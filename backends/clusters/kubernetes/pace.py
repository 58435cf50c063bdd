"""Politeness towards an API server: a burst is free, then so many calls a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

RATE = 50.0
"""Calls a second, as kubectl allows itself."""

BURST = 100.0


class Pace:
    """A bucket of calls that fills up by itself. Thread-safe."""

    def __init__(
        self,
        rate: float = RATE,
        burst: float = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._left = burst
        self._at = clock()

    def wait(self) -> None:
        """Take one call, when it is its turn."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1.0
            self._at = now
            debt = -self._left
        if debt > 0:
            self._sleep(debt / self._rate)
