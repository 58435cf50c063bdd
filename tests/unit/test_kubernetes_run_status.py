"""What is written of a run, and what is left of it where nobody takes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.clusters.kubernetes import run_status
from backends.clusters.kubernetes.objects import AgentRunStatus, PodClaim
from hive_tui.core.events import LogLine, Note
from hive_tui.core.model import LastEvent, Phase, RunStatus, TestResult

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = PodClaim("run-x", "uid-1")


class TestAfter:
    def test_what_only_kubernetes_needs_stays(self) -> None:
        before = AgentRunStatus(Phase.STARTING, pod=POD, starts=2, lines=7)
        new = run_status.after(before, RunStatus(Phase.WORKING, session="s"), NOW)
        assert (new.phase, new.session, new.pod, new.starts, new.lines) == (Phase.WORKING, "s", POD, 2, 7)
        assert run_status.plain(new) == RunStatus(Phase.WORKING, session="s")

    def test_an_end_has_a_time(self) -> None:
        assert run_status.after(AgentRunStatus(), RunStatus(Phase.FAILED), NOW).ended_at == NOW

    def test_conditions_are_those_of_the_phase_since_it_changed(self) -> None:
        status = run_status.after(AgentRunStatus(), RunStatus(Phase.STARTING), NOW, pod=POD)
        status = run_status.after(status, RunStatus(Phase.STARTING), NOW + timedelta(seconds=5))
        assert [(each.type, each.status, each.last_transition_time) for each in status.conditions] == [
            ("Registered", "True", NOW),
            ("Finished", "False", NOW),
        ]
        later = NOW + timedelta(minutes=1)
        over = RunStatus(Phase.NEEDS_HUMAN, why="look", ended_at=later)
        status = run_status.after(status, over, later)
        assert [(each.type, each.status, each.reason) for each in status.conditions] == [
            ("Registered", "True", "PodRegistered"),
            ("Finished", "True", "NeedsHuman"),
            ("Succeeded", "False", "NeedsHuman"),
        ]
        assert status.conditions[1].last_transition_time == later


class TestLastWord:
    @given(st.text(max_size=20_000), st.text(max_size=20_000), st.sampled_from([each for each in Phase]))
    def test_it_is_whole_json_whatever_is_in_it(self, why: str, words: str, phase: Phase) -> None:
        status = RunStatus(
            phase,
            since=NOW,
            why=why,
            agent_problem=words,
            evidence=why,
            head="a" * 40,
            last_words=words,
            last_event=LastEvent(NOW, words),
            tests=TestResult(True, why, words, 1.0),
        )
        said = run_status.last_word(status)
        assert len(said) <= run_status.LAST_WORD
        found = run_status.adopted(said.decode())
        if phase.final or (phase is Phase.WAITING and found is not None):
            assert found is not None
            assert (found.phase, found.head, found.since) == (phase, "a" * 40, NOW)
        else:
            assert found is None

    def test_a_short_one_is_kept_wholly(self) -> None:
        status = RunStatus(Phase.SUCCEEDED, since=NOW, why="fine", head="a" * 40, round=2)
        assert run_status.adopted(run_status.last_word(status).decode()) == status

    @pytest.mark.parametrize(
        "message", [None, "", "{}", "Traceback (most recent call last):", '{"phase": 3}']
    )
    def test_anything_else_is_none(self, message: str | None) -> None:
        assert run_status.adopted(message) is None

    def test_a_line_of_the_log_is_none(self) -> None:
        line = msgspec.json.encode(LogLine(1, NOW, Note(text='{"phase": "succeeded"}')))
        assert run_status.adopted(line.decode()) is None
