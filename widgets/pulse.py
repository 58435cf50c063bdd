"""One line that says how the fleet is, whatever the rest of the screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets.cells import Line
from widgets.guarded import Guarded
from widgets.lines import TONE_CLASSES, TONE_CSS, fit

WIDE = 120
"""From so many cells on there is a wider space between two parts."""


class Form(NamedTuple):
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


class Pulse(Guarded, Widget):
    """The header strip: facts from the left, the last one at the right edge."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}
    DEFAULT_CSS = "Pulse { height: 1; width: 1fr;" + TONE_CSS + "}"

    parts: reactive[tuple[Part, ...]] = reactive(())

    def render(self) -> Content:
        width = self.size.width - 2
        space = 3 if self.size.width >= WIDE else 2
        shown = fitting(self.parts, width, space)
        pieces: list[Content] = [Content(" ")]
        used = 0
        for index, cells in enumerate(shown):
            own = sum(cell_len(cell.text) for cell in cells)
            if index:
                last = index == len(shown) - 1
                blank = max(space, width - used - own) if last else space
                pieces.append(Content(" " * blank))
                used += blank
            for cell in cells:
                text = fit(cell.text, cell_len(cell.text))
                pieces.append(Content.styled(text, self.get_visual_style(f"tone--{cell.tone.value}")))
            used += own
        return Content.assemble(*pieces)
