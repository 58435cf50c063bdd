"""When a process may become a run, whatever keeps the run's record."""

from __future__ import annotations

from datetime import datetime

import msgspec

from hive_tui.core.errors import RunEnded
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus


def refuse_unless_startable(run: RunId, before: RunStatus, *, recover: bool = False) -> None:
    """Raises RunEnded for a run that has ended, or is at work and not to be recovered."""
    startable = before.phase is Phase.QUEUED or before.parked
    if before.phase.final or not (recover or startable):
        raise RunEnded(f"Run {run} cannot be started: it is {before.phase.value}.")


def starting(before: RunStatus, now: datetime) -> RunStatus:
    """The status of a run that its process has just taken up, for the first time or after a wait."""
    return msgspec.structs.replace(
        before,
        phase=Phase.STARTING,
        since=now,
        why=None,
        evidence=None,
        started_at=before.started_at or now,
        progress_at=now,
        until=None,
        agent_problem=None,
    )
