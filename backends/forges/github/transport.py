"""One HTTP exchange with GitHub: PyGithub's requester words it, this module carries it.

PyGithub's own connections are shared between threads without a lock, follow redirects, sleep on 202 and read
without an end, so each exchange is an object of its own: it alone knows the token, bounds time and size, and
hands PyGithub a plain 200, whatever came.
"""

from __future__ import annotations

import os
from collections.abc import ItemsView
from time import monotonic
from typing import Any, cast

import requests
import urllib3.exceptions
from github import Consts
from github.Requester import HTTPSRequestsConnectionClass, Requester
from requests.adapters import HTTPAdapter

from backends.forges.github.answers import Answer
from backends.forges.github.errors import Garbled, ServerDown
from backends.forges.github.site import Site
from hive_tui import __version__

MAX_BYTES = 32_000_000
"""Of one answer; the longest that GitHub documents is far below."""

CONNECT_SECONDS = 10.0

POOL = 8
"""Connections that stay open."""


class Transport:
    """The connections to one API. Thread-safe."""

    def __init__(self, site: Site) -> None:
        self._origin = "/".join(site.api.split("/", 3)[:3])
        self._verify = site.authorities
        self._requester = Requester(
            auth=None,
            base_url=site.api,
            timeout=15,
            user_agent=f"hive/{__version__}",
            per_page=100,
            verify=self._verify,
            retry=None,
            pool_size=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            api_version=Consts.API_VERSION_2022_11_28,
        )
        self._session = requests.Session()
        # Neither a .netrc file nor a cookie may speak for somebody else.
        self._session.auth = Requester.noopAuth
        self._session.cookies.set_policy(_NoCookies())
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=POOL, max_retries=0))

    def send(
        self,
        verb: str,
        url: str,
        *,
        token: str,
        parameters: dict[str, Any],
        headers: dict[str, str],
        body: object,
        seconds: float,
    ) -> Answer:
        """Send one request, whatever its status. Raises ServerDown without an answer, Garbled for one
        that is too long."""
        exchange = _Exchange(self._session, self._origin, self._verify, token, seconds)
        # PyGithub says of `cnx` that it is one of its own connections; it asks for no more than this.
        connection = cast("HTTPSRequestsConnectionClass", exchange)
        self._requester.requestJson(verb, url, parameters, dict(headers), body, cnx=connection)
        return Answer(verb, url, exchange.true_status, exchange.headers, exchange.body)

    def close(self) -> None:
        self._session.close()


class _NoCookies(requests.cookies.cookielib.DefaultCookiePolicy):  # type: ignore[name-defined,misc]
    def set_ok(self, cookie: object, request: object) -> bool:
        return False


class _Exchange:
    """A connection of PyGithub's for exactly one call, and its response at once."""

    status = 200

    def __init__(
        self, session: requests.Session, origin: str, verify: bool | str, token: str, seconds: float
    ) -> None:
        self._session = session
        self._origin = origin
        self._verify = verify
        self._token = token
        self._seconds = seconds
        self._asked: tuple[str, str, Any, dict[str, str]] | None = None
        self.true_status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    def request(self, verb: str, url: str, body: Any, headers: dict[str, str], stream: bool = False) -> None:
        self._asked = verb, url, body, headers

    def getresponse(self) -> _Exchange:
        assert self._asked is not None
        verb, url, body, headers = self._asked
        end = monotonic() + self._seconds
        try:
            with self._session.request(
                verb,
                self._origin + url,
                data=body,
                headers={**headers, "Authorization": f"Bearer {self._token}"},
                timeout=(min(CONNECT_SECONDS, self._seconds), self._seconds),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                self.true_status = response.status_code
                self.headers = {name.lower(): value for name, value in response.headers.items()}
                self.body = self._read(response, end)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # The original holds the request with its token: it goes no further.
            raise self._down(error) from None
        return self

    def getheaders(self) -> ItemsView[str, str]:
        return {}.items()

    def read(self) -> str:
        return ""

    def _read(self, response: requests.Response, end: float) -> bytes:
        parts, size = [], 0
        for part in response.iter_content(65_536):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise Garbled(f"{self._origin} answers with more than {MAX_BYTES // 1_000_000} MB.")
            if monotonic() > end:
                raise requests.ReadTimeout
        return b"".join(parts)

    def _down(self, error: Exception) -> ServerDown:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(error, requests.exceptions.SSLError):
            trouble = ServerDown(f"{self._origin} shows a certificate that is not trusted.", reached=False)
            trouble.hint = "Its authority's file is set by `hive config set fleets.NAME.github.ca_file FILE`."
            return trouble
        if isinstance(self._verify, str) and not os.path.isfile(self._verify):
            gone = f"{self._verify} cannot be read, which is to say whom to trust as {self._origin}."
            trouble = ServerDown(gone, reached=False)
            trouble.hint = "Check `github.ca_file`."
            return trouble
        if isinstance(error, requests.ConnectTimeout):
            return ServerDown(f"{self._origin} cannot be reached: no connection in time.", reached=False)
        if isinstance(reason, urllib3.exceptions.NewConnectionError):
            name = "its name is not known" if _unresolved(reason) else "no connection"
            return ServerDown(f"{self._origin} cannot be reached: {name}.", reached=False)
        if isinstance(error, requests.Timeout):
            return ServerDown(f"{self._origin} has not answered within {self._seconds:.0f} s.")
        return ServerDown(f"The connection to {self._origin} broke off.")


def _unresolved(error: urllib3.exceptions.NewConnectionError) -> bool:
    return isinstance(error, urllib3.exceptions.NameResolutionError)
