"""Every recorded stream of the real CLI: outcome, tokens and cost are what the CLI itself said."""

from __future__ import annotations

import itertools
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.agents.claude_stream import ClaudeStream
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    End,
    Limit,
    Note,
    Outcome,
    Question,
    Raw,
    Said,
    Session,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.model import Tokens, Usage
from tests import corpus
from tests.corpus import Truth, Variant

VARIANTS = corpus.variants("claude")
TRUTHS = corpus.truths()


def play(
    data: bytes, exit_code: int | None = 0, stderr: str = "", *, before: AgentResult | None = None
) -> tuple[list[AnyEvent], AgentResult]:
    stream = ClaudeStream(before=before)
    events = stream.feed(data)
    return events, stream.finish(exit_code, stderr)


def expected(truth: Truth) -> Outcome | None:
    """What the last result proves; None where it needs a person's reading."""
    if truth.results == 0:
        return Outcome.UNKNOWN
    if truth.terminal_reason == "api_error":
        return None
    return Outcome.FAILED if truth.is_error else Outcome.SUCCEEDED


def check(variant: Variant, truth: Truth) -> None:
    _, result = play(variant.stdout, variant.exit_code, variant.stderr)
    outcome = expected(truth)
    if outcome is Outcome.UNKNOWN and not variant.stdout and variant.stderr:
        outcome = Outcome.FAILED
    assert outcome in (None, result.outcome)
    assert result.outcome is not Outcome.SUCCEEDED or truth.is_error is False
    tokens = result.usage.tokens
    assert result.usage.cost_micros == truth.cost_micros
    if truth.tokens is not None:
        assert (tokens.input, tokens.output, tokens.cache_write, tokens.cache_read) == truth.tokens
        assert not result.usage.estimated
    elif tokens.total is not None:
        fresh, _, cache_write, cache_read = truth.transcript_tokens
        assert (tokens.input, tokens.cache_write, tokens.cache_read) == (fresh, cache_write, cache_read)
        assert result.usage.estimated


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_equals_what_the_cli_said(variant: Variant) -> None:
    check(variant, TRUTHS[variant.name])


@pytest.mark.skipif("HIVE_CORPUS" not in os.environ, reason="HIVE_CORPUS names no folder of recordings")
def test_equals_what_the_cli_said_in_another_corpus() -> None:
    root = Path(os.environ["HIVE_CORPUS"])
    truths = corpus.truths(root)
    for variant in corpus.variants("claude", root):
        if variant.name in truths:
            check(variant, truths[variant.name])


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_chunks_do_not_matter(variant: Variant) -> None:
    whole = play(variant.stdout, variant.exit_code, variant.stderr)
    stream = ClaudeStream()
    events = [event for byte in variant.stdout for event in stream.feed(bytes([byte]))]
    assert (events, stream.finish(variant.exit_code, variant.stderr)) == whole


@given(st.sampled_from(VARIANTS), st.lists(st.integers(0, 40_000), max_size=30))
def test_random_splits_do_not_matter(variant: Variant, cuts: list[int]) -> None:
    whole = play(variant.stdout, variant.exit_code, variant.stderr)
    stream = ClaudeStream()
    edges = [0, *sorted(cut % (len(variant.stdout) + 1) for cut in cuts), len(variant.stdout)]
    events = [
        event for start, end in itertools.pairwise(edges) for event in stream.feed(variant.stdout[start:end])
    ]
    assert (events, stream.finish(variant.exit_code, variant.stderr)) == whole


@pytest.mark.parametrize("name", ["success", "denied", "maxturns", "steer", "resume_2"])
def test_cut_before_its_last_result_it_is_unknown(name: str) -> None:
    """A stalled pipe or a kill: whatever the exit code says, nothing is proven."""
    stdout = corpus.variant("claude", name).stdout
    last = stdout.rindex(b"\n", 0, stdout.rindex(b'"type":"result"')) + 1
    for cut in (last, last + 500):
        _, result = play(stdout[:cut], 0)
        assert result.outcome is Outcome.UNKNOWN
        assert "without a result" in result.why or "middle of a turn" in result.why
        assert result.usage.estimated


# What ended it


