"""What GitHub was heard to say, in the fleet's own file: what consoles read, and what a poll goes on from.

Issues and pull requests lie in the same tables as a local tracker's. What a write brought is put here at
once; a poll that was under way meanwhile does not put the older state back.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from backends import typed
from backends.database import Database
from backends.forges import local_rows as rows
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.model import (
    ApiUse,
    Check,
    Claim,
    Issue,
    PullRequest,
    PullState,
    RepoState,
    Verdict,
)

if TYPE_CHECKING:
    from backends.forges.github.decode import IssueText, ReadIssue, ReadPull

ANSWERED = timedelta(seconds=5)
"""What a write changed was changed no longer than this before its answer came."""

ENDED_KEPT = timedelta(days=7)
"""How long a merged or closed pull request of hive's stays in the list."""


class Tracker(msgspec.Struct, frozen=True):
    """The last poll of all, and whether GitHub answered it."""

    polled_at: datetime | None = None
    """When GitHub answered last."""
    tried_at: datetime | None = None
    next_at: datetime | None = None
    """When the next poll is due."""
    interval: float = 0.0
    """Seconds between the last poll and the next."""
    changed_at: datetime | None = None
    """When something moved last."""
    why: str | None = None
    """Why GitHub as a whole cannot be read, with the next step; None while it can."""
    since: datetime | None = None
    failures: int = 0


class Sync(msgspec.Struct, frozen=True):
    """How far one repository was read: private to the poll."""

    etag: str | None = None
    """Of its newest issues and pull requests."""
    seen: datetime | None = None
    """The newest `updated_at` that was taken in."""
    full_at: datetime | None = None
    """When all of it was read last."""
    base_etag: str | None = None
    base_sha: str | None = None
    failures: int = 0
    unknown: dict[int, int] = {}
    """Pull requests whose mergeability GitHub had not worked out, and how often that was asked."""
    later_issues: tuple[int, ...] = ()
    later_pulls: tuple[int, ...] = ()
    """What is to be read with the next query, and is no reason for one by itself for a while."""


class Known(msgspec.Struct, frozen=True):
    """A repository as a poll finds it."""

    state: RepoState
    sync: Sync


_tracker = msgspec.json.Decoder(Tracker)
_state = msgspec.json.Decoder(RepoState)
_sync = msgspec.json.Decoder(Sync)
_use = msgspec.json.Decoder(ApiUse)


