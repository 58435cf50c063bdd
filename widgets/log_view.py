"""A log that is read while it grows: followed until the reader looks closer, and still under their eyes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from hive_tui.core.glyphs import Tone
from widgets import log_paint
from widgets.cells import Cell
from widgets.lines import LineView, fit
from widgets.log_book import CAPACITY, LogBook
from widgets.log_entry import Entry
from widgets.log_page import LogPage, Opened, Place
from widgets.log_paint import Times
from widgets.log_search import Filter, phrase
from widgets.moving import moving

STEP_SECONDS = 0.01
"""Between two steps of looking for something, or of measuring lines."""

STRIPS = 1_000
"""Painted lines that are kept."""

WHEEL = 3
"""Lines up to which scrolling leaves the selection on its entry."""


class _Origin(NamedTuple):
    """Where a reader was before looking for something."""

    last: int
    """The last entry on screen."""
    place: Place | None
    cursor: int | None


class LogView(LineView):
    """Entries of a log, painted when they come on screen.

    Following, it stays at the end. Whatever a reader does to look closer pauses that: nothing is dropped
    meanwhile but what the ring cannot hold, and the line under their eyes stays where it is, also when
    older ones go, when lines are wrapped, and when the terminal gets another size.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--match", "log--here"}
    DEFAULT_CSS = (
        "LogView { & > .log--match { background: $accent 30%; }"
        "& > .log--here { background: $accent; color: $background; text-style: bold; } }"
    )
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

        view: LogView

        @property
        def control(self) -> LogView:
            return self.view

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LogView.Moved)

    def __init__(
        self,
        *,
        cursor: bool = False,
        recorded: Callable[[Entry], str] | None = None,
        capacity: int = CAPACITY,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """With a `cursor` one entry is selected; `recorded` is an entry as it was stored."""
        super().__init__((), id=id)
        self.placeholder: tuple[Cell, ...] = ()
        self.following = True
        self.unseen = 0
        """Lines that came since following was paused."""
        self.typed = ""
        """What is looked for."""
        self.now: datetime | None = None
        self._book = LogBook(capacity)
        self._page = LogPage(self._book, recorded or (lambda entry: entry.text))
        self._missed = 0
        self._has_cursor = cursor
        self._cursor: int | None = None
        """The selected entry; None is the last one, while it is followed."""
        self._peeked: int | None = None
        """The entry that is open only because what was found in it is not to be seen otherwise."""
        self._origin: _Origin | None = None
        """From where something is looked for, while it is being typed."""
        self._anchor: Place | None = None
        """What must not move, as of the last time when lines were where they belong."""
        self._settled = Size(0, 0)
        """The size for which lines are where they belong."""
        self._settling = False
        self._working = False
        self._window: tuple[tuple[int, int, int, int], list[tuple[int, int]]] | None = None
        self._strips: dict[tuple[int, int], Strip] = {}

    # What is held

    @property
    def lines(self) -> Sequence[Entry]:
        """What the ring holds, oldest first."""
        return self._book.entries

    @property
    def rows(self) -> int:
        """How many of them are shown."""
        return self._page.rows

    @property
    def dropped(self) -> int:
        """Older entries that could not be held."""
        return self._missed + self._book.dropped

    def clear(self, placeholder: Sequence[Cell] = ()) -> None:
        """Begin another log, in which nothing is looked for; `placeholder` stands there until its first
        line comes."""
        self._book.clear()
        self._window = None
        self._page.open.clear()
        self._page.pan = 0
        self.placeholder = tuple(placeholder)
        self.following, self.unseen, self._missed, self.typed = True, 0, 0, ""
        self._cursor = self._peeked = self._origin = None
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

    # What is looked for

    @property
    def filter(self) -> Filter:
        """What is shown only."""
        return self._book.filter

    @property
    def found(self) -> tuple[int, int] | None:
        """Which match the reader is at, 0 for none, and how many there are; None without a search."""
        if self._book.phrase is None:
            return None
        matches, here = self._book.matches, self._cursor
        at = 0 if here is None else self._book.nth(here)
        return (at if at and matches[at - 1] == here else 0), len(matches)

    @property
    def searching(self) -> bool:
        """Whether more may be found in what is there already."""
        return self._book.searching

    def find(self, typed: str) -> None:
        """Look for words, and go to the last place before the end of the screen where they stand."""
        if self._origin is None and self.rows:
            last = self._page.index_at(self.scroll_offset.y + max(0, self.size.height - 1))
            self._origin = _Origin(last, self._place(), self._cursor)
        self._close_peeked()
        self.typed = typed
        self._book.find(phrase(typed))
        self._book.step()
        self._repaint()
        self._seek()
        self._go_on()
        self._tell()

    def stop_finding(self) -> None:
        """Look for nothing; the reader stays where looking led to."""
        self._close_peeked()
        self._origin, self.typed = None, ""
        self._book.find(None)
        if not self._has_cursor:
            self._cursor = None
        self._repaint()
        self._tell()

    def settle_search(self) -> None:
        """What is looked for next is looked for from here on."""
        self._origin = None

    def step(self, by: int) -> None:
        """Go to the next match, or the one before, around the ends."""
        if not self.rows:
            return
        self._origin = None
        here = self._cursor
        if here is None or here not in self._book:
            last = max(0, self.size.height - 1)
            here = self._page.index_at(self.scroll_offset.y + (0 if by > 0 else last)) - by
        index = self._book.match(here, by)
        if index is not None:
            self._go_to_match(index)

    def show_only(self, wanted: Filter) -> None:
        """Show what fits, with the line that the reader looks at, or the next one, where it was."""
        place = self._place()
        self._book.show_only(wanted)
        self._book.step()
        for index in self._page.open:
            self._page.measure(index)
        self._keep(place)
        self._repaint()
        self._go_on()
        self._tell()

    def _seek(self) -> None:
        """Go where looking leads to as soon as that is clear, and back where it leads nowhere."""
        origin = self._origin
        if origin is None or self._book.searching:
            return
        index = self._book.match(origin.last + 1, -1)
        if index is not None:
            self._go_to_match(index)
        elif origin.place is None:
            self.following, self.unseen, self._cursor = True, 0, None
            self._keep(None)
        else:
            self._cursor = origin.cursor
            self._keep(origin.place)

    def _go_to_match(self, index: int) -> None:
        self._close_peeked()
        self._pause()
        self._cursor = index
        if self._page.hides_match(index):
            self._page.open[index], self._peeked = Opened.WHOLE, index
            self._page.measure(index)
        self._show_cursor()
        self._repaint()
        self._tell()

    def _close_peeked(self) -> None:
        index, self._peeked = self._peeked, None
        if index is not None and self._page.open.pop(index, None) is not None and index in self._book:
            place = self._place()
            self._page.measure(index)
            self._keep(place)

    # How it is shown

    @property
    def wrap(self) -> bool:
        return self._page.wrap

    @property
    def times(self) -> Times:
        return self._page.times

    @property
    def pan(self) -> int:
        """Cells by which texts are moved to the left."""
        return self._page.pan

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

    def tick(self, now: datetime) -> None:
        """It is later now."""
        self.now = now
        if self.times is Times.AGE and self.rows:
            self._repaint()

    def toggle_open(self, how: Opened) -> None:
        """Show all of the selected entry, or what was recorded of it, and back."""
        index = self.selected
        if index is None:
            return
        self._pause()
        place = self._place()
        self._peeked = None
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

    def action_follow(self) -> None:
        """Stay at the end from now on."""
        self.following, self.unseen = True, 0
        self._cursor = self._origin = None
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
        self._origin = None
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
        self._seek()
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

    # Painting

    def _lines_on_screen(self) -> list[tuple[int, int]]:
        flow = self._book.flow
        key = (self.scroll_offset.y, self._page.height, flow.version, flow.first)
        if self._window is None or self._window[0] != key:
            self._window = key, self._page.window(self.scroll_offset.y)
        return self._window[1]

    def _repaint(self) -> None:
        self._strips.clear()
        self.refresh()

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if not self.rows:
            return self.centred(self.placeholder, y)
        on_screen = self._lines_on_screen()
        if y >= len(on_screen):
            return Strip.blank(self.size.width, self.rich_style)
        index, line = on_screen[y]
        if index == self._chosen:
            # Which one that is changes with every batch: it is not kept.
            return self._paint_line(index, line, chosen=True)
        strip = self._strips.get((index, line))
        if strip is None:
            if len(self._strips) > STRIPS:
                self._strips.clear()
            strip = self._strips[index, line] = self._paint_line(index, line, chosen=False)
        return strip

    @property
    def _chosen(self) -> int | None:
        """The entry that is set off: the selected one, in a log without a cursor the match."""
        if self._cursor is None and self._has_cursor and self.following:
            return self._book.index_of(self._book.flow.end - 1)
        return self._cursor

    def _paint_line(self, index: int, line: int, *, chosen: bool) -> Strip:
        over = Style()
        if chosen and self._has_cursor:
            over = self.get_component_rich_style("line--selected").background_style
        marker = self.get_component_rich_style("line--marker")
        match = self.get_component_rich_style("log--here" if chosen else "log--match")
        lit = match if chosen else Style(bgcolor=match.bgcolor, underline=True)
        styles: dict[tuple[Tone, bool], Style] = {}
        segments = [Segment("▌" if chosen else " ", marker + over)]
        for text, tone, matches in self._page.pieces(index, line, self.now):
            style = styles.get((tone, matches))
            if style is None:
                style = self.tone(tone) + over
                style = styles[tone, matches] = style + lit if matches else style
            segments.append(Segment(_safe(text), style))
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style + over)


def _safe(text: str) -> str:
    """A text that was made harmless when it came, looked at once more: a terminal believes all it gets."""
    return text if text.isprintable() else fit(text, cell_len(text))
