"""The line at the bottom of a list in which its filter is typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.widgets import Input, Static

from widgets.lines import harmless
from widgets.table import Table

LONGEST = 200
"""Characters that it takes."""


class HarmlessInput(Input):
    """An input that takes nothing from the clipboard that a terminal would act on."""

    # One of Textual's own has no scroll bar to be seen, but all is laid out twice for it.
    DEFAULT_CSS = "HarmlessInput { overflow: hidden hidden; }"

    # Textual's own lays out the whole screen anew with every key.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def validate_value(self, value: str) -> str:
        return harmless(value, limit=LONGEST)


class FilterLine(Horizontal):
    """`/ words`, narrowing the list with every key; the arrows move in the list meanwhile."""

    DEFAULT_CSS = """
    FilterLine {
        height: 1;
        & > Static { width: 2; color: $accent; }
        & > Input, & > Input:focus {
            width: 1fr; background: transparent; background-tint: transparent; color: $foreground;
            & > .input--placeholder { color: $foreground 40%; }
        }
        &:ansi > Input > .input--placeholder { color: ansi_bright_black; }
    }
    """
    HINT = "words  !without  state:ready  agent:claude  label:bug  repo:name"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "in_list('move', -1)", "Up", show=False),
        Binding("down", "in_list('move', 1)", "Down", show=False),
        Binding("pageup", "in_list('page', -1)", "Page up", show=False),
        Binding("pagedown", "in_list('page', 1)", "Page down", show=False),
    ]

    @dataclass
    class Typed(Message):
        """The filter is another one now."""

        text: str

    class Left(Message):
        """Enter was pressed, or the focus went elsewhere."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table
        self._input = HarmlessInput(
            placeholder=self.HINT, compact=True, max_length=LONGEST, select_on_focus=False
        )
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield Static(" /", markup=False)
        yield self._input

    def open(self, text: str) -> None:
        """Take every key that comes from now on."""
        self.display = True
        self._input.value = text
        self._input.cursor_position = len(text)
        self.screen.set_focus(self._input)

    @property
    def is_typed_in(self) -> bool:
        return self._input.has_focus

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        message.stop()
        self.post_message(self.Typed(message.value))

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.post_message(self.Left())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        # When the whole terminal loses the focus nothing has it, and the line stays.
        self.call_after_refresh(self._look_where_the_focus_is)

    def _look_where_the_focus_is(self) -> None:
        focused = self.screen.focused if self.is_attached else None
        if focused is not None and focused is not self._input:
            self.post_message(self.Left())

    def action_in_list(self, what: str, by: int) -> None:
        if what == "move":
            self._table.action_move(by)
        else:
            self._table.action_page(by)
