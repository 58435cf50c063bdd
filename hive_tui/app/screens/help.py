"""What each key does, here and now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from hive_tui.app import help_lines
from hive_tui.app.key_hints import Place
from hive_tui.core.keymap import Keymap
from widgets.find_line import FindLine
from widgets.guarded import GuardedPump
from widgets.sheet import Sheet


class HelpScreen(GuardedPump, ModalScreen[None]):
    """The keys of where one is, then all others; `/` finds among them."""

    CSS_PATH = [  # noqa: RUF012 - declared as an instance variable by Screen
        Path(__file__).with_name("dialogs.tcss"),
        Path(__file__).with_name("help.tcss"),
    ]
    AUTO_FOCUS = "Sheet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Close", id="help.back"),
        Binding("question_mark,q", "dismiss", "Close", id="help.close"),
        Binding("slash", "find", "Find", id="help.find"),
    ]

    def __init__(self, place: Place, keys: Keymap, reasons: Mapping[str, str | None]) -> None:
        """`reasons` has the actions that are here, and why one cannot be done now."""
        super().__init__(classes="-dialog")
        self._place = place
        self._keys = keys
        self._groups = help_lines.groups(place, keys, reasons)
        self._wanted = ""

    def compose(self) -> ComposeResult:
        dialog = Vertical(classes="dialog", id="help")
        dialog.border_title = Content("Keys")
        dialog.border_subtitle = Content("/ finds · Esc closes")
        with dialog:
            yield Sheet()

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        place, found, keys, wanted = self._place, self._groups, self._keys, self._wanted
        self.query_one(Sheet).show(lambda width: help_lines.lines(place, found, keys, width, wanted))

    async def action_find(self) -> None:
        """Type what to look for; `@x` is the key x."""
        lines = self.query(FindLine)
        if lines:
            self.set_focus(lines.first().query_one("Input"))
        else:
            await self.query_one("#help").mount(FindLine(self._wanted))

    @on(FindLine.Typed)
    def _typed(self, message: FindLine.Typed) -> None:
        message.stop()
        self._wanted = message.text.strip()
        self.query_one(Sheet).scroll_home(animate=False)
        self._show()

    @on(FindLine.Left)
    def _left(self, message: FindLine.Left) -> None:
        message.stop()
        self.query_one(Sheet).focus()

    async def action_back(self) -> None:
        """Esc: out of the search, then out of the help."""
        if self.query(FindLine):
            await self.query(FindLine).remove()
            self._wanted = ""
            self._show()
            self.query_one(Sheet).focus()
        else:
            self.dismiss(None)
