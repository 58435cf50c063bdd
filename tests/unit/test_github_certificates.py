"""Who a server must be to be given the token: real TLS, with an authority that nobody else trusts."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backends.forges.github.errors import ServerDown
from backends.forges.github.site import site
from backends.forges.github.transport import Transport
from hive_tui.core.settings import GitHubSettings
from tests.fakes.authority import certify


class Answers(BaseHTTPRequestHandler):
    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


class Place:
    def __init__(self, port: int, authority: Path, heard: list[str]) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self.authority = authority
        self.heard = heard

    def ask(self, ca_file: str | None = None) -> int:
        transport = Transport(site(GitHubSettings(url=self.url, ca_file=ca_file)))
        try:
            return transport.send(
                "GET", "/meta", token="secret", parameters={}, headers={}, body=None, seconds=5.0
            ).status
        finally:
            transport.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    certificate, key = certify(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Answers,), {"heard": heard})) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Place(server.server_port, certificate, heard)
        server.shutdown()
        thread.join()


def test_an_authority_that_nobody_trusts_gets_no_token(place: Place) -> None:
    with pytest.raises(ServerDown, match="certificate that is not trusted") as caught:
        place.ask()
    assert not caught.value.reached
    assert caught.value.hint is not None
    assert "github.ca_file" in caught.value.hint
    assert place.heard == []


def test_the_configured_authority_is_trusted(place: Place) -> None:
    assert place.ask(str(place.authority)) == 200
    assert place.heard == ["Bearer secret"]


def test_the_configured_authority_may_be_in_the_home_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(place.authority.parent))
    assert place.ask("~/authority.pem") == 200


def test_the_authority_of_the_environment_is_trusted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(place.authority))
    assert place.ask() == 200


def test_an_authority_whose_file_is_gone_is_named(place: Place, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    with pytest.raises(ServerDown, match=f"{gone} cannot be read") as caught:
        place.ask(str(gone))
    assert caught.value.hint is not None
    assert "github.ca_file" in caught.value.hint
