"""Pane 5: what may be merged."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import cast

from hive_tui.app import findable, rows
from hive_tui.app.panes.base import ListPane, count
from hive_tui.app.view import View
from hive_tui.core.ids import PullKey
from hive_tui.core.model import PullRequest, PullState
from hive_tui.core.sources import FORGE
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row


class PullsPane(ListPane):
    """Open pull requests, then the last ones merged."""

    tab = "prs"
    source = FORGE
    noun = "pull request"
    sorts = findable.PULLS
    empty = ("No pull requests yet", "They appear here when a run has pushed its work")

    def __init__(self, *, many: bool) -> None:
        super().__init__(5, "Pull requests", rows.pull_columns(many=many), id="pulls")

    def keys(self, view: View) -> Sequence[Hashable]:
        return view.pulls

    def row(self, view: View, key: Hashable) -> Row:
        pull = view.snapshot.pulls.get(cast(PullKey, key))
        return Row(key, ()) if pull is None else rows.pull_row(pull, view.now, many=view.many)

    def thing(self, view: View, key: Hashable) -> PullRequest | None:
        return view.snapshot.pulls.get(cast(PullKey, key))

    facts = staticmethod(findable.pull_facts)

    def target(self, view: View, key: Hashable) -> Target:
        return view.target_of_pull(cast(PullKey, key))

    def counts(self, view: View) -> Iterable[Cell]:
        source = self.freshness(view)
        if source is not None and source.heard_at is not None:
            yield count(sum(pull.state is PullState.OPEN for pull in view.snapshot.pulls.values()), "open")
