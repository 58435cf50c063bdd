"""All panes of the main screen in one container that lays them out by `app.layout`.

One container instead of a tree of them: the layout is a pure function, and the first paint has few
widgets to style.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.widget import Widget

from hive_tui.app import layout
from hive_tui.app.layout import Arrangement, Mode, Placed, Sizes
from hive_tui.app.panes.base import ViewPane
from widgets.guarded import Guarded
from widgets.notice import Notice
from widgets.pane_tabs import PaneTabs


class _Drag(NamedTuple):
    """A border that the mouse holds."""

    placed: Placed
    border: int
    start: int


class Deck(Guarded, Widget):
    """The panes, the line of their names, and the words that stand there where nothing has room."""

    DEFAULT_CSS = "Deck { width: 1fr; height: 1fr; }"

    class Resized(Message):
        """A person changed the sizes of panes."""

    class Rearranged(Message):
        """Other panes are in sight."""

    def __init__(self, panes: Sequence[ViewPane], *, current: int, too_small: str) -> None:
        super().__init__(id="deck")
        self.panes = tuple(panes)
        self.tabs = PaneTabs([(pane.digit, pane.tab) for pane in panes], id="tabs")
        self._notice = Notice(too_small, id="small")
        self._arranger = _DeckLayout(self)
        self._current = current
        self._side = layout.PULLS
        self._zoomed = False
        self._sizes: dict[str, tuple[float, ...]] = {}
        self._wants: dict[int, int] = {}
        self._arrangement = layout.arrange(0, 0, current)
        self._drag: _Drag | None = None
        self.tabs.current = current

    def compose(self) -> ComposeResult:
        yield self.tabs
        yield from self.panes
        yield self._notice

    @property
    def layout(self) -> Layout:
        return self._arranger

    # Who stands where

    @property
    def arrangement(self) -> Arrangement:
        """Where everything stands, as it was laid out last."""
        return self._arrangement

    @property
    def current(self) -> ViewPane:
        """The pane that has the focus, or had it last."""
        return self.panes[self._current - 1]

    @property
    def zoomed(self) -> bool:
        """Whether the current pane fills the screen though others had room."""
        return self._zoomed and self._arrangement.mode in (Mode.NORMAL, Mode.WIDE)

    @property
    def sizes(self) -> dict[str, tuple[float, ...]]:
        """How a person divided the screen."""
        return dict(self._sizes)

    def restore(self, sizes: Sizes) -> None:
        """Take over sizes of an earlier time."""
        self._sizes = {name: tuple(shares) for name, shares in sizes.items()}
        self._lay_out()

    def make_current(self, pane: ViewPane) -> bool:
        """Bring a pane into sight; whether it was not the current one before."""
        if pane.digit == self._current:
            return False
        self._current = self.tabs.current = pane.digit
        if pane.digit in layout.SIDE:
            self._side = pane.digit
        if self.zoomed or pane.digit not in self._arrangement.boxes:
            self._lay_out()
        return True

    def zoom(self, zoomed: bool) -> None:
        """Let the current pane fill the screen, or not."""
        if zoomed != self._zoomed:
            self._zoomed = zoomed
            self._lay_out()

    def suit(self) -> None:
        """Lay out anew where what the panes have to show asks for it."""
        wants = {pane.digit: pane.wanted for pane in self.panes if pane.wanted is not None}
        if wants != self._wants:
            self._wants = wants
            width, height = self.size
            if self._arrange(width, height) != self._arrangement:
                self._lay_out()

    def place(self, size: Size) -> Arrangement:
        """Lay out anew for this size."""
        before, self._arrangement = self._arrangement, self._arrange(*size)
        if before.boxes.keys() != self._arrangement.boxes.keys():
            self.post_message(self.Rearranged())
        return self._arrangement

    @property
    def notice(self) -> Widget:
        """What stands there where nothing has room."""
        return self._notice

    def _lay_out(self) -> None:
        # A container remembers how it arranged its children until one of them asks for a new layout.
        self.tabs.refresh(layout=True)

    def _arrange(self, width: int, height: int) -> Arrangement:
        return layout.arrange(
            width,
            height,
            self._current,
            side=self._side,
            zoomed=self._zoomed,
            wants=self._wants,
            sizes=self._sizes,
        )

    # Sizes by key and by mouse

    def grow(self, *, across: bool, by: int) -> bool:
        """Make the current pane larger or smaller; False where it has no neighbour on that axis."""
        found = layout.grown(self._arrangement, self._current, across=across, by=by)
        if found is not None:
            self._divide(*found)
            self.post_message(self.Resized())
        return found is not None

    def reset_sizes(self) -> None:
        """As they were before anybody changed them."""
        if self._sizes:
            self._sizes = {}
            self._lay_out()
            self.post_message(self.Resized())

    def _divide(self, name: str, shares: tuple[float, ...]) -> None:
        if self._sizes.get(name) != shares:
            self._sizes[name] = shares
            self._lay_out()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        where = event.screen_offset - self.region.offset
        under, _ = self.screen.get_widget_at(event.screen_x, event.screen_y)
        # Within its frame a pane has other uses for the mouse.
        if event.button != 1 or not isinstance(under, ViewPane):
            return
        found = layout.border_at(self._arrangement, where.x, where.y)
        if found is not None:
            placed, border = found
            self._drag = _Drag(placed, border, where.x if placed.split.across else where.y)
            self.capture_mouse()
            event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag is not None:
            placed, border, start = self._drag
            where = event.screen_offset - self.region.offset
            by = (where.x if placed.split.across else where.y) - start
            shares = layout.moved(placed, border, by)
            if by or placed.split.name in self._sizes:
                self._divide(placed.split.name, shares)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._drag is not None:
            self._drag = None
            self.release_mouse()
            event.stop()
            self.post_message(self.Resized())


class _DeckLayout(Layout):
    """Puts the deck's children where `app.layout` says."""

    name = "deck"

    def __init__(self, deck: Deck) -> None:
        self._deck = deck

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        deck = self._deck
        arrangement = deck.place(size)
        if arrangement.mode is Mode.TINY:
            return [_placement(size.region, deck.notice)]
        placements = [_placement(box, deck.panes[digit - 1]) for digit, box in arrangement.boxes.items()]
        if arrangement.tabs:
            placements.append(_placement(Region(0, 0, size.width, 1), deck.tabs))
        return placements


def _placement(region: Region, widget: Widget) -> WidgetPlacement:
    return WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, widget)
