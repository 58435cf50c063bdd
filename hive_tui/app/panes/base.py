"""What the panes have in common: they show a view, tell how far their source can be trusted, and list
things of which some are selected."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from hive_tui.app import fleet_lines
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import Freshness
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell, Column, Row
from widgets.pane import Pane
from widgets.table import Table


class ViewPane(Pane):
    """A pane that shows a part of a view; made empty, filled by `show`."""

    tab = ""
    """Its short name where there is room for one pane at a time."""
    source: str | None = None
    """The source that it shows (`core.sources`), None for what comes of both."""

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view. `diff` is what changed since the last one: None is everything, an empty one
        means that only time has passed. Must be cheap when nothing on screen reads differently."""
        raise NotImplementedError

    @property
    def targets(self) -> Sequence[Target]:
        """What an action on this pane is about: what is marked, else what is selected."""
        return ()

    def freshness(self, view: View) -> Freshness | None:
        return view.snapshot.sources.get(self.source) if self.source is not None else None


class ListPane(ViewPane):
    """A pane with a table of things that can be selected."""

    empty: tuple[str, ...] = ("Nothing here",)
    """What an empty list says; the lines after the first one say what to do about it."""

    def __init__(self, digit: int, name: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002
        self.table = Table(columns)
        super().__init__(digit, name, self.table, id=id)
        self.view: View | None = None

    def show(self, view: View, diff: Diff | None) -> None:
        self.view = view
        placeholder = fleet_lines.placeholder(self.freshness(view), view.now, self.empty)
        self.table.show(self.keys(view), self._row, placeholder=placeholder)
        self.describe_list()

    def keys(self, view: View) -> Sequence[Hashable]:
        """The keys of all rows, in the order of attention; the same object while nothing changed."""
        raise NotImplementedError

    def row(self, view: View, key: Hashable) -> Row:
        """The row of one of `keys`."""
        raise NotImplementedError

    def target(self, view: View, key: Hashable) -> Target | None:
        """What a row is about."""
        raise NotImplementedError

    def counts(self, view: View) -> Iterable[Cell]:
        """What the frame counts."""
        return ()

    def hint(self, view: View) -> Cell | None:
        """What the lower edge of the frame says of the selected row."""
        return None

    @property
    def targets(self) -> Sequence[Target]:
        if self.view is None or self.table.selected is None:
            return ()
        target = self.target(self.view, self.table.selected)
        return () if target is None else (target,)

    def describe_list(self) -> None:
        """Counts, badges and hints on the frame."""
        view = self.view
        if view is None:
            return
        source = self.freshness(view)
        badge = fleet_lines.badge(source, view.now)
        notes = [*([badge] if badge is not None else []), *self.counts(view)]
        self.describe(notes=notes, hint=fleet_lines.failure(source) or self.hint(view))

    def _row(self, key: Hashable) -> Row:
        return Row(key, ()) if self.view is None else self.row(self.view, key)


def count(number: int | None, word: str) -> Cell:
    """`24 open`."""
    return Cell(f"{text.count(number)} {word}", Tone.QUIET)
