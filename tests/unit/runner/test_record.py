"""What an ended agent wrote down of its use counts where its stream told nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from backends.agents.codex import CodexAgent
from hive_tui.core.errors import GitError
from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import Tokens, Usage
from hive_tui.runner import record
from hive_tui.runner.session import Session
from tests import corpus

KILLED = AgentResult(Outcome.UNKNOWN, "exit 143 without a result", session="s1")


class Written:
    def __init__(self, found: Mapping[str | None, Tokens]) -> None:
        self._found = found

    variables = ("WHERE",)

    def command(self, session: str) -> Sequence[str]:
        return ("print", session)

    def read(self, data: bytes) -> Mapping[str | None, Tokens]:
        return self._found


def completed(result: AgentResult, found: Mapping[str | None, Tokens], **session: Any) -> AgentResult:
    def stream(
        argv: Sequence[str], *, stdin: bytes, limit: int, timeout: float, inherit: Sequence[str]
    ) -> bytes:
        assert (tuple(argv), inherit) == (("print", "s1"), ("WHERE",))
        return b""

    agent = SimpleNamespace(usage_record=lambda: Written(found))
    ctx: Any = SimpleNamespace(agent=agent, sandbox=SimpleNamespace(stream=stream))
    return record.completed(ctx, Session(id="s1", **session), result)


def test_a_process_that_told_nothing_used_what_it_wrote_down() -> None:
    found = completed(KILLED, {"sol": Tokens(5, 7, 1, 0), "luna": Tokens(1, 1, 0, 0)})
    assert found.usage == Usage(Tokens(6, 8, 1, 0), estimated=True)
    assert found.models["sol"] == Usage(Tokens(5, 7, 1, 0), estimated=True)
    parts = Session(id="s1").ended(found, 1, None).parts
    assert [(part.model, part.session, part.usage.tokens.output) for part in parts] == [
        ("sol", "s1", 7),
        ("luna", "s1", 1),
    ]


def test_what_earlier_processes_of_the_session_used_is_left_out() -> None:
    found = completed(KILLED, {"sol": Tokens(5, 7, 1, 0)}, used=Usage(Tokens(4, 4, 0, 0)))
    assert (found.usage.tokens, found.model) == (Tokens(1, 3, 1, 0), "sol")


def test_what_the_agent_told_is_not_asked_for_again() -> None:
    told = AgentResult(Outcome.SUCCEEDED, "completed", Usage(Tokens(1, 1)), "s1")
    assert completed(told, {"sol": Tokens(5, 7)}) is told


def test_nothing_written_is_not_known() -> None:
    assert completed(KILLED, {}) is KILLED


def test_a_side_that_does_not_answer_leaves_it_unknown() -> None:
    def stream(*_: object, **__: object) -> bytes:
        raise GitError("The agent's side is lost.", "Look at the pod.")

    ctx: Any = SimpleNamespace(agent=CodexAgent(), sandbox=SimpleNamespace(stream=stream))
    assert record.completed(ctx, Session(), KILLED) is KILLED


@pytest.mark.parametrize(
    ("variant", "tokens"),
    [("success", Tokens(14_777, 423, 56_320, 0)), ("err429", Tokens(14_084, 152, 13_824, 0))],
)
def test_codex_writes_down_what_its_stream_tells(variant: str, tokens: Tokens) -> None:
    (path,) = (corpus.HERE / "codex" / variant).rglob("rollout-*.jsonl")
    written = CodexAgent().usage_record()
    assert written.read(path.read_bytes()) == {"gpt-6.1-sol": tokens}
    assert written.read(b"no rollout\n") == {}
