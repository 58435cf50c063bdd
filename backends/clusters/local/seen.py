"""What the rows and the kernel's locks say together about runs and the dispatcher."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from backends.clusters.local import rows
from backends.clusters.local.places import dispatcher_lock, place
from backends.clusters.local.rows import DispatcherRow, RunRow
from hive_tui.core.model import (
    Dispatcher,
    DispatcherState,
    Fleet,
    Phase,
    Process,
    Run,
)
from hive_tui.core.ports import BackendContext
from hive_tui.core.text import clean_line
from hive_tui.system import flock


def process(home: Path, row: RunRow) -> Process:
    """Whether a run's process is alive. A settled run's is not asked for: nothing follows from it."""
    if not row.settled and flock.held(place(home, row.spec.id).lock):
        return Process.ALIVE
    never = row.process is None and row.status.phase in (Phase.QUEUED, Phase.KILLED)
    return Process.NONE if never or row.status.parked else Process.GONE


def run(home: Path, row: RunRow, state: Process | None = None) -> Run:
    """A run as people see it; `state` saves asking the kernel again."""
    if state is None:
        state = process(home, row)
    if state is Process.GONE:
        row = current(home, row)
        state = Process.NONE if row.status.parked else state
    return Run(row.spec, row.status, state, settled=row.settled, stop_requested=row.stop)


def current(home: Path, row: RunRow) -> RunRow:
    """The row of a run without a process, with the last status that its runner wrote to its folder.

    The runner writes there first, so a database that was locked or full at its end loses nothing.
    """
    if row.settled or row.status.phase.final:
        return row
    record = place(home, row.spec.id).read_record()
    return row if record is None else msgspec.structs.replace(row, status=record)


def adopt(connection: sqlite3.Connection, home: Path, row: RunRow) -> RunRow:
    """`current`, and the database agrees with it from now on. Only while the run has no process."""
    found = current(home, row)
    if found.status != row.status:
        rows.write_status(connection, row.spec.id, found.status)
    return found


def dispatcher(home: Path, row: DispatcherRow | None) -> Dispatcher:
    """Who dispatches, by its lock; the row says who that is."""
    if flock.held(dispatcher_lock(home)):
        state = DispatcherState.RUNNING
    elif row is None or row.released:
        state = DispatcherState.STOPPED
    else:
        state = DispatcherState.DEAD
    if row is None:
        return Dispatcher(state)
    held = clean_line(row.held, limit=500) if row.held and state is DispatcherState.RUNNING else None
    return Dispatcher(state, row.process.pid, row.since, row.last_decision_at, row.version, held=held)


def fleet(
    connection: sqlite3.Connection | None, context: BackendContext
) -> tuple[Fleet, DispatcherRow | None]:
    """The fleet's item, and the row that its dispatcher's state was worked out from."""
    row = rows.read_dispatcher(connection)
    item = rows.fleet(context, rows.read_switches(connection, context), rows.read_slots(connection))
    return msgspec.structs.replace(item, dispatcher=dispatcher(context.home, row)), row
