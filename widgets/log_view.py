"""A log that is read while it grows: a ring of lines, followed until the reader scrolls up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from widgets.cells import Cell, Column, Line
from widgets.lines import LineView

CAPACITY = 20_000
"""Lines kept of one log; older ones are dropped and counted."""

T = TypeVar("T")


class LogView(LineView, Generic[T]):
    """Lines of any kind, turned into cells by `render_item` when they come on screen.

    Following, it stays at the end. Scrolling up pauses that: nothing is dropped meanwhile but what
    the ring cannot hold, and the line under the reader's eyes does not move.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, id="log.up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="log.down"),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False, id="log.page-up"),
        Binding("pagedown,ctrl+d", "page_down", "Page down", show=False, id="log.page-down"),
        Binding("home", "scroll_home", "Start", show=False, id="log.start"),
        Binding("end,G,F", "follow", "Follow", show=False, id="log.follow"),
    ]

    class Moved(Message):
        """The number of lines, or whether the end is followed, changed."""

    def __init__(
        self,
        columns: Sequence[Column],
        render_item: Callable[[T], Line],
        *,
        capacity: int = CAPACITY,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(columns, id=id)
        self.placeholder: tuple[Cell, ...] = ()
        self.following = True
        self.unseen = 0
        """Lines that came since following was paused."""
        self.dropped = 0
        """Lines that the ring could not hold."""
        self._items: deque[T] = deque(maxlen=capacity)
        self._render_item = render_item
        self._settling = False

    @property
    def lines(self) -> Sequence[T]:
        """What the ring holds, oldest first."""
        return self._items

    def clear(self, placeholder: Sequence[Cell] = ()) -> None:
        """Begin another log; `placeholder` stands there until its first line comes."""
        self._items.clear()
        self.placeholder = tuple(placeholder)
        self.following, self.unseen, self.dropped = True, 0, 0
        self._resize_to_lines()
        self._scroll_without_pausing(0)
        self.refresh()
        self.post_message(self.Moved())

    def extend(self, items: Iterable[T]) -> None:
        """Append a batch."""
        batch = list(items)
        if not batch:
            return
        room = (self._items.maxlen or 0) - len(self._items)
        lost = max(0, len(batch) - room)
        self._items.extend(batch)
        self.dropped += lost
        top = self.scroll_offset.y
        self._resize_to_lines()
        if self.following:
            self._scroll_without_pausing(self.max_scroll_y)
        else:
            self.unseen += len(batch)
            self._scroll_without_pausing(max(0, top - lost))
        self.refresh()
        self.post_message(self.Moved())

    def action_follow(self) -> None:
        self.following, self.unseen = True, 0
        self._scroll_without_pausing(self.max_scroll_y)
        self.post_message(self.Moved())

    def _resize_to_lines(self) -> None:
        self._settling = True
        self.virtual_size = Size(self.size.width, len(self._items))
        self._settling = False

    def _scroll_without_pausing(self, y: float) -> None:
        self._settling = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._settling = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._settling or old_value == new_value:
            return
        following = new_value >= self.max_scroll_y
        if following != self.following:
            self.following, self.unseen = following, 0
            self.post_message(self.Moved())

    def on_resize(self, event: events.Resize) -> None:
        self._resize_to_lines()
        if self.following:
            self._scroll_without_pausing(self.max_scroll_y)

    def render_line(self, y: int) -> Strip:
        if not self._items:
            return self.centred(self.placeholder, y)
        index = self.scroll_offset.y + y
        if index >= len(self._items):
            return Strip.blank(self.size.width, self.rich_style)
        cells = self._render_item(self._items[index])
        return self.strip([Segment(" ", self.rich_style), *self.paint(cells, self.size.width - 2)])
