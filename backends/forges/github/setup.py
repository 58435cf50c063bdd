"""Setting up a fleet on GitHub: who the token is, what it may do in each repository, which labels are there.

Whether something may be written is found out by asking for what GitHub cannot do (a branch at a commit that
does not exist): a token without the right is told so first, and nothing changes either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec

from backends.forges.github.answers import Answer
from backends.forges.github.auth import Credentials, TokenKind, kind
from backends.forges.github.client import Client
from backends.forges.github.errors import Conflict, Forbidden, Invalid, NotFound
from hive_tui.core import label_set
from hive_tui.core.errors import HiveError, SourceError
from hive_tui.core.findings import Finding, broken, failed, ok, warning
from hive_tui.core.ids import RepoName
from hive_tui.core.label_set import Label
from hive_tui.core.ports import BackendContext
from hive_tui.core.setup import LabelChange, RepoAccess
from hive_tui.core.text import age, clean_line, clock

EXPIRES_SOON = timedelta(days=7)

_NOWHERE = "0" * 40

_BRANCH = "hive/issue-1-a1"
"""Such branches are what rules must let hive make and push to."""

_MAX_LABELS = 1_000

_RIGHTS = {
    "contents": "Contents: Read and write",
    "issues": "Issues: Read and write",
    "pull_requests": "Pull requests: Read and write",
    "statuses": "Commit statuses: Read and write",
    "checks": "Checks: Read",
}
"""As GitHub's settings call them."""


class _Permissions(msgspec.Struct, frozen=True):
    pull: bool = False
    triage: bool = False
    push: bool = False


class _Repository(msgspec.Struct, frozen=True):
    full_name: str = ""
    html_url: str = ""
    default_branch: str = "main"
    archived: bool = False
    disabled: bool = False
    has_issues: bool = True
    private: bool = False
    permissions: _Permissions | None = None


class _User(msgspec.Struct, frozen=True):
    login: str = ""


class _Label(msgspec.Struct, frozen=True):
    name: str = ""


class _Branch(msgspec.Struct, frozen=True):
    protected: bool = False


class _Rule(msgspec.Struct, frozen=True):
    type: str = ""


class _Budget(msgspec.Struct, frozen=True):
    limit: int = 0
    remaining: int = 0
    reset: int = 0


class _Limits(msgspec.Struct, frozen=True):
    resources: dict[str, _Budget] = {}


