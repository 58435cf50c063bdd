"""A ref whose commits hold one text each and that only ever moves forward: a register that is swapped whole.

GitHub moves a ref without force only to a descendant of where it is, so that of two who saw the same commit
one loses. A ref outside of `refs/heads` starts no workflow and is in no list of branches.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from backends.forges.github.desk import RepoApi
from backends.forges.github.errors import AnswerLost, Conflict, Invalid, NotFound
from hive_tui.core.ids import RepoName
from hive_tui.core.text import clean

TRIES = 4
"""Of one move whose answer is lost each time."""

MAX_TEXT = 4_096
"""Of what anybody may have written there."""


class Entry(NamedTuple):
    """Where the ref is, and what it says."""

    sha: str
    tree: str
    text: str


class _Object(msgspec.Struct, frozen=True):
    sha: str


class _Ref(msgspec.Struct, frozen=True):
    object: _Object


class _Commit(msgspec.Struct, frozen=True):
    sha: str
    tree: _Object
    message: str = ""


class _Tip(msgspec.Struct, frozen=True):
    commit: _Inner


class _Inner(msgspec.Struct, frozen=True):
    tree: _Object


class Register:
    """One ref, by its name without `refs/`."""

    def __init__(self, api: RepoApi, name: str, trees: dict[RepoName, str] | None = None) -> None:
        """`trees` remembers a tree of each repository."""
        self._api = api
        self._name = name
        self._trees = {} if trees is None else trees
        self.what = f"{api.repo} refs/{name}"

    def read(self) -> Entry | None:
        """What it says now, None when it was never written."""
        sha = self._sha()
        if sha is None:
            return None
        commit = self._api.get(f"/git/commits/{sha}", what=self.what).decode(_Commit)
        return Entry(sha, commit.tree.sha, clean(commit.message, limit=MAX_TEXT))

    def move(self, before: Entry | None, text: str) -> Entry | None:
        """Let it say `text` if it still is at `before`; None when somebody else came first.

        An answer that was lost is looked for: the commit is ours alone, and the ref is at it or not.
        """
        tree = before.tree if before is not None else self._some_tree()
        try:
            mine = Entry(self._commit(before, tree, text), tree, text)
        except Invalid:
            self._trees.pop(self._api.repo, None)  # a history that was rewritten may have taken it along
            raise
        for attempt in range(TRIES):
            try:
                self._point(before, mine.sha)
                return mine
            except (Invalid, Conflict, AnswerLost) as error:
                # An earlier request, whose answer was lost, may have got there.
                now = self._sha()
                if now == mine.sha:
                    return mine
                if now != (before.sha if before is not None else None):
                    return None
                if isinstance(error, Invalid) or attempt == TRIES - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _sha(self) -> str | None:
        try:
            return self._api.get(f"/git/ref/{self._name}", what=self.what).decode(_Ref).object.sha
        except NotFound:
            return None

    def _commit(self, before: Entry | None, tree: str, text: str) -> str:
        """A commit that nothing points to yet: making it twice leaves a spare one, no more."""
        at = self._api.client.now().astimezone(UTC).replace(microsecond=0)
        body = {
            "message": text,
            "tree": tree,
            "parents": [before.sha] if before is not None else [],
            "author": _signature(at),
            "committer": _signature(at),
        }
        return self._api.post("/git/commits", body, what=self.what, repeatable=True).decode(_Commit).sha

    def _some_tree(self) -> str:
        """A commit needs a tree; any will do, and the default branch's is there already."""
        if self._api.repo not in self._trees:
            tip = self._api.get("/commits/HEAD", what=self._api.repo).decode(_Tip)
            self._trees[self._api.repo] = tip.commit.tree.sha
        return self._trees[self._api.repo]

    def _point(self, before: Entry | None, mine: str) -> None:
        if before is None:
            body = {"ref": f"refs/{self._name}", "sha": mine}
            self._api.post("/git/refs", body, what=self.what)
        else:
            body_to: dict[str, object] = {"sha": mine, "force": False}
            self._api.patch(f"/git/refs/{self._name}", body_to, what=self.what, repeatable=False)


def _signature(at: datetime) -> dict[str, str]:
    return {"name": "hive", "email": "hive@localhost", "date": at.isoformat().replace("+00:00", "Z")}