def test_no_credit_is_a_limit_that_waiting_does_not_help() -> None:
    variant = corpus.variant("claude", "credit")
    events, result = play(variant.stdout, variant.exit_code)
    assert (result.outcome, result.billing, result.until) == (Outcome.LIMITED, True, None)
    assert result.why == "limit: Credit balance is too low"
    assert [event for event in events if isinstance(event, Limit)] == [
        Limit(text="Credit balance is too low", billing=True)
    ]
    assert not any(isinstance(event, Said) and "Credit" in event.text for event in events)


def line(**fields: object) -> bytes:
    return msgspec.json.encode(fields) + b"\n"


INIT = line(type="system", subtype="init", session_id="s-1", model="claude-opus-5-5", cwd="/w")


def failure(text: str, error: str, status: int, *, at: str = "2026-11-21T10:00:00.000Z") -> bytes:
    """What the CLI prints when the model's server refuses for good."""
    message = {"id": "x", "model": "<synthetic>", "content": [{"type": "text", "text": text}], "usage": {}}
    return (
        INIT
        + line(
            type="assistant",
            message=message,
            error=error,
            is_api_error_message=True,
            api_error_status=status,
            timestamp=at,
        )
        + line(
            type="result",
            subtype="success",
            is_error=True,
            terminal_reason="api_error",
            api_error_status=status,
            result=text,
            modelUsage={},
            total_cost_usd=0,
        )
    )


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("You've hit your session limit · resets 3pm (UTC)", datetime(2026, 11, 21, 15, 0, tzinfo=UTC)),
        (
            "You've hit your weekly limit · resets Nov 24 at 9:30am (Europe/Berlin)",
            datetime(2026, 11, 24, 8, 30, tzinfo=UTC),
        ),
        ("Claude AI usage limit reached|1795280400", datetime.fromtimestamp(1795280400, UTC)),
        ("You've reached your usage limit", None),
    ],
)
def test_a_usage_limit_says_when_it_ends(text: str, until: datetime | None) -> None:
    events, result = play(failure(text, "rate_limit", 429), 1)
    assert (result.outcome, result.until, result.billing) == (Outcome.LIMITED, until, False)
    assert result.why == f"limit: {text}"
    assert [event for event in events if isinstance(event, Limit)] == [Limit(text=text, until=until)]


def test_a_rejected_rate_limit_event_gives_the_time_that_the_message_lacks() -> None:
    info = {"status": "rejected", "resetsAt": 1795280400, "rateLimitType": "five_hour"}
    data = INIT + line(type="rate_limit_event", rate_limit_info=info)
    data += failure("You've reached your usage limit", "rate_limit", 429)[len(INIT) :]
    _, result = play(data, 1)
    assert result.until == datetime.fromtimestamp(1795280400, UTC)


def test_not_logged_in_is_no_fault_of_the_issue() -> None:
    _, result = play(failure("Not logged in · Please run /login", "authentication_failed", 401), 1)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, True)
    assert "Not logged in" in result.why


def test_a_login_that_is_missing_is_the_reason_although_the_cli_says_completed() -> None:
    said = "Not logged in · Please run /login"
    text = [{"type": "text", "text": said}]
    message = {"id": "m", "model": "<synthetic>", "content": text}
    data = INIT + line(type="assistant", message=message, error="authentication_failed")
    data += line(type="result", subtype="success", is_error=True, result=said, terminal_reason="completed")
    _, result = play(data, 1)
    assert (result.outcome, result.why, result.unavailable) == (Outcome.FAILED, said, True)


def test_an_outage_is_no_fault_of_the_issue() -> None:
    _, result = play(failure("API Error: Repeated 529 Overloaded errors", "overloaded", 529), 1)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, True)


def test_an_error_that_was_overcome_does_not_colour_the_end() -> None:
    error = failure("You've reached your usage limit", "rate_limit", 429)
    message = {"id": "m", "model": "claude-opus-5-5", "content": [{"type": "text", "text": "On with it."}]}
    data = error[: error.index(b'{"type":"result"')] + line(type="assistant", message=message)
    data += line(type="result", subtype="error_max_turns", is_error=True, terminal_reason="max_turns")
    _, result = play(data, 1)
    assert (result.outcome, result.why) == (Outcome.FAILED, "max_turns")


def test_logging_in_again_and_again_without_an_end() -> None:
    variant = corpus.variant("claude", "auth401")
    events, result = play(variant.stdout, variant.exit_code)
    assert (result.outcome, result.unavailable) == (Outcome.UNKNOWN, True)
    assert "authentication_failed" in result.why
    retries = [event for event in events if isinstance(event, AgentError)]
    assert len(retries) == 7
    assert all(event.retrying for event in retries)


