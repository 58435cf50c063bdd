"""How the line goes on: first words, and after them what the command is about; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from hive_tui.app.line import grammar
from hive_tui.core import actions
from hive_tui.core.actions import Action


class Names(msgspec.Struct, frozen=True):
    """What there is to name now."""

    verbs: tuple[str, ...] = ()
    """The commands of `hive`."""
    issues: tuple[str, ...] = ()
    """As `#41`, the ones that need somebody first."""
    runs: tuple[str, ...] = ()
    pulls: tuple[str, ...] = ()
    """As `!7`."""
    agents: tuple[str, ...] = ()
    fleets: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()


_TOKENS = ("repo:", "state:", "agent:", "label:")


def candidates(line: str, names: Names) -> list[str]:
    """Whole lines that begin with `line`, the likely ones first."""
    text = line.removeprefix(":")
    head, blank, word = text.rpartition(" ")
    if not blank:
        return [found for found in _first(names) if found.startswith(word) and found != word]
    before = f"{head} "
    return [
        before + found
        for found in _next(tuple(head.split()), names)
        if found.startswith(word) and found != word
    ]


def longest(line: str, names: Names) -> str:
    """The line with as much more as all its candidates agree on; one candidate is taken whole."""
    found = candidates(line, names)
    if not found:
        return line
    if len(found) == 1:
        return found[0]
    least, most = min(found), max(found)
    shared = next((i for i, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
    return least[:shared] if shared > len(line) else line


def _first(names: Names) -> list[str]:
    """Commands before the ids of actions, which are longer to say."""
    words = grammar.known_words(names.verbs)
    return sorted(words, key=lambda word: (word not in names.verbs and "." in word, word))


def _next(words: Sequence[str], names: Names) -> Iterable[str]:
    if words[0] == "fleet" and len(words) == 1:
        return (*names.fleets, "list", "use", "add", "remove")
    if words[:2] == ("fleet", "use") or words[:2] == ("fleet", "remove"):
        return names.fleets
    if words[0] == "theme":
        return names.themes
    if words[0] == "help":
        return names.verbs
    found: list[str] = []
    if len(words) == 1:
        found += _subcommands(words[0])
    for action in actions.REGISTRY:
        plain = grammar.plain_words(action)
        if plain and tuple(words) == plain:
            found += _about(action, names)
    if not found and words[0] in grammar.PANES:
        found += _TOKENS
    return dict.fromkeys(found)


def _subcommands(verb: str) -> list[str]:
    return [
        plain[1]
        for action in actions.REGISTRY
        if len(plain := grammar.plain_words(action)) > 1 and plain[0] == verb
    ]


def _about(action: Action, names: Names) -> Collection[str]:
    """What the arguments of an action's command can be now."""
    command = action.command or ""
    found: list[str] = []
    if "RUN" in command:
        found += names.runs
    if "ISSUE" in command:
        found += names.issues
    if "PULL" in command or action.id == "merge":
        found += names.pulls
    if "NAME" in command and action.id.startswith("agent."):
        found += names.agents
    return found
