"""Requests to one API server with one set of credentials, by the transport of the `kubernetes` package.

Of that package only the configuration and the connection pool are used: its own calls repeat by themselves
and wait for ever unless each of them is told otherwise.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import urllib3
import urllib3.exceptions as broken
from urllib3.util.ssl_ import create_urllib3_context

from backends.clusters.kubernetes.errors import Silent, Unreachable, Untrusted
from hive_tui import __version__
from hive_tui.core.errors import ConfigError
from hive_tui.core.text import clean_line

if TYPE_CHECKING:
    from kubernetes.client import Configuration

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
"""Without a byte of an answer."""

STREAMS = 32
"""Watches and logs at once."""

_SPARE = 8
"""Connections for calls beside them."""

KEEPALIVE = (20, 10, 3)
"""Seconds of silence, seconds between questions, questions: a cut is seen 50 s after the last word."""


class Access(Protocol):
    """Where a server is, and how one becomes somebody there (`access.Kubeconfig`)."""

    context: str | None
    namespace: str
    server: str

    def open(self, seconds: float | None = None) -> Session:
        """Credentials that are good now, read anew, by somebody who waits so long for them at most. Raises
        HiveError."""
        ...


class Answer:
    """An answer, of which the body may still be coming."""

    def __init__(
        self, response: urllib3.BaseHTTPResponse, server: str, broke: Callable[[], None] = lambda: None
    ) -> None:
        self._response = response
        self._server = server
        self._broke = broke
        self.code = response.status
        self._body: bytes | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """With lower-case names."""
        return {name.lower(): value for name, value in self._response.headers.items()}

    @property
    def body(self) -> bytes:
        """All of it. Raises Unreachable."""
        if self._body is None:
            try:
                self._body = self._response.read(decode_content=True)
            except _TROUBLE as error:
                self.close()
                self._broke()
                raise trouble(error, self._server) from None
            self._response.release_conn()
        return self._body

    def read_some(self, size: int) -> bytes:
        """What has come, nothing at the end. Raises Unreachable."""
        try:
            return self._response.read1(size)
        except broken.ReadTimeoutError:
            self._broke()
            raise Silent(f"{self._server} has said nothing for too long.") from None
        except _TROUBLE as error:
            self._broke()
            raise trouble(error, self._server) from None

    def shutdown(self) -> None:
        """End a read that another thread waits in."""
        self._response.shutdown()

    def close(self) -> None:
        """Let go of the connection; it is not used again."""
        self._response.close()


class Session:
    """A connection pool and what says who asks. Thread-safe."""

    def __init__(
        self,
        server: str,
        pool: urllib3.PoolManager,
        authorization: Callable[[], str | None],
        *,
        headers: Iterable[tuple[str, str]] = (),
        expires: float | None = None,
    ) -> None:
        """`pool` is one of `configured` or `direct`, `authorization` says the header's value; `expires` is
        when credentials end that are part of the connection, by the system's clock."""
        self.server = server
        self._pool = pool
        self._authorization = authorization
        self._asking = threading.Lock()
        self._headers = (("User-Agent", f"hive/{__version__}"), *headers)
        self._expires = expires

    def expired(self) -> bool:
        return self._expires is not None and time.time() >= self._expires

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        idle: float | None = None,
        first: float | None = None,
        most: float | None = None,
    ) -> Answer:
        """One request, never repeated. With `idle`, the body is still to come, and that many seconds of
        silence end it; `first` is how long it may take to begin, `most` the patience of whoever asks.
        Raises HiveError."""
        headers = urllib3.HTTPHeaderDict()
        for name, value in self._headers:
            headers.add(name, value)  # some of them more than once
        headers["Accept"] = "application/json" if idle is None else "application/json, */*"
        if idle is None:
            headers["Accept-Encoding"] = "gzip"
        if body is not None:
            headers["Content-Type"] = content_type
        # Asking may read a file or renew a login, which is done once for all who wait.
        with self._asking:
            authorization = self._authorization()
        if authorization:
            headers["Authorization"] = authorization.strip()
        silence, connect = READ_SECONDS if idle is None else idle, CONNECT_SECONDS
        if most is not None:
            silence, connect = most, min(connect, most)
        try:
            response = self._pool.request(
                method,
                self.server + path,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect, read=first or silence),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except _TROUBLE as error:
            self.close()
            raise trouble(error, self.server) from None
        if first is not None and (sock := getattr(response.connection, "sock", None)) is not None:
            sock.settimeout(silence)
        answer = Answer(response, self.server, self.close)
        if idle is None:
            _ = answer.body
        return answer

    def close(self) -> None:
        """Close what is idle; streams go on until they are closed.

        Also after a break: what is idle then is dead as well, and would be found out one by one."""
        self._pool.clear()


