"""The screen of panes: pulse, eight panes, keys. It shows views and knows no backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from hive_tui.app import fleet_lines, keys
from hive_tui.app.panes.agents import AgentsPane
from hive_tui.app.panes.attention import AttentionPane
from hive_tui.app.panes.base import ListPane, ViewPane
from hive_tui.app.panes.costs import CostsPane
from hive_tui.app.panes.events import EventsPane
from hive_tui.app.panes.fleet import FleetPane
from hive_tui.app.panes.issues import IssuesPane
from hive_tui.app.panes.log import LogPane
from hive_tui.app.panes.pulls import PullsPane
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core.settings import FleetSettings
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.pane_tabs import PaneTabs
from widgets.pulse import Pulse
from widgets.table import Table


class MainScreen(Screen[None]):
    """What is happening, why nothing is happening, and what it costs, at one glance."""

    AUTO_FOCUS = "#agents Table"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared as an instance variable by Screen
        (0, "-tiny"),
        (44, "-narrow"),
        (100, "-normal"),
        (150, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-flat"),
        (10, "-short"),
        (28, "-tall"),
    ]

    BINDINGS: ClassVar[list[BindingType]] = [*keys.main_bindings()]

    def __init__(self, name: str, settings: FleetSettings, logs: Logs) -> None:
        super().__init__()
        self._fleet_name = name
        many = len(settings.repos) > 1
        self.pulse = Pulse(id="pulse")
        self.fleet = FleetPane()
        self.issues = IssuesPane(many=many)
        self.agents = AgentsPane(many=many)
        self.log_pane = LogPane(logs)
        self.pulls = PullsPane(many=many)
        self.costs = CostsPane()
        self.attention = AttentionPane()
        self.events = EventsPane()
        self.panes: tuple[ViewPane, ...] = (
            self.fleet,
            self.issues,
            self.agents,
            self.log_pane,
            self.pulls,
            self.costs,
            self.attention,
            self.events,
        )
        """By their digits."""
        self.tabs = PaneTabs([(pane.digit, pane.tab) for pane in self.panes], id="tabs")
        self.agents.add_class("-current")
        self.tabs.current = self.agents.digit

    def compose(self) -> ComposeResult:
        # Textual sets these with the first resize, which is after the first paint.
        width, height = self.app.size
        self.add_class(
            _breakpoint(width, self.HORIZONTAL_BREAKPOINTS), _breakpoint(height, self.VERTICAL_BREAKPOINTS)
        )
        yield self.pulse
        yield self.tabs
        with Vertical(id="panes"):
            with Horizontal(id="top", classes="group"):
                yield self.fleet
                yield self.costs
                yield self.attention
            with Horizontal(id="bottom", classes="group -here"):
                with Vertical(id="left", classes="group"):
                    yield self.issues
                    yield self.pulls
                    yield self.events
                with Vertical(id="right", classes="group -here"):
                    yield self.agents
                    yield self.log_pane
        yield Static(
            f"hive needs 44 x 10 characters to show fleet {self._fleet_name}.\nMake the terminal larger.",
            id="small",
            markup=False,
        )
        yield Footer(show_command_palette=False)

    # What is shown

    def show(self, view: View, diff: Diff | None, *, pending: str = "") -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        self.pulse.parts = fleet_lines.pulse(view, pending=pending)
        for pane in self.panes:
            pane.show(view, diff)

    @on(Table.Selected)
    def _selection_moved(self, message: Table.Selected) -> None:
        for pane in self.panes:
            if isinstance(pane, ListPane) and pane.table is message.table:
                pane.describe_list()

    @on(Table.Opened)
    def _opened(self, message: Table.Opened) -> None:
        if message.table is self.agents.table:
            self.action_pane(4)

    # Where one is

    @property
    def current(self) -> ViewPane:
        """The pane that has the focus, or had it last."""
        return next((pane for pane in self.panes if pane.has_class("-current")), self.agents)

    @property
    def targets(self) -> Sequence[Target]:
        """What an action is about now."""
        return self.current.targets

    def action_back(self) -> None:
        """Esc: one step back; it never quits."""

    def action_pane(self, digit: int) -> None:
        """Focus a pane by its digit."""
        pane = self.panes[digit - 1]
        self._make_current(pane)
        pane.body.focus()

    def action_cycle(self, by: int) -> None:
        """Focus the next pane, in the order of their digits."""
        self.action_pane((self.current.digit - 1 + by) % len(self.panes) + 1)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for pane in self.panes:
            if pane in event.widget.ancestors:
                self._make_current(pane)

    def _make_current(self, current: ViewPane) -> None:
        """The pane to show where there is room for one only, and that actions are about."""
        if current.has_class("-current"):
            return
        self.tabs.current = current.digit
        for pane in self.panes:
            pane.set_class(pane is current, "-current")
        for group in self.query(".group"):
            group.set_class(group in current.ancestors, "-here")
        self.refresh_bindings()


def _breakpoint(cells: int, points: Sequence[tuple[int, str]]) -> str:
    return [name for least, name in points if cells >= least][-1]
