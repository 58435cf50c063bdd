"""How lines of spans get onto a terminal or into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from hive_tui.core.columns import Line, plain
from hive_tui.core.glyphs import Tone
from hive_tui.core.report import DEFAULT_WIDTH

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
    """Lines as one text, with SGR sequences only if `color`."""
    if not color:
        return "\n".join(map(plain, lines))
    return "\n".join(
        "".join(
            click.style(span.text, **style) if (style := _STYLES[span.tone]) else span.text for span in line
        )
        for line in lines
    )
