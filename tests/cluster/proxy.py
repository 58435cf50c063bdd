"""Stands between hive and a real API server: counts what is asked, and can make a watch expire.

with Proxy(namespace) as proxy:
    KubernetesSettings(kubeconfig=str(proxy.kubeconfig(tmp_path / "kubeconfig")), …)
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import yaml

from tests.cluster.kube import Kube


class Asked(NamedTuple):
    method: str
    path: str
    watch: bool
    target: str = ""
    """The path with its query, as it was asked."""


class Proxy:
    """On a port of this machine while the `with` block lasts. `kubectl proxy` behind it has the rights."""

    def __init__(self, kube: Kube) -> None:
        command = ["kubectl", f"--kubeconfig={kube.kubeconfig}", "proxy", "--port=0"]
        self._kubectl = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._kubectl.stdout is not None
        # "Starting to serve on 127.0.0.1:40123"
        self.upstream = self._kubectl.stdout.readline().strip().rpartition(" ")[2]
        self.namespace = kube.namespace
        self.asked: list[Asked] = []
        self.expire = False
        """Whether watches are told to go on from a version that the server has forgotten long ago."""
        self._streams: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (_Handler,), {"owner": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.break_watches()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._kubectl.kill()
        self._kubectl.communicate()

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that goes through here."""
        cluster = {"server": f"http://127.0.0.1:{self._http.server_port}"}
        context = {"cluster": "proxy", "user": "proxy", "namespace": self.namespace or "default"}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "proxy", "cluster": cluster}],
                    "users": [{"name": "proxy", "user": {}}],
                    "contexts": [{"name": "proxy", "context": context}],
                    "current-context": "proxy",
                }
            )
        )
        return path

    def take(self) -> list[Asked]:
        """What was asked since the last time."""
        with self._lock:
            taken, self.asked = self.asked, []
        return taken

    def note(self, asked: Asked) -> None:
        with self._lock:
            self.asked.append(asked)

    def break_watches(self) -> None:
        """End every stream in the middle, as a network does."""
        with self._lock:
            streams, self._streams = self._streams, set()
        for stream in streams:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def streaming(self, upstream: socket.socket) -> Iterator[None]:
        with self._lock:
            self._streams.add(upstream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(upstream)


class _Handler(BaseHTTPRequestHandler):
    owner: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: `asked` has it."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query, keep_blank_values=True)
        watch = query.get("watch") in (["true"], ["1"], ["True"])
        self.owner.note(Asked(self.command, url.path, watch, self.path))
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        server = http.client.HTTPConnection(self.owner.upstream)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        try:
            server.connect()
            with self.owner.streaming(server.sock):
                # Only now: a watch that is too late to be broken must be told that it has expired.
                if watch and self.owner.expire and "resourceVersion" in query:
                    query["resourceVersion"] = ["1"]
                target = f"{url.path}?{urlencode(query, doseq=True)}" if query else url.path
                server.request(self.command, target, body or None, headers)
                self._pass_on(server.getresponse())
        except (OSError, http.client.HTTPException, ValueError):
            self.close_connection = True  # either side went away
        finally:
            server.close()

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        length = answer.getheader("content-length")
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while data := answer.read1(65536):
            self.wfile.write(data if length is not None else b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        if length is None:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
