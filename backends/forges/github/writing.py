"""The writing half of the forge: `core.ports.Forge` in terms of issues, pull requests, claims and leases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.model import Check, Comment, FleetClaim, Issue, PullRequest, Verdict

if TYPE_CHECKING:
    from backends.forges.github.claims import Claims
    from backends.forges.github.desk import Desk
    from backends.forges.github.issues import Issues
    from backends.forges.github.pulls import Pulls
    from hive_tui.core.ports import NewPull


class Writing:
    """Every write, and the reads that must be fresh. Nothing is imported before the first of them.

    hive acts on GitHub as whoever its token belongs to: `by` and `author` are for the local tracker, which
    knows nobody else.
    """

    _writes: tuple[Issues, Pulls, Claims] | None = None

    def _desk(self) -> Desk:
        """Where the writes begin; made once."""
        raise NotImplementedError

    def _base(self, repo: RepoName) -> str:
        """The branch that work is merged into."""
        raise NotImplementedError

    def _writers(self) -> tuple[Issues, Pulls, Claims]:
        if self._writes is None:
            from backends.forges.github.claims import Claims
            from backends.forges.github.issues import Issues
            from backends.forges.github.pulls import Pulls

            desk = self._desk()
            self._writes = Issues(desk), Pulls(desk), Claims(desk)
        return self._writes

    @property
    def _issues(self) -> Issues:
        return self._writers()[0]

    @property
    def _pulls(self) -> Pulls:
        return self._writers()[1]

    @property
    def _claims(self) -> Claims:
        return self._writers()[2]

    # The right to work on an issue

    def hold_issue(self, key: IssueKey, claim: FleetClaim) -> None:
        self._claims.hold(key, claim)

    def held(self, key: IssueKey) -> FleetClaim | None:
        return self._claims.held(key)

    def let_go(self, key: IssueKey, run: RunId) -> None:
        self._claims.let_go(key, run)

    # Issues

    def create_issue(
        self, repo: RepoName, *, title: str, body: str, author: str, labels: Sequence[str] = ()
    ) -> Issue:
        return self._issues.create(repo, title=title, body=body, labels=labels)

    def get_issue(self, key: IssueKey) -> Issue:
        return self._issues.get(key)

    def edit_issue(
        self, key: IssueKey, *, by: str, title: str | None = None, body: str | None = None
    ) -> Issue:
        return self._issues.edit(key, title=title, body=body)

    def set_labels(
        self, key: IssueKey, *, add: Sequence[str] = (), remove: Sequence[str] = (), by: str
    ) -> Issue:
        return self._issues.set_labels(key, add=add, remove=remove, by=by)

    def set_open(self, key: IssueKey, is_open: bool, *, by: str) -> Issue:
        return self._issues.set_open(key, is_open, by=by)

    def approve_issue(self, key: IssueKey, *, by: str) -> Issue:
        return self._issues.approve(key)

    def comment(self, key: IssueKey, *, author: str, body: str, marker: str | None = None) -> None:
        self._issues.comment(key, body=body, marker=marker)

    def comments(self, key: IssueKey) -> list[Comment]:
        return self._issues.comments(key)

    # Pull requests

    def pull_template(self, repo: RepoName) -> str | None:
        from hive_tui.core.messages import TEMPLATES

        return self._pulls.template(repo, self._base(repo), TEMPLATES)

    def open_pull(self, new: NewPull) -> PullRequest:
        return self._pulls.open(new)

    def get_pull(self, key: PullKey) -> PullRequest:
        return self._pulls.get(key)

    def diff(self, key: PullKey) -> str:
        return self._pulls.diff(key)

    def set_check(self, key: PullKey, check: Check) -> PullRequest:
        return self._pulls.set_check(key, check)

    def set_verdict(self, key: PullKey, verdict: Verdict) -> PullRequest:
        return self._pulls.set_verdict(key, verdict)

    def set_lease(self, key: PullKey, worker: WorkerName | None, until: datetime | None) -> PullRequest:
        return self._pulls.set_lease(key, worker, until)

    def close_pull(self, key: PullKey, *, by: str) -> PullRequest:
        return self._pulls.close(key)

    def merge(self, key: PullKey, *, head: str, by: str, message: str) -> PullRequest:
        return self._pulls.merge(key, head=head, message=message)
