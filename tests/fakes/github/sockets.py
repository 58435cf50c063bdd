"""HTTP/1.1 connections with keep-alive, and the ways in which an answer can fail to arrive."""

from __future__ import annotations

import contextlib
import enum
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_JOIN_SECONDS = 10.0


class Delivery(enum.Enum):
    WHOLE = "whole"
    HALF = "half"
    """The headers promise all of the body, half of it is sent, then the connection ends."""
    NOTHING = "nothing"
    """The connection is reset."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    """Path and query as they were sent."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delivery: Delivery = Delivery.WHOLE
    skew: timedelta = timedelta()
    """By how much the `Date` header is off."""


class Listener:
    """Answers on a port of this machine (0: a free one) from `open` to `close`."""

    def __init__(
        self,
        answer: Callable[[Request], Reply],
        clock: Callable[[], datetime],
        port: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With `tls` on all of this machine's addresses, else on the loopback alone."""

        class Handler(_Handler):
            pass

        Handler.answer = staticmethod(answer)
        Handler.clock = staticmethod(clock)
        self._connections: dict[threading.Thread, socket.socket] = {}
        Handler.connections = self._connections
        self._http = _Server(("127.0.0.1" if tls is None else "0.0.0.0", port), Handler)
        if tls is not None:
            # The handshake is left to the connection's own thread: a slow client holds up nobody else.
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._http.server_port)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends every connection too, and waits for the threads that served them."""
        self._http.shutdown()
        self._thread.join()
        for thread, connection in list(self._connections.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_JOIN_SECONDS)
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; what fails in an endpoint is caught before this."""


class _Handler(BaseHTTPRequestHandler):
    answer: Callable[[Request], Reply]
    clock: Callable[[], datetime]
    connections: dict[threading.Thread, socket.socket]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "github.com"
    sys_version = ""
    wbufsize = -1
    _skew = timedelta()

    def setup(self) -> None:
        super().setup()
        self.connections[threading.current_thread()] = self.connection

    def finish(self) -> None:
        self.connections.pop(threading.current_thread(), None)
        with contextlib.suppress(OSError):  # what could not be sent to a client that went away
            super().finish()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(type(self).clock() + self._skew, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the audit has every call."""

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self._body(headers))
        reply = type(self).answer(request)
        if reply.delivery is Delivery.NOTHING:
            return self._reset()
        self._skew = reply.skew
        bodiless = self.command == "HEAD" or reply.status in (204, 304)
        body = b"" if bodiless else reply.body
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not bodiless:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if reply.delivery is Delivery.HALF:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = _serve

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reset(self) -> None:
        """Closing with no time to linger makes the kernel send a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
