"""What the fake knows: plain records that tests may build and look at, below one lock.

`World` is the site. Hold `world.lock` while you read or change it; times are aware UTC in whole seconds, as
GitHub says them. Only `changes.py` changes issues and pull requests, since it knows what bumps
`updated_at`; tests set up users, apps, tokens and repositories here.
"""

from __future__ import annotations

import base64
import itertools
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from tests.fakes.github.bare import Bare, Person
from tests.fakes.github.rights import Permissions, Rights


def node_id(kind: str, number: int) -> str:
    """The global id of an object; `World.by_node_id` finds it again."""
    return f"{kind}_{base64.urlsafe_b64encode(str(number).encode()).decode().rstrip('=')}"


# Who


@dataclass
class User:
    id: int
    login: str
    type: str = "User"
    """`User`, `Bot` or `Organization`."""
    name: str | None = None
    email: str | None = None
    members: set[str] = field(default_factory=set)
    """Logins, of an organization."""

    @property
    def node_id(self) -> str:
        return node_id({"Bot": "BOT", "Organization": "O"}.get(self.type, "U"), self.id)


@dataclass
class App:
    id: int
    slug: str
    owner: str
    name: str
    public_key: str
    """PEM; the JSON web tokens of the app must be signed with its other half (RS256)."""
    permissions: Permissions

    @property
    def bot(self) -> str:
        return f"{self.slug}[bot]"


@dataclass
class Installation:
    id: int
    app: App
    account: str
    permissions: Permissions
    repositories: set[str] | None = None
    """Full names; None is all of the account."""
    suspended_at: datetime | None = None


@dataclass
class Token:
    """`id` may be shown, `secret` may not."""

    id: str
    secret: str
    user: str
    """The login that acts."""
    kind: str = "classic"
    """`classic`, `fine-grained` or `installation`."""
    scopes: frozenset[str] = frozenset()
    """Of a classic token."""
    permissions: Permissions | None = None
    """Of the other kinds."""
    repositories: frozenset[str] | None = None
    """Full names that it is narrowed to; None is every one that the user sees."""
    installation: Installation | None = None
    expires_at: datetime | None = None
    revoked: bool = False
    sso_missing: set[str] = field(default_factory=set)
    """Organizations whose single sign-on it was not authorized for."""


# Issues and pull requests


@dataclass
class Label:
    id: int
    name: str
    color: str = "ededed"
    description: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("LA", self.id)


@dataclass
class Edit:
    """A text was changed; `before` is what it was."""

    editor: str
    at: datetime
    before: str


@dataclass
class Comment:
    id: int
    author: str
    body: str
    created_at: datetime
    updated_at: datetime
    edits: list[Edit] = field(default_factory=list)

    @property
    def node_id(self) -> str:
        return node_id("IC", self.id)


@dataclass
class TimelineEvent:
    """`labeled`, `unlabeled`, `closed`, `reopened`, `renamed`, `assigned`, `unassigned`, `merged`,
    `head_ref_force_pushed`, `head_ref_deleted`, `review_requested`."""

    id: int
    event: str
    actor: str
    at: datetime
    label: str | None = None
    detail: str | None = None
    """The old title, the assignee, or the commit."""


@dataclass
class Issue:
    id: int
    number: int
    author: str
    title: str
    body: str
    created_at: datetime
    updated_at: datetime
    open: bool = True
    state_reason: str | None = None
    """`completed`, `not_planned`, `duplicate` or `reopened`."""
    labels: list[int] = field(default_factory=list)
    """Ids of the repository's labels, in the order that they were added."""
    assignees: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    """Of the body, oldest first."""
    events: list[TimelineEvent] = field(default_factory=list)
    closed_at: datetime | None = None
    closed_by: str | None = None
    locked: bool = False
    association: str | None = None
    """Set by a test to say another one than `Repository.association` works out."""

    @property
    def node_id(self) -> str:
        return node_id("I", self.id)

    @property
    def last_editor(self) -> str | None:
        return self.edits[-1].editor if self.edits else None


@dataclass
class Review:
    id: int
    author: str
    state: str
    """`APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`, `PENDING`."""
    body: str
    commit: str
    at: datetime

    @property
    def node_id(self) -> str:
        return node_id("PRR", self.id)


