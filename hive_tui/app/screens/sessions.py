"""The sessions of this machine on the whole screen: those at work first, live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from hive_tui.app import keys, session_rows
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.panes.sessions import SessionsPane
from hive_tui.app.screens.transcript import TranscriptScreen, copy_resume
from hive_tui.app.sessions_feed import Looks, SessionsFeed
from hive_tui.core.glyphs import Tone
from hive_tui.core.ports import TranscriptParser
from hive_tui.costs.sessions import Session
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.headline import Headline
from widgets.table import Table


class SessionsScreen(GuardedPump, Screen[None]):
    """Who works on what here, what it used, how full its context is, and how long the block lasts."""

    CSS_PATH = Path(__file__).with_name("sessions.tcss")
    AUTO_FOCUS = "Table"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.sessions_bindings()]

    class Seen(Message):
        """There is a newer overview, or a reason why there is none."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, SessionsScreen.Seen)

    def __init__(
        self,
        looks: Looks,
        *,
        parsers: Mapping[str, Callable[[], TranscriptParser]],
        now: Callable[[], datetime],
        home: str,
        folders: str,
    ) -> None:
        """`looks` is asked in a thread; `parsers` read transcripts, by agent; `folders` names where those
        are looked for."""
        super().__init__()
        self._feed = SessionsFeed(looks, notify=lambda: self.post_message(self.Seen()))
        self._parsers = parsers
        self._now = now
        self._block = Headline(id="block")
        self.pane = SessionsPane(home=home, folders=folders)
        self._reading: TranscriptScreen | None = None

    def compose(self) -> ComposeResult:
        yield self._block
        yield self.pane
        yield KeyHints(id="keys")

    async def on_mount(self) -> None:
        await self.pane.fill()
        self.pane.table.focus()
        self._show()
        self.set_interval(1.0, self._show)
        self._feed.start()

    def on_unmount(self) -> None:
        self._feed.close()

    @on(Seen)
    def _show(self) -> None:
        """Show what is known, for now."""
        overview, now = self._feed.overview, self._now()
        self.pane.show(overview, self._feed.error, now)
        if overview is None:
            self._block.left = (Cell("reading the transcripts …", Tone.QUIET),)
            return
        self._block.left = session_rows.block_line(overview, now)
        reading = self._reading
        if reading is not None and reading.is_attached:
            session = next((each for each in overview.sessions if each.id == reading.session.id), None)
            if session is not None:
                reading.update_session(session)

    # What the keys do

    @on(Table.Opened)
    def _open(self, message: Table.Opened) -> None:
        message.stop()
        session = self.pane.selected
        if session is not None:
            self._read(session)

    def _read(self, session: Session) -> None:
        parser = self._parsers.get(session.agent)
        if session.transcript is None or parser is None:
            why = "This session has no transcript yet."
            if session.process is None:
                why = (
                    "Its transcript is gone, or in a folder that this console does not read: those are of"
                    " CLAUDE_CONFIG_DIR and CODEX_HOME."
                )
            self.app.notify(why, severity="warning", markup=False)
            return
        self._reading = TranscriptScreen(session, session.transcript.path, parser, self._now)
        self.app.push_screen(self._reading)

    async def action_in_list(self, name: str) -> None:
        """What a key does in the list."""
        await self.pane.do(name)

    def action_resume(self) -> None:
        """Copy the command that goes on with the selected session."""
        session = self.pane.selected
        if session is not None:
            copy_resume(self, session)

    def action_look(self) -> None:
        """Look at once."""
        self._feed.wake()

    @property
    def _alone(self) -> bool:
        """There is no screen below to go back to."""
        return self.app.screen_stack[0] is self

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return True if self.why_dim(action, parameters) is None else None

    def why_dim(self, action: str, parameters: tuple[object, ...]) -> str | None:
        """Why a key does nothing now."""
        back = action == "back" and self._alone and not self.pane.narrowed
        return "there is nothing to go back to" if back else None

    def action_back(self) -> None:
        """One step back: the filter, else the screen below."""
        if not self.pane.step_back() and not self._alone:
            self.dismiss()

    def action_leave(self) -> None:
        """Leave this screen, and hive where it was all that was asked for."""
        if self._alone:
            self.app.exit()
        else:
            self.dismiss()
