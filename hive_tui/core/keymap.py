"""Which key does what here: the registry's keys, with those that the configuration gives instead.

What the configuration says comes first, in its order, then the registry in its own; a key that is taken
already is left out and reported as a clash, so that no key is silently dead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from hive_tui.core import actions
from hive_tui.core.actions import Action, Scope, key_label
from hive_tui.core.errors import UsageError
from hive_tui.core.key_names import PUNCTUATION, name_of

LIFELINES: Mapping[str, str] = {"escape": "back", "ctrl+c": "how to leave", "ctrl+z": "suspend"}
"""Keys that stay what they are, whatever the configuration says: the ways out, and their meaning."""

EVERYWHERE = frozenset({"back", "help", "palette", "command", "quit"})
"""Actions whose keys work on every screen, also in the full-screen log, where the fleet's are off."""

_SCREENS = (Scope.LOG, Scope.DETAIL, Scope.SESSIONS, Scope.COSTS)
"""What has screens, and keys, of its own."""

_SIDEWAYS = frozenset({"list.left", "list.right"})
"""Moves that not every text has, so that their keys may mean something else beside it."""

_NAMED = {
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete"),
    *("backspace", "tab", "enter", "escape", "space"),
    *(f"f{number}" for number in range(1, 25)),
    *PUNCTUATION,
}

_MODIFIERS = ("ctrl", "alt", "shift")


class Clash(msgspec.Struct, frozen=True):
    """A key that two actions want where both can be meant."""

    key: str
    loser: str
    """The id of the action that does not get it."""
    winner: str
    """The id of the action that has it, or what a lifeline is for."""
    left: tuple[str, ...] = ()
    """The keys that the loser has all the same."""

    @property
    def problem(self) -> str:
        has = f"keeps {_labels(self.left)}" if self.left else "has no key"
        return f"The key {key_label(self.key)} means {_title(self.winner)}, so {_title(self.loser)} {has}."

    @property
    def fix(self) -> str:
        # Quoted, since some shells take brackets for a pattern.
        name = f"'keys[{self.loser}]'" if "." in self.loser else f"keys.{self.loser}"
        return f"`hive config set {name} KEY` gives it another."

    def __str__(self) -> str:
        return f"{self.problem} {self.fix}"


class Keymap(msgspec.Struct, frozen=True, dict=True):
    """The keys in force."""

    keys: Mapping[str, tuple[str, ...]]
    """By the action's id, in Textual's names; two keys in a row have a blank between them."""
    clashes: tuple[Clash, ...] = ()
    changed: bool = False
    """Whether the configuration has any say in it."""

    def of(self, action: str) -> tuple[str, ...]:
        return self.keys.get(action, ())

    def label(self, action: str) -> str:
        """An action's keys as people write them: `Tab`, `g i`, `K or Ctrl+K`."""
        return _labels(self.of(action))

    def first(self, action: str) -> str:
        """The first of an action's keys as people write it; empty when it has none."""
        keys = self.of(action)
        return key_label(keys[0]) if keys else ""

    @cached_property
    def chords(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """First key -> second key -> the actions they mean."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for name, keys in self.keys.items():
            for key in keys:
                first, _, second = key.partition(" ")
                if second:
                    there = found.setdefault(first, {})
                    there[second] = (*there.get(second, ()), name)
        return found

    def plain(self, action: str) -> tuple[str, ...]:
        """Those of an action's keys that are no chords."""
        return tuple(key for key in self.of(action) if " " not in key)


def build(wanted: Mapping[str, str] | None = None) -> Keymap:
    """The keys in force; `wanted` is the configuration's `keys`. Raises UsageError for what `flaw` finds."""
    chosen: dict[str, tuple[str, ...]] = {}
    for name, text in (wanted or {}).items():
        if found := flaw(name, text):
            raise UsageError(*found)
        chosen[name] = tuple(map(normal, _split(text)))
    ordered = [*map(actions.get, chosen), *(action for action in actions.REGISTRY if action.id not in chosen)]
    taken: list[tuple[str, Action]] = []
    keys: dict[str, tuple[str, ...]] = {}
    lost: list[tuple[str, str, str]] = []
    for action in ordered:
        mine: list[str] = []
        for key in chosen.get(action.id, action.keys):
            winner = _holder(key, action, taken)
            if winner is None:
                mine.append(key)
            else:
                lost.append((key, action.id, winner))
        if not mine and action.id in chosen:
            mine = [key for key in action.keys if _holder(key, action, taken) is None]
        if action.id == "back" and "escape" not in mine:
            mine.append("escape")
        taken += [(key, action) for key in mine]
        keys[action.id] = tuple(mine)
    by_registry = {action.id: keys[action.id] for action in actions.REGISTRY}
    clashes = tuple(Clash(key, loser, winner, keys[loser]) for key, loser, winner in lost)
    return Keymap(by_registry, clashes, bool(chosen))


def flaw(name: str, text: str) -> tuple[str, str] | None:
    """What is wrong with one entry of `keys`, and what to do about it; None when it is good."""
    known = [action.id for action in actions.REGISTRY]
    if name not in known:
        return f"There is no action {name!r}.", _nearest(name, known) or "docs/keys.md has them all."
    if not _split(text):
        return f"{text!r} is no key for {name}.", "Write keys like K, ctrl+n or f5, several with commas."
    for key in _split(text):
        parts = key.split()
        if len(parts) > 2:
            return f"{key!r} has more than two keys in a row.", "One or two are possible: `K`, `g k`."
        for part in parts:
            if problem := _no_key(part):
                return problem
    return None


def normal(key: str) -> str:
    """A key in Textual's names: `question_mark` for `?`, two keys in a row with one blank."""
    return " ".join(_normal(part) for part in key.split())


def _normal(key: str) -> str:
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    last = name_of(last) if len(last) == 1 else last
    return "+".join([*modifiers, last])


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.split(",") if key.strip()]


