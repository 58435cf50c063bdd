"""What an agent says and does, in one typed vocabulary that every agent backend translates into.

A run's event log is a file of these as JSON lines, numbered without gaps by the runner.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from hive_tui.core.model import Usage


class AgentEvent(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=True, kw_only=True, gc=False):
    """Base of all events. `agent` names a sub-agent, None is the main one."""

    agent: str | None = None


class Session(AgentEvent, frozen=True, tag="session", kw_only=True):
    """The agent began, or resumed, a session that can be continued by this id."""

    id: str
    model: str | None = None


class Said(AgentEvent, frozen=True, tag="said", kw_only=True):
    text: str


class Thinking(AgentEvent, frozen=True, tag="thinking", kw_only=True):
    text: str


class ToolCall(AgentEvent, frozen=True, tag="tool", kw_only=True):
    """A tool was called; `argument` is the one that tells most (a path, a command), on one line."""

    name: str
    argument: str = ""
    id: str | None = None
    added: int | None = None
    """Lines added and removed, where the tool edits a file and says so."""
    removed: int | None = None


class ToolResult(AgentEvent, frozen=True, tag="result", kw_only=True):
    text: str = ""
    failed: bool = False
    exit_code: int | None = None
    id: str | None = None
    size: int = 0
    """Characters of the whole result, before it was cut."""
    seconds: float | None = None


class Question(AgentEvent, frozen=True, tag="question", kw_only=True):
    """The agent asks a person and waits, or was denied something that only a person can grant."""

    text: str


class UsageReport(AgentEvent, frozen=True, tag="usage", kw_only=True):
    """Usage of the agent's process so far: cumulative, so that the last one is the total."""

    usage: Usage
    model: str | None = None


class Limit(AgentEvent, frozen=True, tag="limit", kw_only=True):
    """The account's quota or credit is used up; `until` is when it comes back, if that was said."""

    text: str
    until: datetime | None = None
    billing: bool = False
    """Credit is gone: waiting does not help."""


class AgentError(AgentEvent, frozen=True, tag="error", kw_only=True):
    """Something failed; `retrying` means the agent goes on by itself."""

    text: str
    retrying: bool = False


class End(AgentEvent, frozen=True, tag="end", kw_only=True):
    """The agent's own last word on a turn; not yet the end of its process."""

    ok: bool
    text: str = ""


class Note(AgentEvent, frozen=True, tag="note", kw_only=True):
    """Said by hive's runner, not by the agent: a step, a check, a push."""

    text: str


class Prompt(AgentEvent, frozen=True, tag="prompt", kw_only=True):
    """What a person asked or told the agent, as its transcript has it."""

    text: str


class Raw(AgentEvent, frozen=True, tag="raw", kw_only=True):
    """A line that hive does not know; kept, shown on demand, never fatal."""

    text: str


AnyEvent = (
    Session
    | Said
    | Thinking
    | ToolCall
    | ToolResult
    | Question
    | UsageReport
    | Limit
    | AgentError
    | End
    | Note
    | Prompt
    | Raw
)


class LogLine(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of a run's event log: `n` counts from 1 without gaps, `hive` is the format's version."""

    n: int
    at: datetime
    event: AnyEvent
    hive: str = "v1"


class Outcome(enum.Enum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LIMITED = "limited"
    """Stopped by quota or credit: not the issue's fault, and to be continued."""
    UNKNOWN = "unknown"
    """No evidence either way: a cut stream, a missing final record."""


class AgentResult(msgspec.Struct, frozen=True):
    """How an agent's process ended, by evidence."""

    outcome: Outcome
    why: str
    """The evidence in words: `completed`, `max_turns`, `exit 143 without a result`."""
    usage: Usage = Usage()
    session: str | None = None
    model: str | None = None
    until: datetime | None = None
    """When the agent is worth another try: for LIMITED when the quota comes back, as was said or after a
    pause, for an outage after a pause. None where only a person can help."""
    billing: bool = False
    unavailable: bool = False
    """The agent itself cannot work (not installed, not logged in): no fault of this issue."""
    text: str = ""
    """The agent's last words."""
    models: dict[str, Usage] = {}
    """`usage` by model; empty where the agent does not say."""


def one_line(event: AnyEvent) -> str:
    """An event as the readable line that panes show as `last event`."""
    match event:
        case Session():
            return f"session {event.id[:8]}" + (f" on {event.model}" if event.model else "")
        case ToolCall():
            edit = "".join(
                f" {sign}{n}" for sign, n in (("+", event.added), ("−", event.removed)) if n is not None
            )
            return f"{event.name} {event.argument}{edit}".strip()
        case ToolResult():
            code = f" exit {event.exit_code}" if event.exit_code is not None else ""
            return f"{'✗' if event.failed else '✓'}{code} {event.text.partition(chr(10))[0]}".rstrip()
        case Question():
            return f"asks: {event.text}"
        case UsageReport():
            return f"{event.usage.tokens.total or 0} tokens"
        case Limit():
            return f"limit: {event.text}"
        case AgentError():
            return f"{'retrying: ' if event.retrying else 'error: '}{event.text}"
        case End():
            return f"{'done' if event.ok else 'ended'}: {event.text}" if event.text else "done"
        case Said() | Thinking() | Note() | Prompt() | Raw():
            return event.text.strip().partition("\n")[0]
