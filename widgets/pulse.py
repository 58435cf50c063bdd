"""One line that says how the fleet is, whatever the rest of the screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from textual.app import ComposeResult
from textual.geometry import Region
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from widgets.cells import Line
from widgets.guarded import Guarded
from widgets.lines import TONE_CLASSES, TONE_CSS, fit
from widgets.strips import changed_columns

WIDE = 120
"""From so many cells on there is a wider space between two parts."""


class Form(msgspec.Struct, frozen=True):
    """One way to say a fact. Without cells it is not said at all."""

    cells: Line = ()
    rank: int = 0
    """Where there is no room the forms with the highest rank give way first, each to the next form of
    its part; one of rank 0 never does."""

    @property
    def width(self) -> int:
        return sum(cell_len(cell.text) for cell in self.cells)


Part = tuple[Form, ...]
"""A fact of the pulse: its forms, the longest first."""


def fitting(parts: Sequence[Part], available: int, space: int) -> list[Line]:
    """The facts that have room in `available` cells, each in the longest form that fits, in their order."""
    current = [0] * len(parts)

    def needed() -> int:
        widths = [width for part, i in zip(parts, current, strict=True) if (width := part[i].width)]
        return sum(widths) + space * (len(widths) - 1)

    while needed() > available:
        giving = [i for i, part in enumerate(parts) if part[current[i]].rank and current[i] + 1 < len(part)]
        if not giving:
            break
        current[max(giving, key=lambda i: (parts[i][current[i]].rank, i))] += 1
    return [part[i].cells for part, i in zip(parts, current, strict=True) if part[i].cells]


END = 9
"""Columns of the clock and the blank behind it."""


class _End(Guarded, Widget):
    """The end of a pulse as a widget of its own: Textual sends a widget's line from its first column, so
    that with the clock the whole header would be sent every second."""

    DEFAULT_CSS = f"_End {{ dock: right; width: {END}; height: 1; }}"

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def draw_lines(self, crop: Region) -> list[Strip]:
        # Of another width of the pulse Textual knows nothing here: it would paint what it remembers.
        self._styles_cache.clear()
        return super().draw_lines(crop)

    def render_line(self, y: int) -> Strip:
        whole = self._pulse.draw()
        hidden = max(0, END - whole.cell_length)
        return Strip.join([Strip.blank(hidden), whole.crop(whole.cell_length + hidden - END)])


class Pulse(Guarded, Widget):
    """The header strip: facts from the left, the last one at the right edge."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}
    DEFAULT_CSS = "Pulse { height: 1; width: 1fr;" + TONE_CSS + "}"

    parts: reactive[tuple[Part, ...]] = reactive((), repaint=False)

    _drawn = Strip([])
    """As it was painted last."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._end = _End(self)

    def compose(self) -> ComposeResult:
        yield self._end

    def watch_parts(self) -> None:
        """Paint what reads differently: mostly that is the clock."""
        before, after = self._drawn, self.draw()
        start, changed = changed_columns(before, after)
        if changed:
            self._drawn = after
            self._end.refresh()
            if start < after.cell_length - END:
                self.refresh()

    def render_line(self, y: int) -> Strip:
        self._drawn = self.draw()
        return self._drawn

    def draw(self) -> Strip:
        room, base = self.size.width - 2, self.rich_style
        space = 3 if self.size.width >= WIDE else 2
        shown = fitting(self.parts, room, space)
        segments = [Segment(" ", base)]
        used = 0
        for index, cells in enumerate(shown):
            own = sum(cell_len(cell.text) for cell in cells)
            if index:
                last = index == len(shown) - 1
                blank = max(space, room - used - own) if last else space
                segments.append(Segment(" " * blank, base))
                used += blank
            for cell in cells:
                style = self.get_component_rich_style(f"tone--{cell.tone.value}")
                segments.append(Segment(fit(cell.text, cell_len(cell.text)), style))
            used += own
        return Strip(segments).adjust_cell_length(self.size.width, base).simplify()
