"""The base of widgets that draw only the lines on screen: tones, columns, and text made harmless."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Collection, Iterable, Sequence
from typing import ClassVar, Self

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip

from hive_tui.core.glyphs import Tone
from hive_tui.core.text import clean, linkable
from widgets.bare_lines import BareLines
from widgets.cells import GAP, Cell, Column, lay_out
from widgets.guarded import Guarded

TONE_CLASSES = frozenset(f"tone--{tone.value}" for tone in Tone)

TONE_CSS = """
    & > .tone--plain { color: $foreground; }
    & > .tone--title { color: $foreground; text-style: bold; }
    & > .tone--quiet { color: $foreground 60%; }
    & > .tone--good { color: $success; }
    & > .tone--soon { color: $warning; }
    & > .tone--broken { color: $error; }
    &:ansi > .tone--quiet { color: ansi_default; text-style: dim; }
"""
"""Of the terminal's own colours there is no 60 %, so quiet is dim there."""

_BLANKS: dict[int, str] = {ord("\n"): " ", ord("\t"): " "}

_SHIFTING = re.compile(
    "[\xad\u180e\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff]|(?<=[\u0300-\u036f]{2})[\u0300-\u036f]+"
)
"""Soft hyphens, variation selectors, keycaps and skin tones, which terminals disagree on, and marks
piled up on one letter."""

_FLAGS = {0x1F1E6 + index: letter for index, letter in enumerate(string.ascii_uppercase)}
"""A flag is two such letters, of two cells here and of four there."""


def harmless(text: str, *, limit: int) -> str:
    """`text` on one line, without anything that a terminal may act on or give another width."""
    text = clean(text, limit=limit)
    if text.isascii():
        return text.translate(_BLANKS) if not text.isprintable() else text
    return _SHIFTING.sub("", text).translate(_FLAGS | _BLANKS)


