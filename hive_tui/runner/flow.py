"""The steps of a run and what follows what, without any process: pure, so that every path can be tested.

A step is run by somebody else (`run.py`) and answers with a result; `advance` says what comes next.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from hive_tui.core.model import Phase, Step

FLOW = (Step.PREPARE, Step.IMPLEMENT, Step.TEST, Step.PUBLISH)


class Position(msgspec.Struct, frozen=True):
    """Where a run is: the step, the round of implementing, and what the last round has to repair."""

    step: Step = Step.PREPARE
    round: int = 1
    findings: str | None = None


class Passed(msgspec.Struct, frozen=True):
    """The step is done; go on with the next."""


class Rejected(msgspec.Struct, frozen=True):
    """The work is not good yet: implement again with these findings, if a round is left."""

    findings: str
    why: str
    """For people, when no round is left."""


class Over(msgspec.Struct, frozen=True):
    """The run's process has nothing left to do: a final phase, or WAITING for somebody or something."""

    phase: Phase
    why: str | None = None
    evidence: str | None = None
    until: datetime | None = None
    agent_problem: str | None = None
    head: str | None = None
    """For SUCCEEDED: the SHA that was pushed."""
    keep_local: str | None = None
    """Why the work must not be pushed anywhere, not even as work in progress."""


StepResult = Passed | Rejected | Over


def advance(
    position: Position, result: StepResult, *, max_rounds: int, flow: tuple[Step, ...] = FLOW
) -> Position | Over:
    """What follows a step's result. The last step of a flow never passes, it is Over."""
    match result:
        case Over():
            return result
        case Rejected() if position.round >= max_rounds:
            tries = f"after {position.round} rounds" if position.round > 1 else "after 1 round"
            return Over(Phase.FAILED, f"{result.why} {tries}")
        case Rejected():
            return Position(Step.IMPLEMENT, position.round + 1, result.findings)
        case Passed():
            following = flow[flow.index(position.step) + 1]
            return Position(following, position.round, position.findings)
