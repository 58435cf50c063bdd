"""How lines of spans get onto a terminal or into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from hive_tui.core.columns import Line, Span, plain
from hive_tui.core.glyphs import Tone
from hive_tui.core.report import DEFAULT_WIDTH
from hive_tui.core.text import linkable

_STYLES: dict[Tone, dict[str, Any]] = {
    Tone.PLAIN: {},
    Tone.QUIET: {"dim": True},
    Tone.GOOD: {"fg": "green"},
    Tone.SOON: {"fg": "yellow"},
    Tone.BROKEN: {"fg": "red"},
    Tone.TITLE: {"bold": True},
}


def width() -> int:
    """Cells of the terminal that standard output is, else the report's default."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError, AttributeError):
        return DEFAULT_WIDTH


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """Lines as one text, with SGR sequences and links only if `color`."""
    if not color:
        return "\n".join(map(plain, lines))
    return "\n".join("".join(map(_painted, line)) for line in lines)


def _painted(span: Span) -> str:
    text, words = span.text, span.text.strip()
    if span.link is not None and words and linkable(span.link):
        # OSC 8; the blanks of its column are no part of the link.
        text = text.replace(words, f"\x1b]8;;{span.link}\x1b\\{words}\x1b]8;;\x1b\\", 1)
    style = _STYLES[span.tone]
    return click.style(text, **style) if style else text
