"""The console: threads of the fleet's sources below, one screen above, messages in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.message import Message
from textual.worker import Worker, WorkerState

from hive_tui.app import keys
from hive_tui.app.acting import Acting, ViewScreen
from hive_tui.app.deck import Deck
from hive_tui.app.looking import Looking
from hive_tui.app.panes.attention import AttentionPane
from hive_tui.app.panes.base import ListPane
from hive_tui.app.panes.costs import CostsPane
from hive_tui.app.screens.main import MainScreen
from hive_tui.app.sorting import Order
from hive_tui.core.ids import RunId
from hive_tui.core.keymap import DEFAULT, Keymap
from hive_tui.core.ports import Capability
from hive_tui.core.sources import Kind
from hive_tui.core.store import Diff, Snapshot
from hive_tui.core.targets import Target
from widgets.table import Table

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from hive_tui.app.commander import Commander, Commands
    from hive_tui.app.costs_feed import OpenCosts
    from hive_tui.app.live import Fleet, Live
    from hive_tui.app.orders import Orders
    from hive_tui.app.run_log import RunLog
    from hive_tui.app.screens.costs import CostsScreen
    from hive_tui.app.view import View
    from hive_tui.core.events import LogLine

SETTLE_SECONDS = 0.08
"""How long a selection has to rest before its log is opened."""

RECENT_SECONDS = 0.7
"""What was shown so lately is not shown again for the sake of the clock alone."""


class HiveApp(Acting):
    """`hive top` for one fleet."""

    TITLE = "hive"
    # Here and not at the screen: of a default screen Textual loads no style sheet.
    CSS_PATH = Path(__file__).parent / "screens" / "main.tcss"
    ENABLE_COMMAND_PALETTE = False  # it has its own key, which can be remapped
    BINDINGS: ClassVar[list[BindingType]] = [*keys.app_bindings()]

    class Changed(Message):
        """The fleet's state changed; what it is now is taken from `Live`."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, HiveApp.Changed)

    def __init__(
        self,
        fleet: Fleet,
        *,
        user: str,
        read_only: bool = False,
        prepare: Callable[[], str | None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keymap: Keymap = DEFAULT,
        commands: Callable[[], Commands] | None = None,
        start_dispatcher: Callable[[], str | None] | None = None,
        theme: str | None = None,
        memory: Path | None = None,
        cost_looks: OpenCosts | None = None,
    ) -> None:
        """`prepare` is run once in a thread after the first paint; what it returns is shown. `memory` is
        the file that keeps what the person changes on the screen. `start_dispatcher` starts the
        dispatcher, where it belongs on this machine. `cost_looks` opens what sums up costs."""
        super().__init__(now=now, keymap=keymap, wished_theme=theme, memory=memory)
        self.next_fleet: str | None = None
        """The fleet to open when this console has closed."""
        self._commands = commands
        self._cost_looks = cost_looks
        self._prepare = prepare
        self._start_dispatcher = start_dispatcher
        self._user = user
        self._only_looks = read_only
        self._clock = now
        self._shown_at = 0.0
        self.fleet = fleet
        self.looking = Looking(self)
        self.main = MainScreen(fleet.name, fleet.settings, self.logs)
        self.main.deck.restore(self.memory.sizes)
        for pane in self.main.panes:
            if isinstance(pane, ListPane) and pane.id in self.memory.sorting:
                pane.sort(Order(*self.memory.sorting[pane.id]))

    # The first picture shows nothing of the fleet: what knows it is imported and made after that.

    @cached_property
    def _live(self) -> Live:
        from hive_tui.app.live import Live

        return Live(self.fleet, notify=lambda: self.post_message(self.Changed()), now=self._clock)

    @cached_property
    def orders(self) -> Orders:
        """What is ordered from the fleet."""
        from hive_tui.app.orders import Orders

        return Orders(
            self,
            self.fleet,
            user=self._user,
            read_only=self._only_looks,
            now=self._clock,
            start_dispatcher=self._start_dispatcher,
        )

    @cached_property
    def view(self) -> View:
        """What is shown now."""
        return self.orders.mark(self._live.latest)

    def logs(self, run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        """The log of a run, followed, as `tail.Logs`. The cluster opens when the first one is read."""
        return self.fleet.cluster.logs(run, after=after, follow=True, stop=stop)

    def get_default_screen(self) -> MainScreen:
        # Here and not earlier: the theme has everything parsed anew that is known before it is set.
        self.stylesheet.foresee(self.main.framing)
        return self.main

    def on_mount(self) -> None:
        if self.keymap.changed:
            for first in self.keymap.chords.keys() - DEFAULT.chords.keys():
                self.bind(first, f"chord('{first}')", show=False)
            self.set_keymap(keys.textual_keymap(self.keymap))
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """Everything that may take time, after the first paint."""
        panes = self.main.panes
        self.stylesheet.foresee((self.main.log_pane.log_view, *(pane.body for pane in panes)))
        await self.main.fill()
        self.begin()
        self._tick()
        self.set_interval(1.0, self._pass_time)
        self._live.start()
        self._learn()
        if self._prepare is not None:
            self._run_prepare(self._prepare)
        for clash in self.keymap.clashes:
            self.say(str(clash), "warning")

    def on_unmount(self) -> None:
        self._live.close(timeout=0.5)

    # What is shown

    @on(Changed)
    def _changed(self) -> None:
        self.unhurried(self._take)

    def _take(self) -> None:
        update = self._live.take()
        if update is not None:
            self.orders.seen(update.view, update.diff)
            self.view = self.orders.mark(update.view)
            self._show(update.diff)
            if any(update.diff.keys(kind) for kind in (Kind.FLEET, Kind.RUN, Kind.ISSUE, Kind.PULL)):
                self.refresh_bindings()

    def _pass_time(self) -> None:
        if time.monotonic() - self._shown_at >= RECENT_SECONDS:
            self.unhurried(self._tick)

    def _tick(self) -> None:
        self.view = self._live.latest.at(self._clock())
        self.orders.tick(self.view)
        self.show_again()

    def show_again(self) -> None:
        """Show the same state with what was ordered since."""
        self.view = self.orders.mark(self.view)
        self._show(Diff({}))

    @property
    def latest(self) -> Snapshot:
        """The newest state, also in the middle of a frame; for any thread."""
        return self._live.latest.snapshot

    def _show(self, diff: Diff) -> None:
        """Show the view on every screen that shows one, also those below the top."""
        self.main.muted = self.muted
        self.main.show(self.view, diff)
        for screen in self.screen_stack:
            if screen is not self.main and isinstance(screen, ViewScreen):
                screen.show(self.view, diff)
        self.heed(self.view)
        self._shown_at = time.monotonic()

    @on(Table.Selected)
    def _selected(self, message: Table.Selected) -> None:
        if message.table is self.main.agents.table:
            self.set_timer(SETTLE_SECONDS, self._switch_log)

    def _switch_log(self) -> None:
        selected = self.main.agents.table.selected
        self.main.log_pane.follow(RunId(selected) if isinstance(selected, str) else None)

    @on(ListPane.Sorted)
    def _keep_order(self, message: ListPane.Sorted) -> None:
        pane = message.pane
        if pane.id is not None:
            self.remember(sorting={**self.memory.sorting, pane.id: tuple(pane.order)})

    @on(Deck.Resized)
    def _keep_sizes(self) -> None:
        self.remember(sizes=self.main.deck.sizes)

    # What is done

    def action_refresh_sources(self) -> None:
        """Read the tracker at once."""
        self._live.wake()

    def action_mute(self) -> None:
        super().action_mute()
        self.show_again()

    def action_command(self) -> None:
        """The line behind `:`."""
        self.commander.open()

    @cached_property
    def commander(self) -> Commander:
        """Carries out lines; made for the first one."""
        from hive_tui.app.commander import Commander, Commands
        from hive_tui.app.line.child import Caller

        made = Commands(Caller(self.view.name)) if self._commands is None else self._commands()
        return Commander(self, made)

    # What is looked at closely

    def open_detail(self, target: Target, tab: str | None = None) -> None:
        """Everything about one run, issue or pull request; `tab` as in `screens.detail.TABS`."""
        self.looking.open(target, tab)

    @on(Table.Opened)
    def _opened(self) -> None:
        self.looking.open_selected()

    def action_describe(self) -> None:
        self.looking.open_selected("describe")

    def action_go(self, kind: str) -> None:
        """To the issue, pull request or run that belongs to what is selected."""
        self.looking.go(kind)

    def action_go_log(self) -> None:
        """To the log of the selected thing's run, beside the lists."""
        self.looking.go("run")
        if self.screen is self.main and self.main.current is self.main.agents:
            self.main.action_pane(self.main.log_pane.digit)

    def action_go_first(self) -> None:
        """To the first row or line, as the key for that does."""
        self.do("list.first")

    def action_browse(self) -> None:
        self.looking.browse()

    def action_copy(self) -> None:
        self.looking.copy()

    def action_copy_line(self) -> None:
        self.looking.copy_line()

    def show_pane(self, name: str, wanted: str | None) -> None:
        """Go to a pane, whatever is above the panes; `wanted` is its filter."""
        while self.screen is not self.main:
            self.pop_screen()
        pane = next(pane for pane in self.main.panes if pane.id == name)
        self.main.action_pane(pane.digit)
        if wanted is not None and isinstance(pane, ListPane):
            pane.set_filter(wanted)

    def show_log(self, run: RunId | None) -> None:
        """The log of a run, full screen; None is the selected one's."""
        from hive_tui.app.screens.log import LogScreen
        from hive_tui.app.tail import before

        run = run or next((target.run for target in self.targets or () if target.run is not None), None)
        if run is None:
            self.say("There is no log: no agent is at work on this.", "warning")
        else:
            older = before(self.fleet) if self.orders.able(Capability.PREVIOUS) else None
            self.push_screen(LogScreen(self.logs, run, self.view, self._saved_logs, before=older))

    def action_full_log(self) -> None:
        self.main.hold()
        self.show_log(None)

    def action_wall(self) -> None:
        """The logs of all runs at work, side by side."""
        from hive_tui.app.screens.wall import WallScreen

        self.push_screen(WallScreen(self.logs, self.view, self._saved_logs))

    @property
    def _saved_logs(self) -> Path:
        from hive_tui.system.paths import paths

        return paths().fleet(self.fleet.name) / "saved"

    # By name: the classes are imported after the first paint.
    def on_costs_screen_wanted(self, message: CostsScreen.Wanted) -> None:
        self.open_detail(message.target)

    def on_run_log_opened(self, message: RunLog.Opened) -> None:
        self.show_log(message.run)

    def switch_fleet(self, name: str) -> None:
        """Close this console, and open that of another fleet."""
        self.next_fleet = name
        self.exit()

    @property
    def hidden_marks(self) -> int:
        """How many of the targets are marked, but hidden by a filter."""
        pane = self.main.current
        return pane.hidden_marks if self.screen is self.main and isinstance(pane, ListPane) else 0

    def unmark(self, done: Collection[Target]) -> None:
        """Take the marks away from rows of which something was ordered."""
        pane = self.main.current
        if isinstance(pane, ListPane) and pane.table.marks and len(done) > 1:
            pane.table.clear_marks()

    @on(CostsPane.Opened)
    def _costs_opened(self) -> None:
        self.show_costs()

    @on(AttentionPane.Act)
    def _act(self, message: AttentionPane.Act) -> None:
        self.action_order(message.action)

    def action_costs(self) -> None:
        """What was used, full screen."""
        self.main.hold()
        self.show_costs()

    def show_costs(self, by: str | None = None, scope: str | None = None) -> None:
        """The same under a heading, of the fleet or the machine, by their names in `hive costs`."""
        self.looking.costs(self._cost_looks, by, scope, now=self._clock)

    def action_budget(self) -> None:
        """Where the money went."""
        self.show_pane("costs", None)

    @work(thread=True, group="learn", exit_on_error=False)
    def _learn(self) -> None:
        self.orders.learn()
        self.call_later(self.refresh_bindings)

    @work(thread=True, group="prepare", exit_on_error=False)
    def _run_prepare(self, prepare: Callable[[], str | None]) -> str | None:
        return prepare()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        worker = event.worker
        if event.state is WorkerState.ERROR:
            self.say_error(worker.error)
        elif event.state is WorkerState.SUCCESS and isinstance(worker.result, str):
            self.say(worker.result, "information")
