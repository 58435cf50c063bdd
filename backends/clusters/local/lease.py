"""The right to dispatch: a kernel lock, with a row that says for people who holds it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import msgspec

from backends.clusters.local import rows
from backends.clusters.local.places import dispatcher_lock
from backends.database import Database
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.ports import BackendContext
from hive_tui.core.text import clock
from hive_tui.system import flock, processes


class LocalDispatchLease:
    """Held until `release`, or until this process ends."""

    def __init__(self, database: Database, context: BackendContext, version: str) -> None:
        """Raises Refused naming the dispatcher that runs."""
        self._database = database
        self._path = dispatcher_lock(context.home)
        try:
            fd = flock.hold(self._path)
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}.", "Make its folder writable.") from error
        if fd is None:
            raise _taken(database)
        self._fd: int | None = fd
        try:
            identity = processes.identify()
            assert identity is not None, "this process runs"
            self._row = rows.DispatcherRow(identity, datetime.now(UTC), version)
            self._write(self._row)
        except BaseException:
            os.close(fd)
            raise

    def beat(self, *, decided_at: datetime | None = None, held: str | None = None) -> None:
        """Say that decisions are made, or why nothing is started.

        Raises Refused when the lock is not this one's any more: its file was deleted, so somebody else can be
        the dispatcher."""
        if self._fd is None or not self._ours(self._fd):
            raise Refused(
                f"{self._path} was deleted or replaced: this dispatcher is not the fleet's any more.",
                "It ends now; `hive dispatcher start` starts a new one.",
            )
        decided_at = decided_at or self._row.last_decision_at
        news = (decided_at, held) != (self._row.last_decision_at, self._row.held)
        if news:
            self._row = msgspec.structs.replace(self._row, last_decision_at=decided_at, held=held)
        if news or not self._introduced():
            self._write(self._row)

    def release(self) -> None:
        """Leave and say so; the lock is let go of even if that cannot be written."""
        if self._fd is None:
            return
        try:
            if self._ours(self._fd):
                self._write(msgspec.structs.replace(self._row, released=True))
        finally:
            os.close(self._fd)
            self._fd = None

    def _ours(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _introduced(self) -> bool:
        """Whether the row still names this process: it does not in a file that was put back or made anew."""
        with self._database.reading() as connection:
            row = rows.read_dispatcher(connection)
        return row is not None and row.process == self._row.process and not row.released

    def _write(self, row: rows.DispatcherRow) -> None:
        with self._database.writing() as connection:
            rows.write_dispatcher(connection, row)


def _taken(database: Database) -> Refused:
    with database.reading() as connection:
        row = rows.read_dispatcher(connection)
    who = "Another dispatcher runs"
    if row is not None and not row.released:
        who += f": pid {row.process.pid}, since {clock(row.since)}"
    return Refused(f"{who}.", "`hive dispatcher status` shows it; `hive dispatcher stop` ends it.")
