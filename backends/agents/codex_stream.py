"""The stream of `codex exec --json`, turned into events and, at its end, into a result by evidence.

It has no times, no model and no prices, and usage only with `turn.completed`: the totals of the
thread so far, also over `exec resume`. Formats seen with 0.169.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from backends.agents import said
from backends.agents.limits import Cause, another_try, cause, reset_time
from backends.agents.lines import LineBuffer
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    End,
    Limit,
    Note,
    Outcome,
    Raw,
    Said,
    Session,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.lenient import Count, decode
from hive_tui.core.model import Tokens, Usage

_SHELL = re.compile(r"^(?:/\S*/)?(?:ba|z|da)?sh -l?c (.*)$", re.S)
_THREAD = re.compile(r"\b(?:thread|rollout|session)", re.IGNORECASE)
_RECONNECTING = re.compile(r"^(?:Reconnecting\b|stream error.*retrying)", re.IGNORECASE)


class Change(msgspec.Struct, gc=False):
    path: str = ""
    kind: str | None = None


class Todo(msgspec.Struct, gc=False):
    text: str = ""
    completed: bool | None = None


class Fault(msgspec.Struct, gc=False):
    message: str | None = None


class Item(msgspec.Struct):
    """What the agent said, thought or did; the same id from `item.started` to `item.completed`."""

    type: str = ""
    id: str | None = None
    text: str | None = None
    message: str | None = None
    command: str | None = None
    output: str | None = msgspec.field(default=None, name="aggregated_output")
    exit_code: int | None = None
    status: str | None = None
    changes: list[Change] | None = None
    server: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] | str | None = None
    query: str | None = None
    items: list[Todo] | None = None
    error: Fault | str | None = None


class ThreadUsage(msgspec.Struct, gc=False):
    """`input` includes what was cached, `output` includes reasoning."""

    input: Count = msgspec.field(default=0, name="input_tokens")
    cached: Count = msgspec.field(default=0, name="cached_input_tokens")
    cache_write: Count = msgspec.field(default=0, name="cache_write_input_tokens")
    output: Count = msgspec.field(default=0, name="output_tokens")


class Line(msgspec.Struct):
    type: str = ""
    thread_id: str | None = None
    item: Item | None = None
    message: str | None = None
    error: Fault | str | None = None
    usage: ThreadUsage | None = None


_DECODER = msgspec.json.Decoder(Line)


class CodexStream:
    """A `StreamParser` for one `codex exec` process."""

    def __init__(
        self, *, before: AgentResult | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`before.usage` is all that the thread used before this process; `clock` tells when a limit was
        hit, as the stream does not; without it relative reset times stay unknown."""
        self.wants_stdin_closed = True
        self._lines = LineBuffer()
        self._clock = clock
        self._before = before.usage if before else Usage()
        self._session = before.session if before else None
        self._began = False
        self._usage = Usage()
        self._open: set[str] = set()
        self._in_turn = False
        self._completed: bool | None = None
        self._error = ""
        self._retrying = ""
        self._last_words = ""

    def feed(self, data: bytes) -> list[AnyEvent]:
        return [event for line in self._lines.feed(data) for event in self._line(line)]

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        tail = self._lines.rest()
        if tail.strip():
            for _ in self._line(tail):
                pass
        return self._ended(exit_code, stderr)

    def _line(self, data: bytes) -> Iterator[AnyEvent]:
        line = decode(data, _DECODER) if data.lstrip()[:1] == b"{" else None
        match line.type if line is not None else "":
            case "thread.started" if line is not None:
                self._began = True
                if line.thread_id:
                    self._session = said.name(line.thread_id)
                    yield Session(id=self._session)
            case "turn.started":
                self._in_turn = True
            case "item.started" | "item.updated" | "item.completed" as kind if line is not None:
                if line.item is not None:
                    self._in_turn, self._error = True, ""
                    yield from self._item(line.item, done=kind == "item.completed", data=data)
            case "turn.completed" if line is not None:
                yield from self._turn_completed(line)
            case "turn.failed" if line is not None:
                yield from self._turn_failed(line)
            case "error" if line is not None:
                yield from self._trouble(line.message or _message(line.error))
            case _:
                if text := said.raw(data):
                    yield Raw(text=text)

    # What it does

    def _item(self, item: Item, *, done: bool, data: bytes) -> Iterator[AnyEvent]:
        match item.type:
            case "agent_message":
                if done and (text := said.text(item.text or "")):
                    self._last_words = text
                    yield Said(text=text)
            case "reasoning":
                if done and (text := said.text(item.text or "")):
                    yield Thinking(text=text)
            case "command_execution" | "file_change" | "mcp_tool_call" | "web_search" | "collab_tool_call":
                yield from self._tool(item, done=done)
            case "todo_list":
                todos = item.items or []
                ready = sum(bool(todo.completed) for todo in todos)
                following = next((todo.text for todo in todos if not todo.completed), "")
                yield Note(text=f"plan {ready}/{len(todos)} {said.line(following, 200)}".rstrip())
            case "error":
                if done:
                    yield AgentError(text=said.line(item.message or item.text or "error"), retrying=True)
            case _:
                if text := said.raw(data):
                    yield Raw(text=text)

    def _tool(self, item: Item, *, done: bool) -> Iterator[AnyEvent]:
        id_ = said.name(item.id) if item.id is not None else None
        if id_ not in self._open:
            name, argument = _call(item)
            yield ToolCall(name=name, argument=said.line(argument), id=id_)
            if id_ is not None and not done:
                self._open.add(id_)
        if not done:
            return
        self._open.discard(id_ or "")
        failed = item.status in ("failed", "declined") or item.exit_code not in (None, 0)
        output = item.output or _message(item.error)
        yield ToolResult(
            text=said.text(output, said.RESULT),
            failed=failed,
            exit_code=item.exit_code if item.exit_code is None or -1000 < item.exit_code < 1000 else None,
            id=id_,
            size=len(output),
        )

    # How it goes

    def _turn_completed(self, line: Line) -> Iterator[AnyEvent]:
        self._in_turn, self._completed, self._error = False, True, ""
        if line.usage is not None:
            self._usage = self._of_this_process(line.usage)
            yield UsageReport(usage=self._usage)
        yield End(ok=True, text=self._last_words)

    def _turn_failed(self, line: Line) -> Iterator[AnyEvent]:
        self._in_turn, self._completed = False, False
        text = said.text(_message(line.error) or line.message or "", said.RESULT)
        if text and text != self._error:
            yield from self._trouble(text)
        if line.usage is not None:
            self._usage = self._of_this_process(line.usage)
            yield UsageReport(usage=self._usage)
        yield End(ok=False, text=text)

    def _trouble(self, message: str) -> Iterator[AnyEvent]:
        text = said.text(message, said.RESULT)
        if _RECONNECTING.match(text):
            self._retrying = text
            yield AgentError(text=text, retrying=True)
            return
        self._error = text
        found = cause(text)
        if found in (Cause.LIMIT, Cause.BILLING):
            yield Limit(text=text, until=self._until(text), billing=found is Cause.BILLING)
        elif text:
            yield AgentError(text=text)

    def _until(self, text: str) -> datetime | None:
        return reset_time(text, self._clock() if self._clock else None)

    def _of_this_process(self, thread: ThreadUsage) -> Usage:
        """The thread's totals less what it had used before, unless they do not carry that."""
        before = self._before.tokens
        total = Tokens(
            input=max(0, thread.input - thread.cached - thread.cache_write),
            output=thread.output,
            cache_read=thread.cached,
            cache_write=thread.cache_write,
        )
        less = Tokens(
            input=(total.input or 0) - (before.input or 0),
            output=(total.output or 0) - (before.output or 0),
            cache_read=(total.cache_read or 0) - (before.cache_read or 0),
            cache_write=(total.cache_write or 0) - (before.cache_write or 0),
        )
        carried = all(n is not None and n >= 0 for n in msgspec.structs.astuple(less))
        return Usage(less if carried else total)

    def _ended(self, exit_code: int | None, stderr: str) -> AgentResult:
        outcome, why, unavailable, billing = Outcome.UNKNOWN, "", False, False
        until = None
        ended = "the stream ends" if exit_code is None else f"exit {exit_code}"
        if exit_code is not None and exit_code < 0:
            ended = f"signal {-exit_code}"
        if self._completed and not self._in_turn:
            outcome, why = Outcome.SUCCEEDED, "completed"
            if exit_code not in (None, 0):
                why += f" ({ended})"
        elif self._error or self._completed is False:
            outcome = Outcome.FAILED
            found = cause(self._error)
            why = said.line(self._error, said.WHY) or "the turn failed"
            if found in (Cause.LIMIT, Cause.BILLING):
                outcome, why = Outcome.LIMITED, f"limit: {why}"
                billing = found is Cause.BILLING
            now = self._clock() if self._clock else None
            until = another_try(found, reset_time(self._error, now), now)
            unavailable = found in (Cause.LOGIN, Cause.OUTAGE)
        elif not self._began and exit_code is not None and 0 < exit_code < 128 and stderr.strip():
            # Its options, its login or its installation are wrong; only a thread may be wrong just once.
            outcome, unavailable = Outcome.FAILED, _THREAD.search(stderr) is None
            why = f"{ended}: {said.line(stderr[-4 * said.WHY :], said.WHY)}"
        else:
            why = f"{ended} without a completed turn"
            if self._retrying:
                why += f", {said.line(self._retrying, said.WHY)}"
                unavailable = not self._last_words and cause(self._retrying) is Cause.LOGIN
        return AgentResult(
            outcome=outcome,
            why=why,
            usage=self._usage,
            session=self._session,
            until=until,
            billing=billing,
            unavailable=unavailable,
            text=self._last_words,
        )


def _message(error: Fault | str | None) -> str:
    if isinstance(error, Fault):
        return error.message or ""
    return error or ""


def command(line: str) -> str:
    """A command line without the shell that it was given to."""
    wrapped = _SHELL.match(line)
    inner = wrapped[1] if wrapped else line
    if len(inner) > 1 and inner[0] == inner[-1] and inner[0] in "'\"":
        inner = inner[1:-1]
    return inner


def _call(item: Item) -> tuple[str, str]:
    """A tool's name and the argument that tells most."""
    match item.type:
        case "command_execution":
            return "shell", command(item.command or "")
        case "file_change":
            changes = item.changes or []
            return "edit", ", ".join(
                f"{c.kind or 'update'} {c.path.rpartition('/')[2]}" for c in changes[:20]
            )
        case "web_search":
            return "web search", item.query or ""
    arguments = item.arguments
    argument = said.argument(arguments) if isinstance(arguments, dict) else arguments or ""
    return said.line(".".join(filter(None, (item.server, item.tool))) or item.type, 60), argument
