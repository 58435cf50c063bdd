"""The cluster's rows and the structs they stand for, each read and written in one place."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime

import msgspec

from hive_tui.core import spend
from hive_tui.core.errors import unknown
from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName
from hive_tui.core.model import (
    AgentState,
    Budget,
    Claim,
    Event,
    Fleet,
    Paused,
    RunSpec,
    RunStatus,
    Slot,
)
from hive_tui.core.ports import BackendContext, Job
from hive_tui.system.processes import ProcessId

EVENTS_SHOWN = 2_000
"""Lines of the fleet's log that are read; as many as a snapshot keeps."""


class Switches(msgspec.Struct, frozen=True):
    """The fleet's row: what a person or the dispatcher switched."""

    slots: int
    paused: Paused | None = None
    agents: tuple[AgentState, ...] = ()
    budget: Budget = Budget()


class DispatcherRow(msgspec.Struct, frozen=True):
    """Who dispatches, or did last."""

    process: ProcessId
    since: datetime
    version: str
    last_decision_at: datetime | None = None
    released: bool = False
    """It left and said so."""
    held: str | None = None


class RunRow(msgspec.Struct, frozen=True):
    """A run as it is stored; whether its process is alive is not in here."""

    spec: RunSpec
    status: RunStatus
    settled: bool = False
    stop: bool = False
    process: ProcessId | None = None


encode = msgspec.json.encode
_switches = msgspec.json.Decoder(Switches)
_dispatcher = msgspec.json.Decoder(DispatcherRow)
_claim = msgspec.json.Decoder(Claim)
_events = msgspec.json.Decoder(tuple[Event, ...])
_spec = msgspec.json.Decoder(RunSpec)
_process = msgspec.json.Decoder(ProcessId)
status_decoder = msgspec.json.Decoder(RunStatus)


def initial_switches(context: BackendContext) -> Switches:
    """What the configuration says before anybody switched anything."""
    return Switches(context.settings.slots, None, (), spend.limits(context.settings.budget))


def read_switches(connection: sqlite3.Connection | None, context: BackendContext) -> Switches:
    """The fleet's switches, with every agent of the configuration and no other."""
    row = connection.execute("SELECT doc FROM fleet").fetchone() if connection is not None else None
    found = initial_switches(context) if row is None else _switches.decode(row[0])
    known = {agent.name: agent for agent in found.agents}
    agents = tuple(known.get(agent.name, AgentState(agent.name)) for agent in context.settings.agents)
    return msgspec.structs.replace(found, agents=agents)


def write_switches(connection: sqlite3.Connection, switches: Switches) -> None:
    connection.execute(
        "INSERT INTO fleet (id, doc) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc"
        " WHERE doc IS NOT excluded.doc",
        (encode(switches),),
    )


def with_agent(switches: Switches, agent: AgentState) -> Switches:
    others = tuple(known for known in switches.agents if known.name != agent.name)
    return msgspec.structs.replace(switches, agents=(*others, agent))


def find_agent(switches: Switches, name: AgentName) -> AgentState:
    """Raises UsageError for an agent that the fleet does not have."""
    for agent in switches.agents:
        if agent.name == name:
            return agent
    raise unknown("agent", name, (agent.name for agent in switches.agents))


def read_slots(connection: sqlite3.Connection | None) -> tuple[Slot, ...]:
    if connection is None:
        return ()
    rows = connection.execute("SELECT worker, run FROM slots ORDER BY worker")
    return tuple(Slot(WorkerName(worker), RunId(run)) for worker, run in rows)


def read_dispatcher(connection: sqlite3.Connection | None) -> DispatcherRow | None:
    if connection is None:
        return None
    row = connection.execute("SELECT doc FROM dispatcher").fetchone()
    return None if row is None else _dispatcher.decode(row[0])


def write_dispatcher(connection: sqlite3.Connection, row: DispatcherRow) -> None:
    connection.execute(
        "INSERT INTO dispatcher (id, doc) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
        (encode(row),),
    )


def read_claims(connection: sqlite3.Connection) -> tuple[Claim, ...]:
    return tuple(_claim.decode(doc) for (doc,) in connection.execute("SELECT doc FROM claims"))


