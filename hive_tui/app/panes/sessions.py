"""The list of this machine's sessions: filtered, sorted, unfolded, each with what it used."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from textual import events

from hive_tui.app import session_rows
from hive_tui.app.panes.table_pane import TablePane
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs import session_words as words
from hive_tui.costs.sessions import Overview, Session
from widgets.cells import Cell, Row

Key = tuple[str, str]


class SessionsPane(TablePane):
    """Rows by agent and id; those at work come first where nobody sorts."""

    noun = "session"
    sorts = session_rows.SORTS
    facts = staticmethod(session_rows.session_facts)

    def __init__(self, *, home: str, folders: str) -> None:
        """`home` is written as `~`; `folders` are where transcripts are looked for."""
        super().__init__(0, "Sessions", session_rows.columns(session_rows.WIDE), id="sessions")
        self._home = home
        self._folders = folders
        self._overview: Overview | None = None
        self._error: str | None = None
        self._now: datetime | None = None
        self._by_key: dict[Hashable, Session] = {}
        self._keys: tuple[Key, ...] = ()
        self._rows: dict[Hashable, tuple[Session, str, Row]] = {}
        self._unpriced = False

    @property
    def selected(self) -> Session | None:
        key = self.table.selected
        return None if key is None else self._by_key.get(key)

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
        self.take(self._keys, overview)

    def _thing(self, key: Hashable) -> Session | None:
        return self._by_key.get(key)

    def _nothing(self) -> Sequence[Cell]:
        return session_rows.nothing(self._overview, self._error, self._folders)

    def describe_list(self) -> None:
        counts = session_rows.counts(self._overview) if self._overview is not None else ()
        notes = [*self.chips(), *(() if self.filtering else counts)]
        if self._overview is not None and not self._overview.whole:
            notes.insert(0, Cell("reading …", Tone.QUIET))
        if self._error is not None:
            notes.insert(0, Cell("cannot be read", Tone.BROKEN))
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
