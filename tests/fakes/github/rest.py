"""How a REST call finds its endpoint, and what may stop it before: token, rights, renames, archived.

Endpoints are functions of a `Call` in the `rest_*.py` files, listed by the decorator `endpoint`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode

from tests.fakes.github.limits import Limits
from tests.fakes.github.rights import ROLES
from tests.fakes.github.shapes_code import CodeShapes
from tests.fakes.github.state import App, Issue, Pull, Repository, Token, World

DOCS = "https://docs.github.com/rest"
T = TypeVar("T")


@dataclass
class Answer:
    """`body` is JSON (None: no body), or bytes of `kind`."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json; charset=utf-8"


class Stop(Exception):
    """The call ends with this answer."""

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        body = {"message": message, "documentation_url": DOCS} | more
        if status < 405:  # the published shapes of the others have no such field
            body["status"] = str(status)
        self.answer = Answer(status, body, dict(headers or {}))


@dataclass
class Call:
    """One REST call, after its token was recognized."""

    world: World
    shapes: CodeShapes
    method: str
    path: str
    query: dict[str, str]
    body: Any
    """The JSON of the request; an empty dict without one."""
    headers: dict[str, str]
    """In lower case."""
    token: Token | None
    limits: Limits
    holder: str
    """Whose limits count."""
    app: App | None = None
    """Of an app that speaks for itself by a JSON web token."""
    params: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    found: Repository | None = None

    @property
    def repo(self) -> Repository:
        assert self.found is not None
        return self.found

    @property
    def login(self) -> str:
        """Who acts."""
        if self.token is None:
            raise Stop(401, "Requires authentication")
        return self.token.user

    def wants(self, media: str) -> bool:
        return media in self.headers.get("accept", "")

    def text(self, name: str, *, missing: str | None = None) -> str:
        """A field of the body that must be a string; `missing` is what stands for an absent one."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if value is None and missing is not None:
            return missing
        if not isinstance(value, str):
            words = f'Invalid request.\n\n"{name}" wasn\'t supplied.' if value is None else "Invalid request."
            raise Stop(422, words)
        return value

    def maybe(self, name: str) -> str | None:
        """A field that may be absent or null."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise Stop(422, f"Invalid request.\n\nFor '{name}', {value!r} is not a string.")
        return value

    def strings(self, name: str) -> list[str]:
        """A list of strings; names of objects (`{"name": …}`) count too, as GitHub lets them."""
        value = self.body if isinstance(self.body, list) else self.body.get(name) or []
        if not isinstance(value, list):
            raise Stop(422, f"Invalid request.\n\nFor '{name}', {value!r} is not an array.")
        return [str(one["name"]) if isinstance(one, dict) else str(one) for one in value]

    def page(self, items: Sequence[T]) -> list[T]:
        """The part that `page` and `per_page` ask for; sets the Link header."""
        size = min(100, max(1, _whole(self.query.get("per_page"), 30)))
        number = max(1, _whole(self.query.get("page"), 1))
        last = max(1, -(-len(items) // size))
        near = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        if number >= last:
            del near["next"], near["last"]
        if number == 1:
            del near["prev"], near["first"]
        for rel, target in near.items():
            query = urlencode(self.query | {"page": str(target)})
            self.links[rel] = f"{self.shapes.api}{quote(self.path)}?{query}"
        return list(items[(number - 1) * size : number * size])

    def issue(self) -> Issue:
        """The issue (or pull request) that the path names."""
        item = self.repo.issues.get(int(self.params["number"]))
        if item is None:
            raise Stop(404, "Not Found")
        return item

    def pull(self) -> Pull:
        item = self.issue()
        if not isinstance(item, Pull):
            raise Stop(404, "Not Found")
        return item

    def commit(self, name: str) -> str:
        """The commit that a branch, tag or SHA in the path means."""
        sha = self.repo.git.resolve(name)
        if sha is None:
            raise Stop(422, f"No commit found for SHA: {name}")
        return sha


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    method: str
    pattern: re.Pattern[str]
    permission: str
    """Of a fine-grained token, such as `issues`; empty where none is needed."""
    level: str
    role: str
    """The least role of the user in the repository."""
    content: bool
    """Whether it creates content and so triggers notifications, which GitHub limits by the minute."""
    handler: Handler


ENDPOINTS: list[Endpoint] = []


def endpoint(
    method: str, path: str, need: str = "", *, role: str | None = None, content: bool = False
) -> Callable[[Handler], Handler]:
    """`need` is a permission and a level, as `issues:write`. In the path `{name}` is one part, `{name+}` any
    number of them, `{number}` digits."""
    permission, _, level = need.partition(":")
    spelled = re.sub(r"\\{number\\}", r"(?P<number>\\d+)", re.escape(path))
    spelled = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", spelled)
    spelled = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", spelled)
    least = role or {"write": "write", "admin": "admin"}.get(level, "read")

    def listed(handler: Handler) -> Handler:
        pattern = re.compile(spelled)
        ENDPOINTS.append(Endpoint(method, pattern, permission, level, least, content, handler))
        return handler

    return listed


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """The endpoint and the parameters in the path; raises Stop (404)."""
    asked = [one for one in ENDPOINTS if one.method == method]
    matches = [(one, match) for one in asked if (match := one.pattern.fullmatch(path))]
    if not matches:
        raise Stop(404, "Not Found")
    closest, match = max(matches, key=lambda pair: len(pair[0].pattern.pattern))
    return closest, {name: unquote(value) for name, value in match.groupdict().items()}


_BY_ID = re.compile(r"/repositories/(\d+)(/.*)?")


def locate(call: Call, path: str) -> str:
    """The path, still quoted, with a repository's id replaced by its name."""
    match = _BY_ID.fullmatch(path)
    if match is None:
        return path
    repo = call.world.repositories.get(int(match[1]))
    if repo is None:
        raise Stop(404, "Not Found")
    return f"/repos/{repo.full_name}{match[2] or ''}"


def admit(call: Call, target: Endpoint) -> None:
    """Find the repository and check every right; raises Stop."""
    if not {"owner", "repo"} <= call.params.keys():
        return
    world, full_name = call.world, f"{call.params['owner']}/{call.params['repo']}"
    repo = world.repository(full_name)
    if repo is None and full_name.lower() in world.renames:
        _redirect(call, full_name)
    if repo is None or (call.app is None and not readable(world, call.token, repo)):
        raise Stop(404, "Not Found")
    call.found = repo
    if call.token is not None and repo.owner in call.token.sso_missing:
        url = f"{call.shapes.site}/orgs/{repo.owner}/sso?authorization_request=AAAA"
        words = (
            "Resource protected by organization SAML enforcement. You must grant your Personal Access token"
        )
        raise Stop(403, f"{words} access to this organization.", {"X-GitHub-SSO": f"required; url={url}"})
    if repo.disabled:
        raise Stop(403, "Repository access blocked")
    if target.permission and call.app is None:
        _check_rights(call, target)
    if repo.archived and call.method != "GET" and target.permission != "administration":
        raise Stop(403, "Repository was archived so is read-only.")


def readable(world: World, token: Token | None, repo: Repository) -> bool:
    return not repo.private if token is None else world.may(token, repo, "metadata", "read")


def _redirect(call: Call, full_name: str) -> None:
    number = call.world.renames[full_name.lower()]
    rest = call.path[len(f"/repos/{full_name}") :]
    location = f"{call.shapes.api}/repositories/{number}{quote(rest)}"
    if call.query:
        location += "?" + urlencode(call.query)
    status, words = (301, "Moved Permanently") if call.method == "GET" else (307, "Temporary Redirect")
    raise Stop(status, words, {"Location": location}, url=location)


def _check_rights(call: Call, target: Endpoint) -> None:
    token, repo = call.token, call.repo
    if token is None:
        if target.level != "read" or repo.private:
            raise Stop(401, "Requires authentication")
        return
    wanted = {target.permission}
    number = call.params.get("number", "")
    if target.permission == "issues" and isinstance(repo.issues.get(int(number or 0)), Pull):
        wanted.add("pull_requests")  # either is enough for labels and comments of a pull request
    if not any(call.world.may(token, repo, permission, target.level) for permission in wanted):
        if token.kind == "classic":
            raise Stop(404, "Not Found", {"X-Accepted-OAuth-Scopes": "repo"})
        who = "integration" if token.kind == "installation" else "personal access token"
        needed = f"{target.permission}={target.level}"
        raise Stop(403, f"Resource not accessible by {who}", {"X-Accepted-GitHub-Permissions": needed})
    if token.kind == "installation":
        return
    if ROLES.index(call.world.role(token.user, repo)) < ROLES.index(target.role):
        raise Stop(403, f"Must have {'admin' if target.role == 'admin' else 'push'} rights to Repository.")
