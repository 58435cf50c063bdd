"""Git objects, refs, and what is said about commits: statuses, check runs and the sum of both."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.fakes.github import bare, state
from tests.fakes.github.graphql_schema import stamp
from tests.fakes.github.graphql_views import Asked, Info, Page, Part, Trouble, View


class GitObject(Part):
    """The record is an object's id."""

    @property
    def id(self) -> str:
        return f"{type(self).__name__[0]}_{self.repo.id}_{self.record}"

    @property
    def oid(self) -> str:
        return str(self.record)

    @property
    def abbreviatedOid(self) -> str:
        return str(self.record)[:7]

    @property
    def resourcePath(self) -> str:
        return f"/{self.repo.full_name}/commit/{self.record}"

    @property
    def commitUrl(self) -> str:
        return self.url


class Blob(GitObject):
    @property
    def text(self) -> str:
        return self.repo.git.run("cat-file", "blob", self.record).decode("utf-8", "replace")

    @property
    def byteSize(self) -> int:
        return int(self.repo.git.text("cat-file", "-s", self.record))

    isBinary = isTruncated = False


class Tree(GitObject):
    @property
    def entries(self) -> list[TreeEntry]:
        return [TreeEntry(*entry) for entry in self.repo.git.tree(self.record)]


class TreeEntry:
    """`path` is the name too: one folder is listed at a time."""

    def __init__(self, mode: str, kind: str, oid: str, size: int | None, path: str) -> None:
        self.mode, self.type, self.oid, self.size = int(mode, 8), kind, oid, size or 0
        self.name = path


class GitActor:
    def __init__(self, asked: Asked, person: bare.Person) -> None:
        self.name = person.name
        self.email = person.email
        self.date = stamp(person.at)
        logins = [x.login for x in asked.world.users.values() if x.email == person.email]
        self.user = asked.actor(logins[0]) if logins else None


class Commit(GitObject):
    @property
    def _read(self) -> bare.Commit:
        found = self.repo.git.commit(self.record)
        assert found is not None, self.record
        return found

    @property
    def message(self) -> str:
        return self._read.message

    @property
    def messageHeadline(self) -> str:
        return self._read.message.partition("\n")[0]

    @property
    def messageBody(self) -> str:
        return self._read.message.partition("\n")[2].strip()

    @property
    def author(self) -> GitActor:
        return GitActor(self.asked, self._read.author)

    @property
    def committer(self) -> GitActor:
        return GitActor(self.asked, self._read.committer)

    @property
    def authoredDate(self) -> str:
        return stamp(self._read.author.at)

    @property
    def committedDate(self) -> str:
        return stamp(self._read.committer.at)

    @property
    def tree(self) -> Tree:
        return Tree(self.asked, self.repo, self._read.tree)

    def parents(self, info: Info, **page: Any) -> Page:
        return Page(info, [Commit(self.asked, self.repo, sha) for sha in self._read.parents], **page)

    @property
    def status(self) -> Status | None:
        self.asked.demand(self.repo, "statuses")
        return Status(self.asked, self.repo, self.record) if self.repo.statuses.get(self.record) else None

    @property
    def statusCheckRollup(self) -> StatusCheckRollup | None:
        there = self.repo.statuses.get(self.record) or self.repo.check_runs.get(self.record)
        return StatusCheckRollup(self.asked, self.repo, self.record) if there else None


class PullRequestCommit(Part):
    """The record is (the pull request, a commit's id)."""

    @property
    def id(self) -> str:
        pull, sha = self.record
        return f"PURC_{pull.id}_{sha}"

    @property
    def commit(self) -> Commit:
        return Commit(self.asked, self.repo, self.record[1])

    @property
    def pullRequest(self) -> View:
        return self.asked.view(self.repo, self.record[0])

    @property
    def resourcePath(self) -> str:
        pull, sha = self.record
        return f"/{self.repo.full_name}/pull/{pull.number}/commits/{sha}"


class Ref(Part):
    """The record is (the full name, the object's id)."""

    @property
    def id(self) -> str:
        return f"REF_{self.repo.id}_{self.record[0]}"

    @property
    def prefix(self) -> str:
        full = str(self.record[0])
        known = [x for x in ("refs/heads/", "refs/tags/") if full.startswith(x)]
        return known[0] if known else full[: full.rindex("/") + 1]

    @property
    def name(self) -> str:
        return str(self.record[0]).removeprefix(self.prefix)

    @property
    def target(self) -> View | None:
        return git_object(self.asked, self.repo, self.record[1])


def ref(asked: Asked, repo: state.Repository, full_name: str) -> Ref | None:
    sha = repo.git.ref(full_name)
    return Ref(asked, repo, (full_name, sha)) if sha else None


def git_object(asked: Asked, repo: state.Repository, expression: str) -> View | None:
    """What `HEAD:path`, a branch or an id names."""
    asked.demand(repo, "contents")
    branch, colon, path = expression.partition(":")
    sha = repo.git.resolve(branch) or (None if colon else repo.git.ref(branch))
    if sha and colon:
        sha = repo.git.ref(f"{sha}:{path}")
    kind = repo.git.kind(sha) if sha else None
    known = {"commit": Commit, "blob": Blob, "tree": Tree}.get(kind or "")
    return known(asked, repo, sha) if known else None


@lru_cache(4096)
def commits_between(path: Path, base: str, head: str) -> tuple[str, ...]:
    """Commits of `head` that `base` lacks; objects do not change, so neither does the answer."""
    return tuple(bare.Bare(path).between(base, head))


# Statuses and checks