class Mirror:
    """The tables of one fleet. Thread-safe. Every method raises StoreError."""

    def __init__(self, database: Database, repos: frozenset[RepoName]) -> None:
        self.database = database
        self.repos = repos
        self._lock = threading.Lock()
        self._own: dict[IssueKey | PullKey, datetime] = {}

    # For the writes of this process

    def issue(self, key: IssueKey) -> Issue | None:
        with self.database.reading() as connection:
            return None if connection is None else rows.find_issue(connection, key)

    def pull(self, key: PullKey) -> PullRequest | None:
        with self.database.reading() as connection:
            return None if connection is None else rows.find_pull(connection, key)

    def uses(self) -> list[ApiUse]:
        """What was published last of the API's budgets."""
        with self.database.reading() as connection:
            return [] if connection is None else read_uses(connection)

    def put_issue(self, read: ReadIssue, *, workflow_labels: Sequence[str] | None = None) -> Issue:
        """Publish an issue as it was just read; returns it with what hive alone knows of it.

        With `workflow_labels` one that is not hive's, by these or by what the list has, does not join it.
        """
        with self.taking_in() as into:
            if workflow_labels is not None and not into.is_hives(read.issue, workflow_labels):
                return read.issue
            return into.put_issue(read)

    def put_pull(self, read: ReadPull) -> PullRequest:
        """Publish a pull request as it was just read; returns it with what hive alone knows of it."""
        with self.taking_in() as into:
            return into.put_pull(read)

    def own_issue(self, key: IssueKey, at: datetime, **changes: object) -> Issue | None:
        """Publish what a write made of an issue, at `at` by GitHub's clock; None where it is not listed."""
        self.own(key, at)
        with self.taking_in() as into:
            return into.annotate_issue(key, at - ANSWERED, **changes)

    def own_pull(self, key: PullKey, at: datetime, **changes: object) -> PullRequest | None:
        """Publish what a write made of a pull request; None where it is not in the list."""
        self.own(key, at)
        return self.annotate_pull(key, **changes)

    def own(self, key: IssueKey | PullKey, at: datetime) -> None:
        """Something of hive's was written there just now: a change until then is no news."""
        with self._lock:
            self._own[key] = at

    def owned(self, repo: RepoName) -> dict[IssueKey | PullKey, datetime]:
        """What was written by this process in a repository and not read since, and when."""
        with self._lock:
            return {key: at for key, at in self._own.items() if key.repo == repo}

    def disown(self, read: Mapping[IssueKey | PullKey, datetime]) -> None:
        """What `owned` said is read now."""
        with self._lock:
            for key, at in read.items():
                if self._own.get(key) == at:
                    del self._own[key]

    def annotate_pull(self, key: PullKey, **changes: object) -> PullRequest | None:
        """Set `lease`, `run` or `issue`, which later reads keep; None where it is not in the list."""
        with self.taking_in() as into:
            return into.annotate_pull(key, **changes)

    def issue_numbers(self, repo: RepoName) -> list[int]:
        """Of all issues in the list."""
        return self._select(repo, "SELECT number FROM issues WHERE repo = ? ORDER BY number")

    def pull_numbers(self, repo: RepoName) -> list[int]:
        """Of all pull requests in the list."""
        return self._select(repo, "SELECT number FROM pulls WHERE repo = ? ORDER BY number")

    def want_poll(self) -> None:
        """Have whoever polls look at once."""
        with self._changing() as connection:
            connection.execute("UPDATE tracker SET wanted = 1")

    def close_to_work(self, repo: RepoName, why: str) -> None:
        """A write was refused in a way that holds for the whole repository."""
        with self._changing() as connection:
            state = self._known(connection, repo).state
            _write_state(connection, msgspec.structs.replace(state, closed_to_work=why))

    # For the poll

    def wanted(self) -> bool:
        """Whether somebody asked for a poll since the last one."""
        with self.database.reading() as connection:
            row = connection and connection.execute("SELECT wanted FROM tracker").fetchone()
            return bool(row and row[0])

    def take_wish(self) -> None:
        """A poll begins: what was wanted until now is what it does."""
        with self._changing() as connection:
            connection.execute("UPDATE tracker SET wanted = 0 WHERE wanted != 0")

    def end_poll(self, tracker: Tracker) -> None:
        with self._changing() as connection:
            connection.execute("UPDATE tracker SET doc = ?", (msgspec.json.encode(tracker),))

    def tracker(self) -> Tracker:
        with self.database.reading() as connection:
            return read_tracker(connection)

    def state(self, repo: RepoName) -> RepoState:
        """What is known of a repository."""
        with self.database.reading() as connection:
            return RepoState(repo) if connection is None else self._known(connection, repo).state

    def known(self) -> dict[RepoName, Known]:
        """All repositories that the fleet serves, also those that were never read."""
        with self.database.reading() as connection:
            if connection is None:
                return {repo: Known(RepoState(repo), Sync()) for repo in self.repos}
            return {repo: self._known(connection, repo) for repo in self.repos}

    def pulls(self) -> dict[RepoName, list[PullRequest]]:
        """Open pull requests."""
        found: dict[RepoName, list[PullRequest]] = {repo: [] for repo in self.repos}
        with self.database.reading() as connection:
            for pull, _ in rows.open_pulls(connection):
                if pull.repo in found:
                    found[pull.repo].append(pull)
        return found

    def open_numbers(self, repo: RepoName) -> tuple[list[int], list[int]]:
        """Of the issues that are in the list, and of the open pull requests."""
        return (
            self._select(repo, "SELECT number FROM issues WHERE repo = ?"),
            self._select(repo, "SELECT number FROM pulls WHERE repo = ? AND open = 1"),
        )

    def without_text(self, repo: RepoName) -> list[int]:
        """Issues whose text in its newest revision was not read yet, the newest first."""
        return self._select(
            repo, "SELECT number FROM issues WHERE repo = ? AND body_of IS NULL ORDER BY number DESC"
        )

    def revisions(self, repo: RepoName) -> dict[int, str | None]:
        """Which revision of its text each issue in the list has."""
        with self.database.reading() as connection:
            if connection is None:
                return {}
            return dict(connection.execute("SELECT number, body_of FROM issues WHERE repo = ?", (repo,)))

    def concerns(self, repo: RepoName) -> frozenset[int]:
        """Issues that hive is at work on: claimed by a run, to be fired, or with an open pull request."""
        with self.database.reading() as connection:
            return frozenset() if connection is None else _concerns(connection, repo)

    @contextmanager
    def taking_in(self) -> Iterator[TakingIn]:
        """Write what a poll brought, all of it or nothing."""
        with self._changing() as connection:
            yield TakingIn(connection)

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO tracker (id, doc) VALUES (1, ?)", (msgspec.json.encode(Tracker()),)
            )
            yield connection

    def _select(self, repo: RepoName, sql: str) -> list[int]:
        with self.database.reading() as connection:
            found = connection.execute(sql, (repo,)) if connection is not None else ()
            return [number for (number,) in found]

    @staticmethod
    def _known(connection: sqlite3.Connection, repo: RepoName) -> Known:
        row = connection.execute("SELECT doc, sync FROM repos WHERE repo = ?", (repo,)).fetchone()
        if row is None:
            return Known(RepoState(repo), Sync())
        return Known(_state.decode(row[0]), Sync() if row[1] is None else _sync.decode(row[1]))


