"""Claims, slots and the birth of a run: everything that competes, each in one immediate transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from backends.clusters.local import rows, seen
from hive_tui.core.errors import ClaimLost, NoSlot
from hive_tui.core.ids import RunId, WorkerName
from hive_tui.core.model import Claim, Phase, Process, RunStatus
from hive_tui.core.ports import BackendContext, Job


def put_claim(connection: sqlite3.Connection, home: Path, claim: Claim, expected: int | None) -> Claim:
    """Write the claim if the stored version is `expected` and no run at work loses it. Raises ClaimLost."""
    stored = rows.read_claim(connection, claim.key)
    found = None if stored is None else stored.version
    if found != expected:
        raise ClaimLost(
            f"The claim on {claim.key} has changed (version {found}, not {expected}).",
            "Somebody else acted on it; look again.",
        )
    if stored is not None and stored.run is not None and claim.run != stored.run:
        for row in rows.read_runs(connection, (stored.run,)):
            if not _latest(connection, home, row).phase.final:
                raise ClaimLost(
                    f"Run {stored.run} holds the claim on {claim.key}.", "End it first: `hive kill`."
                )
    written = msgspec.structs.replace(claim, version=(expected or 0) + 1)
    connection.execute(
        "INSERT INTO claims (repo, number, version, doc) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (repo, number) DO UPDATE SET version = excluded.version, doc = excluded.doc",
        (claim.repo, claim.number, written.version, rows.encode(written)),
    )
    return written


def abandon_claim(connection: sqlite3.Connection, home: Path, claim: Claim) -> None:
    """Free a claim whose run does not exist. Raises ClaimLost."""
    if claim.run is not None and rows.read_runs(connection, (claim.run,)):
        raise ClaimLost(f"Run {claim.run} holds the claim on {claim.key}.", "It exists by now; look again.")
    free = msgspec.structs.replace(claim, run=None, forgiven=claim.forgiven + 1)
    put_claim(connection, home, free, claim.version)


def take_slot(
    connection: sqlite3.Connection, context: BackendContext, worker: WorkerName, run: RunId
) -> None:
    """Enter `run` into a free slot. Raises NoSlot."""
    used = rows.read_slots(connection)
    if any(slot.run == run for slot in used):
        return
    switches = rows.read_switches(connection, context)
    if switches.paused is not None:
        raise NoSlot(f"The fleet is paused by {switches.paused.by}.", "`hive resume` lets it go on.")
    if len(used) >= switches.slots:
        raise NoSlot(
            f"All {switches.slots} slots are used.", "Wait for a run to end, or `hive slots +1` adds one."
        )
    if any(slot.worker == worker for slot in used):
        raise NoSlot(f"The worker name {worker} is taken.", "Use the next free name.")
    connection.execute("INSERT INTO slots (worker, run) VALUES (?, ?)", (worker, run))
    # From its first slot on, the fleet's own numbers count, not the configuration's.
    rows.write_switches(connection, switches)


def release_slot(connection: sqlite3.Connection, home: Path, run: RunId) -> None:
    """Give the slot of `run` back, unless the run is queued or at work: whoever asks may have looked
    at it before it was taken up."""
    for row in rows.read_runs(connection, (run,)):
        status = _latest(connection, home, row)
        at_work = not status.phase.final and seen.process(home, row) is Process.ALIVE
        if status.phase is Phase.QUEUED or at_work:
            return
    connection.execute("DELETE FROM slots WHERE run = ?", (run,))


def _latest(connection: sqlite3.Connection, home: Path, row: rows.RunRow) -> RunStatus:
    """What a run's runner said last, also where only its folder has it."""
    if row.status.phase.final or seen.process(home, row) is Process.ALIVE:
        return row.status
    return seen.adopt(connection, home, row).status


def has_slot(connection: sqlite3.Connection, run: RunId) -> bool:
    """Whether `run` holds a slot."""
    return any(slot.run == run for slot in rows.read_slots(connection))


def create_run(connection: sqlite3.Connection, job: Job) -> None:
    """Record a run as queued if it has its claim and its slot. Raises ClaimLost, NoSlot."""
    spec = job.spec
    if rows.read_runs(connection, (spec.id,)):
        return
    claim = rows.read_claim(connection, spec.key)
    if claim is None or claim.run != spec.id:
        holder = "nobody" if claim is None or claim.run is None else claim.run
        raise ClaimLost(
            f"The claim on {spec.key} is held by {holder}, not by {spec.id}.",
            "Somebody else acted on it; look again.",
        )
    if not has_slot(connection, spec.id):
        raise NoSlot(f"Run {spec.id} has no slot.", "Take a slot first.")
    rows.add_run(connection, job, RunStatus(phase=Phase.QUEUED, since=spec.created_at))
