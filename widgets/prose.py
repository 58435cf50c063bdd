"""Text to read, in blocks: wrapped at words, long blocks folded, found in; pure, so it needs no screen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size

from widgets.cells import Cell, Line
from widgets.lines import harmless

LONGEST = 8_192
"""Characters kept of one line; nobody reads on, and a line of a megabyte must not cost more than that."""

MOST_MATCHES = 9_999

_TAB = "    "


class Passage(NamedTuple):
    """One line of the text, wrapped where the view is narrower; `indent` sets off what is wrapped."""

    cells: Line
    indent: int = 0
    link: str | None = None
    """The web page that its last cell leads to."""


class Block(NamedTuple):
    """Lines that belong together: a turn, a section, a file."""

    lines: tuple[Passage, ...]
    keep: int | None = None
    """Lines that stay while it is folded; None is never folded."""
    key: Hashable = None
    """What folds and the reader's place are remembered by."""
    part: bool = False
    """Whoever goes from part to part stops at it."""


class Row(NamedTuple):
    """One line on the screen: characters `start` to `end` of a line of a block."""

    block: int
    line: int
    """`FOLD` is the mark below a block that can be folded."""
    start: int
    end: int


FOLD = -1


class Match(NamedTuple):
    """Where something was found."""

    block: int
    line: int
    start: int
    end: int


def passage(text: str, *cells: Cell, indent: int = 0) -> Passage:
    """A line of plain text, with further cells behind it."""
    return Passage((Cell(text), *cells), indent)


def _line(text: str) -> str:
    if text.isascii() and text.isprintable() and len(text) <= LONGEST:
        return text
    return harmless(text[: 4 * LONGEST].replace("\t", _TAB), limit=LONGEST)


def wrap(text: str, width: int, indent: int = 0) -> Iterator[tuple[int, int]]:
    """The lines of a text as ranges of its characters: broken at blanks where that is possible, each at
    most `width` cells; all but the first stand `indent` cells to the right."""
    if (text.isascii() and len(text) <= width) or cell_len(text) <= width:
        yield 0, len(text)
        return
    indent = min(indent, max(0, width - 8))
    start, room = 0, max(2, width)
    while start < len(text):
        end, used, blank = start, 0, -1
        while end < len(text):
            char = text[end]
            cells = 1 if char.isascii() else get_character_cell_size(char)
            if used + cells > room:
                break
            if char == " ":
                blank = end
            used += cells
            end += 1
        if end == len(text):
            yield start, end
            return
        if text[end] == " ":
            blank = end
        # A break that leaves most of the line empty is worse than one within a word.
        if blank > start + (end - start) // 3:
            yield start, blank
            start = blank + 1
        else:
            yield start, max(end, start + 1)
            start = max(end, start + 1)
        room = max(2, width - indent)


