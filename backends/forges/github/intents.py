"""What a process was about to make on GitHub: whoever asks for the same after it was cut off looks first.

A process may die, or be interrupted, between a call and its answer. What it made has no mark that would tell
it from what somebody wants made twice; that it never ended does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import msgspec

from backends import typed
from backends.database import Database
from backends.forges.github.errors import AnswerLost
from hive_tui.core.errors import HiveError
from hive_tui.system import processes
from hive_tui.system.processes import ProcessId

KEPT = timedelta(hours=1)
"""Who asks for the same later than that means another one."""


class _Intent(msgspec.Struct, frozen=True):
    by: ProcessId | None
    at: datetime
    """By GitHub's clock."""


class Intents:
    """Those of one fleet, in its own file. Thread-safe."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        """`now` is GitHub's time."""
        self._database = database
        self._now = now
        self._me = processes.identify()
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    @contextmanager
    def of(self, *words: str) -> Iterator[datetime | None]:
        """While what the words name is made. Gives since when the same may have been made by somebody who
        was cut off; None where nobody was."""
        name = hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()
        with self._lock:
            mine = name in self._under_way
            self._under_way.add(name)
        try:
            since = None if mine else self._begin(name)
            try:
                yield since
            except HiveError as error:
                if since is None and not isinstance(error, AnswerLost):
                    self._end(name)  # it was refused, or never got there
                raise
            self._end(name)
        finally:
            if not mine:
                with self._lock:
                    self._under_way.discard(name)

    def _begin(self, name: str) -> datetime | None:
        now = self._now()
        with self._database.writing() as connection:
            row = connection.execute("SELECT doc FROM intents WHERE name = ?", (name,)).fetchone()
            before = typed.decode(row[0], _Intent) if row is not None else None
            cut_off = before is not None and (before.by == self._me or not processes.alive(before.by))
            since = before.at if before is not None and cut_off and now - before.at < KEPT else None
            document = msgspec.json.encode(_Intent(self._me, since or now))
            connection.execute(
                "INSERT INTO intents (name, doc) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET doc = excluded.doc",
                (name, document),
            )
        return since

    def _end(self, name: str) -> None:
        with self._database.writing() as connection:
            connection.execute("DELETE FROM intents WHERE name = ?", (name,))
