"""Which issues a command is about."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hive_tui.cli.acting import configured_repos
from hive_tui.cli.common import Session
from hive_tui.core.errors import UsageError
from hive_tui.core.ids import IssueKey
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import find_issue, unlisted_issue


def find_issues(
    session: Session, snapshot: Snapshot, names: Iterable[str]
) -> tuple[Snapshot, tuple[IssueKey, ...]]:
    """The issues that a command names, each once, and a snapshot that has them all.

    A tracker lists those that hive works with, and knows others: it is asked for what is not in the list.
    Raises UsageError for one that is not there at all.
    """
    found: dict[IssueKey, None] = {}
    for name in names:
        snapshot, key = find_one_issue(session, snapshot, name)
        found[key] = None
    return snapshot, tuple(found)


def find_one_issue(session: Session, snapshot: Snapshot, name: str) -> tuple[Snapshot, IssueKey]:
    """As `find_issues`, for one."""
    repos, repo, here = configured_repos(session), session.repo, session.here
    try:
        return snapshot, find_issue(snapshot, name, repos=repos, repo=repo, here=here)
    except UsageError as error:
        key = unlisted_issue(snapshot, name, repos=repos, repo=repo, here=here)
        if key is None or key in snapshot.issues:
            raise
        try:
            issue = session.fleet.forge.get_issue(key)
        except UsageError:
            raise error from None
    return msgspec.structs.replace(snapshot, issues={**snapshot.issues, key: issue}), key
