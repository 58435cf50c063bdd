"""One line of facts: at the left as far as there is room, at the right what always stays."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from widgets.cells import Line
from widgets.lines import TONE_CLASSES, TONE_CSS, fit

SPACE = 2
"""Blank cells between two facts."""


class Headline(Widget):
    """Facts in their tones; the last one at the left is cut where it does not fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}
    DEFAULT_CSS = "Headline { height: 1; width: 1fr;" + TONE_CSS + "}"

    left: reactive[Line] = reactive(())
    right: reactive[Line] = reactive(())

    def render(self) -> Content:
        room = self.size.width - 2
        right = self._written(self.right, room)
        free = room - right.cell_length - (SPACE if right.cell_length else 0)
        left = self._written(self.left, free)
        gap = max(0, room - left.cell_length - right.cell_length)
        return Content.assemble(" ", left, " " * gap, right, " ")

    def _written(self, line: Line, room: int) -> Content:
        content, used = Content(""), 0
        for cell in line:
            lead = SPACE if used else 0
            free = room - used - lead
            text = fit(cell.text, min(free, cell_len(cell.text))) if free > 0 else ""
            if not text.strip():
                continue
            style = self.get_visual_style(f"tone--{cell.tone.value}")
            content += Content(" " * lead) + Content.styled(text, style)
            used += lead + cell_len(text)
        return content
