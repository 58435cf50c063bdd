"""Where the reader of a log is: at its end, until they look closer; then what they read stays where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from widgets import log_paint
from widgets.cells import Cell
from widgets.log_book import CAPACITY
from widgets.log_entry import Entry
from widgets.log_page import Opened, Place
from widgets.log_paint import Times
from widgets.log_window import LogWindow
from widgets.moving import moving

STEP_SECONDS = 0.01
"""Between two steps of looking for something, or of measuring lines."""

WHEEL = 3
"""Lines up to which scrolling leaves the selection on its entry."""


class LogReader(LogWindow):
    """A log that is read while it grows.

    Following, it stays at the end. Whatever a reader does to look closer pauses that: nothing is dropped
    meanwhile but what the ring cannot hold, and the line under their eyes stays where it is, also when
    older ones go, when lines are wrapped, and when the terminal gets another size.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *moving(
            up="line(-1)",
            down="line(1)",
            page_up="page(-1)",
            page_down="page(1)",
            half_up="page(-1)",
            half_down="page(1)",
            first="first",
            last="follow",
            left="pan(-1)",
            right="pan(1)",
        ),
        Binding("F", "follow", "Follow", show=False),
    ]

    @dataclass
    class Moved(Message):
        """What is told about the log changed: its lines, what was found, whether it is followed."""

        view: LogReader

        @property
        def control(self) -> LogReader:
            return self.view

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LogReader.Moved)

    def __init__(
        self,
        *,
        cursor: bool = False,
        recorded: Callable[[Entry], str] | None = None,
        capacity: int = CAPACITY,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(cursor=cursor, recorded=recorded, capacity=capacity, id=id)
        self.following = True
        self.unseen = 0
        """Lines that came since following was paused."""
        self._missed = 0
        self._cursor: int | None = None
        """The selected entry; None is the last one, while it is followed."""
        self._anchor: Place | None = None
        """What must not move, as of the last time when lines were where they belong."""
        self._settled = Size(0, 0)
        """The size for which lines are where they belong."""
        self._settling = False
        self._working = False

    # What is held

    @property
    def dropped(self) -> int:
        """Older entries that could not be held."""
        return self._missed + self._book.dropped

    def clear(self, placeholder: Sequence[Cell] = ()) -> None:
        """Begin another log; `placeholder` stands there until its first line comes."""
        self._book.clear()
        self._window = None
        self._page.open.clear()
        self._page.pan = 0
        self.placeholder = tuple(placeholder)
        self.following, self.unseen, self._missed, self._cursor = True, 0, 0, None
        self._lay_out(None)

    def extend(self, entries: Iterable[Entry], *, missed: int = 0) -> None:
        """Append a batch; `missed` older ones never came here."""
        batch = list(entries)
        self._missed += missed
        if not batch:
            return
        place, rows, top = self._place(), self.rows, self.scroll_offset.y
        short = self._page.total - top < self.size.height
        gone = self._book.extend(batch)
        self._book.step()
        if not self.following:
            self.unseen += self.rows - rows + gone
        self._keep(place)
        if self.following or short or self.scroll_offset.y != top or self._has_gone():
            self.refresh()
        self._go_on()
        self._tell()

    def _has_gone(self) -> bool:
        """Forget what is not held any more. Returns whether that was to be seen."""
        gone = self._anchor is not None and self._anchor.entry not in self._book
        if self._cursor is not None and self._cursor not in self._book:
            self._cursor = self._book.first if self.rows else None
        return gone

    # How it is shown

    def toggle_wrap(self) -> None:
        """Show each text on as many lines as it takes, or one line of each."""
        place = self._place()
        self._page.wrap = not self._page.wrap
        self._lay_out(place)

    def show_times(self, times: Times) -> None:
        """What stands at the beginning of the lines."""
        place = self._place()
        self._page.times = times
        self._lay_out(place)

    def toggle_open(self, how: Opened) -> None:
        """Show all of the selected entry, or what was recorded of it, and back."""
        index = self.selected
        if index is None:
            return
        self._pause()
        place = self._place()
        if self._page.open.get(index) is how:
            del self._page.open[index]
        else:
            self._page.open[index] = how
        self._page.measure(index)
        self._keep(place)
        self._show_cursor()
        self._repaint()
        self._tell()

    # Where the reader is

    @property
    def selected(self) -> int | None:
        """The index of the selected entry, else of the last one on screen."""
        if not self.rows:
            return None
        if self._cursor is not None and self._cursor in self._book:
            return self._cursor
        return self._page.index_at(self.scroll_offset.y + max(0, self.size.height - 1))

    @property
    def entry(self) -> Entry | None:
        """The selected entry, else the last one on screen."""
        index = self.selected
        return None if index is None else self._book[index]

    @property
    def _chosen(self) -> int | None:
        """The entry that is set off: the selected one, in a log without a cursor the match."""
        if self._cursor is None and self._has_cursor and self.following:
            return self._book.index_of(self._book.flow.end - 1)
        return self._cursor

    def action_follow(self) -> None:
        """Stay at the end from now on."""
        self.following, self.unseen = True, 0
        self._cursor = None
        self._moves_on()
        self._keep(None)
        self.refresh()
        self._tell()

    def pause(self) -> None:
        """Stay here from now on."""
        self._pause()
        self._anchor = self._place()
        self.refresh()
        self._tell()

    def action_line(self, by: int) -> None:
        index = self.selected
        if index is None:
            return
        if not self._has_cursor:
            self._scroll_by(by)
            return
        flow, row = self._book.flow, self._book.row_of(index)
        top, first, last = self.scroll_offset.y, flow.top(row), flow.top(row) + flow.lines(row) - 1
        # An entry that is taller than the screen is read to its end before the next one is selected.
        if (by > 0 and last >= top + self.size.height and first <= top) or (by < 0 and first < top):
            self._pause()
            self._keep(Place(index, first - top - by))
        elif by > 0 and row >= flow.end - 1:
            self.action_follow()
        elif row + by >= flow.first:
            self._pause()
            self._cursor = self._book.index_of(row + by)
            self._show_cursor()
        self.refresh()
        self._tell()

    def action_page(self, by: int) -> None:
        self._scroll_by(by * max(1, self.size.height - 1))

    def action_first(self) -> None:
        self._scroll_by(-max(2, self._page.total))

    def action_pan(self, by: int) -> None:
        """By half a screen to the side; what comes later is shown from the same place on."""
        room = self._page.room.text
        widest = log_paint.longest([self._book[index] for index, _ in self._lines_on_screen()])
        most = max(0, widest - room + 1) if by > 0 else self.pan
        self._page.pan = max(0, min(self.pan + by * max(1, room // 2), max(most, self.pan)))
        self._repaint()
        self._tell()

    def _pause(self) -> None:
        if self.following:
            if self._has_cursor and self._cursor is None:
                self._cursor = self.selected
            self.following, self.unseen = False, 0

    def _scroll_by(self, lines: int) -> None:
        """Move by lines, as the reader wants."""
        if not self.rows:
            return
        before = self.scroll_offset.y
        self.scroll_to(y=before + lines, animate=False, immediate=True, force=True)
        if lines > 0 and self.scroll_offset.y >= self.max_scroll_y:
            self.action_follow()
        elif lines < 0 and self.scroll_offset.y == before:
            self._pause()
        if lines < -1 and self._has_cursor and self.scroll_offset.y == 0:
            self._cursor = self._page.index_at(0)
        self._anchor = self._place()
        self.refresh()
        self._tell()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # A scroll position that only gives way to another size of the screen is nobody's wish.
        moved = round(new_value) - round(old_value)
        if self._settling or not moved or not self.rows or self.size != self._settled:
            return
        self._moves_on()
        if moved > 0 and new_value >= self.max_scroll_y:
            self.following, self.unseen, self._cursor = True, 0, None
            self._anchor = None
        else:
            self._pause()
            self._move_cursor_along(moved)
            self._keep(self._page.place_at(self.scroll_offset.y))
        self.refresh()
        self._tell()

    def _move_cursor_along(self, moved: int) -> None:
        """The selection stays on screen: on its entry where the wheel moved it, on its line for a page."""
        if not self._has_cursor or self._cursor is None:
            return
        top = self.scroll_offset.y
        y = self._book.flow.top(self._book.row_of(self._cursor)) - top
        if abs(moved) > WHEEL:
            y += moved
        self._cursor = self._page.index_at(top + max(0, min(y, self.size.height - 1)))

    def _show_cursor(self) -> None:
        """Scroll as little as shows the selected entry."""
        if self._cursor is None or self._cursor not in self._book:
            return
        row = self._book.row_of(self._cursor)
        if row < self._book.flow.end:
            self._page.measure_around(row)
            top = self._page.top_showing(self._cursor, self.scroll_offset.y)
            self._keep(Place(self._cursor, self._book.flow.top(row) - top))

    def _place(self) -> Place | None:
        """What must not move; None while the end is followed."""
        if self.following or not self.rows:
            return None
        top = self.scroll_offset.y
        if self._cursor is not None and self._cursor in self._book:
            y = self._page.y_of(self._cursor, top)
            if y is not None:
                return Place(self._cursor, y)
        return self._page.place_at(top)

    def _moves_on(self) -> None:
        """The reader goes somewhere by themselves."""

    def _works_on(self) -> None:
        """More was looked at."""

    # Lines

    def _lay_out(self, place: Place | None) -> None:
        """Everything has to be measured anew."""
        self._page.lay_out()
        self._keep(place)
        self._repaint()
        self._go_on()
        self._tell()

    def _keep(self, place: Place | None) -> None:
        """Put the place where it was; None is the end."""
        self._settling, self._settled = True, self.size
        top = self._page.top_for(place)
        self.virtual_size = Size(self.size.width, self._page.total)
        self.scroll_to(y=top, animate=False, immediate=True, force=True)
        self._settling = False
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.position = self.scroll_y
        self._anchor = self._place()

    def _go_on(self) -> None:
        """Look for more, and measure more, as soon as there is time."""
        if not self._working and (self._book.searching or self._page.unmeasured):
            self._working = True
            self.set_timer(STEP_SECONDS, self._work)

    def _work(self) -> None:
        self._working = False
        place = self._place()
        if self._page.step() or place is None:
            self.refresh()
        self._keep(place)
        self._works_on()
        self._go_on()
        self._tell()

    def on_resize(self, event: events.Resize) -> None:
        place = None if self.following else self._anchor
        other = self._page.width != event.size.width
        self._page.width, self._page.height = event.size
        if other:
            self._lay_out(place)
        else:
            self._keep(place)
            self._repaint()

    def on_click(self, event: events.Click) -> None:
        on_screen = self._lines_on_screen()
        if self._has_cursor and event.y < len(on_screen):
            self._pause()
            self._cursor, _ = on_screen[event.y]
            self._keep(self._place())
            if event.chain == 2:
                self.toggle_open(Opened.WHOLE)
            self.refresh()
            self._tell()

    def _tell(self) -> None:
        self.post_message(self.Moved(self))
