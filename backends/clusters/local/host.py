"""The runner's link to its place on this machine: the database, its folder and the user's repository."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.clusters.event_log import LogWriter
from backends.clusters.local import exchange, rows, seen
from backends.clusters.local.places import place
from backends.clusters.local.sandbox import LocalSandbox
from backends.clusters.registration import refuse_unless_startable, starting
from backends.database import Database
from hive_tui.core.errors import RunEnded, StoreError
from hive_tui.core.ids import RunId
from hive_tui.core.model import Control, Phase, RunSpec, RunStatus
from hive_tui.core.ports import BackendContext, Job, RepoJob, Sandbox
from hive_tui.system import flock, processes

if TYPE_CHECKING:
    from hive_tui.core.events import LogLine

LAST_WORD_SECONDS = 20.0
"""How long a last status is offered to a database that does not take it; the record file has it anyway."""

RETRY_SECONDS = 0.5

_control = msgspec.json.Decoder(Control)


class LocalHost:
    """See `core.ports.RunHost`. Belongs to one process that holds the run's lock."""

    lasting = True

    def __init__(
        self, database: Database, context: BackendContext, run: RunId, *, patience: float = LAST_WORD_SECONDS
    ) -> None:
        self._database = database
        self._context = context
        self._run = run
        self._patience = patience
        self._place = place(context.home, run)
        self._log = LogWriter(self._place.log)
        self._unwritten: RunStatus | None = None
        self._spec: RunSpec | None = None
        self.home: Path = self._place.folder
        self.home.mkdir(parents=True, exist_ok=True)
        self.sandbox: Sandbox = LocalSandbox(workdir=self._place.work, run=run)

    def register(self, *, recover: bool = False) -> Job:
        """Become the run's process: it must hold the run's lock and win the swap of its row."""
        if not _holds(self._place.lock):
            raise RunEnded(f"Another process is run {self._run}.", "`hive ls` shows it.")
        identity = processes.identify()
        assert identity is not None, "this process runs"
        with self._database.writing() as connection:
            row = seen.adopt(connection, self._context.home, rows.get_run(connection, self._run))
            before = row.status
            refuse_unless_startable(self._run, before, recover=recover)
            if not recover:
                started = starting(before, datetime.now(UTC))
                rows.write_status(connection, self._run, started)
            rows.write_process(connection, self._run, identity)
            job = rows.read_job(connection, self._run)
        self._spec = job.spec
        if not recover:
            self._write_record(started)
        fresh = before.phase is Phase.QUEUED and not recover
        return job if fresh else msgspec.structs.replace(job, resume=before)

    def report(self, status: RunStatus) -> None:
        last_word = status.phase.final or status.parked
        if status.phase.final:
            self._best_effort(self._log.sync)
        recorded = self._write_record(status)
        deadline = time.monotonic() + (self._patience if last_word else 0)
        while not self._write(status):
            if time.monotonic() >= deadline:
                self._unwritten = status
                return
            time.sleep(RETRY_SECONDS)
            recorded = recorded or self._write_record(status)

    def append(self, lines: Sequence[LogLine]) -> None:
        """Raises StoreError when the disk is full; nothing of `lines` is in the log then."""
        try:
            self._log.append(lines)
        except OSError as error:
            raise StoreError(f"{self._place.log}: {error.strerror}.", "Free some disk space.") from error

    def controls(self, after: int) -> list[Control]:
        if self._unwritten is not None and self._write(self._unwritten):
            self._unwritten = None
        with self._database.reading() as connection:
            if connection is None:
                return []
            found = connection.execute(
                "SELECT seq, doc FROM controls WHERE run = ? AND seq > ? ORDER BY seq", (self._run, after)
            ).fetchall()
        return [msgspec.structs.replace(_control.decode(doc), seq=seq) for seq, doc in found]

    def fetch(
        self,
        bare: Path,
        repo: RepoJob,
        *,
        saved: str | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> str:
        return exchange.fetch(self._context.home, bare, repo, saved=saved, stop=stop)

    def push(self, bare: Path, repo: RepoJob, sha: str, branch: str) -> None:
        """Raises Refused for a branch that is not this attempt's. Needs no database: finished work must
        not fail because the file cannot be read just now."""
        if self._spec is None:
            with self._database.reading() as connection:
                self._spec = rows.get_run(connection, self._run).spec
        exchange.push(self._context.home, bare, repo, sha, branch, self._spec)

    def _write(self, status: RunStatus) -> bool:
        try:
            with self._database.writing() as connection:
                rows.write_status(connection, self._run, status)
        except StoreError as error:
            print(f"{datetime.now(UTC):%FT%TZ} status not written: {error}", file=sys.stderr, flush=True)
            return False
        self._unwritten = None
        return True

    def _write_record(self, status: RunStatus) -> bool:
        return self._best_effort(lambda: self._place.write_record(status))

    def _best_effort(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except OSError as error:
            print(f"{datetime.now(UTC):%FT%TZ} {self.home}: {error}", file=sys.stderr, flush=True)
            return False
        return True


def _holds(lock: Path) -> bool:
    """Whether this process holds the lock: by the descriptor that it was started with, or from now on."""
    try:
        wanted = os.stat(lock)
    except FileNotFoundError:
        return flock.hold(lock) is not None
    for fd in map(int, os.listdir("/dev/fd")):
        try:
            if not os.path.samestat(os.fstat(fd), wanted):
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        os.set_inheritable(fd, False)
        return True
    return flock.hold(lock) is not None
