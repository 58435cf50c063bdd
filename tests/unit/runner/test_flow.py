from __future__ import annotations

import pytest

from hive_tui.core.model import Phase, Step
from hive_tui.runner.flow import FLOW, Over, Passed, Position, Rejected, advance


def test_the_steps_follow_each_other() -> None:
    position: Position | Over = Position()
    seen = []
    while isinstance(position, Position):
        seen.append(position.step)
        result = Over(Phase.SUCCEEDED) if position.step is Step.PUBLISH else Passed()
        position = advance(position, result, max_rounds=3)
    assert tuple(seen) == FLOW


def test_a_rejection_goes_back_to_implement_with_the_findings() -> None:
    after = advance(Position(Step.TEST, 1), Rejected("line 3", "tests still fail"), max_rounds=3)
    assert after == Position(Step.IMPLEMENT, 2, "line 3")
    assert advance(after, Passed(), max_rounds=3) == Position(Step.TEST, 2, "line 3")


@pytest.mark.parametrize(("rounds", "words"), [(1, "after 1 round"), (3, "after 3 rounds")])
def test_the_last_rejection_fails_the_run(rounds: int, words: str) -> None:
    over = advance(Position(Step.TEST, rounds), Rejected("x", "tests still fail"), max_rounds=rounds)
    assert over == Over(Phase.FAILED, f"tests still fail {words}")


def test_over_is_final_in_every_step() -> None:
    killed = Over(Phase.KILLED, "by anna")
    assert all(advance(Position(step), killed, max_rounds=3) is killed for step in FLOW)


def test_a_flow_may_have_more_steps() -> None:
    flow = (Step.PREPARE, Step.TEST, Step.PUBLISH)
    assert advance(Position(), Passed(), max_rounds=1, flow=flow) == Position(Step.TEST)