def _no_key(key: str) -> tuple[str, str] | None:
    """Why this names no key that a terminal can send."""
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    wrong = [word for word in modifiers if word not in _MODIFIERS]
    if wrong:
        return f"{key!r} is no key: {wrong[0]!r} is no modifier.", "Those are ctrl, alt and shift: `ctrl+k`."
    if len(last) == 1 and last.isprintable() and last != " ":
        if "shift" in modifiers:
            return f"{key!r} is written as the character it types.", f"Write {last.upper()!r}."
        return None
    if last in _NAMED:
        return None
    hint = _nearest(last, sorted(_NAMED)) or "Write keys like K, ctrl+n, f5 or question_mark."
    return f"{key!r} is no key.", hint


def _nearest(name: str, known: Sequence[str]) -> str | None:
    import difflib  # only for somebody who mistyped

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else None


def _holder(key: str, action: Action, taken: Sequence[tuple[str, Action]]) -> str | None:
    """Who has this key already where `action` would need it: an action's id, or a lifeline's meaning."""
    first = key.split()[0]
    if first in LIFELINES and LIFELINES[first] != action.id:
        return LIFELINES[first]
    for other_key, other in taken:
        if other.id != action.id and _meet(key, other_key) and _together(action, other):
            return other.id
    return None


def _meet(one: str, other: str) -> bool:
    """Whether two keys cannot both mean something: they are the same, or one begins the other."""
    return one == other or one.startswith(f"{other} ") or other.startswith(f"{one} ")


def _together(one: Action, other: Action) -> bool:
    """Whether two actions can be meant at the same moment.

    The log's and the detail screen's own keys go before those of the panes on purpose.
    """
    if one.when is not None and other.when is not None and set(one.keys) & set(other.keys):
        return False  # the registry itself says which of the two is meant
    if any(action.scope is Scope.LIST and action.id not in _SIDEWAYS for action in (one, other)):
        return True
    places = _place(one), _place(other)
    return places[0] is places[1] or any(action.id in EVERYWHERE for action in (one, other))


def _place(action: Action) -> Scope:
    """The screen whose key it is; VIEW stands for that of the panes."""
    return action.scope if action.scope in _SCREENS else Scope.VIEW


def _labels(keys: Sequence[str]) -> str:
    return " or ".join(map(key_label, keys))


def _title(name: str) -> str:
    try:
        return f"{actions.get(name).title!r}"
    except UsageError:
        return f"{name!r}"


DEFAULT = Keymap({action.id: action.keys for action in actions.REGISTRY})
"""The keys of the registry itself, in which a test finds no clash."""
