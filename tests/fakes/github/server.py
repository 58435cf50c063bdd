"""The site: takes HTTP calls apart, counts them against the limits, lets faults happen, writes the audit.

    with GitHub(tmp_path) as github:
        github.world.add_repository("me/proj")
        token = github.world.add_token("me")
        Github(auth=Auth.Token(token.secret), base_url=github.api)

It is laid out as an Enterprise server: REST below `/api/v3`, GraphQL at `/api/graphql`, git and pages at
`/owner/name(.git)`; what they answer is what github.com does. `sockets.py` has the connections.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import json
import re
import ssl
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.fakes.authority import certify
from tests.fakes.github import (
    control,
    graphql_execute,
    graphql_schema,
    graphql_views,
    published,
    rest,
    rest_apps,
    trouble,
)
from tests.fakes.github import rest_git as _git
from tests.fakes.github import rest_issues as _issues
from tests.fakes.github import rest_pulls as _pulls
from tests.fakes.github import rest_repos as _repos
from tests.fakes.github.audit import Audit, Entry
from tests.fakes.github.changes import Invalid
from tests.fakes.github.faults import Fault, Faults
from tests.fakes.github.githttp import GitServer, password
from tests.fakes.github.hooks import Bucket, GraphCall
from tests.fakes.github.limits import Limits, PrimaryLimit, Rules, SecondaryLimit
from tests.fakes.github.pulls import NotMergeable
from tests.fakes.github.rest import DOCS, Answer, Call, Stop
from tests.fakes.github.shapes_code import CodeShapes
from tests.fakes.github.sockets import Delivery, Listener, Reply, Request
from tests.fakes.github.state import App, Token, World

AREAS = (rest_apps, _git, _issues, _pulls, _repos)
"""The modules whose endpoints are served."""
_GIT = re.compile(r"/([\w.-]+/[\w.-]+?)\.git(/.*)")
_MUTATION = re.compile(r"^\s*mutation\b", re.MULTILINE)


@dataclass
class _Visit:
    """One call on its way, from whom and into which budget."""

    request: Request
    path: str
    query: str
    entry: Entry
    fault: Fault | None
    token: Token | None = None
    app: App | None = None
    said: bool = False
    """Whether any credential came with it."""
    bucket: Bucket | None = None

    @property
    def limit(self) -> str:
        return "graphql" if self.path == "/graphql" else "core"

    @property
    def holder(self) -> str:
        """Whose hour it counts in: all tokens of a user share one."""
        if self.app is not None:
            return f"app-{self.app.id}"
        if self.token is None:
            return "anonymous"
        if self.token.installation is not None:
            return f"installation-{self.token.installation.id}"
        return f"user-{self.token.user}"


class GitHub:
    """Serves on a port of this machine while the `with` block lasts."""

    def __init__(
        self,
        home: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        latency: float = 0.0,
        rules: Rules | None = None,
        port: int = 0,
        seed: int = 0,
        address: str | None = None,
    ) -> None:
        """`clock` gives aware UTC; `latency` is seconds a call; `seed` is for faults that hit by chance.

        With an IP `address` it is an Enterprise server there, for other machines too: https, with an
        authority of its own in the file `certificates`.
        """
        self.world = World(home, clock)
        self.limits = Limits(lambda: self.world.clock(), rules or Rules())
        self.faults = Faults(seed)
        self.audit = Audit()
        self.latency = latency
        self.crashes: list[str] = []
        """Tracebacks of endpoints that failed by a mistake of the fake itself; answered with 500."""
        self.certificates: Path | None = None
        tls = None
        if address is not None:
            home.mkdir(parents=True, exist_ok=True)
            self.certificates, key = certify(home, address)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificates, key)
        self._listener = Listener(self._answer, lambda: self.world.clock(), port, tls)
        self._ending = threading.Event()
        scheme = "http" if tls is None else "https"
        self.site = f"{scheme}://{address or '127.0.0.1'}:{self._listener.port}"
        self.api = f"{self.site}/api/v3"
        self._shapes = CodeShapes(self.world, self.site, self.api)
        self._git = GitServer(self.world, self.site)

    def __enter__(self) -> GitHub:
        with contextlib.suppress(published.Unavailable):
            # On a busy machine this takes seconds, which the first caller shall not wait for.
            graphql_schema.schema()
        self._listener.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self.faults.clear()
        self._listener.close()

    # Every call

    def _answer(self, request: Request) -> Reply:
        path, _, query = request.target.partition("?")
        if path.startswith("/_fake/"):
            return _reply(control.answer(self, request.method, path, request.body))
        for prefix in ("/api/v3", "/api"):
            if path.startswith(f"{prefix}/"):
                path = path.removeprefix(prefix)
                break
        visible = {name: value for name, value in request.headers.items() if name != "authorization"}
        entry = Entry(self.world.clock(), request.method, path, query, None, headers=visible)
        visit = _Visit(request, path, query, entry, self.faults.take(request.method, path, request.body))
        counts = request.target.startswith("/api/")
        with self.world.lock:
            self.limits.running += counts
        try:
            reply = self._late(visit)
        finally:
            with self.world.lock:
                self.limits.running -= counts
        if self.audit.keep_bodies and request.headers.get("content-type", "").startswith("application/json"):
            entry.request = _json(request.body)
        entry.status = 0 if reply.delivery is Delivery.NOTHING else reply.status
        entry.answer_headers = reply.headers
        self.audit.add(entry)
        return reply

    def _late(self, visit: _Visit) -> Reply:
        if self.latency:
            self._ending.wait(self.latency)
        fault = visit.fault
        if fault is None:
            return _reply(self._served(visit))
        visit.entry.fault = fault.kind
        if fault.kind == "hang":
            self.faults.cleared.wait(fault.seconds or None)
        elif fault.kind == "slow":
            self.faults.cleared.wait(fault.seconds)
        if fault.kind in ("hang", "reset"):
            return Reply(0, delivery=Delivery.NOTHING)
        reply = _reply(self._served(visit))
        if fault.kind == "skew":
            reply.skew = timedelta(seconds=fault.seconds)
        elif fault.kind == "truncate":
            reply.delivery = Delivery.HALF
        elif fault.kind == "lost":
            reply.delivery = Delivery.NOTHING
        return reply

    def _served(self, visit: _Visit) -> Answer:
        """The answer with its limits in the headers; nothing is raised."""
        try:
            answer = self._counted(visit)
        except Stop as stop:
            answer = stop.answer
        except Invalid as error:
            more = {"errors": error.errors} if error.errors else {}
            answer = Stop(422, error.message, None, **more).answer
        except NotMergeable as error:
            answer = Stop(error.status, error.message).answer
        except PrimaryLimit as error:
            visit.bucket = error.bucket
            answer = _limited(visit)
        except SecondaryLimit as error:
            answer = trouble.secondary(403, error.retry_after)
        except published.Unavailable as error:
            answer = Answer(503, {"message": f"The fake server cannot answer GraphQL: {error}"})
        except graphql_views.NotServed as error:
            answer = Answer(501, {"message": f"The fake server does not have what GitHub has: {error}"})
        except Exception:
            # A mistake of the fake must look like one, not like a connection that broke.
            self.crashes.append(traceback.format_exc())
            answer = Answer(500, {"message": "The fake server failed: " + self.crashes[-1]})
        if visit.bucket is not None:
            answer.headers |= _limit_headers(visit.bucket)
        answer.headers["X-GitHub-Request-Id"] = f"FAKE:{len(self.audit.entries) + 1:X}"
        if visit.token is not None and visit.token.kind == "classic":
            answer.headers["X-OAuth-Scopes"] = ", ".join(sorted(visit.token.scopes))
        if self.audit.keep_bodies and answer.kind.startswith("application/json"):
            visit.entry.answer = answer.body
        return answer

    def _counted(self, visit: _Visit) -> Answer:
        with self.world.lock:
            self._recognize(visit)
            if visit.fault is not None:
                stopped = self._stopped(visit, visit.fault)
                if stopped is not None:
                    return stopped
        match = _GIT.fullmatch(unquote(visit.path))
        if match:
            headers, method = visit.request.headers, visit.request.method
            return self._git.serve(
                method, match[1], match[2], visit.query, headers, visit.request.body, visit.token, visit.said
            )
        with self.world.lock:
            if visit.path == "/graphql":
                return self._graphql(visit)
            if visit.request.target.startswith("/api/v3"):
                return self._rest(visit)
            return self._page(visit)

    def _stopped(self, visit: _Visit, fault: Fault) -> Answer | None:
        if fault.kind == "primary":
            self.limits.exhaust(visit.holder, visit.limit, for_seconds=fault.seconds)
            visit.bucket = self.limits.look(visit.holder, visit.limit)
            return _limited(visit, fault.status)
        return trouble.instead(fault, visit.request.method, self.site)

    def _recognize(self, visit: _Visit) -> None:
        """Who calls; raises Stop for a credential that is not valid (git answers that by itself)."""
        header = visit.request.headers.get("authorization", "")
        if not header:
            return
        visit.said = True
        scheme, _, secret = header.partition(" ")
        from_git = password(header)
        if from_git is None and scheme.lower() == "bearer" and secret.count(".") == 2:
            visit.app = rest_apps.app_of(self.world, secret)
            visit.entry.token = f"app-{visit.app.id}"
            return
        token = self.world.tokens.get(from_git if from_git is not None else secret)
        expired = token is not None and token.expires_at is not None and token.expires_at <= self.world.now()
        if token is not None and not token.revoked and not expired:
            visit.token, visit.entry.token = token, token.id
        elif not _GIT.fullmatch(unquote(visit.path)):
            raise Stop(401, "Bad credentials")

    # REST

    def _rest(self, visit: _Visit) -> Answer:
        method = "GET" if visit.request.method == "HEAD" else visit.request.method
        free = visit.path == "/rate_limit"
        call = Call(
            self.world,
            self._shapes,
            method,
            unquote(visit.path),
            dict(parse_qsl(visit.query, keep_blank_values=True)),
            _body(visit.request.body),
            visit.request.headers,
            visit.token,
            self.limits,
            visit.holder,
            visit.app,
        )
        if not free:
            visit.bucket = self.limits.spend(visit.holder, "core", 1)
            visit.entry.points = 1
        visit.entry.path = rest.locate(call, visit.path)
        target, call.params = rest.find(method, visit.entry.path)
        points = 1 if method == "GET" else 5
        self.limits.burst(visit.holder, "core", points, content=target.content)
        rest.admit(call, target)
        answer = target.handler(call)
        if call.links:
            answer.headers["Link"] = ", ".join(f'<{url}>; rel="{rel}"' for rel, url in call.links.items())
        if method == "GET" and answer.status == 200 and not free:
            return self._conditional(visit, answer)
        return answer

    def _conditional(self, visit: _Visit, answer: Answer) -> Answer:
        """An answer that the caller has already is 304, and free where the caller is known."""
        seen = _encoded(answer) + answer.headers.get("Link", "").encode() + visit.holder.encode()
        etag = f'W/"{hashlib.sha256(seen).hexdigest()}"'
        answer.headers |= {"ETag": etag, "Cache-Control": "private, max-age=60, s-maxage=60"}
        known = [tag.strip() for tag in visit.request.headers.get("if-none-match", "").split(",")]
        if etag not in known and etag.removeprefix("W/") not in known:
            return answer
        if visit.said:
            self.limits.refund(visit.holder, "core", 1)
            visit.bucket = self.limits.look(visit.holder, "core")
            visit.entry.points = 0
        return Answer(304, None, answer.headers)

    # GraphQL

    def _graphql(self, visit: _Visit) -> Answer:
        if visit.token is None:
            raise Stop(401, "This endpoint requires you to be authenticated.")
        payload = _json(visit.request.body)
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            text = "A query attribute must be specified and must be a string."
            return Answer(200, {"errors": [{"message": text}]})
        changing = bool(_MUTATION.search(payload["query"]))
        self.limits.burst(visit.holder, "graphql", 5 if changing else 1, content=changing)

        def charge(points: int) -> Bucket:
            visit.bucket = self.limits.spend(visit.holder, "graphql", points)
            visit.entry.points = points
            return visit.bucket

        visit.bucket = self.limits.look(visit.holder, "graphql")
        errors = visit.fault.errors if visit.fault is not None and visit.fault.kind == "graphql" else ()
        call = GraphCall(self.world, visit.token, payload, self.site, charge, errors)
        return Answer(200, graphql_execute.execute(call))

    # Pages

    def _page(self, visit: _Visit) -> Answer:
        """What a browser is shown: enough to see that a link leads to the right place."""
        parts = unquote(visit.path).strip("/").split("/")
        repo = self.world.repository("/".join(parts[:2])) if len(parts) >= 2 else None
        if repo is None or repo.private:
            raise Stop(404, "Not Found")
        number = parts[3] if len(parts) > 3 and parts[2] in ("issues", "pull") else ""
        item = repo.issues.get(int(number)) if number.isdecimal() else None
        title = f"{item.title} · #{item.number}" if item else repo.full_name
        text = html.escape(item.body if item else repo.description or "")
        name = html.escape(title)
        page = f"<!DOCTYPE html><title>{name}</title><h1>{name}</h1><pre>{text}</pre>"
        return Answer(200, page.encode(), kind="text/html; charset=utf-8")


def _limited(visit: _Visit, status: int | None = None) -> Answer:
    text = f"API rate limit exceeded for {visit.holder.replace('-', ' ID ', 1)}."
    if visit.path == "/graphql" and status is None:
        return Answer(200, {"errors": [{"type": "RATE_LIMITED", "message": text}]})
    docs = f"{DOCS}/using-the-rest-api/rate-limits-for-the-rest-api"
    return Answer(status or 403, {"message": text, "documentation_url": docs})


def _limit_headers(bucket: Bucket) -> dict[str, str]:
    figures = rest_apps.as_json(bucket)
    headers = {f"X-RateLimit-{name.capitalize()}": str(value) for name, value in figures.items()}
    return headers | {"X-RateLimit-Resource": bucket.name}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _body(body: bytes) -> Any:
    if not body:
        return {}
    said = _json(body)
    if not isinstance(said, dict | list):
        raise Stop(400, "Problems parsing JSON")
    return said


def _encoded(answer: Answer) -> bytes:
    if answer.body is None:
        return b""
    return answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()


def _reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.headers | {"Content-Type": answer.kind}, _encoded(answer))
