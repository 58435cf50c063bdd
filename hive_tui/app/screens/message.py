"""The dialog in which a message to an agent at work is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from hive_tui.app.screens.confirm import BREAKPOINTS
from hive_tui.core import text
from hive_tui.core.actions.runs import MAX_MESSAGE
from hive_tui.core.attention import ASKS
from hive_tui.core.model import Run
from widgets.guarded import GuardedPump


class Writing(TextArea):
    """Several lines of text; Enter is done with it, and a paste keeps its lines."""

    class Done(Message):
        """Enter was pressed."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Done())
        elif event.key in ("ctrl+j", "shift+enter", "alt+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
        else:
            await super()._on_key(event)


class MessageScreen(GuardedPump, ModalScreen[str | None]):
    """Enter sends; Esc keeps what was written for the next time."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    DEFAULT_CSS = """
    MessageScreen Writing { height: 8; margin-top: 1; padding: 0 1; background: $foreground 8%; }
    MessageScreen Writing { border: none; }
    MessageScreen Writing:focus { border: none; }
    MessageScreen #question { max-height: 12; margin-top: 1; }
    MessageScreen.-low Writing { height: 4; margin-top: 0; }
    MessageScreen.-low #question { max-height: 2; margin-top: 0; }
    """
    AUTO_FOCUS = "Writing"
    VERTICAL_BREAKPOINTS = BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "Keep it", id="message.cancel")]

    def __init__(self, runs: Sequence[Run], draft: str) -> None:
        super().__init__(classes="-dialog")
        self._runs = tuple(runs)
        self.draft = draft
        """What is written; it is there after the dialog, too."""

    def compose(self) -> ComposeResult:
        run = self._runs[0]
        with Vertical(classes="dialog -wide") as dialog:
            dialog.border_title = Content("Message")
            dialog.border_subtitle = Content("Enter sends   Ctrl+J new line   Esc keeps it for later")
            who = [f"{run.spec.worker}  {run.spec.key} {run.spec.title}" for run in self._runs[:5]]
            if len(self._runs) > 5:
                who.append(f"… and {len(self._runs) - 5} more")
            yield Static(Content("\n".join(map(text.clean_line, who))), classes="dialog--lead")
            if len(self._runs) == 1 and (run.why or "").startswith(ASKS):
                asked = text.clean_line((run.why or "").removeprefix(ASKS))
                yield Static(Content(f"It asks: {asked}"), id="question", classes="dialog--quiet")
            yield Writing(self.draft, soft_wrap=True, tab_behavior="focus")
            yield Static(id="against", classes="dialog--error -empty")

    def on_mount(self) -> None:
        writing = self.query_one(Writing)
        writing.move_cursor(writing.document.end)

    def on_text_area_changed(self) -> None:
        self.draft = self.query_one(Writing).text
        self._tell("")

    def on_writing_done(self) -> None:
        written = self.draft = self.query_one(Writing).text
        if not written.strip():
            self._tell("The message is empty.")
        elif len(written) > MAX_MESSAGE:
            self._tell(f"The message is longer than {MAX_MESSAGE:,} characters.")
        else:
            self.dismiss(written)

    def _tell(self, words: str) -> None:
        against = self.query_one("#against", Static)
        against.update(Content(words))
        against.set_class(not words, "-empty")

    def action_cancel(self) -> None:
        self.dismiss(None)