def wrapped(text: str, width: int, *, lines: int) -> list[str]:
    """`text` in at most so many lines of at most `width` cells, broken between words where it can be.

    None below two cells, as of a pane that is out of sight: not every character would have room.
    """
    if width < 2:
        return []
    rest = harmless(text[: 8 * width * lines + 256], limit=4 * width * lines + 64).strip()
    found: list[str] = []
    while rest and len(found) < lines:
        if _cells(rest) <= width:
            return [*found, rest]
        if len(found) == lines - 1:
            return [*found, fit(rest, width).rstrip()]
        most = max(1, _cut(rest, width))
        # A word that is longer than the line is cut.
        end = most if rest[most] == " " else rest.rfind(" ", 0, most)
        end = end if end > 0 else most
        found.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return found


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` terminal cells, harmless, with an ellipsis where it was cut.

    It is cleaned here once more although backends clean what they read: a terminal believes
    everything that it is sent.
    """
    text = harmless(text[: 8 * width + 256], limit=4 * width + 64)
    if _cut(text, width) < len(text):
        text = text[: _cut(text, width - 1)].rstrip() + "…" if width > 0 else ""
    cells = _cells(text)
    padding = " " * (width - cells)
    return padding + text if right else text + padding


def _cells(text: str) -> int:
    """Cells of a text on a terminal that joins no characters to one."""
    return len(text) if text.isascii() else sum(map(get_character_cell_size, text))


def _cut(text: str, width: int) -> int:
    """How many characters fit into `width` cells."""
    if text.isascii():
        return width
    used = 0
    for index, char in enumerate(text):
        used += get_character_cell_size(char)
        if used > width:
            return index
    return len(text)


OF_FOCUS = frozenset({"line--selected", "line--marker", "line--sorted"})
"""Component classes that look otherwise in the view that has the focus: the selected line, the headings."""


@functools.lru_cache(maxsize=4_096)  # each new one would be another link to the terminal
def linked(url: str) -> Style:
    """What makes a text lead to a web page where the terminal can do that (OSC 8)."""
    return Style(link=url) if linkable(url) else Style()


class LineView(Guarded, ScrollView, can_focus=True):
    """A scrolling view whose lines are drawn one by one, from cells in tones."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *TONE_CLASSES,
        "line--selected",
        "line--marker",
        "line--match",
    }
    DEFAULT_CSS = (
        "LineView { color: $foreground; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;"
        "scrollbar-color: $foreground 20%; scrollbar-color-hover: $foreground 35%;"
        "scrollbar-color-active: $accent; scrollbar-background: $background;"
        "scrollbar-background-hover: $background; scrollbar-background-active: $background;"
        + TONE_CSS
        + "& > .line--selected { background: $foreground 8%; }"
        + "& > .line--marker { color: $foreground 30%; }"
        + "& > .line--match { color: $accent; text-style: bold underline; }"
        + "&:focus > .line--selected { background: $accent 18%; }"
        + "&:focus > .line--marker { color: $accent; }"
        + "&:ansi { scrollbar-color: ansi_bright_black; scrollbar-color-hover: ansi_white; }"
        + "&:ansi > .line--selected { background: ansi_default; text-style: none; }"
        + "&:ansi > .line--marker { color: ansi_bright_black; }"
        + "&:ansi:focus > .line--selected { background: ansi_default; text-style: reverse; }"
        + "&:ansi:focus > .line--marker { color: $accent; }"
        + "}"
    )

    # Textual's own lays out the whole screen anew whenever a line is appended anywhere.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), repaint=False)

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._widths: tuple[int, tuple[int, ...]] = (-1, ())
        self._style: Style | None = None
        self._components: dict[tuple[tuple[str, ...], bool], Style] = {}
        self._styles_cache = BareLines()

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        bar = super().vertical_scrollbar
        if not isinstance(bar._styles_cache, BareLines):
            bar._styles_cache = BareLines()
        return bar

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns from now on, of the same names or not."""
        if tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self._widths = (-1, ())
            self.refresh()

    def watch_virtual_size(self, before: Size, now: Size) -> None:
        """More or fewer lines; a matter of layout only where the scroll bar comes or goes."""
        room = self.container_size.height
        comes_and_goes = self.styles.overflow_y == "auto"
        if comes_and_goes and (before.height > room) is not (now.height > room):
            self.refresh(layout=True)
            return
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = now.height
        self.scroll_y = self.validate_scroll_y(self.scroll_y)

    @property
    def rich_style(self) -> Style:
        """As of any widget, but made once: it is asked for twice in every line."""
        if self._style is None:
            self._style = super().rich_style
        return self._style

    def get_component_rich_style(
        self, *names: str, partial: bool = False, default: Style | None = None
    ) -> Style:
        """The same: Textual makes all of them anew after every `refresh`."""
        known = (names, partial)
        style = self._components.get(known)
        if style is None:
            style = super().get_component_rich_style(*names, partial=partial, default=default)
            self._components[known] = style
        return style

    def notify_style_update(self) -> None:
        self._style = None
        self._components = {}
        super().notify_style_update()

    # Textual's own paint the whole widget anew: what looks otherwise is known from the style sheet.

    def focus(self, scroll_visible: bool = True) -> Self:
        def set_focus() -> None:
            if self.is_attached:
                self.screen.set_focus(self, scroll_visible=scroll_visible)

        self.app.call_later(set_focus)
        return self

    def _on_focus(self, event: events.Focus) -> None:
        event.prevent_default()
        self.has_focus = True
        if self.parent is not None:
            self.parent.post_message(events.DescendantFocus(self))

    def _on_blur(self, event: events.Blur) -> None:
        event.prevent_default()
        self.has_focus = False
        if self.parent is not None:
            self.parent.post_message(events.DescendantBlur(self))

    def restyled(self, components: Collection[str]) -> None:
        """These component classes look otherwise: paint anew what they are seen on."""
        if components:
            self.refresh()

    def widths(self, available: int) -> tuple[int, ...]:
        """How the columns share a line of `available` cells."""
        if self._widths[0] != available:
            self._widths = (available, lay_out(self.columns, available))
        return self._widths[1]

    def laid_over(self, name: str) -> Style:
        """What a component's style changes where it is laid over others: the background, or where
        colours cannot say it, light for dark."""
        style = self.get_component_rich_style(name)
        return Style(bgcolor=style.bgcolor, reverse=style.reverse or None)

    def tone(self, tone: Tone) -> Style:
        return self.get_component_rich_style(f"tone--{tone.value}")

    def paint(
        self,
        cells: Sequence[Cell],
        available: int,
        over: Style | None = None,
        *,
        matching: re.Pattern[str] | None = None,
        link: str | None = None,
    ) -> list[Segment]:
        """Cells in their columns; `over` is laid over every style, for the selected line, and what is
        `matching` stands out. `link` is the page that the first cell leads to."""
        segments: list[Segment] = []
        base = self.rich_style if over is None else self.rich_style + over
        for column, width, cell in zip(self.columns, self.widths(available), cells, strict=False):
            if not width:
                continue
            if segments:
                segments.append(Segment(" " * GAP, base))
            style = self.tone(cell.tone)
            if over is not None:
                style += over
            if link is not None and not segments:
                style += linked(link)
            text = fit(cell.text, width, right=column.right)
            if matching is None:
                segments.append(Segment(text, style))
            else:
                segments += self._with_matches(text, style, matching)
        return segments

    def _with_matches(self, text: str, style: Style, matching: re.Pattern[str]) -> Iterable[Segment]:
        lit = style + self.get_component_rich_style("line--match", partial=True)
        done = 0
        for found in matching.finditer(text):
            start, end = found.span()
            if start > done:
                yield Segment(text[done:start], style)
            if end > start:
                yield Segment(text[start:end], lit)
            done = end
        if done < len(text):
            yield Segment(text[done:], style)

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
