"""How an agent's events read: time, kind, what was said or done, and its figures.

Made in the thread that reads the log: what is told of an event may rest on those before it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import msgspec

from hive_tui.core import text
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    End,
    Limit,
    LogLine,
    Note,
    Prompt,
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
from hive_tui.core.model import Tokens, Usage
from widgets.cells import Cell
from widgets.log_entry import Entry, held

REMEMBERED = 512
"""Tool calls that wait for their results."""

_NAME = 40
"""Characters of a sub-agent's or a tool's name."""

_KINDS: dict[type[AnyEvent], Cell] = {
    Session: Cell("○ session", Tone.QUIET),
    Said: Cell("● said", Tone.TITLE),
    Thinking: Cell("· thinking", Tone.QUIET),
    ToolCall: Cell("▸ tool"),
    ToolResult: Cell("└ result", Tone.QUIET),
    Question: Cell("? asks", Tone.SOON),
    UsageReport: Cell("$ cost", Tone.QUIET),
    Limit: Cell("◷ limit", Tone.SOON),
    AgentError: Cell("✗ error", Tone.BROKEN),
    End: Cell("■ end", Tone.GOOD),
    Note: Cell("◆ hive", Tone.TITLE),
    Prompt: Cell("▷ you", Tone.GOOD),
    Raw: Cell("… raw", Tone.QUIET),
}


class _Told(NamedTuple):
    """What is told of one event."""

    text: str
    tone: Tone = Tone.PLAIN
    lead: str = ""
    """What tells most, before the text."""
    figures: str = ""
    kind_tone: Tone | None = None
    folded: bool = False


class Teller:
    """Tells the events of one run, in their order."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, ToolCall] = OrderedDict()
        self._last: AnyEvent | None = None
        self._used: dict[str | None, Usage] = {}

    def tell(self, line: LogLine) -> Entry:
        """A line of the log as it is shown."""
        event = line.event
        told = self._told(event)
        self._last = event
        lead = f"{held(event.agent, limit=_NAME)}: {told.lead}".rstrip() if event.agent else told.lead
        words = f"{lead}{'  ' if lead and told.text else ''}{told.text}"
        kind = _KINDS[type(event)]
        return Entry(
            line.n,
            line.at,
            kind if told.kind_tone is None else kind._replace(tone=told.kind_tone),
            held(words),
            told.tone,
            len(lead),
            told.figures,
            1 if event.agent else 0,
            told.folded,
            line,
        )

    def _told(self, event: AnyEvent) -> _Told:
        match event:
            case Said():
                return _Told(event.text.strip())
            case Thinking():
                return _Told(event.text.strip(), Tone.QUIET)
            case ToolCall():
                return self._call(event)
            case ToolResult():
                return self._result(event)
            case UsageReport():
                return self._usage(event)
            case Question():
                return _Told(event.text.strip(), Tone.SOON)
            case Limit():
                until = f"until {text.clock(event.until)}" if event.until is not None else ""
                return _Told(event.text.strip(), Tone.SOON, figures=until)
            case AgentError():
                tone = Tone.SOON if event.retrying else Tone.BROKEN
                figures = "retrying" if event.retrying else ""
                return _Told(event.text.strip(), tone, figures=figures, kind_tone=tone)
            case End():
                tone = Tone.GOOD if event.ok else Tone.SOON
                return _Told(event.text.strip() or ("done" if event.ok else "ended"), kind_tone=tone)
            case Session():
                model = f" on {event.model}" if event.model else ""
                return _Told(f"session {event.id[:8]}{model}", Tone.QUIET)
            case Note() | Prompt():
                return _Told(event.text.strip())
            case Raw():
                return _Told(event.text.strip(), Tone.QUIET, folded=True)

    def _call(self, event: ToolCall) -> _Told:
        if event.id is not None:
            self._calls[event.id] = event
            if len(self._calls) > REMEMBERED:
                self._calls.popitem(last=False)
        edit = " ".join(
            f"{sign}{n}" for sign, n in (("+", event.added), ("−", event.removed)) if n is not None
        )
        return _Told(event.argument.strip(), lead=held(event.name, limit=_NAME), figures=edit)

    def _result(self, event: ToolResult) -> _Told:
        """A result stands below its call; where something else came in between, it names that."""
        tone = Tone.BROKEN if event.failed else Tone.QUIET
        lead = "✗" if event.failed else "✓"
        if event.exit_code:
            lead += f" exit {event.exit_code}"
        call = self._calls.pop(event.id, None) if event.id is not None else None
        if call is not None and self._last is not call:
            lead += f" {held(call.name, limit=_NAME)} {text.truncate(held(call.argument, limit=120), 40)}"
        took = f"{event.seconds:.1f} s" if event.seconds is not None else ""
        size = f"{text.count(event.size)}B" if event.size else ""
        return _Told(
            _telling(event),
            tone,
            lead=lead.rstrip(),
            figures="  ".join(filter(None, (took, size))),
            kind_tone=tone,
            folded=True,
        )

    def _usage(self, event: UsageReport) -> _Told:
        """What was added since the last report; the sum so far stands at the right."""
        usage, before = event.usage, self._used.get(event.agent, Usage())
        self._used[event.agent] = usage
        if _lower(usage, before):
            before = Usage()  # another process counts from nothing
        words = ", ".join(
            f"{text.count(now - past)} {name}"
            for name, now, past in (
                ("in", _read(usage.tokens), _read(before.tokens) or 0),
                ("out", usage.tokens.output, before.tokens.output or 0),
            )
            if now is not None and now > past
        )
        lead = ""
        if usage.cost_micros is not None:
            added = usage.cost_micros - (before.cost_micros or 0)
            lead = f"+ {text.money(added, estimated=usage.estimated)}" if added else ""
        total = (
            text.money(usage.cost_micros, estimated=usage.estimated)
            if usage.cost_micros is not None
            else f"{text.count(usage.tokens.total)} tokens"
        )
        return _Told(words or ("" if lead else "nothing more"), Tone.QUIET, lead=lead, figures=total)


def _telling(event: ToolResult) -> str:
    """A result's text, headed by the line that tells most: of a command that failed the last one, where
    it says why; else the first one that is more than a rule."""
    whole = event.text.strip()
    lines = whole.splitlines()
    if event.failed and event.exit_code is not None:
        lines.reverse()
    line = next((line for line in lines if any(map(str.isalnum, line))), "")
    return whole if not line or whole.startswith(line) else f"{line.strip()}\n{whole}"


def recorded(entry: Entry) -> str:
    """What was recorded of an entry, as JSON on several lines."""
    return msgspec.json.format(msgspec.json.encode(entry.source), indent=2).decode()


def plain(entry: Entry) -> str:
    """An entry as lines of plain text, for a file or the clipboard."""
    at = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    first, *rest = entry.text.split("\n")
    indent = "  " * entry.depth
    figures = f"  [{entry.figures}]" if entry.figures else ""
    word = entry.kind.text.split(" ", 1)[-1]
    head = f"{at}  {word:<8}  "
    lines = [f"{head}{indent}{first}{figures}", *(f"{' ' * len(head)}{indent}{line}" for line in rest)]
    return "\n".join(lines)


def _read(tokens: Tokens) -> int | None:
    known = [n for n in (tokens.input, tokens.cache_read, tokens.cache_write) if n is not None]
    return sum(known) if known else None


def _lower(usage: Usage, before: Usage) -> bool:
    now, past = usage.tokens.total, before.tokens.total
    if now is not None and past is not None and now < past:
        return True
    cost, last = usage.cost_micros, before.cost_micros
    return cost is not None and last is not None and cost < last
