"""Carries decisions out, through the ports alone.

Every method may be cut off at any line and run again: the claim is swapped before any side effect,
each later step is idempotent or fenced by that claim, and what was left half-done is seen in the next
snapshot and decided anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime

from hive_tui.core import text
from hive_tui.core.decisions import (
    CloseIssue,
    Decision,
    Launch,
    LimitAgent,
    Recover,
    ReleaseClaim,
    ReleaseSlot,
    Renew,
    RestoreAgent,
    Settle,
    Show,
    Start,
)
from hive_tui.core.errors import ClaimLost, NoSlot, RunEnded
from hive_tui.core.history import record
from hive_tui.core.ids import IssueKey, PullKey
from hive_tui.core.model import DISPATCHER, ControlKind, PullRequest, Quota, QuotaState, Run
from hive_tui.core.ports import Cluster, Forge
from hive_tui.core.rights import Rights
from hive_tui.core.settings import FleetSettings
from hive_tui.core.settling import Settler
from hive_tui.core.showing import Showing
from hive_tui.core.starting import Starter

REMEMBERED = 256
"""Decisions that were carried out of late; a snapshot is older than what was just done for a moment only."""

_FINAL = (Settle, CloseIssue, LimitAgent, RestoreAgent)
"""Decisions that are done for good once they are done. The word of one source may come before that of the
other, and the same is then decided on the same old facts: what was done would be logged twice."""


class Executor:
    """The dispatcher's hands.

    `holder` names this dispatcher in the claims that it takes; `credentials` tells for an agent backend
    which variables of the environment its runs may see; `attempts` are all runs known of an issue,
    `pull` is a pull request as the tracker last said of it, None if it did not, and `account` enters what a
    run that has ended used in the ledger.
    """

    def __init__(
        self,
        *,
        fleet: str,
        cluster: Cluster,
        forge: Forge,
        settings: FleetSettings,
        holder: str,
        credentials: Callable[[str], tuple[str, ...]],
        attempts: Callable[[IssueKey], Sequence[Run]] = lambda _: (),
        pull: Callable[[PullKey], PullRequest | None] = lambda _: None,
        account: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._rights = Rights(cluster, forge, fleet)
        self._showing = Showing(cluster, forge, settings, fleet, attempts)
        parts = (cluster, forge, settings, self._rights, self._showing)
        self._starter = Starter(*parts, fleet=fleet, holder=holder, credentials=credentials)
        self._settler = Settler(*parts, attempts=attempts, pull=pull, account=account)
        self._drawn: dict[Hashable, None] = {}
        self._since: datetime | None = None

    def renewals(self, runs: Iterable[Run], now: datetime) -> list[Renew | Show]:
        """What runs at work need now: rights that are renewed, starts that the tracker is to show. Whoever
        starts anew does not know of either, so it looks at all of them."""
        at_work = [run for run in runs if run.live]
        due = [Renew(run) for run in at_work if self._rights.due(run, now)]
        return [*due, *map(Show, self._showing.unshown(at_work))]

    def execute(self, decision: Decision, now: datetime) -> bool:
        """Carry one decision out; False if somebody or something else came first.

        Raises SourceError when a backend cannot be reached: the decision stays to be made.
        """
        self._since = self._since or now
        if not isinstance(decision, _FINAL):
            return self._carry_out(decision, now, self._since)
        # What else is seen of a run, such as its process, changes after its end.
        once = decision.run.id if isinstance(decision, Settle) else decision
        if once in self._drawn:
            return False
        done = self._carry_out(decision, now, self._since)
        if done:
            self._drawn[once] = None
            if len(self._drawn) > REMEMBERED:
                del self._drawn[next(iter(self._drawn))]
        return done

    def _carry_out(self, decision: Decision, now: datetime, since: datetime) -> bool:
        match decision:
            case Start():
                return self._starter.start(decision, now)
            case Launch():
                return self._launch(decision, now)
            case Recover():
                return self._recover(decision.run, now)
            case Renew():
                return self._renew(decision.run, now)
            case Show():
                return self._showing.late(decision.run)
            case Settle():
                self._settler.settle(decision, now, since)
                return True
            case ReleaseSlot():
                self._cluster.release_slot(decision.run)
                return True
            case ReleaseClaim():
                return self._starter.abandon(decision.claim)
            case LimitAgent():
                self._cluster.set_quota(decision.agent, decision.quota)
                until = f" until {text.clock(decision.quota.until, now)}" if decision.quota.until else ""
                words = f"{decision.agent} is limited{until}: {decision.quota.why}"
                record(self._cluster, now, "limit", words)
                return True
            case RestoreAgent():
                self._cluster.set_quota(decision.agent, Quota(QuotaState.OK, at=now))
                record(self._cluster, now, "limit", f"{decision.agent} may work again")
                return True
            case CloseIssue():
                self._settler.close(decision, now)
                return True

    def _renew(self, run: Run, now: datetime) -> bool:
        """Keep the right to a run's issue; end the run if a later attempt of another fleet has it."""
        try:
            self._rights.take(run.key, run.id, run.spec.attempt, now)
            return True
        except ClaimLost:
            other = self._rights.overtaken(run)
            if other is None:
                raise
        if run.stop_requested or run.status.phase.final:
            return False
        why = f"fleet {other.fleet} took {run.key} over with attempt {other.attempt}"
        try:
            self._cluster.control(run.id, ControlKind.STOP, DISPATCHER, why)
        except RunEnded:
            return False
        record(self._cluster, now, "kill", f"{run.spec.worker} is ended: {why}", key=run.key, run=run.id)
        return True

    def _launch(self, launch: Launch, now: datetime) -> bool:
        run = launch.run
        try:
            self._cluster.take_slot(run.spec.worker, run.id)
        except NoSlot:
            return False
        if not self._cluster.start_run(run.id):
            return False
        record(
            self._cluster, now, "start", f"{run.spec.worker} goes on: {launch.why}", key=run.key, run=run.id
        )
        return True

    def _recover(self, run: Run, now: datetime) -> bool:
        if not self._cluster.recover_run(run.id):
            return False
        gone = f"{run.spec.worker}'s process is gone: its work is being saved"
        record(self._cluster, now, "lost", gone, key=run.key, run=run.id)
        return True
