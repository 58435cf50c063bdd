"""The console's keys, taken from the one registry of actions: bindings and footer are made from it."""

from __future__ import annotations

from textual.binding import Binding

from hive_tui.core import actions
from hive_tui.core.actions import Action

ORDERS = ("dispatch", "pause", "resume")
"""Actions that change the fleet, planned and carried out by the registry."""

APP_VIEWS = {
    "refresh": "refresh_sources",
    "help": "help",
    "quit": "quit",
    "palette": "command_palette",
}
"""What the console does by itself, wherever one is: the registry's id, and Textual's action."""

PANES = {
    "pane.fleet": "pane(1)",
    "pane.issues": "pane(2)",
    "pane.agents": "pane(3)",
    "pane.log": "pane(4)",
    "pane.pulls": "pane(5)",
    "pane.next": "cycle(1)",
    "pane.previous": "cycle(-1)",
}
"""The same on the screen of panes."""

FOOTER = frozenset({*ORDERS, "help", "quit"})


def offered() -> list[Action]:
    """The actions that have a key here, in the order of the help."""
    return [actions.get(name) for name in (*ORDERS, *APP_VIEWS, *PANES)]


def app_bindings() -> list[Binding]:
    """Keys that work everywhere; two orders on one key exclude each other by what applies."""
    orders = [_binding(name, f"order('{name}')") for name in ORDERS]
    return [*orders, *(_binding(name, action) for name, action in APP_VIEWS.items())]


def pane_bindings() -> list[Binding]:
    """Keys of the screen of panes."""
    return [_binding(name, action) for name, action in PANES.items()]


def _binding(name: str, textual_action: str) -> Binding:
    action = actions.get(name)
    return Binding(
        ",".join(action.keys),
        textual_action,
        action.title.lower(),
        show=name in FOOTER,
        tooltip=action.help,
        id=name,
    )


SYMBOLS = {"question_mark": "?", "shift+tab": "shift tab", "ctrl+p": "ctrl p"}


def shown(action: Action) -> str:
    """An action's keys as people write them."""
    return " or ".join(SYMBOLS.get(key, key) for key in action.keys)
