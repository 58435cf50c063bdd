"""Claude Code's transcripts: one JSON line for each content block, each with its whole message's usage.

Only lines with a usage are looked at; they are found by their bytes, since nine tenths of a transcript are
prompts and files. `"usage"` cannot stand within a JSON string, where its quotes would be escaped. Finding it
is half the work, so a library does it that looks at 32 bytes at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from stringzilla import find, rfind  # type: ignore[import-not-found]  # it has no stubs

from hive_tui.core import lenient
from hive_tui.costs.call import BATCH, FAST, MOST, REGIONAL, SIDECHAIN, Call, Source
from hive_tui.costs.clock import milliseconds
from hive_tui.costs.keys import key_of

_MARK = b'"usage"'

_AT_ONCE = 200
"""Lines that are decoded one after the other, those of a megabyte or two."""

_LONGEST = 4 << 20
"""Bytes of a line that is looked at closely where it is not as expected: what that takes is many times it."""

SYNTHETIC = "<synthetic>"
"""The model of what the CLI itself put in, such as an error; no server was asked."""


_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class _CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: _Count | None = None
    """The rest of what was written lasts five minutes."""


class _Tools(msgspec.Struct, gc=False):
    web_search_requests: _Count | None = None


class _Usage(msgspec.Struct, gc=False):
    """Here and below, fields in the order in which they are written are found sooner."""

    input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    server_tool_use: _Tools | None = None
    service_tier: str | None = None
    cache_creation: _CacheCreation | None = None
    inference_geo: str | None = None
    speed: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class _Line(msgspec.Struct, gc=False, rename="camel"):
    is_sidechain: bool | None = None
    message: _Message | None = None
    request_id: str | None = None
    type: str = ""
    uuid: str | None = None
    timestamp: str | None = None
    cwd: str | None = None
    session_id: str | None = None


_decoder = msgspec.json.Decoder(_Line)
_decode = _decoder.decode


def calls(data: bytes | bytearray, source: Source, begin: int = 0, end: int | None = None) -> Iterator[Call]:
    """The calls in the whole lines of a transcript between `begin` and `end`, once for each line that records
    one; what cannot be read is left out."""
    last = _Line()
    for some in lines(data, begin, len(data) if end is None else end):
        for line in some:
            if line.message == last.message and _next_block(line, last):
                continue
            call = _call(line, source)
            if call is not None:
                last = line
                yield call


def lines(data: bytes | bytearray, begin: int, end: int) -> Iterator[list[_Line]]:
    """The lines between `begin` and `end` in which a usage stands and that can be read, some at a time."""
    while spans := _spans(data, begin, end):
        begin = spans[-1][1]
        yield [line for start, after in spans if (line := _line(data, start, after)) is not None]


def _spans(data: bytes | bytearray, begin: int, end: int) -> list[tuple[int, int]]:
    """Where the next lines with a usage begin and end. What looks at every byte does so for many lines before
    any is decoded: it takes the processor's caches for itself."""
    spans: list[tuple[int, int]] = []
    while len(spans) < _AT_ONCE and (found := find(data, _MARK, begin, end)) >= 0:
        start = rfind(data, b"\n", begin, found) + 1 or begin
        begin = find(data, b"\n", found, end) + 1 or end
        spans.append((start, begin))
    return spans


def _line(data: bytes | bytearray, start: int, end: int) -> _Line | None:
    try:
        return _decode(data[start:end])
    except (ValueError, RecursionError):
        # A version that writes one field in another way still says in the others what was used.
        return lenient.decode(bytes(data[start:end]), _decoder) if end - start <= _LONGEST else None


def _next_block(line: _Line, last: _Line) -> bool:
    """Whether a line with the message of the last one that was a call records it once more, as most do: it
    would not count in any case."""
    return (
        line.message is not None
        and line.message.id is not None
        and line.request_id == last.request_id
        and (line.session_id, line.cwd) == (last.session_id, last.cwd)
        and (line.type, line.is_sidechain) == (last.type, last.is_sidechain)
        and (line.timestamp or "") >= (last.timestamp or "")
    )


def _call(line: _Line, source: Source) -> Call | None:
    message = line.message
    if line.type != "assistant" or message is None or message.usage is None or line.timestamp is None:
        return None
    at, model, usage = milliseconds(line.timestamp), message.model, message.usage
    if at is None or model is None or model == SYNTHETIC:
        return None
    written = usage.cache_creation_input_tokens or 0
    long = usage.cache_creation.ephemeral_1h_input_tokens or 0 if usage.cache_creation else 0
    if long > written:
        long = written
    flags = SIDECHAIN if line.is_sidechain else 0
    if usage.inference_geo == "us":
        flags |= REGIONAL
    if usage.speed == "fast":
        flags |= FAST
    if usage.service_tier == "batch":
        flags |= BATCH
    session = line.session_id or source.session
    searches = usage.server_tool_use.web_search_requests or 0 if usage.server_tool_use else 0
    # Without an id nothing tells a copy of a line from another call but the line's own id.
    first, second = (
        (message.id, line.request_id or "") if message.id else (session, line.uuid or line.timestamp)
    )
    # Half the time of naming the fields, and there are many calls.
    return tuple.__new__(Call, (
        key_of(f"claude\0{first}\0{second}"), source.number(("claude", model, session, line.cwd or "")), at,
        usage.input_tokens or 0, usage.output_tokens or 0, usage.cache_read_input_tokens or 0, written - long,
        long, searches, flags, source.file,
    ))  # fmt: skip
