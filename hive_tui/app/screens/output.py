"""What a command said, where that is more than a line."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.sheet import Sheet


class OutputScreen(GuardedPump, ModalScreen[None]):
    """Text to read, as wide as the screen."""

    CSS_PATH = [  # noqa: RUF012 - declared as an instance variable by Screen
        Path(__file__).with_name("dialogs.tcss"),
        Path(__file__).with_name("output.tcss"),
    ]
    AUTO_FOCUS = "Sheet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "Close", id="output.close"),
    ]

    def __init__(self, title: str, lines: list[str], *, failed: bool = False) -> None:
        super().__init__(classes="-dialog")
        self._title = title
        self._lines = [(Cell(line.expandtabs(4), Tone.PLAIN),) for line in lines]
        self._failed = failed

    def compose(self) -> ComposeResult:
        dialog = Vertical(classes="dialog -danger" if self._failed else "dialog", id="output")
        dialog.border_title = Content(text.clean_line(self._title))
        dialog.border_subtitle = Content("Esc closes")
        with dialog:
            yield Sheet()

    def on_mount(self) -> None:
        sheet = self.query_one(Sheet)
        sheet.styles.height = len(self._lines)
        sheet.show(lambda width: self._lines)
