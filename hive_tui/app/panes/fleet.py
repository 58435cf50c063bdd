"""Pane 1: whether the fleet is healthy, what it may use, and how old what one sees is."""

from __future__ import annotations

from hive_tui.app import fleet_lines
from hive_tui.app.panes.base import ViewPane
from hive_tui.app.view import View
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from widgets.cells import Row
from widgets.table import Table


class FleetPane(ViewPane):
    """Dispatcher, slots, agents with their quota, budget, sources."""

    tab = "fleet"
    source = CLUSTER

    def __init__(self) -> None:
        self.table = Table(fleet_lines.COLUMNS, cursor=False)
        super().__init__(1, "Fleet", self.table, id="fleet")

    def show(self, view: View, diff: Diff | None) -> None:
        rows = {row.key: row for row in fleet_lines.fleet_rows(view)}
        self.table.show(list(rows), lambda key: rows.get(key) or Row(key, ()))
        badge = fleet_lines.badge(self.freshness(view), view.now)
        self.describe(
            detail=f"{view.settings.cluster} + {view.settings.forge}",
            notes=[badge] if badge is not None else (),
            hint=fleet_lines.retries(view.snapshot, view.now),
        )
