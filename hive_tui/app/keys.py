"""The console's keys, taken from the one registry of actions: bindings, key bar and help are made from it."""

from __future__ import annotations

from textual.binding import Binding

from hive_tui.core import actions, keymap
from hive_tui.core.actions import Action
from hive_tui.core.keymap import Keymap

EVERYWHERE = {
    "refresh": "refresh_sources",
    "help": "help",
    "quit": "quit",
    "suspend": "suspend_process",
    "palette": "palette",
    "command": "command",
    "notifications": "notifications",
    "mute": "mute",
    "read-only": "read_only",
    "budget": "budget",
    "costs": "costs",
    "describe": "describe",
    "log": "full_log",
    "log.wall": "wall",
    "browse": "browse",
    "copy": "copy",
    "copy.line": "copy_line",
    "go.issue": "go('issue')",
    "go.pull": "go('pull')",
    "go.run": "go('run')",
    "go.log": "go_log",
    "go.first": "go_first",
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
    "attention.act": "attend",
    **{name: f"in_list('{name}')" for name in IN_LISTS},
    "zoom": "zoom",
    "pane.wider": "grow(True, 4)",
    "pane.narrower": "grow(True, -4)",
    "pane.taller": "grow(False, 2)",
    "pane.shorter": "grow(False, -2)",
    "pane.even": "reset_sizes",
}
"""The same on the screen of panes, as that screen's actions."""

DETAIL = {
    **{
        f"detail.{tab}": f"tab('{tab}')" for tab in ("log", "transcript", "diff", "issue", "cost", "describe")
    },
    "detail.next": "cycle(1)",
    "detail.previous": "cycle(-1)",
    "attempt.previous": "attempt(-1)",
    "attempt.next": "attempt(1)",
    "detail.find": "find",
    "detail.unfold": "unfold",
    "detail.next-part": "part(1)",
    "detail.previous-part": "part(-1)",
    "detail.next-match": "match(1)",
    "detail.previous-match": "match(-1)",
    "describe": "tab('describe')",
    "refresh": "reload",
    "back": "back",
}
"""The same on the screen of one thing."""


RUN_LOG = {
    "log.find": "find",
    "log.filter": "filter",
    "log.wrap": "wrap",
}
"""What works in a log wherever it is shown; the other keys of a log belong to the fleet there."""

LOG = {
    **{name: f"in_log('{action}')" for name, action in RUN_LOG.items()},
    "log.next": "in_log('match', 1)",
    "log.previous": "in_log('match', -1)",
    "log.follow": "in_log('toggle_follow')",
    "log.time": "in_log('times')",
    "log.raw": "in_log('raw')",
    "log.tail": "in_log('since', 0)",
    "log.head": "in_log('since', -1)",
    "log.minute": "in_log('since', 1)",
    "log.five": "in_log('since', 5)",
    "log.quarter": "in_log('since', 15)",
    "log.half": "in_log('since', 30)",
    "log.hour": "in_log('since', 60)",
    "log.container": "container",
    "log.attempt": "attempt",
    "log.save": "save",
    "log.copy": "copy_line",
    "back": "back",
}
"""What works on the screen of one log."""

SESSIONS = {
    **{name: f"in_list('{name}')" for name in ("filter", "sort.next", "sort.reverse")},
    "session.resume": "resume",
    "refresh": "look",
    "back": "back",
    "quit": "leave",
}
"""What works on the screen of this machine's sessions."""

TRANSCRIPT = {
    **{name: f"in_log('{action}')" for name, action in RUN_LOG.items()},
    "log.next": "in_log('match', 1)",
    "log.previous": "in_log('match', -1)",
    "log.follow": "in_log('toggle_follow')",
    "log.time": "in_log('times')",
    "log.raw": "in_log('raw')",
    "copy.line": "copy_line",
    "session.older": "page(-1)",
    "session.newer": "page(1)",
    "session.resume": "resume",
    "back": "back",
}
"""What works on the screen of one of their transcripts."""