def read_claim(connection: sqlite3.Connection, key: IssueKey) -> Claim | None:
    row = connection.execute("SELECT doc FROM claims WHERE repo = ? AND number = ?", key).fetchone()
    return None if row is None else _claim.decode(row[0])


_RUN = "SELECT spec, status, settled, stop, process FROM runs"


def _run(row: tuple[bytes, bytes, int, int, bytes | None]) -> RunRow:
    spec, status, settled, stop, process = row
    identity = None if process is None else _process.decode(process)
    return RunRow(_spec.decode(spec), status_decoder.decode(status), bool(settled), bool(stop), identity)


def read_runs(connection: sqlite3.Connection, ids: Iterable[RunId] | None = None) -> tuple[RunRow, ...]:
    """All runs in the order in which they were created, or those of `ids` that there are."""
    if ids is None:
        return tuple(_run(row) for row in connection.execute(f"{_RUN} ORDER BY seq"))
    found = (connection.execute(f"{_RUN} WHERE id = ?", (run,)).fetchone() for run in ids)
    return tuple(_run(row) for row in found if row is not None)


def get_run(connection: sqlite3.Connection | None, run: RunId) -> RunRow:
    """Raises UsageError naming the nearest runs when there is no such one."""
    found = read_runs(connection, (run,)) if connection is not None else ()
    if found:
        return found[0]
    rows = connection.execute("SELECT id FROM runs").fetchall() if connection is not None else []
    raise unknown("run", run, (row[0] for row in rows), listing="hive ls")


def write_status(connection: sqlite3.Connection, run: RunId, status: RunStatus) -> bool:
    """Write a run's status, unless it has a final one already; True if it was written."""
    done = connection.execute(
        "UPDATE runs SET status = ?, final = ? WHERE id = ? AND final = 0",
        (encode(status), status.phase.final, run),
    )
    return done.rowcount == 1


def write_process(connection: sqlite3.Connection, run: RunId, process: ProcessId) -> None:
    connection.execute("UPDATE runs SET process = ? WHERE id = ?", (encode(process), run))


def add_run(connection: sqlite3.Connection, job: Job, status: RunStatus) -> None:
    connection.execute(
        "INSERT INTO runs (id, spec, job, status) VALUES (?, ?, ?, ?)",
        (job.spec.id, encode(job.spec), encode(job), encode(status)),
    )


def read_job(connection: sqlite3.Connection | None, run: RunId) -> Job:
    """The job as it was created. Raises UsageError for an unknown run."""
    get_run(connection, run)
    assert connection is not None
    row = connection.execute("SELECT job FROM runs WHERE id = ?", (run,)).fetchone()
    return msgspec.json.decode(row[0], type=Job)


def add_event(connection: sqlite3.Connection, event: Event) -> None:
    """Append a line under the next number, which is part of what is stored."""
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    stored = msgspec.structs.replace(event, seq=last[0] + 1 if last else 1)
    connection.execute("INSERT INTO events (seq, doc) VALUES (?, ?)", (stored.seq, encode(stored)))


def read_events(connection: sqlite3.Connection) -> tuple[Event, ...]:
    """The newest lines of the fleet's log, oldest first."""
    rows = connection.execute("SELECT doc FROM events ORDER BY seq DESC LIMIT ?", (EVENTS_SHOWN,)).fetchall()
    # One call decodes all: a third of the time of two thousand calls.
    return _events.decode(b"[%s]" % b",".join(doc for (doc,) in reversed(rows)))


def read_event(connection: sqlite3.Connection, seq: int) -> Event | None:
    row = connection.execute("SELECT doc FROM events WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else msgspec.json.decode(row[0], type=Event)


def fleet(context: BackendContext, switches: Switches, slots: tuple[Slot, ...]) -> Fleet:
    settings = context.settings
    return Fleet(
        name=context.fleet,
        cluster=settings.cluster,
        forge=settings.forge,
        slots=switches.slots,
        slots_used=slots,
        paused=switches.paused,
        agents=switches.agents,
        budget=switches.budget,
    )
