"""What consoles, commands and the dispatcher see of GitHub: the mirror, and whether it can be trusted.

Nothing here talks to GitHub, or imports what does, while somebody else keeps the mirror up to date. Only
where nobody does, whoever watches or reads polls by itself.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from backends import local_feed
from backends.forges import local_rows as rows
from backends.forges.github.cadence import HASTE, PATIENCE
from backends.forges.github.mirror import (
    Mirror,
    Tracker,
    find_state,
    find_use,
    read_states,
    read_tracker,
    read_uses,
)
from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.ports import Emit
from hive_tui.core.sources import FORGE, Alive, Item, Key, Kind, Listed, SourceEvent, SourceFailed

KINDS = (Kind.ISSUE, Kind.PULL, Kind.REPO, Kind.API)

GRACE = timedelta(seconds=10)
"""A poll takes a moment itself, and a busy machine another one."""

LOOK_SECONDS = 1.0
"""Between looks of a watch whether anybody polls."""

READ_SECONDS = 60.0
"""How long a read waits at least for somebody else's poll."""

ANSWERED_SECONDS = 8.0
"""A dispatcher takes up a wish to poll within this."""

Poll = Callable[[bool, float], float]
"""Poll if it is due, or wanted, with this patience; returns the seconds until it is to be called again."""


class Feed:
    """One fleet's view of the mirror. `poll` is called only where nobody else polls."""

    def __init__(self, mirror: Mirror, poll: Poll) -> None:
        self._mirror = mirror
        self._poll = poll

    def read(self, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        """The mirror as it is; if nobody keeps it up to date, then once more after a poll of one's own.

        What is known is said before the poll, so that a caller who cannot wait has it; `seconds` is how long
        they wait.
        """
        health = self._health_now()
        if self._due():
            if self._tracker().tried_at is not None:
                yield self._listed()
                yield health or _late(self._tracker(), datetime.now(UTC))
            self._poll_until_fresh(seconds)
            health = self._health_now()
        if self._tracker().polled_at is not None:
            yield self._listed()
            yield health or Alive(FORGE, self._tracker().polled_at)
        elif health is not None:
            yield health

    def _poll_until_fresh(self, seconds: float) -> None:
        """Poll, or wait for whoever is polling; the caller has a limit of its own."""
        until = monotonic() + max(READ_SECONDS, seconds)
        while self._due() and monotonic() < until:
            pause = self._poll(False, max(HASTE, 0.9 * seconds))
            if self._due():
                sleep(min(pause, local_feed.POLL_SECONDS))

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event) -> None:
        """Full state, then changes, until `stop`."""
        keeper = _Keeper(self._mirror, self._poll, self._due, stop)
        source = local_feed.Source(
            FORGE,
            KINDS,
            self._items,
            self._changed,
            tick_seconds=LOOK_SECONDS,
            health=_health,
            heard=lambda connection: read_tracker(connection).polled_at,
            woken=keeper.wake,
        )
        keeper.start()
        try:
            if self._wait_for_the_first(emit, stop, wake, keeper):
                local_feed.watch(self._mirror.database, source, emit, stop, wake)
        finally:
            keeper.join()

    def _wait_for_the_first(
        self, emit: Emit, stop: threading.Event, wake: threading.Event, keeper: _Keeper
    ) -> bool:
        """Until GitHub answered once, an empty mirror would look like a tracker without any issue."""
        said: SourceFailed | None = None
        while (tracker := self._tracker()).polled_at is None:
            failed = _failed(tracker) if tracker.why is not None else None
            if failed is not None and failed != said:
                emit(failed)
                said = failed
            if wake.is_set():
                wake.clear()
                keeper.wake()
            if stop.wait(local_feed.POLL_SECONDS):
                return False
        return True

    def _tracker(self) -> Tracker:
        return self._mirror.tracker()

    def _due(self) -> bool:
        """Whether the mirror is empty, or whoever kept it up to date seems to be gone."""
        tracker = self._tracker()
        if tracker.next_at is None or tracker.tried_at is None:
            return True
        now = datetime.now(UTC)
        return now >= tracker.next_at + GRACE or tracker.tried_at > now + GRACE

    def _listed(self) -> Listed:
        with self._mirror.database.reading() as connection:
            return Listed(FORGE, KINDS, self._items(connection))

    def _health_now(self) -> SourceFailed | None:
        with self._mirror.database.reading() as connection:
            return _health(connection)

    def _items(self, connection: sqlite3.Connection | None) -> tuple[Item, ...]:
        if connection is None:
            return ()
        repos = self._mirror.repos
        return (
            *(issue for issue in rows.read_issues(connection) if issue.repo in repos),
            *(pull for pull in rows.read_pulls(connection) if pull.repo in repos),
            *(state for state in read_states(connection) if state.name in repos),
            *read_uses(connection),
        )

    def _changed(
        self, connection: sqlite3.Connection, changes: frozenset[local_feed.Change]
    ) -> tuple[SourceEvent, ...]:
        found: list[Item] = []
        gone: list[tuple[Kind, Key]] = []
        for change in sorted(changes):
            if change.kind != "api" and change.repo not in self._mirror.repos:
                continue
            looked_up = _item(connection, change)
            if looked_up is None:
                continue
            kind, key, item = looked_up
            if item is not None:
                found.append(item)
            else:
                gone.append((kind, key))
        return local_feed.changed(FORGE, found, gone)


