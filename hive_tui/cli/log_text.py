"""A run's event log as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from hive_tui.core import text
from hive_tui.core.columns import Line, Span
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
    one_line,
)
from hive_tui.core.glyphs import Tone

_KINDS: dict[type[AnyEvent], tuple[str, Tone]] = {
    Session: ("session", Tone.QUIET),
    Said: ("said", Tone.PLAIN),
    Thinking: ("thinking", Tone.QUIET),
    ToolCall: ("tool", Tone.PLAIN),
    ToolResult: ("result", Tone.QUIET),
    Question: ("question", Tone.SOON),
    UsageReport: ("usage", Tone.QUIET),
    Limit: ("limit", Tone.SOON),
    AgentError: ("error", Tone.BROKEN),
    End: ("end", Tone.PLAIN),
    Note: ("hive", Tone.TITLE),
    Raw: ("raw", Tone.QUIET),
}

_INDENT = "  "


def log_lines(line: LogLine) -> Iterator[Line]:
    """One event as one line, and further lines for text that has several."""
    event = line.event
    kind, tone = _KINDS[type(event)]
    if isinstance(event, ToolResult) and event.failed:
        tone = Tone.BROKEN
    nested = _INDENT if event.agent is not None else ""
    first, *rest = _body(event)
    head = f"{_time(line.at)}  {nested}{kind:<8}  "
    yield (Span(head, Tone.QUIET), Span(first, tone))
    for more in rest:
        yield (Span(" " * len(head)), Span(more, tone))


def _body(event: AnyEvent) -> list[str]:
    match event:
        case Said() | Thinking() | Question() | Note():
            lines = text.clean(event.text).strip().splitlines()
        case UsageReport():
            tokens = event.usage.tokens
            said = [f"{text.count(tokens.input)} in", f"{text.count(tokens.output)} out"]
            if event.usage.cost_micros is not None:
                said.insert(0, text.money(event.usage.cost_micros, estimated=event.usage.estimated))
            lines = [", ".join(said) + " so far"]
        case _:
            lines = [text.clean_line(one_line(event))]
    return [line.replace("\t", "    ") for line in lines] or [""]


def _time(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")
