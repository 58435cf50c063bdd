"""A fleet's SQLite file, shared by the local cluster and the local forge.

WAL, so that readers and the one writer do not wait for each other; every write is a `BEGIN IMMEDIATE`
transaction. A connection serves one thread at a time and goes back to a small pool. Whatever is wrong
with the file becomes a StoreError with the next step, and a file that cannot be used is never replaced.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from backends.local_schema import APPLICATION_ID, MIGRATIONS
from hive_tui.core.errors import StoreError
from hive_tui.core.text import plural

BUSY_SECONDS = 5.0
"""How long a write waits for another process's transaction; ours take milliseconds."""

_IDLE_KEPT = 4


class Database:
    """The file at `path`; it is made by the first write, never by a read. Thread-safe."""

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._file: tuple[int, int] | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """One consistent view of the file, or None when there is no fleet yet.

        Raises StoreError, also when the file is gone and runs beside it say that there was one.
        """
        with self._borrowed(create=False) as connection:
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that nobody else writes in, committed at the end unless an error leaves it.

        Raises StoreError when the file is locked for too long, full, read-only or damaged.
        """
        with self._borrowed(create=True) as connection:
            assert connection is not None
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def file(self) -> tuple[int, int] | None:
        """What identifies the file on disk now, or None when there is none."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, error) from error
        return found.st_dev, found.st_ino

    @property
    def lost(self) -> bool:
        """Whether the file was deleted while it was in use."""
        return self._file is not None and self.file() is None

    def connect(self) -> sqlite3.Connection | None:
        """A connection of the caller's own, to be closed by it; None when there is no fleet yet.

        Raises StoreError as `reading` does.
        """
        if self._missing():
            return None
        try:
            return self._open()
        except sqlite3.Error as error:
            raise failure(self.path, error) from error

    def _missing(self) -> bool:
        """Whether there is no file and never was one. Raises StoreError when it vanished from beside runs."""
        if self.file() is not None:
            return False
        runs = _runs_beside(self.path)
        # Looked for again: another process may have made the file, and a run, in the meantime.
        if runs and self.file() is None:
            raise vanished(self.path, runs)
        return not runs

    def close(self) -> None:
        """Close what is idle; the object can still be used."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __del__(self) -> None:
        # Who lets go of the object lets go of the file; from Python 3.13 on, connections complain.
        self.close()

    @contextmanager
    def _borrowed(self, *, create: bool) -> Iterator[sqlite3.Connection | None]:
        try:
            connection = self._take(create=create)
        except sqlite3.Error as error:
            raise failure(self.path, error) from error
        file = self._file
        try:
            yield connection
        except (sqlite3.Error, msgspec.DecodeError) as error:
            if connection is not None:
                connection.close()
                connection = None
            raise failure(self.path, error) from error
        finally:
            if connection is not None:
                self._give_back(connection, file)

    def _take(self, *, create: bool) -> sqlite3.Connection | None:
        now = self.file()
        stale: list[sqlite3.Connection] = []
        with self._lock:
            if now is None and self._file is not None:
                raise deleted(self.path)
            if now is not None and now == self._file and self._idle:
                return self._idle.pop()
            if now != self._file:
                stale, self._idle = self._idle, []
        for connection in stale:
            connection.close()
        missing = now is None and self._missing()
        if missing and not create:
            return None
        if missing:
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._make()
            except OSError as error:
                raise _unusable(self.path.parent, error) from error
        opened = self._open()
        with self._lock:
            self._file = self.file()
        return opened

    def _give_back(self, connection: sqlite3.Connection, file: tuple[int, int] | None) -> None:
        with self._lock:
            if file == self._file and len(self._idle) < _IDLE_KEPT:
                self._idle.append(connection)
                return
        connection.close()

    def _make(self) -> None:
        """Put a whole file in place at once: an empty one is then always one that lost its content."""
        half = self.path.with_name(f"{self.path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            with closing(self._connect(half, "rwc")) as connection:
                self._migrate(connection)
            with suppress(FileExistsError):  # somebody else was quicker; theirs counts
                os.link(half, self.path)
        finally:
            half.unlink(missing_ok=True)

    def _connect(self, path: Path, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )

    def _open(self) -> sqlite3.Connection:
        connection = self._connect(self.path, "rw")
        try:
            if os.stat(self.path).st_size == 0:
                raise StoreError(
                    f"{self.path} is damaged: it is empty.",
                    f"It was left as it is. {_COPY}",
                )
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            if self._version(connection) < len(MIGRATIONS):
                self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        # Read last: another process may have just made the tables.
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        if not ours and (version or not empty):
            raise StoreError(
                f"{self.path} is a database, but not hive's.",
                "Move it away; it was left as it is.",
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer hive (format {version}, this one knows "
                f"{len(MIGRATIONS)}).",
                "Upgrade hive; the file was left as it is.",
            )
        return version

    def _migrate(self, connection: sqlite3.Connection) -> None:
        _use_wal(connection, self._busy_seconds)
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while this one waited for the lock.
            for migration in MIGRATIONS[self._version(connection) :]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


_fleets: WeakValueDictionary[Path, Database] = WeakValueDictionary()
_fleets_lock = threading.Lock()


def fleet_database(home: Path) -> Database:
    """The database of the fleet at `home`, the same one for everything in this process that reads it: each
    of its own would take a millisecond to open, of the few that a short command has."""
    path = home / "fleet.db"
    with _fleets_lock:
        found = _fleets.get(path)
        if found is None or found.lost:
            found = _fleets[path] = Database(path)
        return found


def _use_wal(connection: sqlite3.Connection, seconds: float) -> None:
    """Switch to WAL; SQLite's own busy handler does not wait for other processes in this one step."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def failure(path: Path, error: sqlite3.Error | msgspec.DecodeError) -> StoreError:
    """What SQLite said, or why a row cannot be read, as an error with the next step."""
    if isinstance(error, msgspec.DecodeError):
        return StoreError(
            f"{path} has a row that this hive cannot read: {error}.",
            "It was left as it is. Upgrade hive if a newer one wrote it; else put back a good copy.",
        )
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError(
                f"{path} is locked by another process.",
                f"Try again; `fuser {path.name}` in its folder names the process if it stays locked.",
            )
        case sqlite3.SQLITE_FULL:
            return _no_space(path)
        case sqlite3.SQLITE_READONLY:
            return StoreError(f"{path} is read-only.", _PERMISSION)
        case sqlite3.SQLITE_CANTOPEN if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
            return StoreError(f"{path.parent} is read-only.", _PERMISSION)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StoreError(f"{path} cannot be opened: {error}.", _PERMISSION)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreError(
                f"{path} is damaged: {error}.",
                f"It was left as it is. {_COPY}",
            )
        case sqlite3.SQLITE_IOERR if _full(path):
            return _no_space(path)
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"{path}: {error}.", "Check the disk and its free space, then try again.")
    return StoreError(f"{path}: {error}.", "`hive doctor` checks the fleet's files.")


