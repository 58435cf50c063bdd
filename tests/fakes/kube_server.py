"""An API server that misbehaves to order: what a real one cannot be made to do at will.

Each answer is put up beforehand, by path; what was asked is kept.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import yaml


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """With lower-case names."""
    body: bytes
    at: float
    """By the monotonic clock."""
    target: str
    """As it stood in the request line."""


class Reply(NamedTuple):
    """One whole answer."""

    code: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    compressed: bool = False


class Lines(NamedTuple):
    """A stream: these pieces, each sent as soon as it can be, and then the end."""

    pieces: tuple[bytes, ...] = ()
    then: str = "hang"
    """close: an orderly end; abort: in the middle; hang: nothing more is said."""


class Hang(NamedTuple):
    """No answer at all."""


class Drop(NamedTuple):
    """The connection is closed instead of an answer."""


class Late(NamedTuple):
    """An answer that takes so many seconds to begin."""

    seconds: float
    reply: Reply


Answer = Reply | Lines | Hang | Drop | Late


def ok(body: Any, *, compressed: bool = False) -> Reply:
    return Reply(body=json.dumps(body).encode(), compressed=compressed)


def status(
    code: int, reason: str = "", message: str = "", *, retry_after: int | None = None, **details: Any
) -> Reply:
    """A Status, as the API server words its refusals."""
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}
    body |= {"reason": reason, "code": code, "details": details}
    headers = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
    return Reply(code, json.dumps(body).encode(), headers)


def listing(*items: dict[str, Any], version: str = "10") -> Reply:
    return ok({"metadata": {"resourceVersion": version}, "items": list(items)})


def thing(name: str, version: str = "1") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": version}}


def event(kind: str, body: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def bookmark(version: str) -> bytes:
    return event("BOOKMARK", {"metadata": {"resourceVersion": version}})


def error(code: int, reason: str, message: str = "") -> bytes:
    return event("ERROR", json.loads(status(code, reason, message).body))


class KubeServer:
    """Answers on a port of this machine."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._replies: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self.always: Answer | None = None
        """What is answered where nothing else was put up."""
        self.over = threading.Event()
        server = self

        class Handler(_Handler):
            kube = server

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def on(self, path: str, *answers: Answer, always: Answer | None = None) -> None:
        """Answer this path so, one after the other, then `always`; a watch's path ends with `?watch`."""
        with self._lock:
            self._replies[path].extend(answers)
            if always is not None:
                self._always[path] = always

    def asked(self, path: str | None = None) -> list[Request]:
        """What was asked so far, of one path or of all."""
        with self._lock:
            return [each for each in self.requests if path is None or _key(each) == path]

    def take(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            key = _key(request)
            if self._replies[key]:
                return self._replies[key].popleft()
            missing = Reply(404, b"404 page not found\n", (("Audit-Id", "1"),), "text/plain")
            return self._always.get(key, missing if self.always is None else self.always)

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def kubeconfig(
    folder: Path, url: str, *, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None
) -> Path:
    """Write a kubeconfig whose one context means the namespace `there`."""
    path = folder / "kubeconfig"
    context = {"cluster": "c", "user": "u", "namespace": "there"}
    content = {
        "clusters": [{"name": "c", "cluster": {"server": url, **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        "contexts": [{"name": "x", "context": context}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))
    return path


@contextlib.contextmanager
def kube_server() -> Iterator[KubeServer]:
    server = KubeServer()
    try:
        yield server
    finally:
        server.close()


def _key(request: Request) -> str:
    return f"{request.path}?watch" if request.query.get("watch") == "true" else request.path


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kube: KubeServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, query, headers, body, time.monotonic(), self.path)
        match self.kube.take(request):
            case Hang():
                self.kube.over.wait()
                self.close_connection = True
            case Drop():
                self._cut()
            case Late(seconds, reply):
                self.kube.over.wait(seconds)
                self._whole(reply)
            case Reply() as reply:
                self._whole(reply)
            case Lines() as lines:
                self._stream(lines)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _answer

    def _whole(self, reply: Reply) -> None:
        body = gzip.compress(reply.body) if reply.compressed else reply.body
        self.send_response(reply.code)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if reply.compressed:
            self.send_header("Content-Encoding", "gzip")
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, lines: Lines) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in lines.pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        if lines.then == "close":
            self.wfile.write(b"0\r\n\r\n")
        elif lines.then == "abort":
            self._cut()
        else:
            self.kube.over.wait()
            self.close_connection = True

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
