"""A list to move about in: rows are selected, marked, unfolded and opened, by key and by mouse."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from widgets.moving import moving, opening
from widgets.rows_view import RowsView


class Table(RowsView):
    """Rows of which one is selected, and any number marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *moving(
            up="move(-1)",
            down="move(1)",
            page_up="page(-1)",
            page_down="page(1)",
            half_up="half_page(-1)",
            half_down="half_page(1)",
            first="first",
            last="last",
            left="fold",
            right="unfold",
        ),
        opening("open"),
    ]

    # Not dataclasses: each of those takes half a millisecond of every start to make.
    class About(Message):
        """Something happened in a table."""

        def __init__(self, table: Table) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> Table:
            return self.table

    class Selected(About):
        """Another row is selected; None when the list is empty."""

        def __init__(self, table: Table, key: Hashable | None) -> None:
            super().__init__(table)
            self.key = key

    class Opened(About):
        """Enter, or a second click, on a row."""

        def __init__(self, table: Table, key: Hashable) -> None:
            super().__init__(table)
            self.key = key

    class MarksChanged(About):
        """Rows were marked, or marks taken away."""

    class HeadingClicked(About):
        """A click on the heading of a column."""

        def __init__(self, table: Table, column: str) -> None:
            super().__init__(table)
            self.column = column

    def announce(self, selected: Hashable | None) -> None:
        self.post_message(self.Selected(self, selected))

    # Marks

    def mark(self) -> None:
        """Mark the selected row or take its mark away, and go to the next one."""
        if self.selected is not None:
            self.marks.toggle(self.selected)
            self._marks_changed()
            self.action_move(1)

    def mark_range(self) -> None:
        """Mark from the row that was marked last to the selected one."""
        if self.selected is not None:
            self.marks.mark_range(self.keys, self._cursor)
            self._marks_changed()

    def mark_all(self) -> None:
        """Mark every row that is listed; when they all are, take their marks away."""
        self.marks.mark_all(self.keys)
        self._marks_changed()

    def clear_marks(self) -> None:
        self.marks.clear()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.repaint_all()
        self.post_message(self.MarksChanged(self))

    # Mouse

    def on_click(self, event: events.Click) -> None:
        heading = self.heading_at(event.x, event.y)
        if heading is not None:
            self.post_message(self.HeadingClicked(self, heading.name))
        index = self.row_at(event.y)
        if index is None or not self._has_cursor:
            return
        if event.x <= 0:
            self.marks.toggle(self.keys[index])
            self._marks_changed()
            return
        self._set_cursor(index)
        if event.chain == 2:
            self.action_open()

    # Keys

    def action_move(self, by: int) -> None:
        self._set_cursor(self._cursor + by)

    def action_page(self, by: int) -> None:
        self._set_cursor(self._cursor + by * max(1, self.page - 1))

    def action_half_page(self, by: int) -> None:
        self._set_cursor(self._cursor + by * max(1, self.page // 2))

    def action_first(self) -> None:
        self._set_cursor(0)

    def action_last(self) -> None:
        self._set_cursor(len(self.keys) - 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is opened where nothing is listed."""
        return action != "open" or self.selected is not None

    def action_open(self) -> None:
        if self.selected is not None:
            self.post_message(self.Opened(self, self.selected))

    def action_unfold(self) -> None:
        """Show all of the selected row's text, on more lines."""
        if self.selected is not None and self._has_cursor:
            self.unfold(self.selected)

    def action_fold(self) -> None:
        if self.selected is not None:
            self.fold(self.selected)
