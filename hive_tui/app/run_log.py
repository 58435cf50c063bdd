"""The log of one run, followed by itself: a tail below, a view above, and nothing for its parent to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from hive_tui.app import log_lines
from hive_tui.app.tail import Logs, Tail
from hive_tui.core.events import LogLine
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from widgets.cells import Cell
from widgets.log_view import LogView

BATCH_SECONDS = 0.05
"""Lines are taken from the tail in batches, at most so often."""

NOTHING_SELECTED = (Cell("No agent selected", Tone.QUIET), Cell("Its log appears here, live", Tone.QUIET))


class RunLog(Vertical):
    """The event log of the run that it was told to follow last.

    Its description is what a frame or a title line says of it: `run`, `ended`, `error`, and the
    view's `following`, `unseen`, `lines` and `dropped`.
    """

    @dataclass
    class Described(Message):
        """Something that a frame says of the log changed."""

        log: RunLog

        @property
        def control(self) -> RunLog:
            return self.log

    class Grew(Message):
        """There are new lines; they are taken from the tail."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunLog.Grew)

    def __init__(self, logs: Logs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.view: LogView[LogLine] = LogView(log_lines.COLUMNS, log_lines.log_line)
        self.run: RunId | None = None
        self.ended = False
        """The log is complete: the run has ended."""
        self.error: str | None = None
        """Why it cannot be read now; it is tried again by itself."""
        self._tail = Tail(logs, notify=lambda: self.post_message(self.Grew()))
        self._due = False
        self.view.placeholder = NOTHING_SELECTED

    def compose(self) -> ComposeResult:
        yield self.view

    def focus(self, scroll_visible: bool = True) -> Self:
        """The keys belong to the lines."""
        self.view.focus(scroll_visible)
        return self

    def follow(self, run: RunId | None) -> None:
        """Show another run's log, or none; nothing happens when it is shown already."""
        if run == self.run:
            return
        self.run, self.ended, self.error = run, False, None
        self.view.clear(NOTHING_SELECTED if run is None else (Cell("reading the log …", Tone.QUIET),))
        self._tail.follow(run)
        self._say()

    def on_unmount(self) -> None:
        self._tail.stop()

    @on(Grew)
    def _grew(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(BATCH_SECONDS, self._take)

    def _take(self) -> None:
        self._due = False
        tailed = self._tail.take()
        if tailed is None or tailed.run != self.run:
            return
        self.ended, self.error = tailed.ended, tailed.error
        self.view.dropped += tailed.dropped
        self.view.extend(tailed.lines)
        if not self.view.lines:
            self.view.placeholder = self._placeholder()
            self.view.refresh()
        self._say()

    def _placeholder(self) -> tuple[Cell, ...]:
        if self.error is not None:
            return (
                Cell("The log cannot be read", Tone.BROKEN),
                Cell(self.error),
                Cell("It is tried again", Tone.QUIET),
            )
        if self.ended:
            return (Cell("This run left no log", Tone.QUIET),)
        return (Cell("Nothing said yet", Tone.QUIET),)

    @on(LogView.Moved)
    def _say(self) -> None:
        self.post_message(self.Described(self))
