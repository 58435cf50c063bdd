"""What a row is made of, and how its columns share a line; pure, so that renderers need no screen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from hive_tui.core.glyphs import Tone

GAP = 1
"""Blank cells between two columns."""


class Cell(NamedTuple):
    """One text in one tone. The text may be hostile: it is cleaned when it is painted."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Cell, ...]


class Row(NamedTuple):
    """One item of a list: the key that selection holds on to, and a cell for each column."""

    key: Hashable
    cells: Line
    link: str | None = None
    """The web page of what the first cell names."""


class Column(NamedTuple):
    """A column of fixed width, or the flexible one that takes what is left."""

    name: str
    width: int
    """Terminal cells; of the flexible column the least that it needs."""
    right: bool = False
    flexible: bool = False
    rank: int = 0
    """Columns with the highest rank are left out first where there is no room; 0 always stays."""
    leaves: int = 0
    """Cells that the flexible column must have left beside it; else it is left out."""
    heading: str | None = None
    """What stands above it; None is its name."""

    @property
    def title(self) -> str:
        return self.name if self.heading is None else self.heading


def lay_out(columns: Sequence[Column], available: int) -> tuple[int, ...]:
    """The width of each column within `available` cells; 0 for one that has no room.

    Columns are left out by rank until the flexible one has its least width.
    """
    shown = set(range(len(columns)))

    def needed() -> int:
        return sum(columns[i].width for i in shown) + GAP * max(0, len(shown) - 1)

    for index in sorted(shown, key=lambda i: -columns[i].rank):
        if needed() <= available or columns[index].rank == 0:
            break
        shown.discard(index)
    for index in [i for i in sorted(shown) if columns[i].leaves]:
        flexible = sum(columns[i].width for i in shown if columns[i].flexible)
        if columns[index].leaves > available - needed() + flexible:
            shown.discard(index)
    spare = available - needed()
    widths = []
    for index, column in enumerate(columns):
        width = column.width if index in shown else 0
        if index in shown and column.flexible:
            width = max(1, width + spare)
        widths.append(width)
    return tuple(widths)


def spans(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Where each column stands in a line: its first cell, and its width, 0 where it is left out."""
    found, x = [], 0
    for width in widths:
        found.append((x, width))
        x += width + GAP if width else 0
    return found


def column_at(columns: Sequence[Column], widths: Sequence[int], x: int) -> Column | None:
    """The column that a cell of the line belongs to, with the gap at its right; None beyond the last."""
    for column, (left, width) in zip(columns, spans(widths), strict=True):
        if width and left <= x < left + width + GAP:
            return column
    return None
