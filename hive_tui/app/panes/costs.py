"""Pane 6: what it costs, as the agents' own streams reported it."""

from __future__ import annotations

from functools import partial

from hive_tui.app import cost_lines, freshness
from hive_tui.app.panes.base import ViewPane
from hive_tui.app.view import View
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from widgets.sheet import Sheet


class CostsPane(ViewPane):
    """Today, week, all, burn, and for what."""

    tab = "costs"
    source = CLUSTER

    def __init__(self) -> None:
        self.sheet = Sheet()
        super().__init__(6, "Costs", id="costs")
        self._essential = self.least

    @property
    def body(self) -> Sheet:
        return self.sheet

    @property
    def wanted(self) -> int | None:
        return 2 + max(self.least, self._essential)

    def show(self, view: View, diff: Diff | None) -> None:
        self._essential = cost_lines.essential(view)
        self.sheet.show(partial(cost_lines.cost_lines, view))
        badge = freshness.badge(self.freshness(view), view.now)
        self.describe(notes=[badge] if badge is not None else (), hint=cost_lines.footnote(view))
