"""Claude Code's transcripts (`~/.claude/projects`), turned into events to be read.

They have the stream's messages under other names, and beside them lines that the CLI keeps for itself:
snapshots, modes, shapes of requests. What is not known is left out, as it was never meant to be read.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import field

from backends.agents import said
from backends.agents.claude_blocks import Blocks, flat, moment
from backends.agents.claude_outcome import Trouble
from backends.agents.claude_wire import Block, Message
from backends.agents.limits import cause, reset_time
from hive_tui.core.events import AgentError, AnyEvent, Note, Prompt, Raw
from hive_tui.core.lenient import Count, decode
from hive_tui.core.ports import Recorded
from hive_tui.core.text import count

_SYNTHETIC = "<synthetic>"


class _Origin(msgspec.Struct, gc=False):
    kind: str | None = None


class _Fault(msgspec.Struct, gc=False):
    formatted: str | None = None
    message: str | None = None


class _Compaction(msgspec.Struct, gc=False):
    before: Count | None = field(default=None, name="preTokens")
    after: Count | None = field(default=None, name="postTokens")


class _Line(msgspec.Struct, rename="camel"):
    type: str = ""
    subtype: str | None = None
    timestamp: str | None = None
    cwd: str | None = None
    message: Message | None = None
    content: str | None = None
    is_meta: bool | None = None
    is_compact_summary: bool | None = None
    origin: _Origin | None = None
    error: _Fault | str | None = None
    is_api_error: bool | None = field(default=None, name="isApiErrorMessage")
    api_error_status: Count | None = None
    aborted: bool | None = field(default=None, name="isAbortedMidStream")
    compact_metadata: _Compaction | None = None


_DECODER = msgspec.json.Decoder(_Line)


class ClaudeTranscript:
    """A `TranscriptParser`. What a tool gave back names its call only if that was read before."""

    def __init__(self) -> None:
        self._blocks = Blocks()

    def line(self, data: bytes) -> list[Recorded]:
        line = decode(data, _DECODER) if data.lstrip()[:1] == b"{" else None
        if line is None:
            return []
        self._blocks.workdir = line.cwd or self._blocks.workdir
        at = moment(line.timestamp)
        return [Recorded(at, event) for event in self._events(line)]

    def _events(self, line: _Line) -> Iterator[AnyEvent]:
        match line.type:
            case "assistant" if line.message is not None:
                yield from self._assistant(line, line.message)
            case "user" if line.message is not None:
                yield from self._user(line, line.message)
            case "system":
                yield from _system(line)

    def _assistant(self, line: _Line, message: Message) -> Iterator[AnyEvent]:
        if line.is_api_error:
            text = said.text(flat(message.content), said.RESULT)
            kind = line.error if isinstance(line.error, str) else None
            why = cause(text, kind=kind, status=line.api_error_status)
            yield Trouble(why, text, reset_time(text, moment(line.timestamp))).event()
            return
        if message.model == _SYNTHETIC:
            if (text := said.text(flat(message.content))) and text != "No response requested.":
                yield Note(text=text)
            return
        for block in _blocks(message):
            yield from self._blocks.events(block, None, line.timestamp)
        if line.aborted:
            yield AgentError(text="interrupted")

    def _user(self, line: _Line, message: Message) -> Iterator[AnyEvent]:
        by_person = line.origin is None or line.origin.kind in (None, "human")
        for block in _blocks(message):
            if block.tool_use_id is not None:
                yield self._blocks.result(block, None, line.timestamp)
                continue
            text = said.text(block.text or (f"[{said.line(block.type, 60)}]" if block.type != "text" else ""))
            if not text or line.is_meta:
                continue
            if text.startswith("[Request interrupted"):
                yield AgentError(text=text.strip("[]"))
            elif by_person and not line.is_compact_summary:
                yield Prompt(text=text)
            else:
                yield Raw(text=text)


def _system(line: _Line) -> Iterator[AnyEvent]:
    match line.subtype:
        case "api_error":
            fault = line.error
            text = (fault.formatted or fault.message or "") if isinstance(fault, _Fault) else fault or ""
            yield AgentError(text=said.line(text) or "the API failed", retrying=True)
        case "compact_boundary":
            sizes = line.compact_metadata or _Compaction()
            before = f" from {count(sizes.before)}" if sizes.before is not None else ""
            after = f" to {count(sizes.after)}" if sizes.after is not None else ""
            yield Note(text=f"context compacted{before}{after}")
        case "model_fallback" | "informational":
            if text := said.line(line.content or ""):
                yield Note(text=text)


def _blocks(message: Message) -> list[Block]:
    if isinstance(message.content, str):
        return [Block(type="text", text=message.content)]
    return message.content or []
