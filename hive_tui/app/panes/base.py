"""What the panes have in common: they show a view, tell how far their source can be trusted, and list
things of which some are selected."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual import on
from textual.message import Message
from textual.timer import Timer

from hive_tui.app import filters, freshness
from hive_tui.app.arranging import Arranging
from hive_tui.app.filters import Facts, Query, facts
from hive_tui.app.shell import Shell
from hive_tui.app.sorting import By, Order
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import Freshness
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
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


class ViewPane(Pane):
    """A pane that shows a part of a view; made empty, filled by `show`."""

    tab = ""
    """Its short name where there is room for one pane at a time."""
    source: str | None = None
    """The source that it shows (`core.sources`), None for what comes of both."""
    least = 4
    """Lines that it has room for even while it has less to show."""

    @property
    def wanted(self) -> int | None:
        """Lines that it could fill, with its frame; None for any number of them."""
        return None

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view. `diff` is what changed since the last one: None is everything, an empty one
        means that only time has passed. Must be cheap when nothing on screen reads differently."""
        raise NotImplementedError

    @property
    def targets(self) -> Sequence[Target]:
        """What an action on this pane is about: what is marked, else what is selected."""
        return ()

    @property
    def badge(self) -> Cell | None:
        """What stands beside its short name where it may be out of sight."""
        return None

    def step_back(self) -> bool:
        """Esc: undo the last thing that narrows what is shown; False where there is none."""
        return False

    def freshness(self, view: View) -> Freshness | None:
        return view.snapshot.sources.get(self.source) if self.source is not None else None


def _facts_of_row(row: Row) -> Facts:
    return facts(*(cell.text for cell in row.cells))


