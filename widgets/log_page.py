"""A log laid out for a screen: which entry is on which line, and what a place on the screen means; pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len

from hive_tui.core.glyphs import Tone
from widgets import log_paint
from widgets.cells import GAP
from widgets.lines import fit
from widgets.log_book import LogBook
from widgets.log_entry import Entry, held
from widgets.log_paint import INDENT, Piece, Room, Span, Times

STEP_ROWS = 400
"""Rows measured in one step: a few milliseconds."""


class Opened(enum.Enum):
    """How an entry that somebody opened is shown."""

    WHOLE = "whole"
    RAW = "raw"


class Place(NamedTuple):
    """Where a reader is: the line of the screen on which an entry begins."""

    entry: int
    y: int


@lru_cache(maxsize=512)
def _column(text: str, width: int, *, right: bool = False) -> str:
    """`fit`, of what stands in most lines."""
    return fit(text, width, right=right)


class _Parts(NamedTuple):
    """What the lines of one entry are made from."""

    text: str
    spans: list[Span]
    hits: list[Span]


class LogPage:
    """A book on a screen of some size. Rows are measured when they come near the screen, the others in
    steps: who wraps 20,000 entries need not wait for all of them."""

    def __init__(self, book: LogBook, recorded: Callable[[Entry], str]) -> None:
        self.book = book
        self.width, self.height = 0, 0
        self.wrap = False
        self.times = Times.CLOCK
        self.pan = 0
        """Cells by which texts are moved to the left."""
        self.open: dict[int, Opened] = {}
        """Entries that were opened, by index."""
        self._recorded = recorded
        self._remembered: tuple[object, _Parts] | None = None

    @property
    def rows(self) -> int:
        return self.book.flow.end - self.book.flow.first

    @property
    def total(self) -> int:
        """Lines of all rows."""
        return self.book.flow.total

    @property
    def room(self) -> Room:
        """What the parts of a line have, with a blank at either end."""
        return log_paint.rooms(max(1, self.width - 2), self.times)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What is looked for."""
        return None if self.book.phrase is None else self.book.phrase.pattern

    # Entries

    def text(self, index: int) -> str:
        """All that is shown of an entry."""
        entry = self.book[index]
        return held(self._recorded(entry)) if self.open.get(index) is Opened.RAW else entry.text

    def on_one_line(self, index: int) -> bool:
        """Whether an entry takes one line because nobody wants to see more of it."""
        return index not in self.open and (not self.wrap or self.book[index].folded)

    def spans(self, index: int) -> list[Span]:
        """An entry's lines, as ranges of its text."""
        if self.on_one_line(index):
            return [(0, 0)]
        return log_paint.lines(self.text(index), log_paint.text_room(self.book[index], self.room))

    def hides_match(self, index: int) -> bool:
        """Whether what was found in an entry is not to be seen."""
        entry = self.book[index]
        hits = log_paint.hits_in(self.pattern, entry.text)
        if not hits or not self.on_one_line(index):
            return False
        return not log_paint.in_sight(entry, log_paint.text_room(entry, self.room), self.pan, hits)

    # Lines

    def lay_out(self) -> None:
        """Measure everything anew, but not at once."""
        self.book.lay_out(one_line=not self.wrap)
        for index in [index for index in self.open if index not in self.book]:
            del self.open[index]
        for index in self.open:
            self.measure(index)

    def measure(self, index: int) -> None:
        """Measure an entry, if it is shown."""
        row = self.book.row_of(index)
        if row < self.book.flow.end and self.book.index_of(row) == index:
            self._measure(row)

    def _measure(self, row: int) -> None:
        self.book.flow.measure(row, len(self.spans(self.book.index_of(row))))

    def measure_around(self, row: int) -> None:
        """Two screens of lines before and after a row, so that a page either way lands where it should."""
        if not self.wrap:
            return
        flow, enough = self.book.flow, 2 * self.height + 1
        for rows in (range(row - 1, flow.first - 1, -1), range(row, flow.end)):
            lines = 0
            for each in rows:
                if not flow.measured(each):
                    self._measure(each)
                lines += flow.lines(each)
                if lines > enough:
                    break

    @property
    def unmeasured(self) -> bool:
        return self.wrap and self.book.flow.unmeasured(self.book.flow.end) is not None

    def step(self) -> bool:
        """Search or measure some more. Returns whether there are other rows now."""
        if self.book.searching:
            return self.book.step()
        flow, row = self.book.flow, self.book.flow.end
        for _ in range(STEP_ROWS if self.wrap else 0):
            found = flow.unmeasured(row)
            if found is None:
                break
            self._measure(found)
            row = found
        return False

    # Places

    def index_at(self, line: int) -> int:
        """The entry on a line, else the last one; there have to be rows."""
        row, _ = self.book.flow.at(line)
        return self.book.index_of(min(row, self.book.flow.end - 1))

    def place_at(self, line: int) -> Place:
        """The place of a screen that begins with this line; there have to be rows."""
        row, below = self.book.flow.at(line)
        return Place(self.book.index_of(min(row, self.book.flow.end - 1)), -below)

    def y_of(self, index: int, top: int) -> int | None:
        """On which line of a screen that begins at `top` an entry begins; None where it does not."""
        row = self.book.row_of(index)
        if row >= self.book.flow.end or self.book.index_of(row) != index:
            return None
        y = self.book.flow.top(row) - top
        return y if 0 <= y < self.height else None

    def top_for(self, place: Place | None) -> int:
        """The first line of the screen that has the place where it was; None is the end of the log."""
        flow = self.book.flow
        if not self.rows:
            return 0
        if place is None:
            self.measure_around(flow.end)
            return max(0, flow.total - self.height)
        row = min(self.book.row_of(place.entry), flow.end - 1)
        self.measure_around(row)
        return max(0, flow.top(row) - max(1 - flow.lines(row), min(place.y, self.height - 1)))

    def top_showing(self, index: int, top: int) -> int:
        """The first line of the screen that shows all of an entry and is as near to `top` as possible."""
        flow, row = self.book.flow, self.book.row_of(index)
        if row >= flow.end:
            return top
        first = flow.top(row)
        return min(max(top, first + flow.lines(row) - self.height), first)

    def window(self, top: int) -> list[tuple[int, int]]:
        """The entry on each line of the screen, and how far below its first line that is."""
        flow = self.book.flow
        row, below = flow.at(top)
        found: list[tuple[int, int]] = []
        while row < flow.end and len(found) < self.height:
            index = self.book.index_of(row)
            for line in range(below, min(flow.lines(row), below + self.height - len(found))):
                found.append((index, line))
            row, below = row + 1, 0
        return found

    # What stands on a line

    def pieces(self, index: int, line: int, now: datetime | None) -> Iterator[Piece]:
        """A line of an entry, in pieces that together have the width of the screen but its margins."""
        entry, room = self.book[index], self.room
        head = line == 0
        if room.time:
            at = log_paint.when(entry, self.times, now) if head else ""
            yield Piece(_column(at, room.time) + " " * GAP, Tone.QUIET)
        if head:
            kind = _column(entry.kind.text, room.kind)
            yield from log_paint.plain(kind, entry.kind.tone, log_paint.hits_in(self.pattern, kind))
        else:
            yield Piece(" " * room.kind, Tone.PLAIN)
        yield Piece(" " * GAP, Tone.PLAIN)
        if entry.depth:
            yield Piece(INDENT * entry.depth, Tone.QUIET)
        width, used = log_paint.text_room(entry, room), 0
        for piece in self._text_pieces(index, line, width):
            used += len(piece.text) if piece.text.isascii() else cell_len(piece.text)
            yield piece
        if room.figures:
            yield Piece(" " * (max(0, width - used) + GAP), Tone.PLAIN)
            yield Piece(_column(entry.figures if head else "", room.figures, right=True), Tone.QUIET)

    def _text_pieces(self, index: int, line: int, width: int) -> Iterator[Piece]:
        entry = self.book[index]
        text, spans, hits = self._parts(index)
        if self.on_one_line(index):
            yield from log_paint.one_line(entry, width, self.pan, hits)
        elif line < len(spans):
            start, end = spans[line]
            if self.open.get(index) is Opened.RAW:
                yield from log_paint.pieces(text, start, end, 0, Tone.PLAIN, hits)
            else:
                yield from log_paint.pieces(text, start, end, entry.lead, entry.tone, hits)

    def _parts(self, index: int) -> _Parts:
        """An entry's text, lines and matches: the same for each of its lines, which may be hundreds."""
        key = (index, self.open.get(index), self.wrap, self.room, self.pattern)
        if self._remembered is None or self._remembered[0] != key:
            text = self.text(index)
            parts = _Parts(text, self.spans(index), log_paint.hits_in(self.pattern, text))
            self._remembered = key, parts
        return self._remembered[1]
