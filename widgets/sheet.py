"""Lines to be read, not chosen from: made for the width that there is, scrolled where there is no height."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.strip import Strip

from widgets.cells import Line
from widgets.lines import OF_FOCUS, LineView, fit
from widgets.moving import moving

Compose = Callable[[int], Sequence[Line]]
"""From a width in cells to lines; pure."""


class Sheet(LineView):
    """Shows what `compose` makes of its width; shown again, it repaints only lines that differ."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *moving(
            up="scroll_up",
            down="scroll_down",
            page_up="page_up",
            page_down="page_down",
            half_up="page_up",
            half_down="page_down",
            first="scroll_home",
            last="scroll_end",
        ),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__((), id=id)
        self.lines: Sequence[Line] = ()
        """What is shown now."""
        self._lines_of: Compose = lambda width: ()

    def show(self, compose: Compose) -> None:
        """Show these lines."""
        self._lines_of = compose
        self._take(compose(self._room))

    @property
    def _room(self) -> int:
        """A blank at either side."""
        return max(0, self.size.width - 2)

    def _take(self, lines: Sequence[Line]) -> None:
        before, self.lines = self.lines, lines
        if len(before) != len(lines):
            self.virtual_size = Size(self.size.width, len(lines))
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old != new:
                self.refresh_lines(y)

    def restyled(self, components: Collection[str]) -> None:
        # No line is selected.
        if not OF_FOCUS.issuperset(components):
            super().restyled(components)

    def on_resize(self, event: events.Resize) -> None:
        self.lines = self._lines_of(self._room)
        self.virtual_size = Size(self.size.width, len(self.lines))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        if index >= len(self.lines):
            return Strip.blank(self.size.width, self.rich_style)
        segments = [Segment(" ", self.rich_style)]
        left = self._room
        for cell in self.lines[index]:
            text = _exactly(cell.text, left)
            if not text:
                break
            segments.append(Segment(text, self.tone(cell.tone)))
            left -= segments[-1].cell_length
        return self.strip(segments)


def _exactly(text: str, most: int) -> str:
    """`text` made harmless, as wide as it is but for what does not fit, with the blanks at its end."""
    if most <= 0:
        return ""
    words = fit(text, most).rstrip(" ")
    blanks = len(text) - len(text.rstrip(" "))
    return words + " " * min(blanks, most - cell_len(words))