class ListPane(ViewPane):
    """A pane with a table of things that can be selected, filtered, sorted and marked."""

    empty: tuple[str, ...] = ("Nothing here",)
    """What an empty list says; the lines after the first one say what to do about it."""
    noun = "row"
    """What one of its things is called."""
    sorts: Mapping[str, By[Any]] = {}
    """How the columns are sorted, by their names; what is not here cannot be sorted by."""

    @dataclass
    class Sorted(Message):
        """A person asked for another order."""

        pane: ListPane

    facts: Callable[[Any], Facts] = staticmethod(_facts_of_row)
    """What a filter finds in a thing."""

    def __init__(self, digit: int, name: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002
        self.table = Table(columns, headings=True)
        super().__init__(digit, name, id=id)
        self.view: View | None = None
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
        self._targets: tuple[tuple[object, ...], tuple[Target, ...]] = ((), ())

    @property
    def body(self) -> Table:
        return self.table

    # What a pane says of its things

    def keys(self, view: View) -> Sequence[Hashable]:
        """The keys of all rows, in the order of attention; the same object while nothing changed."""
        raise NotImplementedError

    def row(self, view: View, key: Hashable) -> Row:
        """The row of one of `keys`."""
        raise NotImplementedError

    def thing(self, view: View, key: Hashable) -> Any:
        """All that a row is made of but the time, to be filtered and sorted; None when it is gone."""
        return self.row(view, key)

    def target(self, view: View, key: Hashable) -> Target | None:
        """What a row is about."""
        raise NotImplementedError

    def details(self, view: View, key: Hashable) -> Sequence[Cell]:
        """All that there is to read of a row, each text on lines of its own."""
        cells = self.row(view, key).cells
        return [
            cell
            for column, cell in zip(self.table.columns, cells, strict=False)
            if column.flexible and cell.text
        ]

    def has_room(self, column: str) -> bool:
        """Whether a column is on screen."""
        widths = self.table.widths(self.table.size.width - 2)
        return any(
            width and found.name == column for found, width in zip(self.table.columns, widths, strict=True)
        )

    def nothing(self, view: View) -> Sequence[str]:
        """What an empty list says now; `empty` unless there is something truer."""
        return self.empty

    def counts(self, view: View) -> Iterable[Cell]:
        """What the frame counts."""
        return ()

    def hint(self, view: View) -> Cell | None:
        """What the lower edge of the frame says of the selected row."""
        return None

    # What is shown

    def show(self, view: View, diff: Diff | None) -> None:
        self.view = view
        self._arranging.take(self.keys(view), view.snapshot, view.plan)
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

    @property
    def wanted(self) -> int | None:
        return 2 + max(self.least, self.table.head + len(self._arranging.all))

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
        view = self.view
        if view is None:
            return
        source = self.freshness(view)
        placeholder = freshness.placeholder(source, view.now, self.nothing(view))
        if self._arranging.all and not self._arranging.keys:
            placeholder = self._no_match()
        if self._otherwise:
            self._otherwise = False
            self.table.matching = self._arranging.query.pattern
            self.table.repaint_all()
        self.table.show(
            self._arranging.keys,
            self._row,
            details=self._details,
            placeholder=placeholder,
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

    def describe_list(self) -> None:
        """Filter, marks, counts, badges and hints on the frame."""
        view = self.view
        if view is None:
            return
        source = self.freshness(view)
        badge = freshness.badge(source, view.now) or freshness.behind(view, source)
        # What a filter counts stands for what is counted without one.
        counts = () if self.filtering else self.counts(view)
        notes = [*self._chips(), *([badge] if badge is not None else []), *counts]
        self.describe(notes=notes, hint=freshness.failure(source) or self.hint(view))

    def _chips(self) -> Iterable[Cell]:
        found, listed = len(self._arranging.keys), len(self._arranging.all)
        if self.filtering:
            dots = "…" if self._arranging.busy else ""
            yield Cell(f"/{text.truncate(self.filtering, CHIP)}  {found:,}{dots} of {listed:,}", Tone.TITLE)
        if self.order == Order(None, turned=True):
            yield Cell("turned round", Tone.TITLE)
        if marked := len(self._marked):
            hidden = self.hidden_marks
            yield Cell(f"{marked:,} marked" + (f", {hidden:,} hidden" if hidden else ""), Tone.TITLE)

    async def do(self, name: str) -> None:
        """What a key does in any list, by its id in the registry of actions."""
        match name:
            case "filter":
                await self.open_filter()
            case "sort.next":
                self.sort_next()
            case "sort.reverse":
                self.sort_reverse()
            case "mark":
                self.table.mark()
            case "mark.range":
                self.table.mark_range()
            case "mark.all":
                self.table.mark_all()

    # Filter

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

    def set_filter(self, typed: str) -> None:
        """Show only what matches."""
        query = filters.parse(typed)
        if query != self._arranging.query:
            self._ask(query, self.order)

    # The line's messages are handled by name: to import its class would import Textual's input.
    def on_filter_line_typed(self, message: Message) -> None:
        message.stop()
        self.set_filter(getattr(message, "text", ""))

    def on_filter_line_left(self, message: Message) -> None:
        message.stop()
        self.close_filter()

    # Order

    def sort_next(self) -> None:
        """Sort by the next column that is on screen; after the last one, by attention."""
        widths = self.table.widths(self.table.size.width - 2)
        shown = [column.name for column, width in zip(self.table.columns, widths, strict=True) if width]
        self._sort(self.order.next([name for name in shown if name in self.sorts]))

    def sort_reverse(self) -> None:
        """Turn the order round."""
        self._sort(self.order._replace(turned=not self.order.turned))

    @on(Table.HeadingClicked)
    def _heading_clicked(self, message: Table.HeadingClicked) -> None:
        if message.column in self.sorts:
            self._sort(self.order.clicked(message.column))

    def sort(self, order: Order) -> None:
        """Sort by a column that the pane has, else by attention."""
        by = self.sorts.get(order.column or "")
        if by is None and order.column is not None:
            order = Order()
        self.table.sorting = (
            Sorting(order.column, by.down is not order.turned) if by is not None and order.column else None
        )
        self._ask(self._arranging.query, order)

    def _sort(self, order: Order) -> None:
        self.sort(order)
        self.post_message(self.Sorted(self))

    def _ask(self, query: Query, order: Order) -> None:
        self._arranging.ask(query, order, self.sorts.get(order.column or ""))
        self._asked = self._otherwise = True
        self._shown = time.monotonic()
        if self._arranging.busy and len(self._arranging.all) > MANY:
            self._pause()
        else:
            self._work()

    # Marks and targets

    @on(Table.MarksChanged)
    def _marks_changed(self) -> None:
        self.describe_list()
        self.screen.refresh_bindings()

    @property
    def hidden_marks(self) -> int:
        """How many marked rows the filter hides."""
        if not self._arranging.query.terms or not self.table.marks:
            return 0
        return sum(self.table.index(key) is None for key in self._marked)

    @property
    def targets(self) -> Sequence[Target]:
        view, table = self.view, self.table
        if view is None:
            return ()
        stamp = (view.snapshot, self._arranging.all, table.marks.version, table.selected)
        if not _same(stamp, self._targets[0]):
            keys = self._marked or ([] if table.selected is None else [table.selected])
            found = (self.target(view, key) for key in keys)
            self._targets = (stamp, tuple(target for target in found if target is not None))
        return self._targets[1]

    @property
    def _marked(self) -> list[Hashable]:
        """The marked rows that there are, also those that a filter hides, in the order of attention."""
        marks = self.table.marks
        return [key for key in self._arranging.all if key in marks] if marks else []

    def step_back(self) -> bool:
        """Undo the last of: the line of the filter, the filter, the marks. False when there is none."""
        if self._filter_line is not None and self._filter_line.display:
            self.close_filter()
        elif self.filtering:
            self.set_filter("")
        elif self.table.marks:
            self.table.clear_marks()
        else:
            return False
        return True

    def _row(self, key: Hashable) -> Row:
        return Row(key, ()) if self.view is None else self.row(self.view, key)

    def _thing(self, key: Hashable) -> Any:
        return None if self.view is None else self.thing(self.view, key)

    def _details(self, key: Hashable) -> Sequence[Cell]:
        return () if self.view is None else self.details(self.view, key)


def _same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    """By identity: comparing two snapshots by what is in them takes long."""
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))


def count(number: int | None, word: str) -> Cell:
    """`24 open`."""
    return Cell(f"{text.count(number)} {word}", Tone.QUIET)
