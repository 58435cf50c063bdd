"""What changed in a fleet's file, cheaply: the loop behind the local backends' `watch`.

`PRAGMA data_version` tells without reading a page whether anybody else committed; only then are the
new rows of `changes` read. This loop owns the retries of its source.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event as ThreadEvent
from time import monotonic
from typing import NamedTuple

import msgspec

from backends.database import Database, deleted, failure
from hive_tui.core.errors import StoreError
from hive_tui.core.ports import Emit
from hive_tui.core.sources import Alive, Changed, Item, Key, Kind, Listed, SourceEvent, SourceFailed

POLL_SECONDS = 0.1
ALIVE_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 5.0


class Change(NamedTuple):
    """A row that was written or deleted; which columns name it depends on the kind."""

    kind: str
    repo: str
    number: int
    name: str


class Source(NamedTuple):
    """What a backend puts into the loop."""

    name: str
    kinds: tuple[Kind, ...]
    items: Callable[[sqlite3.Connection | None], tuple[Item, ...]]
    """Everything; None is a fleet that does not exist yet."""
    changed: Callable[[sqlite3.Connection, frozenset[Change]], tuple[SourceEvent, ...]]
    """What to say about these rows."""
    tick: Callable[[], tuple[SourceEvent, ...]] = tuple
    """What changed outside of the file; called about once in `tick_seconds`."""
    tick_seconds: float = 0.5
    health: Callable[[sqlite3.Connection | None], SourceFailed | None] = lambda _: None
    """Why what the file mirrors cannot be read now, though the file can; asked with every tick."""
    heard: Callable[[sqlite3.Connection | None], datetime | None] = lambda _: None
    """When what the file mirrors was read last; None where the file itself is the source."""
    woken: Callable[[], None] = lambda: None
    """Somebody asked for a read at once."""


def read(database: Database, source: Source) -> Listed:
    """The full state once. Raises StoreError."""
    with database.reading() as connection:
        return Listed(source.name, source.kinds, source.items(connection))


def watch(
    database: Database, source: Source, emit: Emit, stop: ThreadEvent, wake: ThreadEvent | None = None
) -> None:
    """Full state, then changes, until `stop`; failures are emitted, and tried again.

    A file that was read and is gone is a failure: what was known of the fleet is not nothing now.
    """
    failures, known = 0, False
    while not stop.is_set():
        try:
            with _Feed(database) as feed:
                if known and not feed.exists:
                    raise deleted(database.path)
                emit(feed.listed(source))
                failures, known = 0, feed.exists
                _follow(feed, source, emit, stop, wake)
        except StoreError as error:
            ceiling = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**failures)
            from random import uniform  # only a broken watch waits

            delay = ceiling * uniform(0.5, 1.0)
            failures = min(failures + 1, 16)
            why = error.words
            emit(SourceFailed(source.name, why, datetime.now(UTC) + timedelta(seconds=delay)))
            stop.wait(delay)


def _follow(feed: _Feed, source: Source, emit: Emit, stop: ThreadEvent, wake: ThreadEvent | None) -> None:
    """Emit changes until `stop`, or until everything has to be read again."""
    said = ticked = monotonic()
    failed, heard = feed.health(source), feed.heard(source)
    if failed is not None:
        emit(failed)
    elif heard is not None:
        emit(Alive(source.name, heard))
    while not stop.wait(POLL_SECONDS):
        now = monotonic()
        if wake is not None and wake.is_set():
            wake.clear()
            source.woken()
            return
        changes = feed.changes()
        if changes is None:
            return
        events = feed.load(source, changes) if changes else ()
        if now - ticked >= source.tick_seconds:
            ticked = now
            events += source.tick()
            before, failed = failed, feed.health(source)
            read_before, heard = heard, feed.heard(source)
            if failed is None and (before is not None or heard != read_before):
                events += (Alive(source.name, heard),)
            elif failed != before and failed is not None:
                events += (failed,)
        if not events and now - said >= ALIVE_SECONDS:
            events = (failed or Alive(source.name, heard),)
        if failed is not None and events and events[-1] is not failed:
            # What is new in the mirror does not mean that the tracker answers.
            events += (failed,)
        elif failed is None and heard is not None and events and not isinstance(events[-1], Alive):
            # Nor that all the rest of it was read just now.
            events += (Alive(source.name, heard),)
        for event in events:
            emit(event)
            said = now


class _Feed:
    """One connection that stays open: `data_version` compares with what this connection saw last."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._file = database.file()
        self._connection = database.connect()
        self._seen = 0
        self._version = -1

    def __enter__(self) -> _Feed:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @property
    def exists(self) -> bool:
        """Whether there was a file to open."""
        return self._connection is not None

    def listed(self, source: Source) -> Listed:
        """Everything, and the point in the list of changes that it stands for."""
        connection = self._connection
        if connection is None:
            return Listed(source.name, source.kinds, source.items(None))
        try:
            self._version = self._data_version(connection)
            connection.execute("BEGIN")
            try:
                self._seen = connection.execute("SELECT ifnull(max(seq), 0) FROM changes").fetchone()[0]
                return Listed(source.name, source.kinds, source.items(connection))
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise failure(self._database.path, error) from error

    def health(self, source: Source) -> SourceFailed | None:
        """What is behind the file, in the source's own words."""
        try:
            return source.health(self._connection)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise failure(self._database.path, error) from error

    def heard(self, source: Source) -> datetime | None:
        """When what is behind the file was read last."""
        try:
            return source.heard(self._connection)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise failure(self._database.path, error) from error

    def changes(self) -> frozenset[Change] | None:
        """Rows that changed since the last call; None when everything has to be read again.

        Raises StoreError when the file was deleted or another one is in its place.
        """
        now = self._database.file()
        connection = self._connection
        if connection is None:
            return None if now is not None else frozenset()
        if now is None:
            raise deleted(self._database.path)
        if now != self._file:
            raise StoreError(f"{self._database.path} was replaced by another file while it was in use.")
        try:
            version = self._data_version(connection)
            if version == self._version:
                return frozenset()
            self._version = version
            rows = connection.execute(
                "SELECT seq, kind, repo, number, name FROM changes WHERE seq > ? ORDER BY seq", (self._seen,)
            ).fetchall()
        except sqlite3.Error as error:
            raise failure(self._database.path, error) from error
        if not rows:
            return frozenset()
        if rows[0][0] != self._seen + 1:
            return None
        self._seen = rows[-1][0]
        return frozenset(Change(*row[1:]) for row in rows)

    def load(self, source: Source, changes: frozenset[Change]) -> tuple[SourceEvent, ...]:
        """What `source` says about these rows, from one view of the file."""
        connection = self._connection
        assert connection is not None
        try:
            connection.execute("BEGIN")
            try:
                return source.changed(connection, changes)
            finally:
                connection.execute("ROLLBACK")
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise failure(self._database.path, error) from error

    @staticmethod
    def _data_version(connection: sqlite3.Connection) -> int:
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        return version


def changed(source: str, found: list[Item], gone: list[tuple[Kind, Key]]) -> tuple[SourceEvent, ...]:
    """One `Changed`, or nothing when there is nothing to say."""
    return (Changed(source, tuple(found), tuple(gone)),) if found or gone else ()
