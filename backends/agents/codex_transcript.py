"""Codex's rollouts (`~/.codex/sessions`), turned into events to be read.

Newer ones number their lines and record each finished item whole; what went to the model and came back
stands there besides, in its own terms, and is left out. Older ones have only that for tool calls.
Formats seen with 0.169.0; older ones as its source still reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import field

from backends.agents import said
from backends.agents.claude_blocks import moment
from backends.agents.codex_stream import command
from backends.agents.limits import Cause, cause
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    Limit,
    Note,
    Prompt,
    Said,
    Thinking,
    ToolCall,
    ToolResult,
)
from hive_tui.core.lenient import Count, decode
from hive_tui.core.ports import Recorded


class _Part(msgspec.Struct, gc=False):
    text: str | None = None


class _Duration(msgspec.Struct, gc=False):
    secs: Count = 0
    nanos: Count = 0


class _Item(msgspec.Struct):
    """What was said or done; one flat struct for all kinds, which differ in spelling by release."""

    type: str = ""
    id: str | None = None
    content: list[_Part] | None = None
    text: str | None = None
    summary: list[str] | None = field(default=None, name="summary_text")
    command: list[str] | str | None = None
    output: str | None = field(default=None, name="aggregated_output")
    exit_code: int | None = None
    status: str | None = None
    duration: _Duration | None = None
    changes: dict[str, Any] | None = None
    stderr: str | None = None
    server: str | None = None
    tool: str | None = None
    arguments: Any = None
    query: str | None = None
    error: Any = None


class _Payload(msgspec.Struct):
    type: str | None = None
    item: _Item | None = None
    message: str | None = None
    text: str | None = None
    cwd: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    call_id: str | None = None
    output: str | list[_Part] | None = None


class _Line(msgspec.Struct):
    type: str = ""
    timestamp: str | None = None
    ordinal: int | None = None
    payload: _Payload | None = None


_DECODER = msgspec.json.Decoder(_Line)


class CodexTranscript:
    """A `TranscriptParser`."""

    def __init__(self) -> None:
        self._workdir: str | None = None

    def line(self, data: bytes) -> list[Recorded]:
        line = decode(data, _DECODER) if data.lstrip()[:1] == b"{" else None
        if line is None or line.payload is None:
            return []
        at = moment(line.timestamp)
        return [Recorded(at, event) for event in self._events(line, line.payload)]

    def _events(self, line: _Line, payload: _Payload) -> Iterator[AnyEvent]:
        match line.type:
            case "turn_context" | "session_meta":
                self._workdir = payload.cwd or self._workdir
            case "compacted":
                yield Note(text="context compacted")
            case "event_msg" if payload.type == "item_completed":
                if payload.item is not None:
                    yield from self._item(payload.item)
            case "event_msg":
                yield from _message(payload)
            case "response_item" if line.ordinal is None:
                yield from self._asked(payload)

    def _item(self, item: _Item) -> Iterator[AnyEvent]:
        words = item.text or "\n".join(part.text or "" for part in item.content or ())
        match item.type:
            case "UserMessage":
                yield from _told(Prompt, words)
            case "AgentMessage":
                yield from _told(Said, words)
            case "Reasoning":
                yield from _told(Thinking, "\n".join(item.summary or ()) or words)
            case "Plan":
                yield from _told(Note, words)
            case "CommandExecution" | "FileChange" | "McpToolCall" | "WebSearch" | "ImageView":
                yield from self._tool(item)

    def _tool(self, item: _Item) -> Iterator[AnyEvent]:
        name, argument = self._call(item)
        id_ = said.name(item.id) if item.id is not None else None
        yield ToolCall(name=name, argument=said.line(argument), id=id_)
        failed = item.status in ("failed", "declined") or item.exit_code not in (None, 0)
        output = item.output or item.stderr or (item.error if isinstance(item.error, str) else "")
        code = item.exit_code
        yield ToolResult(
            text=said.text(output, said.RESULT),
            failed=failed,
            exit_code=code if code is None or -1000 < code < 1000 else None,
            id=id_,
            size=len(output),
            seconds=item.duration.secs + item.duration.nanos / 1e9 if item.duration is not None else None,
        )

    def _call(self, item: _Item) -> tuple[str, str]:
        match item.type:
            case "CommandExecution":
                words = item.command or ""
                return "shell", command(words if isinstance(words, str) else words[-1] if words else "")
            case "FileChange":
                paths = [said.relative(path, self._workdir) for path in item.changes or {}]
                return "edit", ", ".join(paths[:20])
            case "WebSearch":
                return "web search", item.query or ""
        arguments = item.arguments
        argument = said.argument(arguments, self._workdir) if isinstance(arguments, dict) else ""
        return said.line(".".join(filter(None, (item.server, item.tool))) or item.type, 60), argument

    def _asked(self, payload: _Payload) -> Iterator[AnyEvent]:
        """A tool call as the model made it, of a rollout that has no items."""
        id_ = said.name(payload.call_id) if payload.call_id is not None else None
        match payload.type:
            case "function_call" | "custom_tool_call" | "local_shell_call":
                yield ToolCall(
                    name=said.name(payload.name or "tool"),
                    argument=_argument(payload.arguments or payload.input or "", self._workdir),
                    id=id_,
                )
            case "function_call_output" | "custom_tool_call_output":
                output = payload.output or ""
                if not isinstance(output, str):
                    output = "\n".join(part.text or "" for part in output)
                yield ToolResult(text=said.text(output, said.RESULT), id=id_, size=len(output))


def _message(payload: _Payload) -> Iterator[AnyEvent]:
    words = payload.message or payload.text or ""
    match payload.type:
        case "user_message":
            yield from _told(Prompt, words)
        case "agent_message":
            yield from _told(Said, words)
        case "agent_reasoning":
            yield from _told(Thinking, words)
        case "context_compacted":
            yield Note(text="context compacted")
        case "turn_aborted":
            yield AgentError(text="interrupted")
        case "error" | "stream_error":
            text = said.text(words, said.RESULT)
            why = cause(text)
            if why in (Cause.LIMIT, Cause.BILLING):
                yield Limit(text=text, billing=why is Cause.BILLING)
            elif text:
                yield AgentError(text=text, retrying=payload.type == "stream_error")


def _told(kind: type[Prompt] | type[Said] | type[Thinking] | type[Note], words: str) -> Iterator[AnyEvent]:
    if text := said.text(words):
        yield kind(text=text)


def _argument(words: str, workdir: str | None) -> str:
    """Of a call's arguments as JSON the one that tells most, else the words themselves."""
    try:
        values = msgspec.json.decode(words)
    except (ValueError, RecursionError):
        return said.line(words[: 4 * said.ARGUMENT])
    if not isinstance(values, dict):
        return said.line(words[: 4 * said.ARGUMENT])
    run = values.get("command")
    if isinstance(run, list) and run:
        return said.line(command(str(run[-1])))
    return said.argument(values, workdir)
