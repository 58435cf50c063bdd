"""Pane 7: what needs a person, most urgent first, with the action that helps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from hive_tui.app import attention_rows, findable
from hive_tui.app.panes.base import ListPane
from hive_tui.core import actions
from hive_tui.core.attention import AttentionItem
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import Freshness, Health
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View

_TRUST = {Health.FAILED: 0, Health.STALE: 1, Health.FRESH: 2}


class AttentionPane(ListPane):
    """Questions, stalled and failed work, used budgets, pull requests to merge."""

    class Act(Message):
        """Somebody wants to do what helps with the selected item: an action by its id."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    tab = "attn"
    noun = "item"
    sorts = findable.ATTENTION
    least = 2

    def __init__(self, *, many: bool) -> None:
        super().__init__(7, "Attention", attention_rows.attention_columns(many=many), id="attention")
        self._listed: tuple[AttentionItem, ...] = ()
        self._items: dict[Hashable, AttentionItem] = {}
        self._keys: list[Hashable] = []

    def keys(self, view: View) -> Sequence[Hashable]:
        if view.attention is not self._listed:
            self._listed = view.attention
            self._items = {item.key: item for item in view.attention}
            if (keys := list(self._items)) != self._keys:
                self._keys = keys
        return self._keys

    def row(self, view: View, key: Hashable) -> Row:
        item = self._items.get(key)
        if item is None:
            return Row(key, ())
        target = item.target
        issue = view.snapshot.issues.get(target.issue_key) if target.issue_key is not None else None
        return attention_rows.attention_row(
            item,
            view.now,
            many=view.many,
            pending=view.pending_of(target),
            title=issue.title if issue is not None else "",
        )

    def thing(self, view: View, key: Hashable) -> AttentionItem | None:
        return self._items.get(key)

    facts = staticmethod(findable.attention_facts)

    def target(self, view: View, key: Hashable) -> Target | None:
        item = self._items.get(key)
        return None if item is None else item.target

    @property
    def selected(self) -> AttentionItem | None:
        """The item that is selected."""
        return self._items.get(self.table.selected)

    def select_first(self) -> None:
        """Select what is most urgent."""
        if self._keys:
            self.table.select(self._keys[0])

    def act(self) -> None:
        """Do what helps with the selected item."""
        item = self.selected
        if item is not None and item.action is not None:
            self.post_message(self.Act(item.action))

    def freshness(self, view: View) -> Freshness | None:
        """Of the source that can be trusted least: what needs nobody may need somebody by now."""
        return min(view.snapshot.sources.values(), key=lambda source: _TRUST[source.state], default=None)

    def nothing(self, view: View) -> Sequence[str]:
        return attention_rows.calm(view)

    def counts(self, view: View) -> Iterable[Cell]:
        if view.attention:
            yield Cell(str(len(view.attention)), Tone.SOON)

    def hint(self, view: View) -> Cell | None:
        """What helps with the selected item."""
        item = self.selected
        if item is None or item.action is None:
            return None
        return Cell(f"{attention_rows.helps(item)}: {actions.get(item.action).help}", Tone.QUIET)

    @property
    def badge(self) -> Cell | None:
        found = len(self.view.attention) if self.view is not None else 0
        return Cell(str(found), Tone.SOON) if found else None
