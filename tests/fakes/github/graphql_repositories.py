"""Repositories, and the root of all queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.fakes.github import state
from tests.fakes.github.graphql_commits import Ref, git_object, ref
from tests.fakes.github.graphql_issues import ORDERS, find
from tests.fakes.github.graphql_people import repository
from tests.fakes.github.graphql_schema import stamp
from tests.fakes.github.graphql_views import Asked, Info, NotServed, Page, Part, Trouble, View, ordered


class Repository(Part):
    @property
    def name(self) -> str:
        return self.repo.name

    @property
    def nameWithOwner(self) -> str:
        return self.repo.full_name

    @property
    def owner(self) -> View | None:
        return self.asked.actor(self.repo.owner)

    @property
    def resourcePath(self) -> str:
        return f"/{self.repo.full_name}"

    @property
    def description(self) -> str | None:
        return self.repo.description

    @property
    def isPrivate(self) -> bool:
        return self.repo.private

    @property
    def visibility(self) -> str:
        return "PRIVATE" if self.repo.private else "PUBLIC"

    @property
    def isArchived(self) -> bool:
        return self.repo.archived

    @property
    def archivedAt(self) -> str | None:
        return stamp(self.repo.updated_at) if self.repo.archived else None

    @property
    def isDisabled(self) -> bool:
        return self.repo.disabled

    @property
    def hasIssuesEnabled(self) -> bool:
        return self.repo.has_issues

    @property
    def deleteBranchOnMerge(self) -> bool:
        return self.repo.delete_branch_on_merge

    @property
    def diskUsage(self) -> int:
        """Kilobytes."""
        return sum(path.stat().st_size for path in self.repo.git.path.glob("objects/pack/*.pack")) >> 10

    isEmpty = isFork = isLocked = isMirror = isTemplate = rebaseMergeAllowed = autoMergeAllowed = False
    mergeCommitAllowed = squashMergeAllowed = True
    lockReason = parent = None

    @property
    def isInOrganization(self) -> bool:
        owner = self.asked.world.users.get(self.repo.owner.lower())
        return owner is not None and owner.type == "Organization"

    @property
    def createdAt(self) -> str:
        return stamp(self.repo.created_at)

    @property
    def updatedAt(self) -> str:
        return stamp(self.repo.updated_at)

    @property
    def pushedAt(self) -> str:
        return stamp(self.repo.pushed_at)

    @property
    def viewerPermission(self) -> str | None:
        """None for an installation, which has permissions and no role."""
        token = self.asked.call.token
        role = "none" if token.installation else self.asked.world.role(token.user, self.repo)
        return None if role == "none" else role.upper()

    @property
    def viewerCanAdminister(self) -> bool:
        return self.viewerPermission == "ADMIN"

    # Git

    @property
    def defaultBranchRef(self) -> Ref | None:
        return self._ref(f"refs/heads/{self.repo.default_branch}")

    def ref(self, info: Info, *, qualifiedName: str) -> Ref | None:
        full = [qualifiedName] if qualifiedName.startswith("refs/") else []
        tried = full or [f"refs/heads/{qualifiedName}", f"refs/tags/{qualifiedName}"]
        return next(filter(None, map(self._ref, tried)), None)

    def _ref(self, full_name: str) -> Ref | None:
        self.asked.demand(self.repo, "contents")
        return ref(self.asked, self.repo, full_name)

    def refs(self, info: Info, *, refPrefix: str, query: str | None = None, **page: Any) -> Page:
        """In the order of their names; another is not served."""
        self.asked.demand(self.repo, "contents")
        there = self.repo.git.refs(refPrefix).items()
        found = [Ref(self.asked, self.repo, pair) for pair in there if query is None or query in pair[0]]
        return Page(info, found, **page)

    def object(self, info: Info, *, expression: str | None = None, oid: str | None = None) -> View | None:
        return git_object(self.asked, self.repo, expression or oid or "HEAD")

    # Issues and pull requests

    def issue(self, info: Info, *, number: int) -> View:
        self.asked.demand(self.repo, "issues")
        return self.asked.view(self.repo, find(self.repo, number, state.Issue))

    def pullRequest(self, info: Info, *, number: int) -> View:
        self.asked.demand(self.repo, "pull_requests")
        return self.asked.view(self.repo, find(self.repo, number, state.Pull))

    def issueOrPullRequest(self, info: Info, *, number: int) -> View:
        there = self.repo.issues.get(number)
        if there is None:
            words = f"Could not resolve to an issue or pull request with the number of {number}."
            raise Trouble("NOT_FOUND", words)
        self.asked.demand(self.repo, "pull_requests" if isinstance(there, state.Pull) else "issues")
        return self.asked.view(self.repo, there)

    def issues(
        self,
        info: Info,
        *,
        labels: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        filterBy: dict[str, Any] | None = None,
        orderBy: dict[str, str] | None = None,
        **page: Any,
    ) -> Page:
        """`labels` wants any of them, `filterBy.labels` all."""
        self.asked.demand(self.repo, "issues")
        found = [x for x in self.repo.issues.values() if not isinstance(x, state.Pull)]
        wanted = _filter(self.repo, filterBy or {})
        there = [
            x
            for x in (found if self.repo.has_issues else ())
            if (states is None or _state(x) in states)
            and (labels is None or _lower(labels) & _names(self.repo, x))
            and all(test(x) for test in wanted)
        ]
        return Page(info, self.views(there), **ordered(orderBy, ORDERS), **page)

    def pullRequests(
        self,
        info: Info,
        *,
        labels: Sequence[str] | None = None,
        states: Sequence[str] | None = None,
        headRefName: str | None = None,
        baseRefName: str | None = None,
        orderBy: dict[str, str] | None = None,
        **page: Any,
    ) -> Page:
        self.asked.demand(self.repo, "pull_requests")
        there = [
            x
            for x in self.repo.pulls.values()
            if (states is None or _state(x) in states)
            and (labels is None or _lower(labels) & _names(self.repo, x))
            and headRefName in (None, x.head)
            and baseRefName in (None, x.base)
        ]
        return Page(info, self.views(there), **ordered(orderBy, ORDERS), **page)

    def labels(
        self,
        info: Info,
        *,
        query: str | None = None,
        orderBy: dict[str, str] | None = None,
        **page: Any,
    ) -> Page:
        there = [x for x in self.repo.labels.values() if query is None or query.lower() in x.name.lower()]
        keys = {"CREATED_AT": lambda x: x.record.id, "NAME": lambda x: x.record.name}
        return Page(info, self.views(there), **ordered(orderBy, keys), **page)

    def label(self, info: Info, *, name: str) -> View | None:
        there = self.repo.label(name)
        return None if there is None else self.asked.view(self.repo, there)


def _filter(repo: state.Repository, given: dict[str, Any]) -> list[Callable[[state.Issue], bool]]:
    tests: dict[str, Callable[[Any, state.Issue], bool]] = {
        "labels": lambda wanted, x: _lower(wanted) <= _names(repo, x),
        "states": lambda wanted, x: _state(x) in wanted,
        "since": lambda wanted, x: x.updated_at >= wanted,
        "createdBy": lambda wanted, x: x.author.lower() == wanted.lower(),
        "assignee": lambda wanted, x: bool(x.assignees) if wanted == "*" else wanted in x.assignees,
    }
    wanted = {name: value for name, value in given.items() if value not in (None, False)}
    if wanted.keys() - tests.keys():
        raise NotServed(f"IssueFilters.{min(wanted.keys() - tests.keys())}")
    return [partial(tests[name], value) for name, value in wanted.items()]


def _state(item: state.Issue) -> str:
    merged = isinstance(item, state.Pull) and item.merged_at
    return "OPEN" if item.open else "MERGED" if merged else "CLOSED"


def _lower(names: Sequence[str]) -> set[str]:
    return {name.lower() for name in names}


def _names(repo: state.Repository, item: state.Issue) -> set[str]:
    return {label.name.lower() for label in repo.labels_of(item)}


class RateLimit:
    def __init__(self, asked: Asked) -> None:
        self.cost = asked.cost.points
        self.nodeCount = asked.cost.nodes
        self.limit = asked.bucket.limit
        self.used = asked.bucket.used
        self.remaining = asked.bucket.remaining
        self.resetAt = stamp(asked.bucket.reset_at)


class Query:
    id = "Q"

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    @property
    def viewer(self) -> View | None:
        return self.asked.actor(self.asked.call.token.user)

    def rateLimit(self, info: Info, *, dryRun: bool = False) -> RateLimit:
        if dryRun:
            raise NotServed("rateLimit(dryRun: true)")
        return RateLimit(self.asked)

    def repository(self, info: Info, *, owner: str, name: str, followRenames: bool = True) -> View:
        return repository(self.asked, owner, name, follow=followRenames)

    def node(self, info: Info, *, id: str) -> View:  # noqa: A002
        return self._node(id)

    def nodes(self, info: Info, *, ids: Sequence[str]) -> list[View | Trouble]:
        found: list[View | Trouble] = []
        for wanted in ids:
            try:
                found.append(self._node(wanted))
            except Trouble as trouble:
                found.append(trouble)
        return found

    def _node(self, wanted: str) -> View:
        there = self.asked.world.by_node_id(wanted)
        unknown = Trouble("NOT_FOUND", f"Could not resolve to a node with the global id of '{wanted}'.")
        if there is None:
            raise unknown
        repo, record = there
        if repo is not None:
            if not self.asked.world.may(self.asked.call.token, repo, "metadata", "read"):
                raise unknown
            self.asked.demand(repo, "metadata")
        return self.asked.view(repo, record)

    def user(self, info: Info, *, login: str) -> View:
        return self._account(login, "User")

    def organization(self, info: Info, *, login: str) -> View:
        return self._account(login, "Organization")

    def repositoryOwner(self, info: Info, *, login: str) -> View | None:
        return self.asked.actor(login)

    def _account(self, login: str, kind: str) -> View:
        there = self.asked.world.users.get(login.lower())
        if there is None or there.type != kind:
            article = "an" if kind == "Organization" else "a"
            words = f"Could not resolve to {article} {kind} with the login of '{login}'."
            raise Trouble("NOT_FOUND", words)
        return self.asked.view(None, there)