def configured(configuration: Configuration) -> urllib3.PoolManager:
    """The way to a server as a kubeconfig has it, by a proxy where that or the environment names one. Raises
    ConfigError."""
    from kubernetes.client.rest import RESTClientObject

    configuration.retries = False
    configuration.connection_pool_maxsize = STREAMS + _SPARE
    configuration.socket_options = _keepalive()
    if not configuration.verify_ssl:
        # The kubeconfig says so; a warning at each call would be printed over the console.
        urllib3.disable_warnings(broken.InsecureRequestWarning)
    try:
        pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
    except (ImportError, broken.HTTPError, ValueError) as error:
        raise ConfigError(
            f"The way to {configuration.host} cannot be taken: {_words(error)}.",
            "Check its proxy (`proxy-url` there, or HTTPS_PROXY); SOCKS needs `pip install pysocks`.",
        ) from None
    return pool


def direct(authority: Path) -> urllib3.PoolManager:
    """The way to a server that needs no proxy and has a certificate of the authority in this file. Raises
    OSError where that is none.

    Without the `kubernetes` package, whose import is half of what a run's pod takes to begin."""
    trusting = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    trusting.load_verify_locations(authority)
    return urllib3.PoolManager(
        maxsize=STREAMS + _SPARE, ssl_context=trusting, socket_options=_keepalive(), retries=False
    )


_TROUBLE = (broken.HTTPError, HTTPException, OSError)
"""All that a transport can raise."""


def trouble(error: Exception, server: str) -> Unreachable:
    """What a transport's error means to a person."""
    cause: BaseException = error
    while isinstance(cause, broken.ProxyError) and isinstance(cause.original_error, Exception):
        cause = cause.original_error
    through = " through the proxy" if isinstance(error, broken.ProxyError) else ""
    if isinstance(cause, broken.SSLError):
        return _insecure(server + through, _words(cause))
    if isinstance(cause, broken.NameResolutionError):
        return Unreachable(f"{server} cannot be found{through}: its name is unknown.", reached=False)
    if isinstance(cause, broken.ConnectTimeoutError):  # NewConnectionError is one of them
        why = "it refuses connections" if "refused" in str(cause) else "nothing answers"
        return Unreachable(f"{server} cannot be reached{through}: {why}.", reached=False)
    if isinstance(cause, broken.ReadTimeoutError | TimeoutError):
        return Unreachable(f"{server} has stopped answering{through}.")
    reached = not isinstance(error, broken.ProxyError)
    return Unreachable(f"The connection to {server} broke{through} ({_words(cause)}).", reached=reached)


def _insecure(server: str, words: str) -> Unreachable:
    """OpenSSL has one error for all that can go wrong; its words differ."""
    if "ALERT" in words.upper():
        what = f"{server} does not accept the certificate of your kubeconfig ({words})."
    elif any(mark in words for mark in ("PEM", "KEY_VALUES", "NO_CERTIFICATE")):
        what = f"A certificate or key of your kubeconfig cannot be used ({words})."
    elif "WRONG_VERSION" in words or "UNKNOWN_PROTOCOL" in words:
        what = f"{server} does not speak TLS ({words})."
    elif "certificate" in words.lower():
        what = f"{server} is not who your kubeconfig expects ({words})."
    else:
        # Such as a server that is just being started or ended.
        return Unreachable(f"The connection to {server} broke ({words}).", reached=False)
    hint = "Check the certificates and `server` there, and whether `kubectl get namespaces` works."
    return Untrusted(what, hint, reached=False)


def _words(error: BaseException) -> str:
    return clean_line(str(error), limit=200)


def _keepalive() -> list[tuple[int, int, int]]:
    """Socket options; those that a system does not have are left out."""
    idle, interval, count = KEEPALIVE
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # macOS calls the first one TCP_KEEPALIVE.
    wanted = (
        ("TCP_KEEPIDLE", idle),
        ("TCP_KEEPALIVE", idle),
        ("TCP_KEEPINTVL", interval),
        ("TCP_KEEPCNT", count),
    )
    options += [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in wanted if hasattr(socket, name)
    ]
    return options
