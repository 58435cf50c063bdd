"""The scripted agent's parser on any input, and its options."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from backends.agents.scripted import MAX_BUFFER, ScriptedAgent
from hive_tui.core.errors import ConfigError
from hive_tui.core.events import AgentError, AnyEvent, End, Limit, Outcome, Said, Session
from hive_tui.core.ids import AgentName
from hive_tui.core.ports import Agent, AgentJob


def test_it_is_an_agent() -> None:
    agent: Agent = ScriptedAgent()
    assert agent.probe(None).found


def lines(*events: AnyEvent) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def test_the_parser_takes_any_chunks() -> None:
    data = lines(Session(id="s", model="m"), Said(text="ä\nb"), End(ok=True, text="x")) + b"\xff\xfe\n{\n"
    whole = ScriptedAgent().parser()
    expected = whole.feed(data)
    assert len(expected) == 5
    parser = ScriptedAgent().parser()
    assert [event for byte in data for event in parser.feed(bytes([byte]))] == expected
    assert parser.wants_stdin_closed


def test_a_line_without_end_is_bounded() -> None:
    parser = ScriptedAgent().parser()
    found: list[AnyEvent] = []
    for _ in range(40):
        found += parser.feed(b"x" * (MAX_BUFFER // 8))
    assert len(found) == 1
    assert parser.feed(b"xx\n") == []
    assert parser.feed(lines(Said(text="after"))) == [Said(text="after")]


@pytest.mark.parametrize(
    ("events", "code", "outcome"),
    [
        ((), 0, Outcome.UNKNOWN),
        ((), None, Outcome.UNKNOWN),
        ((), 1, Outcome.FAILED),
        ((Said(text="x"),), 0, Outcome.UNKNOWN),
        ((AgentError(text="boom"),), 0, Outcome.FAILED),
        ((AgentError(text="slow", retrying=True), End(ok=True)), 0, Outcome.SUCCEEDED),
        ((End(ok=True),), None, Outcome.SUCCEEDED),
        ((End(ok=True),), 1, Outcome.FAILED),
        ((End(ok=False, text="no"),), 0, Outcome.FAILED),
        ((Limit(text="wait"),), 1, Outcome.LIMITED),
        ((Limit(text="wait"), End(ok=True)), 0, Outcome.SUCCEEDED),
        ((End(ok=True), Limit(text="wait")), 1, Outcome.LIMITED),
    ],
)
def test_the_outcome_rests_on_evidence(
    events: tuple[AnyEvent, ...], code: int | None, outcome: Outcome
) -> None:
    parser = ScriptedAgent().parser()
    parser.feed(lines(*events))
    assert parser.finish(code).outcome is outcome


def test_a_last_line_without_newline_counts() -> None:
    parser = ScriptedAgent().parser()
    parser.feed(lines(End(ok=True))[:-1])
    assert parser.finish(0).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "scenarios: missing"),
        ({"scenarios": "x", "speed": "fast"}, "speed: 'fast'"),
        ({"scenarios": "x", "speed": "0"}, "speed"),
        ({"scenarios": "x", "speed": "nan"}, "speed"),
        ({"scenarios": "x", "sped": "1"}, "sped: unknown key"),
    ],
)
def test_options_are_validated(options: dict[str, str], words: str) -> None:
    job = AgentJob(AgentName("robin"), "scripted", options=options)
    with pytest.raises(ConfigError, match=words):
        ScriptedAgent().launch(job, "x", session=None, workdir=Path("/nowhere"))
