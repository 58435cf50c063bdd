"""The agent sessions of a run, remembered in the runner's folder so that a later process continues them.

An agent CLI reports totals per session, over all of its processes, so what a session had used before
has to be known to count nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import RunStatus, Step, StepUse, Usage
from hive_tui.core.usage import add, with_use


class Session(msgspec.Struct, frozen=True):
    """The session that can be continued, and what it and the whole run used so far."""

    id: str | None = None
    used: Usage = Usage()
    """By the processes of this session."""
    run_used: Usage = Usage()
    """By all processes of the run."""
    parts: tuple[StepUse, ...] = ()
    """The same in parts; see `RunStatus.used`."""
    processes: int = 0
    running: bool = False
    """The last process began and its end was not counted yet."""

    @property
    def before(self) -> AgentResult | None:
        """What the parser of the next process of this session has to leave out."""
        return None if self.id is None else AgentResult(Outcome.UNKNOWN, "continued", self.used, self.id)

    def begun(self, *, afresh: bool) -> Session:
        """One more process, in this session or in a new one."""
        one_more = msgspec.structs.replace(self, processes=self.processes + 1, running=True)
        return msgspec.structs.replace(one_more, id=None, used=Usage()) if afresh else one_more

    def used_by(self, usage: Usage, round_: int, model: str | None) -> tuple[StepUse, ...]:
        """All parts, with what the process now at work used in a round."""
        return with_use(self.parts, StepUse(Step.IMPLEMENT, round_, usage, model, self.id))

    def ended(self, result: AgentResult, round_: int, model: str | None) -> Session:
        """After a process ended that worked in a round; `model` is for where its result names none."""
        name = result.session or self.id
        parts = self.parts
        used: Mapping[str | None, Usage] = {result.model or model: result.usage}
        for which, usage in (result.models or used).items():
            parts = with_use(parts, StepUse(Step.IMPLEMENT, round_, usage, which, name))
        return msgspec.structs.replace(
            self,
            id=name,
            parts=parts,
            used=add(self.used, result.usage),
            run_used=add(self.run_used, result.usage),
            running=False,
        )


def restore(home: Path, before: RunStatus) -> Session:
    """What was remembered; where nothing is left of an earlier process, what it had reported.

    Its session cannot be continued then, but what it used counts.
    """
    remembered = load(home)
    if remembered.processes or (before.usage == Usage() and before.session is None):
        return remembered
    restored = Session(run_used=before.usage, parts=before.used or _one_part(before), processes=1)
    save(home, restored)
    return restored


def _one_part(before: RunStatus) -> tuple[StepUse, ...]:
    return (StepUse(Step.IMPLEMENT, before.round, before.usage, before.model, before.session),)


def load(home: Path) -> Session:
    """What was remembered, or an empty session."""
    try:
        return msgspec.json.decode((home / "session.json").read_bytes(), type=Session)
    except (OSError, msgspec.DecodeError):
        return Session()


def save(home: Path, session: Session) -> None:
    half = home / "session.half"
    half.write_bytes(msgspec.json.encode(session))
    half.replace(home / "session.json")
