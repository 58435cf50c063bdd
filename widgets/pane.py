"""The frame around a pane: its digit and name, what it shows, counts, and whether it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from hive_tui.core.glyphs import Tone
from widgets.cells import Cell
from widgets.lines import TONE_CLASSES, TONE_CSS, fit


class Edge(Widget):
    """A horizontal edge of a frame with text in it: `╭ 3 Agents  detail ───── 4 working ╮`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES, "edge--digit"}
    DEFAULT_CSS = "Edge { height: 1; width: 1fr;" + TONE_CSS + "& > .edge--digit { color: $accent; } }"

    left: reactive[tuple[Cell, ...]] = reactive(())
    right: reactive[tuple[Cell, ...]] = reactive(())

    def __init__(self, corners: str, *, digit: str = "") -> None:
        super().__init__()
        self._corners = corners
        self._digit = digit

    def render(self) -> Content:
        """The name stays, then come the texts at the right, then the others at the left."""
        room = self.size.width - 6
        digit_width = cell_len(self._digit) + (1 if self._digit and self.left else 0)
        name_width = cell_len(self.left[0].text) + 3 if self._digit and self.left else 4
        right, right_width = self._texts(self.right, " · ", room - digit_width - name_width)
        left, left_width = self._texts(
            self.left, "  ", room - digit_width - (right_width + 3 if right_width else 0)
        )
        left_width += digit_width
        fill = self.size.width - 2
        parts = [self._line(self._corners[0])]
        if left_width:
            space = " " if self._digit and self.left else ""
            digit = self._styled(self._digit + space, "edge--digit")
            parts += [self._line(" "), digit, *left, self._line(" ")]
            fill -= left_width + 2
        if right_width:
            fill -= right_width + 3
        parts.append(self._line("─" * max(0, fill)))
        if right_width:
            parts += [self._line(" "), *right, self._line(" ─")]
        parts.append(self._line(self._corners[1]))
        return Content.assemble(*parts)

    def _texts(self, cells: Iterable[Cell], between: str, room: int) -> tuple[list[Content], int]:
        """Harmless texts within `room` cells, and how many they take."""
        texts: list[Content] = []
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
            texts.append(self._styled(lead, "tone--quiet"))
            texts.append(self._styled(text, f"tone--{cell.tone.value}"))
            used += len(lead) + cell_len(text)
        return texts, used

    def _line(self, text: str) -> Content:
        return Content.styled(text, self.visual_style)

    def _styled(self, text: str, name: str) -> Content:
        return Content.styled(text, self.get_visual_style(name))


class Pane(Vertical):
    """A framed part of the screen around one widget that takes the focus."""

    DEFAULT_CSS = """
    Pane {
        color: $foreground 30%;
        & > .pane--body {
            height: 1fr;
            border-left: round $foreground 30%;
            border-right: round $foreground 30%;
        }
        &:focus-within { color: $accent; }
        &:focus-within > .pane--body { border-left: round $accent; border-right: round $accent; }
    }
    """

    def __init__(
        self,
        digit: int,
        name: str,
        body: Widget,
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self.digit = digit
        self.label = name
        self.body = body
        self._top = Edge("╭╮", digit=str(digit))
        self._bottom = Edge("╰╯")
        self._top.left = (Cell(name, Tone.TITLE),)

    def compose(self) -> ComposeResult:
        yield self._top
        with Vertical(classes="pane--body"):
            yield self.body
        yield self._bottom

    def describe(
        self, *, detail: str = "", notes: Iterable[Cell] = (), hint: Cell | None = None, mark: str = ""
    ) -> None:
        """What stands on the frame: `detail` after the name, counts and badges at the right, and
        below a `hint` on what is selected or a `mark` at the right."""
        self._top.left = (Cell(self.label, Tone.TITLE), Cell(detail, Tone.QUIET))
        self._top.right = tuple(notes)
        self._bottom.left = () if hint is None else (hint,)
        self._bottom.right = (Cell(mark, Tone.TITLE),) if mark else ()

    @property
    def words(self) -> str:
        """What stands on the frame, as plain text."""
        cells = (*self._top.left, *self._top.right, *self._bottom.left, *self._bottom.right)
        return "  ".join(cell.text for cell in cells if cell.text)
