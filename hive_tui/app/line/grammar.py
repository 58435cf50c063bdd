"""What a line means: one of the console's own things, or a call of `hive` with the same grammar; pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import NamedTuple

from hive_tui.core import actions
from hive_tui.core.actions import Action, Danger, Scope
from hive_tui.core.errors import UsageError, unknown


class Do(NamedTuple):
    """An action of the registry, on what is selected."""

    action: str


class ShowPane(NamedTuple):
    """A pane by the end of its action's id, with a filter; None leaves the filter as it is."""

    name: str
    filter: str | None = None


class ShowLog(NamedTuple):
    """The log of the run that `text` names, full screen."""

    text: str


class ShowCosts(NamedTuple):
    """What was used, full screen; None leaves what it shows."""

    by: str | None = None
    scope: str | None = None


class SwitchFleet(NamedTuple):
    name: str


class SetTheme(NamedTuple):
    name: str


class Call(NamedTuple):
    """A call of `hive`, without its name; `danger` is the action that has to be confirmed first."""

    argv: tuple[str, ...]
    danger: Action | None = None

    @property
    def shows(self) -> bool:
        """Whether it is a screen of its own, which changes nothing: it needs the terminal, too."""
        return self.argv[:1] == ("sessions",) and not _any(self.argv, "--once", "-h", "--help")

    @property
    def asks(self) -> bool:
        """Whether it asks the person, or opens their editor: it needs the terminal for itself."""
        if self.argv[:1] == ("attach",):
            return not _any(self.argv[:2], "-h", "--help")
        if self.argv[:1] != ("issue",) or _any(self.argv, "-h", "--help"):
            return False
        if self.argv[1:2] == ("new",):
            return not _any(self.argv, *_TEXTS)
        return self.argv[1:2] == ("edit",) and not _any(self.argv, *_TEXTS, *_CHANGES)


Meaning = Do | ShowPane | ShowLog | ShowCosts | SwitchFleet | SetTheme | Call

PANES = tuple(
    action.id.partition(".")[2]
    for action in actions.REGISTRY
    if action.id.startswith("pane.") and action.keys and action.keys[0].isdigit()
)
"""The panes' names, in the order of their digits."""

_PANE_NAMES = {**{name: name for name in PANES}, "prs": "pulls", "attn": "attention", "runs": "agents"}

_OWN = ("quit", "q", "help", "theme", "fleet", "read-only", *_PANE_NAMES)
"""First words that the console takes for itself where the rest does not say otherwise."""

_COMMANDS = {
    "fleet": ("list", "use", "add", "remove"),
    "agents": ("list", "enable", "disable"),
    "costs": ("export",),
}
"""What stands behind a pane's name where it is a command of `hive` all the same."""

_TEXTS = ("--body", "-F", "--body-file", "--plan", "--done")
_CHANGES = ("--title", "--add-label", "--remove-label")
"""Options that say what an issue becomes, so that nobody is asked."""

_YES = ("-y", "--yes")
_CONSOLE = (Scope.VIEW, Scope.FLEET, Scope.ISSUE, Scope.RUN, Scope.PULL)


def meaning(line: str, verbs: Collection[str]) -> Meaning | None:
    """What the line means; None for an empty one. `verbs` are the commands of `hive`.

    Raises UsageError for what means nothing, or what no line can do, with the next step.
    """
    try:
        words = shlex.split(line.strip().removeprefix(":"))
    except ValueError as error:
        raise UsageError(f"{line.strip()!r}: {error}.", "Close the quotation, or leave it out.") from error
    if words and words[0] == "hive":
        return _call(words[1], words[2:], verbs) if len(words) > 1 else None
    if not words:
        return None
    first, rest = words[0], words[1:]
    return _own(first, rest) or _selected(first, rest) or _call(first, rest, verbs)


def known_words(verbs: Collection[str]) -> list[str]:
    """Every first word, for completion."""
    return sorted({*verbs, *_OWN, *(action.id for action in actions.REGISTRY if _doable(action))})


def action_of(argv: Sequence[str]) -> Action | None:
    """The action that a call of `hive` carries out, by the plain words of the action's `command`."""
    found: tuple[int, Action] | None = None
    for action in actions.REGISTRY:
        words = plain_words(action)
        if words and tuple(argv[: len(words)]) == words and (found is None or len(words) > found[0]):
            found = len(words), action
    return None if found is None else found[1]


