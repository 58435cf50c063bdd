"""The list of this machine's sessions: filtered, sorted, unfolded, each with what it used."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from textual import events, on

from hive_tui.app import filters, session_rows
from hive_tui.app.arranging import Arranging
from hive_tui.app.panes.filtered import FilteredPane
from hive_tui.app.sorting import Order
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs import session_words as words
from hive_tui.costs.sessions import Overview, Session
from widgets.cells import Cell, Row
from widgets.rows_view import Sorting
from widgets.table import Table

SLICE_SECONDS = 0.02
"""How long rows are looked at in one go, for a filter or an order."""

PAUSE_SECONDS = 0.004

Key = tuple[str, str]


class SessionsPane(FilteredPane):
    """Rows by agent and id."""

    def __init__(self, *, home: str, folders: str) -> None:
        """`home` is written as `~`; `folders` are where transcripts are looked for."""
        self.table = Table(session_rows.columns(session_rows.WIDE), headings=True)
        super().__init__(0, "Sessions", id="sessions")
        self._home = home
        self._folders = folders
        self._overview: Overview | None = None
        self._error: str | None = None
        self._now: datetime | None = None
        self._by_key: dict[Hashable, Session] = {}
        self._keys: tuple[Key, ...] = ()
        self._rows: dict[Hashable, tuple[Session, str, Row]] = {}
        self._arranging = Arranging(self._by_key_get, session_rows.session_facts)
        self._unpriced = False
        self._going_on = False
        self._asked = False

    @property
    def body(self) -> Table:
        return self.table

    @property
    def selected(self) -> Session | None:
        key = self.table.selected
        return None if key is None else self._by_key.get(key)

    @property
    def filtering(self) -> str:
        """The filter that is active, as it was typed."""
        return self._arranging.query.shown

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.table.set_columns(session_rows.columns(event.size.width))

    def show(self, overview: Overview | None, error: str | None, now: datetime) -> None:
        """Show these sessions; `error` is why there are no newer ones."""
        if overview is not None and overview is not self._overview:
            self._by_key = {(each.agent, each.id): each for each in overview.sessions}
            keys = tuple((each.agent, each.id) for each in overview.sessions)
            self._keys = self._keys if keys == self._keys else keys
            self._unpriced = any(each.use.unpriced for each in overview.sessions)
            self._rows = {}
        self._overview, self._error, self._now = overview, error, now
        self._arranging.take(self._keys, overview)
        self._work()

    def _by_key_get(self, key: Hashable) -> Session | None:
        return self._by_key.get(key)

    def _work(self) -> None:
        self._arranging.work(SLICE_SECONDS)
        self._show_rows()
        if not self._arranging.busy:
            self._asked = False
        elif not self._going_on:
            self._going_on = True
            self.set_timer(PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._going_on = False
        self._work()

    def _show_rows(self) -> None:
        placeholder = session_rows.nothing(self._overview, self._error, self._folders)
        if self._arranging.all and not self._arranging.keys:
            placeholder = self.no_match("session")
        self.table.show(
            self._arranging.keys,
            self._row,
            details=self._details,
            placeholder=placeholder,
            chosen_anew=self._asked,
        )
        self._describe()

    def _describe(self) -> None:
        found, listed = len(self._arranging.keys), len(self._arranging.all)
        notes: Sequence[Cell] = () if self._overview is None else session_rows.counts(self._overview)
        if self.filtering:
            notes = (self.chip(found, listed),)
        if self._overview is not None and not self._overview.whole:
            notes = (Cell("reading …", Tone.QUIET), *notes)
        if self._error is not None:
            notes = (Cell("cannot be read", Tone.BROKEN), *notes)
        self.describe(notes=notes, hint=self._hint())

    def _hint(self) -> Cell | None:
        """Why there is nothing newer, else how to go on with the selected session."""
        if self._error is not None:
            return Cell(text.clean_line(self._error), Tone.BROKEN)
        problems = self._overview.problems if self._overview is not None else ()
        if problems:
            return Cell(text.clean_line(problems[0]), Tone.BROKEN)
        return Cell("* without calls that nobody has a price for", Tone.QUIET) if self._unpriced else None

    def _row(self, key: Hashable) -> Row:
        session = self._by_key.get(key)
        if session is None or self._now is None:
            return Row(key, ())
        # Asked for each line each second, while most say what they said.
        age = words.age(session, self._now)
        made = self._rows.get(key)
        if made is None or made[0] is not session or made[1] != age:
            made = self._rows[key] = (session, age, session_rows.row(session, age))
        return made[2]

    def _details(self, key: Hashable) -> Sequence[Cell]:
        session = self._by_key.get(key)
        if session is None or self._now is None:
            return ()
        return [cell for cell in session_rows.details(session, self._now, self._home) if cell.text]

    # Filter and order

    async def do(self, name: str) -> None:
        """What a key does in the list, by its id in the registry of actions."""
        match name:
            case "filter":
                await self.open_filter()
            case "sort.next":
                widths = self.table.widths(self.table.size.width - 2)
                shown = [each.name for each, width in zip(self.table.columns, widths, strict=True) if width]
                self.sort(self._arranging.order.next([each for each in shown if each in session_rows.SORTS]))
            case "sort.reverse":
                order = self._arranging.order
                self.sort(order._replace(turned=not order.turned))

    def set_filter(self, typed: str) -> None:
        """Show only what matches."""
        query = filters.parse(typed)
        if query != self._arranging.query:
            self.table.matching = query.pattern
            self._ask(query, self._arranging.order)
            self.screen.refresh_bindings()

    @on(Table.HeadingClicked)
    def _heading_clicked(self, message: Table.HeadingClicked) -> None:
        if message.column in session_rows.SORTS:
            self.sort(self._arranging.order.clicked(message.column))

    def sort(self, order: Order) -> None:
        """Sort by a column, else those at work first."""
        by = session_rows.SORTS.get(order.column or "")
        self.table.sorting = (
            Sorting(order.column, by.down is not order.turned) if by is not None and order.column else None
        )
        self._ask(self._arranging.query, order)

    def _ask(self, query: filters.Query, order: Order) -> None:
        self._arranging.ask(query, order, session_rows.SORTS.get(order.column or ""))
        self.table.repaint_all()
        self._asked = True
        self._work()
