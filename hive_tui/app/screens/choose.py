"""A dialog in which one of a few things is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from hive_tui.app.screens.confirm import BREAKPOINTS
from hive_tui.core import text
from widgets.guarded import GuardedPump


class ChooseScreen(GuardedPump, ModalScreen[str | None]):
    """Enter chooses, Esc calls it off."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    DEFAULT_CSS = """
    ChooseScreen OptionList { height: auto; max-height: 20; border: none; background: $surface; padding: 0; }
    ChooseScreen OptionList:focus { border: none; }
    """
    VERTICAL_BREAKPOINTS = BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="choose.cancel"),
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[tuple[str, str]], chosen: str | None = None) -> None:
        """`choices` are values and what they are called; `chosen` is the one that is true now."""
        super().__init__(classes="-dialog")
        self._title, self._choices, self._chosen = title, tuple(choices), chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -narrow") as dialog:
            dialog.border_title = Content(text.clean_line(self._title))
            dialog.border_subtitle = Content("Enter chooses   Esc cancels")
            yield OptionList(
                *(
                    Option(
                        Content(f"{'● ' if value == self._chosen else '  '}{text.clean_line(name)}"), value
                    )
                    for value, name in self._choices
                ),
                compact=True,
            )

    def on_mount(self) -> None:
        values = [value for value, _ in self._choices]
        self.query_one(OptionList).highlighted = values.index(self._chosen) if self._chosen in values else 0

    @on(OptionList.OptionSelected)
    def _select(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_cancel(self) -> None:
        self.dismiss(None)
