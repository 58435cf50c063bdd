"""How an entry of a log is laid out in lines, and of which pieces a line is made; pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size

from hive_tui.core import text as texts
from hive_tui.core.glyphs import Tone
from widgets.cells import Column, lay_out
from widgets.log_entry import Entry, wrapped

Span = tuple[int, int]

_KIND = Column("kind", 10)
_TEXT = Column("text", 44, flexible=True)
_FIGURES = Column("figures", 14, right=True, rank=2)

INDENT = "│ "
"""Before what a sub-agent says and does, once for each level."""

_LEAST_TEXT = 8


class Times(enum.Enum):
    """What stands at the beginning of a line."""

    CLOCK = "clock"
    AGE = "age"
    OFF = "off"


_TIMES = {Times.CLOCK: Column("time", 8, rank=1), Times.AGE: Column("time", 7, rank=1)}


class Room(NamedTuple):
    """Cells that the parts of a line have; 0 is not shown."""

    time: int
    kind: int
    text: int
    figures: int


@lru_cache(maxsize=64)
def rooms(available: int, times: Times) -> Room:
    """How the parts share a line of `available` cells."""
    time = _TIMES.get(times)
    columns = (_KIND, _TEXT, _FIGURES) if time is None else (time, _KIND, _TEXT, _FIGURES)
    widths = lay_out(columns, available)
    return Room(0, *widths) if time is None else Room(*widths)


def text_room(entry: Entry, room: Room) -> int:
    """Cells of the text behind its indent."""
    return max(_LEAST_TEXT, room.text - len(INDENT) * entry.depth)


class Piece(NamedTuple):
    """A part of a line: text that can be painted as it is, and how."""

    text: str
    tone: Tone
    match: bool = False


def when(entry: Entry, times: Times, now: datetime | None) -> str:
    if times is Times.CLOCK:
        return _clock(int(entry.at.timestamp()))
    return "" if times is Times.OFF or now is None else texts.age(now - entry.at)


@lru_cache(maxsize=1_024)
def _clock(at: int) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def lines(text: str, width: int) -> list[Span]:
    """A text on as many lines as it takes."""
    return list(wrapped(text, width))


def one_line(entry: Entry, width: int, pan: int, hits: Sequence[Span]) -> Iterator[Piece]:
    """An entry on one line, from the cell `pan` of its text on."""
    first, tail = entry.first, _tail(entry)
    start, end, cut = _visible(first, pan, max(1, width - len(tail)))
    if start:
        yield Piece("…", Tone.QUIET, any(left < start for left, _ in hits))
    yield from pieces(entry.text, start, end, entry.lead, entry.tone, hits)
    if cut:
        yield Piece("…", Tone.QUIET, any(end < right <= len(first) for _, right in hits))
    if tail:
        yield Piece(tail, Tone.QUIET, any(right > len(first) for _, right in hits))


def _tail(entry: Entry) -> str:
    """What stands for the lines that one line has no room for."""
    hidden = entry.text.count("\n")
    return f"  +{texts.plural(hidden, 'line')}" if hidden else ""


def plain(text: str, tone: Tone, hits: Sequence[Span]) -> Iterator[Piece]:
    """A text in one tone."""
    return pieces(text, 0, len(text), 0, tone, hits)


def pieces(text: str, start: int, end: int, lead: int, tone: Tone, hits: Sequence[Span]) -> Iterator[Piece]:
    """Characters `start` to `end` of a text, with its lead and what was found set off."""
    for left, right in hits:
        if right <= start or left >= end:
            continue
        left, right = max(left, start), min(right, end)
        yield from _toned(text, start, left, lead, tone)
        yield Piece(text[left:right], Tone.TITLE if left < lead else tone, True)
        start = right
    yield from _toned(text, start, end, lead, tone)


def _toned(text: str, start: int, end: int, lead: int, tone: Tone) -> Iterator[Piece]:
    if start < lead:
        stop = min(lead, end)
        if start < stop:
            yield Piece(text[start:stop], Tone.TITLE if tone is Tone.PLAIN else tone)
        start = stop
    if start < end:
        yield Piece(text[start:end], tone)


def hits_in(pattern: re.Pattern[str] | None, text: str) -> list[Span]:
    """Where something was found in a text."""
    return [] if pattern is None else [found.span() for found in pattern.finditer(text)]


def in_sight(entry: Entry, width: int, pan: int, hits: Sequence[Span]) -> bool:
    """Whether something that was found is to be seen while the entry takes one line."""
    start, end, _ = _visible(entry.first, pan, max(1, width - len(_tail(entry))))
    return any(start <= left and right <= end for left, right in hits)


def longest(entries: Sequence[Entry]) -> int:
    """Cells of the longest of their first lines."""
    return max((cell_len(entry.first) for entry in entries), default=0)


def _visible(text: str, pan: int, room: int) -> tuple[int, int, bool]:
    """The characters of a line to be seen, with room for marks where something is cut off, and whether
    something is cut off at the right."""
    if text.isascii():
        start = min(pan + 1, len(text)) if pan else 0
        left = room - bool(start)
        cut = len(text) - start > left
        return start, start + left - 1 if cut else len(text), cut
    start, skipped = 0, 0
    while start < len(text) and pan and skipped < pan + 1:
        skipped += get_character_cell_size(text[start])
        start += 1
    left, end, used = room - bool(start), start, 0
    if cell_len(text[start:]) <= left:
        return start, len(text), False
    while end < len(text):
        cells = get_character_cell_size(text[end])
        if used + cells > left - 1:
            break
        used += cells
        end += 1
    return start, end, True
