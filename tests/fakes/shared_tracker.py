"""A tracker that several fleets serve: issues of the local one, rights as one on a network has them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from hive_tui.core.errors import ClaimLost
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import FleetClaim


class Refs:
    """The last claim of each issue; what was let go is over."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.last: dict[IssueKey, FleetClaim] = {}
        self.calls: list[tuple[str, IssueKey, RunId]] = []


class SharedTracker:
    """One fleet's way to it."""

    def __init__(self, forge: Any, refs: Refs) -> None:
        self._forge, self._refs = forge, refs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._forge, name)

    def hold_issue(self, key: IssueKey, claim: FleetClaim) -> None:
        last, now = self._refs.last.get(key), self._refs.clock()
        self._refs.calls.append(("hold", key, claim.run))
        if last is not None and last.run != claim.run:
            if last.until > now:
                raise ClaimLost(f"{last.fleet} holds it until {last.until}.")
            if last.attempt >= claim.attempt:
                raise ClaimLost(f"{last.fleet} made attempt {last.attempt} already.")
        self._refs.last[key] = claim

    def held(self, key: IssueKey) -> FleetClaim | None:
        return self._refs.last.get(key)

    def let_go(self, key: IssueKey, run: RunId) -> None:
        last, now = self._refs.last.get(key), self._refs.clock()
        self._refs.calls.append(("let go", key, run))
        if last is not None and last.run == run and last.until > now:
            self._refs.last[key] = msgspec.structs.replace(last, until=now)
