"""The tab Transcript: the conversation as text to read, made from a run's event log."""

from __future__ import annotations

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
from widgets.cells import Cell
from widgets.prose import Block, Passage

KEPT_LINES = 20
"""Lines of a long text that stay while it is folded."""

KEPT_RESULT = 8
"""The same for what a tool gave back, which is seldom read."""

MOST_LINES = 5_000
"""Lines of one event; a log has them, but nobody reads them here."""

_INDENT = 2

_TIME = " " * 10
"""Where the words begin, after the time of day."""


def block_of(line: LogLine) -> Block | None:
    """What is to be read of a line, keyed by its number; usage reports are left to the tab Cost."""
    event = line.event
    if isinstance(event, UsageReport):
        return None
    head, body, tone, keep = _parts(event)
    margin = _TIME + " " * (2 * _INDENT if event.agent is not None else 0)
    at = line.at.astimezone().strftime("%H:%M:%S")
    who = f"{event.agent}: " if event.agent is not None else ""
    apart = () if isinstance(event, ToolCall | ToolResult | Note | Session) else (Passage(()),)
    inset = margin + " " * _INDENT
    first = Passage((Cell(f"{at:<{len(margin)}}{who}", Tone.QUIET), *head), len(inset))
    written = text.clean(body).strip("\n").split("\n") if body.strip() else []
    lost = len(written) - MOST_LINES
    if lost > 0:
        written = [*written[:MOST_LINES], f"… {text.plural(lost, 'line')} more in the log"]
    shown = (*apart, first, *(Passage((Cell(inset), Cell(words, tone)), len(inset)) for words in written))
    turn = isinstance(event, Said | Question | Note | Prompt | End)
    return Block(shown, keep=None if keep is None else keep + len(apart) + 1, key=line.n, part=turn)


def _parts(event: AnyEvent) -> tuple[tuple[Cell, ...], str, Tone, int | None]:
    """The line above, the text, how it is toned, and how much of it stays when it is folded."""
    match event:
        case Said():
            return (Cell("● says", Tone.TITLE),), event.text, Tone.PLAIN, KEPT_LINES
        case Thinking():
            return (Cell("· thinks", Tone.QUIET),), event.text, Tone.QUIET, KEPT_LINES
        case Question():
            return (Cell("? asks", Tone.SOON),), event.text, Tone.SOON, None
        case ToolCall():
            return _call(event)
        case ToolResult():
            return _result(event)
        case AgentError():
            tone = Tone.SOON if event.retrying else Tone.BROKEN
            return (
                (Cell("✗ fails, tries again" if event.retrying else "✗ fails", tone),),
                event.text,
                tone,
                None,
            )
        case Limit():
            until = f" until {text.clock(event.until)}" if event.until is not None else ""
            return (Cell(f"◷ limit{until}", Tone.SOON),), event.text, Tone.SOON, None
        case End():
            mark = Cell(
                "■ ends" if event.ok else "■ ends without success", Tone.GOOD if event.ok else Tone.SOON
            )
            return (mark,), event.text, Tone.PLAIN, KEPT_LINES
        case Session():
            model = f" on {event.model}" if event.model else ""
            return (Cell(f"○ session {event.id}{model}", Tone.QUIET),), "", Tone.QUIET, None
        case Note():
            return (
                (Cell("◆ hive ", Tone.QUIET), Cell(text.clean_line(event.text), Tone.TITLE)),
                "",
                Tone.PLAIN,
                None,
            )
        case Prompt():
            return (Cell("▷ you", Tone.GOOD),), event.text, Tone.PLAIN, None
        case Raw():
            return (Cell("… raw", Tone.QUIET),), event.text, Tone.QUIET, KEPT_RESULT
        case UsageReport():
            return (), "", Tone.QUIET, None


def _call(event: ToolCall) -> tuple[tuple[Cell, ...], str, Tone, int | None]:
    """A short argument stands beside the tool's name, a long one below it."""
    edit = " ".join(f"{sign}{n}" for sign, n in (("+", event.added), ("−", event.removed)) if n is not None)
    argument = event.argument.strip()
    beside = argument if "\n" not in argument and len(argument) <= 100 else ""
    head = (
        Cell("▸ "),
        Cell(f"{event.name} ", Tone.TITLE),
        Cell(beside),
        Cell(f"  {edit}" if edit else "", Tone.QUIET),
    )
    return head, "" if beside else argument, Tone.PLAIN, KEPT_LINES


def _result(event: ToolResult) -> tuple[tuple[Cell, ...], str, Tone, int | None]:
    tone = Tone.BROKEN if event.failed else Tone.QUIET
    facts = ["✗ failed" if event.failed else "✓"]
    if event.exit_code is not None:
        facts.append(f"exit {event.exit_code}")
    if event.seconds is not None:
        facts.append(f"{event.seconds:.1f} s")
    if event.size > len(event.text):
        facts.append(f"{text.count(len(event.text))} of {text.count(event.size)} characters kept")
    return (Cell("└ " + "  ".join(facts), tone),), event.text, Tone.QUIET, KEPT_RESULT