class TakingIn:
    """One transaction; `changed` tells whether anything but times is different after it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._busy: dict[RepoName, frozenset[int]] = {}
        self.changed = False

    def issue(self, read: ReadIssue, *, workflow_labels: Sequence[str]) -> None:
        """Take in what a poll read. An issue is kept if it is open, and hive's by its labels or because it
        was in the list before; closed only while hive is at work on it."""
        new = read.issue
        stored, _ = self._stored_issue(new.key)
        if stored is not None and stored.updated_at > new.updated_at:
            return  # a write's answer is newer than what this poll had asked for before it
        if self.is_hives(new, workflow_labels) and (new.open or new.number in self.busy(new.repo)):
            self.put_issue(read)
        else:
            self.forget_issue(new.key)

    def is_hives(self, issue: Issue, workflow_labels: Sequence[str]) -> bool:
        """Whether it is in the list, has a label of the workflow, or hive is at work on it."""
        if any(name in workflow_labels for name in issue.labels):
            return True
        listed = rows.find_issue(self._connection, issue.key) is not None
        return listed or issue.number in self.busy(issue.repo)

    def has_text(self, read: ReadIssue) -> bool:
        """Whether the text of an issue that was read without it is here."""
        return self._stored_issue(read.issue.key)[1] == read.revision

    def put_issue(self, read: ReadIssue) -> Issue:
        """Keep it, with the approval and, where it was not read, the text that were known before."""
        new = read.issue
        stored, body_of = self._stored_issue(new.key)
        if stored is not None and new.approval is None:
            new = msgspec.structs.replace(new, approval=stored.approval)
        if read.has_body:
            body_of = read.revision
        else:
            new = msgspec.structs.replace(new, body=stored.body if stored is not None else "")
            body_of = body_of if body_of == read.revision else None
        self._write_issue(new, stored, body_of)
        return new

    def annotate_issue(self, key: IssueKey, at: datetime, **changes: object) -> Issue | None:
        """Set what is known of it without a read; what was read before `at` does not undo it."""
        stored, body_of = self._stored_issue(key)
        if stored is None:
            return None
        changes["updated_at"] = max(stored.updated_at, at.replace(microsecond=0))
        new = msgspec.structs.replace(stored, **changes)
        self._write_issue(new, stored, body_of)
        return new

    def text(self, repo: RepoName, text: IssueText) -> None:
        stored, _ = self._stored_issue(IssueKey(repo, text.number))
        if stored is not None:
            self._write_issue(msgspec.structs.replace(stored, body=text.body), stored, text.revision)

    def forget_issue(self, key: IssueKey) -> None:
        """It is not there any more, or not hive's."""
        self._connection.execute("DELETE FROM comments WHERE repo = ? AND number = ?", key)
        done = self._connection.execute("DELETE FROM issues WHERE repo = ? AND number = ?", key)
        self.changed |= done.rowcount > 0

    def pull(self, read: ReadPull) -> None:
        """Take in what a poll read: kept if it is open, or one of hive's that ended a short while ago."""
        new = read.pull
        stored = rows.find_pull(self._connection, new.key)
        if stored is not None and stored.updated_at > new.updated_at:
            return
        hives = new.run is not None or (stored is not None and stored.run is not None)
        if new.state is PullState.OPEN or hives:
            self.put_pull(read)
        else:
            self.forget_pull(new.key)

    def put_pull(self, read: ReadPull) -> PullRequest:
        """Keep it, with what hive alone knows of it and, where that was not read, what was known before."""
        stored = rows.find_pull(self._connection, read.pull.key)
        new = read.pull if stored is None else _with_what_is_ours(read.pull, stored, whole=read.whole)
        self._write_pull(new, stored)
        return new

    def annotate_pull(self, key: PullKey, **changes: object) -> PullRequest | None:
        """Set facts that change without a new `updated_at`: checks, verdict, mergeability, hive's own."""
        stored = rows.find_pull(self._connection, key)
        if stored is None:
            return None
        new = msgspec.structs.replace(stored, **changes)
        self._write_pull(new, stored)
        return new

    def checks(self, repo: RepoName, found: Mapping[str, tuple[tuple[Check, ...], Verdict | None]]) -> None:
        """What is said of head commits, by SHA."""
        if not found:
            return
        for pull, _ in rows.open_pulls(self._connection):
            if pull.repo == repo and pull.head in found:
                checks, verdict = found[pull.head]
                self.annotate_pull(pull.key, checks=checks, verdict=verdict)

    def forget_pull(self, key: PullKey) -> None:
        done = self._connection.execute("DELETE FROM pulls WHERE repo = ? AND number = ?", key)
        self.changed |= done.rowcount > 0

    def tidy(self, repos: Iterable[RepoName], now: datetime) -> None:
        """Let go of what ended: closed issues that hive is not at work on any more, pull requests of long
        ago, repositories that the fleet does not serve."""
        for repo in repos:
            self._busy.pop(repo, None)  # pull requests may have come or gone
            found = self._connection.execute(
                "SELECT number FROM issues WHERE repo = ? AND json_extract(CAST(doc AS TEXT), '$.open') = 0",
                (repo,),
            ).fetchall()
            for (number,) in found:
                if number not in self.busy(repo):
                    self.forget_issue(IssueKey(repo, number))
            ended = self._connection.execute("SELECT doc FROM pulls WHERE repo = ? AND open = 0", (repo,))
            for (doc,) in ended.fetchall():
                pull = typed.decode(doc, PullRequest)
                if now - pull.updated_at > ENDED_KEPT:
                    self.forget_pull(pull.key)
        for pull, _ in rows.open_pulls(self._connection):
            if pull.lease is not None and pull.lease.until <= now:
                self.annotate_pull(pull.key, lease=None)

    def repository(self, state: RepoState, sync: Sync) -> None:
        row = self._connection.execute("SELECT doc FROM repos WHERE repo = ?", (state.name,)).fetchone()
        old = None if row is None else _state.decode(row[0])
        same = old is not None and msgspec.structs.replace(old, heard_at=state.heard_at) == state
        self.changed |= not same
        _write_state(self._connection, state)
        self._connection.execute(
            "UPDATE repos SET sync = ? WHERE repo = ?", (msgspec.json.encode(sync), state.name)
        )

    def budgets(self, uses: Iterable[ApiUse]) -> None:
        for use in uses:
            self._connection.execute(
                "INSERT INTO api (name, doc) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET doc = excluded.doc WHERE doc IS NOT excluded.doc",
                (use.name, msgspec.json.encode(use)),
            )

    def busy(self, repo: RepoName) -> frozenset[int]:
        """Issues that hive is at work on."""
        if repo not in self._busy:
            self._busy[repo] = _concerns(self._connection, repo)
        return self._busy[repo]

    def _stored_issue(self, key: IssueKey) -> tuple[Issue | None, str | None]:
        row = self._connection.execute(
            "SELECT body_of FROM issues WHERE repo = ? AND number = ?", key
        ).fetchone()
        return rows.find_issue(self._connection, key), None if row is None else row[0]

    def _write_issue(self, new: Issue, stored: Issue | None, body_of: str | None) -> None:
        if new != stored:
            rows.write_issue(self._connection, new)
            self.changed = True
        self._connection.execute(
            "UPDATE issues SET body_of = ? WHERE repo = ? AND number = ? AND body_of IS NOT ?",
            (body_of, *new.key, body_of),
        )

    def _write_pull(self, new: PullRequest, stored: PullRequest | None) -> None:
        if new != stored:
            rows.write_pull(self._connection, new)
            self.changed = True


