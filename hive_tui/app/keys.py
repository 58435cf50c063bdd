"""The console's keys, taken from the one registry of actions: bindings, key bar and help are made from it."""

from __future__ import annotations

from textual.binding import Binding

from hive_tui.core import actions
from hive_tui.core.actions import Action

EVERYWHERE = {
    "refresh": "refresh_sources",
    "help": "help",
    "quit": "quit",
    "palette": "command_palette",
}
"""What the console does by itself wherever one is: the registry's id, and the app's action."""

IN_LISTS = ("filter", "sort.next", "sort.reverse", "mark", "mark.range", "mark.all")
"""What works in whichever list has the focus."""

MAIN = {
    "pane.fleet": "pane(1)",
    "pane.issues": "pane(2)",
    "pane.agents": "pane(3)",
    "pane.log": "pane(4)",
    "pane.pulls": "pane(5)",
    "pane.costs": "pane(6)",
    "pane.attention": "pane(7)",
    "pane.events": "pane(8)",
    "pane.next": "cycle(1)",
    "pane.previous": "cycle(-1)",
    "back": "back",
    **{name: f"in_list('{name}')" for name in IN_LISTS},
    "zoom": "zoom",
    "pane.wider": "grow(True, 4)",
    "pane.narrower": "grow(True, -4)",
    "pane.taller": "grow(False, 2)",
    "pane.shorter": "grow(False, -2)",
    "pane.even": "reset_sizes",
}
"""The same on the screen of panes, as that screen's actions."""


def orders() -> list[Action]:
    """Actions that change the fleet, an issue, a run or a pull request."""
    return [action for action in actions.REGISTRY if action.writes and action.keys]


def offered() -> list[Action]:
    """The actions that have a key here, in the order of the help."""
    return [*orders(), *(actions.get(name) for name in (*EVERYWHERE, *MAIN))]


def app_bindings() -> list[Binding]:
    """Keys that work everywhere; of several orders on one key the first that applies is meant."""
    return [
        *(_binding(action.id, f"order('{action.id}')") for action in orders()),
        *(_binding(name, action) for name, action in EVERYWHERE.items()),
    ]


def main_bindings() -> list[Binding]:
    """Keys of the screen of panes."""
    return [_binding(name, action) for name, action in MAIN.items()]


FOOTER = frozenset({"dispatch", "fire", "pause", "resume", "kill", "merge", "retry", "help", "quit"})


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


def shown(action: Action) -> str:
    """An action's keys as people write them."""
    return " or ".join(map(actions.key_label, action.keys))
