"""What the fleet pane says of a cluster of several machines, and of what one may do there; pure."""

from __future__ import annotations

from collections.abc import Iterator

from hive_tui.core import cluster_words, text
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Fleet
from widgets.cells import Cell
from widgets.lines import wrapped

_WHY_LINES = 3
"""At most so many lines tell what one may not do."""

_MOST_NODES = 3
"""Nodes in trouble that are named; of a large cluster the first ones will do."""

_USUAL_ROOM = 27
"""Cells beside the labels of a pane of the usual width."""

_DOT = " · "

Labelled = tuple[str, Cell]


def troubles(fleet: Fleet, room: int) -> Iterator[Labelled]:
    """What one may not do, and nodes that take nothing."""
    denied = cluster_words.denied(fleet.denied)
    if denied is not None:
        for index, part in enumerate(wrapped(denied, room, lines=_WHY_LINES)):
            yield ("" if index else "rights"), Cell(part, Tone.SOON)
    unready = [] if fleet.facts is None else cluster_words.unready(fleet.facts)
    for words in unready[:_MOST_NODES]:
        yield "node", Cell(text.truncate(f"! {words}", room), Tone.SOON)
    if len(unready) > _MOST_NODES:
        yield "", Cell(f"! and {len(unready) - _MOST_NODES} more", Tone.SOON)


def facts(fleet: Fleet, room: int) -> Iterator[Labelled]:
    """Which cluster it is, and how much it has."""
    if fleet.facts is None:
        return
    where = cluster_words.where(fleet.facts)
    size = filter(None, (cluster_words.nodes(fleet.facts), cluster_words.capacity(fleet.facts)))
    for label, words in (("cluster", where), ("capacity", _DOT.join(size))):
        for index, line in enumerate(_broken_at_dots(words, room)):
            yield ("" if index else label), Cell(line)


def _broken_at_dots(words: str, room: int) -> list[str]:
    """Parts on as few lines as they need; one that is longer than a line is cut."""
    lines: list[str] = []
    for part in filter(None, words.split(_DOT)):
        longer = f"{lines[-1]}{_DOT}{part}" if lines else part
        if lines and text.width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(text.truncate(part, room))
    return lines


def count(fleet: Fleet) -> int:
    """How many lines of all that everybody wants to see, in a pane of the usual width."""
    return sum(1 for _ in troubles(fleet, _USUAL_ROOM)) + sum(1 for _ in facts(fleet, _USUAL_ROOM))