class StatusContext(Part):
    @property
    def context(self) -> str:
        return str(self.record.context)

    @property
    def state(self) -> str:
        return str(self.record.state).upper()

    @property
    def description(self) -> str | None:
        description: str | None = self.record.description
        return description

    @property
    def targetUrl(self) -> str | None:
        target: str | None = self.record.target_url
        return target

    @property
    def creator(self) -> View | None:
        return self.asked.actor(self.record.creator)

    @property
    def createdAt(self) -> str:
        return stamp(self.record.created_at)

    def isRequired(self, info: Info, **which: Any) -> bool:
        return _required(self.repo, self.context, **which)


class App(View):
    @property
    def id(self) -> str:
        return state.node_id("A", self.record.id)

    @property
    def slug(self) -> str:
        return str(self.record.slug)

    @property
    def name(self) -> str:
        return str(self.record.name)

    @property
    def resourcePath(self) -> str:
        return f"/apps/{self.record.slug}"


class CheckRun(Part):
    @property
    def name(self) -> str:
        return str(self.record.name)

    @property
    def status(self) -> str:
        return str(self.record.status).upper()

    @property
    def conclusion(self) -> str | None:
        conclusion = self.record.conclusion
        return conclusion and str(conclusion).upper()

    @property
    def startedAt(self) -> str:
        return stamp(self.record.started_at)

    @property
    def completedAt(self) -> str | None:
        return stamp(self.record.completed_at) if self.record.completed_at else None

    @property
    def title(self) -> str | None:
        title: str | None = self.record.title
        return title

    @property
    def summary(self) -> str | None:
        summary: str | None = self.record.summary
        return summary

    text = None

    @property
    def resourcePath(self) -> str:
        return f"/{self.repo.full_name}/runs/{self.record.id}"

    permalink = View.url

    @property
    def detailsUrl(self) -> str:
        return self.record.details_url or self.url

    @property
    def checkSuite(self) -> CheckSuite:
        return CheckSuite(self.asked, self.repo, self.record)

    def isRequired(self, info: Info, **which: Any) -> bool:
        return _required(self.repo, self.name, **which)


class CheckSuite(Part):
    """Of one check run; the record is the run."""

    @property
    def _first(self) -> state.CheckRun:
        runs = self.repo.check_runs[self.record.sha]
        suite = self.record.app, self.record.suite
        return next(run for run in runs if (run.app, run.suite) == suite)

    @property
    def id(self) -> str:
        return state.node_id("CS", self._first.id)

    @property
    def databaseId(self) -> int:
        return self._first.id

    @property
    def createdAt(self) -> str:
        return stamp(self._first.started_at)

    @property
    def status(self) -> str:
        return str(self.record.status).upper()

    @property
    def conclusion(self) -> str | None:
        conclusion = self.record.conclusion
        return conclusion and str(conclusion).upper()

    @property
    def commit(self) -> Commit:
        return Commit(self.asked, self.repo, self.record.sha)

    @property
    def app(self) -> View | None:
        known = [x for x in self.asked.world.apps.values() if x.slug == self.record.app]
        made = state.App(15368, self.record.app, "github", self.record.app, "", {})
        return self.asked.view(None, known[0] if known else made)

    workflowRun = None


class Status(Part):
    """All statuses of a commit, whose id is the record."""

    @property
    def id(self) -> str:
        return f"SE_{self.repo.id}_{self.record}"

    @property
    def state(self) -> str:
        return _sum([x.state.upper() for x in self.repo.latest_statuses(self.record)])

    @property
    def contexts(self) -> list[View]:
        return self.views(self.repo.latest_statuses(self.record))

    @property
    def commit(self) -> Commit:
        return Commit(self.asked, self.repo, self.record)


class StatusCheckRollup(Part):
    """Statuses and checks of a commit, whose id is the record."""

    @property
    def id(self) -> str:
        return f"SCR_{self.repo.id}_{self.record}"

    @property
    def commit(self) -> Commit:
        return Commit(self.asked, self.repo, self.record)

    @property
    def state(self) -> str:
        statuses = [x.state.upper() for x in self.repo.latest_statuses(self.record)]
        checks = [_as_status(x) for x in self.repo.latest_checks(self.record)]
        return _sum(statuses + checks)

    def contexts(self, info: Info, **page: Any) -> Contexts:
        """Each one that the token may not read is null, with an error of its own."""
        statuses = self.repo.latest_statuses(self.record)
        found = [self._one(check, "checks") for check in self.repo.latest_checks(self.record)]
        found += [self._one(status, "statuses") for status in statuses]
        return Contexts(info, found, **page)

    def _one(self, record: object, permission: str) -> View | Trouble:
        try:
            self.asked.demand(self.repo, permission)
        except Trouble as trouble:
            return trouble
        return self.asked.view(self.repo, record)


class Contexts(Page):
    @property
    def checkRunCount(self) -> int:
        return sum(isinstance(x, CheckRun) for x in self.all)

    @property
    def statusContextCount(self) -> int:
        return sum(isinstance(x, StatusContext) for x in self.all)


def _as_status(check: state.CheckRun) -> str:
    if check.status != "completed":
        return "PENDING"
    return "SUCCESS" if check.conclusion in ("success", "neutral", "skipped") else "FAILURE"


def _sum(states: list[str]) -> str:
    """The worst of some states."""
    return next((x for x in ("FAILURE", "ERROR", "PENDING", "EXPECTED") if x in states), "SUCCESS")


def _required(repo: state.Repository, name: str, **which: Any) -> bool:
    """Whether a pull request, by its number or id, needs it."""
    number, wanted = which.get("pullRequestNumber"), which.get("pullRequestId")
    found = [x for x in repo.pulls.values() if number == x.number or wanted == x.node_id]
    if not found:
        raise Trouble("UNPROCESSABLE", "Must provide either pullRequestId or pullRequestNumber argument.")
    protection = repo.protection.get(found[0].base)
    return protection is not None and name in protection.required_checks
