"""Lines of text in columns that stay where they are: widths depend on the width given, never on the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from hive_tui.core import text
from hive_tui.core.glyphs import Mark, Tone

NARROW = 80
"""Below so many cells one blank separates two columns, else two."""

FLEXIBLE = 4
"""The least cells of a column that shares what the others leave."""


class Span(msgspec.Struct, frozen=True):
    """A piece of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN
    link: str | None = None
    """Address of the page that a terminal may open from here."""


Line = tuple[Span, ...]


class Column(NamedTuple):
    """A column: `cells` wide, or taking its `share` of what the fixed ones leave."""

    title: str
    cells: int = 0
    share: int = 0
    right: bool = False
    least: int = 0
    """Shown only where the whole line has at least this many cells."""


Cell = str | Mark | Span
"""What a row has in a column: text (made harmless here), a state, or a piece in its own tone."""


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int, indent: int) -> list[Line]:
    """A line of titles and a line for each row, each at most `width` cells."""
    gap = 1 if width < NARROW else 2
    shown = _shown(columns, width, indent, gap)
    widths = _widths([columns[index] for index in shown], width - indent, gap)
    margin = Span(" " * indent)
    titles = [
        Span(_fit(columns[i].title, cells, columns[i].right), Tone.QUIET)
        for i, cells in zip(shown, widths, strict=True)
    ]
    lines = [_line(margin, titles, gap)]
    for row in rows:
        cells = [_cell(row[i], cells, columns[i].right) for i, cells in zip(shown, widths, strict=True)]
        lines.append(_line(margin, cells, gap))
    return lines


def plain(line: Line) -> str:
    """A line without any tone and without blanks at its end."""
    return "".join(span.text for span in line).rstrip()


def _shown(columns: Sequence[Column], width: int, indent: int, gap: int) -> list[int]:
    """Columns that have room; where it does not suffice the last fixed ones go first, never the first."""
    shown = [index for index, column in enumerate(columns) if width >= column.least]

    def needed() -> int:
        cells = sum(FLEXIBLE if columns[index].share else columns[index].cells for index in shown)
        return indent + cells + gap * (len(shown) - 1)

    while needed() > width and len(shown) > 1:
        fixed = [index for index in shown[1:] if not columns[index].share]
        shown.remove(fixed[-1] if fixed else shown[-1])
    return shown


def _widths(columns: Sequence[Column], available: int, gap: int) -> list[int]:
    spare = available - sum(column.cells for column in columns) - gap * (len(columns) - 1)
    shares = sum(column.share for column in columns)
    flexible = [column for column in columns if column.share]
    widths, left = [], spare
    for column in columns:
        if not column.share:
            widths.append(column.cells)
            continue
        cells = left if column is flexible[-1] else max(FLEXIBLE, spare * column.share // shares)
        left -= cells
        widths.append(max(1, cells))
    return widths


# Not by `_replace`, which takes three times as long: a report has a thousand cells.
def _line(margin: Span, cells: Sequence[Span], gap: int) -> Line:
    spans = [margin]
    for index, cell in enumerate(cells):
        spans.append(cell if index == 0 else Span(" " * gap + cell.text, cell.tone, cell.link))
    return tuple(spans)


def _cell(cell: Cell, cells: int, right: bool) -> Span:
    if isinstance(cell, Mark):
        return Span(_fit(str(cell), cells, right), cell.tone)
    if isinstance(cell, Span):
        return Span(_fit(cell.text, cells, right), cell.tone, cell.link)
    return Span(_fit(cell, cells, right))


def _fit(content: str, cells: int, right: bool) -> str:
    """Exactly `cells` wide, whatever the content is made of."""
    if not content.isprintable():
        content = text.clean_line(content)
    used = text.width(content)
    if used > cells:
        content = text.truncate(content, cells)
        used = text.width(content)
    blank = " " * (cells - used)
    return blank + content if right else content + blank
