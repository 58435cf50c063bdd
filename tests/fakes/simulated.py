"""The real local cluster with runs that are played by the test instead of by processes.

Everything that competes (claims, slots, registration, locks) is the real thing; only the agent's work
is missing: a run is alive while this process holds its lock, and ends when the test says so.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from backends.clusters.local import LocalCluster, claims, rows, seen
from backends.clusters.local.host import LocalHost
from backends.clusters.local.places import place
from backends.database import Database
from backends.forges.local import LocalForge
from hive_tui.bookkeeping import Bookkeeper
from hive_tui.core.dispatch import Planner
from hive_tui.core.errors import RunEnded
from hive_tui.core.execution import Executor
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, Run, RunStatus
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE
from hive_tui.core.store import Snapshot, Store
from hive_tui.core.targets import runs_of_issue
from hive_tui.system import flock


class Alive:
    """The runs that are at work, and what must never be true of them."""

    def __init__(self, slots: int) -> None:
        self.locks: dict[RunId, int] = {}
        self.started: list[RunId] = []
        self.slots = slots

    def begin(self, run: RunId, lock: int) -> None:
        issue = run.rpartition("-a")[0]
        others = [other for other in self.locks if other.rpartition("-a")[0] == issue]
        assert not others, f"{run} was started while {others} is at work on the same issue"
        assert len(self.locks) < self.slots, f"{run} was started although all slots are at work"
        self.locks[run] = lock
        self.started.append(run)

    def end(self, run: RunId) -> None:
        os.close(self.locks.pop(run))


class SimulatedCluster(LocalCluster):
    """Starts nothing; a started run is one whose lock `alive` holds."""

    def __init__(self, context: BackendContext, alive: Alive) -> None:
        super().__init__(context)
        self.context = context
        self.database = Database(context.home / "fleet.db")
        self.alive = alive

    def start_run(self, run: RunId) -> bool:
        where = place(self.context.home, run)
        lock = flock.hold(where.lock)
        if lock is None:
            return False
        with self.database.writing() as connection:
            row = seen.adopt(connection, self.context.home, rows.get_run(connection, run))
            if not (row.status.phase is Phase.QUEUED and claims.has_slot(connection, run)):
                os.close(lock)
                return False
        self.alive.begin(run, lock)
        return True

    def recover_run(self, run: RunId) -> bool:
        where = place(self.context.home, run)
        lock = flock.hold(where.lock)
        if lock is None:
            return False
        try:
            host = LocalHost(self.database, self.context, run)
            job = host.register(recover=True)
            assert job.resume is not None
            host.report(msgspec.structs.replace(job.resume, phase=Phase.LOST, why="its process is gone"))
        except RunEnded:
            return False
        finally:
            os.close(lock)
        return True

    def play(self, run: RunId, now: datetime, **status: Any) -> None:
        """The runner's part: register, then say how it ended, then exit."""
        host = LocalHost(self.database, self.context, run)
        try:
            host.register()
            if status.get("phase") is not None:
                final = status["phase"].final
                host.report(RunStatus(since=now, started_at=now, ended_at=now if final else None, **status))
        except RunEnded:
            pass
        self.alive.end(run)


class OneDispatcher:
    """A dispatcher without its loop: one round reads, decides and executes."""

    def __init__(
        self, cluster: Any, forge: Any, settings: FleetSettings, name: str, books: Bookkeeper | None = None
    ) -> None:
        self.cluster, self.forge, self.books = cluster, forge, books
        self.planner = Planner(settings)
        self.executor = Executor(
            fleet="test",
            cluster=cluster,
            forge=forge,
            settings=settings,
            holder=name,
            credentials=lambda _: (),
            attempts=lambda key: runs_of_issue(self._seen, key),
            account=books.enter if books is not None else lambda _: None,
        )
        self._seen = Snapshot()

    def snapshot(self, now: datetime) -> Snapshot:
        store = Store((CLUSTER, FORGE))
        store.apply([*self.cluster.read(), *self.forge.read()], now)
        if self.books is not None:
            store.book(self.books.booked(store.snapshot.runs, now))
        self._seen = store.snapshot
        return store.snapshot

    def round(self, now: datetime) -> int:
        """Returns how many decisions were carried out."""
        snapshot = self.snapshot(now)
        plan = self.planner.decide(snapshot, now)
        decisions = (*self.executor.renewals(snapshot.runs.values(), now), *plan.decisions)
        done = [self.executor.execute(decision, now) for decision in decisions]
        return sum(done[len(decisions) - len(plan.decisions) :])

    def settle_down(self, now: datetime, *, play: Any = None) -> datetime:
        """Rounds until nothing happens any more; time passes in between."""
        for _ in range(200):
            done = self.round(now)
            played = play(now) if play is not None else False
            now += timedelta(minutes=10)
            if not done and not played:
                return now
        raise AssertionError("it never comes to rest")


def context(home: Path, settings: FleetSettings) -> BackendContext:
    return BackendContext(fleet="test", home=home, settings=settings, user="me")


def forge_of(made: BackendContext) -> LocalForge:
    return LocalForge(made)


def runs_of(snapshot: Snapshot) -> list[Run]:
    return sorted(snapshot.runs.values(), key=lambda run: (run.spec.issue, run.spec.attempt))
