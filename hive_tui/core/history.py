"""The dispatcher's line in the event log for each thing that it did."""

from __future__ import annotations

from datetime import datetime

from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import DISPATCHER, Event
from hive_tui.core.ports import Cluster


def record(
    cluster: Cluster,
    now: datetime,
    kind: str,
    words: str,
    *,
    key: IssueKey | None = None,
    run: RunId | None = None,
) -> None:
    """Write down what was done; `kind` is one of those that a log is filtered by."""
    cluster.record(
        Event(
            seq=0,
            at=now,
            actor=DISPATCHER,
            kind=kind,
            text=words,
            repo=key.repo if key is not None else None,
            number=key.number if key is not None else None,
            run=run,
        )
    )