def plain_words(action: Action) -> tuple[str, ...]:
    """`("agents", "enable")` of `agents enable NAME`."""
    words: list[str] = []
    for word in (action.command or "").split():
        if not word.islower() or not word[0].isalpha():
            break
        words.append(word)
    return tuple(words)


def _own(first: str, rest: list[str]) -> Meaning | None:
    if first in ("q", "quit", "q!", "exit") and not rest:
        return Do("quit")
    if first in ("help", "h", "?") and not rest:
        return Do("help")
    if first in ("help", "h"):
        return Call((*rest, "--help"))
    if first in ("read-only", "readonly", "--read-only") and not rest:
        return Do("read-only")
    if first == "theme":
        if len(rest) != 1:
            raise UsageError("Which theme?", "`:theme NAME`; Tab names them.")
        return SetTheme(rest[0])
    if first == "costs" and (shown := _costs(rest)) is not None:
        return shown
    if rest and (rest[0] in _COMMANDS.get(first, ()) or any(word.startswith("-") for word in rest)):
        return None
    if first == "fleet" and len(rest) == 1:
        return SwitchFleet(rest[0])
    name = _PANE_NAMES.get(first)
    return None if name is None else ShowPane(name, " ".join(rest) if rest else None)


_BY = tuple(
    action.id.partition(".")[2]
    for action in actions.REGISTRY
    if action.scope is Scope.COSTS and (action.command or "").startswith("costs --by")
)

_CHOICES = {"--by": _BY, "--scope": ("fleet", "machine")}
"""Options of `hive costs` that its screen has, too."""


def _costs(rest: Sequence[str]) -> ShowCosts | None:
    """What the screen is to show; None where only the command can, or knows what is wrong with it."""
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = dict(zip(words[::2], words[1::2], strict=False))
    known = all(value in _CHOICES.get(option, ()) for option, value in given.items())
    if len(words) != 2 * len(given) or not known:
        return None
    return ShowCosts(given.get("--by"), given.get("--scope"))


def _doable(action: Action) -> bool:
    """Whether the console can do it with nothing but its name, on what is selected."""
    return action.scope in _CONSOLE and not action.id.startswith("pane.")


def _selected(first: str, rest: list[str]) -> Meaning | None:
    """A lone word that is an action, or the command of one: it is about what is selected."""
    if rest:
        return None
    for action in actions.REGISTRY:
        if action.id == first and _doable(action):
            return Do(action.id)
    for action in actions.REGISTRY:
        if plain_words(action) == (first,) and _doable(action) and action.of is not None:
            return Do(action.id) if action.id == first else None
    return None


def _call(first: str, rest: list[str], verbs: Collection[str]) -> Meaning:
    if first not in verbs:
        raise unknown("command", first, {*verbs, *_OWN}, listing=":help")
    if first == "logs" and _any(rest, "-f", "--follow"):
        names = [word for word in rest if not word.startswith("-")]
        return ShowLog(names[0] if names else "")
    _refuse_endless(first, rest)
    action = action_of((first, *rest))
    danger = action if action is not None and action.danger is not Danger.NONE else None
    if danger is not None and _any(rest, "--help", "-h", "--dry-run"):
        danger = None
    if danger is not None:
        rest = [word for word in rest if word not in _YES]
    return Call((first, *rest), danger)


def _refuse_endless(first: str, rest: list[str]) -> None:
    """Raise for a call that would never end here, or that needs the terminal for itself."""
    if _any(rest, "--help", "-h"):
        return
    if first == "top" and "--once" not in rest:
        raise UsageError("This is the console of `hive top`.", "`:top --once` prints the fleet.")
    if first == "demo" and not _plain(rest):
        raise UsageError(
            "`hive demo` opens a console of its own.", "`:demo start` starts it, then `:fleet demo`."
        )
    if first == "dispatcher" and _plain(rest)[:1] == ["run"]:
        raise UsageError("`hive dispatcher run` never ends.", "`:dispatcher start` starts it beside this.")
    if first in ("init", "config", "doctor"):
        return
    for option in ("--watch", "--wait", "--follow", "-f"):
        if _any(rest, option):
            raise UsageError(
                f"{option} goes on and on, and this line waits for an end.",
                "The panes show every change by themselves; leave it out.",
            )


def _any(words: Sequence[str], *options: str) -> bool:
    return any(word in options or word.partition("=")[0] in options for word in words)


def _plain(words: Sequence[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]
