"""This fleet's right to work on an issue, among all fleets that serve the same repository.

The cluster's claim decides who works within the fleet; what is taken here, after it and before anything
else, decides among fleets. It is held for a while and renewed, so that a fleet that vanished blocks
nobody for long; what was forgotten by a dispatcher that died is seen when the issue is wanted again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import Claim, FleetClaim, Run
from hive_tui.core.ports import Cluster, Forge

HOLD = timedelta(minutes=45)
"""How long a right lasts that is not renewed."""

RENEW = HOLD * 2 / 3
"""After so long it is renewed: what fails is tried again every minute, and the tracker may be out of reach
for a quarter of an hour before the right is over."""

LOOK_AGAIN = timedelta(seconds=30)
"""Until the next try where it is not clear who holds the issue."""


REMEMBERED = 256
"""Runs that ended of late."""


class Rights:
    """The rights of one fleet. Which of them are due it remembers itself: whoever starts anew renews all."""

    def __init__(self, cluster: Cluster, forge: Forge, name: str) -> None:
        self._cluster = cluster
        self._forge = forge
        self._name = name
        self._fleet: str | None = None
        self._renewed: dict[RunId, datetime] = {}
        self._over: dict[RunId, None] = {}
        """Runs whose right was let go: for a moment they still seem to live."""

    @property
    def fleet(self) -> str:
        """The fleet's name and what tells it from others of that name. Raises SourceError."""
        if self._fleet is None:
            self._fleet = f"{self._name}-{self._cluster.identity()}"
        return self._fleet

    def take(self, key: IssueKey, run: RunId, attempt: int, now: datetime) -> None:
        """Take or renew the right. Raises ClaimLost when it is another's, or the number was used."""
        self._forge.hold_issue(key, FleetClaim(self.fleet, self._holder(run), attempt, now + HOLD))
        self._renewed[run] = now
        self._over.pop(run, None)  # a start that was called off, and made again

    def due(self, run: Run, now: datetime) -> bool:
        """Whether the right of a run that lives is to be renewed."""
        if run.id in self._over:
            return False
        last = self._renewed.get(run.id)
        # After a clock was set back it is better renewed too often than too late.
        return run.live and not (last is not None and timedelta(0) <= now - last < RENEW)

    def overtaken(self, run: Run) -> FleetClaim | None:
        """A later attempt of another fleet, which speaks for the issue now."""
        last = self._forge.held(run.key)
        return last if last is not None and last.attempt > run.spec.attempt else None

    def let_go(self, key: IssueKey, run: RunId) -> None:
        """Give the right back; no change where another has it."""
        self._forge.let_go(key, self._holder(run))
        self._renewed.pop(run, None)
        self._over[run] = None
        if len(self._over) > REMEMBERED:
            del self._over[next(iter(self._over))]

    def _holder(self, run: RunId) -> RunId:
        """A run as no other fleet calls its own: all fleets give the same attempt the same id."""
        return RunId(f"{run}@{self.fleet}")

    def learn(self, claim: Claim, wanted: int, now: datetime) -> Claim:
        """`claim` as it was, with what stood in the way of attempt `wanted`: the numbers that were used by
        then, none of them an attempt of this fleet, and who holds the issue until when.

        An older attempt of this fleet that still holds it was cut off before it let go: the cluster's
        claim, which is whoever asks this, says that it is over, so it lets go now.
        """
        key, last = claim.key, self._forge.held(claim.key)
        if last is None:
            return claim
        elsewhere = None
        if last.fleet == self.fleet:
            self._forge.let_go(key, last.run)
        elif last.until > now:
            elsewhere = last
        if elsewhere is None and last.attempt < wanted:
            elsewhere = msgspec.structs.replace(last, until=now + LOOK_AGAIN)
        used = max(0, last.attempt - claim.attempt)
        return msgspec.structs.replace(
            claim, attempt=claim.attempt + used, forgiven=claim.forgiven + used, elsewhere=elsewhere
        )
