"""hive as a GitHub App, against a server that checks signatures and counts what it is asked."""

from __future__ import annotations

import json
import re
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from backends.forges.github.auth import Credentials
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RepoName
from hive_tui.core.settings import AppSettings, GitHubSettings
from tests.fakes import app_key

REPO = RepoName("Acme/app")


class Server(ThreadingHTTPServer):
    """Gives tokens as GitHub does: `calls` is what it was asked, `ahead` how wrong our clock is."""

    daemon_threads = True

    def __init__(self, public_key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.public_key = public_key
        self.calls: list[tuple[str, Any]] = []
        self.ahead = timedelta()
        self.status: int | None = None
        self.suspended: str | None = None

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(None, {"id": 77, "suspended_at": self.server.suspended})

    def do_POST(self) -> None:
        wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        expires = (self.server.now + timedelta(hours=1)).isoformat()
        number = len(self.server.calls)
        self._answer(wish, {"token": f"ghs_token{number:030}", "expires_at": expires})

    def _answer(self, wish: Any, body: dict[str, Any]) -> None:
        server = self.server
        server.calls.append((self.path, wish))
        status = server.status or (201 if wish is not None else 200)
        signed = jwt.decode(
            self.headers["Authorization"].removeprefix("Bearer "),
            server.public_key,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
        begins, ends = (datetime.fromtimestamp(signed[name], UTC) for name in ("iat", "exp"))
        if not begins <= server.now <= ends <= server.now + timedelta(minutes=10):
            status, body = 401, {"message": "'exp' claim is wrong"}
        data = json.dumps(body if status < 400 else {"message": "no \x1b[31mway"}).encode()
        self.send_response_only(status)
        self.send_header("Date", format_datetime(server.now, usegmt=True))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


@pytest.fixture
def server(pem: Path) -> Iterator[Server]:
    server = Server(app_key.write_key(pem))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def credentials(server: Server, pem: Path, clock: Clock | None = None, **more: Any) -> Credentials:
    settings = GitHubSettings(url=server.url, api=server.url, app=AppSettings("4711", str(pem), **more))
    return Credentials(settings, environ={}, monotonic=clock or Clock())


def test_one_token_serves_all_repositories_of_an_owner(server: Server, pem: Path) -> None:
    app = credentials(server, pem)
    token = app.token(REPO, write=False)
    assert token == app.token(RepoName("acme/other"), write=True) == app.token(write=True)
    assert server.calls == [
        ("/repos/Acme/app/installation", None),
        ("/app/installations/77/access_tokens", {}),
    ]
    assert app.scope(REPO) == app.scope(RepoName("acme/other")) != app.scope(RepoName("else/app"))


def test_git_gets_one_repository_and_its_contents(server: Server, pem: Path) -> None:
    app = credentials(server, pem, installation=5)
    narrowed = app.git_token(REPO)
    assert narrowed != app.token(REPO, write=True)
    assert app.git_token(REPO) == narrowed
    path, wish = server.calls[0]
    assert path == "/app/installations/5/access_tokens"
    assert wish == {"repositories": ["app"], "permissions": {"contents": "write", "metadata": "read"}}


def test_a_token_is_renewed_five_minutes_before_its_end(server: Server, pem: Path) -> None:
    clock = Clock()
    app = credentials(server, pem, clock, installation=5)
    first = app.token(REPO, write=True)
    clock.now += 54 * 60
    assert app.token(REPO, write=True) == first
    clock.now += 2 * 60
    assert app.token(REPO, write=True) != first


def test_one_that_was_refused_is_not_used_again(server: Server, pem: Path) -> None:
    app = credentials(server, pem, installation=5)
    first = app.token(REPO, write=True)
    app.forget()
    assert app.token(REPO, write=True) != first


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_wrong_is_made_up_for(server: Server, pem: Path, hours: int) -> None:
    server.ahead = timedelta(hours=hours)
    clock = Clock()
    app = credentials(server, pem, clock, installation=5)
    first = app.token(REPO, write=True)
    clock.now += 50 * 60
    assert app.token(REPO, write=True) == first, "its life counts by the server's clock"
    assert len(server.calls) == 2, "asked again once, with the server's time"
    app.git_token(REPO)
    assert len(server.calls) == 3, "which is remembered"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, r"does not take the signature of App 4711: no way.*github\.app\.id"),
        (404, r"not installed on Acme/app.*Install it"),
        (403, r"gets no token: no way.*docs/github\.md"),
        (422, r"gets no token"),
        (502, r"answered 502"),
    ],
)
def test_each_refusal_says_what_to_do(server: Server, pem: Path, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(SourceError) as caught:
        credentials(server, pem).token(REPO, write=True)
    assert re.search(words, caught.value.words)
    assert "eyJ" not in "".join(traceback.format_exception(caught.value)), "no signature in an error"


def test_a_suspended_installation(server: Server, pem: Path) -> None:
    server.suspended = "2026-01-01T00:00:00Z"
    with pytest.raises(SourceError, match="suspended"):
        credentials(server, pem).token(REPO, write=True)


def test_a_server_that_is_not_there(server: Server, pem: Path) -> None:
    app = credentials(server, pem, installation=5)
    app._settings = GitHubSettings(
        url="http://127.0.0.1:9", app=AppSettings("4711", str(pem), installation=5)
    )
    with pytest.raises(SourceError, match="does not answer"):
        app.token(REPO, write=True)


def test_what_is_no_key_is_not_quoted(server: Server, pem: Path) -> None:
    pem.write_text("-----BEGIN RSA PRIVATE KEY-----\ncanary\n")
    with pytest.raises(SourceError, match="no RSA private key") as caught:
        credentials(server, pem, installation=5).token(REPO, write=True)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_without_a_repository_the_installation_must_be_known(server: Server, pem: Path) -> None:
    with pytest.raises(SourceError, match="Which installation"):
        credentials(server, pem).token(write=False)
