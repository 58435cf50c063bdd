from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    Note,
    Question,
    Raw,
    Said,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.model import Tokens, Usage
from hive_tui.runner.progress import Progress, answered, changed_tree, observe, stalled

START = datetime(2026, 1, 1, tzinfo=UTC)
AFTER = timedelta(minutes=10)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def play(*events: tuple[float, AnyEvent]) -> Progress:
    progress = Progress(START)
    for minutes, event in events:
        progress = observe(progress, event, at(minutes))
    return progress


def test_silence_is_tolerated_for_a_while() -> None:
    progress = play((1, Said(text="hm")))
    assert stalled(progress, at(10.9), AFTER) is None
    assert stalled(progress, at(11.1), AFTER) == "no progress"


@pytest.mark.parametrize("event", [AgentError(text="x", retrying=True), Note(text="x"), Raw(text="x")])
def test_noise_is_no_progress(event: AnyEvent) -> None:
    assert stalled(play((9, event)), at(11), AFTER) == "no progress"


def test_a_long_tool_is_tolerated_longer_but_not_forever() -> None:
    progress = play((0, ToolCall(name="Bash", argument="make", id="t1")))
    assert stalled(progress, at(29), AFTER) is None
    assert stalled(progress, at(31), AFTER) == "a tool does not come back"
    back = observe(progress, ToolResult(id="t1"), at(31))
    assert stalled(back, at(40), AFTER) is None
    assert stalled(back, at(42), AFTER) == "no progress"


def test_the_same_failing_command_is_no_progress() -> None:
    events: list[tuple[float, AnyEvent]] = []
    for minute in range(20):
        events.append((minute, ToolCall(name="Bash", argument="pytest", id=str(minute))))
        events.append((minute + 0.5, ToolResult(id=str(minute), failed=True)))
    progress = play(*events)
    assert stalled(progress, at(20), AFTER) == "Bash pytest fails again and again"
    other = observe(progress, ToolCall(name="Edit", argument="a.py", id="e"), at(20))
    assert stalled(other, at(29), AFTER) is None


def test_a_command_that_succeeds_again_is_progress() -> None:
    events: list[tuple[float, AnyEvent]] = []
    for minute in range(20):
        events.append((minute, ToolCall(name="Bash", argument="git status", id=str(minute))))
        events.append((minute + 0.5, ToolResult(id=str(minute))))
    assert stalled(play(*events), at(20), AFTER) is None


def test_only_new_tokens_count() -> None:
    def used(tokens: int) -> UsageReport:
        return UsageReport(usage=Usage(Tokens(output=tokens)))

    assert stalled(play((0, used(10)), (9, used(10))), at(11), AFTER) == "no progress"
    assert stalled(play((0, used(10)), (9, used(11))), at(11), AFTER) is None


def test_a_question_waits_until_somebody_answers_or_the_agent_goes_on() -> None:
    asking = play((0, Question(text="which?")))
    assert asking.asking == "which?"
    assert answered(asking, at(1)).asking is None
    assert observe(asking, ToolCall(name="Read"), at(1)).asking is None
    assert observe(asking, Said(text="I wait"), at(1)).asking == "which?"


def test_a_changed_tree_is_progress() -> None:
    assert stalled(changed_tree(Progress(START), at(9)), at(11), AFTER) is None