COSTS = {
    **{name: f"in_list('{name}')" for name in ("filter", "sort.next", "sort.reverse")},
    **{
        f"costs.{name}": f"heading('{name}')"
        for name in ("day", "week", "month", "session", "project", "model", "agent", "repo", "issue", "run")
    },
    "costs.next": "beside(1)",
    "costs.previous": "beside(-1)",
    "costs.scope": "scope",
    "costs.part": "cycle(1)",
    "costs.part-before": "cycle(-1)",
    "refresh": "look",
    "back": "back",
}
"""What works on the screen of costs."""

WALL = {"open": "open", "back": "back", "pane.next": "cycle(1)", "pane.previous": "cycle(-1)"}
"""What works on the screen of all logs."""


def orders() -> list[Action]:
    """Actions that change the fleet, an issue, a run or a pull request."""
    return [action for action in actions.REGISTRY if action.writes and action.keys]


def offered() -> list[Action]:
    """The actions that have a key here, in the order of the help."""
    return [*orders(), *(actions.get(name) for name in (*EVERYWHERE, *MAIN))]


def app_bindings() -> list[Binding]:
    """Keys that work everywhere; of several orders on one key the first that applies is meant."""
    return [
        *(_binding(action.id, f"order('{action.id}')") for action in actions.REGISTRY if action.writes),
        *(_binding(name, action) for name, action in EVERYWHERE.items()),
        # Enter and Esc belong to the number of slots only while one is being turned.
        Binding("enter", "apply_slots", "Set the slots", show=False, priority=True, id="slots.apply"),
        Binding("escape", "reset_slots", "Leave the slots", show=False, priority=True, id="slots.reset"),
        *(chord_binding(first) for first in keymap.DEFAULT.chords),
    ]


def main_bindings() -> list[Binding]:
    """Keys of the screen of panes."""
    return [_binding(name, action) for name, action in MAIN.items()]


def detail_bindings() -> list[Binding]:
    """Keys of the screen of one thing, besides those of the app."""
    return [_binding(name, action) for name, action in DETAIL.items()]


def run_log_bindings() -> list[Binding]:
    """Keys of a log wherever it is shown."""
    return [_binding(name, action) for name, action in RUN_LOG.items()]


def log_bindings() -> list[Binding]:
    """Keys of the screen of one log."""
    return [_binding(name, action) for name, action in LOG.items()]


def sessions_bindings() -> list[Binding]:
    """Keys of the screen of this machine's sessions."""
    return [_binding(name, action) for name, action in SESSIONS.items()]


def sessions_app_bindings() -> list[Binding]:
    """Keys of `hive sessions` by itself, on any of its screens."""
    return [_binding(name, EVERYWHERE[name]) for name in ("help", "quit", "suspend")]


def transcript_bindings() -> list[Binding]:
    """Keys of the screen of a session's transcript."""
    return [_binding(name, action) for name, action in TRANSCRIPT.items()]


def costs_bindings() -> list[Binding]:
    """Keys of the screen of costs."""
    return [_binding(name, action) for name, action in COSTS.items()]


def wall_bindings() -> list[Binding]:
    """Keys of the screen of all logs."""
    return [_binding(name, action) for name, action in WALL.items()]


CHORD = "chord."
"""Before the first key of several, in the ids of bindings."""


def chord_binding(first: str) -> Binding:
    """The key that others follow: what it opens says which."""
    return Binding(first, f"app.chord('{first}')", "go to", id=f"{CHORD}{first}")


def textual_keymap(keys: Keymap) -> dict[str, str]:
    """What Textual is to know of remapped keys: every binding's keys, as it takes away from actions that
    are not named what others get. Empty where nothing is remapped."""
    if not keys.changed:
        return {}
    firsts = {first: f"{CHORD}{first}" for first in (*keymap.DEFAULT.chords, *keys.chords)}
    return {
        **{action.id: ",".join(keys.of(action.id)) or _inert(action.id) for action in actions.REGISTRY},
        **{name: first if first in keys.chords else _inert(name) for first, name in firsts.items()},
    }


def _binding(name: str, textual_action: str) -> Binding:
    action = actions.get(name)
    keys = ",".join(action.keys) or _inert(name)
    return Binding(keys, textual_action, action.title.lower(), show=False, tooltip=action.help, id=name)


def _inert(name: str) -> str:
    """A key that no terminal sends: the action is found by its id all the same."""
    return f"no key for {name}"