@dataclass(kw_only=True)
class Pull(Issue):
    """A pull request is an issue with a head and a base; both branches are of this repository."""

    head: str
    """Branch name, without `refs/heads/`."""
    head_sha: str
    """Where the head branch was when it was last pushed to, also after it was deleted."""
    base: str
    base_sha: str
    """Where the base branch was when the pull request was made or last pushed to."""
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    reviews: list[Review] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    """Logins whose review is asked for."""
    tested: tuple[str, str, bool] | None = None
    """(head, base tip, merges cleanly) of the last look; None or another pair is not known yet."""

    @property
    def node_id(self) -> str:
        return node_id("PR", self.id)


# What is said about commits


@dataclass
class Status:
    id: int
    context: str
    state: str
    """`error`, `failure`, `pending`, `success`."""
    creator: str
    created_at: datetime
    description: str | None = None
    target_url: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("SC", self.id)


@dataclass
class CheckRun:
    id: int
    name: str
    sha: str
    status: str
    """`queued`, `in_progress`, `completed`."""
    conclusion: str | None
    """`success`, `failure`, `neutral`, `cancelled`, `skipped`, `timed_out`, `action_required`; None while
    it is not completed."""
    started_at: datetime
    completed_at: datetime | None = None
    app: str = "github-actions"
    suite: int = 0
    """Of the app's suites on this commit: one for each workflow, one for each event."""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None

    @property
    def node_id(self) -> str:
        return node_id("CR", self.id)


@dataclass
class Protection:
    """Of one branch; direct pushes are refused where a review or a check is required, as GitHub does."""

    required_checks: list[str] = field(default_factory=list)
    strict: bool = False
    """The head must contain the base."""
    required_reviews: int = 0
    enforce_admins: bool = False
    allow_force_pushes: bool = False
    allow_deletions: bool = False