class GitHubSetup:
    """See `core.setup.ForgeSetup`."""

    def __init__(self, context: BackendContext) -> None:
        self._settings = context.settings
        self._fleet = context.fleet
        self._credentials = Credentials(context.settings.github)
        self._client = Client(context.settings.github, self._credentials)

    def close(self) -> None:
        self._client.close()

    def account(self) -> str | None:
        if self._credentials.is_app:
            return None
        return self._who()[0]

    def access(self, repo: RepoName) -> RepoAccess:
        found = self._repository(repo)
        return RepoAccess(
            name=RepoName(clean_line(found.full_name, limit=200) or repo),
            base=clean_line(found.default_branch, limit=250),
            url=self._credentials.site.repository(found.full_name or repo),
            trouble=self._trouble(found),
        )

    def missing_labels(self, repo: RepoName) -> list[LabelChange]:
        there = {name.lower(): name for name in self._labels(repo)}
        wanted = label_set.labels(self._settings.labels)
        return [
            LabelChange(label, there.get(label.name.lower()))
            for label in wanted
            if there.get(label.name.lower()) != label.name
        ]

    def make_labels(self, repo: RepoName, changes: Sequence[LabelChange]) -> None:
        for change in changes:
            if change.spelt is None:
                self._make_label(repo, change.label)
            else:
                path = f"/repos/{repo}/labels/{quote(change.spelt, safe='')}"
                what = f"the label {change.spelt} of {repo}"
                self._client.rest("PATCH", path, repo=repo, body={"new_name": change.label.name}, what=what,
                                  repeatable=True)  # fmt: skip

    def _make_label(self, repo: RepoName, label: Label) -> None:
        body = {"name": label.name, "color": label.colour, "description": label.description}
        try:
            # Doing it again is refused as `already_exists`, so that a lost answer does no harm.
            self._client.rest("POST", f"/repos/{repo}/labels", repo=repo, body=body, repeatable=True,
                              what=f"the label {label.name} of {repo}")  # fmt: skip
        except Invalid as error:
            if "already_exists" not in error.codes:
                raise

    # What doctor looks at

    def examine(self) -> Iterator[Finding]:
        """First what everything else hangs on; without a token nothing more can be said."""
        repos = [RepoName(repo.name) for repo in self._settings.repos]
        try:
            first = repos[0] if repos else None
            token = self._credentials.token(first, write=False)
        except HiveError as error:
            yield failed("token", error)
            return
        try:
            yield from self._examine_token(kind(token))
            yield self._examine_limits(first)
        except HiveError as error:
            yield failed("github", error)
            return
        if not repos:
            yield warning(
                "repositories", "none in this fleet", "`hive init --forge github --repo OWNER/NAME`."
            )
        elif not self._settings.allowed_authors and not self._settings.allowed_roles:
            yield warning(
                "authors",
                "nobody's issues are started",
                f"`hive init` puts you in, or set fleets.{self._fleet}.allowed_authors or allowed_roles.",
            )
        for repo in repos:
            try:
                yield from self._examine_repository(repo)
            except HiveError as error:
                yield failed(f"repo {repo}", error)

    def _examine_token(self, what: TokenKind) -> Iterator[Finding]:
        source = self._credentials.source
        if self._credentials.is_app:
            yield ok("token", f"{what.value}, by {source}")
            return
        login, answer = self._who()
        detail = f"{what.value} of {login}, from {source}"
        scopes = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")} - {""}
        ends = _moment(answer.headers.get("github-authentication-token-expiration", ""))
        now = self._client.now()
        if what in (TokenKind.CLASSIC, TokenKind.OAUTH) and not scopes & {"repo", "public_repo"}:
            yield broken(
                "token",
                f"{detail}, without the scope repo",
                "Give it `repo` (`gh auth refresh -s repo`), or make a fine-grained token (docs/github.md).",
            )
        elif ends is not None and ends - now < EXPIRES_SOON:
            yield warning(
                "token",
                f"{detail}, ends in {age(ends - now)}",
                "Make a new one in time and put it in the old one's place.",
            )
        else:
            more = f", scopes {clean_line(', '.join(sorted(scopes)), limit=200)}" if scopes else ""
            yield ok("token", f"{detail}{more}")
        too_much = {scope for scope in scopes if scope.startswith(("admin:", "delete_")) or scope == "user"}
        if too_much:
            yield warning(
                "token scopes",
                f"more than hive needs: {clean_line(', '.join(sorted(too_much)), limit=200)}",
                "A fine-grained token or an App can be held to the fleet's repositories (docs/github.md).",
            )

    def _examine_limits(self, repo: RepoName | None) -> Finding:
        answer = self._client.rest("GET", "/rate_limit", repo=repo, what="the limits")
        budgets = answer.decode(_Limits).resources
        named = {name: budgets[name] for name in ("core", "graphql") if name in budgets}
        if not named:
            return ok("limits", "this server has none")
        detail = " · ".join(f"{name} {one.remaining:,} of {one.limit:,}" for name, one in named.items())
        reserve = self._settings.github.reserve
        short = [one for one in named.values() if one.remaining <= reserve]
        if short:
            reset = datetime.fromtimestamp(max(one.reset for one in short), UTC)
            return warning(
                "limits",
                f"{detail}: no more than the {reserve:,} that are kept for writes",
                f"Reads go on at {clock(reset)}; look for what else uses this token.",
            )
        return ok("limits", detail)

    def _examine_repository(self, repo: RepoName) -> Iterator[Finding]:
        name = f"repo {repo}"
        found = self._repository(repo)
        trouble = self._trouble(found)
        if trouble is not None:
            what, _, fix = trouble.partition(". ")
            yield broken(name, what, fix or "Look at it on GitHub.")
            return
        if found.full_name.lower() != repo.lower():
            new = clean_line(found.full_name, limit=200)
            yield warning(name, f"is called {new} now", "Give the fleet its new name, in the configuration.")
        settings = self._settings.repo(repo)
        base = (settings.base if settings is not None else None) or found.default_branch
        lacking = [right for right, may in self._rights(repo, base).items() if not may]
        if lacking:
            wanted = ", ".join(_RIGHTS[right] for right in lacking)
            where = "the App, and accept it for the installation" if self._credentials.is_app else "the token"
            yield broken(name, f"the token lacks {wanted}", f"Give that to {where} (docs/github.md).")
        else:
            yield ok(name, f"{self._credentials.site.repository(repo)}, {base}")
        yield from self._examine_branches(repo, base)
        missing = self.missing_labels(repo)
        if missing:
            names = ", ".join(change.label.name for change in missing[:4])
            more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
            yield warning(f"labels {repo}", f"lacks {names}{more}", f"`hive labels sync --repo {repo}`.")

    def _examine_branches(self, repo: RepoName, base: str) -> Iterator[Finding]:
        name, path = f"branch {base}", f"/repos/{repo}/branches/{quote(base, safe='')}"
        try:
            branch = self._client.rest("GET", path, repo=repo, what=f"the branch {base} of {repo}").decode(
                _Branch
            )
        except NotFound:
            yield broken(name, f"{repo} has no such branch", "Make it, or set `base` in the configuration.")
            return
        if branch.protected:
            yield ok(name, f"of {repo} is protected")
        else:
            yield warning(
                name,
                f"of {repo} is not protected",
                "Whoever may push can push past the review: Settings → Branches; require `hive/tests`.",
            )
        try:
            path = f"/repos/{repo}/rules/branches/{quote(_BRANCH, safe='')}"
            rules = self._client.rest("GET", path, repo=repo, what=f"the rules of {repo}").decode(list[_Rule])
        except HiveError:
            return  # a server that knows no rules has none
        in_the_way = sorted({rule.type for rule in rules} & {"creation", "update", "required_signatures"})
        if in_the_way:
            yield broken(
                f"rules {repo}",
                f"{clean_line(', '.join(in_the_way))} on branches such as {_BRANCH}",
                "Exempt `hive/**` under Settings → Rules.",
            )

    def _rights(self, repo: RepoName, base: str) -> dict[str, bool]:
        """Which of the rights that hive needs the token has."""
        root = f"/repos/{repo}"
        status = {"state": "success", "context": "hive/tests"}
        pull = {"title": "hive", "head": base, "base": base}
        ref = {"ref": f"refs/heads/{_BRANCH}", "sha": _NOWHERE}
        labels = next(iter(self._labels(repo)), None)
        asked: dict[str, Callable[[], object]] = {
            "contents": lambda: self._client.rest("POST", f"{root}/git/refs", repo=repo, body=ref),
            "pull_requests": lambda: self._client.rest("POST", f"{root}/pulls", repo=repo, body=pull),
            "statuses": lambda: self._client.rest(
                "POST", f"{root}/statuses/{_NOWHERE}", repo=repo, body=status
            ),
            "checks": lambda: self._client.rest(
                "GET", f"{root}/commits/{quote(base, safe='')}/check-runs", repo=repo
            ),
        }
        if labels is not None:
            label = {"name": labels, "color": "ededed"}
            asked["issues"] = lambda: self._client.rest("POST", f"{root}/labels", repo=repo, body=label)
        return {right: _may(ask) for right, ask in asked.items()}

    # Asking

    def _who(self) -> tuple[str, Answer]:
        answer = self._client.rest("GET", "/user", what="who the token belongs to")
        return clean_line(answer.decode(_User).login, limit=100), answer

    def _repository(self, repo: RepoName) -> _Repository:
        try:
            return self._client.rest("GET", f"/repos/{repo}", repo=repo, what=str(repo)).decode(_Repository)
        except NotFound as error:
            raise SourceError(
                error.message,
                f"Check the name; the token ({self._credentials.source}) must be given this repository, "
                "and an organisation may have to approve it (docs/github.md).",
            ) from error

    def _trouble(self, found: _Repository) -> str | None:
        if found.archived:
            return "It is archived, so nothing can be changed. Unarchive it, or take it out of the fleet."
        if found.disabled:
            return "It was disabled by GitHub. Its page says why."
        if not found.has_issues:
            return "It has no issues. Turn them on under Settings → Features."
        if found.permissions is not None and not found.permissions.push and not self._credentials.is_app:
            return (
                "You may not push to it. Ask its owner for the role Write, or use the token of one who may."
            )
        return None

    def _labels(self, repo: RepoName) -> list[str]:
        names: list[str] = []
        page: str | None = "1"
        while page is not None and len(names) < _MAX_LABELS:
            answer = self._client.rest(
                "GET", f"/repos/{repo}/labels", repo=repo, params={"per_page": 100, "page": page},
                what=f"the labels of {repo}",
            )  # fmt: skip
            names += [label.name for label in answer.decode(list[_Label])]
            page = answer.next_page
        return names


def _may(ask: Callable[[], object]) -> bool:
    """Whether a request that cannot succeed fails for another reason than a missing right."""
    try:
        ask()
    except Forbidden:
        return False
    except (Invalid, NotFound, Conflict):
        return True
    return True


def _moment(text: str) -> datetime | None:
    """GitHub writes `2026-12-01 09:00:00 UTC`, or with an offset."""
    for shape in ("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S %z"):
        try:
            found = datetime.strptime(text, shape)
        except ValueError:
            continue
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return None
