"""The one place that talks to GitHub's API: tokens, limits, errors and the only retries.

Nothing else in hive repeats a call. A read is repeated after the server's own trouble; a write only where
that changes nothing, or where it certainly did not get there. Else it raises AnswerLost: whoever asked
looks whether it took place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec

from backends import typed
from backends.forges.github import answers
from backends.forges.github.answers import Answer
from backends.forges.github.errors import (
    LOOK_AT_GITHUB,
    AnswerLost,
    BadToken,
    GitHubError,
    QueryFailed,
    RateLimited,
    Renamed,
    ServerDown,
)
from backends.forges.github.limits import CORE, GRAPHQL, USED_UP, Limits, http_date, retry_after
from backends.forges.github.site import site
from hive_tui.core.ids import RepoName
from hive_tui.core.model import ApiUse
from hive_tui.core.settings import GitHubSettings
from hive_tui.core.text import clean_line

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from backends.forges.github.transport import Transport

CALL_SECONDS = 15.0
"""How long one request may take."""

SECONDS = 40.0
"""How long a call may take with all its repetitions, unless the caller says otherwise."""

ATTEMPTS = 5

SHORT_SECONDS = 5.0
"""A limit that ends this soon is waited for; a longer one is said."""

JSON = "application/vnd.github+json"
DIFF = "application/vnd.github.diff"

_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


class Credentials(Protocol):
    """Where tokens come from (`auth.Credentials`). Thread-safe."""

    def token(self, repo: RepoName | None = None, *, write: bool) -> str:
        """A token that is good now, narrowed to `repo` where that can be done.

        Raises SourceError, with the next step, when there is none.
        """
        ...

    def forget(self) -> None:
        """Ask anew: a token was refused."""
        ...


class QueryError(msgspec.Struct, frozen=True):
    """What a GraphQL query did not bring, though it brought the rest."""

    message: str
    type: str = ""
    path: tuple[str | int, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """What a GraphQL query brought."""

    data: msgspec.Raw
    """The JSON of `data`; every field that failed is null in it."""
    errors: tuple[QueryError, ...] = ()
    cost: int | None = None
    """Points, where the query asked for `rateLimit { cost }`."""
    date: datetime | None = None
    """When the server answered, in its own clock."""


class _RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    cost: int | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None


class _Metered(msgspec.Struct, frozen=True, rename="camel"):
    rate_limit: _RateLimit | None = None


class _RawError(msgspec.Struct, frozen=True):
    message: str = ""
    type: str = ""
    path: list[str | int] | None = None


class _Envelope(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_RawError] | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class Client:
    """Calls of one fleet on one site. Thread-safe; nothing is opened before the first call."""

    def __init__(
        self,
        settings: GitHubSettings,
        credentials: Credentials,
        *,
        clock: Callable[[], datetime] = _now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._sleep = sleep
        self._site = site(settings)
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._counted: set[int] = set()
        """Hashes of the tokens that `limits` is about."""
        self.limits = Limits(settings.reserve)

    def now(self) -> datetime:
        """The time by GitHub's clock, as its last answer told it."""
        return self._clock() + self.limits.skew

    def uses(self) -> tuple[ApiUse, ...]:
        """Every budget that was heard of."""
        return self.limits.uses(self._clock())

    def rest(
        self,
        verb: str,
        path: str,
        *,
        repo: RepoName | None = None,
        params: Mapping[str, str | int] | None = None,
        body: object = None,
        etag: str | None = None,
        accept: str = JSON,
        what: str | None = None,
        write: bool | None = None,
        repeatable: bool | None = None,
        seconds: float = SECONDS,
    ) -> Answer:
        """One REST call; `path` begins with a slash, below the API's base URL.

        With an `etag` the answer may be `unchanged`. `what` names in errors what was asked for. `write` (by
        default whatever is no GET) uses a token that may write, and the reserve. `repeatable`: doing it
        twice is as doing it once. `seconds` bounds it with all repetitions. Raises GitHubError.
        """
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        asked = _Call(
            verb=verb,
            path=path,
            params=dict(params or {}),
            headers=headers,
            body=body,
            repo=repo,
            resource=CORE,
            what=what or f"{verb} {path}",
            write=verb != "GET" if write is None else write,
            repeatable=verb in _REPEATABLE if repeatable is None else repeatable,
        )
        return self._repeat(asked, seconds)

    def graphql(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        repo: RepoName | None = None,
        cost: int = 1,
        what: str = "the query",
        write: bool = False,
        seconds: float = SECONDS,
    ) -> Found:
        """One GraphQL query, which changes nothing; `cost` is what it will cost at most.

        What failed in it while the rest came is in `errors`. Raises GitHubError; QueryFailed when nothing
        came at all.
        """
        asked = _Call(
            verb="POST",
            path="",
            params={},
            headers={"Accept": JSON},
            body={"query": query, "variables": dict(variables or {})},
            repo=repo,
            resource=GRAPHQL,
            what=what,
            write=write,
            repeatable=True,
            cost=cost,
        )
        answer = self._repeat(asked, seconds)
        return self._found(answer, asked)

    def close(self) -> None:
        with self._lock:
            transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    # One call

    def _repeat(self, call: _Call, seconds: float) -> Answer:
        import tenacity

        end = time.monotonic() + seconds
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=8.0)

        def worth_it(error: BaseException) -> bool:
            if isinstance(error, RateLimited):
                return (error.until - self._clock()).total_seconds() <= SHORT_SECONDS
            return isinstance(error, ServerDown) and not isinstance(error, AnswerLost)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            if isinstance(error, RateLimited):
                return max(0.0, (error.until - self._clock()).total_seconds()) + 0.05
            told = error.retry_after if isinstance(error, ServerDown) else None
            return backoff(state) if told is None else max(told, 0.1)

        def stop(state: RetryCallState) -> bool:
            late = time.monotonic() + state.upcoming_sleep >= end
            return late or state.attempt_number >= ATTEMPTS

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(worth_it),
            wait=wait,
            stop=stop,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(lambda: self._once(call, max(0.5, end - time.monotonic())))

    def _once(self, call: _Call, seconds: float) -> Answer:
        token = self._credentials.token(call.repo, write=call.write)
        try:
            return self._send(call, token, seconds)
        except BadToken:
            # It may have been renewed or rotated meanwhile: once with a fresh one.
            self._credentials.forget()
            other = self._credentials.token(call.repo, write=call.write)
            if other == token:
                raise
            return self._send(call, other, seconds)

    def _send(self, call: _Call, token: str, seconds: float) -> Answer:
        self._check(call, token)
        transport = self._connected()
        try:
            answer = transport.send(
                call.verb,
                call.path or self._site.graphql,
                token=token,
                parameters=call.params,
                headers=call.headers,
                body=call.body,
                seconds=min(seconds, CALL_SECONDS),
            )
        except ServerDown as error:
            raise call.lost(self._named(error)) from None
        self._counted.add(hash(token))
        self._account(call, answer)
        if answer.status in (301, 302, 307, 308):
            raise Renamed(str(call.repo or call.what), self._new_name(answer, token, seconds))
        problem = answers.problem(answer, call.what, str(call.repo or call.what))
        if isinstance(problem, ServerDown):
            raise call.lost(self._named(problem))
        if problem is not None:
            raise problem
        return answer

    def _check(self, call: _Call, token: str) -> None:
        """Raises RateLimited when it may not be sent now."""
        try:
            self.limits.check(call.resource, write=call.write, now=self._clock(), cost=call.cost)
        except RateLimited:
            if hash(token) in self._counted:
                raise
            # A new token may be another identity's, with points of its own: GitHub says so, or not.
            self._counted.clear()
            self.limits.forget()

    def _named(self, error: ServerDown) -> ServerDown:
        """An Enterprise server's troubles stand on no page of GitHub's."""
        if error.hint == LOOK_AT_GITHUB and not self._site.is_cloud:
            error.hint = f"Look at your network, and whether {self._site.host} is up."
        return error

    def _account(self, call: _Call, answer: Answer) -> None:
        """Count what it cost, and take in what it says of limits. Raises RateLimited."""
        now = self._clock()
        self.limits.heard(answer.headers, now)
        if answers.used_up(answer):
            resource = answer.headers.get("x-ratelimit-resource", call.resource)
            until = self.limits.used_up(resource, now)
            raise RateLimited(until, what=f"{USED_UP} ({clean_line(resource)})")
        if answers.too_fast(answer):
            until = self.limits.secondary(retry_after(answer.headers), now)
            raise RateLimited(until, what="calls came too fast", secondary=True)
        if call.resource == CORE and not answer.unchanged:
            self.limits.spent(CORE, 1, now)
        if answer.status < 400:
            self.limits.worked()

    def _new_name(self, answer: Answer, token: str, seconds: float) -> str | None:
        """What a renamed repository is called now: a redirect names it by its number only."""
        to = urlsplit(answer.headers.get("location", ""))
        base = urlsplit(self._site.api)
        if to.netloc and to.netloc != base.netloc:
            return None
        inside = to.path.removeprefix(base.path).split("/")
        if len(inside) < 3 or inside[1] != "repositories" or not inside[2].isdigit():
            return None
        path = f"/repositories/{inside[2]}"
        try:
            named = self._connected().send(
                "GET",
                path,
                token=token,
                parameters={},
                headers={"Accept": JSON},
                body=None,
                seconds=min(seconds, CALL_SECONDS),
            )
            self.limits.heard(named.headers, self._clock())
            return clean_line(named.decode(_Named).full_name, limit=200) or None
        except GitHubError:
            return None

    def _found(self, answer: Answer, call: _Call) -> Found:
        envelope = answer.decode(_Envelope)
        now = self._clock()
        failed = tuple(
            QueryError(
                clean_line(e.message, limit=answers.MAX_WORDS), clean_line(e.type), tuple(e.path or ())
            )
            for e in envelope.errors or ()
        )
        if any(error.type in ("RATE_LIMITED", "RATE_LIMIT") for error in failed):
            until = self.limits.used_up(GRAPHQL, now)
            raise RateLimited(until, what=f"{USED_UP} ({GRAPHQL})")
        nothing = bytes(envelope.data).strip() == b"null"
        if nothing:
            why = "; ".join(error.message for error in failed[:3]) or "it brought nothing"
            raise QueryFailed(f"GitHub refuses {call.what}: {why}.", "`hive doctor` tells more.")
        metered = self._metered(envelope)
        cost = metered.cost if metered is not None else None
        self.limits.spent(GRAPHQL, call.cost if cost is None else cost, now)
        if metered is not None and metered.limit is not None and metered.reset_at is not None:
            self.limits.budget(GRAPHQL, metered.limit, metered.remaining or 0, metered.reset_at)
        date = http_date(answer.headers.get("date"))
        return Found(envelope.data, failed, cost, date)

    @staticmethod
    def _metered(envelope: _Envelope) -> _RateLimit | None:
        try:
            return typed.decode(envelope.data, _Metered).rate_limit
        except msgspec.DecodeError:
            return None

    def _connected(self) -> Transport:
        with self._lock:
            if self._transport is None:
                from backends.forges.github.transport import Transport  # half a second of imports

                self._transport = Transport(self._site)
            return self._transport


class _Named(msgspec.Struct, frozen=True):
    full_name: str = ""


class _Call(msgspec.Struct, frozen=True):
    """One call as its caller meant it."""

    verb: str
    path: str
    params: dict[str, Any]
    headers: dict[str, str]
    body: object
    repo: RepoName | None
    resource: str
    what: str
    write: bool
    repeatable: bool
    cost: int = 1

    def lost(self, error: ServerDown) -> ServerDown:
        """What the server's trouble means for this call."""
        if self.repeatable or not error.reached:
            return error
        lost = AnswerLost(error.message, retry_after=error.retry_after)
        lost.hint = error.hint
        return lost
