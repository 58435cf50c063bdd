"""The screen of panes: pulse, eight panes, keys. It shows views and knows no backend."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget

from hive_tui.app import keys, layout, pulse_lines
from hive_tui.app.compositor import SparingCompositor
from hive_tui.app.deck import Deck
from hive_tui.app.frames import PromptScreen
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.looking import LOCAL
from hive_tui.app.panes.agents import AgentsPane
from hive_tui.app.panes.attention import AttentionPane
from hive_tui.app.panes.base import ListPane, ViewPane
from hive_tui.app.panes.costs import CostsPane
from hive_tui.app.panes.events import EventsPane
from hive_tui.app.panes.fleet import FleetPane
from hive_tui.app.panes.issues import IssuesPane
from hive_tui.app.panes.log import LogPane
from hive_tui.app.panes.pulls import PullsPane
from hive_tui.core.settings import FleetSettings
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.guarded import GuardedPump
from widgets.pane_tabs import PaneTabs
from widgets.pulse import Pulse
from widgets.table import Table

if TYPE_CHECKING:
    from hive_tui.app.tail import Logs
    from hive_tui.app.view import View

LEAST = f"{layout.LEAST_WIDTH} x {layout.LEAST_HEIGHT + 2}"


class MainScreen(GuardedPump, PromptScreen[None]):
    """What is happening, why nothing is happening, and what it costs, at one glance."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*keys.main_bindings()]

    # Textual's own paints the whole screen anew whenever another widget has the focus.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(self, name: str, settings: FleetSettings, logs: Logs) -> None:
        super().__init__()
        self._compositor = SparingCompositor()
        self._fleet_name = name
        many = len(settings.repos) > 1
        self.pulse = Pulse(id="pulse")
        self.fleet = FleetPane()
        self.issues = IssuesPane(many=many)
        self.agents = AgentsPane(many=many, placed=settings.cluster != LOCAL)
        self.log_pane = LogPane(logs)
        self.pulls = PullsPane(many=many)
        self.costs = CostsPane()
        self.attention = AttentionPane(many=many)
        self.events = EventsPane(many=many)
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
        self.deck = Deck(
            self.panes,
            current=self.agents.digit,
            too_small=f"hive needs {LEAST} characters to show fleet {name}.\nMake the terminal larger.",
        )
        self.keys = KeyHints(id="keys")

    def compose(self) -> ComposeResult:
        yield self.pulse
        yield self.deck
        yield self.keys

    @property
    def framing(self) -> tuple[Widget, ...]:
        """What the first picture consists of."""
        return (self, self.pulse, self.deck, self.deck.tabs, self.deck.notice, *self.panes, self.keys)

    def _refresh_layout(self, size: Size | None = None, scroll: bool = False) -> None:
        super()._refresh_layout(size, scroll)
        # Textual lets every widget that was given another size ask for a layout anew. It was laid out for
        # that size: only where something scrolls may a scroll bar have to come or go.
        for widget, _ in self._compositor.layers:
            if not widget.is_scrollable:
                widget._layout_required = False

    async def fill(self) -> None:
        """Put into the frames of the first picture what belongs there."""
        with self.app.batch_update():
            await asyncio.gather(*(pane.fill() for pane in self.panes))
            self.current.body.focus()

    # What is shown

    muted = False
    """Nobody is called while the terminal is not looked at."""

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        if not self.pulse.is_attached:  # the console is being left: what is gone has lost its styles
            return
        self.pulse.parts = pulse_lines.pulse(view, muted=self.muted)
        for pane in self.panes:
            if not pane.is_attached:
                continue
            try:
                pane.show(view, diff)
            except Exception as error:  # a bug in one pane is not to blind the others
                self.app._handle_exception(error)
        self.deck.tabs.badges = {pane.digit: pane.badge for pane in self.panes if pane.badge is not None}
        self.deck.suit()

    @on(Table.Selected)
    def _selection_moved(self, message: Table.Selected) -> None:
        for pane in self.panes:
            if isinstance(pane, ListPane) and pane.table is message.table:
                pane.describe_list()

    # Where one is

    @property
    def current(self) -> ViewPane:
        """The pane that has the focus, or had it last."""
        return self.deck.current

    @property
    def targets(self) -> Sequence[Target]:
        """What an action is about now."""
        return self.current.targets

    def hold(self) -> None:
        """Somebody acts on the targets: they stay selected, whatever comes above them."""
        if isinstance(self.current, ListPane):
            self.current.table.hold()

    @property
    def line(self) -> str:
        """The selected row as it reads."""
        pane = self.current
        if not isinstance(pane, ListPane) or pane.table.selected is None:
            return ""
        cells = pane.table.row(pane.table.selected).cells
        return "  ".join(cell.text for cell in cells if cell.text)

    def go(self, name: str, key: Hashable) -> None:
        """Select a row of a pane, by the pane's id."""
        from hive_tui.app.looking import select

        pane = next(pane for pane in self.panes if pane.id == name)
        if isinstance(pane, ListPane):
            select(pane, key, lambda words: self.app.notify(words, markup=False))

    def action_back(self) -> None:
        """Esc: one step back; it never quits."""
        if not self.current.step_back():
            self.deck.zoom(False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is done in a list has no key where there is none."""
        return action != "in_list" or isinstance(self.current, ListPane)

    async def action_in_list(self, what: str) -> None:
        """Filter, sort or mark in the current pane, where it lists things."""
        if isinstance(self.current, ListPane):
            await self.current.do(what)

    def action_zoom(self) -> None:
        """Let the current pane fill the screen, and back."""
        self.deck.zoom(not self.deck.zoomed)

    def action_grow(self, across: bool, by: int) -> None:
        """Make the current pane larger or smaller than its neighbours."""
        self.deck.grow(across=across, by=by)

    def action_reset_sizes(self) -> None:
        """The sizes as they were in the beginning."""
        self.deck.reset_sizes()

    def action_pane(self, digit: int) -> None:
        """Focus a pane by its digit."""
        pane = self.panes[digit - 1]
        self._make_current(pane)
        pane.body.focus()

    def action_attend(self) -> None:
        """In the list of what needs a person do what helps there; from anywhere else, go there."""
        if self.current is self.attention:
            self.attention.act()
        else:
            self.attention.select_first()
            self.action_pane(self.attention.digit)

    def action_cycle(self, by: int) -> None:
        """Focus the next pane, in the order of their digits."""
        self.action_pane((self.current.digit - 1 + by) % len(self.panes) + 1)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if event.widget is not self.focused:  # told late: the focus has gone on, and is not to be drawn back
            return
        for pane in self.panes:
            if pane in event.widget.ancestors:
                self._make_current(pane)

    def on_deck_rearranged(self) -> None:
        """What had the focus may have gone out of sight, and with that lost it."""
        if self.focused is None or self.focused not in self.current.walk_children():
            # At once: after the next picture a key may have gone to another pane.
            self.current.body.focus()

    def on_pane_tabs_chosen(self, message: PaneTabs.Chosen) -> None:
        self.action_pane(message.digit)

    def _make_current(self, current: ViewPane) -> None:
        """The pane to show where there is room for one only, and that actions are about."""
        if self.deck.make_current(current):
            self.refresh_bindings()
