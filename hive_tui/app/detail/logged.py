"""The tabs that are made from a run's log: the transcript, and what it cost by and by."""

from __future__ import annotations

import time
from collections import deque
from typing import Generic, TypeVar

from textual import on
from textual.message import Message

from hive_tui.app.detail import cost, transcript
from hive_tui.app.detail.subject import Subject
from hive_tui.app.detail.tabs import TextTab
from hive_tui.app.tail import LARGEST_BACKLOG, Logs, TailedOf, TailOf, Telling
from hive_tui.app.view import View
from hive_tui.core.events import LogLine
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from widgets.cells import Cell, Line
from widgets.prose import Block

BATCH_SECONDS = 0.1
"""Lines of a log are taken in at most so often."""

SLICE_SECONDS = 0.012
"""How long lines are taken in in one go."""

PAUSE_SECONDS = 0.004
"""How long keys and painting have the time between two of those."""

PORTION = 50
"""Lines that are taken in together."""

KEPT = 5_000
"""Events of a transcript; older ones are left to the log."""

T = TypeVar("T")


class LoggedTab(TextTab, Generic[T]):
    """A tab made from a run's log, which it follows. What is shown of a line is made in the thread that
    reads the log, and taken in a little at a time: a long log must not hold up the keys."""

    needs_run = True

    class Grew(Message):
        """There are new lines; they are taken from the tail."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LoggedTab.Grew)

    def __init__(self, name: str, logs: Logs, telling: Telling[T], *, most: int = LARGEST_BACKLOG) -> None:
        """`most` is how many waiting lines are kept; older ones are left out and counted."""
        super().__init__(name)
        self.run: RunId | None = None
        self._most = most
        notify = lambda: self.post_message(self.Grew())  # noqa: E731
        self._tail = TailOf(logs, notify=notify, telling=telling, backlog=most)
        self._due = False
        self._waiting: deque[T] = deque()
        self._dropped = 0

    def present(self, view: View, subject: Subject) -> None:
        run = None if subject.run is None else subject.run.id
        if run != self.run:
            self.run = run
            self._waiting.clear()
            self._dropped = 0
            self.begin()
            self._tail.follow(run)

    def begin(self) -> None:
        """Forget what was read: it is another run's log now."""
        raise NotImplementedError

    def take(self, told: list[T]) -> None:
        """Take in what was told of some lines."""
        raise NotImplementedError

    def nothing(self, tailed: TailedOf[T]) -> None:
        """There is nothing in the log as it stands."""

    def on_unmount(self) -> None:
        self._tail.stop()

    @on(Grew)
    def _grew(self, message: Grew) -> None:
        message.stop()
        if not self._due:
            self._due = True
            self.set_timer(BATCH_SECONDS, self._take)

    def _take(self) -> None:
        self._due = False
        tailed = self._tail.take()
        if tailed is None or tailed.run != self.run:
            return
        self._dropped += tailed.dropped
        self._waiting.extend(tailed.lines)
        while len(self._waiting) > self._most:
            self._waiting.popleft()
            self._dropped += 1
        if self._waiting:
            self._work()
        else:
            self.nothing(tailed)
            self.post_message(self.Changed())

    def _work(self) -> None:
        until = time.monotonic() + SLICE_SECONDS
        while self._waiting and time.monotonic() < until:
            self.take([self._waiting.popleft() for _ in range(min(PORTION, len(self._waiting)))])
        if self._waiting and not self._due:
            self._due = True
            self.set_timer(PAUSE_SECONDS, self._take)
        self.post_message(self.Changed())


class TranscriptTab(LoggedTab[Block | None]):
    """The conversation, to read."""

    label = "Transcript"

    def __init__(self, logs: Logs) -> None:
        super().__init__("transcript", logs, lambda: transcript.block_of, most=KEPT)

    def begin(self) -> None:
        self.reading.follows = True
        self.reading.show((), placeholder=(Cell("reading the log …", Tone.QUIET),))

    def take(self, told: list[Block | None]) -> None:
        self.reading.extend(block for block in told if block is not None)
        self._dropped += self.reading.drop_beyond(KEPT)

    def nothing(self, tailed: TailedOf[Block | None]) -> None:
        if self.reading.empty:
            self.reading.show((), placeholder=_no_log(tailed))

    @property
    def notes(self) -> Line:
        lost = (Cell(f"{self._dropped:,} older lines left out", Tone.SOON),) if self._dropped else ()
        waits = (Cell("reading …", Tone.QUIET),) if self._waiting else ()
        return (*lost, *waits, *super().notes)


def _no_log(tailed: TailedOf[Block | None]) -> Line:
    if tailed.error is not None:
        return (
            Cell("The log cannot be read", Tone.BROKEN),
            Cell(tailed.error),
            Cell("It is tried again", Tone.QUIET),
        )
    return (Cell("This run left no log" if tailed.ended else "Nothing said yet", Tone.QUIET),)


class CostTab(LoggedTab[LogLine]):
    """Tokens and money."""

    label = "Cost"

    def __init__(self, logs: Logs) -> None:
        super().__init__("cost", logs, lambda: lambda line: line)
        self._tally = cost.Tally()
        self._shown: tuple[View, Subject] | None = None

    def present(self, view: View, subject: Subject) -> None:
        super().present(view, subject)
        self._shown = (view, subject)
        self.reading.show(cost.cost_blocks(view, subject, self._tally))

    def begin(self) -> None:
        self._tally = cost.Tally()

    def take(self, told: list[LogLine]) -> None:
        self._tally.feed(told)
        if self._shown is not None and not self._waiting:
            self.reading.show(cost.cost_blocks(*self._shown, self._tally))
