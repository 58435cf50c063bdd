"""The base of widgets that draw only the lines on screen: tones, columns, and text made harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hive_tui.core.glyphs import Tone
from hive_tui.core.text import clean
from widgets.cells import GAP, Cell, Column, lay_out

TONE_CLASSES = frozenset(f"tone--{tone.value}" for tone in Tone)

TONE_CSS = """
    & > .tone--plain { color: $foreground; }
    & > .tone--title { color: $foreground; text-style: bold; }
    & > .tone--quiet { color: $foreground 55%; }
    & > .tone--good { color: $success; }
    & > .tone--soon { color: $warning; }
    & > .tone--broken { color: $error; }
"""

_BLANKS = {ord("\n"): " ", ord("\t"): " "}

_SHIFTING = re.compile("[\ufe00-\ufe0f]|(?<=[\u0300-\u036f]{2})[\u0300-\u036f]+")
"""Variation selectors, which terminals disagree on, and marks piled up on one letter."""


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` terminal cells, harmless, with an ellipsis where it was cut.

    It is cleaned here once more although backends clean what they read: a terminal believes
    everything that it is sent.
    """
    text = clean(text[: 8 * width + 256], limit=4 * width + 64).translate(_BLANKS)
    if not text.isascii():
        text = _SHIFTING.sub("", text)
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"[:width]
    padding = " " * (width - cells)
    return padding + text if right else text + padding


class LineView(ScrollView, can_focus=True):
    """A scrolling view whose lines are drawn one by one, from cells in tones."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES, "line--selected", "line--marker"}
    DEFAULT_CSS = (
        "LineView { color: $foreground; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;"
        "scrollbar-color: $foreground 20%; scrollbar-color-hover: $foreground 35%;"
        "scrollbar-color-active: $accent; scrollbar-background: $background;"
        "scrollbar-background-hover: $background; scrollbar-background-active: $background;"
        + TONE_CSS
        + "& > .line--selected { background: $foreground 8%; }"
        + "& > .line--marker { color: $foreground 30%; }"
        + "&:focus > .line--selected { background: $accent 18%; }"
        + "&:focus > .line--marker { color: $accent; }"
        + "}"
    )

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._widths: tuple[int, tuple[int, ...]] = (-1, ())

    def widths(self, available: int) -> tuple[int, ...]:
        """How the columns share a line of `available` cells."""
        if self._widths[0] != available:
            self._widths = (available, lay_out(self.columns, available))
        return self._widths[1]

    def tone(self, tone: Tone) -> Style:
        return self.get_component_rich_style(f"tone--{tone.value}")

    def paint(self, cells: Sequence[Cell], available: int, over: Style | None = None) -> list[Segment]:
        """Cells in their columns; `over` is laid over every style, for the selected line."""
        segments: list[Segment] = []
        base = self.rich_style if over is None else self.rich_style + over
        for column, width, cell in zip(self.columns, self.widths(available), cells, strict=False):
            if not width:
                continue
            if segments:
                segments.append(Segment(" " * GAP, base))
            style = self.tone(cell.tone)
            segments.append(
                Segment(fit(cell.text, width, right=column.right), style if over is None else style + over)
            )
        return segments

    def centred(self, lines: Sequence[Cell], y: int) -> Strip:
        """Line `y` of a message in the middle of an otherwise empty view."""
        width, height = self.size
        index = y - max(0, (height - len(lines)) // 3)
        if not 0 <= index < len(lines):
            return Strip.blank(width, self.rich_style)
        cell = lines[index]
        text = fit(cell.text, width).strip()
        left = (width - cell_len(text)) // 2
        return self.strip([Segment(" " * left, self.rich_style), Segment(text, self.tone(cell.tone))])

    def strip(self, segments: Iterable[Segment]) -> Strip:
        """A line of exactly this view's width."""
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)
