"""The local tracker: issues in the fleet's file, pull requests that are branches of the user's repository."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as ThreadEvent
from typing import TYPE_CHECKING

import msgspec

from backends import local_feed
from backends.database import fleet_database
from backends.forges import local_rows as rows
from hive_tui.core.errors import Refused, UsageError, unknown
from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.messages import TEMPLATES
from hive_tui.core.model import (
    Approval,
    Check,
    Comment,
    FleetClaim,
    Issue,
    Lease,
    PullRequest,
    PullState,
    Verdict,
    body_sha,
)
from hive_tui.core.ports import READ_SECONDS, BackendContext, Capability, Emit, NewPull, Remote
from hive_tui.core.sources import FORGE, Item, Key, Kind, SourceEvent
from hive_tui.core.text import clean, clean_line
from hive_tui.system import flock

if TYPE_CHECKING:
    from backends.forges.local_repository import LocalRepository

MAX_DIFF = 4_000_000
"""Characters kept of a diff."""

POLL_SECONDS = 5.0
"""Between looks at what people did to branches behind hive's back."""

MERGE_SECONDS = 30.0
"""How long a merge waits for another one of the same fleet."""


class LocalForge:
    """See `core.ports.Forge`. Repositories and their paths are those of the fleet's settings."""

    name = "local"
    identity = "local"
    capabilities = frozenset(
        {
            Capability.MERGE,
            Capability.LEASE,
            Capability.CREATE_ISSUE,
            Capability.EDIT_ISSUE,
            Capability.COMMENT,
        }
    )

    def __init__(self, context: BackendContext) -> None:
        self._settings = context.settings
        self._home = context.home
        self._repos = frozenset(repo.name for repo in context.settings.repos)
        self._database = fleet_database(context.home)
        self._source = local_feed.Source(FORGE, (Kind.ISSUE, Kind.PULL), self._items, self._changed)

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        yield local_feed.read(self._database, self._source)

    def watch(self, emit: Emit, stop: ThreadEvent, wake: ThreadEvent) -> None:
        local_feed.watch(self._database, self._source, emit, stop, wake)

    def poll(self, *, active: bool, wanted: bool) -> float:
        from backends.forges import local_pulls  # git and its subprocesses are for the dispatcher

        local_pulls.refresh(self._database, self._repository)
        return POLL_SECONDS

    def remote(self, repo: RepoName) -> Remote:
        self._known(repo)
        settings = self._settings.repo(repo)
        assert settings is not None, "known repositories are those of the settings"
        return Remote(settings.path or "", settings.base or "main")

    def pull_template(self, repo: RepoName) -> str | None:
        return self._repository(repo).first_file(f"refs/heads/{self.remote(repo).base}", TEMPLATES)

    def hold_issue(self, key: IssueKey, claim: FleetClaim) -> None:
        """One fleet has these issues alone, and its own claim is the lock."""

    def held(self, key: IssueKey) -> FleetClaim | None:
        return None

    def let_go(self, key: IssueKey, run: RunId) -> None:
        """Nothing was taken."""

    def _items(self, connection: sqlite3.Connection | None) -> tuple[Item, ...]:
        if connection is None:
            return ()
        found: tuple[Issue | PullRequest, ...] = (*rows.read_issues(connection), *rows.read_pulls(connection))
        return tuple(item for item in found if item.repo in self._repos)

    def _changed(
        self, connection: sqlite3.Connection, changes: frozenset[local_feed.Change]
    ) -> tuple[SourceEvent, ...]:
        found: list[Item] = []
        gone: list[tuple[Kind, Key]] = []
        for change in sorted(changes):
            if change.kind not in ("issue", "pull") or change.repo not in self._repos:
                continue
            kind, key, item = self._item(connection, change)
            if item is not None:
                found.append(item)
            else:
                gone.append((kind, key))
        return local_feed.changed(FORGE, found, gone)

    @staticmethod
    def _item(
        connection: sqlite3.Connection, change: local_feed.Change
    ) -> tuple[Kind, Key, Issue | PullRequest | None]:
        repo = RepoName(change.repo)
        if change.kind == "issue":
            issue = IssueKey(repo, change.number)
            return Kind.ISSUE, issue, rows.find_issue(connection, issue)
        pull = PullKey(repo, change.number)
        return Kind.PULL, pull, rows.find_pull(connection, pull)

    # Issues

    def create_issue(
        self, repo: RepoName, *, title: str, body: str, author: str, labels: Sequence[str] = ()
    ) -> Issue:
        """Raises UsageError for a repository that the fleet does not serve, or an empty title."""
        self._known(repo)
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            issue = Issue(
                repo=repo,
                number=rows.next_number(connection, repo),
                title=rows.title(title),
                body=rows.body(body),
                author=rows.login(author),
                open=True,
                created_at=now,
                updated_at=now,
                labels=tuple(dict.fromkeys(map(rows.label, labels))),
            )
            rows.write_issue(connection, issue)
        return issue

    def get_issue(self, key: IssueKey) -> Issue:
        with self._database.reading() as connection:
            return rows.get_issue(connection, key)

    def edit_issue(
        self, key: IssueKey, *, by: str, title: str | None = None, body: str | None = None
    ) -> Issue:
        def edit(issue: Issue, now: datetime) -> Issue:
            new_title = issue.title if title is None else rows.title(title)
            new_body = issue.body if body is None else rows.body(body)
            editor = issue.edited_by
            if new_body != issue.body:
                editor = None if rows.login(by) == issue.author else rows.login(by)
            return rows.touched(issue, now, title=new_title, body=new_body, edited_by=editor)

        return self._change_issue(key, edit)

    def set_labels(
        self, key: IssueKey, *, add: Sequence[str] = (), remove: Sequence[str] = (), by: str
    ) -> Issue:
        added = tuple(map(rows.label, add))

        def relabel(issue: Issue, now: datetime) -> Issue:
            kept = (name for name in issue.labels if name not in remove or name in added)
            return rows.touched(issue, now, labels=tuple(dict.fromkeys((*kept, *added))))

        return self._change_issue(key, relabel)

    def set_open(self, key: IssueKey, is_open: bool, *, by: str) -> Issue:
        return self._change_issue(key, lambda issue, now: rows.touched(issue, now, open=is_open))

    def approve_issue(self, key: IssueKey, *, by: str) -> Issue:
        def approve(issue: Issue, now: datetime) -> Issue:
            approval = Approval(rows.login(by), now, body_sha(issue.body))
            return rows.touched(issue, now, approval=approval)

        return self._change_issue(key, approve)

    def comment(self, key: IssueKey, *, author: str, body: str, marker: str | None = None) -> None:
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            issue = rows.get_issue(connection, key)
            rows.put_comment(connection, key, Comment(rows.login(author), now, rows.body(body)), marker)
            count = len(rows.read_comments(connection, key))
            rows.write_issue(connection, msgspec.structs.replace(issue, comments=count, updated_at=now))

    def comments(self, key: IssueKey) -> list[Comment]:
        with self._database.reading() as connection:
            rows.get_issue(connection, key)
            assert connection is not None
            return rows.read_comments(connection, key)

    def _change_issue(self, key: IssueKey, change: Callable[[Issue, datetime], Issue]) -> Issue:
        with self._database.writing() as connection:
            issue = rows.get_issue(connection, key)
            new = change(issue, datetime.now(UTC))
            if new is not issue:
                rows.write_issue(connection, new)
        return new

    # Pull requests

    def open_pull(self, new: NewPull) -> PullRequest:
        """Raises Refused when the branch is missing or has nothing that its base has not."""
        with self._database.reading() as connection:
            found = connection and rows.pull_of_branch(connection, new.repo, new.branch, new.run)
        if found:
            return found
        head = self._head_to_merge(new)
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            found = rows.pull_of_branch(connection, new.repo, new.branch, new.run)
            if found is not None:
                return found
            pull = PullRequest(
                repo=new.repo,
                number=rows.next_number(connection, new.repo),
                title=rows.title(new.title),
                body=rows.body(new.body),
                author=rows.login(new.author),
                branch=new.branch,
                head=head,
                base=new.base,
                state=PullState.OPEN,
                created_at=now,
                updated_at=now,
                issue=new.issue,
                run=new.run,
            )
            rows.write_pull(connection, pull)
        return pull

    def _head_to_merge(self, new: NewPull) -> str:
        repository = self._repository(new.repo)
        heads = repository.heads()
        for branch in (new.branch, new.base):
            if branch not in heads:
                raise Refused(f"{new.repo} has no branch {clean_line(branch)}.", "Push it first.")
        head = heads[new.branch]
        if repository.is_ancestor(head, heads[new.base]):
            raise Refused(
                f"{new.branch} has no commit that {new.base} has not.", "There is nothing to merge."
            )
        return head

    def get_pull(self, key: PullKey) -> PullRequest:
        with self._database.reading() as connection:
            return rows.get_pull(connection, key)

    def diff(self, key: PullKey) -> str:
        pull = self.get_pull(key)
        repository = self._repository(pull.repo)
        if pull.merged_as is not None:
            text = repository.diff(f"{pull.merged_as}^", pull.merged_as)
        else:
            text = repository.diff(f"refs/heads/{pull.base}", pull.head)
        return clean(text, limit=MAX_DIFF)

    def set_check(self, key: PullKey, check: Check) -> PullRequest:
        cleaned = msgspec.structs.replace(
            check, name=clean_line(check.name, limit=rows.MAX_LABEL), detail=rows.body(check.detail)
        )

        def put(pull: PullRequest, now: datetime) -> PullRequest:
            def stays(known: Check) -> bool:
                # What is known of the head is not pushed out by a late word on an older commit.
                of_head = known.sha == pull.head and cleaned.sha != pull.head
                return known.name != cleaned.name or of_head

            return msgspec.structs.replace(pull, checks=(*filter(stays, pull.checks), cleaned))

        return self._change_pull(key, put)

    def set_verdict(self, key: PullKey, verdict: Verdict) -> PullRequest:
        """A verdict on another commit than the head is void, so it changes nothing."""

        def put(pull: PullRequest, now: datetime) -> PullRequest:
            return msgspec.structs.replace(pull, verdict=verdict) if verdict.sha == pull.head else pull

        return self._change_pull(key, put)

    def set_lease(self, key: PullKey, worker: WorkerName | None, until: datetime | None) -> PullRequest:
        if worker is not None and until is None:
            raise UsageError("A lease needs an end.", "Say until when.")

        def put(pull: PullRequest, now: datetime) -> PullRequest:
            held = pull.lease if pull.lease is not None and pull.lease.until > now else None
            if worker is None or until is None:
                return msgspec.structs.replace(pull, lease=None)
            if held is not None and held.worker != worker:
                raise Refused(
                    f"{key} is reserved for {held.worker} until {held.until:%Y-%m-%d %H:%M} UTC.",
                    "Take another one, or wait.",
                )
            if pull.state is not PullState.OPEN:
                raise Refused(f"{key} is {pull.state.value}.", "Only an open pull request can be reserved.")
            return msgspec.structs.replace(pull, lease=Lease(worker, until))

        return self._change_pull(key, put)

    def close_pull(self, key: PullKey, *, by: str) -> PullRequest:
        def close(pull: PullRequest, now: datetime) -> PullRequest:
            if pull.state is PullState.MERGED:
                raise Refused(f"{key} is merged already.", "Revert its commit if it must go.")
            return msgspec.structs.replace(pull, state=PullState.CLOSED, lease=None)

        return self._change_pull(key, close)

    def merge(self, key: PullKey, *, head: str, by: str, message: str) -> PullRequest:
        from backends.forges import local_merge

        pull = self.get_pull(key)
        if pull.state is PullState.MERGED:
            return pull
        if pull.state is PullState.CLOSED:
            raise Refused(f"{key} is closed.", "Open it anew if it is wanted after all.")
        repository = self._repository(pull.repo)
        # A checkout that is just following another merge looks as if somebody had changed it.
        with flock.waited_for(self._home / "merge.lock", MERGE_SECONDS) as alone:
            if not alone:
                raise Refused(f"Another merge into {pull.repo} is under way.", "Try again in a moment.")
            landed = local_merge.land(repository, pull, head, by=rows.login(by), message=rows.body(message))
            return self._change_pull(key, lambda stored, now: local_merge.merged(stored, landed))

    def close(self) -> None:
        self._database.close()

    def _change_pull(
        self, key: PullKey, change: Callable[[PullRequest, datetime], PullRequest]
    ) -> PullRequest:
        with self._database.writing() as connection:
            pull = rows.get_pull(connection, key)
            now = datetime.now(UTC)
            new = change(pull, now)
            if new != pull:
                new = msgspec.structs.replace(new, updated_at=now)
                rows.write_pull(connection, new)
        return new

    def _known(self, repo: RepoName) -> None:
        if repo not in self._repos:
            raise unknown("repository", repo, self._repos)

    def _repository(self, repo: RepoName) -> LocalRepository:
        """The checkout of a repository. Raises UsageError when the fleet has none."""
        from backends.forges.local_repository import LocalRepository

        self._known(repo)
        settings = self._settings.repo(repo)
        if settings is None or settings.path is None:
            raise UsageError(
                f"{repo} has no path in the configuration.", "`hive init` in its checkout sets it."
            )
        return LocalRepository(Path(settings.path).expanduser())
