"""What a person does at the console: keys, chords, the palette and the help lead to one place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from textual.actions import ActionParseResult, parse
from textual.dom import DOMNode
from textual.notifications import SeverityLevel

from hive_tui.app import key_hints
from hive_tui.app.screens.main import MainScreen
from hive_tui.app.telling import Telling
from hive_tui.core import actions
from hive_tui.core.errors import words_of
from hive_tui.core.keymap import Keymap
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target

if TYPE_CHECKING:
    from hive_tui.app.looking import Looking
    from hive_tui.app.orders import Orders
    from hive_tui.app.view import View

NOT_HERE = "it cannot be done on this screen"

_OF_TARGETS = frozenset(("describe", "go", "browse", "copy", "copy_line", "full_log", "wall", "budget"))
"""What the console does by itself with what is selected: nothing where nothing is, as in a log."""

_READS = {"full_log": "log", "wall": "log.wall"}
"""What the console does by itself and the cluster may not let the person do: its actions, and their ids."""

LOOKED_AT = 200
"""Targets that decide whether a key is dim; of ten thousand marked rows the first ones will do."""


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


class Acting(Telling):
    """The part of the app that does things, or says why not."""

    main: MainScreen
    """The screen of panes."""
    looking: Looking
    """What is done with what is selected without changing it."""

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        keymap: Keymap,
        wished_theme: str | None,
        memory: Path | None,
    ) -> None:
        super().__init__(now=now, wished_theme=wished_theme, memory=memory)
        self.keymap = keymap
        """Which key does what, as the person has it."""

    @functools.cached_property
    def orders(self) -> Orders:
        """What is ordered from the fleet."""
        raise NotImplementedError

    @functools.cached_property
    def view(self) -> View:
        """What is shown now."""
        raise NotImplementedError

    # What there is to do

    @property
    def targets(self) -> Sequence[Target] | None:
        """What an order is about on the screen on top; None where no orders are given."""
        screen = self.screen
        return cast(FleetScreen, screen).targets if _shows_fleet(type(screen)) else None

    def reasons(self) -> dict[str, str | None]:
        """The actions that the screen on top has, by their ids, and why one cannot be done now."""
        found: dict[str, str | None] = {}
        for active in self.screen.active_bindings.values():
            name = active.binding.id
            if name is None or name in found or name not in self.keymap.keys:
                continue
            action = actions.get(name)
            why = None if active.enabled else self._why_dim(active.binding.action) or "not now"
            if name == "browse":
                why = self.looking.why_no_page()
            if not action.writes and action.rights:
                why = actions.forbidden(action, self.view.snapshot) or why
            if action.writes and self.targets is not None:
                why = self.orders.unavailable(action, self.targets)
            found[name] = why
        return found

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
        if self._why_unread(action) is not None:
            return None
        if action in ("apply_slots", "reset_slots"):
            return self.orders.turning and self.targets is not None
        return True

    def _why_unread(self, action: str) -> str | None:
        """Why the cluster does not let the person read that."""
        name = _READS.get(action)
        return None if name is None else actions.forbidden(actions.get(name), self.view.snapshot)

    # Ways to it

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """A dim order says why it cannot be given, instead of nothing."""
        parsed = parse(action) if isinstance(action, str) else action
        _, name, parameters = parsed
        if name == "order" and self.check_action(name, parameters) is None:
            self.action_order(str(parameters[0]))
            return True
        if name == "browse" and self.check_action(name, parameters) is None:
            self.looking.browse()
            return True
        if (why := self._why_unread(name)) is not None:
            self.say(f"{actions.get(_READS[name]).title}: {why}.", "warning")
            return True
        return await super().run_action(parsed, default_namespace, namespaces)

    def do(self, name: str) -> None:
        """Do an action of the registry by its id, as its key would where one is."""
        self.call_later(self._do, name)

    async def _do(self, name: str) -> None:
        active = next((a for a in self.screen.active_bindings.values() if a.binding.id == name), None)
        if active is None or not await self.run_action(active.binding.action, active.node):
            reason = self.reasons().get(name, NOT_HERE) or NOT_HERE
            self.say(f"{actions.get(name).title}: {reason}.", "warning")

    def action_order(self, name: str) -> None:
        """Do an action of the registry, whatever it is: an order to the fleet is asked about, carried
        out and waited for; what the console does by itself is done as by its key."""
        action = actions.get(name)
        if action.writes:
            self.main.hold()
            self.orders.give(action, self.targets or ())
        else:
            self.do(name)

    def action_chord(self, first: str) -> None:
        """The first of two keys; what may follow is shown."""
        from hive_tui.app.screens.chord import ChordScreen

        self.main.hold()
        reasons = self.reasons()
        followers = {
            second: [(name, actions.get(name).title, reasons.get(name, NOT_HERE)) for name in names]
            for second, names in self.keymap.chords[first].items()
        }
        self.push_screen(ChordScreen(first, followers), self._do_if)

    def _do_if(self, name: str | None) -> None:
        if name is not None:
            self.do(name)

    def action_palette(self) -> None:
        """Find an action, a thing or a theme by its name."""
        from hive_tui.app.palette import palette

        self.push_screen(palette(self.reasons()))

    def action_help(self) -> None:
        """What each key does, here and now."""
        from hive_tui.app.screens.help import HelpScreen

        self.push_screen(HelpScreen(key_hints.place(self.screen), self.keymap, self.reasons()))

    def action_help_quit(self) -> None:
        """Ctrl-C is no way out, but whoever tries it wants one."""
        way = self.keymap.first("quit") or ":q"
        self.say(f"{way} leaves the console; runs and the dispatcher go on.", "information")

    # Orders that are about this console

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

    # What is said about it

    def say(self, words: str, severity: SeverityLevel = "information") -> None:
        """Tell the person something."""
        self.notify(words, severity=severity, markup=False)

    def say_error(self, error: BaseException | None) -> None:
        """Tell what went wrong, and the next step."""
        self.say(words_of(error), "error")
