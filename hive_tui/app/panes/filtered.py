"""A pane whose rows are narrowed by what is typed into a line below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.pane import Pane
from widgets.table import Table

if TYPE_CHECKING:
    from widgets.filter_line import FilterLine

_CHIP = 24
"""Cells of a filter that the frame shows."""


class FilteredPane(Pane):
    """Opens and closes the line; what is typed goes to `set_filter`."""

    table: Table
    _filter_line: FilterLine | None = None

    @property
    def filtering(self) -> str:
        """The filter that is active, as it was typed."""
        raise NotImplementedError

    def set_filter(self, typed: str) -> None:
        """Show only what matches."""
        raise NotImplementedError

    async def open_filter(self) -> None:
        """Show the line in which the filter is typed."""
        from widgets.filter_line import FilterLine  # not needed for the first paint

        if self._filter_line is None:
            self._filter_line = FilterLine(self.table)
            await self.mount(self._filter_line)
        self._filter_line.open(self.filtering)
        self.screen.refresh_bindings()

    def close_filter(self) -> None:
        """Put the line away; what was typed stays active."""
        if self._filter_line is not None and self._filter_line.display:
            if self._filter_line.is_typed_in:
                self.screen.set_focus(self.table)
            self._filter_line.display = False
            self.screen.refresh_bindings()

    # By name: to import the line's class would import Textual's input.
    def on_filter_line_typed(self, message: Message) -> None:
        message.stop()
        self.set_filter(getattr(message, "text", ""))

    def on_filter_line_left(self, message: Message) -> None:
        message.stop()
        self.close_filter()

    @property
    def narrowed(self) -> bool:
        """There is something to undo with Esc."""
        return bool(self.filtering) or (self._filter_line is not None and self._filter_line.display)

    def step_back(self) -> bool:
        """Undo the line of the filter, else the filter. False where there is neither."""
        if self._filter_line is not None and self._filter_line.display:
            self.close_filter()
        elif self.filtering:
            self.set_filter("")
        else:
            return False
        return True

    def chip(self, found: int, listed: int) -> Cell:
        """What the frame says of an active filter."""
        return Cell(f"/{text.truncate(self.filtering, _CHIP)}  {found:,} of {listed:,}", Tone.TITLE)

    def no_match(self, noun: str) -> tuple[Cell, ...]:
        """What an empty list says where a filter left nothing of it."""
        return (Cell(f'No {noun} matches "{self.filtering}"'), Cell("Esc clears the filter", Tone.QUIET))
