"""Agents' own transcripts as readable events: recorded ones, those of other releases, and hostile ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui import plugins
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    Limit,
    Note,
    Prompt,
    Raw,
    Said,
    Thinking,
    ToolCall,
    ToolResult,
    one_line,
)
from tests.corpus import HERE


def events(agent: str, data: bytes) -> list[AnyEvent]:
    parser = plugins.transcript(agent)
    assert parser is not None
    return [found.event for line in data.split(b"\n") for found in parser.line(line)]


def lines(*values: dict[str, Any]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, values))


def recorded(agent: str, name: str) -> bytes:
    home = "claude-home" if agent == "claude" else "codex-home"
    (path,) = (
        path for path in (HERE / agent / name / home).rglob("*.jsonl") if "subagents" not in path.parts
    )
    return path.read_bytes()


def test_a_conversation_with_claude_reads_from_the_prompt_to_the_last_word() -> None:
    found = events("claude", recorded("claude", "success"))
    assert found[0] == Prompt(text="Add hello.py and commit it")
    kinds = [type(event) for event in found]
    assert {Thinking, Said, ToolCall, ToolResult} < set(kinds)
    assert isinstance(found[-1], Said)
    calls = [event for event in found if isinstance(event, ToolCall)]
    results = [event for event in found if isinstance(event, ToolResult)]
    assert [call.id for call in calls] == [result.id for result in results]
    assert all(result.seconds is not None for result in results)


def test_a_conversation_with_codex_tells_each_command_once() -> None:
    found = events("codex", recorded("codex", "success"))
    assert found[0] == Prompt(text="Add hello.py and commit it")
    calls = [event for event in found if isinstance(event, ToolCall)]
    assert [(call.name, call.argument.split()[0]) for call in calls] == [
        ("shell", "ls"), ("edit", "hello.py"), ("shell", "python3"), ("shell", "false"),
    ]  # fmt: skip
    assert [event.exit_code for event in found if isinstance(event, ToolResult)] == [0, None, 0, 1]
    assert found[-1] == Said(text="Done: added hello.py and committed.")


def test_what_stopped_a_session_is_told() -> None:
    (limit,) = (each for each in events("claude", recorded("claude", "credit")) if isinstance(each, Limit))
    assert (limit.text, limit.billing) == ("Credit balance is too low", True)
    last = events("claude", recorded("claude", "sigint_stream"))[-1]
    assert last == AgentError(text="Request interrupted by user")
    retries = [each for each in events("claude", recorded("claude", "err429")) if type(each) is AgentError]
    assert retries
    assert all(each.retrying for each in retries)


def test_what_no_person_said_is_no_prompt() -> None:
    found = events("claude", recorded("claude", "subagent"))
    assert [event.text for event in found if isinstance(event, Prompt)] == ["Do the scripted task"]
    (task,) = (event for event in found if isinstance(event, Raw))
    assert task.text.startswith("<task-notification>")


def test_a_compacted_context_says_how_much_went() -> None:
    sizes = {"preTokens": 155_000, "postTokens": 12_000}
    data = lines(
        {"type": "system", "subtype": "compact_boundary", "compactMetadata": sizes},
        {"type": "user", "isCompactSummary": True, "message": {"content": "This session is continued"}},
    )
    assert events("claude", data) == [
        Note(text="context compacted from 155k to 12k"),
        Raw(text="This session is continued"),
    ]


def test_an_older_rollout_has_its_tool_calls_among_the_model_s_items() -> None:
    call = {"type": "function_call", "name": "shell", "call_id": "c1",
            "arguments": '{"command":["bash","-lc","make test"]}'}  # fmt: skip
    data = lines(
        {"type": "event_msg", "payload": {"type": "user_message", "message": "test it"}},
        {"type": "event_msg", "payload": {"type": "agent_reasoning", "text": "hm"}},
        {"type": "response_item", "payload": call},
        {"type": "response_item",
         "payload": {"type": "function_call_output", "call_id": "c1", "output": "ok"}},
        {"type": "response_item", "payload": {"type": "message", "role": "assistant", "content": []}},
        {"type": "event_msg", "payload": {"type": "agent_message", "message": "It passes."}},
    )  # fmt: skip
    assert events("codex", data) == [
        Prompt(text="test it"),
        Thinking(text="hm"),
        ToolCall(name="shell", argument="make test", id="c1"),
        ToolResult(text="ok", id="c1", size=2),
        Said(text="It passes."),
    ]


def test_an_agent_without_transcripts_has_no_parser() -> None:
    assert plugins.transcript("scripted") is None


@pytest.mark.parametrize("agent", ["claude", "codex"])
@pytest.mark.parametrize("folder", sorted(map(str, (HERE).glob("*/*/*-home"))))
def test_no_recorded_line_is_too_much(agent: str, folder: str) -> None:
    for path in Path(folder).rglob("*.jsonl"):
        for event in events(agent, path.read_bytes()):
            assert "\x1b" not in one_line(event)


HOSTILE = "\x1b]0;owned\x07\u202eevil\x00 sk-ant-REDACTED"


def test_hostile_words_become_harmless() -> None:
    content = [
        {"type": "text", "text": HOSTILE},
        {"type": "tool_use", "id": HOSTILE, "name": HOSTILE, "input": {"command": HOSTILE}},
    ]
    claude = lines(
        {"type": "assistant", "message": {"content": content}},
        {"type": "user", "message": {"content": HOSTILE}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": HOSTILE,
                                                  "content": HOSTILE}]}},
        {"type": "system", "subtype": "api_error", "error": {"formatted": HOSTILE}},
    )  # fmt: skip
    item = {"type": "CommandExecution", "id": HOSTILE, "command": ["sh", HOSTILE],
            "aggregated_output": HOSTILE}  # fmt: skip
    codex = lines(
        {"type": "event_msg", "payload": {"type": "item_completed", "item": item}},
        {"type": "event_msg", "payload": {"type": "error", "message": HOSTILE}},
    )
    found = [*events("claude", claude), *events("codex", codex)]
    assert len(found) == 8
    for event in found:
        raw = msgspec.json.encode(event).decode()
        assert "\\u001b" not in raw
        assert "\u202e" not in raw
        assert "sk-ant-REDACTED" not in raw


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "payload", "item", "message", "content", "text", "timestamp", "command", "duration"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["claude", "codex"]), _JSON, st.sampled_from(["assistant", "user", "event_msg"]))
def test_no_line_of_a_future_version_stops_the_reading(agent: str, value: Any, kind: str) -> None:
    if isinstance(value, dict):
        value = {**value, "type": kind}
    events(agent, msgspec.json.encode(value))
    events(agent, msgspec.json.encode(value)[:-3])
