"""Rows by key, drawn on demand, below a line of headings: what is looked at does not move by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import ClassVar

import msgspec
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip

from widgets.cells import Cell, Column, Line, Row, column_at, spans
from widgets.heights import Heights
from widgets.lines import OF_FOCUS, LineView, fit, wrapped
from widgets.marks import Marks

RowOf = Callable[[Hashable], Row]
DetailsOf = Callable[[Hashable], Sequence[Cell]]

HEADINGS_FROM = 5
"""Lines from which on one of them is worth giving to the headings."""

DETAIL_LINES = 8
"""Lines that one text of an unfolded row may take."""

INDENT = 2


class Sorting(msgspec.Struct, frozen=True):
    """Which column rows are sorted by, and whether the largest comes first."""

    column: str
    down: bool


class RowsView(LineView):
    """Shows rows and keeps the place: the selected key, the first line, marks, and what is unfolded.

    `show` takes the keys in order and a pure function from key to row. Called again, it repaints only
    the lines that came out different, so it is cheap to call it every second for ages that pass.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line--heading", "line--sorted", "line--mark"}
    DEFAULT_CSS = (
        "RowsView { & > .line--mark { color: $accent; } & > .line--heading { color: $foreground 40%; }"
        "& > .line--sorted { color: $foreground 80%; } &:focus > .line--sorted { color: $accent; }"
        "&:ansi > .line--heading { color: ansi_bright_black; }"
        "&:ansi > .line--sorted { color: ansi_default; }"
        "&:ansi:focus > .line--sorted { color: $accent; text-style: bold; } }"
    )

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        cursor: bool = True,
        headings: bool = False,
        placeholder: Sequence[Cell] = (),
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Without a `cursor` no row is selected: the rows are to be read, not to be chosen."""
        super().__init__(columns, id=id)
        self._has_cursor = cursor
        self._has_headings = headings
        self.placeholder = tuple(placeholder)
        self.marks = Marks()
        self.matching: re.Pattern[str] | None = None
        """What stands out in the rows."""
        self.sorting: Sorting | None = None
        """What the headings say of the order."""
        self._keys: Sequence[Hashable] = ()
        self._index: dict[Hashable, int] | None = {}
        self._row: RowOf = _no_row
        self._details: DetailsOf = _no_details
        self._cursor = 0
        self._selected: Hashable | None = None
        self._wanted: Hashable | None = None
        """The key that somebody chose; it is selected again when it comes back."""
        self._touched = False
        self._unfolded: dict[Hashable, tuple[Cell, ...]] = {}
        self._heights = Heights(0)
        self._painted: list[Row | Cell | None] = []

    # What is shown

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

    def index(self, key: Hashable) -> int | None:
        """The place of a key in the order."""
        if self._index is None:
            self._index = {each: index for index, each in enumerate(self._keys)}
        return self._index.get(key)

    def show(
        self,
        keys: Sequence[Hashable],
        row: RowOf,
        *,
        details: DetailsOf | None = None,
        placeholder: Sequence[Cell] = (),
        chosen_anew: bool = False,
    ) -> None:
        """Show these rows. `details` are the texts of an unfolded row, `placeholder` is what stands
        there when there are no rows; `chosen_anew` says that a person asked for other rows, so that a
        selection which is not among them goes to the first one and not to a neighbour."""
        moved = keys is not self._keys and not _same(keys, self._keys)
        bare = tuple(placeholder) != self.placeholder and not keys
        self.placeholder, self._row = tuple(placeholder), row
        self._details = details or _no_details
        if moved:
            self._move_to(keys, chosen_anew=chosen_anew)
        resized = self._measure() if self._unfolded else False
        if moved or bare or resized:
            self._repaint()
            return
        self._repaint_changes()

    def repaint_all(self) -> None:
        """Paint anew what does not lie in the rows: marks, headings, what stands out."""
        self._repaint()

    # Lines and rows

    @property
    def head(self) -> int:
        """Lines that the headings take."""
        return 1 if self._has_headings and self.size.height >= HEADINGS_FROM else 0

    @property
    def page(self) -> int:
        """Lines that the rows have."""
        return self.size.height - self.head

    def row_at(self, y: int) -> int | None:
        """The index of the row at a line of the screen."""
        if y < self.head:
            return None
        index, _ = self._heights.at(self.scroll_offset.y + y - self.head)
        return index if index < len(self._keys) else None

    def heading_at(self, x: int, y: int) -> Column | None:
        """The column whose heading is at a place of the screen."""
        if y >= self.head:
            return None
        return column_at(self.columns, self.widths(self.size.width - 2), x - 1)

    def _content(self, line: int) -> Row | Cell | None:
        """What stands on a line of the rows."""
        index, below = self._heights.at(line)
        if line < 0 or index >= len(self._keys):
            return None
        key = self._keys[index]
        if not below:
            return self._row(key)
        details = self._unfolded.get(key, ())
        return details[below - 1] if below <= len(details) else None

    def _fit_lines(self) -> None:
        extra = {}
        for key, lines in self._unfolded.items():
            index = self.index(key)
            if index is not None:
                extra[index] = len(lines)
        self._heights = Heights(len(self._keys), extra)
        self.virtual_size = Size(self.size.width, self.head + self._heights.total)

    # Unfolding

    @property
    def unfolded(self) -> Mapping[Hashable, Line]:
        """The rows that show all of their text, with the lines below them."""
        return self._unfolded

    def unfold(self, key: Hashable) -> None:
        """Show all of a row's text on lines below it."""
        if self.index(key) is not None and key not in self._unfolded:
            self._unfolded[key] = self._texts(key)
            self._fit_lines()
            self._bring_into_view(whole=True)
            self._repaint()

    def fold(self, key: Hashable) -> None:
        """Show one line of a row again."""
        if self._unfolded.pop(key, None) is not None:
            self._fit_lines()
            self._bring_into_view()
            self._repaint()

    def _texts(self, key: Hashable) -> tuple[Cell, ...]:
        width = max(8, self.size.width - 3 - INDENT)
        return tuple(
            Cell(line, cell.tone)
            for cell in self._details(key)
            for line in wrapped(cell.text, width, lines=DETAIL_LINES)
        )

    def _measure(self) -> bool:
        """Read the texts of unfolded rows again; whether a row became taller or less tall."""
        resized = False
        for key, before in self._unfolded.items():
            # What went away is unfolded again when it comes back.
            if self.index(key) is not None:
                self._unfolded[key] = self._texts(key)
                resized = resized or len(self._unfolded[key]) != len(before)
        if resized:
            top, heights = self.scroll_offset.y, self._heights
            visible = top <= heights.top(self._cursor) < top + self.page
            anchor = self._cursor if visible else heights.at(top)[0]
            self._fit_lines()
            if top:
                self._scroll(top + self._heights.top(anchor) - heights.top(anchor))
            if visible:
                self._bring_into_view()
        return resized

    # The place

    def select(self, key: Hashable) -> None:
        """Select the row of `key`, if it is there, and bring it into view."""
        index = self.index(key)
        if index is not None:
            self._set_cursor(index)

    def hold(self) -> None:
        """Somebody acts on what is selected: from now on that is what they chose."""
        if self._keys and not self._touched:
            self._touched, self._wanted = True, self._selected

    def announce(self, selected: Hashable | None) -> None:
        """Called when another key is selected."""

    def _move_to(self, keys: Sequence[Hashable], *, chosen_anew: bool) -> None:
        """Take over a new order without moving what the reader looks at."""
        top = self.scroll_offset.y
        before, heights, cursor = self._keys, self._heights, self._cursor
        visible = top <= heights.top(cursor) < top + self.page
        anchor = cursor if visible else min(heights.at(top)[0], max(0, len(before) - 1))
        anchor_key = before[anchor] if before else None

        self._keys, self._index = keys, None
        self._cursor = self._place(before, cursor, chosen_anew)
        self._fit_lines()
        new_anchor = None if anchor_key is None else self.index(anchor_key)
        at_top_still = top == 0 and self._heights.bottom(self._cursor) < self.page
        if new_anchor is not None and not at_top_still:
            self._scroll(self._heights.top(new_anchor) - (heights.top(anchor) - top))
        if visible or chosen_anew:
            self._bring_into_view()
        self._announce()

    def _place(self, before: Sequence[Hashable], cursor: int, chosen_anew: bool) -> int:
        """Where the selection is in the new order."""
        # Until somebody chooses, the first row is selected, whichever that is.
        if not self._touched or not self._keys:
            return 0
        for key in (self._wanted, self._selected):
            index = None if key is None else self.index(key)
            if index is not None:
                return index
        if chosen_anew:
            return 0
        for key in before[cursor + 1 : cursor + 1 + self.page]:
            index = self.index(key)
            if index is not None:
                return index
        return min(cursor, len(self._keys) - 1)

    def _announce(self) -> None:
        selected = self._keys[self._cursor] if self._keys else None
        if not self._touched:
            self._wanted = selected
        if selected != self._selected:
            self._selected = selected
            self.announce(selected)

    def _set_cursor(self, index: int) -> None:
        self._touched = True
        if not self._keys:
            return
        before, self._cursor = self._cursor, max(0, min(index, len(self._keys) - 1))
        self._wanted = self._keys[self._cursor]
        for each in (before, self._cursor):
            self._refresh_row(each)
        self._bring_into_view()
        self._announce()

    def _bring_into_view(self, *, whole: bool = False) -> None:
        """Scroll as little as shows the selected row, or also all lines below it."""
        if self.page <= 0:
            return
        top, first = self.scroll_offset.y, self._heights.top(self._cursor)
        last = self._heights.bottom(self._cursor) if whole else first
        if last >= top + self.page:
            top = last - self.page + 1
        self._scroll(min(top, first))

    def _scroll(self, y: int) -> None:
        if y != self.scroll_offset.y:
            self.scroll_to(y=max(0, y), animate=False, immediate=True, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._painted = []

    def on_resize(self, event: events.Resize) -> None:
        self._measure()
        self._fit_lines()
        top = self.scroll_offset.y
        if self.page > 0 and not top <= self._heights.top(self._cursor) < top + self.page:
            self._bring_into_view()
        self._repaint()

    def on_focus(self) -> None:
        # The focus that a screen begins with is nobody's choice: there is nothing to choose from yet.
        self.hold()

    # Painting

    def restyled(self, components: Collection[str]) -> None:
        if OF_FOCUS.issuperset(components):
            self._refresh_row(self._cursor)
            self.refresh_lines(self.scroll_offset.y)
        else:
            super().restyled(components)

    def _repaint(self) -> None:
        self._painted = []
        self.refresh()

    def _repaint_changes(self) -> None:
        """Paint anew only the cells that changed and are seen: ages change in every row every second."""
        first, width = self.scroll_offset.y - self.head, self.size.width
        places = spans(self.widths(width - 2))
        changes: list[Region] = []
        for y, painted in enumerate(self._painted):
            content = None if painted is None else self._content(first + y)
            if painted is None or content == painted:
                continue
            if isinstance(content, Row) and isinstance(painted, Row) and content.key == painted.key:
                self._painted[y] = content
                cells = zip(places, content.cells, painted.cells, strict=False)
                changes += (Region(1 + x, y, wide, 1) for (x, wide), new, old in cells if wide and new != old)
            else:
                changes.append(Region(0, y, width, 1))
        if changes:
            self.refresh(*changes)

    def _refresh_row(self, index: int) -> None:
        first = self._heights.top(index)
        self.refresh_lines(self.head + first, self._heights.bottom(index) - first + 1)

    def render_line(self, y: int) -> Strip:
        head = self.head
        if y < head:
            return self.strip([Segment(" ", self.rich_style), *self._headings(self.size.width - 2)])
        if not self._keys:
            return self.centred(self.placeholder, y - head)
        content = self._content(self.scroll_offset.y + y - head)
        self._painted.extend([None] * (y + 1 - len(self._painted)))
        self._painted[y] = content
        if content is None:
            return Strip.blank(self.size.width, self.rich_style)
        index = self.row_at(y)
        over = self._over if self._has_cursor and index == self._cursor else None
        base = self.rich_style if over is None else self.rich_style + over
        if isinstance(content, Row):
            segments = [
                self._lead(content.key, over),
                *self.paint(
                    content.cells, self.size.width - 2, over, matching=self.matching, link=content.link
                ),
            ]
        else:
            style = self.tone(content.tone)
            segments = [
                Segment(" " * (1 + INDENT), base),
                Segment(content.text, style if over is None else style + over),
            ]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    @property
    def _over(self) -> Style:
        return self.laid_over("line--selected")

    def _lead(self, key: Hashable, over: Style | None) -> Segment:
        """The first cell of a row: whether it is selected, and whether it is marked."""
        marked, chosen = key in self.marks, over is not None
        if not marked and not chosen:
            # Of no colour that the focus changes: it is not painted anew for that.
            return Segment(" ", self.rich_style)
        style = self.get_component_rich_style("line--mark" if marked else "line--marker")
        glyph = ("◉" if chosen else "●") if marked else "▌"
        return Segment(glyph, style if over is None else style + over)

    def _headings(self, available: int) -> list[Segment]:
        quiet = self.get_component_rich_style("line--heading")
        lit = self.get_component_rich_style("line--sorted")
        segments: list[Segment] = []
        for column, width in zip(self.columns, self.widths(available), strict=True):
            if not width:
                continue
            if segments:
                segments.append(Segment(" ", quiet))
            sorting = self.sorting if self.sorting and self.sorting.column == column.name else None
            arrow = "" if sorting is None else "↓" if sorting.down else "↑"
            title = column.title[: width - len(arrow)] + arrow
            segments.append(Segment(fit(title, width, right=column.right), lit if sorting else quiet))
        return segments


def _same(left: Sequence[Hashable], right: Sequence[Hashable]) -> bool:
    return len(left) == len(right) and list(left) == list(right)


def _no_row(key: Hashable) -> Row:
    return Row(key, ())


def _no_details(key: Hashable) -> Sequence[Cell]:
    return ()
