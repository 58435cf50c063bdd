"""Pane 6: what it costs, as the agents' own streams reported it."""

from __future__ import annotations

from collections.abc import Hashable

from hive_tui.app.panes.base import ViewPane
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from widgets.cells import Cell, Column, Row
from widgets.table import Table

COLUMNS = (Column("what", 8, flexible=True), Column("money", 9, right=True))


class CostsPane(ViewPane):
    """Today, week, all, burn, and who spends it."""

    tab = "costs"
    source = CLUSTER

    def __init__(self) -> None:
        self.table = Table(COLUMNS, cursor=False)
        super().__init__(6, "Costs", self.table, id="costs")

    def show(self, view: View, diff: Diff | None) -> None:
        costs = view.costs
        sums = {
            "today": costs.today_micros,
            "week": costs.week_micros,
            "all": costs.all_micros,
            "an hour": costs.burn_per_hour_micros,
            **costs.by_model,
        }
        rows: dict[Hashable, Row] = {
            name: Row(name, (Cell(name, Tone.QUIET), Cell(text.money(micros))))
            for name, micros in sums.items()
        }
        self.table.show(list(rows), lambda key: rows.get(key) or Row(key, ()))
