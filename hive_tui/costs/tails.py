"""What the end of a transcript tells of its session: the last call's context, limits, and the last words.

Only the end is read, however large the file is, and only when it changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from hive_tui.core.events import AgentError, Limit, Prompt, Question, Said, ToolCall, one_line
from hive_tui.core.ports import TranscriptParser
from hive_tui.core.text import clean_line
from hive_tui.costs.call import count
from hive_tui.costs.claude import SYNTHETIC
from hive_tui.costs.clock import milliseconds
from hive_tui.costs.files import Found

STEPS = (1 << 16, 1 << 19, 1 << 22)
"""Bytes from the end that are read, until a call is among them."""

_LOOKED_AT = 60
"""Lines in which the last words are looked for."""

_LONGEST = 1 << 15
"""Bytes of a line in which last words are looked for: what is longer is a file, and takes its time."""

_WORDS = 240

_TOLD = (Said, ToolCall, Prompt, Question, Limit, AgentError)
"""What says what a session is about; what a tool gave back does not."""


class Share(msgspec.Struct, frozen=True):
    """How much of a subscription's limit is used, as its CLI recorded it."""

    minutes: int
    """Of the span that the limit is for."""
    percent: float
    resets: int | None
    """Milliseconds since 1970."""
    at: int
    """When it was said."""


class Tail(msgspec.Struct, frozen=True):
    """What is known from the end of a transcript."""

    context: int | None = None
    """Tokens that the last call of the main thread was given."""
    model: str | None = None
    window: int | None = None
    """Tokens, where the CLI recorded it."""
    shares: tuple[Share, ...] = ()
    words: str = ""
    """The last that was said or done, on one line."""
    project: str | None = None
    """The folder in which the agent was then."""


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct, gc=False):
    model: str | None = None
    usage: _Usage | None = None


class _Span(msgspec.Struct, gc=False):
    used_percent: float | None = None
    window_minutes: int | None = None
    resets_at: float | None = None


class _Limits(msgspec.Struct, gc=False):
    primary: _Span | None = None
    secondary: _Span | None = None


class _Info(msgspec.Struct, gc=False):
    last_token_usage: _Usage | None = None
    model_context_window: int | None = None


class _Payload(msgspec.Struct, gc=False):
    type: str | None = None
    cwd: str | None = None
    info: _Info | None = None
    rate_limits: _Limits | None = None


class _Line(msgspec.Struct, gc=False):
    """A line of either agent."""

    type: str = ""
    timestamp: str | None = None
    cwd: str | None = None
    message: _Message | None = None
    sidechain: bool | None = msgspec.field(default=None, name="isSidechain")
    payload: _Payload | None = None


_decode = msgspec.json.Decoder(_Line).decode

_RESULT = b'"type":"tool_result"'
"""In a line of what a tool gave back, which is long and tells nothing here."""

_MARKS = {"claude": b'"usage"', "codex": b'"token_count"'}


class Tails:
    """Reads the ends of transcripts, each again only when it is another one."""

    def __init__(self, parsers: Mapping[str, Callable[[], TranscriptParser]]) -> None:
        """`parsers` make what tells the last words, by agent; without one there are none."""
        self._parsers = parsers
        self._known: dict[str, tuple[Found, Tail]] = {}

    def read(
        self, transcripts: Iterable[Found], goes_on: Callable[[], bool] = lambda: True
    ) -> tuple[dict[str, Tail], bool]:
        """The ends of these, by path, and whether that is all of them: once `goes_on` says no, those that
        were not read yet are left for the next time. One that cannot be read is as if there was nothing in
        it."""
        known, self._known = self._known, {}
        whole = True
        for found in transcripts:
            kept = known.get(found.path)
            if kept is None or kept[0] != found:
                whole = whole and goes_on()
                if not whole:
                    # What it said before is truer than nothing.
                    if kept is not None:
                        self._known[found.path] = kept
                    continue
                kept = (found, self._tail(found))
            self._known[found.path] = kept
        return {path: tail for path, (_, tail) in self._known.items()}, whole

    def _tail(self, found: Found) -> Tail:
        tail = Tail()
        for size in STEPS:
            try:
                lines = _last_lines(found.path, size)
            except OSError:
                return tail
            tail = msgspec.structs.replace(
                _figures(found.agent, lines), words=self._words(found, lines), project=_project(lines)
            )
            if tail.context is not None or size >= found.size:
                break
        return tail

    def _words(self, found: Found, lines: list[bytes]) -> str:
        make = self._parsers.get(found.agent)
        if make is None:
            return ""
        parser = make()
        for raw in lines[: -_LOOKED_AT - 1 : -1]:
            if _RESULT in raw or len(raw) > _LONGEST:
                continue
            events = [each.event for each in parser.line(raw) if isinstance(each.event, _TOLD)]
            if events:
                return clean_line(one_line(events[-1]), limit=_WORDS)
        return ""


def _last_lines(path: str, size: int) -> list[bytes]:
    """The whole lines in the last `size` bytes, and one that is still being written. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        begin = max(0, end - size)
        file.seek(begin)
        data = file.read(size)
    lines = data.split(b"\n")
    return lines[1:] if begin else lines


def _figures(agent: str, lines: list[bytes]) -> Tail:
    mark = _MARKS[agent]
    for line in _decoded(raw for raw in reversed(lines) if mark in raw):
        tail = _of_codex(line, line.payload) if line.payload is not None else _of_claude(line)
        if tail is not None:
            return tail
    return Tail()


def _project(lines: list[bytes]) -> str | None:
    for line in _decoded(raw for raw in reversed(lines) if b'"cwd"' in raw):
        folder = line.payload.cwd if line.payload is not None else line.cwd
        if folder:
            return folder
    return None


def _decoded(lines: Iterable[bytes]) -> Iterator[_Line]:
    for raw in lines:
        try:
            yield _decode(raw)
        except (ValueError, RecursionError):
            continue


def _of_claude(line: _Line) -> Tail | None:
    message = line.message
    if line.type != "assistant" or line.sidechain or message is None or message.usage is None:
        return None
    if message.model is None or message.model == SYNTHETIC:
        return None
    usage = message.usage
    parts = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    return Tail(sum(map(count, parts)), message.model)


def _of_codex(line: _Line, payload: _Payload) -> Tail | None:
    if payload.type != "token_count":
        return None
    info, at = payload.info or _Info(), milliseconds(line.timestamp or "") or 0
    limits = payload.rate_limits or _Limits()
    shares = [_share(span, at) for span in (limits.primary, limits.secondary) if span is not None]
    usage = info.last_token_usage
    return Tail(
        None if usage is None else count(usage.input_tokens),
        None,
        count(info.model_context_window) or None,
        tuple(share for share in shares if share is not None),
    )


def _share(span: _Span, at: int) -> Share | None:
    minutes = span.window_minutes or 0
    if span.used_percent is None or not 0 <= span.used_percent <= 1_000 or minutes <= 0:
        return None
    resets = None if span.resets_at is None or not 0 < span.resets_at < 1e11 else round(span.resets_at * 1e3)
    return Share(minutes, span.used_percent, resets, at)
