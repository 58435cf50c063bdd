"""A list of rows that stays calm: selection and scroll position belong to keys, not to line numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from widgets.cells import Cell, Column, Row
from widgets.lines import LineView

RowOf = Callable[[Hashable], Row]


class Table(LineView):
    """Rows by key, rendered on demand: only those on screen are ever asked for.

    `show` takes the keys in order and a pure function from key to row. Called again, it repaints only
    the lines that came out different, so it is cheap to call it every second for ages that pass.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="list.page-up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False, id="list.page-down"),
        Binding("home", "first", "First", show=False, id="list.first"),
        Binding("end,G", "last", "Last", show=False, id="list.last"),
        Binding("enter", "open", "Open", show=False, id="list.open"),
    ]

    @dataclass
    class Selected(Message):
        """Another row is selected; None when the list is empty."""

        table: Table
        key: Hashable | None

        @property
        def control(self) -> Table:
            return self.table

    @dataclass
    class Opened(Message):
        """Enter, or a second click, on a row."""

        table: Table
        key: Hashable

        @property
        def control(self) -> Table:
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        cursor: bool = True,
        placeholder: Sequence[Cell] = (),
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Without a `cursor` no row is marked: the rows are to be read, not to be chosen."""
        super().__init__(columns, id=id)
        self._has_cursor = cursor
        self.placeholder = tuple(placeholder)
        self._keys: Sequence[Hashable] = ()
        self._index: dict[Hashable, int] = {}
        self._row: RowOf = _no_row
        self._cursor = 0
        self._selected: Hashable | None = None
        self._painted: list[Row | None] = []
        self._touched = False

    @property
    def keys(self) -> Sequence[Hashable]:
        """The rows' keys, in order."""
        return self._keys

    @property
    def selected(self) -> Hashable | None:
        """The key of the selected row."""
        return self._selected

    def row(self, key: Hashable) -> Row:
        """The row of a key, as it would be painted now."""
        return self._row(key)

    def show(self, keys: Sequence[Hashable], row: RowOf, *, placeholder: Sequence[Cell] = ()) -> None:
        """Show these rows; `placeholder` is what stands there when there are none."""
        moved = keys is not self._keys and list(keys) != list(self._keys)
        bare = tuple(placeholder) != self.placeholder and not keys
        self.placeholder, self._row = tuple(placeholder), row
        if moved:
            self._move_to(keys)
        if moved or bare:
            self._painted = []
            self.refresh()
            return
        for y, painted in enumerate(self._painted):
            index = self.scroll_offset.y + y
            if painted is not None and index < len(self._keys) and row(self._keys[index]) != painted:
                self.refresh_lines(index)

    def select(self, key: Hashable) -> None:
        """Select the row of `key`, if it is there, and bring it into view."""
        index = self._index.get(key)
        if index is not None:
            self._set_cursor(index)

    def _move_to(self, keys: Sequence[Hashable]) -> None:
        """Take over a new order without moving what the reader looks at."""
        height, top = self.size.height, self.scroll_offset.y
        visible = top <= self._cursor < top + height
        anchor = self._cursor if visible else min(top, max(0, len(self._keys) - 1))
        anchor_key = self._keys[anchor] if self._keys else None

        self._keys = keys
        self._index = {key: index for index, key in enumerate(keys)}
        fallback = min(self._cursor, max(0, len(keys) - 1))
        # Until somebody chooses, the first row is selected, whichever that is.
        self._cursor = self._index.get(self._selected, fallback) if self._touched else 0
        self.virtual_size = Size(self.size.width, len(keys))

        new_anchor = self._index.get(anchor_key)
        at_top_still = top == 0 and self._cursor < height
        if new_anchor is not None and not at_top_still:
            self.scroll_to(y=new_anchor - (anchor - top), animate=False, immediate=True, force=True)
        self._announce()

    def _announce(self) -> None:
        selected = self._keys[self._cursor] if self._keys else None
        if selected != self._selected:
            self._selected = selected
            self.post_message(self.Selected(self, selected))

    def _set_cursor(self, index: int) -> None:
        self._touched = True
        if not self._keys:
            return
        before, self._cursor = self._cursor, max(0, min(index, len(self._keys) - 1))
        self.refresh_lines(before)
        self.refresh_lines(self._cursor)
        top, height = self.scroll_offset.y, self.size.height
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True, force=True)
        elif self._cursor >= top + height:
            self.scroll_to(y=self._cursor - height + 1, animate=False, immediate=True, force=True)
        self._announce()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self._keys:
            return self.centred(self.placeholder, y)
        index = self.scroll_offset.y + y
        row = self._row(self._keys[index]) if index < len(self._keys) else None
        self._painted.extend([None] * (y + 1 - len(self._painted)))
        self._painted[y] = row
        if row is None:
            return Strip.blank(width, self.rich_style)
        chosen = self._has_cursor and index == self._cursor
        over = self.get_component_rich_style("line--selected").background_style if chosen else None
        marker = self.get_component_rich_style("line--marker")
        lead = Segment("▌" if chosen else " ", marker if over is None else marker + over)
        strip = Strip([lead, *self.paint(row.cells, width - 2, over)])
        return strip.adjust_cell_length(width, self.rich_style if over is None else self.rich_style + over)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._painted = []

    def on_resize(self, event: events.Resize) -> None:
        self.virtual_size = Size(event.size.width, len(self._keys))
        self._keep_in_view()
        self._painted = []
        self.refresh()

    def _keep_in_view(self) -> None:
        top, height = self.scroll_offset.y, self.size.height
        if height and not top <= self._cursor < top + height:
            self.scroll_to(y=max(0, self._cursor - height + 1), animate=False, immediate=True, force=True)

    def on_focus(self) -> None:
        # The focus that a screen begins with is nobody's choice: there is nothing to choose from yet.
        self._touched = self._touched or bool(self._keys)
        self.refresh_lines(self._cursor)

    def on_blur(self) -> None:
        self.refresh_lines(self._cursor)

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index < len(self._keys):
            self._set_cursor(index)
            if event.chain == 2:
                self.action_open()

    def action_move(self, by: int) -> None:
        self._set_cursor(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._set_cursor(self._cursor + by * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self._set_cursor(0)

    def action_last(self) -> None:
        self._set_cursor(len(self._keys) - 1)

    def action_open(self) -> None:
        if self._selected is not None:
            self.post_message(self.Opened(self, self._selected))


def _no_row(key: Hashable) -> Row:
    return Row(key, ())
