"""The frame around a pane: its digit and name, what it shows, counts, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import AwaitMount, Widget

from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.guarded import Guarded
from widgets.lines import TONE_CLASSES, TONE_CSS, fit
from widgets.strips import changed_columns

_THIN = "╭─╮│╰╯"
_HEAVY = "┏━┓┃┗┛"
"""Of the focused pane where colours cannot say which one it is."""


class Edge(msgspec.Struct, frozen=True):
    """The texts on a horizontal edge of the frame: `╭ 3 Agents  detail ───── 4 working ╮`."""

    left: tuple[Cell, ...] = ()
    right: tuple[Cell, ...] = ()


class Pane(Guarded, Widget):
    """A framed part of the screen around one widget that takes the focus.

    It draws its frame by itself, line by line: a border of Textual's has room for one title only, and
    widgets for the edges would be two more for every pane.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES, "pane--frame", "pane--digit"}
    DEFAULT_CSS = (
        # The frame has a class of its own: what is inside would inherit the pane's colour, and be painted
        # anew whenever the focus comes or goes.
        "Pane { padding: 1;"
        + TONE_CSS
        + "& > .pane--frame { color: $foreground 35%; }"
        + "& > .pane--digit { color: $foreground 60%; }"
        # Textual looks up a widget's style at a change of focus only where a rule of its own asks for it.
        + "&:focus-within { padding: 1; }"
        + "&:focus-within > .pane--frame { color: $accent; }"
        + "&:focus-within > .pane--digit { color: $accent; text-style: bold; }"
        + "&:focus-within > .tone--title { color: $accent; }"
        + "&:ansi > .pane--frame { color: ansi_bright_black; }"
        + "&:ansi > .pane--digit { color: ansi_default; }"
        + "&:ansi:focus-within > .pane--frame { color: $accent; }"
        + "}"
    )

    def __init__(
        self,
        digit: int,
        name: str,
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """`digit` is its key; 0 is none."""
        super().__init__(id=id)
        self.digit = digit
        self.label = name
        self._top = Edge((Cell(name, Tone.TITLE),))
        self._bottom = Edge()
        self._drawn: dict[int, Strip] = {}
        """Lines of the frame by their position; the one of all lines between the edges at 1."""

    @property
    def body(self) -> Widget:
        """What is in the frame, and takes the focus."""
        raise NotImplementedError

    def fill(self) -> AwaitMount:
        """Mount what is in the frame: after the first picture, which it would only hold up."""
        return self.mount(self.body)

    def describe(
        self, *, detail: str = "", notes: Iterable[Cell] = (), hint: Cell | None = None, mark: str = ""
    ) -> None:
        """What stands on the frame: `detail` after the name, counts and badges at the right, and
        below a `hint` on what is selected or a `mark` at the right."""
        top = Edge((Cell(self.label, Tone.TITLE), Cell(detail, Tone.QUIET)), tuple(notes))
        bottom = Edge(() if hint is None else (hint,), (Cell(mark, Tone.TITLE),) if mark else ())
        width, height = self.outer_size
        changed = [
            y for y, differs in ((0, top != self._top), (height - 1, bottom != self._bottom)) if differs
        ]
        self._top, self._bottom = top, bottom
        for y in changed:
            self._redraw(y, width, height)

    @property
    def words(self) -> str:
        """What stands on the frame, as plain text."""
        cells = (*self._top.left, *self._top.right, *self._bottom.left, *self._bottom.right)
        return "  ".join(cell.text for cell in cells if cell.text)

    def _redraw(self, y: int, width: int, height: int) -> None:
        before = self._drawn.pop(y, None)
        # After a change of style it is not known what stands there.
        start, changed = (
            (0, width) if before is None else changed_columns(before, self._frame(y, width, height))
        )
        # Regions to refresh count from the content, which is one cell inside the frame.
        self.refresh(Region(start - 1, y - 1, changed, 1))

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        """Textual's; but what it paints by itself is the frame alone, and what is inside goes on as it is."""
        width, height = self.outer_size
        if width and height and not (regions or layout or recompose):
            regions = (
                Region(-1, -1, width, 1),
                Region(-1, height - 2, width, 1),
                Region(-1, 0, 1, height - 2),
                Region(width - 2, 0, 1, height - 2),
            )
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def on_resize(self, event: events.Resize) -> None:
        self._drawn.clear()

    def notify_style_update(self) -> None:
        self._drawn.clear()
        super().notify_style_update()

    def draw_lines(self, crop: Region) -> list[Strip]:
        width, height = self.outer_size
        strips = [self._frame(y, width, height) for y in crop.line_range]
        if crop.column_span == (0, width):
            return strips
        return [strip.crop(*crop.column_span) for strip in strips]

    def _frame(self, y: int, width: int, height: int) -> Strip:
        place = y if y in (0, height - 1) else 1
        strip = self._drawn.get(place)
        if strip is None or strip.cell_length != width:
            strip = self._draw(place, width, height)
            background = self.background_colors[1]
            for line_filter in self.get_line_filters():
                strip = strip.apply_filter(line_filter, background)
            self._drawn[place] = strip
        return strip

    def _draw(self, y: int, width: int, height: int) -> Strip:
        line = self.get_component_rich_style("pane--frame")
        box = _HEAVY if self.app.native_ansi_color and self.has_focus_within else _THIN
        if y == 0:
            return self._edge(self._top, box[0], box[1], box[2], width, line, digit=str(self.digit or ""))
        if y == height - 1:
            return self._edge(self._bottom, box[4], box[1], box[5], width, line)
        blank = " " * max(0, width - 2)
        return Strip([Segment(box[3], line), Segment(blank, line), Segment(box[3], line)], width)

    def _edge(
        self,
        edge: Edge,
        first: str,
        line: str,
        last: str,
        width: int,
        style: Style,
        *,
        digit: str | None = None,
    ) -> Strip:
        """With a `digit`, if only an empty one, a name comes first, which stays; then come the texts at the
        right, then the others at the left."""
        room = width - 6
        lead = f"{digit} " if digit else ""
        name = cell_len(edge.left[0].text) + 3 if edge.left and digit is not None else 4
        right, right_width = self._texts(edge.right, " · ", room - len(lead) - name, style)
        spare = room - len(lead) - (right_width + 3 if right_width else 0)
        left, left_width = self._texts(edge.left, "  ", spare, style)
        segments = [Segment(first, style)]
        fill = width - 2
        if left_width:
            digits = [Segment(lead, self._component("pane--digit"))] if lead else []
            segments += [Segment(" ", style), *digits, *left, Segment(" ", style)]
            fill -= left_width + len(lead) + 2
        if right_width:
            fill -= right_width + 3
        segments.append(Segment(line * max(0, fill), style))
        if right_width:
            segments += [Segment(" ", style), *right, Segment(f" {line}", style)]
        segments.append(Segment(last, style))
        return Strip(segments).adjust_cell_length(width, style).simplify()

    def _texts(
        self, cells: Iterable[Cell], between: str, room: int, style: Style
    ) -> tuple[list[Segment], int]:
        """Harmless texts within `room` cells, and how many they take."""
        texts: list[Segment] = []
        used = 0
        for cell in cells:
            if not cell.text:
                continue
            lead = between if texts else ""
            text = fit(cell.text, 512).rstrip()
            free = room - used - len(lead)
            if free < 4 and cell_len(text) > free:
                break
            text = fit(text, min(free, cell_len(text)))
            if lead:
                texts.append(Segment(lead, self._component("tone--quiet")))
            texts.append(Segment(text, self._component(f"tone--{cell.tone.value}")))
            used += len(lead) + cell_len(text)
        return texts, used

    def _component(self, name: str) -> Style:
        return self.get_component_rich_style(name)
