"""Tests that talk to the GitHub for tests are held against what GitHub publishes."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.github import honesty, published
from tests.fakes.github.audit import Entry
from tests.fakes.github.server import GitHub


@pytest.fixture(autouse=True)
def _published(published_schema: None) -> None:
    try:
        published.read(published.REST)
    except published.Unavailable as error:
        pytest.skip(str(error))


def entry(method: str, path: str, **more: Any) -> Entry:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Entry(datetime(2026, 1, 2, tzinfo=UTC), method, path, "", None, answer_headers=kind, **more)


def test_differences_are_counted_by_kind() -> None:
    calls = [entry("GET", "/repos/me/proj/nothing", status=404)] * 2
    calls.append(entry("POST", "/graphql", request={"query": "{ viewer { nothing } }"}, status=200))
    assert honesty.violations(calls) == [
        "GET /repos/me/proj/nothing: there is no such operation (2 times)",
        "POST /graphql: Field 'nothing' doesn't exist on type 'User': { viewer { nothing } }",
    ]


def test_what_is_no_api_is_let_be() -> None:
    page = entry("GET", "/me/proj/issues/1", status=200)
    page.answer_headers = {"Content-Type": "text/html; charset=utf-8"}
    assert honesty.violations([page, entry("GET", "/me/proj.git/info/refs", status=200)]) == []


def test_a_spoilt_answer_is_not_judged_and_its_request_is() -> None:
    call = entry("GET", "/repos/me/proj/labels", status=502, answer="<html>", fault="error")
    assert honesty.violations([call]) == []
    call.query = "pages=2"
    (found,) = honesty.violations([call])
    assert "there is no parameter 'pages'" in found


def test_a_mistake_of_the_fake_is_a_difference(tmp_path: Path) -> None:
    call = entry("GET", "/repos/me/proj", status=500, answer={"message": "The fake server failed: x"})
    assert honesty.violations([call]) == ["GET /repos/me/proj: The fake server failed: x"]


def ask(api: str, token: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{api.removesuffix('/v3')}/graphql",
        json.dumps({"query": query}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.unpublished
def test_calls_of_servers_in_this_process_are_seen(tmp_path: Path, fake_calls: honesty.Recorder) -> None:
    with GitHub(tmp_path) as github:
        token = github.world.add_token("me")
        ask(github.api, token.secret, "{ viewer { nothing } }")
    (call,) = fake_calls.take()
    assert honesty.violations([call]) == [
        "POST /graphql: Field 'nothing' doesn't exist on type 'User': { viewer { nothing } }"
    ]


def test_without_the_schema_graphql_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_calls: honesty.Recorder
) -> None:
    def missing(call: object) -> None:
        raise published.Unavailable("it is not here; `make published` gets it")

    monkeypatch.setattr("tests.fakes.github.graphql_execute.execute", missing)
    with GitHub(tmp_path) as github:
        token = github.world.add_token("me")
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(github.api, token.secret, "{ viewer { login } }")
        assert caught.value.code == 503
        assert "make published" in caught.value.read().decode()
    fake_calls.take()
