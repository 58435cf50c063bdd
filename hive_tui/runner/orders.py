"""What a run is told from outside: orders of people and the dispatcher, signals, its limits.

Time limits run on the monotonic clock, so a changed wall clock moves no deadline and a suspended
laptop does not use it up.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from hive_tui.core.errors import SourceError
from hive_tui.core.model import Control, ControlKind, Phase
from hive_tui.core.ports import ENDED_FROM_OUTSIDE, RunHost
from hive_tui.runner.flow import Over

POLL_SECONDS = 0.5
"""Between looks at the orders when no signal says that there is one."""


class Stopped(Exception):
    """The run has to end now; `over` says as what. Raised at the points where a step looks up."""

    def __init__(self, over: Over) -> None:
        super().__init__(over.why)
        self.over = over


class Signals:
    """Signals as flags. SIGHUP only wakes; SIGTERM and SIGINT wake too, and end the run when no order
    to stop explains them."""

    def __init__(self) -> None:
        self.woken = False
        self.ended_by: signal.Signals | None = None

    def install(self) -> None:
        signal.signal(signal.SIGHUP, self._wake)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        # The first process of a container would lose what comes before this; in a pod it is kept until now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))

    def _wake(self, number: int, frame: object) -> None:
        self.woken = True

    def _end(self, number: int, frame: object) -> None:
        self.woken = True
        self.ended_by = signal.Signals(number)


class Orders:
    """The orders to one run. Messages are handed out once, also across restarts of its process."""

    def __init__(self, host: RunHost, signals: Signals, deadline_seconds: float) -> None:
        self._host, self._signals = host, signals
        self._seen_file = host.home / "orders.seen"
        self._seen = _number(self._seen_file)
        self._messages: list[Control] = []
        self._stop: Control | None = None
        self._looked = float("-inf")
        self._deadline = time.monotonic() + deadline_seconds

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def look(self) -> None:
        """Read new orders when it is time; raises Stopped when the run has to end."""
        woken, self._signals.woken = self._signals.woken, False
        if woken or time.monotonic() - self._looked >= POLL_SECONDS:
            self.read()
        if self._stop is not None:
            raise Stopped(stopped_by(self._stop))
        if self._signals.ended_by is not None:
            name = self._signals.ended_by.name
            raise Stopped(Over(Phase.LOST, f"{ENDED_FROM_OUTSIDE} {name}", f"{name} without an order"))
        if not self.seconds_left:
            raise Stopped(Over(Phase.FAILED, "deadline"))

    def ending(self) -> bool:
        """Whether the next `look` would end the run; for what cannot be left in between."""
        try:
            self.look()
        except Stopped:
            return True
        return False

    def read(self) -> None:
        self._looked = time.monotonic()
        with contextlib.suppress(SourceError):  # a busy store is asked again in half a second
            self._take(self._host.controls(self._seen))

    def stop_order(self) -> Control | None:
        """The order to stop, if there is one."""
        return self._stop

    def messages(self) -> list[Control]:
        """Messages that nobody has got yet; they are the caller's now."""
        handed, self._messages = self._messages, []
        if handed:
            self._remember(handed[-1].seq)
        return handed

    def _take(self, controls: Iterable[Control]) -> None:
        for control in controls:
            self._seen = max(self._seen, control.seq)
            if control.kind is ControlKind.MESSAGE:
                self._messages.append(control)
            elif self._stop is None:
                self._stop = control

    def _remember(self, seq: int) -> None:
        half = self._seen_file.with_suffix(".half")
        half.write_text(str(seq), encoding="ascii")
        half.replace(self._seen_file)


def stopped_by(control: Control) -> Over:
    """The end that an order to stop means."""
    return Over(Phase.KILLED, f"by {control.actor}", control.text or None)


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
