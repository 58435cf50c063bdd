"""The line of pane names where there is no room for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from widgets.cells import Cell
from widgets.guarded import Guarded
from widgets.lines import TONE_CLASSES, TONE_CSS, fit


class PaneTabs(Guarded, Widget):
    """`1 fleet  2 issues  3 agents  7 attn 3`, the current one marked; a click goes there."""

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
        for digit, name in self._names:
            badge = self.badges.get(digit)
            chosen = digit == self.current
            plain = self.get_visual_style("tabs--current" if chosen else "tabs--name")
            accent = plain if chosen else self.get_visual_style("tabs--digit")
            content += Content.styled(f" {digit}", accent) + Content.styled(f" {name} ", plain)
            if badge is not None:
                tone = self.get_visual_style(f"tone--{badge.tone.value}")
                style = plain + tone.without_color if chosen else tone
                content += Content.styled(f"{fit(badge.text, cell_len(badge.text))} ", style)
        return content

    def on_click(self, event: events.Click) -> None:
        start = 0
        for digit, name in self._names:
            badge = self.badges.get(digit)
            start += cell_len(f" {digit} {name} ") + (cell_len(badge.text) + 1 if badge is not None else 0)
            if event.x < start:
                self.post_message(self.Chosen(digit))
                return
