"""One line that says how the fleet is, whatever the rest of the screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets.cells import Line
from widgets.lines import TONE_CLASSES, TONE_CSS, fit

SPACE = 4
"""Blank cells between two parts."""


class Part(NamedTuple):
    """One fact of the pulse; those with the highest rank are left out first where there is no room."""

    cells: Line
    rank: int = 0

    @property
    def width(self) -> int:
        return sum(cell_len(cell.text) for cell in self.cells)


def fitting(parts: Sequence[Part], available: int) -> list[Part]:
    """The parts that have room in `available` cells, in their order."""
    shown = list(parts)
    while shown and sum(part.width for part in shown) + SPACE * (len(shown) - 1) > available:
        least = max(range(len(shown)), key=lambda i: (shown[i].rank, i))
        if shown[least].rank == 0:
            break
        del shown[least]
    return shown


class Pulse(Widget):
    """The header strip: facts from the left, the last one at the right edge."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}
    DEFAULT_CSS = "Pulse { height: 1; width: 1fr;" + TONE_CSS + "}"

    parts: reactive[tuple[Part, ...]] = reactive(())

    def render(self) -> Content:
        width = self.size.width - 2
        shown = fitting(self.parts, width)
        content = Content(" ")
        used = 0
        for index, part in enumerate(shown):
            if index:
                last = index == len(shown) - 1
                space = max(SPACE, width - used - part.width) if last else SPACE
                content += Content(" " * space)
                used += space
            for cell in part.cells:
                text = fit(cell.text, cell_len(cell.text))
                content += Content.styled(text, self.get_visual_style(f"tone--{cell.tone.value}"))
            used += part.width
        return content