class Prose:
    """Blocks laid out for a width, with their folds and what was found in them."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.rows: list[Row] = []
        self.width = 80
        self.matches: list[Match] = []
        self._lines: list[list[Line]] = []
        """The cells of each block's lines, as far as they are prepared."""
        self._texts: list[list[str]] = []
        self._first: list[int] = []
        """The first row of each block."""
        self._open: set[Hashable] = set()
        self._needle = ""

    def replace(self, blocks: Sequence[Block]) -> None:
        """Other blocks; those with the key of an unfolded one are unfolded."""
        self.blocks, self._lines, self._texts = [], [], []
        self.rows, self._first, self.matches = [], [], []
        self.extend(blocks)

    def extend(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            index = len(self.blocks)
            self.blocks.append(block)
            self._lines.append([])
            self._texts.append([])
            self._lay_out(index)
            self._look_in(index)

    def _prepare(self, index: int, count: int | None = None) -> list[str]:
        """The first lines of a block as text, made harmless. What a fold hides may never be wanted, and
        most of a long log is."""
        lines, texts, given = self._lines[index], self._texts[index], self.blocks[index].lines
        for line in given[len(lines) : count]:
            cells = line.cells
            for cell in cells:
                if not (cell.text.isascii() and cell.text.isprintable() and len(cell.text) <= LONGEST):
                    cells = tuple(Cell(_line(cell.text), cell.tone) for cell in cells)
                    break
            lines.append(cells)
            texts.append(cells[0].text if len(cells) == 1 else "".join([cell.text for cell in cells]))
        return texts

    def resize(self, width: int) -> None:
        """Lay everything out anew for another width."""
        self.width = width
        self._lay_out_all()

    def folded(self, index: int) -> bool:
        """Whether a block shows less than it has."""
        return self._foldable(index) and self._key(index) not in self._open

    def hidden(self, index: int) -> int:
        """Lines that a folded block keeps back."""
        keep = self.blocks[index].keep
        return 0 if keep is None else len(self.blocks[index].lines) - keep

    def toggle(self, index: int) -> None:
        """Fold or unfold a block."""
        self._open ^= {self._key(index)}
        self._lay_out_all()

    def text(self, row: Row) -> str:
        """What stands in a row, without its indent."""
        return "" if row.line == FOLD else self._texts[row.block][row.line][row.start : row.end]

    def cells(self, row: Row) -> Line:
        """The cells of a row's whole line."""
        return self._lines[row.block][row.line]

    def row_of(self, block: int, line: int = 0, start: int = 0) -> int:
        """The row that shows a character of a line, or the last of its block where that is folded away."""
        at = self._first[block]
        end = self._first[block + 1] if block + 1 < len(self._first) else len(self.rows)
        for index in range(at, end):
            row = self.rows[index]
            if row.line == FOLD or (row.line == line and start < max(row.end, row.start + 1)):
                return index
        return max(at, end - 1)

    def block_at(self, row: int) -> int:
        """The block that a row belongs to."""
        return max(0, bisect_right(self._first, row) - 1)

    def parts(self) -> list[int]:
        """The first rows, but for an empty one, of the blocks that one goes to."""
        return [
            self._first[index] + (len(texts) > 1 and not texts[0])
            for index, (block, texts) in enumerate(zip(self.blocks, self._texts, strict=True))
            if block.part
        ]

    def find(self, needle: str) -> None:
        """Look for a text, whatever its case; an empty one finds nothing."""
        self._needle, self.matches = needle.casefold(), []
        for index in range(len(self.blocks)):
            self._look_in(index)

    def reveal(self, match: Match) -> int:
        """The row of a match; a block that hides it is unfolded."""
        keep = self.blocks[match.block].keep
        if keep is not None and match.line >= keep and self.folded(match.block):
            self.toggle(match.block)
        return self.row_of(match.block, match.line, match.start)

    def _look_in(self, index: int) -> None:
        needle = self._needle
        if not needle:
            return
        for line, text in enumerate(self._prepare(index)):
            folded = text.casefold()
            at = folded.find(needle)
            while at >= 0 and len(self.matches) < MOST_MATCHES:
                self.matches.append(Match(index, line, at, at + len(needle)))
                at = folded.find(needle, at + len(needle))

    def _key(self, index: int) -> Hashable:
        key = self.blocks[index].key
        return index if key is None else key

    def _foldable(self, index: int) -> bool:
        keep = self.blocks[index].keep
        return keep is not None and len(self.blocks[index].lines) > keep

    def _lay_out_all(self) -> None:
        self.rows, self._first = [], []
        for index in range(len(self.blocks)):
            self._lay_out(index)

    def _lay_out(self, index: int) -> None:
        self._first.append(len(self.rows))
        block = self.blocks[index]
        shown = block.keep if self.folded(index) else len(block.lines)
        rows, width = self.rows, self.width
        for line, text in enumerate(self._prepare(index, shown)[:shown]):
            if len(text) <= width and text.isascii():
                rows.append(Row(index, line, 0, len(text)))
                continue
            for start, end in wrap(text, width, block.lines[line].indent):
                rows.append(Row(index, line, start, end))
        if self._foldable(index):
            rows.append(Row(index, FOLD, 0, 0))
