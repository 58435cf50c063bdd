"""What the panes have in common: they show a view, tell how far their source can be trusted, and list
things of which some are selected."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from textual import on
from textual.message import Message

from hive_tui.app import freshness
from hive_tui.app.panes.table_pane import TablePane
from hive_tui.app.sorting import Order
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import Freshness
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell, Column, Row
from widgets.pane import Pane
from widgets.table import Table

if TYPE_CHECKING:
    from hive_tui.app.view import View


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


class ListPane(TablePane, ViewPane):
    """A pane with a table of things of a view that can be selected, filtered, sorted and marked."""

    empty: tuple[str, ...] = ("Nothing here",)
    """What an empty list says; the lines after the first one say what to do about it."""

    class Sorted(Message):
        """A person asked for another order."""

        def __init__(self, pane: ListPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, digit: int, name: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002
        super().__init__(digit, name, columns, id=id)
        self.view: View | None = None
        self._targets: tuple[tuple[object, ...], tuple[Target, ...]] = ((), ())

    # What a pane says of its things

    def keys(self, view: View) -> Sequence[Hashable]:
        """The keys of all rows, in the order of attention; the same object while nothing changed."""
        raise NotImplementedError

    def row(self, view: View, key: Hashable) -> Row:
        """The row of one of `keys`."""
        raise NotImplementedError

    def thing(self, view: View, key: Hashable) -> Any:
        """All that a row is made of but the time, to be filtered and sorted; None when it is gone."""
        raise NotImplementedError

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
        return column in self.columns_shown

    def nothing(self, view: View) -> Sequence[str]:
        """What an empty list says now; `empty` unless there is something truer."""
        return self.empty

    def counts(self, view: View) -> Iterable[Cell]:
        """What the frame counts."""
        return ()

    def hint(self, view: View) -> Cell | None:
        """What the lower edge of the frame says of the selected row."""
        return None

    def _row(self, key: Hashable) -> Row:
        return Row(key, ()) if self.view is None else self.row(self.view, key)

    def _thing(self, key: Hashable) -> Any:
        return None if self.view is None else self.thing(self.view, key)

    def _details(self, key: Hashable) -> Sequence[Cell]:
        return () if self.view is None else self.details(self.view, key)

    def _nothing(self) -> Sequence[Cell]:
        view = self.view
        if view is None:
            return ()
        return freshness.placeholder(self.freshness(view), view.now, self.nothing(view))

    # What is shown

    def show(self, view: View, diff: Diff | None) -> None:
        self.view = view
        self.take(self.keys(view), view.snapshot, view.plan)

    @property
    def wanted(self) -> int | None:
        return 2 + max(self.least, self.table.head + len(self._arranging.all))

    def _show_rows(self) -> None:
        if self.view is not None:  # an order that is remembered comes before there is anything to show
            super()._show_rows()

    def describe_list(self) -> None:
        """Filter, marks, counts, badges and hints on the frame."""
        view = self.view
        if view is None:
            return
        source = self.freshness(view)
        badge = freshness.badge(source, view.now) or freshness.behind(view, source)
        # What a filter counts stands for what is counted without one.
        counts = () if self.filtering else self.counts(view)
        notes = [*self.chips(), *([badge] if badge is not None else []), *counts]
        self.describe(notes=notes, hint=freshness.failure(source) or self.hint(view))

    def chips(self) -> Iterable[Cell]:
        """Also of the marks."""
        yield from super().chips()
        if marked := len(self._marked):
            hidden = self.hidden_marks
            yield Cell(f"{marked:,} marked" + (f", {hidden:,} hidden" if hidden else ""), Tone.TITLE)

    # What the keys do

    async def do(self, name: str) -> None:
        match name:
            case "mark":
                self.table.mark()
            case "mark.range":
                self.table.mark_range()
            case "mark.all":
                self.table.mark_all()
            case _:
                await super().do(name)

    def _reorder(self, order: Order) -> None:
        super()._reorder(order)
        self.post_message(self.Sorted(self))

    def step_back(self) -> bool:
        """Undo the last of: the line of the filter, the filter, the marks. False when there is none."""
        if super().step_back():
            return True
        if not self.table.marks:
            return False
        self.table.clear_marks()
        return True

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


def _same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    """By identity: comparing two snapshots by what is in them takes long."""
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))


def count(number: int | None, word: str) -> Cell:
    """`24 open`."""
    return Cell(f"{text.count(number)} {word}", Tone.QUIET)