@pytest.mark.parametrize("name", ["rootrefused", "noverbose"])
def test_it_never_began(name: str) -> None:
    variant = corpus.variant("claude", name)
    _, result = play(variant.stdout, variant.exit_code, variant.stderr)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, True)
    assert variant.stderr.strip()[:40] in result.why
    assert play(b"", None)[1].outcome is Outcome.UNKNOWN


def test_a_session_that_is_gone_fails_this_attempt_only() -> None:
    variant = corpus.variant("claude", "resume_6_missing")
    _, result = play(variant.stdout, variant.exit_code, variant.stderr)
    assert (result.outcome, result.unavailable) == (Outcome.FAILED, False)
    assert "No conversation found" in result.why


def test_text_without_a_result_proves_nothing() -> None:
    variant = corpus.variant("claude", "textmode")
    events, result = play(variant.stdout, 0)
    assert events == [Raw(text="Done: added hello.py and committed.")]
    assert result.outcome is Outcome.UNKNOWN


def test_a_bad_exit_code_after_a_good_result_is_no_failure() -> None:
    _, result = play(corpus.variant("claude", "success").stdout, 143)
    assert (result.outcome, result.why) == (Outcome.SUCCEEDED, "completed (exit 143)")


def test_an_array_of_all_lines() -> None:
    lines = corpus.variant("claude", "success").stdout.strip().split(b"\n")
    _, result = play(b"[" + b",".join(lines) + b"]")
    assert result.outcome is Outcome.SUCCEEDED
    assert result.usage.cost_micros == TRUTHS["success"].cost_micros


# What it used


def test_a_resumed_session_counts_only_what_is_new() -> None:
    before = play(corpus.variant("claude", "resume_1").stdout)[1]
    _, result = play(corpus.variant("claude", "resume_2").stdout, before=before)
    assert result.usage == Usage(Tokens(40, 38, 12757, 12829), 136515 - 68899)


def test_older_releases_count_a_resumed_session_from_zero() -> None:
    """2.1.197 does not say what is new; then this process's own messages prove what cannot be carried."""
    stdout = corpus.variant("claude", "success").stdout
    silent = stdout.replace(b'"model_usage_since_last_result"', b'"something_else"')
    assert silent != stdout
    before = AgentResult(Outcome.SUCCEEDED, "completed", Usage(Tokens(90, 200, 13000, 50000), 80_000), "s")
    assert play(silent, before=before)[1].usage == play(stdout)[1].usage


def test_a_silent_cumulative_total_is_differenced() -> None:
    before = play(corpus.variant("claude", "resume_1").stdout)[1]
    stdout = corpus.variant("claude", "resume_2").stdout
    silent = stdout.replace(b'"model_usage_since_last_result"', b'"something_else"')
    assert play(silent, before=before)[1].usage == play(stdout, before=before)[1].usage


def test_models_are_told_apart_and_only_what_is_new_counts() -> None:
    before = play(corpus.variant("claude", "resume_2").stdout)[1]
    assert before.models == {"claude-opus-5-5": before.usage}
    _, result = play(corpus.variant("claude", "resume_3_othermodel").stdout, before=before)
    # The session's opus was used before; by this process there was only haiku.
    assert result.models == {"claude-haiku-4-5-20251001": Usage(Tokens(40, 38, 13197, 13299), 18173)}
    assert result.usage.cost_micros == 18173


def test_models_together_cost_what_the_process_did_whatever_was_rounded() -> None:
    models = {f"m{number}": {"outputTokens": 1, "costUSD": 0.0000004} for number in range(5)}
    line = {
        "type": "result", "subtype": "success", "is_error": False, "total_cost_usd": 0.000002,
        "modelUsage": models, "terminal_reason": "completed", "session_id": "s",
    }  # fmt: skip
    _, result = play(json.dumps(line).encode() + b"\n")
    assert result.usage.cost_micros == 2
    assert sum(used.cost_micros or 0 for used in result.models.values()) == 2
    assert sum(used.tokens.output or 0 for used in result.models.values()) == 5


def test_what_nobody_can_tell_apart_is_not_told_apart() -> None:
    """2.1.197 carries nothing over, or all of it, and does not say of which model."""
    before = play(corpus.variant("claude", "resume_1").stdout)[1]
    stdout = corpus.variant("claude", "resume_2").stdout
    silent = stdout.replace(b'"model_usage_since_last_result"', b'"something_else"')
    assert play(silent, before=before)[1].models == {}