class _Keeper(threading.Thread):
    """Polls for a watch whenever nobody else does, and says to whoever does that a poll is wanted."""

    def __init__(self, mirror: Mirror, poll: Poll, due: Callable[[], bool], stop: threading.Event) -> None:
        super().__init__(name="keep GitHub's mirror", daemon=True)
        self._mirror = mirror
        self._poll = poll
        self._due = due
        self._ended = stop
        self._wanted = threading.Event()

    def wake(self) -> None:
        self._wanted.set()

    def run(self) -> None:
        wished_at: float | None = None
        while not self._ended.is_set():
            pause = LOOK_SECONDS
            try:
                if self._wanted.is_set():
                    self._wanted.clear()
                    self._mirror.want_poll()
                    wished_at = monotonic()
                unheard = wished_at is not None and monotonic() - wished_at > ANSWERED_SECONDS
                if self._due():
                    self._poll(False, PATIENCE)
                elif unheard:
                    wished_at = None
                    if self._mirror.wanted():
                        self._poll(True, PATIENCE)
            except HiveError:
                # The file cannot be used: the watch itself says so.
                pause = local_feed.LAST_RETRY_SECONDS
            self._ended.wait(pause)

    def join(self, timeout: float | None = 1.0) -> None:
        # A call to GitHub may be under way: a daemon thread may end with its process.
        super().join(timeout)


def _item(connection: sqlite3.Connection, change: local_feed.Change) -> tuple[Kind, Key, Item | None] | None:
    """The row that a change is about: its kind, its key, and what it holds now."""
    repo = RepoName(change.repo)
    match change.kind:
        case "issue":
            issue = IssueKey(repo, change.number)
            return Kind.ISSUE, issue, rows.find_issue(connection, issue)
        case "pull":
            pull = PullKey(repo, change.number)
            return Kind.PULL, pull, rows.find_pull(connection, pull)
        case "repo":
            return Kind.REPO, repo, find_state(connection, repo)
        case "api":
            return Kind.API, change.name, find_use(connection, change.name)
    return None


def _health(connection: sqlite3.Connection | None) -> SourceFailed | None:
    """Why the mirror cannot be trusted now: GitHub does not answer, or nobody asks it."""
    tracker = read_tracker(connection)
    if tracker.why is not None:
        return _failed(tracker)
    if tracker.next_at is None:
        return SourceFailed(FORGE, "GitHub was not read yet.")
    now = datetime.now(UTC)
    if now > tracker.next_at + timedelta(seconds=2 * tracker.interval) + GRACE:
        return _late(tracker, now)
    return None


def _failed(tracker: Tracker) -> SourceFailed:
    assert tracker.why is not None
    return SourceFailed(FORGE, tracker.why, tracker.next_at, tracker.polled_at)


def _late(tracker: Tracker, now: datetime) -> SourceFailed:
    since = text.since(tracker.polled_at, now)
    why = f"Nobody asked GitHub for {since}: `hive dispatcher start`."
    return SourceFailed(FORGE, why, None, tracker.polled_at)
