"""Every recorded stream of the real Codex CLI: outcome and tokens are what it said."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.agents.codex_stream import CodexStream
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
from hive_tui.core.model import Tokens, Usage
from tests import corpus
from tests.corpus import Variant

VARIANTS = corpus.variants("codex")
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

ENDINGS = {
    "auth401": (Outcome.FAILED, None),
    "err429": (Outcome.SUCCEEDED, Tokens(27908 - 13824, 152, 13824, 0)),
    "quota": (Outcome.LIMITED, None),
    "resume_1": (Outcome.SUCCEEDED, Tokens(71065 - 56320, 423, 56320, 0)),
    "slow": (Outcome.UNKNOWN, None),
    "success": (Outcome.SUCCEEDED, Tokens(71097 - 56320, 423, 56320, 0)),
}


def play(
    data: bytes, exit_code: int | None = 0, stderr: str = "", *, before: AgentResult | None = None
) -> tuple[list[AnyEvent], AgentResult]:
    stream = CodexStream(before=before, clock=lambda: NOW)
    events = stream.feed(data)
    return events, stream.finish(exit_code, stderr)


def line(**fields: object) -> bytes:
    return msgspec.json.encode(fields) + b"\n"


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_equals_what_the_cli_said(variant: Variant) -> None:
    _, result = play(variant.stdout, variant.exit_code, variant.stderr)
    outcome, tokens = ENDINGS[variant.name]
    assert result.outcome is outcome
    assert result.usage == Usage(tokens or Tokens())
    assert result.session
    assert result.model is None


@pytest.mark.skipif("HIVE_CORPUS" not in os.environ, reason="HIVE_CORPUS names no folder of recordings")
def test_totals_in_another_corpus() -> None:
    for variant in corpus.variants("codex", Path(os.environ["HIVE_CORPUS"])):
        _, result = play(variant.stdout, variant.exit_code, variant.stderr)
        last = variant.stdout.rstrip(b"\n").rpartition(b"\n")[2]
        if not last.startswith(b'{"type":"turn.completed"'):
            assert result.outcome is not Outcome.SUCCEEDED
            continue
        usage = msgspec.json.decode(last)["usage"]
        assert result.outcome is Outcome.SUCCEEDED
        assert result.usage.tokens.input == usage["input_tokens"] - usage["cached_input_tokens"]
        assert result.usage.tokens.output == usage["output_tokens"]


@given(st.sampled_from(VARIANTS), st.lists(st.integers(0, 5_000), max_size=20))
def test_splits_do_not_matter(variant: Variant, cuts: list[int]) -> None:
    stream = CodexStream(clock=lambda: NOW)
    edges = [0, *sorted(cut % (len(variant.stdout) + 1) for cut in cuts), len(variant.stdout)]
    events = [e for start, end in itertools.pairwise(edges) for e in stream.feed(variant.stdout[start:end])]
    whole = play(variant.stdout, variant.exit_code, variant.stderr)
    assert (events, stream.finish(variant.exit_code, variant.stderr)) == whole


def test_a_run_reads_like_a_story() -> None:
    events, _ = play(corpus.variant("codex", "success").stdout)
    assert isinstance(events[0], Session)
    assert events[1] == Thinking(text="Look around first")
    calls = [(e.name, e.argument) for e in events if isinstance(e, ToolCall)]
    commit = "python3 hello.py && git add -A && git commit -qm 'add hello' && git log --oneline | head -2"
    assert calls == [("shell", "ls -la"), ("edit", "add hello.py"), ("shell", commit), ("shell", "false")]
    results = [(e.failed, e.exit_code) for e in events if isinstance(e, ToolResult)]
    assert results == [(False, 0), (False, None), (False, 0), (True, 1)]
    assert events[-3:] == [
        Said(text="Done: added hello.py and committed."),
        UsageReport(usage=Usage(Tokens(14777, 423, 56320, 0))),
        End(ok=True, text="Done: added hello.py and committed."),
    ]


def test_a_resumed_thread_counts_only_what_is_new() -> None:
    before = play(corpus.variant("codex", "resume_1").stdout)[1]
    usage = {"input_tokens": 100_389, "cached_input_tokens": 84_736, "output_tokens": 460}
    data = line(type="thread.started", thread_id="t") + line(type="turn.started")
    data += line(type="turn.completed", usage=usage)
    _, result = play(data, before=before)
    assert result.usage == Usage(Tokens(100_389 - 84_736 - 14_745, 37, 84_736 - 56_320, 0))


def failed(message: str) -> bytes:
    return (
        line(type="thread.started", thread_id="t")
        + line(type="turn.started")
        + line(type="error", message=message)
        + line(type="turn.failed", error={"message": message})
    )


@pytest.mark.parametrize(
    ("message", "until"),
    [
        (
            "You've hit your usage limit. Upgrade to Pro (https://example.com/pro) or try again in "
            "2 days 3 hours 5 minutes.",
            datetime(2026, 11, 23, 13, 5, tzinfo=UTC),
        ),
        (
            "You've hit your usage limit. Visit https://example.com/usage to purchase more credits or try "
            "again at Nov 25th, 2026 3:04 PM.",
            datetime(2026, 11, 25, 15, 4).astimezone(UTC),
        ),
        ("exceeded retry limit, last status: 429 Too Many Requests", None),
        ("You've hit your usage limit.", None),
    ],
)
def test_a_usage_limit_says_when_it_ends(message: str, until: datetime | None) -> None:
    events, result = play(failed(message), 1)
    assert (result.outcome, result.billing) == (Outcome.LIMITED, False)
    assert result.until == (until or NOW + timedelta(minutes=15))
    assert result.why == f"limit: {message}"
    assert [event for event in events if isinstance(event, Limit)] == [Limit(text=message, until=until)]


def test_no_quota_is_a_limit_that_waiting_does_not_help() -> None:
    variant = corpus.variant("codex", "quota")
    _, result = play(variant.stdout, variant.exit_code)
    assert (result.outcome, result.billing) == (Outcome.LIMITED, True)


def test_a_refused_login_is_no_fault_of_the_issue() -> None:
    variant = corpus.variant("codex", "auth401")
    events, result = play(variant.stdout, variant.exit_code)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, True)
    retrying = [event.retrying for event in events if isinstance(event, AgentError)]
    assert retrying == [True] * 5 + [False]


def test_it_never_began() -> None:
    _, result = play(b"", 2, "error: unexpected argument '--sandbox' found\n")
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, True)
    assert play(b"", 143, "Terminated")[1].outcome is Outcome.UNKNOWN
    gone = "Error: thread/resume: thread/resume failed: no rollout found for thread id t (code -32600)\n"
    _, result = play(b"", 1, gone)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, False)


def test_an_error_that_was_overcome_does_not_colour_the_end() -> None:
    item = {"id": "i", "type": "agent_message", "text": "On with it."}
    data = line(type="turn.started") + line(type="error", message="You've hit your usage limit.")
    data += line(type="item.completed", item=item)
    assert play(data, 143)[1].outcome is Outcome.UNKNOWN


def test_other_items() -> None:
    todos = [{"text": "look", "completed": True}, {"text": "change", "completed": False}]
    tool = {
        "id": "m",
        "type": "mcp_tool_call",
        "server": "docs",
        "tool": "find",
        "arguments": {"query": "hive"},
        "status": "failed",
        "error": {"message": "no such"},
    }
    data = line(type="item.updated", item={"id": "t", "type": "todo_list", "items": todos})
    data += line(type="item.completed", item=tool)
    data += line(type="item.completed", item={"id": "e", "type": "error", "message": "odd"})
    data += line(type="item.completed", item={"id": "n", "type": "hologram"})
    events, _ = play(data)
    assert events[:4] == [
        Note(text="plan 1/2 change"),
        ToolCall(name="docs.find", argument="hive", id="m"),
        ToolResult(text="no such", failed=True, id="m", size=7),
        AgentError(text="odd", retrying=True),
    ]
    assert isinstance(events[4], Raw)


@given(st.data())
def test_mutated_streams_are_never_fatal(data: st.DataObject) -> None:
    stdout = bytearray(data.draw(st.sampled_from(VARIANTS)).stdout)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(stdout)))
        stdout[at : at + data.draw(st.integers(0, 30))] = data.draw(
            st.binary(max_size=8)
            | st.sampled_from([b'"', b"{", b"}", b"[", b"]", b"null", b"1e999", b"\\ud800"])
        )
    play(bytes(stdout), data.draw(st.none() | st.integers(-64, 255)))


def test_hostile_text_is_made_harmless() -> None:
    evil = "\x1b]0;owned\x07\u202etxt\u200b \x00 ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    item = {"id": evil, "type": "command_execution", "command": evil, "aggregated_output": evil}
    data = line(type="thread.started", thread_id=evil) + line(type="item.completed", item=item)
    data += failed(evil) + evil.encode() + b"\n"
    shown = repr(play(data))
    for bad in ("\\x1b", "\\x07", "\\u202e", "\\u200b", "\\x00", "owned", "ghp_"):
        assert bad not in shown