def told_without_models(cost: float | None, *results: float, models: bool = False) -> bytes:
    """A message, and results that have a cost and the turn's usage, as releases before `modelUsage` wrote."""
    turn = {"input_tokens": 20, "output_tokens": 300, "cache_read_input_tokens": 7_000}
    said = {"id": "m1", "model": "claude-sonnet-4", "usage": {**turn, "output_tokens": 1}}
    lines: list[dict[str, Any]] = [{"type": "assistant", "session_id": "s", "message": said}]
    extra: dict[str, Any] = {"modelUsage": {}} if models else {}
    for total in (cost, *results):
        ended = {"type": "result", "subtype": "success", "is_error": False, "session_id": "s"}
        lines.append({**ended, "result": "Done.", "total_cost_usd": total, "usage": turn, **extra})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def test_a_cost_without_models_is_the_agents_own_word() -> None:
    events, result = play(told_without_models(0.125))
    assert result.usage == Usage(Tokens(20, 300, 7_000, 0), 125_000)
    assert [event.usage for event in events if isinstance(event, UsageReport)][-1] == result.usage
    assert result.models == {}
    # Costs are totals of the process, the usage is the turn's.
    assert play(told_without_models(0.125, 0.25))[1].usage == Usage(Tokens(40, 600, 14_000, 0), 250_000)


@pytest.mark.parametrize("cost", [None, 0, -1.0, 1e12])
def test_a_cost_that_cannot_be_is_unknown(cost: float | None) -> None:
    _, result = play(told_without_models(cost))
    assert result.usage == Usage(Tokens(20, None, 7_000, 0), None, estimated=True)


def test_a_cost_beside_models_that_are_empty_is_not_believed() -> None:
    """Current releases write that where a turn broke off before its usage was counted."""
    assert play(told_without_models(0.125, models=True))[1].usage.cost_micros is None


def test_several_results_of_a_resumed_process() -> None:
    before = AgentResult(Outcome.SUCCEEDED, "completed", Usage(Tokens(1, 1, 1, 1), 1), "s")
    stdout = corpus.variant("claude", "steer").stdout
    assert play(stdout, before=before)[1].usage == play(stdout)[1].usage


def test_a_session_whose_totals_were_lost_starts_again_at_zero() -> None:
    """After SIGKILL the CLI has no totals to go on from: the difference would be less than was used."""
    before = AgentResult(Outcome.UNKNOWN, "killed", Usage(Tokens(40, None, 12_000, 13_000)), "s")
    _, result = play(corpus.variant("claude", "success").stdout, before=before)
    truth = TRUTHS["success"]
    assert result.usage.tokens.input == 100
    assert result.usage.cost_micros == truth.cost_micros


def test_partial_messages_tell_the_output_before_the_end() -> None:
    variant = corpus.variant("claude", "partial")
    killed = variant.stdout[: variant.stdout.rindex(b'{"duration_api_ms"')]
    _, result = play(killed, -9)
    assert (result.outcome, result.why) == (Outcome.UNKNOWN, "signal 9 without a result")
    assert result.usage == Usage(Tokens(100, 318, 51025, 13160), None, estimated=True)


def test_live_usage_is_marked_until_the_result() -> None:
    events, _ = play(corpus.variant("claude", "success").stdout)
    reports = [event.usage for event in events if isinstance(event, UsageReport)]
    assert [usage.estimated for usage in reports] == [True] * 5 + [False]
    assert [usage.tokens.input for usage in reports] == [20, 40, 60, 80, 100, 100]
    assert [usage.tokens.output for usage in reports] == [None] * 5 + [318]


# What it did


def test_a_run_reads_like_a_story() -> None:
    events, _ = play(corpus.variant("claude", "success").stdout)
    calls = [(e.name, e.argument, e.added, e.removed) for e in events if isinstance(e, ToolCall)]
    assert calls == [
        ("Bash", "ls -la", None, None),
        ("Write", "hello.py", 1, None),
        ("Edit", "hello.py", 4, 1),
        (
            "Bash",
            "python3 hello.py && git add -A && git commit -qm 'add hello' && git log --oneline | head -3",
            None,
            None,
        ),
        ("Bash", "git status --short", None, None),
    ]
    assert events[0] == Session(id="780fd9ba-447b-45ae-9901-65197bcddc39", model="claude-opus-5-5")
    assert events[-1] == End(ok=True, text="Done: added hello.py and committed.")
    results = [event for event in events if isinstance(event, ToolResult)]
    assert {event.id for event in results} == {e.id for e in events if isinstance(e, ToolCall)}
    assert all(event.seconds is not None and event.seconds < 1 for event in results)


