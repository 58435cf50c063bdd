"""Follows what people do to the branches of open pull requests with git, behind hive's back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby

import msgspec

from backends.database import Database
from backends.forges import local_merge
from backends.forges import local_rows as rows
from backends.forges.local_repository import LocalRepository
from hive_tui.core.errors import HiveError, SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.model import PullRequest, PullState


def refresh(database: Database, repository_of: Callable[[RepoName], LocalRepository]) -> None:
    """Bring heads, mergeability and state up to date: one git call a repository when nothing moved.

    Raises SourceError at the end for repositories that could not be read.
    """
    with database.reading() as connection:
        found = rows.open_pulls(connection)
    now = datetime.now(UTC)
    failed = []
    for repo, group in groupby(found, key=lambda pair: pair[0].repo):
        try:
            repository = repository_of(repo)
            heads = repository.heads()
            for pull, tried in group:
                _refresh(database, repository, heads, pull, tried, now)
        except SourceError:
            raise
        except HiveError as error:
            failed.append(f"{repo}: {error.message}")
    if failed:
        raise SourceError("; ".join(failed), "`hive doctor` checks the repositories.")


def _refresh(
    database: Database,
    repository: LocalRepository,
    heads: dict[str, str],
    pull: PullRequest,
    tried: str | None,
    now: datetime,
) -> None:
    expired = pull.lease is not None and pull.lease.until <= now
    basis = f"{heads.get(pull.base)} {heads.get(pull.branch)}"
    if basis == tried and not expired:
        return
    seen = msgspec.structs.replace(pull, lease=None) if expired else pull
    if basis != tried:
        seen = _look(repository, heads, seen)
    with database.writing() as connection:
        stored = rows.get_pull(connection, pull.key)
        if stored != pull:
            return  # somebody acted meanwhile: the next refresh looks again
        if seen != stored:
            seen = msgspec.structs.replace(seen, updated_at=now)
        rows.write_pull(connection, seen, basis)


def _look(repository: LocalRepository, heads: dict[str, str], pull: PullRequest) -> PullRequest:
    """The pull request after what git says now."""
    head, base = heads.get(pull.branch), heads.get(pull.base)
    landed = local_merge.find(repository, pull, head or pull.head)
    if landed is not None:
        # A merge that was ended before its last step.
        local_merge.delete_branch(repository, pull.branch, landed.head)
    elif base is not None and repository.is_ancestor(pull.head, base):
        landed = local_merge.by_hand(repository, pull, head or pull.head)
    if landed is not None:
        return local_merge.merged(pull, landed)
    if head is None:
        return msgspec.structs.replace(pull, state=PullState.CLOSED, mergeable=None, lease=None)
    if head != pull.head:
        pull = msgspec.structs.replace(pull, head=head, verdict=None)
    if base is None:
        return msgspec.structs.replace(pull, mergeable=None)
    if repository.is_ancestor(head, base):
        # Its branch was set back to the base: nothing of it is left to merge.
        return msgspec.structs.replace(pull, state=PullState.CLOSED, mergeable=None, lease=None)
    return msgspec.structs.replace(pull, mergeable=repository.try_merge(base, head).tree is not None)
