"""The last line of a screen: the keys that work now, those of what has the focus first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from widgets.guarded import Guarded

SPACE = 2
"""Blank cells between two hints."""


class Hint(msgspec.Struct, frozen=True):
    """A key as people read it, what it does in a word or two, and the key as Textual calls it."""

    label: str
    words: str
    key: str

    @property
    def width(self) -> int:
        return cell_len(self.label) + 1 + cell_len(self.words)


def joined(hints: Sequence[Hint]) -> list[Hint]:
    """Neighbours that do the same thing two ways share their word: `+/- slots`."""
    found: list[Hint] = []
    for hint in hints:
        if found and found[-1].words == hint.words:
            before = found[-1]
            found[-1] = Hint(f"{before.label}/{hint.label}", hint.words, before.key)
        else:
            found.append(hint)
    return found


def fitting(hints: Sequence[Hint], last: Hint | None, available: int) -> list[Hint]:
    """The first of `hints` that have room beside `last`, which always stays."""
    kept: list[Hint] = []
    used = 0 if last is None else last.width
    for hint in hints:
        used += hint.width + SPACE
        if used > available:
            break
        kept.append(hint)
    return kept if last is None else [*kept, last]


class KeyBar(Guarded, Widget):
    """Hints from the left, the help's at the end; a click does what the key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--words", "keys--hover"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        width: 1fr;
        dock: bottom;
        & > .keys--key { color: $accent; text-style: bold; }
        & > .keys--words { color: $foreground 75%; }
        & > .keys--hover { color: $foreground; text-style: underline; }
    }
    """

    hints: reactive[tuple[Hint, ...]] = reactive(())
    last: reactive[Hint | None] = reactive(None)
    _hovered: reactive[str] = reactive("")

    class Pressed(Message):
        """A hint was clicked: its key counts as pressed."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def shown(self) -> list[Hint]:
        """What has room now."""
        return fitting(self.hints, self.last, self.size.width - 2)

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if y:
            return Strip.blank(self.size.width, base)
        key, words = (self.get_component_rich_style(f"keys--{part}") for part in ("key", "words"))
        hover = self.get_component_rich_style("keys--hover")
        segments = [Segment(" ", base)]
        for index, hint in enumerate(self.shown()):
            if index:
                segments.append(Segment(" " * SPACE, base))
            segments.append(Segment(f"{hint.label} ", key))
            segments.append(Segment(hint.words, hover if hint.key == self._hovered else words))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def hint_at(self, x: int) -> Hint | None:
        """The hint at a column of this line."""
        left = 1
        for hint in self.shown():
            if left <= x < left + hint.width:
                return hint
            left += hint.width + SPACE
        return None

    def on_click(self, event: events.Click) -> None:
        if (hint := self.hint_at(event.x)) is not None:
            self.post_message(self.Pressed(hint.key))

    def on_mouse_move(self, event: events.MouseMove) -> None:
        hint = self.hint_at(event.x)
        self._hovered = "" if hint is None else hint.key

    def on_leave(self) -> None:
        self._hovered = ""
