"""The line of pane names where there is no room for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from widgets.cells import Cell
from widgets.guarded import Guarded
from widgets.lines import TONE_CLASSES, TONE_CSS, fit


class PaneTabs(Guarded, Widget):
    """`1 fleet  2 issues  3 agents  7 attn 3`, the current one marked; a click goes there.

    Where not all names fit, only the current one has its name: every digit is in sight at any width.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES, "tabs--digit", "tabs--name", "tabs--current"}
    DEFAULT_CSS = (
        "PaneTabs { height: 1;"
        + TONE_CSS
        + "& > .tabs--digit { color: $accent; }"
        + "& > .tabs--name { color: $foreground 60%; }"
        + "& > .tabs--current { color: $accent; background: $accent 18%; text-style: bold; }"
        + "}"
    )

    current: reactive[int] = reactive(0)
    badges: reactive[Mapping[int, Cell]] = reactive({})
    """A short word beside a name, by digit."""

    class Chosen(Message):
        """A click on a name."""

        def __init__(self, digit: int) -> None:
            super().__init__()
            self.digit = digit

    def __init__(self, names: Sequence[tuple[int, str]], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._names = tuple(names)

    def render(self) -> Content:
        content = Content("")
        for digit, name, badge in self._shown():
            chosen = digit == self.current
            plain = self.get_visual_style("tabs--current" if chosen else "tabs--name")
            accent = plain if chosen else self.get_visual_style("tabs--digit")
            content += Content.styled(f" {digit}", accent) + Content.styled(f"{name} ", plain)
            if badge:
                tone = self.get_visual_style(f"tone--{self.badges[digit].tone.value}")
                content += Content.styled(badge, plain + tone.without_color if chosen else tone)
        return content

    def on_click(self, event: events.Click) -> None:
        end = 0
        for digit, name, badge in self._shown():
            end += cell_len(f" {digit}{name} {badge}")
            if event.x < end:
                self.post_message(self.Chosen(digit))
                return

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Enough for all names, else for the longest: the width stays as another becomes the current one."""
        every = self._all()
        whole = _width(every)
        if whole <= container.width:
            return whole
        names = [cell_len(name) for _, name, _ in every]
        return whole - sum(names) + max(names)

    def _shown(self) -> list[tuple[int, str, str]]:
        """Each digit with what stands behind it: its name, if there is room, and its badge."""
        every = self._all()
        if _width(every) <= self.size.width:
            return every
        return [(digit, name if digit == self.current else "", badge) for digit, name, badge in every]

    def _all(self) -> list[tuple[int, str, str]]:
        badges = {digit: f"{fit(cell.text, cell_len(cell.text))} " for digit, cell in self.badges.items()}
        return [(digit, f" {name}", badges.get(digit, "")) for digit, name in self._names]


def _width(shown: Sequence[tuple[int, str, str]]) -> int:
    return sum(cell_len(f" {digit}{name} {badge}") for digit, name, badge in shown)
