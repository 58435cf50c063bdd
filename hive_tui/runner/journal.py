"""What a run tells the world: its numbered event log and its status, masked, in batches, never too often.

The log goes out before the status that rests on it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.core.events import AnyEvent, LogLine, Note, Said, UsageReport, one_line
from hive_tui.core.model import LastEvent, Phase, RunStatus, Step, StepUse
from hive_tui.core.ports import RunHost
from hive_tui.core.text import Redactor, clean_line

Clock = Callable[[], datetime]

REPORT_SECONDS = 0.5
"""Between two reports of the status, unless one has to be there now."""

MAX_WAITING = 20_000
"""Lines kept while the log cannot be written (a full disk)."""

_LAST_EVENT_CHARACTERS = 400


class Journal:
    """The run's log and status. `status` is what was or will be reported; change it by `update`."""

    def __init__(
        self, host: RunHost, status: RunStatus, clock: Clock, redact: Redactor | None = None
    ) -> None:
        self._host, self._clock = host, clock
        self.mask = redact or Redactor()
        """Masks the run's secrets in a text."""
        self.status = status
        self._next = last_number(host.home / "events.jsonl") + 1
        self._lines: list[LogLine] = []
        self._dirty = False
        self._reported = float("-inf")

    def now(self) -> datetime:
        return self._clock()

    def event(self, event: AnyEvent, *, show: bool = True) -> None:
        """Number one event; `flush` writes it. `show` makes it the status's last event."""
        event = _masked(event, self.mask)
        now = self._clock()
        self._lines.append(LogLine(self._next, now, event))
        self._next += 1
        if show and not isinstance(event, UsageReport) and (text := one_line(event)):
            self.update(last_event=LastEvent(now, clean_line(text, limit=_LAST_EVENT_CHARACTERS)))
        if isinstance(event, Said) and event.agent is None:
            self.update(last_words=clean_line(event.text, limit=_LAST_EVENT_CHARACTERS))

    def note(self, text: str, *, show: bool = True) -> None:
        """Say something as the runner."""
        self.event(Note(text=text), show=show)

    def update(self, **changes: Any) -> None:
        """Change fields of the status; unchanged values cost nothing."""
        changes = {
            key: self.mask(value) if isinstance(value, str) else value for key, value in changes.items()
        }
        if "used" in changes:
            changes["used"] = tuple(_named(use, self.mask) for use in changes["used"])
        status = msgspec.structs.replace(self.status, **changes)
        if status != self.status:
            self.status = status
            self._dirty = True

    def phase(self, phase: Phase, why: str | None = None, **changes: Any) -> None:
        """Enter a phase, or stay in it with another reason; `since` moves only with the phase."""
        if phase is not self.status.phase:
            changes["since"] = self._clock()
        self.update(phase=phase, why=why, **changes)

    def step(self, step: Step, round_: int) -> None:
        self.update(step=step, round=round_, step_since=self._clock())

    def flush(self, *, now: bool = False) -> None:
        """Write the waiting lines, and report the status when it is due or has to be out `now`."""
        if self._lines:
            try:
                self._host.append(self._lines)
                self._lines = []
            except (SourceError, OSError):
                # Kept for the next time; what does not fit is lost at the new end, so numbers stay whole.
                self._next -= max(0, len(self._lines) - MAX_WAITING)
                del self._lines[MAX_WAITING:]
        due = time.monotonic() - self._reported >= REPORT_SECONDS
        if self._dirty and (now or due):
            self._host.report(self.status)
            self._dirty = False
            self._reported = time.monotonic()


def _named(use: StepUse, mask: Redactor) -> StepUse:
    """The names in it are what an agent says, too."""
    names = {name: mask(value) for name in ("model", "session") if (value := getattr(use, name)) is not None}
    return msgspec.structs.replace(use, **names) if names else use


def last_number(path: Path) -> int:
    """The number of an event log's last whole line, 0 for none; reads from the end."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            tail = b""
            while end and tail.count(b"\n") < 3:
                start = max(0, end - 65_536)
                file.seek(start)
                tail = file.read(end - start) + tail
                end = start
    except FileNotFoundError:
        return 0
    for line in reversed(tail.split(b"\n")[:-1]):
        try:
            return _NUMBER.decode(line).n
        except msgspec.DecodeError:
            continue
    return 0


class _Numbered(msgspec.Struct):
    n: int


_NUMBER = msgspec.json.Decoder(_Numbered)


def _masked(event: AnyEvent, redact: Redactor) -> AnyEvent:
    changes = {}
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if isinstance(value, str) and (masked := redact(value)) != value:
            changes[field] = masked
    return msgspec.structs.replace(event, **changes) if changes else event
