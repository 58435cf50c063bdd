"""One session's transcript on the whole screen: what was said and done, the end first, as it grows."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType
from textual.screen import Screen

from hive_tui.app import clipboard, keys, transcript_log
from hive_tui.app.screens.one_log import OneLogScreen
from hive_tui.app.tail import Logs
from hive_tui.app.transcript_log import PART, Part
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.ports import TranscriptParser
from hive_tui.costs import session_words as words
from hive_tui.costs.sessions import Session
from widgets.cells import Cell, Line

NO_RESUME = "It cannot be resumed: its transcript is gone, or its name or folder is none for a shell."


class TranscriptScreen(OneLogScreen):
    """Events to read, found and filtered as in any log; a long file is shown part by part."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.transcript_bindings()]

    def __init__(
        self, session: Session, path: str, parser: Callable[[], TranscriptParser], now: Callable[[], datetime]
    ) -> None:
        self.session = session
        self._path = path
        self._parser = parser
        self._now = now
        self._part = transcript_log.last_part(self._bytes)
        super().__init__(self._logs)

    def on_mount(self) -> None:
        self.run_log.tick(self._now())
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
        self.run_log.follow(RunId(self.session.id), self._logs)
        self._describe()
        self.refresh_bindings()

    def _tick(self) -> None:
        self.run_log.tick(self._now())
        self._describe()

    def _about(self) -> Line:
        session = self.session
        mark = words.mark(session)
        share, tone = words.context(session)
        return (
            Cell(session.agent, Tone.TITLE),
            Cell(words.project_name(session), Tone.TITLE),
            Cell(str(mark), mark.tone),
            Cell(words.model(session)),
            Cell(f"{words.cost(session)} {words.tokens(session)} tokens"),
            Cell(f"context {share}", tone),
            Cell(text.clean_line(session.id, limit=64), Tone.QUIET),
        )

    def _place(self) -> Line:
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

    def action_resume(self) -> None:
        """Copy the command that goes on with the session."""
        copy_resume(self, self.session)


def copy_resume(screen: Screen[None], session: Session) -> None:
    """Copy the command that goes on with a session, or say why there is none."""
    command = session.resume
    if command is None:
        screen.app.notify(NO_RESUME, severity="warning", markup=False)
    else:
        clipboard.copy(screen.app, command)


def _mega(size: int) -> str:
    return f"{size / (1 << 20):,.0f}" if size >= PART else f"{size / (1 << 20):.1f}"
