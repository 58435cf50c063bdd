"""Codex's rollouts: one file for each thread, to which resuming it appends.

Newer ones record each call by the id of its response; older ones tell only totals, which are told again
unchanged when nothing was used. `input_tokens` includes what came from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hive_tui.core import lenient
from hive_tui.costs.call import Call, Source, count
from hive_tui.costs.clock import milliseconds
from hive_tui.costs.keys import key_of

_MARKS = (b'"session_meta"', b'"turn_context"', b'"token_usage_record"', b'"token_count"')

UNKNOWN_MODEL = "unknown"


class _Usage(msgspec.Struct, gc=False):
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    output_tokens: int | None = None


class _Info(msgspec.Struct, gc=False):
    total_token_usage: _Usage | None = None
    last_token_usage: _Usage | None = None


class _Payload(msgspec.Struct, gc=False):
    type: str | None = None
    id: str | None = None
    cwd: str | None = None
    model: str | None = None
    response_id: str | None = None
    usage: _Usage | None = None
    info: _Info | None = None


class _Line(msgspec.Struct, gc=False):
    timestamp: str | None = None
    type: str | None = None
    payload: _Payload | None = None


_decoder = msgspec.json.Decoder(_Line)


class State(msgspec.Struct, frozen=True):
    """What the lines read so far say about those that follow."""

    session: str = ""
    project: str = ""
    model: str = UNKNOWN_MODEL
    records: bool = False
    """Calls are recorded one by one, so the totals are told besides."""


def calls(data: bytes, source: Source, state: State) -> Iterator[Call | State]:
    """The calls in whole lines of a rollout, and the state after each line that changes it."""
    for raw in data.split(b"\n"):
        if not any(mark in raw[:_HEAD] for mark in _MARKS):
            continue
        line = lenient.decode(raw, _decoder)
        if line is None:
            continue
        found = _read(line, source, state)
        if isinstance(found, State):
            state = found
        if found is not None:
            yield found
        if isinstance(found, Call) and line.type == "token_usage_record" and not state.records:
            state = msgspec.structs.replace(state, records=True)
            yield state


_HEAD = 400
"""The kind of a line stands at its beginning."""


def _read(line: _Line, source: Source, state: State) -> Call | State | None:
    payload = line.payload
    if payload is None:
        return None
    match line.type:
        case "session_meta":
            return msgspec.structs.replace(
                state, session=payload.id or state.session, project=payload.cwd or state.project
            )
        case "turn_context":
            return msgspec.structs.replace(
                state, model=payload.model or state.model, project=payload.cwd or state.project
            )
        case "token_usage_record" if payload.usage is not None and payload.response_id:
            return _call(line, source, state, payload.usage, payload.response_id)
        case "event_msg" if payload.type == "token_count" and not state.records:
            info = payload.info
            if info is None or info.last_token_usage is None or info.total_token_usage is None:
                return None
            # The same totals again are the same call, told again.
            total = info.total_token_usage
            told = f"{state.session} {total.input_tokens} {total.cached_input_tokens} {total.output_tokens}"
            return _call(line, source, state, info.last_token_usage, told)
    return None


def _call(line: _Line, source: Source, state: State, usage: _Usage, name: str) -> Call | None:
    at = milliseconds(line.timestamp or "")
    if at is None:
        return None
    whole, cached = count(usage.input_tokens), count(usage.cached_input_tokens)
    written = count(usage.cache_write_input_tokens)
    return Call(
        key=key_of(f"codex\0{name}"),
        place=source.number(("codex", state.model, state.session, state.project)),
        at=at,
        input=max(0, whole - cached - written),
        output=count(usage.output_tokens),
        cache_read=min(whole, cached),
        cache_write_5m=written,
        file=source.file,
    )