def test_sub_agents_are_named() -> None:
    events, _ = play(corpus.variant("claude", "subagent").stdout)
    mine = [event for event in events if event.agent == "Count files"]
    assert [type(event) for event in mine] == [Said, ToolCall, ToolResult, Said]


def test_a_denial_is_told_once() -> None:
    events, _ = play(corpus.variant("claude", "denied").stdout)
    asked = [event.text for event in events if isinstance(event, Question)]
    assert len(asked) == 2
    assert asked[0].startswith("was denied Bash: Permission to use Bash")
    denials = [{"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": "rm -rf build"}}]
    events, _ = play(INIT + line(type="result", is_error=False, permission_denials=denials))
    assert [event for event in events if isinstance(event, Question)] == [
        Question(text="was denied Bash rm -rf build")
    ]


def test_an_exit_code_is_taken_from_the_text_of_a_failed_command() -> None:
    events, _ = play(corpus.variant("claude", "sigterm_tool").stdout, 143)
    assert [(e.failed, e.exit_code) for e in events if isinstance(e, ToolResult)] == [(True, 137)]


def test_what_a_person_said_meanwhile_is_told_but_not_the_prompt() -> None:
    events, _ = play(corpus.variant("claude", "steer").stdout)
    heard = [event.text for event in events if isinstance(event, Note) and event.text.startswith("heard")]
    assert heard[0] == "heard: STEER-1 while the tool runs"
    assert not any("start the task" in text for text in heard)


# When it wants its input to end


def test_input_ends_after_the_last_result() -> None:
    for variant in VARIANTS:
        stream = ClaudeStream()
        stream.feed(variant.stdout)
        assert stream.wants_stdin_closed == (TRUTHS[variant.name].results > 0)


def test_input_stays_open_for_queued_turns_and_background_agents() -> None:
    stream = ClaudeStream()
    result = {"type": "result", "subtype": "success", "is_error": False}
    task = {"task_id": "t", "task_type": "local_agent"}
    stream.feed(INIT + line(**result, queued_turn_count=1))
    assert not stream.wants_stdin_closed
    stream.feed(line(**result, queued_turn_count=0))
    assert stream.wants_stdin_closed
    stream.feed(INIT)
    assert not stream.wants_stdin_closed
    stream.feed(line(type="system", subtype="task_started", **task) + line(**result))
    assert not stream.wants_stdin_closed
    stream.feed(line(type="system", subtype="task_notification", task_id="t", status="completed"))
    assert stream.wants_stdin_closed


def test_a_sub_agent_that_outlives_the_last_turn_takes_nothing_from_its_result() -> None:
    late = {"id": "m", "model": "claude-opus-5-5", "content": [{"type": "text", "text": "Still here."}]}
    data = INIT + line(type="result", subtype="success", is_error=False, terminal_reason="completed")
    data += line(type="assistant", message=late, parent_tool_use_id="t", task_description="Count")
    assert play(data)[1].outcome is Outcome.SUCCEEDED


def test_a_background_shell_does_not_keep_the_input_open() -> None:
    stream = ClaudeStream()
    server = [{"task_id": "b", "task_type": "local_bash"}]
    stream.feed(INIT + line(type="system", subtype="background_tasks_changed", tasks=server))
    stream.feed(line(type="result", subtype="success", is_error=False))
    assert stream.wants_stdin_closed


# Bad input


def test_wrong_types_do_not_lose_the_rest_of_a_line() -> None:
    data = line(
        type="result",
        subtype=["success"],
        is_error=False,
        num_turns="six",
        errors={"not": "a list"},
        total_cost_usd="0.1",
        modelUsage={
            "a": {"inputTokens": 7, "outputTokens": "many"},
            "b": None,
            "c": {"inputTokens": -5, "cacheReadInputTokens": 2**70, "outputTokens": 3},
        },
    )
    _, result = play(data)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.usage == Usage(Tokens(7, 3, 0, 0), None)