def read_tracker(connection: sqlite3.Connection | None) -> Tracker:
    row = connection and connection.execute("SELECT doc FROM tracker").fetchone()
    return _tracker.decode(row[0]) if row else Tracker()


def read_states(connection: sqlite3.Connection) -> list[RepoState]:
    return [_state.decode(doc) for (doc,) in connection.execute("SELECT doc FROM repos")]


def find_state(connection: sqlite3.Connection, repo: RepoName) -> RepoState | None:
    row = connection.execute("SELECT doc FROM repos WHERE repo = ?", (repo,)).fetchone()
    return None if row is None else _state.decode(row[0])


def read_uses(connection: sqlite3.Connection) -> list[ApiUse]:
    return [_use.decode(doc) for (doc,) in connection.execute("SELECT doc FROM api")]


def find_use(connection: sqlite3.Connection, name: str) -> ApiUse | None:
    row = connection.execute("SELECT doc FROM api WHERE name = ?", (name,)).fetchone()
    return None if row is None else _use.decode(row[0])


def _write_state(connection: sqlite3.Connection, state: RepoState) -> None:
    connection.execute(
        "INSERT INTO repos (repo, doc) VALUES (?, ?) ON CONFLICT (repo) DO UPDATE SET doc = excluded.doc",
        (state.name, msgspec.json.encode(state)),
    )


