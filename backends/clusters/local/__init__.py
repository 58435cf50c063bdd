"""The local cluster: runs are detached processes of this user, and what is true stands in one SQLite file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as ThreadEvent
from typing import TYPE_CHECKING

import msgspec

from backends import local_feed
from backends.clusters.local import claims, identity, rows, seen
from backends.clusters.local.places import place
from backends.clusters.local.watching import Observer
from backends.database import fleet_database
from hive_tui.core.errors import Refused, RunEnded, UsageError
from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName
from hive_tui.core.model import (
    Actor,
    Budget,
    Claim,
    Control,
    ControlKind,
    Event,
    Paused,
    Phase,
    Process,
    Quota,
    RunStatus,
)
from hive_tui.core.ports import (
    READ_SECONDS,
    BackendContext,
    Capability,
    DispatchLease,
    Emit,
    Job,
    Remote,
    RunDiff,
    RunHost,
    Section,
)
from hive_tui.core.sources import CLUSTER, SourceEvent
from hive_tui.core.text import clean
from hive_tui.system import processes

if TYPE_CHECKING:
    from hive_tui.core.events import LogLine

FOLLOW_SECONDS = 0.1

ENDED_SECONDS = 0.3
"""How long a followed log has to be quiet before it is asked whether its run has ended."""
"""Between two looks at a log that is followed."""


class LocalCluster:
    """See `core.ports.Cluster`. Nothing is created before the first write."""

    name = "local"
    capabilities = frozenset({Capability.KILL, Capability.MESSAGE, Capability.LOGS, Capability.DIFF})

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._home = context.home
        self._database = fleet_database(context.home)

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        yield local_feed.read(self._database, Observer(CLUSTER, self._context).source)

    def watch(self, emit: Emit, stop: ThreadEvent) -> None:
        local_feed.watch(self._database, Observer(CLUSTER, self._context).source, emit, stop)

    # Switches

    def set_paused(self, paused: Paused | None) -> None:
        self._switch(paused=paused)

    def set_slots(self, slots: int) -> None:
        if slots < 0:
            raise UsageError(f"A fleet cannot have {slots} slots.", "Give a number from 0 on.")
        self._switch(slots=slots)

    def set_budget(self, budget: Budget) -> None:
        self._switch(budget=budget)

    def set_agent_enabled(self, agent: AgentName, enabled: bool) -> None:
        self._switch_agent(agent, enabled=enabled)

    def set_quota(self, agent: AgentName, quota: Quota) -> None:
        self._switch_agent(agent, quota=quota)

    def _switch(self, **changes: object) -> None:
        with self._database.writing() as connection:
            switches = rows.read_switches(connection, self._context)
            rows.write_switches(connection, msgspec.structs.replace(switches, **changes))

    def _switch_agent(self, name: AgentName, **changes: object) -> None:
        with self._database.writing() as connection:
            switches = rows.read_switches(connection, self._context)
            agent = msgspec.structs.replace(rows.find_agent(switches, name), **changes)
            rows.write_switches(connection, rows.with_agent(switches, agent))

    # Claims and slots

    def identity(self) -> str:
        return identity.of_folder(self._home)

    def get_claim(self, key: IssueKey) -> Claim | None:
        with self._database.reading() as connection:
            return None if connection is None else rows.read_claim(connection, key)

    def put_claim(self, claim: Claim, *, expected: int | None) -> Claim:
        with self._database.writing() as connection:
            return claims.put_claim(connection, self._home, claim, expected)

    def abandon_claim(self, claim: Claim) -> None:
        with self._database.writing() as connection:
            claims.abandon_claim(connection, self._home, claim)

    def take_slot(self, worker: WorkerName, run: RunId) -> None:
        with self._database.writing() as connection:
            claims.take_slot(connection, self._context, worker, run)

    def release_slot(self, run: RunId) -> None:
        with self._database.writing() as connection:
            claims.release_slot(connection, self._home, run)

    # Runs

    def check_ready(self, source: str = "", remote: Remote | None = None) -> None:
        from backends.clusters.local import readiness  # only a dispatcher asks

        readiness.check(self._home, source, remote)

    def create_run(self, job: Job) -> None:
        with self._database.writing() as connection:
            claims.create_run(connection, job)

    def get_job(self, run: RunId) -> Job:
        with self._database.reading() as connection:
            return rows.read_job(connection, run)

    def start_run(self, run: RunId) -> bool:
        from backends.clusters.local import launch  # only a dispatcher starts anything

        return launch.start(self._database, self._context, run)

    def recover_run(self, run: RunId) -> bool:
        from backends.clusters.local import launch

        return launch.recover(self._database, self._context, run)

    def settle_run(self, run: RunId) -> None:
        with self._database.writing() as connection:
            row = rows.get_run(connection, run)
            if seen.process(self._home, row) is not Process.ALIVE:
                seen.adopt(connection, self._home, row)
            connection.execute("UPDATE runs SET settled = 1 WHERE id = ? AND settled = 0", (run,))

    def control(self, run: RunId, kind: ControlKind, actor: Actor, text: str = "") -> None:
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            row = rows.get_run(connection, run)
            alive = seen.process(self._home, row) is Process.ALIVE
            if not alive:
                row = seen.adopt(connection, self._home, row)
            if row.status.phase.final:
                raise RunEnded(
                    f"Run {run} has ended: {row.status.phase.value}.", "`hive ls` shows what runs."
                )
            order = Control(0, kind, actor, now, clean(text))
            connection.execute("INSERT INTO controls (run, doc) VALUES (?, ?)", (run, rows.encode(order)))
            if kind is ControlKind.STOP:
                connection.execute("UPDATE runs SET stop = 1 WHERE id = ?", (run,))
                if not alive and (row.status.phase is Phase.QUEUED or row.status.parked):
                    rows.write_status(connection, run, _killed(row.status, actor, now))
        if kind is ControlKind.STOP:
            import signal  # 0.7 ms that reading need not pay

            processes.send(row.process, signal.SIGTERM)

    def logs(
        self, run: RunId, *, after: int = 0, follow: bool = False, stop: ThreadEvent | None = None
    ) -> Iterator[LogLine]:
        from backends.clusters.event_log import LogReader

        reader = LogReader(place(self._home, run).log, after=after)
        stop = stop or ThreadEvent()
        ended, quiet = not follow, ENDED_SECONDS
        while not stop.is_set():
            # Asked before reading: what is written until then is read below. While the log grows the run
            # has not ended, and asking costs more than looking at the file.
            ended = ended or (quiet >= ENDED_SECONDS and self._ended(run))
            grew = False
            for line in reader.read():
                grew = True
                yield line
            if ended:
                return
            quiet = 0.0 if grew or quiet >= ENDED_SECONDS else quiet + FOLLOW_SECONDS
            stop.wait(FOLLOW_SECONDS)

    def _ended(self, run: RunId) -> bool:
        with self._database.reading() as connection:
            row = rows.get_run(connection, run)
        state = seen.process(self._home, row)
        return state is not Process.ALIVE and seen.run(self._home, row, state).status.phase.final

    def diff(self, run: RunId, *, limit: int) -> RunDiff:
        from backends.clusters import git_remote
        from backends.clusters.local import changes, remote  # only whoever looks at a run closely asks

        with self._database.reading() as connection:
            row = rows.get_run(connection, run)
            job = rows.read_job(connection, run)
        shown = seen.run(self._home, row, seen.process(self._home, row))
        source = job.repo.source
        objects = remote.mirror(self._home, source) if git_remote.is_remote(source) else Path(source)
        return changes.diff(place(self._home, run), shown.status, objects, limit=limit)

    # One machine has none of these: no container is started again, and nobody else keeps objects of a run.

    def previous_logs(self, run: RunId) -> Iterator[LogLine]:
        raise Refused("A local run has one log.", "`hive logs` shows it.")

    def describe(self, run: RunId) -> tuple[Section, ...]:
        return ()

    def shell(self, run: RunId, command: Sequence[str] = ()) -> tuple[str, ...]:
        raise Refused("A local run has no container to attach to.", "`hive describe` names its folder.")

    def host(self, run: RunId) -> RunHost:
        from backends.clusters.local.host import LocalHost

        return LocalHost(self._database, self._context, run)

    # The fleet's log, the dispatcher, the broom

    def record(self, event: Event) -> None:
        with self._database.writing() as connection:
            rows.add_event(connection, msgspec.structs.replace(event, text=clean(event.text)))

    def hold_dispatch(self, version: str) -> DispatchLease:
        from backends.clusters.local.lease import LocalDispatchLease

        return LocalDispatchLease(self._database, self._context, version)

    def gc(self, *, before: datetime, dry_run: bool) -> list[str]:
        from backends.clusters.local import garbage

        with self._database.reading() as connection:
            found = rows.read_runs(connection) if connection is not None else ()
        lines: list[str] = []
        for row in found:
            ended = row.status.ended_at or row.status.since
            if row.settled and row.status.phase.final and ended is not None and ended < before:
                lines += garbage.sweep(place(self._home, row.spec.id), dry_run=dry_run)
        return lines

    def close(self) -> None:
        self._database.close()


def _killed(status: RunStatus, actor: Actor, now: datetime) -> RunStatus:
    """The end of a run that had no process when it was told to stop."""
    return msgspec.structs.replace(
        status,
        phase=Phase.KILLED,
        since=now,
        why=f"by {actor}",
        evidence=f"stopped while it was {status.phase.value}",
        ended_at=now,
        until=None,
        # The person ended it, not the agent's quota: without its end that would look like a limit for good.
        agent_problem=None,
    )