def test_half_a_character_in_a_string() -> None:
    """JavaScript cuts strings between the two halves of an emoji and prints what is left escaped."""
    data = b'{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"bee \\ud83d"}]}}\n'
    events, _ = play(data)
    assert events == [Said(text="bee")]


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00\x01\x02 binary \xff\xfe",
        b"{",
        b"[1, 2",
        b"null",
        b"{}",
        b'{"type": 7}',
        b'{"type":"assistant","message":[]}',
        b'{"type":"assistant","message":{"content":{"a":1}}}',
        b'{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":3,"content":9}]}}',
        b'{"type":"never-heard-of","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"assistant","message":{"content":'
        + b'[{"content":' * 50_000
        + b"[]"
        + b"}]" * 50_000
        + b"}}",
        b'{"type":"system","subtype":"api_retry","retry_delay_ms":1e400,"attempt":-1}',
        b'{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1e308}}',
        b'{"type":"result","total_cost_usd":1e308,"usage":{"input_tokens":' + b"9" * 5_000 + b"}}",
        b'{"type":"assistant","timestamp":"0001-01-01T00:00:00+23:59","message":{"content":"x"}}',
    ],
)
def test_junk_is_never_fatal(junk: bytes) -> None:
    variant = corpus.variant("claude", "success")
    head, _, rest = variant.stdout.partition(b"\n")
    _, result = play(head + b"\n" + junk + b"\n" + rest)
    assert result.outcome is Outcome.SUCCEEDED
    play(junk)


@given(st.data())
def test_mutated_streams_are_never_fatal(data: st.DataObject) -> None:
    stdout = bytearray(data.draw(st.sampled_from(VARIANTS)).stdout)
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(stdout)))
        stdout[at : at + data.draw(st.integers(0, 30))] = data.draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b'"', b"{", b"}", b"[", b"]", b"null", b"-1", b'"x"', b"\\u0000", b"\\ud800"]
                ),
            )
        )
    play(bytes(stdout), data.draw(st.none() | st.integers(-64, 255)))


LINES = [
    msgspec.json.decode(line)
    for variant in VARIANTS
    if variant.name != "textmode"
    for line in variant.stdout.splitlines()
]
ODD: list[Any] = [None, True, -1, 0.5, 10**30, "", "9999-12-31T23:59:59-12:00", "resets 3pm", [], {}, [[]]]


def twisted(value: Any, chance: random.Random) -> Any:
    """The same line with something of another type in places."""
    if chance.random() < 0.04:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: twisted(inner, chance) for key, inner in value.items()}
    if isinstance(value, list):
        return [twisted(inner, chance) for inner in value]
    return value


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_wrong_types_anywhere_are_never_fatal(lines: list[Any], chance: random.Random) -> None:
    data = "\n".join(json.dumps(twisted(line, chance)) for line in lines).encode()
    _, result = play(data, before=AgentResult(Outcome.UNKNOWN, "", Usage(Tokens(9))))
    counts = (*msgspec.structs.astuple(result.usage.tokens), result.usage.cost_micros)
    assert all(count is None or 0 <= count < 2**63 for count in counts)


def test_hostile_text_is_made_harmless() -> None:
    evil = "\x1b]52;c;cm0gLXJm\x07\x1b[31mred\x1b[0m \u202egnp.exe\u200b [bold]x[/] \x00 sk-ant-REDACTED"
    block = [
        {"type": "text", "text": evil},
        {"type": "tool_use", "id": evil, "name": evil, "input": {"command": evil}},
    ]
    events, result = play(
        line(type="system", subtype="init", session_id=evil, model=evil)
        + line(type="assistant", parent_tool_use_id="p", task_description=evil, message={"content": block})
        + line(type="result", is_error=True, result=evil, terminal_reason=evil)
        + evil.encode()
        + b"\n"
    )
    shown = repr((events, result))
    for bad in ("\\x1b", "\\u202e", "\\u200b", "\\x00", "]52;", "sk-ant"):
        assert bad not in shown
    assert "[bold]x[/]" in shown


def test_a_line_of_ten_megabytes_in_small_pieces() -> None:
    text = "x" * 10_000_000
    data = line(type="assistant", message={"id": "m", "content": [{"type": "text", "text": text}]})
    stream = ClaudeStream()
    events = [
        event for start in range(0, len(data), 4096) for event in stream.feed(data[start : start + 4096])
    ]
    assert len(events) == 1
    assert isinstance(events[0], Said)
    assert len(events[0].text) < 20_000
