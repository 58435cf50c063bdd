"""The console: threads of the fleet's sources below, one screen above, messages in between."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast, runtime_checkable

from textual import events, on, work
from textual.actions import ActionParseResult
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.message import Message
from textual.worker import Worker, WorkerState

from hive_tui.app import key_hints, keys
from hive_tui.app.deck import Deck
from hive_tui.app.live import Fleet, Live
from hive_tui.app.looking import Looking
from hive_tui.app.orders import Orders, words
from hive_tui.app.panes.attention import AttentionPane
from hive_tui.app.panes.base import ListPane
from hive_tui.app.run_log import RunLog
from hive_tui.app.screens.main import MainScreen
from hive_tui.app.sorting import Order
from hive_tui.app.tail import following
from hive_tui.app.telling import Telling
from hive_tui.app.view import View
from hive_tui.core import actions
from hive_tui.core.ids import RunId
from hive_tui.core.keymap import DEFAULT, Keymap
from hive_tui.core.sources import Kind
from hive_tui.core.store import Diff, Snapshot
from hive_tui.core.targets import Target
from widgets.table import Table

if TYPE_CHECKING:
    from hive_tui.app.commander import Commander, Commands

NOT_HERE = "it cannot be done on this screen"

_OF_TARGETS = frozenset(("describe", "go", "browse", "copy", "copy_line", "full_log", "wall", "budget"))
"""What the console does by itself with what is selected: nothing where nothing is, as in a log."""

LOOKED_AT = 200
"""Targets that decide whether a key is dim; of ten thousand marked rows the first ones will do."""

SETTLE_SECONDS = 0.08
"""How long a selection has to rest before its log is opened."""


@runtime_checkable
class ViewScreen(Protocol):
    """A screen that is given each view."""

    def show(self, view: View, diff: Diff | None) -> None: ...


class FleetScreen(ViewScreen, Protocol):
    """A screen that shows the fleet, and on which orders can be given."""

    @property
    def targets(self) -> Sequence[Target]: ...


@functools.cache
def _shows_fleet(screen: type[object]) -> bool:
    """Whether a class of screens is a `FleetScreen`; asked of every key and hint, where asking the
    protocol itself would take most of the time."""
    return hasattr(screen, "show") and hasattr(screen, "targets")


class HiveApp(Telling):
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
    ) -> None:
        """`prepare` is run once in a thread after the first paint; what it returns is shown. `memory` is
        the file that keeps what the person changes on the screen. `start_dispatcher` starts the
        dispatcher, where it belongs on this machine."""
        super().__init__(now=now, wished_theme=theme, memory=memory)
        self.keymap = keymap
        """Which key does what, as the person has it."""
        self.next_fleet: str | None = None
        """The fleet to open when this console has closed."""
        self._commands = commands
        self._prepare = prepare
        self._clock = now
        self._live = Live(fleet, notify=lambda: self.post_message(self.Changed()), now=now)
        self.orders = Orders(
            self, fleet, user=user, read_only=read_only, now=now, start_dispatcher=start_dispatcher
        )
        self.view = self.orders.mark(self._live.latest)
        """What is shown now."""
        self.fleet = fleet
        self.logs = following(fleet)
        self.looking = Looking(self)
        self.main = MainScreen(fleet.name, fleet.settings, self.logs)
        self.main.deck.restore(self.memory.sizes)
        for pane in self.main.panes:
            if isinstance(pane, ListPane) and pane.id in self.memory.sorting:
                pane.sort(Order(*self.memory.sorting[pane.id]))

    def get_default_screen(self) -> MainScreen:
        return self.main

    def on_mount(self) -> None:
        if self.keymap.changed:
            for first in self.keymap.chords.keys() - DEFAULT.chords.keys():
                self._bindings.bind(first, f"chord('{first}')")
            self.set_keymap(keys.textual_keymap(self.keymap))
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Everything that may take time, after the first paint."""
        self.begin()
        self._tick()
        self.set_interval(1.0, self._tick)
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
    def _take(self) -> None:
        update = self._live.take()
        if update is not None:
            self.orders.seen(update.view, update.diff)
            self.view = self.orders.mark(update.view)
            self._show(update.diff)
            if any(update.diff.keys(kind) for kind in (Kind.FLEET, Kind.RUN, Kind.ISSUE, Kind.PULL)):
                self.refresh_bindings()

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
        self.main.show(self.view, diff, pending=self.view.pending_of(Target()) or "")
        for screen in self.screen_stack:
            if screen is not self.main and isinstance(screen, ViewScreen):
                screen.show(self.view, diff)
        self.heed(self.view)

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

    def action_help_quit(self) -> None:
        """Ctrl-C is no way out, but whoever tries it wants one."""
        way = self.keymap.first("quit") or ":q"
        self.say(f"{way} leaves the console; runs and the dispatcher go on.", "information")

    def action_help(self) -> None:
        """What each key does, here and now."""
        from hive_tui.app.screens.help import HelpScreen

        self.push_screen(HelpScreen(key_hints.place(self.screen), self.keymap, self.reasons()))

    def action_command(self) -> None:
        """The line behind `:`."""
        self.commander.open()

    @functools.cached_property
    def commander(self) -> Commander:
        """Carries out lines; made for the first one."""
        from hive_tui.app.commander import Commander, Commands
        from hive_tui.app.line.child import Caller

        made = Commands(Caller(self.view.name)) if self._commands is None else self._commands()
        return Commander(self, made)

    def action_palette(self) -> None:
        """Find an action, a thing or a theme by its name."""
        from hive_tui.app.palette import palette

        self.push_screen(palette(self.reasons()))

    def action_chord(self, first: str) -> None:
        """The first of two keys; what may follow is shown."""
        from hive_tui.app.screens.chord import ChordScreen

        reasons = self.reasons()
        followers = {
            second: [(name, actions.get(name).title, reasons.get(name, NOT_HERE)) for name in names]
            for second, names in self.keymap.chords[first].items()
        }
        self.push_screen(ChordScreen(first, followers), self._do_if)

    def _do_if(self, name: str | None) -> None:
        if name is not None:
            self.do(name)

    def do(self, name: str) -> None:
        """Do an action of the registry by its id, as its key would where one is."""
        self.call_after_refresh(self._do, name)

    async def _do(self, name: str) -> None:
        active = next((a for a in self.screen.active_bindings.values() if a.binding.id == name), None)
        if active is None or not await self.run_action(active.binding.action, active.node):
            reason = self.reasons().get(name, NOT_HERE) or NOT_HERE
            self.say(f"{actions.get(name).title}: {reason}.", "warning")

    def reasons(self) -> dict[str, str | None]:
        """The actions that the screen on top has, by their ids, and why one cannot be done now."""
        found: dict[str, str | None] = {}
        for active in self.screen.active_bindings.values():
            name = active.binding.id
            if name is None or name in found or name not in self.keymap.keys:
                continue
            action = actions.get(name)
            why = None if active.enabled else "not now"
            if name == "browse":
                why = self.looking.why_no_page()
            if action.writes and self.targets is not None:
                why = self.orders.unavailable(action, self.targets)
            found[name] = why
        return found

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

        run = run or next((target.run for target in self.targets or () if target.run is not None), None)
        if run is None:
            self.say("There is no log: no agent is at work on this.", "warning")
        else:
            self.push_screen(LogScreen(self.logs, run, self.view, self._saved_logs))

    def action_full_log(self) -> None:
        self.show_log(None)

    def action_wall(self) -> None:
        """The logs of all runs at work, side by side."""
        from hive_tui.app.screens.wall import WallScreen

        self.push_screen(WallScreen(self.logs, self.view, self._saved_logs))

    @property
    def _saved_logs(self) -> Path:
        from hive_tui.system.paths import paths

        return paths().fleet(self.fleet.name) / "saved"

    @on(RunLog.Opened)
    def _log_opened(self, message: RunLog.Opened) -> None:
        self.show_log(message.run)

    def switch_fleet(self, name: str) -> None:
        """Close this console, and open that of another fleet."""
        self.next_fleet = name
        self.exit()

    def on_key(self, event: events.Key) -> None:
        """Give an input what was typed before it had the focus: several keys may come at once, and an
        order must not be made of the second one of `/x`."""
        focused = self.focused
        if focused is None or not focused.check_consume_key(event.key, event.character):
            return
        from textual.widgets import Input

        if isinstance(focused, Input) and event.character is not None:
            focused.insert_text_at_cursor(event.character)
            event.stop()
            event.prevent_default()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """False where an order has no key: its backends cannot do it, or another one on the same key
        applies. None where it makes no sense now: its key is dim, and says why when it is pressed."""
        if action == "order":
            order = actions.get(str(parameters[0]))
            targets = self.targets
            if targets is None or self.orders.lacks(order):
                return False
            targets = targets[:LOOKED_AT]
            if not order.applies(self.view.snapshot, targets):
                return False
            return None if self.orders.unavailable(order, targets) else True
        if action in _OF_TARGETS and self.targets is None:
            return False
        if action == "browse" and self.looking.why_no_page() is not None:
            return None
        if action in ("apply_slots", "reset_slots"):
            return self.orders.turning and self.targets is not None
        return True

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """A dim order says why it cannot be given, instead of nothing."""
        _, name, parameters = self._parse_action(action, default_namespace or self, namespaces)
        if name == "order" and self.check_action(name, parameters) is None:
            self.action_order(str(parameters[0]))
            return True
        if name == "browse" and self.check_action(name, parameters) is None:
            self.action_browse()
            return True
        return await super().run_action(action, default_namespace, namespaces)

    @property
    def targets(self) -> Sequence[Target] | None:
        """What an order is about on the screen on top; None where no orders are given."""
        screen = self.screen
        return cast(FleetScreen, screen).targets if _shows_fleet(type(screen)) else None

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

    def action_order(self, name: str) -> None:
        """Do an action of the registry, whatever it is: an order to the fleet is asked about, carried
        out and waited for; what the console does by itself is done as by its key."""
        action = actions.get(name)
        if action.writes:
            self.orders.give(action, self.targets or ())
        else:
            self.do(name)

    @on(AttentionPane.Act)
    def _act(self, message: AttentionPane.Act) -> None:
        self.action_order(message.action)

    def action_apply_slots(self) -> None:
        self.orders.apply_slots()

    def action_reset_slots(self) -> None:
        self.orders.reset_slots()

    @property
    def read_only(self) -> bool:
        """Whether this console changes nothing."""
        return self.orders.read_only

    def action_read_only(self) -> None:
        """Let the console change nothing, and back."""
        self.orders.toggle_read_only()

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

    def say(self, words: str, severity: str = "information") -> None:
        """Tell the person something; `severity` is information, warning or error."""
        self.notify(words, severity=severity, markup=False)  # type: ignore[arg-type]

    def say_error(self, error: BaseException | None) -> None:
        """Tell what went wrong, and the next step."""
        self.say(words(error), "error")
