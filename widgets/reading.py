"""A view of text to read: scrolled by lines, parts and matches, with long blocks folded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from widgets.cells import Cell
from widgets.lines import LineView, linked
from widgets.moving import moving
from widgets.prose import FOLD, Block, Prose, Row

WIDEST = 110
"""Cells of a line of prose; longer ones are hard to read."""

_MARGIN = 2


class Reading(LineView):
    """Blocks of text. Showing others keeps the reader's place and what was unfolded, by the blocks' keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"reading--match", "reading--here"}
    DEFAULT_CSS = """
    Reading {
        & > .reading--match { background: $accent 30%; }
        & > .reading--here { background: $accent; color: $background; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *moving(
            up="lines(-1)",
            down="lines(1)",
            page_up="pages(-1)",
            page_down="pages(1)",
            half_up="pages(-1)",
            half_down="pages(1)",
            first="start",
            last="end",
        ),
        Binding("b", "pages(-1)", "Page up", show=False),
        Binding("space", "pages(1)", "Page down", show=False),
    ]

    @dataclass
    class Moved(Message):
        """What the reader sees, or what was found, changed."""

        reading: Reading

        @property
        def control(self) -> Reading:
            return self.reading

    def __init__(self, *, prose: bool = True, id: str | None = None) -> None:  # noqa: A002
        """`prose` is kept to a width that is read with ease; code and tables take all there is."""
        super().__init__((), id=id)
        self.placeholder: tuple[Cell, ...] = ()
        self.follows = False
        """Stay at the end while text is added, as long as the reader is there."""
        self._is_prose = prose
        self._prose = Prose()
        self._given: tuple[Block, ...] = ()
        self._match: int | None = None
        self._needle = ""

    # What is shown

    def show(self, blocks: Sequence[Block], *, placeholder: Sequence[Cell] = ()) -> None:
        """Show these blocks instead; cheap when they are the same."""
        placeholder, given = tuple(placeholder), tuple(blocks)
        if given == self._given and placeholder == self.placeholder:
            return
        place, at_end = self._place(), self.follows and self.scroll_offset.y >= self.max_scroll_y
        self.placeholder, self._given = placeholder, given
        self._prose.replace(given)
        if self._match is not None and self._match >= len(self._prose.matches):
            self._match = None
        self._resize_to_rows()
        if at_end and given:
            self._scroll(self.max_scroll_y)
        else:
            self._go_to(place)
        self._changed()

    def extend(self, blocks: Iterable[Block]) -> None:
        """Add blocks at the end."""
        given = tuple(blocks)
        if not given:
            return
        at_end = self.scroll_offset.y >= self.max_scroll_y
        self._given += given
        self._prose.extend(given)
        self._resize_to_rows()
        if self.follows and at_end:
            self._scroll(self.max_scroll_y)
        self._changed()

    def drop_beyond(self, most: int) -> int:
        """Forget the oldest blocks where there are a good many more than `most`; returns how many."""
        lost = len(self._given) - most
        if lost < most // 4:
            return 0
        self.show(self._given[lost:], placeholder=self.placeholder)
        return lost

    @property
    def empty(self) -> bool:
        return not self._prose.rows

    @property
    def text(self) -> str:
        """All of it, as it is laid out."""
        return "\n".join(self._text_of(row) for row in self._prose.rows)

    @property
    def position(self) -> str:
        """How far the reader is: `37 %`; empty where everything is in sight."""
        most = self.max_scroll_y
        return "" if most <= 0 else f"{round(100 * self.scroll_offset.y / most)} %"

    @property
    def here(self) -> int | None:
        """The block at the top of what is in sight."""
        if self.empty:
            return None
        return self._prose.block_at(min(self.scroll_offset.y, len(self._prose.rows) - 1))

    # Going about

    def part(self, by: int) -> None:
        """To the next part, or the one before."""
        top = self.scroll_offset.y
        parts = self._prose.parts()
        if by > 0:
            found = next((row for row in parts if row > top), None)
        else:
            found = next((row for row in reversed(parts) if row < top), None)
        if found is not None:
            self._scroll(found)

    @property
    def has_parts(self) -> bool:
        return len(self._prose.parts()) > 1

    def action_lines(self, by: int) -> None:
        self._scroll(self.scroll_offset.y + by)

    def action_pages(self, by: int) -> None:
        self._scroll(self.scroll_offset.y + by * max(1, self.size.height - 2))

    def action_start(self) -> None:
        self._scroll(0)

    def action_end(self) -> None:
        self._scroll(self.max_scroll_y)

    # Folds

    @property
    def fold(self) -> int | None:
        """The block that `toggle_fold` is about: the first one in sight that has a mark."""
        top, height = self.scroll_offset.y, self.size.height
        rows = self._prose.rows[top : top + height]
        return next((row.block for row in rows if row.line == FOLD), None)

    def toggle_fold(self, block: int | None = None) -> None:
        """Show all of a block, or fold it again."""
        block = self.fold if block is None else block
        if block is None:
            return
        # What is folded again goes out of sight above: the reader follows it.
        top = min(self.scroll_offset.y, self._prose.row_of(block))
        opened = self._prose.folded(block)
        self._prose.toggle(block)
        self._resize_to_rows()
        if not opened:
            self._scroll(top)
        self._changed()

    # Finding

    @property
    def needle(self) -> str:
        """What is looked for."""
        return self._needle

    @property
    def found(self) -> tuple[int, int]:
        """Which match is shown, from 1, and how many there are."""
        return (0 if self._match is None else self._match + 1, len(self._prose.matches))

    def find(self, needle: str) -> None:
        """Look for a text, and go to its first match at or below what is in sight."""
        self._needle = needle
        self._prose.find(needle)
        self._match = None
        matches = self._prose.matches
        if matches:
            top = self.scroll_offset.y
            rows = (self._prose.row_of(match.block, match.line, match.start) for match in matches)
            self._show_match(next((index for index, row in enumerate(rows) if row >= top), 0))
        self._changed()

    def next_match(self, by: int) -> None:
        """To the next match or the one before, around the ends."""
        if self._prose.matches:
            start = -1 if self._match is None and by > 0 else (self._match or 0)
            self._show_match((start + by) % len(self._prose.matches))
            self._changed()

    def _show_match(self, index: int) -> None:
        self._match = index
        before = len(self._prose.rows)
        row = self._prose.reveal(self._prose.matches[index])
        if len(self._prose.rows) != before:
            self._resize_to_rows()
        top, height = self.scroll_offset.y, self.size.height
        if not top <= row < top + height - 1:
            self._scroll(row - height // 3)

    # Painting

    def render_line(self, y: int) -> Strip:
        if self.empty:
            return self.centred(self.placeholder, y)
        index = self.scroll_offset.y + y
        if index >= len(self._prose.rows):
            return Strip.blank(self.size.width, self.rich_style)
        return self.strip(self._segments(self._prose.rows[index]))

    def _segments(self, row: Row) -> list[Segment]:
        if row.line == FOLD:
            mark = self.get_component_rich_style("line--marker")
            return [Segment(" " * _MARGIN, self.rich_style), Segment(self._text_of(row).strip(), mark)]
        line = self._prose.blocks[row.block].lines[row.line]
        margin = _MARGIN + (min(line.indent, max(0, self._prose.width - 8)) if row.start else 0)
        segments = [Segment(" " * margin, self.rich_style)]
        at = 0
        cells = self._prose.cells(row)
        for cell in cells:
            start, end = max(at, row.start), min(at + len(cell.text), row.end)
            if start < end:
                piece, style = cell.text[start - at : end - at], self.tone(cell.tone)
                if line.link is not None and cell is cells[-1]:
                    style += linked(line.link)
                segments += self._marked(piece, style, row, start)
            at += len(cell.text)
        return segments

    def _marked(self, text: str, style: Style, row: Row, start: int) -> list[Segment]:
        """A piece of a line with what was found in it marked."""
        if not self._needle:
            return [Segment(text, style)]
        here = self._prose.matches[self._match] if self._match is not None else None
        needle, folded = self._needle.casefold(), text.casefold()
        found, at = [], 0
        while (hit := folded.find(needle, at)) >= 0:
            name = "reading--match"
            if here is not None and (here.block, here.line) == (row.block, row.line):
                name = "reading--here" if here.start == start + hit else name
            over = self.get_component_rich_style(name)
            shown = over if name == "reading--here" else style + over.background_style
            found += [Segment(text[at:hit], style), Segment(text[hit : hit + len(needle)], shown)]
            at = hit + len(needle)
        return [*found, Segment(text[at:], style)]

    def _text_of(self, row: Row) -> str:
        if row.line != FOLD:
            return self._prose.text(row)
        if self._prose.folded(row.block):
            return f"▸ {self._prose.hidden(row.block):,} more lines · Enter shows them"
        return "▾ Enter folds this again"

    # Sizes and places

    def on_resize(self, event: events.Resize) -> None:
        width = max(8, event.size.width - 2 * _MARGIN)
        width = min(width, WIDEST) if self._is_prose else width
        if width != self._prose.width:
            place, at_end = self._place(), self.follows and self.scroll_offset.y >= self.max_scroll_y
            self._prose.resize(width)
            self._resize_to_rows()
            if at_end:
                self._scroll(self.max_scroll_y)
            else:
                self._go_to(place)
        else:
            self._resize_to_rows()
        self._changed()

    def on_click(self, event: events.Click) -> None:
        index = self.scroll_offset.y + event.y
        if index < len(self._prose.rows) and self._prose.rows[index].line == FOLD:
            self.toggle_fold(self._prose.rows[index].block)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if old_value != new_value:
            self.post_message(self.Moved(self))

    def _place(self) -> tuple[object, int, int]:
        """Where the reader is: a block by its key, and lines below its first."""
        index = self.here
        if index is None:
            return None, 0, 0
        top = self.scroll_offset.y
        return self._prose.blocks[index].key, index, top - self._prose.row_of(index)

    def _go_to(self, place: tuple[object, int, int]) -> None:
        key, index, below = place
        blocks = self._prose.blocks
        found = next((i for i, block in enumerate(blocks) if key is not None and block.key == key), None)
        if found is None:
            found = index if index < len(blocks) else None
        if found is None:
            self._scroll(0)
        else:
            self._scroll(self._prose.row_of(found) + below)

    def _resize_to_rows(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._prose.rows))

    def _scroll(self, y: float) -> None:
        self.scroll_to(y=max(0, y), animate=False, immediate=True, force=True)

    def _changed(self) -> None:
        self.refresh()
        self.post_message(self.Moved(self))
