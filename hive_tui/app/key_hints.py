"""Which keys the last line names: for each pane and screen what one does there most, as far as it works."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from textual.dom import DOMNode
from textual.screen import Screen

from hive_tui.core import actions
from hive_tui.core.actions import key_label
from hive_tui.core.errors import UsageError
from widgets.key_bar import Hint, KeyBar, joined

MOST = 10
"""Hints at once; more would not be read."""

CHORD = "chord."
"""Before the first key of several, in the ids of bindings."""

GENERAL = frozenset({"pause", "resume", "dispatch", "slots.more", "slots.fewer", "command", "refresh"})
"""What is named in many places, and belongs to none."""

_FLEET = ("pause", "resume", "dispatch", "slots.more", "slots.fewer", "command")
_LIST = ("filter", "sort.next", "mark")

HINTS: dict[str, Sequence[str]] = {
    "fleet": ("pause", "resume", "dispatch", "slots.more", "slots.fewer", "stop", "refresh", "command"),
    "issues": ("open", "fire", "retry", "filter", "chord.g", "browse", "sort.next", "mark", *_FLEET),
    "agents": ("open", "kill", "send", "log", "attach", "log.wall", "chord.g", "filter", "mark", *_FLEET),
    "log": ("log.find", "log.wrap", "log", "log.follow", "chord.g", "kill", "send", *_FLEET),
    "pulls": ("open", "merge", "take", "release", "browse", "chord.g", *_LIST, *_FLEET),
    "costs": ("open", *_FLEET),
    "attention": ("attention.act", "open", "chord.g", "browse", *_LIST, *_FLEET),
    "events": ("open", "chord.g", "filter", *_FLEET),
    "LogScreen": (
        "back",
        "log.find",
        "log.next",
        "log.filter",
        "log.follow",
        "log.wrap",
        "log.time",
        "log.raw",
        "log.container",
        "log.attempt",
        "log.save",
        "log.copy",
    ),
    "WallScreen": ("back", "open", "log", "pane.next"),
    "CostsScreen": (
        "back",
        "costs.next",
        "costs.previous",
        "costs.scope",
        "open",
        "filter",
        "sort.next",
        "sort.reverse",
        "costs.part",
    ),
    "SessionsScreen": ("open", "session.resume", "filter", "sort.next", "sort.reverse", "back", "quit"),
    "TranscriptScreen": (
        "back",
        "session.older",
        "session.newer",
        "session.resume",
        "log.find",
        "log.next",
        "log.filter",
        "log.follow",
        "log.wrap",
        "log.time",
    ),
    "DetailScreen": (
        "back",
        "detail.next",
        "detail.find",
        "detail.next-part",
        "kill",
        "send",
        "attach",
        "merge",
        "fire",
        "retry",
        "browse",
        "chord.g",
        "copy",
    ),
}
"""By the pane's id or the screen's class: the ids of actions, what one does there most first."""


_SCREENS = {
    "LogScreen": ("The log", "All that one agent said and did. The fleet's keys are off here."),
    "WallScreen": ("All logs", "What every agent at work says, side by side."),
    "CostsScreen": (
        "Costs",
        "What was used, by day and model, in five-hour blocks, and under the heading of your choice.",
    ),
    "SessionsScreen": (
        "Sessions",
        "Claude Code and Codex on this machine, those at work first: hive's own runs and yours alike.",
    ),
    "TranscriptScreen": ("A transcript", "What was said and done in one session, the end first."),
    "DetailScreen": ("One thing", "Everything that is known of it, tab by tab."),
}


TURNING = {"slots.apply": "set the slots", "slots.reset": "leave them"}
"""What comes before all else while a number of slots is turned: ids of bindings, and their words."""

TYPING = (Hint("Enter", "done", "enter"), Hint("Esc", "back", "escape"))
"""While letters are taken by an input."""


class Place(msgspec.Struct, frozen=True):
    """Where somebody asks for help."""

    name: str
    """The pane's id, or the screen's class."""
    title: str
    about: str
    hints: Sequence[str]
    """The ids of the actions that one does there most."""
    general: Collection[str] = ()
    """Those of them that belong elsewhere as much."""


class KeyHints(KeyBar):
    """The key bar of a screen of the console; it follows what the screen can do now."""

    _due = False

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def _changed(self, screen: Screen[Any]) -> None:
        """Look once, after the picture, however often it is said: a change of focus says it three times."""
        if not self._due:
            self._due = True
            self.call_after_refresh(self._look, screen)

    def _look(self, screen: Screen[Any]) -> None:
        self._due = False
        if not self.is_attached or not self.app.is_running or screen is not self.app.screen:
            return
        if screen.focused is not None and screen.focused.check_consume_key("a", "a"):
            self.last, self.hints = None, TYPING
            return
        wanted = (*TURNING, *place(screen).hints)
        found = dict(_hints(screen, {*wanted, "help"}))
        self.last = found.get("help")
        self.hints = tuple(joined([found[name] for name in wanted if name in found])[:MOST])

    def on_key_bar_pressed(self, message: KeyBar.Pressed) -> None:
        message.stop()
        self.app.simulate_key(message.key)


def place(screen: Screen[Any]) -> Place:
    """Where somebody is: the pane that has the focus or had it last, else the screen."""
    nodes: list[DOMNode] = [*screen.focused.ancestors_with_self] if screen.focused is not None else []
    current = getattr(screen, "current", None)
    if isinstance(current, DOMNode):
        nodes.append(current)
    for node in nodes:
        if node.id in HINTS:
            action = actions.get(f"pane.{node.id}")
            return Place(node.id, action.title, action.help, HINTS[node.id], GENERAL)
    name = type(screen).__name__
    title, about = _SCREENS.get(name, ("This screen", ""))
    return Place(name, title, about, HINTS.get(name, _FLEET), GENERAL)


def _hints(screen: Screen[Any], wanted: set[str]) -> Iterator[tuple[str, Hint]]:
    seen: set[str] = set()
    for key, active in screen.active_bindings.items():
        name = active.binding.id
        if name is None or name not in wanted or name in seen or not active.enabled or " " in key:
            continue  # a key with a blank is none that a terminal sends
        seen.add(name)
        yield name, Hint(key_label(key), _words(name), key)


def _words(name: str) -> str:
    if name in TURNING:
        return TURNING[name]
    if name.startswith(CHORD):
        return "go to"
    try:
        return actions.get(name).hint
    except UsageError:
        return name
