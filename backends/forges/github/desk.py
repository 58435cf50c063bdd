"""What every write shares: one repository's calls, who hive is there, and the published copy.

What a write returns and publishes is what its own answer says, where that says enough: a read costs as much
as a write. Else a read follows, by the same query and decoder as the poll's. Either way the poll reads once
more what was written (`Mirror.own`), so that a later look finds what GitHub has, to the letter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec

from backends import typed
from backends.forges.github import decode
from backends.forges.github.answers import Answer
from backends.forges.github.client import JSON, Client
from backends.forges.github.decode import ReadIssue, ReadPull, Seen
from backends.forges.github.errors import Archived, Blocked, Garbled, NotFound, QueryFailed
from backends.forges.github.mirror import Mirror
from backends.forges.github.query import Ask, Query
from hive_tui.core.errors import unknown
from hive_tui.core.ids import IssueKey, PullKey, RepoName
from hive_tui.core.settings import FleetSettings
from hive_tui.core.text import clean_line

T = TypeVar("T")

MAX_PAGES = 50
"""Of a list: five thousand entries; whoever has more of them is answered by its first ones."""


class RepoApi:
    """REST calls below `/repos/{owner}/{name}`, all of them on behalf of a write."""

    def __init__(self, client: Client, repo: RepoName, mirror: Mirror | None = None) -> None:
        """`mirror` is told of what holds for the whole repository."""
        self.repo = repo
        self.client = client
        self._mirror = mirror

    def get(self, path: str, *, what: str, params: Mapping[str, str | int] | None = None) -> Answer:
        return self._call("GET", path, what=what, params=params)

    def text(self, path: str, *, what: str, accept: str) -> str:
        """The body in another form than JSON, made harmless by whoever asked."""
        found = self._call("GET", path, what=what, accept=accept)
        return found.body.decode("utf-8", "replace")

    def pages(self, path: str, shape: type[T], *, what: str, **params: str | int) -> Iterator[list[T]]:
        """A list in pages of a hundred, oldest page first as GitHub orders it."""
        asked: dict[str, str | int] = {**params, "per_page": 100}
        for _ in range(MAX_PAGES):
            answer = self._call("GET", path, what=what, params=asked)
            yield answer.decode(list[shape])  # type: ignore[valid-type]
            if answer.next_page is None:
                return
            asked["page"] = answer.next_page

    def post(self, path: str, body: object, *, what: str, repeatable: bool = False) -> Answer:
        return self._call("POST", path, what=what, body=body, repeatable=repeatable)

    def patch(self, path: str, body: object, *, what: str, repeatable: bool = True) -> Answer:
        """`repeatable` unless what it says depends on what is there."""
        return self._call("PATCH", path, what=what, body=body, repeatable=repeatable)

    def put(self, path: str, body: object, *, what: str, repeatable: bool = True) -> Answer:
        return self._call("PUT", path, what=what, body=body, repeatable=repeatable)

    def delete(self, path: str, *, what: str) -> Answer:
        return self._call("DELETE", path, what=what)

    def _call(
        self,
        verb: str,
        path: str,
        *,
        what: str,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        accept: str = JSON,
        repeatable: bool | None = None,
    ) -> Answer:
        try:
            return self.client.rest(
                verb,
                f"/repos/{quote(self.repo)}{path}",
                repo=self.repo,
                params=params,
                body=body,
                accept=accept,
                what=what,
                write=True,
                repeatable=repeatable,
            )
        except (Archived, Blocked) as error:
            # It holds for all that is in the repository: nothing is started there any more.
            if self._mirror is not None:
                self._mirror.close_to_work(self.repo, error.words)
            raise


class _Viewer(msgspec.Struct, frozen=True):
    login: str = ""


class _Me(msgspec.Struct, frozen=True):
    viewer: _Viewer | None = None


class Desk:
    """Where a fleet's writes to one site begin. Thread-safe."""

    def __init__(self, client: Client, mirror: Mirror, settings: FleetSettings, identity: str) -> None:
        """`identity` is the site's, as the forge's."""
        self.client = client
        self.mirror = mirror
        self.settings = settings
        self._identity = identity
        self._lock = threading.Lock()
        self._me: dict[str, str] = {}

    def api(self, repo: RepoName) -> RepoApi:
        """Raises UsageError for a repository that the fleet does not serve."""
        if self.settings.repo(repo) is None:
            raise unknown("repository", repo, [known.name for known in self.settings.repos])
        return RepoApi(self.client, repo, self.mirror)

    def me(self, repo: RepoName) -> str:
        """The login that hive acts as there; asked once for each owner, since an App has a token for each."""
        owner = repo.partition("/")[0].lower()
        with self._lock:
            known = self._me.get(owner)
        if known is not None:
            return known
        found = self.client.graphql("query { viewer { login } }", repo=repo, what="who hive is", write=True)
        try:
            viewer = typed.decode(found.data, _Me).viewer
        except msgspec.DecodeError:
            viewer = None
        login = clean_line(viewer.login, limit=decode.MAX_NAME) if viewer is not None else ""
        if not login:
            raise Garbled("GitHub does not say whose token this is.")
        if self.settings.github.app is not None:
            # As REST calls an App's account, whatever GraphQL calls it.
            login = f"{login.removesuffix('[bot]')}[bot]"
        with self._lock:
            self._me[owner] = login
        return login

    def read_issue(self, key: IssueKey) -> ReadIssue:
        """As it is now, not yet published. Raises UsageError naming the nearest when there is none."""
        seen = self._ask(Ask(key.repo, numbers=(key.number,)), str(key))
        read = next((read for read in seen.issues if read.issue.number == key.number), None)
        if read is None:
            known = [str(IssueKey(key.repo, n)) for n in _near(self.mirror.issue_numbers(key.repo), key)]
            raise unknown("issue", str(key), known)
        return read

    def read_pull(self, key: PullKey) -> ReadPull:
        """As it is now, not yet published. Raises UsageError naming the nearest when there is none."""
        seen = self._ask(Ask(key.repo, pull_numbers=(key.number,)), str(key))
        read = next((read for read in seen.pulls if read.pull.number == key.number), None)
        if read is None:
            known = [str(PullKey(key.repo, n)) for n in _near(self.mirror.pull_numbers(key.repo), key)]
            raise unknown("pull request", str(key), known)
        return read

    def opened(self, repo: RepoName, answer: Answer) -> ReadPull:
        """What the answer says of a pull request that it opened. Raises Garbled."""
        made = answer.decode(decode.OpenedPull)
        return ReadPull(decode.opened(made, repo, self._identity), whole=True)

    def _ask(self, ask: Ask, what: str) -> Seen:
        self.api(ask.repo)
        query = Query((ask,))
        found = self.client.graphql(query.text, repo=ask.repo, cost=query.cost, what=what, write=True)
        try:
            raw = decode.repositories(bytes(found.data)).get("r0", msgspec.Raw(b"null"))
            seen = decode.repository(raw, ask.repo, self._identity)
        except msgspec.DecodeError as error:
            raise Garbled(f"GitHub's answer about {what} cannot be read: {clean_line(str(error))}.") from None
        # What GitHub refuses, or cannot bring now, is as empty as what is not there.
        refused = [error for error in found.errors if error.type != "NOT_FOUND"]
        if refused and (seen is None or seen.missing_issues or seen.missing_pulls):
            why = refused[0].message.rstrip(".")
            raise QueryFailed(f"GitHub does not bring {what}: {why}.", "`hive doctor` tells more.")
        if seen is None:
            raise NotFound(ask.repo)
        return seen


def _near(numbers: list[int], key: IssueKey | PullKey) -> list[int]:
    return sorted(numbers, key=lambda number: (abs(number - key.number), number))[:10]
