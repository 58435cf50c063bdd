"""The parts of the screen of costs: days and blocks to be read, and the table under its heading."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from textual import events

from hive_tui.app import cost_rows
from hive_tui.app.filters import Facts, Query
from hive_tui.app.panes.table_pane import TablePane
from hive_tui.app.sorting import Order
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs.overview import CostView, Question
from hive_tui.costs.periods import Use
from widgets.cells import Cell, Row
from widgets.pane import Pane
from widgets.sheet import Compose, Sheet


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


class CostTable(TablePane):
    """What was used under each heading; a row unfolds to all that is known of it."""

    sorts = cost_rows.SORTS

    def __init__(self) -> None:
        self._question = Question()
        super().__init__(0, "By day", cost_rows.columns(self._question.by, cost_rows.WIDE), id="uses")
        self._view: CostView | None = None
        self._error: str | None = None
        self._now: datetime | None = None
        self._uses: dict[Hashable, Use] = {}
        self._keys: tuple[str, ...] = ()
        self._most = 0

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
        self._error, self._now = error, now
        another = question != self._question
        if another:
            self._put(question)
        if another or view is not self._view:
            self._view = view
            uses = cost_rows.order(view) if view is not None and view.question == question else ()
            self._uses = {use.key: use for use in uses}
            self._keys = tuple(use.key for use in uses)
            self._most = max((use.cost for use in uses if use.key), default=0)
        self.take(self._keys, self._view)

    def _put(self, question: Question) -> None:
        """Nothing is shown of what answers the question before."""
        other, self._question = question.by is not self._question.by, question
        self._arranging.clear()
        if other:
            self.close_filter()
            self.label = f"By {question.by.value}"
            self.table.sorting = None
            self.table.set_columns(cost_rows.columns(question.by, self.size.width))
            self._ask(Query(), Order())

    def _thing(self, key: Hashable) -> Use | None:
        return self._uses.get(key)

    def facts(self, use: Use) -> Facts:
        return cost_rows.use_facts(use, self._question.by)

    def _nothing(self) -> Sequence[Cell]:
        return cost_rows.nothing(self._question, self._view, self._error)

    def describe_list(self) -> None:
        found = cost_rows.footnote(self._view)
        hint = Cell(found, Tone.BROKEN if self._view and self._view.problems else Tone.QUIET)
        notes = [*self.chips()]
        if self._error is not None:
            notes.insert(0, Cell("cannot be read", Tone.BROKEN))
            hint = Cell(text.clean_line(self._error), Tone.BROKEN)
        if self._keys and not self.filtering:
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
