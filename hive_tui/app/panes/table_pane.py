"""A pane whose table is filtered by what is typed into a line below it, and sorted by keys and headings."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textual import on
from textual.message import Message
from textual.timer import Timer

from hive_tui.app import filters
from hive_tui.app.arranging import Arranging
from hive_tui.app.filters import Facts, Query
from hive_tui.app.shell import Shell
from hive_tui.app.sorting import By, Order
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell, Column, Row
from widgets.pane import Pane
from widgets.rows_view import Sorting
from widgets.table import Table

if TYPE_CHECKING:
    from widgets.filter_line import FilterLine

SLICE_SECONDS = 0.005
"""How long rows are looked at in one go, for a filter or an order."""

PAUSE_SECONDS = 0.004
"""How long keys and painting have the time between two of those."""

KEY_PASSES_SECONDS = 0.015
"""So long a key takes to what it is for."""

AHEAD_SECONDS = 0.002
"""The same for a filter that nobody has asked for yet, while nobody types."""

AHEAD_PAUSE_SECONDS = 0.02
"""Between two of those."""

MANY = 1_000
"""Of so many rows none is looked at before the letter that was typed is to be seen."""

SHOW_SECONDS = 0.1
"""How often what was found so far is shown: to paint it takes longer than to look at a slice."""

CHIP = 24
"""Cells of a filter that its frame shows."""


class TablePane(Pane):
    """Has the rows that match looked at in slices, and shows them in the order asked for."""

    noun = "row"
    """What one of its rows is called."""
    sorts: Mapping[str, By[Any]] = {}
    """How the columns are sorted, by their names; what is not here cannot be sorted by."""
    facts: Callable[[Any], Facts]
    """What a filter finds in a thing."""

    def __init__(self, digit: int, name: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002
        self.table = Table(columns, headings=True)
        super().__init__(digit, name, id=id)
        self._arranging = Arranging(self._thing, self.facts)
        self._filter_line: FilterLine | None = None
        self._next: Timer | None = None
        """When it goes on to look at rows."""
        self._preparing: Timer | None = None
        self._asked = False
        """A person asked for other rows, which are not all there yet."""
        self._otherwise = False
        """The rows that are shown next look otherwise, also those that stay."""
        self._shown = 0.0
        """When rows were shown last, on the monotonic clock."""

    @property
    def body(self) -> Table:
        return self.table

    # What a pane says of its rows

    def _thing(self, key: Hashable) -> Any:
        """All that a row is made of but the time, to be filtered and sorted; None when it is gone."""
        raise NotImplementedError

    def _row(self, key: Hashable) -> Row:
        raise NotImplementedError

    def _details(self, key: Hashable) -> Sequence[Cell]:
        """All that there is to read of a row, each text on lines of its own."""
        raise NotImplementedError

    def _nothing(self) -> Sequence[Cell]:
        """What an empty table says where no filter emptied it."""
        raise NotImplementedError

    def describe_list(self) -> None:
        """Say on the frame how the rows are looked at, and what they are."""
        raise NotImplementedError

    # What is shown

    @property
    def filtering(self) -> str:
        """The filter that is active, as it was typed."""
        return self._arranging.query.shown

    @property
    def order(self) -> Order:
        """The order that somebody asked for."""
        return self._arranging.order

    @property
    def settled(self) -> bool:
        """The rows that are shown are those of the filter and the order."""
        return not self._arranging.busy

    @property
    def columns_shown(self) -> list[str]:
        """The names of the columns that are on screen."""
        widths = self.table.widths(self.table.size.width - 2)
        return [column.name for column, width in zip(self.table.columns, widths, strict=True) if width]

    def take(self, keys: Sequence[Hashable], *stamp: object) -> None:
        """Show rows by these keys; they are looked at anew where a `stamp` is another object than before."""
        self._arranging.take(keys, *stamp)
        self._shown = 0.0
        self._work()
        if self._preparing is None and len(self._arranging.all) > MANY:
            self._preparing = self.set_timer(AHEAD_PAUSE_SECONDS, self._prepare)

    def _prepare(self) -> None:
        """Learn what a filter finds in many rows before the first letter of one is typed."""
        quiet = not (isinstance(self.app, Shell) and self.app.typed_in) and self.settled
        if not quiet or self._arranging.prepare(AHEAD_SECONDS):
            self._preparing = self.set_timer(AHEAD_PAUSE_SECONDS, self._prepare)
        else:
            self._preparing = None

    def _work(self) -> None:
        self._arranging.work(SLICE_SECONDS)
        now = time.monotonic()
        if not self._arranging.busy or now - self._shown >= SHOW_SECONDS:
            self._shown = now
            self._show_rows()
        if not self._arranging.busy:
            self._asked = False
        else:
            self._pause()

    def _pause(self) -> None:
        """Go on a little later; with what nobody asked for, after the keys."""
        if self._next is not None:
            if not self._asked:
                return
            self._next.stop()
        wait = 0.0
        if isinstance(self.app, Shell):
            # Even what is waited for lets a key pass that was just pressed.
            wait = KEY_PASSES_SECONDS - self.app.since_key if self._asked else self.app.left_to_key
        self._next = self.set_timer(max(PAUSE_SECONDS, wait), self._go_on)

    def _go_on(self) -> None:
        self._next = None
        self._work()

    def _show_rows(self) -> None:
        emptied = self._arranging.all and not self._arranging.keys
        if self._otherwise:
            self._otherwise = False
            self.table.matching = self._arranging.query.pattern
            self.table.repaint_all()
        self.table.show(
            self._arranging.keys,
            self._row,
            details=self._details,
            placeholder=self._no_match() if emptied else self._nothing(),
            chosen_anew=self._asked,
        )
        self.describe_list()

    def _no_match(self) -> tuple[Cell, ...]:
        if self._arranging.busy:
            return (Cell("looking …", Tone.QUIET),)
        return (
            Cell(f'No {self.noun} matches "{self.filtering}"'),
            Cell("Esc clears the filter", Tone.QUIET),
        )

    def chips(self) -> Iterable[Cell]:
        """What the frame says of the filter and the order."""
        found, listed = len(self._arranging.keys), len(self._arranging.all)
        if self.filtering:
            dots = "…" if self._arranging.busy else ""
            yield Cell(f"/{text.truncate(self.filtering, CHIP)}  {found:,}{dots} of {listed:,}", Tone.TITLE)
        if self.order == Order(None, turned=True):
            yield Cell("turned round", Tone.TITLE)

    def _ask(self, query: Query, order: Order) -> None:
        self._arranging.ask(query, order, self.sorts.get(order.column or ""))
        self._asked = self._otherwise = True
        self._shown = time.monotonic()
        if self._arranging.busy and len(self._arranging.all) > MANY:
            self._pause()
        else:
            self._work()

    # What the keys do

    async def do(self, name: str) -> None:
        """What a key does in any table, by its id in the registry of actions."""
        match name:
            case "filter":
                await self.open_filter()
            case "sort.next":
                self._reorder(self.order.next([name for name in self.columns_shown if name in self.sorts]))
            case "sort.reverse":
                self._reorder(self.order._replace(turned=not self.order.turned))

    @on(Table.HeadingClicked)
    def _heading_clicked(self, message: Table.HeadingClicked) -> None:
        if message.column in self.sorts:
            self._reorder(self.order.clicked(message.column))

    def _reorder(self, order: Order) -> None:
        """A person asked for another order."""
        self.sort(order)

    def sort(self, order: Order) -> None:
        """Sort by a column that the pane has, else as where nobody sorts."""
        by = self.sorts.get(order.column or "")
        if by is None and order.column is not None:
            order = Order()
        self.table.sorting = (
            Sorting(order.column, by.down is not order.turned) if by is not None and order.column else None
        )
        self._ask(self._arranging.query, order)

    async def open_filter(self) -> None:
        """Show the line in which the filter is typed."""
        # The input is not needed for the first paint, and takes long to import.
        from widgets.filter_line import FilterLine

        if self._filter_line is None:
            self._filter_line = FilterLine(self.table)
            await self.mount(self._filter_line)
        self._filter_line.open(self.filtering)

    def close_filter(self) -> None:
        """Put the line away; what was typed stays active."""
        if self._filter_line is not None and self._filter_line.display:
            if self._filter_line.is_typed_in:
                self.screen.set_focus(self.table)
            # It is kept for the next time: to make it anew takes longer than a frame.
            self._filter_line.display = False
            self.screen.refresh_bindings()

    def set_filter(self, typed: str) -> None:
        """Show only what matches."""
        query = filters.parse(typed)
        if query != self._arranging.query:
            self._ask(query, self.order)
            self.screen.refresh_bindings()

    # The line's messages are handled by name: to import its class would import Textual's input.
    def on_find_line_typed(self, message: Message) -> None:
        message.stop()
        self.set_filter(getattr(message, "text", ""))

    def on_find_line_left(self, message: Message) -> None:
        message.stop()
        self.close_filter()

    @property
    def narrowed(self) -> bool:
        """There is a line or a filter to undo with Esc."""
        return bool(self.filtering) or (self._filter_line is not None and self._filter_line.display)

    def step_back(self) -> bool:
        """Undo the line of the filter, else the filter. False where there is neither."""
        if self._filter_line is not None and self._filter_line.display:
            self.close_filter()
        elif self.filtering:
            self.set_filter("")
        else:
            return False
        return True
