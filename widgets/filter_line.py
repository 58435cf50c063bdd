"""The line at the bottom of a list in which its filter is typed."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from widgets.find_line import FindLine
from widgets.table import Table


class FilterLine(FindLine):
    """`/ words`, narrowing the list with every key; the arrows move in the list meanwhile.

    It is also left when the focus goes elsewhere.
    """

    DEFAULT_CSS = "FilterLine > Static { padding-left: 1; }"
    HINT = "words  !without  state:ready  agent:claude  label:bug  repo:name"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "in_list('move', -1)", "Up", show=False),
        Binding("down", "in_list('move', 1)", "Down", show=False),
        Binding("pageup", "in_list('page', -1)", "Page up", show=False),
        Binding("pagedown", "in_list('page', 1)", "Page down", show=False),
    ]

    def __init__(self, table: Table) -> None:
        super().__init__(hint=self.HINT, select=False)
        self._table = table

    def open(self, text: str) -> None:
        """Take every key that comes from now on."""
        self.display = True
        self._input.value = text
        self._input.cursor_position = len(text)
        self.screen.set_focus(self._input)

    @property
    def is_typed_in(self) -> bool:
        return self._input.has_focus

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