def deleted(path: Path) -> StoreError:
    """The error for a file that was there before."""
    return StoreError(
        f"{path} was deleted while it was in use.",
        f"Put it back from a copy, or end every hive of this fleet and {_ANEW}.",
    )


def vanished(path: Path, runs: int) -> StoreError:
    """The error for a file that is missing while the fleet's runs are still there."""
    return StoreError(
        f"{path} is not there any more, but runs/ beside it has {plural(runs, 'run')}.",
        f"Put it back from a copy, or {_ANEW}.",
    )


def _runs_beside(path: Path) -> int:
    """How many runs the fleet's folder has. A run is written down before its folder is made, so that a fleet
    that has any had a file."""
    try:
        with os.scandir(path.parent / "runs") as found:
            return sum(each.is_dir(follow_symlinks=False) for each in found)
    except OSError:
        return 0


_ANEW = "move runs/ away as well to start anew"

_COPY = "Keep a copy, then put back a good one or move it and runs/ beside it away to start anew."

_PERMISSION = "Make the file and its folder writable for you, or point HIVE_HOME at another folder."


def _no_space(path: Path) -> StoreError:
    return StoreError(f"No space left to write {path}.", "Free some disk space, then try again.")


def _full(path: Path) -> bool:
    from hive_tui.system import disk  # reading a sound file must not pay for it

    try:
        return disk.full(path.parent)
    except OSError:
        return False


def _unusable(path: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space(path)
    return StoreError(f"{path}: {error.strerror or error}.", _PERMISSION)
