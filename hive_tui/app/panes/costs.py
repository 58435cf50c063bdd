"""Pane 6: what this fleet's runs cost, as its ledger and they themselves have it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.message import Message

from hive_tui.app import cost_lines, freshness
from hive_tui.app.panes.base import ViewPane
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from widgets.moving import opening
from widgets.sheet import Sheet

if TYPE_CHECKING:
    from hive_tui.app.view import View


class CostsPane(ViewPane):
    """Today, week, all, burn, and for what."""

    BINDINGS: ClassVar[list[BindingType]] = [opening("open")]

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

    class Opened(Message):
        """Enter: somebody wants to see more."""

    def action_open(self) -> None:
        self.post_message(self.Opened())

    def show(self, view: View, diff: Diff | None) -> None:
        self._essential = cost_lines.essential(view)
        self.sheet.show(partial(cost_lines.cost_lines, view))
        badge = freshness.badge(self.freshness(view), view.now)
        self.describe(
            notes=[badge] if badge is not None else (),
            hint=cost_lines.footnote(view),
            detail="this fleet's runs",
        )
