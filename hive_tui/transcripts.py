"""Agents' own transcripts, read by the backends that know them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from hive_tui import plugins
from hive_tui.core.ports import TranscriptParser

AGENTS = ("claude", "codex")
"""Whose transcripts hive looks for on this machine."""


def parsers() -> Mapping[str, Callable[[], TranscriptParser]]:
    """What makes the parser of each agent's transcripts; the backends are loaded when they are used."""
    return {name: partial(_made, name) for name in AGENTS}


def _made(name: str) -> TranscriptParser:
    parser = plugins.transcript(name)
    assert parser is not None, "those agents have transcripts"
    return parser