@dataclass
class Repository:
    id: int
    owner: str
    name: str
    git: Bare
    created_at: datetime
    updated_at: datetime
    pushed_at: datetime
    default_branch: str = "main"
    description: str | None = None
    private: bool = False
    archived: bool = False
    disabled: bool = False
    has_issues: bool = True
    delete_branch_on_merge: bool = False
    collaborators: dict[str, str] = field(default_factory=dict)
    """Login to role, one of `rights.ROLES`."""
    labels: dict[int, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    """Issues and pull requests by number, which they share."""
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    """By commit, oldest first; the last one of a context counts."""
    check_runs: dict[str, list[CheckRun]] = field(default_factory=dict)
    """By commit, oldest first; the last one of a name and app counts."""
    protection: dict[str, Protection] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)
    """Pattern of branch names, such as `hive/*`, to types of rules: `creation` is enforced."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def node_id(self) -> str:
        return node_id("R", self.id)

    @property
    def next_number(self) -> int:
        return max(self.issues, default=0) + 1

    @property
    def pulls(self) -> dict[int, Pull]:
        return {number: item for number, item in self.issues.items() if isinstance(item, Pull)}

    def label(self, name: str) -> Label | None:
        """Names are compared without case, as GitHub does."""
        return next((x for x in self.labels.values() if x.name.lower() == name.lower()), None)

    def rules_for(self, branch: str) -> list[str]:
        return [
            kind for pattern, kinds in self.rules.items() if fnmatchcase(branch, pattern) for kind in kinds
        ]

    def labels_of(self, issue: Issue) -> list[Label]:
        return [self.labels[number] for number in issue.labels if number in self.labels]

    def latest_statuses(self, sha: str) -> list[Status]:
        """One a context, the newest first."""
        latest = {status.context: status for status in self.statuses.get(sha, ())}
        return sorted(latest.values(), key=lambda status: status.id, reverse=True)

    def latest_checks(self, sha: str) -> list[CheckRun]:
        """One a name and app, in the order that they were made."""
        latest = {(check.app, check.name): check for check in self.check_runs.get(sha, ())}
        return sorted(latest.values(), key=lambda check: check.id)


class World(Rights):
    """A whole site; `clock` gives aware UTC."""

    def __init__(self, home: Path, clock: Callable[[], datetime] | None = None) -> None:
        self.home = home
        self.clock = clock or (lambda: datetime.now(UTC))
        self.lock = threading.RLock()
        self.users: dict[str, User] = {}
        """By lower-case login; organizations and bots too."""
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Token] = {}
        """By secret."""
        self.repositories: dict[int, Repository] = {}
        self.renames: dict[str, int] = {}
        """Lower-case former full name to the repository's id."""
        self.merge_test_lags = True
        """Whether a new head's mergeability is unknown at the first look, as GitHub's is."""
        self._ids = itertools.count(1001)

    def now(self) -> datetime:
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def next_id(self) -> int:
        return next(self._ids)

    # Setting up

    def add_user(self, login: str, *, kind: str = "User", members: set[str] | None = None) -> User:
        """`kind` is `User`, `Bot` or `Organization`."""
        email = f"{login}@users.noreply.example"
        user = User(self.next_id(), login, kind, name=login.capitalize(), email=email)
        user.members = set(members or ())
        self.users[login.lower()] = user
        return user

    def add_token(
        self,
        user: str,
        *,
        scopes: tuple[str, ...] = ("repo", "workflow"),
        permissions: Permissions | None = None,
        repositories: tuple[str, ...] | None = None,
    ) -> Token:
        """A classic token, or with `permissions` a fine-grained one. The user is made if there is none."""
        if user.lower() not in self.users:
            self.add_user(user)
        number = self.next_id()
        kind, prefix = ("classic", "ghp_") if permissions is None else ("fine-grained", "github_pat_")
        token = Token(f"token-{number}", prefix + secrets.token_hex(18), user, kind)
        token.scopes = frozenset(scopes if permissions is None else ())
        token.permissions = permissions
        token.repositories = None if repositories is None else frozenset(x.lower() for x in repositories)
        self.tokens[token.secret] = token
        return token

    def add_app(self, slug: str, *, owner: str, public_key: str, permissions: Permissions) -> App:
        app = App(self.next_id(), slug, owner, slug.capitalize(), public_key, permissions)
        self.apps[app.id] = app
        self.add_user(app.bot, kind="Bot")
        return app

    def install(self, app: App, account: str, *, repositories: set[str] | None = None) -> Installation:
        names = None if repositories is None else {name.lower() for name in repositories}
        installation = Installation(self.next_id(), app, account, dict(app.permissions), names)
        self.installations[installation.id] = installation
        return installation

    def add_repository(
        self,
        full_name: str,
        *,
        files: Mapping[str, str] | None = None,
        private: bool = False,
        collaborators: Mapping[str, str] | None = None,
    ) -> Repository:
        """A repository with one commit on `main`; its owner is made if there is none."""
        owner, name = full_name.split("/")
        if owner.lower() not in self.users:
            self.add_user(owner)
        now, number = self.now(), self.next_id()
        bare = Bare(self.home / "repositories" / f"{number}.git")
        repository = Repository(number, owner, name, bare, now, now, now, private=private)
        repository.collaborators = dict(collaborators or {})
        by = self.person(owner)
        bare.add("main", files or {"README.md": f"# {name}\n"}, "Start", by=by)
        self.repositories[number] = repository
        return repository

    # Looking up

    def user(self, login: str) -> User:
        return self.users[login.lower()]

    def person(self, login: str) -> Person:
        """The user as git names authors."""
        user = self.user(login)
        return Person(user.name or user.login, user.email or "", self.now())

    def repository(self, full_name: str) -> Repository | None:
        """By its present name only; `renames` knows the former ones."""
        wanted = full_name.lower()
        return next((x for x in self.repositories.values() if x.full_name.lower() == wanted), None)

    def by_node_id(self, wanted: str) -> tuple[Repository | None, object] | None:
        """(its repository, the object) of a global id."""
        for user in self.users.values():
            if user.node_id == wanted:
                return None, user
        for repository in self.repositories.values():
            found = next((x for x in _inside(repository) if getattr(x, "node_id", None) == wanted), None)
            if found is not None:
                return repository, found
        return None


def _inside(repository: Repository) -> Iterator[object]:
    yield repository
    yield from repository.labels.values()
    for issue in repository.issues.values():
        yield issue
        yield from issue.comments
        if isinstance(issue, Pull):
            yield from issue.reviews
