"""A log in which a reader looks for something, and of which they show a part only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from widgets.cells import Cell
from widgets.log_page import Opened, Place
from widgets.log_reader import LogReader
from widgets.log_search import Filter, phrase


class _Origin(NamedTuple):
    """Where a reader was before looking for something."""

    last: int
    """The last entry on screen."""
    place: Place | None
    cursor: int | None


class LogView(LogReader):
    """Looking goes on in steps, in what is there and in what comes, and leads to the nearest place."""

    typed = ""
    """What is looked for."""
    _peeked: int | None = None
    """The entry that is open only because what was found in it is not to be seen otherwise."""
    _origin: _Origin | None = None
    """From where something is looked for, while it is being typed."""

    def clear(self, placeholder: Sequence[Cell] = ()) -> None:
        """Begin another log, in which nothing is looked for."""
        self.typed, self._peeked, self._origin = "", None, None
        super().clear(placeholder)

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
            # Who follows looks from the end, also where the line in which one types has just taken its place.
            end = self.scroll_offset.y + self.size.height if not self.following else self._page.total
            last = self._page.index_at(max(0, end - 1))
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

    def toggle_open(self, how: Opened) -> None:
        """Show all of the selected entry, or what was recorded of it, and back."""
        self._peeked = None
        super().toggle_open(how)

    def _moves_on(self) -> None:
        self._origin = None

    def _works_on(self) -> None:
        self._seek()

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