def _with_what_is_ours(new: PullRequest, stored: PullRequest, *, whole: bool) -> PullRequest:
    """What GitHub does not know of a pull request, or what was not asked for, as it was known before."""
    lease = new.lease or stored.lease
    if lease is not None and whole and lease.worker not in new.labels:
        lease = None  # a person took the label off: that is a command
    if new.state is not PullState.OPEN:
        lease = None
    run = stored.run or new.run
    issue = stored.issue if run is not None and stored.issue is not None else new.issue
    if not whole:
        same = stored.head == new.head
        new = msgspec.structs.replace(
            new,
            labels=stored.labels,
            checks=stored.checks if same else (),
            verdict=stored.verdict if same else None,
            mergeable=stored.mergeable if same else None,
        )
    return msgspec.structs.replace(new, lease=lease, run=run, issue=issue)


def _concerns(connection: sqlite3.Connection, repo: RepoName) -> frozenset[int]:
    found = set()
    for (doc,) in connection.execute("SELECT doc FROM claims WHERE repo = ?", (repo,)):
        claim = typed.decode(doc, Claim)
        if claim.run is not None or claim.fire is not None:
            found.add(claim.number)
    for (doc,) in connection.execute("SELECT doc FROM pulls WHERE repo = ? AND open = 1", (repo,)):
        pull = typed.decode(doc, PullRequest)
        if pull.issue is not None and pull.run is not None:
            found.add(pull.issue)
    return frozenset(found)


def _numbers(found: Iterable[tuple[int]]) -> frozenset[int]:
    return frozenset(number for (number,) in found)
