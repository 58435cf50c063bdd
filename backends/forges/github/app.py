"""hive as a GitHub App: it signs who it is, and gets tokens of an hour for what it was installed on.

The key never leaves this process; tokens are kept in memory and renewed five minutes before their end. Time
is the server's: a clock that is wrong here changes neither the signature's validity nor a token's life.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import jwt
import msgspec
import requests

from backends import typed
from backends.forges.github.auth import Secret, read_private
from backends.forges.github.errors import NoToken, ServerDown
from backends.forges.github.site import Site
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import AppSettings
from hive_tui.core.text import clean_line

SECONDS = (5.0, 15.0)
"""Until connected, and until the next byte."""

RENEW_SECONDS = 300.0
"""Before a token's end it is not handed out any more: whoever got it still needs time to use it."""

_SIGNED_SECONDS = 540
"""GitHub takes signatures for at most ten minutes."""

_GIT_PERMISSIONS = {"contents": "write", "metadata": "read"}

_LARGEST = 1 << 20


class _Answer(msgspec.Struct):
    """Of an installation, or of a new token."""

    id: int = 0
    token: str = ""
    expires_at: datetime | None = None
    suspended_at: datetime | None = None
    message: str = ""


class _Held(msgspec.Struct, frozen=True):
    token: Secret
    until: float
    """On the monotonic clock."""


class App:
    """One App on one GitHub. Thread-safe."""

    def __init__(
        self, settings: AppSettings, where: Site, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._site = where
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._installations: dict[str, int] = {}
        self._held: dict[tuple[int, str], _Held] = {}
        self._skew = 0.0
        """Seconds that the server's clock is ahead of this one."""

    def __repr__(self) -> str:
        return f"App({self._settings.id})"

    def token(self, repo: RepoName | None) -> Secret:
        """The token of the installation on the owner of `repo`, with all that it was granted."""
        with self._lock:
            return self._token(self._installation(repo), "", {})

    def narrow_token(self, repo: RepoName) -> Secret:
        """A token that can fetch and push this one repository, and nothing else."""
        name = repo.partition("/")[2]
        wish = {"repositories": [name], "permissions": _GIT_PERMISSIONS}
        with self._lock:
            return self._token(self._installation(repo), name, wish)

    def forget(self) -> None:
        """Ask for new tokens, and where the App is installed: one was refused."""
        with self._lock:
            self._held.clear()
            self._installations.clear()

    def _token(self, installation: int, narrowed: str, wish: dict[str, Any]) -> Secret:
        held = self._held.get((installation, narrowed))
        if held is not None and self._monotonic() < held.until:
            return held.token
        answer, server = self._call("POST", f"/app/installations/{installation}/access_tokens", wish)
        if not answer.token or answer.expires_at is None:
            raise SourceError(f"{self._site.host} gave no token for the App.", "Try again later.")
        life = (answer.expires_at - server).total_seconds()
        held = _Held(Secret(answer.token), self._monotonic() + life - RENEW_SECONDS)
        self._held[installation, narrowed] = held
        return held.token

    def _installation(self, repo: RepoName | None) -> int:
        if self._settings.installation is not None:
            return self._settings.installation
        if repo is None:
            # Nothing in particular is asked about: any installation's word will do.
            if self._installations:
                return next(iter(self._installations.values()))
            raise SourceError(
                f"Which installation of App {self._settings.id} is meant?",
                "Set `github.app.installation`, or add a repository to the fleet.",
            )
        owner = repo.partition("/")[0].lower()
        if owner not in self._installations:
            answer, _ = self._call("GET", f"/repos/{quote(repo)}/installation", None)
            if answer.suspended_at is not None:
                raise NoToken(
                    f"The installation of App {self._settings.id} on {owner} is suspended.",
                    f"An owner of {owner} can lift that in its settings, under GitHub Apps.",
                )
            self._installations[owner] = answer.id
        return self._installations[owner]

    def _call(self, verb: str, path: str, body: dict[str, Any] | None) -> tuple[_Answer, datetime]:
        """The answer, and when the server gave it."""
        for again in (True, False):
            response = self._send(verb, path, body)
            server = _date(response) or datetime.now(UTC)
            if response.status_code in (200, 201):
                return _decoded(response), server
            # A clock that is wrong makes the signature begin or end at the wrong time.
            ahead = (server - datetime.now(UTC)).total_seconds()
            if not (again and response.status_code == 401 and abs(ahead - self._skew) > 30):
                break
            self._skew = ahead
        raise self._refusal(response, path)

    def _send(self, verb: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        try:
            return requests.request(
                verb,
                self._site.api + path,
                headers={
                    "Authorization": f"Bearer {self._signed()}",
                    "Accept": "application/vnd.github+json",
                    "X-GitHub-Api-Version": "2022-11-28",
                    "User-Agent": "hive",
                },
                json=body,
                timeout=SECONDS,
                # Whoever answers with another address would get the signature.
                allow_redirects=False,
                verify=self._site.authorities,
            )
        except (requests.RequestException, OSError) as error:
            # Not chained: the request with its header hangs on it.
            raise ServerDown(f"{self._site.host} does not answer: {type(error).__name__}.") from None

    def _signed(self) -> str:
        now = int(time.time() + self._skew)
        claims = {"iat": now - 60, "exp": now - 60 + _SIGNED_SECONDS, "iss": self._settings.id}
        try:
            return jwt.encode(claims, read_private(self._settings.key_file), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            # Not chained: the message may quote the key.
            raise SourceError(
                f"{self._settings.key_file} holds no RSA private key.",
                "Make one in the App's settings, under Private keys, and name that file.",
            ) from None

    def _refusal(self, response: requests.Response, path: str) -> SourceError:
        app, code = f"App {self._settings.id}", response.status_code
        said = clean_line(_decoded(response).message, limit=200)
        if code == 401:
            return SourceError(
                f"{self._site.host} does not take the signature of {app}: {said or 'bad credentials'}",
                "Check `github.app.id`, and that `key_file` is a key of that App; see its settings.",
            )
        if code == 404 and path.endswith("/installation"):
            name = path.removeprefix("/repos/").removesuffix("/installation")
            return NoToken(
                f"{app} is not installed on {name}, or the repository does not exist.",
                "Install it: the App's settings, Install App, then choose the repository.",
            )
        if code in (403, 404, 422):
            return NoToken(
                f"{app} gets no token: {said or code}",
                "Grant it what docs/github.md lists and accept that in the installation's settings.",
            )
        return ServerDown(f"{self._site.host} answered {code} to {app}.")


def _date(response: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError, TypeError):
        return None


def _decoded(response: requests.Response) -> _Answer:
    try:
        return typed.decode(response.content[:_LARGEST], _Answer)
    except msgspec.MsgspecError:
        return _Answer()
