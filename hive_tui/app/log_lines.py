"""How an agent's events read in the log pane: time, kind, what was said or done, and its figures."""

from __future__ import annotations

from hive_tui.core import text
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    End,
    Limit,
    LogLine,
    Note,
    Question,
    Raw,
    Said,
    Session,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell, Column, Line

COLUMNS = (
    Column("time", 8, rank=1),
    Column("kind", 10),
    Column("text", 44, flexible=True),
    Column("figures", 14, right=True, rank=2),
)

_LONGEST = 2_000
"""Characters of a text that a line of any terminal could show."""


def log_line(line: LogLine) -> Line:
    """One event as the cells of `COLUMNS`."""
    kind, words, figures = _parts(line.event)
    if line.event.agent:
        words = words._replace(text=f"↳ {line.event.agent}: {words.text}")
    at = line.at.astimezone().strftime("%H:%M:%S")
    return (Cell(at, Tone.QUIET), kind, words, Cell(figures, Tone.QUIET))


def _parts(event: AnyEvent) -> tuple[Cell, Cell, str]:
    match event:
        case Said():
            return _kind("●", "said", Tone.TITLE), Cell(_flat(event.text)), ""
        case Thinking():
            return _kind("·", "thinking", Tone.QUIET), Cell(_flat(event.text), Tone.QUIET), ""
        case ToolCall():
            edit = " ".join(
                f"{sign}{n}" for sign, n in (("+", event.added), ("−", event.removed)) if n is not None
            )
            return _kind("▸", "tool", Tone.PLAIN), Cell(_flat(f"{event.name} {event.argument}")), edit
        case ToolResult():
            return _result(event)
        case Question():
            return _kind("?", "asks", Tone.SOON), Cell(_flat(event.text), Tone.SOON), ""
        case UsageReport():
            usage = event.usage
            total = text.count(usage.tokens.total)
            cost = text.money(usage.cost_micros, estimated=usage.estimated)
            return _kind("$", "usage", Tone.QUIET), Cell(f"{total} tokens so far", Tone.QUIET), cost
        case Limit():
            until = f"until {text.clock(event.until)}" if event.until is not None else ""
            return _kind("◷", "limit", Tone.SOON), Cell(_flat(event.text), Tone.SOON), until
        case AgentError():
            tone = Tone.SOON if event.retrying else Tone.BROKEN
            return _kind("✗", "error", tone), Cell(_flat(event.text), tone), _retrying(event)
        case End():
            words = _flat(event.text) or "done"
            return _kind("■", "end", Tone.GOOD if event.ok else Tone.SOON), Cell(words), ""
        case Session():
            words = f"session {event.id[:8]}" + (f" on {event.model}" if event.model else "")
            return _kind("○", "session", Tone.QUIET), Cell(words, Tone.QUIET), ""
        case Note():
            return _kind("◆", "hive", Tone.PLAIN), Cell(_flat(event.text), Tone.TITLE), ""
        case Raw():
            return _kind("…", "raw", Tone.QUIET), Cell(_flat(event.text), Tone.QUIET), ""


def _result(event: ToolResult) -> tuple[Cell, Cell, str]:
    tone = Tone.BROKEN if event.failed else Tone.QUIET
    code = f"exit {event.exit_code}  " if event.exit_code is not None else ""
    words = f"{'✗' if event.failed else '✓'} {code}{_flat(event.text)}"
    took = f"{event.seconds:.1f} s" if event.seconds is not None else ""
    size = f"{text.count(event.size)}B" if event.size else ""
    return _kind(" ", "result", tone), Cell(words, tone), "  ".join(filter(None, (took, size)))


def _retrying(event: AgentError) -> str:
    return "retrying" if event.retrying else ""


def _kind(glyph: str, word: str, tone: Tone) -> Cell:
    return Cell(f"{glyph} {word}", tone)


def _flat(words: str) -> str:
    """The text on one line; its line breaks become blanks."""
    return " ".join(words[:_LONGEST].split())
