"""Pane 7: what needs a person, most urgent first, with the action that helps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from hive_tui.app import findable, rows
from hive_tui.app.panes.base import ListPane
from hive_tui.app.view import View
from hive_tui.core import actions, text
from hive_tui.core.attention import AttentionItem
from hive_tui.core.glyphs import Tone
from hive_tui.core.targets import Target
from widgets.cells import Cell, Column, Row

COLUMNS = (
    Column("about", 10),
    Column("text", 20, flexible=True),
    Column("since", 6, right=True),
    Column("action", 8, rank=1),
)


class AttentionPane(ListPane):
    """Questions, stalled and failed work, used budgets, pull requests to merge."""

    tab = "attn"
    noun = "item"
    sorts = findable.ATTENTION
    empty = ("Nothing needs you",)
    least = 1

    def __init__(self) -> None:
        super().__init__(7, "Attention", COLUMNS, id="attention")

    def keys(self, view: View) -> Sequence[Hashable]:
        return [item.key for item in view.attention]

    def row(self, view: View, key: Hashable) -> Row:
        item = self.item(view, key)
        if item is None:
            return Row(key, ())
        where = ""
        if item.target.repo is not None and item.target.issue is not None:
            where = rows.number(item.target.repo, item.target.issue, "#", many=view.many)
        action = actions.get(item.action).title if item.action is not None else ""
        since = text.since(item.since, view.now) if item.since is not None else ""
        return Row(key, (Cell(where), Cell(item.text), Cell(since, Tone.QUIET), Cell(action, Tone.QUIET)))

    def thing(self, view: View, key: Hashable) -> AttentionItem | None:
        return self.item(view, key)

    facts = staticmethod(findable.attention_facts)

    def target(self, view: View, key: Hashable) -> Target | None:
        item = self.item(view, key)
        return None if item is None else item.target

    def item(self, view: View, key: Hashable) -> AttentionItem | None:
        return next((item for item in view.attention if item.key == key), None)

    def counts(self, view: View) -> Iterable[Cell]:
        if view.attention:
            yield Cell(str(len(view.attention)), Tone.SOON)

    @property
    def badge(self) -> Cell | None:
        found = len(self.view.attention) if self.view is not None else 0
        return Cell(str(found), Tone.SOON) if found else None
