"""Pane 1: whether the fleet is healthy, what it may use, and how old what one sees is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hive_tui.app import fleet_lines, freshness
from hive_tui.app.panes.base import ViewPane
from hive_tui.core import glyphs
from hive_tui.core.model import DispatcherState
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from widgets.cells import Cell
from widgets.sheet import Sheet

if TYPE_CHECKING:
    from hive_tui.app.view import View


class FleetPane(ViewPane):
    """Dispatcher, slots, agents with their quota, budgets, sources."""

    tab = "fleet"
    source = CLUSTER

    def __init__(self) -> None:
        self.sheet = Sheet()
        super().__init__(1, "Fleet", id="fleet")
        self._essential = self.least

    @property
    def body(self) -> Sheet:
        return self.sheet

    @property
    def wanted(self) -> int | None:
        return 2 + max(self.least, self._essential)

    def show(self, view: View, diff: Diff | None) -> None:
        self._essential = fleet_lines.essential(view)
        self.sheet.show(partial(fleet_lines.fleet_lines, view))
        badge = freshness.badge(self.freshness(view), view.now)
        self.describe(
            detail=f"{view.settings.cluster} + {view.settings.forge}",
            notes=[badge] if badge is not None else (),
            hint=freshness.failure(self.freshness(view)) or _help(view),
        )


def _help(view: View) -> Cell | None:
    """What helps a fleet in which nothing starts."""
    fleet = view.snapshot.fleet
    if fleet is None or fleet.dispatcher.state not in (DispatcherState.STOPPED, DispatcherState.DEAD):
        return None
    return Cell("`hive dispatcher start`", glyphs.DISPATCHERS[fleet.dispatcher.state].tone)
