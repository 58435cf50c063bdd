"""One session's transcript on the whole screen: what was said and done, the end first, as it grows."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from hive_tui.app import clipboard, keys, transcript_log
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.app.transcript_log import PART, Part
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.ports import TranscriptParser
from hive_tui.costs import session_words as words
from hive_tui.costs.sessions import Session
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.headline import Headline

NO_RESUME = "It cannot be resumed: its transcript is gone, or its name or folder is none for a shell."


class TranscriptScreen(GuardedPump, Screen[None]):
    """Events to read, found and filtered as in any log; a long file is shown part by part."""

    CSS_PATH = Path(__file__).with_name("transcript.tcss")
    AUTO_FOCUS = "RunLog LogView"
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.transcript_bindings(),
        Binding("q", "leave", "Back", show=False, id="transcript.leave"),
    ]

    def __init__(
        self, session: Session, path: str, parser: Callable[[], TranscriptParser], now: Callable[[], datetime]
    ) -> None:
        super().__init__()
        self.session = session
        self._path = path
        self._parser = parser
        self._now = now
        self._title = Headline(id="title")
        self._part = transcript_log.last_part(self._bytes)
        self.log_of_session = RunLog(self._logs, cursor=True)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.log_of_session
        yield KeyHints(id="keys")

    def on_mount(self) -> None:
        self.log_of_session.tick(self._now())
        self._follow()
        self.set_interval(1.0, self._tick)

    def update_session(self, session: Session) -> None:
        """Show what is known of the session by now."""
        if session != self.session:
            self.session = session
            self._describe()

    # What is shown

    @property
    def _bytes(self) -> int:
        """Bytes of the file now."""
        try:
            return os.stat(self._path).st_size
        except OSError:
            return 0

    @property
    def _logs(self) -> Logs:
        return transcript_log.logs(self._path, self._part, self._parser)

    def _follow(self) -> None:
        # A new object for each part: the log is another one then.
        self.log_of_session.follow(RunId(self.session.id), self._logs)
        self._describe()
        self.refresh_bindings()

    def _tick(self) -> None:
        self.log_of_session.tick(self._now())
        self._describe()

    @on(RunLog.Described)
    def _describe(self) -> None:
        session, log = self.session, self.log_of_session
        mark = words.mark(session)
        share, tone = words.context(session)
        self._title.left = (
            Cell(session.agent, Tone.TITLE),
            Cell(words.project_name(session), Tone.TITLE),
            Cell(str(mark), mark.tone),
            Cell(words.model(session)),
            Cell(f"{words.cost(session)} {words.tokens(session)} tokens"),
            Cell(f"context {share}", tone),
            Cell(text.clean_line(session.id, limit=64), Tone.QUIET),
        )
        waiting = (Cell(log.mark, Tone.TITLE),) if log.mark else ()
        self._title.right = (*self._place(), *log.notes, *waiting)

    def _place(self) -> tuple[Cell, ...]:
        """Which part of the file is shown, where it has several."""
        size, (begin, end) = self._bytes, self._part
        if begin == 0 and (end is None or end >= size):
            return ()
        return (Cell(f"{_mega(begin)}–{_mega(end or size)} of {_mega(size)} MB", Tone.TITLE),)

    # What the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return True if self.why_dim(action, parameters) is None else None

    def why_dim(self, action: str, parameters: tuple[object, ...]) -> str | None:
        """Why there is no other part."""
        if action != "page" or self._beside(parameters[0] == 1) is not None:
            return None
        return "this is the end of the transcript" if parameters[0] == 1 else "this is its beginning"

    def _beside(self, newer: bool) -> Part | None:
        return self._part.newer(self._bytes) if newer else self._part.older()

    def action_page(self, by: int) -> None:
        """The part of the transcript before this one, or after it."""
        part = self._beside(by == 1)
        if part is not None:
            self._part = part
            self._follow()

    def action_in_log(self, name: str, *arguments: int) -> None:
        """What the log does by itself, wherever the focus is."""
        getattr(self.log_of_session, f"action_{name}")(*arguments)

    def action_copy_line(self) -> None:
        """Copy what the selected line says."""
        entry = self.log_of_session.view.entry
        if entry is not None:
            clipboard.copy(self.app, entry.text)

    def action_resume(self) -> None:
        """Copy the command that goes on with the session."""
        copy_resume(self, self.session)

    def action_back(self) -> None:
        """One step back: close the input, find nothing, show all lines, leave."""
        if not self.log_of_session.step_back():
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()


def copy_resume(screen: Screen[None], session: Session) -> None:
    """Copy the command that goes on with a session, or say why there is none."""
    command = session.resume
    if command is None:
        screen.app.notify(NO_RESUME, severity="warning", markup=False)
    else:
        clipboard.copy(screen.app, command)


def _mega(size: int) -> str:
    return f"{size / (1 << 20):,.0f}" if size >= PART else f"{size / (1 << 20):.1f}"
