"""What is to be seen of a log: its lines, painted when they come on screen, and kept while it is scrolled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.lines import OF_FOCUS, LineView, fit
from widgets.log_book import LogBook
from widgets.log_entry import Entry
from widgets.log_page import LogPage
from widgets.log_paint import Times

STRIPS = 1_000
"""Painted lines that are kept."""


class LogWindow(LineView):
    """The entries that are held, as far as they fit in: each on one line, wrapped, or opened."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--match", "log--here"}
    DEFAULT_CSS = (
        "LogWindow { overflow-y: scroll; "
        "& > .log--match { background: $accent 30%; }"
        "& > .log--here { background: $accent; color: $background; text-style: bold; } }"
    )

    def __init__(
        self,
        *,
        cursor: bool,
        recorded: Callable[[Entry], str] | None,
        capacity: int,
        id: str | None,  # noqa: A002
    ) -> None:
        """With a `cursor` one entry is selected; `recorded` is an entry as it was stored."""
        super().__init__((), id=id)
        self.placeholder: tuple[Cell, ...] = ()
        """What stands there while there is no line."""
        self.now: datetime | None = None
        self._book = LogBook(capacity)
        self._page = LogPage(self._book, recorded or (lambda entry: entry.text))
        self._has_cursor = cursor
        self._window: tuple[tuple[int, int, int, int], list[tuple[int, int]]] | None = None
        self._strips: dict[tuple[int, int], Strip] = {}

    @property
    def lines(self) -> Sequence[Entry]:
        """What the ring holds, oldest first."""
        return self._book.entries

    @property
    def rows(self) -> int:
        """How many of them are shown."""
        return self._page.rows

    @property
    def wrap(self) -> bool:
        """Whether a text takes as many lines as it needs."""
        return self._page.wrap

    @property
    def times(self) -> Times:
        """What stands at the beginning of the lines."""
        return self._page.times

    @property
    def pan(self) -> int:
        """Cells by which texts are moved to the left."""
        return self._page.pan

    def tick(self, now: datetime) -> None:
        """It is later now."""
        self.now = now
        if self.times is Times.AGE and self.rows:
            self._repaint()

    @property
    def _chosen(self) -> int | None:
        """The index of the entry that is set off."""
        return None

    def _lines_on_screen(self) -> list[tuple[int, int]]:
        flow = self._book.flow
        key = (self.scroll_offset.y, self._page.height, flow.version, flow.first)
        if self._window is None or self._window[0] != key:
            self._window = key, self._page.window(self.scroll_offset.y)
        return self._window[1]

    def _repaint(self) -> None:
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def restyled(self, components: Collection[str]) -> None:
        # Without a selected line nothing looks otherwise in the view that has the focus.
        if self._has_cursor or not OF_FOCUS.issuperset(components):
            super().restyled(components)

    def render_line(self, y: int) -> Strip:
        if not self.rows:
            return self.centred(self.placeholder, y)
        on_screen = self._lines_on_screen()
        if y >= len(on_screen):
            return Strip.blank(self.size.width, self.rich_style)
        index, line = on_screen[y]
        if index == self._chosen:
            # Which one that is changes with every batch: it is not kept.
            return self._paint_line(index, line, chosen=True)
        strip = self._strips.get((index, line))
        if strip is None:
            if len(self._strips) > STRIPS:
                self._strips.clear()
            strip = self._strips[index, line] = self._paint_line(index, line, chosen=False)
        return strip

    def _paint_line(self, index: int, line: int, *, chosen: bool) -> Strip:
        over = self.laid_over("line--selected") if chosen and self._has_cursor else Style()
        marker = self.get_component_rich_style("line--marker")
        match = self.get_component_rich_style("log--here" if chosen else "log--match")
        lit = match if chosen else Style(bgcolor=match.bgcolor, underline=True)
        styles: dict[tuple[Tone, bool], Style] = {}
        segments = [Segment("▌" if chosen else " ", marker + over)]
        for text, tone, matches in self._page.pieces(index, line, self.now):
            style = styles.get((tone, matches))
            if style is None:
                style = self.tone(tone) + over
                style = styles[tone, matches] = style + lit if matches else style
            segments.append(Segment(_safe(text), style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style + over)


def _safe(text: str) -> str:
    """A text that was made harmless when it came, looked at once more: a terminal believes all it gets."""
    return text if text.isprintable() else fit(text, cell_len(text))
