"""One of some options on one line: `improvement  bug  [feature]`; left and right choose."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from hive_tui.core.text import clean_line, truncate, width

GAP = 2


class Option(NamedTuple):
    value: Hashable
    label: str
    note: str = ""
    """Beside the label, quiet."""


class Choice(Widget, can_focus=True):
    """All options are in sight as long as they fit; the chosen one stands out."""

    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "choose(-1)", "The one before", show=False),
        Binding("right,l,space", "choose(1)", "The next one", show=False),
        Binding("home", "first", "The first one", show=False),
    ]
    index: reactive[int] = reactive(0)

    class Changed(Message):
        """Another option was chosen."""

        def __init__(self, choice: Choice) -> None:
            self.choice = choice
            super().__init__()

        @property
        def control(self) -> Choice:
            return self.choice

    def __init__(
        self,
        options: Sequence[Option],
        *,
        value: Hashable = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        assert options, "there is something to choose"
        self.options = tuple(
            option._replace(label=clean_line(option.label), note=clean_line(option.note))
            for option in options
        )
        values = [option.value for option in self.options]
        self.set_reactive(Choice.index, values.index(value) if value in values else 0)

    @property
    def value(self) -> Hashable:
        """The chosen option's value."""
        return self.options[self.index].value

    def action_choose(self, by: int) -> None:
        self.index = (self.index + by) % len(self.options)

    def action_first(self) -> None:
        self.index = 0

    def watch_index(self) -> None:
        self.post_message(self.Changed(self))

    def on_click(self, event: events.Click) -> None:
        left = 0
        for option in self._shown:
            right = left + width(_words(option))
            if left <= event.x < right:
                self.index = self.options.index(option)
                return
            left = right + GAP

    @property
    def _shown(self) -> tuple[Option, ...]:
        """All of them, or only the chosen one where there is no room."""
        needed = sum(width(_words(option)) + GAP for option in self.options) - GAP
        return self.options if needed <= self.size.width else (self.options[self.index],)

    def render(self) -> Content:
        chosen = self.options[self.index]
        here = "bold $background on $accent" if self.has_focus else "bold $accent"
        parts: list[Content] = []
        for option in self._shown:
            style = here if option is chosen else "$foreground 60%"
            label = Content.styled(truncate(f" {option.label} ", max(3, self.size.width)), style)
            note = Content.styled(f"{option.note} " if option.note else "", "$foreground 60%")
            parts.append(Content.assemble(label, note))
        if len(self._shown) < len(self.options):
            parts.append(Content.styled(f"{self.index + 1} of {len(self.options)}", "$foreground 60%"))
        return Content(" " * GAP).join(parts)


def _words(option: Option) -> str:
    return f" {option.label} " + (f"{option.note} " if option.note else "")
