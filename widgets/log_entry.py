"""One entry of a log as it is held for showing: made once, away from the screen, harmless and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hive_tui.core.glyphs import Tone
from widgets import prose
from widgets.cells import Cell
from widgets.lines import harmless

LONGEST = 16_384
"""Characters kept of one entry's text."""

MOST_LINES = 400
"""Lines kept of one entry's text."""

_TAB = "    "


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What was said or done, when, and its figures. Texts are `held`: they can be painted as they are.

    Python need not look for garbage in them, which takes its time where thousands come in a second: nothing
    in an entry refers to the entry.
    """

    n: int
    """Its number in the stored log; numbers rise."""
    at: datetime
    kind: Cell
    """A glyph and a word."""
    text: str
    """Lines without their ends, with line breaks between them."""
    tone: Tone = Tone.PLAIN
    lead: int = 0
    """So many characters at the beginning of the text are what tells most: they stand out."""
    figures: str = ""
    depth: int = 0
    """How far it is indented: what a sub-agent does stands below what called it."""
    folded: bool = False
    """It takes one line until somebody wants to see it all: results, which nobody reads in passing."""
    source: object = None
    """What it was made from."""

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]


def held(text: str, *, limit: int = LONGEST) -> str:
    """Text of several lines that is safe to hold and to paint: no blank lines at its ends, no control or
    invisible characters, tabs as blanks, everything bounded."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text.strip()
    lines = text[: 4 * limit].replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n", MOST_LINES)
    more = len(lines) > MOST_LINES
    kept, room = [], limit
    for line in lines[:MOST_LINES]:
        if room <= 0:
            more = True
            break
        whole = line if line.isascii() and line.isprintable() else line.replace("\t", _TAB)
        kept.append(harmless(whole, limit=room).rstrip())
        room -= len(kept[-1]) + 1
    while kept and not kept[-1]:
        kept.pop()
    while kept and not kept[0]:
        kept.pop(0)
    return "\n".join([*kept, "…"] if more else kept)


def wrapped(text: str, width: int) -> Iterator[tuple[int, int]]:
    """The lines of a held text in at most `width` cells each, as ranges of its characters."""
    start = 0
    while True:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if end - start <= width and (text.isascii() or text[start:end].isascii()):
            yield start, end
        elif text.isascii() or (line := text[start:end]).isascii():
            yield from _wrap_ascii(text, start, end, width)
        else:
            for first, last in prose.wrap(line, width):
                yield start + first, start + last
        if end == len(text):
            return
        start = end + 1


def _wrap_ascii(text: str, start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    while end - start > width:
        blank = text.rfind(" ", start, start + width + 1)
        # A break that leaves most of the line empty is worse than one within a word.
        if blank > start + width // 3:
            yield start, blank
            start = blank + 1
        else:
            yield start, start + width
            start += width
    yield start, end
