"""What the help says: the registry by what one is doing, with the keys in force; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hive_tui.app.key_hints import Place
from hive_tui.core import actions
from hive_tui.core.actions import Action, Scope
from hive_tui.core.glyphs import Tone
from hive_tui.core.keymap import EVERYWHERE, Keymap
from widgets.cells import Cell, Line
from widgets.lines import wrapped

KEYS = 17
TITLE = 24
WIDE = 88
"""Cells from which an action's title stands beside its explanation."""

_ABOUT = {
    Scope.FLEET: "The fleet",
    Scope.ISSUE: "An issue",
    Scope.RUN: "An agent",
    Scope.PULL: "A pull request",
}


class Row(NamedTuple):
    """One action: its keys, what it is called and does, and why it cannot be done now."""

    keys: str
    title: str
    help: str
    reason: str | None = None

    def matches(self, wanted: str) -> bool:
        """`@x` finds a key, everything else words."""
        if wanted.startswith("@") and len(wanted) > 1:
            return wanted[1:] in self.keys
        found = f"{self.keys} {self.title} {self.help}".casefold()
        return all(word in found for word in wanted.casefold().split())


class Group(NamedTuple):
    title: str
    rows: tuple[Row, ...]


def groups(place: Place, keys: Keymap, reasons: Mapping[str, str | None]) -> list[Group]:
    """What can be done here first, then the rest. `reasons` has the actions that are here at all."""
    mine = [name for name in place.hints if name in reasons and name not in place.general]
    here = [actions.get(name) for name in mine if _known(name)]
    told = {action.id for action in here}
    rest = [action for action in actions.REGISTRY if action.id in reasons and action.id not in told]
    found = [Group(place.title, _rows(here, keys, reasons))]
    for scope, title in _ABOUT.items():
        found.append(Group(title, _rows((a for a in rest if a.scope is scope), keys, reasons)))
    moving = [action for action in rest if _moves(action)]
    console = [action for action in rest if action.scope not in _ABOUT and not _moves(action)]
    found.append(Group("Moving", _rows(moving, keys, reasons)))
    found.append(Group("The console", _rows(console, keys, reasons)))
    return [group for group in found if group.rows]


def lines(place: Place, shown: Sequence[Group], keys: Keymap, width: int, wanted: str = "") -> list[Line]:
    """The help within `width` cells; only rows that match."""
    found: list[Line] = []
    if not wanted:
        found += [(Cell(part, Tone.PLAIN),) for part in wrapped(place.about, width, lines=4)]
        for clash in keys.clashes:
            found += [(Cell(part, Tone.SOON),) for part in wrapped(f"! {clash}", width, lines=4)]
    for group in shown:
        rows = [row for row in group.rows if row.matches(wanted)]
        if not rows:
            continue
        if found:
            found.append(())
        found.append((Cell(group.title, Tone.TITLE),))
        for row in rows:
            found += _row(row, width)
    return found or [(Cell(f'Nothing here is called "{wanted}"', Tone.QUIET),)]


def _row(row: Row, width: int) -> list[Line]:
    """An action in its columns; where there is no room for its title, that begins the explanation."""
    wide = width >= WIDE
    tone = Tone.QUIET if row.reason else Tone.PLAIN
    lead: Line = (Cell(f"{row.keys:<{KEYS - 1}} ", Tone.QUIET if row.reason else Tone.TITLE),)
    if wide:
        lead = (*lead, Cell(f"{row.title:<{TITLE - 1}} ", tone))
        tone = Tone.QUIET
    indent = Cell(" " * sum(len(cell.text) for cell in lead))
    room = max(20, width - len(indent.text))
    parts = wrapped(row.help if wide else f"{row.title}: {row.help}", room, lines=4)
    found: list[Line] = [(*lead, Cell(parts[0], tone))]
    found += [(indent, Cell(part, tone)) for part in parts[1:]]
    if row.reason:
        found += [
            (indent, Cell(part, Tone.SOON)) for part in wrapped(f"Not now: {row.reason}", room, lines=2)
        ]
    return found


def _rows(found: Iterable[Action], keys: Keymap, reasons: Mapping[str, str | None]) -> tuple[Row, ...]:
    return tuple(
        Row(keys.label(action.id) or f":{action.id}", action.title, action.help, reasons[action.id])
        for action in found
    )


def _moves(action: Action) -> bool:
    if action.scope is Scope.LIST:
        return True
    first = action.id.partition(".")[0]
    return action.scope is Scope.VIEW and (first in ("pane", "go", "sort", "zoom") or action.id in _MOVING)


_MOVING = EVERYWHERE - {"help", "palette", "command", "quit"} | {"open", "filter", "mark"}


def _known(name: str) -> bool:
    return any(action.id == name for action in actions.REGISTRY)
