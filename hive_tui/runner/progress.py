"""Whether an agent gets on, judged by its events alone: pure, the caller passes the time.

Progress is a new tool call, new tokens, new words or a changed tree. The same command failing again
and again is none, and a tool that is still at work may take longer than silence may.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    End,
    Limit,
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

REPEATS = 3
"""The same call that failed this often in a row is no progress any more."""

TOOL_PATIENCE = 3
"""A running tool may be silent this many times longer than an agent."""


class Progress(msgspec.Struct, frozen=True):
    """What is known of an agent's pace; replaced with every event."""

    at: datetime
    """The last sign of progress."""
    tools: tuple[str, ...] = ()
    """Calls without a result yet."""
    call: tuple[str, str] = ("", "")
    failures: int = 0
    """How often in a row `call` failed."""
    tokens: int = 0
    asking: str | None = None
    """What the agent waits for a person to answer."""


def observe(progress: Progress, event: AnyEvent, now: datetime) -> Progress:
    """Progress after one more event."""
    change = msgspec.structs.replace
    match event:
        case ToolCall():
            call = (event.name, event.argument)
            same = call == progress.call
            failures = progress.failures if same else 0
            at = progress.at if failures >= REPEATS else now
            tools = progress.tools if event.id is None else (*progress.tools[-31:], event.id)
            return change(progress, at=at, call=call, failures=failures, tools=tools, asking=None)
        case ToolResult():
            tools = tuple(tool for tool in progress.tools if tool != event.id)
            failures = progress.failures + 1 if event.failed else 0
            at = progress.at if failures >= REPEATS else now
            return change(progress, at=at, failures=failures, tools=tools, asking=None)
        case UsageReport():
            tokens = event.usage.tokens.total or 0
            grown = tokens > progress.tokens and progress.failures < REPEATS
            return change(progress, at=now if grown else progress.at, tokens=max(tokens, progress.tokens))
        case Said() | Thinking():
            at = progress.at if progress.failures >= REPEATS else now
            return change(progress, at=at)
        case Session() | End():
            return change(progress, at=now)
        case Question():
            return change(progress, at=now, asking=event.text)
        case AgentError() | Limit() | Note() | Prompt() | Raw():
            return progress


def changed_tree(progress: Progress, now: datetime) -> Progress:
    """Progress after the work tree was seen to differ from before."""
    return msgspec.structs.replace(progress, at=now)


def answered(progress: Progress, now: datetime) -> Progress:
    """Progress after somebody told the agent something."""
    return msgspec.structs.replace(progress, at=now, asking=None, failures=0)


def stalled(progress: Progress, now: datetime, after: timedelta) -> str | None:
    """Why the agent counts as stalled, or None. `after`: how long silence is tolerated."""
    silent = now - progress.at
    if progress.failures >= REPEATS:
        name, argument = progress.call
        return f"{name} {argument}".strip() + " fails again and again" if silent > after else None
    if progress.tools:
        return "a tool does not come back" if silent > after * TOOL_PATIENCE else None
    return "no progress" if silent > after else None
