"""The console: threads of the fleet's sources below, one screen above, messages in between."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from textual import events, on, work
from textual.app import App
from textual.binding import BindingType
from textual.message import Message
from textual.worker import Worker, WorkerState

from hive_tui.app import keys
from hive_tui.app.live import Fleet, Live
from hive_tui.app.orders import CONFIRM_WITHIN, Pending, carry_out
from hive_tui.app.screens.help import HelpScreen
from hive_tui.app.screens.main import MainScreen
from hive_tui.app.stylesheet import ComponentStylesheet
from hive_tui.app.tail import following
from hive_tui.app.theme import HIVE
from hive_tui.app.view import View
from hive_tui.core import actions, text
from hive_tui.core.actions import ActionContext
from hive_tui.core.errors import HiveError
from hive_tui.core.ids import RunId
from hive_tui.core.model import Actor, ActorKind
from hive_tui.core.sources import Kind
from hive_tui.core.store import Diff, Snapshot
from hive_tui.core.targets import Target
from widgets.table import Table

SETTLE_SECONDS = 0.08
"""How long a selection has to rest before its log is opened."""


@runtime_checkable
class FleetScreen(Protocol):
    """A screen that shows the fleet, and on which orders can be given."""

    @property
    def targets(self) -> Sequence[Target]: ...
    def show(self, view: View, diff: Diff | None) -> None: ...


class HiveApp(App[None]):
    """`hive top` for one fleet."""

    TITLE = "hive"
    # Here and not at the screen: of a default screen Textual loads no style sheet.
    CSS_PATH = Path(__file__).parent / "screens" / "main.tcss"
    ENABLE_COMMAND_PALETTE = True
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
    ) -> None:
        """`prepare` is run once in a thread after the first paint; what it returns is shown."""
        super().__init__()
        self.stylesheet = ComponentStylesheet(variables=self.get_css_variables())
        self.register_theme(HIVE)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = HIVE.name
        self._fleet = fleet
        self._user = user
        self._read_only = read_only
        self._prepare = prepare
        self._clock = now
        self._live = Live(fleet, notify=lambda: self.post_message(self.Changed()), now=now)
        self.view = self._live.latest
        """What is shown now."""
        self.logs = following(fleet.cluster)
        self._pending = Pending()
        self.main = MainScreen(fleet.name, fleet.settings, self.logs)

    def get_default_screen(self) -> MainScreen:
        return self.main

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """Everything that may take time, after the first paint."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self._tick()
        self.set_interval(1.0, self._tick)
        self._live.start()
        if self._prepare is not None:
            self._run_prepare(self._prepare)

    def on_unmount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        self._live.close(timeout=0.5)

    # What is shown

    @on(Changed)
    def _take(self) -> None:
        update = self._live.take()
        if update is not None:
            self.view = update.view
            self._show(update.diff)
            if update.diff.keys(Kind.FLEET):
                self.refresh_bindings()

    def _tick(self) -> None:
        self.view = self._live.latest.at(self._clock())
        if (word := self._pending.overdue(self.view.now)) is not None:
            self.say(f"The fleet did not confirm {word} within {text.age(CONFIRM_WITHIN)}.", "error")
        self._show(Diff({}))

    def _show(self, diff: Diff) -> None:
        """Show the view on every screen that shows one, also those below the top."""
        self.main.show(self.view, diff, pending=self._pending.word(self.view.snapshot))
        for screen in self.screen_stack:
            if screen is not self.main and isinstance(screen, FleetScreen):
                screen.show(self.view, diff)

    @on(Table.Selected)
    def _selected(self, message: Table.Selected) -> None:
        if message.table is self.main.agents.table:
            self.set_timer(SETTLE_SECONDS, self._switch_log)

    def _switch_log(self) -> None:
        selected = self.main.agents.table.selected
        self.main.log_pane.follow(RunId(selected) if isinstance(selected, str) else None)

    # What is done

    def action_refresh_sources(self) -> None:
        """Read the tracker at once."""
        self._live.wake()

    def action_help_quit(self) -> None:
        """Ctrl-C is no way out, but whoever tries it wants one."""
        self.say("q leaves the console; runs and the dispatcher go on.", "information")

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

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
        """Of two orders on one key the one that applies is there."""
        if action == "order":
            order = actions.get(str(parameters[0]))
            return self.targets is not None and order.applies(self.view.snapshot, self.targets)
        return True

    @property
    def targets(self) -> Sequence[Target] | None:
        """What an order is about on the screen on top; None where no orders are given."""
        return self.screen.targets if isinstance(self.screen, FleetScreen) else None

    def action_order(self, name: str) -> None:
        """Give the fleet an order of the registry; the header shows the wish until it is a fact."""
        self._pending.begin(name, self._clock())
        self._tick()
        self._carry_out(name, self.view.snapshot, self.targets or ())

    @work(thread=True, group="orders", exit_on_error=False)
    def _carry_out(self, name: str, snapshot: Snapshot, targets: Sequence[Target]) -> str:
        context = ActionContext(
            cluster=self._fleet.cluster,
            forge=self._fleet.forge,
            settings=self._fleet.settings,
            actor=Actor(ActorKind.PERSON, self._user),
            now=self._clock,
            read_only=self._read_only,
        )
        return carry_out(context, snapshot, name, targets)

    @work(thread=True, group="prepare", exit_on_error=False)
    def _run_prepare(self, prepare: Callable[[], str | None]) -> str | None:
        return prepare()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        worker = event.worker
        if event.state is WorkerState.ERROR:
            if worker.group == "orders":
                self._pending.clear()
                self._tick()
            self.say(_words(worker.error), "error")
        elif event.state is WorkerState.SUCCESS and isinstance(worker.result, str):
            self.say(worker.result, "information")

    def say(self, words: str, severity: str = "information") -> None:
        """Tell the person something; `severity` is information, warning or error."""
        self.notify(words, severity=severity, markup=False)  # type: ignore[arg-type]


def _words(error: BaseException | None) -> str:
    if isinstance(error, HiveError):
        return f"{error.message} {error.hint or ''}".strip()
    return f"{type(error).__name__}: {error}"
