"""Following a fleet from a command: its snapshots as they change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from hive_tui.core.sources import CLUSTER, FORGE
from hive_tui.core.store import Snapshot, Store
from hive_tui.feed import Feed
from hive_tui.fleet import OpenFleet

_TURN = 1.0
"""Seconds after which a source that fell silent is noticed."""


def snapshots(fleet: OpenFleet, *, settle: float = 0.05, timeout: float | None = None) -> Iterator[Snapshot]:
    """The fleet's state as soon as every source has answered or failed, then again on every change.

    Ends after `timeout` seconds, if given; a change is seen as soon as the backends say it.
    """
    store = Store((CLUSTER, FORGE))
    deadline = None if timeout is None else time.monotonic() + timeout
    with closing(Feed(fleet.cluster, fleet.forge)) as feed:
        feed.start()
        shown = False
        while deadline is None or time.monotonic() < deadline:
            left = _TURN if deadline is None else max(0.0, min(_TURN, deadline - time.monotonic()))
            diff = store.apply(feed.take(left, settle=settle), datetime.now(UTC))
            if store.complete and (diff or not shown):
                shown = True
                yield store.snapshot
