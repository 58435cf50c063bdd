"""The line of pane names where there is room for one pane at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget


class PaneTabs(Widget):
    """`1 fleet  2 issues  3 agents`, the current one marked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--digit", "tabs--name", "tabs--current"}
    DEFAULT_CSS = """
    PaneTabs {
        height: 1;
        & > .tabs--digit { color: $accent; }
        & > .tabs--name { color: $foreground 55%; }
        & > .tabs--current { color: $foreground; background: $accent 25%; text-style: bold; }
    }
    """

    current: reactive[int] = reactive(0)

    def __init__(self, names: Sequence[tuple[int, str]], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._names = tuple(names)

    def render(self) -> Content:
        content = Content(" ")
        for digit, name in self._names:
            if digit == self.current:
                content += Content.styled(f" {digit} {name} ", self.get_visual_style("tabs--current"))
            else:
                content += Content.styled(f" {digit}", self.get_visual_style("tabs--digit"))
                content += Content.styled(f" {name} ", self.get_visual_style("tabs--name"))
        return content
