"""The first tier of a poll: has anything moved in a repository? Conditional requests; a 304 is free.

The list of all issues and pull requests by their last change has every change of an issue, its labels, its
comments, and of a pull request, its pushes and reviews. Thirty of them are asked for, not one: two that
changed in the same second stand in no order, and the second must not hide behind the first. What it does not
show is asked for elsewhere: checks by SHA, and the base branch, on which mergeability hangs, by its ref.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

import msgspec

from backends.forges.github.client import Client
from backends.forges.github.errors import NotFound
from backends.forges.github.mirror import Sync
from hive_tui.core.ids import RepoName

PAGE = 30


class _Entry(msgspec.Struct, frozen=True):
    number: int
    updated_at: datetime
    pull_request: object = None


class _Target(msgspec.Struct, frozen=True):
    sha: str = ""


class _Ref(msgspec.Struct, frozen=True):
    object: _Target = _Target()


class Moved(msgspec.Struct, frozen=True):
    """What a repository's probe says."""

    issues: tuple[int, ...] = ()
    pulls: tuple[int, ...] = ()
    changed_at: dict[int, datetime] = {}
    """When each of them changed last."""
    more: bool = False
    """More changed than one page shows: read all of it."""
    etag: str | None = None
    seen: datetime | None = None
    base_etag: str | None = None
    base_sha: str | None = None


def probe(client: Client, repo: RepoName, sync: Sync, *, base: str | None, seconds: float) -> Moved:
    """Ask what moved since `sync`; the branch `base` too, unless it is None; `seconds`
    are for each request with its repetitions. Raises GitHubError."""
    moved = _newest(client, repo, sync, seconds)
    if base is None:
        return moved
    try:
        answer = client.rest(
            "GET",
            f"/repos/{quote(repo)}/git/ref/heads/{quote(base)}",
            repo=repo,
            etag=sync.base_etag,
            what=f"the branch {base} of {repo}",
            seconds=seconds,
        )
    except NotFound:
        # Deleted or renamed: the next full read finds out what is the base now.
        return msgspec.structs.replace(moved, base_etag=None, base_sha=None)
    if answer.unchanged:
        return moved
    sha = answer.decode(_Ref).object.sha
    return msgspec.structs.replace(moved, base_etag=answer.etag, base_sha=sha)


def _newest(client: Client, repo: RepoName, sync: Sync, seconds: float) -> Moved:
    answer = client.rest(
        "GET",
        f"/repos/{quote(repo)}/issues",
        repo=repo,
        params={"state": "all", "sort": "updated", "direction": "desc", "per_page": PAGE},
        etag=sync.etag,
        what=str(repo),
        seconds=seconds,
    )
    unchanged = Moved(etag=sync.etag, seen=sync.seen, base_etag=sync.base_etag, base_sha=sync.base_sha)
    if answer.unchanged:
        return unchanged
    entries = answer.decode(list[_Entry])
    # Equal times too: in the second that was the newest, something else may have changed since.
    fresh = [entry for entry in entries if sync.seen is None or entry.updated_at >= sync.seen]
    return msgspec.structs.replace(
        unchanged,
        issues=tuple(entry.number for entry in fresh if entry.pull_request is None),
        pulls=tuple(entry.number for entry in fresh if entry.pull_request is not None),
        changed_at={entry.number: entry.updated_at for entry in fresh},
        more=len(fresh) == PAGE,
        etag=answer.etag,
        seen=max((entry.updated_at for entry in entries), default=sync.seen),
    )
