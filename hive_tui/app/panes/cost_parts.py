"""The parts of the screen of costs: days and blocks to be read, and the table under its heading."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from textual import events, on

from hive_tui.app import cost_rows, filters
from hive_tui.app.filters import Facts, Query
from hive_tui.app.panes.filtered import FilteredPane
from hive_tui.app.sorting import Order, arranged
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs.overview import CostView, Question
from hive_tui.costs.periods import Use
from widgets.cells import Cell, Row
from widgets.pane import Pane
from widgets.rows_view import Sorting
from widgets.sheet import Compose, Sheet
from widgets.table import Table


class ChartPane(Pane):
    """Lines that are made for the width that there is."""

    def __init__(self, name: str, *, id: str) -> None:  # noqa: A002
        self.sheet = Sheet()
        super().__init__(0, name, id=id)

    @property
    def body(self) -> Sheet:
        return self.sheet

    def show(self, compose: Compose, note: str) -> None:
        """Show these lines; `note` says what they are of."""
        self.sheet.show(compose)
        self.describe(notes=(Cell(note, Tone.QUIET),) if note else ())


class CostTable(FilteredPane):
    """What was used under each heading; a row unfolds to all that is known of it."""

    def __init__(self) -> None:
        self.table = Table(cost_rows.columns(Question().by, cost_rows.WIDE), headings=True)
        super().__init__(0, "By day", id="uses")
        self.order = Order()
        self._question = Question()
        self._view: CostView | None = None
        self._error: str | None = None
        self._now: datetime | None = None
        self._uses: dict[Hashable, Use] = {}
        self._keys: tuple[str, ...] = ()
        self._query = Query()
        self._facts: dict[str, Facts] = {}
        """What a filter finds, of each row that one looked at."""
        self._most = 0

    @property
    def body(self) -> Table:
        return self.table

    @property
    def selected(self) -> str | None:
        """The heading that is selected."""
        found = self.table.selected
        return found if isinstance(found, str) else None

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.table.set_columns(cost_rows.columns(self._question.by, event.size.width))

    def show(self, question: Question, view: CostView | None, error: str | None, now: datetime) -> None:
        """Show an answer; one to another question is not shown. `error` is why there is no newer one."""
        answered = view is not None and view.question == question
        if question.by is not self._question.by:
            self._question, self.order, self.table.sorting = question, Order(), None
            self._query, self.table.matching = Query(), None
            self.close_filter()
            self.label = f"By {question.by.value}"
            self.table.set_columns(cost_rows.columns(question.by, self.size.width))
        self._question, self._error, self._now = question, error, now
        if view is not self._view or not answered:
            self._view = view
            self._uses = {use.key: use for use in view.uses} if view is not None and answered else {}
            self._facts = {}
            self._most = max((use.cost for key, use in self._uses.items() if key), default=0)
            self._arrange()
        self._show_rows()

    def _show_rows(self, *, anew: bool = False) -> None:
        nothing = cost_rows.nothing(self._question, self._view, self._error)
        self.table.show(
            self._keys,
            self._row,
            details=self._details,
            placeholder=self.no_match("row") if self._uses and self.filtering else nothing,
            chosen_anew=anew,
        )
        self._describe(self._error)

    def _arrange(self) -> None:
        if self._view is None or not self._uses:
            self._keys = ()
            return
        keys = [use.key for use in cost_rows.order(self._view) if self._matches(use)]
        by = cost_rows.SORTS.get(self.order.column or "")
        if by is not None:
            values = {key: by.value(self._uses[key]) for key in keys}
            keys = arranged(keys, values, down=by.down is not self.order.turned)
        elif self.order.turned:
            keys.reverse()
        self._keys = tuple(keys)

    def _matches(self, use: Use) -> bool:
        if not self._query.terms:
            return True
        found = self._facts.get(use.key)
        if found is None:
            found = self._facts[use.key] = cost_rows.use_facts(use, self._question.by)
        return self._query.matches(found)

    def _describe(self, error: str | None) -> None:
        found = cost_rows.footnote(self._view)
        hint = Cell(found, Tone.BROKEN if self._view and self._view.problems else Tone.QUIET)
        notes: list[Cell] = []
        if error is not None:
            notes.append(Cell("cannot be read", Tone.BROKEN))
            hint = Cell(text.clean_line(error), Tone.BROKEN)
        if self.filtering:
            notes.append(self.chip(len(self._keys), len(self._uses)))
        elif self._keys:
            notes.append(Cell(f"{len(self._keys):,}", Tone.QUIET))
        self.describe(notes=notes, hint=hint if hint.text else None)

    def _row(self, key: Hashable) -> Row:
        use = self._uses.get(key)
        if use is None or self._now is None:
            return Row(key, ())
        # The bars are in the column after the heading.
        cells = self.table.widths(self.table.size.width - 2)[1]
        return cost_rows.row(use, self._question.by, self._most, cells, self._now)

    def _details(self, key: Hashable) -> Sequence[Cell]:
        use = self._uses.get(key)
        if use is None or self._now is None:
            return ()
        return [cell for cell in cost_rows.details(use, self._now) if cell.text]

    # Filter and order

    async def do(self, name: str) -> None:
        """What a key does in the table, by its id in the registry of actions."""
        match name:
            case "filter":
                await self.open_filter()
            case "sort.next":
                widths = self.table.widths(self.table.size.width - 2)
                shown = [each.name for each, width in zip(self.table.columns, widths, strict=True) if width]
                self._sort(self.order.next([each for each in shown if each in cost_rows.SORTS]))
            case "sort.reverse":
                self._sort(self.order._replace(turned=not self.order.turned))

    @property
    def filtering(self) -> str:
        return self._query.shown

    def set_filter(self, typed: str) -> None:
        query = filters.parse(typed)
        if query != self._query:
            self._query, self.table.matching = query, query.pattern
            self._changed()
            self.screen.refresh_bindings()

    @on(Table.HeadingClicked)
    def _heading_clicked(self, message: Table.HeadingClicked) -> None:
        if message.column in cost_rows.SORTS:
            self._sort(self.order.clicked(message.column))

    def _sort(self, order: Order) -> None:
        self.order = order
        by = cost_rows.SORTS.get(order.column or "")
        self.table.sorting = (
            Sorting(order.column, by.down is not order.turned) if by is not None and order.column else None
        )
        self._changed()

    def _changed(self) -> None:
        self._arrange()
        self.table.repaint_all()
        self._show_rows(anew=True)
