"""Limits and injected faults of the GitHub for tests, as a client meets them."""

from __future__ import annotations

import email.utils
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fakes.github import published
from tests.fakes.github.faults import KINDS, Fault
from tests.fakes.github.hooks import GraphError
from tests.fakes.github.limits import Limits, PrimaryLimit, Rules, SecondaryLimit
from tests.fakes.github.rest import ENDPOINTS
from tests.fakes.github.seeding import seed
from tests.fakes.github.server import GitHub

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REPO = "/repos/octo/repo-1"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Site:
    """A server and a connection of its owner that is kept alive."""

    def __init__(self, github: GitHub) -> None:
        self.github = github
        self.session = requests.Session()
        self.session.trust_env = False
        token = github.world.add_token("octo")
        self.session.headers["Authorization"] = f"Bearer {token.secret}"

    def ask(
        self, method: str = "GET", path: str = REPO, body: dict[str, Any] | None = None, **headers: str
    ) -> requests.Response:
        url = self.github.api.removesuffix("/v3") if path == "/graphql" else self.github.api
        return self.session.request(method, url + path, json=body, timeout=10, allow_redirects=False)

    def fault(self, kind: str, **more: Any) -> Fault:
        return self.github.faults.add(Fault(kind, **more))


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    with GitHub(tmp_path, clock=clock) as github:
        seed(github.world, repos=1, issues=2)
        site = Site(github)
        with site.session:
            yield site
        assert github.crashes == []


# Limits


def test_an_hour_ends_an_hour_after_its_first_call(clock: Clock) -> None:
    limits = Limits(clock, Rules(core=2))
    limits.spend("me", "core", 1)
    clock.forward(minutes=59)
    assert limits.spend("me", "core", 1).reset_at == START + timedelta(hours=1)
    with pytest.raises(PrimaryLimit):
        limits.spend("me", "core", 1)
    assert limits.look("me", "graphql").remaining == 5000
    assert limits.look("you", "core").remaining == 2
    clock.forward(minutes=1)
    assert limits.spend("me", "core", 1).remaining == 1


def test_bursts_of_points_and_of_content_are_refused_until_they_are_old(clock: Clock) -> None:
    limits = Limits(clock, Rules(core_points_minute=10, content_minute=2))
    limits.burst("me", "core", 5, content=True)
    clock.forward(seconds=20)
    limits.burst("me", "core", 5, content=False)
    with pytest.raises(SecondaryLimit) as refused:
        limits.burst("me", "core", 1, content=False)
    assert refused.value.retry_after == 40
    clock.forward(seconds=40)
    limits.burst("me", "core", 1, content=True)
    limits.burst("me", "core", 1, content=True)
    with pytest.raises(SecondaryLimit):
        limits.burst("me", "core", 1, content=True)


def test_too_many_calls_at_once_are_refused(clock: Clock) -> None:
    limits = Limits(clock, Rules(concurrent=1))
    limits.running = 2
    with pytest.raises(SecondaryLimit):
        limits.burst("me", "core", 1, content=False)


def test_what_counts_as_creating_content_is_what_triggers_notifications() -> None:
    try:
        described = json.loads(published.read(published.REST))["paths"]
    except published.Unavailable as error:
        pytest.skip(str(error))
    notifying = {
        (method.upper(), path.replace("issue_number", "number").replace("pull_number", "number"))
        for path, methods in described.items()
        for method, operation in methods.items()
        if operation.get("x-github", {}).get("triggersNotification")
    }
    for endpoint in ENDPOINTS:
        named = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", endpoint.pattern.pattern).replace("\\", "")
        assert (endpoint.method, named, endpoint.content) == (
            endpoint.method,
            named,
            (endpoint.method, named) in notifying,
        )


def test_the_primary_limit_is_said_in_status_headers_and_words(site: Site, clock: Clock) -> None:
    site.github.limits.rules.core = 2
    assert [site.ask().headers["X-RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    refused = site.ask()
    assert (refused.status_code, refused.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert refused.json()["message"].startswith("API rate limit exceeded for user ID")
    assert int(refused.headers["X-RateLimit-Reset"]) == int((START + timedelta(hours=1)).timestamp())
    assert site.ask(path="/rate_limit").json()["resources"]["core"]["remaining"] == 0
    assert site.ask("POST", "/graphql", {"query": "{ viewer { login } }"}).status_code == 200
    clock.forward(hours=1)
    assert site.ask().status_code == 200


def test_many_writes_in_a_minute_meet_the_secondary_limit(site: Site, clock: Clock) -> None:
    site.github.limits.rules.content_minute = 1
    comments = f"{REPO}/issues/1/comments"
    assert site.ask("POST", comments, {"body": "one"}).status_code == 201
    refused = site.ask("POST", comments, {"body": "two"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (403, "60")
    assert "secondary rate limit" in refused.json()["message"]
    clock.forward(minutes=1)
    assert site.ask("POST", comments, {"body": "two"}).status_code == 201


# Faults


def test_faults_that_answer_in_githubs_stead(site: Site) -> None:
    wanted: dict[str, tuple[Fault, int]] = {
        "secondary": (Fault("secondary", status=429, retry_after=7), 429),
        "error": (Fault("error", status=503), 503),
        "moved": (Fault("moved", location=f"{site.github.api}/repositories/1"), 301),
        "archived": (Fault("archived"), 403),
        "disabled": (Fault("disabled"), 403),
        "unauthorized": (Fault("unauthorized"), 401),
        "forbidden": (Fault("forbidden", permission="contents=write"), 403),
        "missing": (Fault("missing"), 404),
        "sso": (Fault("sso"), 403),
        "html": (Fault("html"), 200),
    }
    for kind, (fault, status) in wanted.items():
        site.github.faults.add(fault)
        answer = site.ask()
        assert (kind, answer.status_code) == (kind, status)
        assert site.github.audit.entries[-1].fault == kind
    assert site.ask().status_code == 200


def test_the_primary_limit_as_a_fault_lasts_until_its_reset(site: Site, clock: Clock) -> None:
    site.fault("primary", seconds=90)
    assert site.ask().status_code == 403
    assert site.ask().status_code == 403
    clock.forward(seconds=90)
    assert site.ask().status_code == 200
    site.fault("primary", path="/graphql")
    answer = site.ask("POST", "/graphql", {"query": "{ viewer { login } }"})
    assert (answer.status_code, answer.json()["errors"][0]["type"]) == (200, "RATE_LIMITED")


def test_connections_that_break(site: Site) -> None:
    for kind in ("reset", "lost", "truncate"):
        site.fault(kind)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            site.ask()
    site.fault("lost", method="POST")
    with pytest.raises(requests.ConnectionError):
        site.ask("POST", f"{REPO}/issues/1/comments", {"body": "Did it arrive?"})
    assert [x["body"] for x in site.ask(path=f"{REPO}/issues/1/comments").json()] == ["Did it arrive?"]
    assert [entry.status for entry in site.github.audit.calls("POST")] == [0]


def test_a_hanging_call_ends_when_faults_are_cleared(site: Site) -> None:
    fault = site.fault("hang")
    failed: list[Exception] = []

    def call() -> None:
        try:
            site.ask()
        except requests.ConnectionError as error:
            failed.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not fault.hits:
        thread.join(0.01)
    site.github.faults.clear()
    thread.join()
    assert len(failed) == 1


def test_a_skewed_clock_shows_in_the_date(site: Site) -> None:
    site.fault("skew", seconds=-600)
    said = email.utils.parsedate_to_datetime(site.ask().headers["Date"])
    assert said == START - timedelta(seconds=600)
    assert email.utils.parsedate_to_datetime(site.ask().headers["Date"]) == START


def test_a_fault_hits_only_what_it_names(site: Site) -> None:
    site.fault("error", path="/repos/*/issues*", method="PATCH", skip=1, times=2)
    edit = (f"{REPO}/issues/1", {"title": "x"})
    assert [site.ask("PATCH", *edit).status_code for _ in range(4)] == [200, 502, 502, 200]
    site.fault("graphql", containing="repo-1", errors=(GraphError(("r",), "NOT_FOUND", "Gone"),))
    assert "errors" not in site.ask("POST", "/graphql", {"query": "{ viewer { login } }"}).json()
    query = '{ r: repository(owner: "octo", name: "repo-1") { name } viewer { login } }'
    answer = site.ask("POST", "/graphql", {"query": query}).json()
    assert (answer["data"]["r"], answer["errors"][0]["type"]) == (None, "NOT_FOUND")
    with pytest.raises(ValueError, match="no fault 'nonsense'"):
        Fault("nonsense")
    assert set(KINDS) >= {"hang", "lost", "graphql"}


def test_everything_can_be_told_over_http(site: Site) -> None:
    control = f"{site.github.site}/_fake"
    told: dict[str, Any] = {"kind": "error", "status": 500, "path": "*", "times": 1}
    assert requests.post(f"{control}/faults", json=told, timeout=10).status_code == 201
    assert site.ask().status_code == 500
    assert requests.get(f"{control}/faults", timeout=10).json()[0]["hits"] == 1
    requests.delete(f"{control}/faults", timeout=10)
    renamed: dict[str, Any] = {"repo": "octo/repo-1", "rename": "octo/other", "archived": True}
    assert requests.patch(f"{control}/repository", json=renamed, timeout=10).status_code == 204
    assert site.ask().status_code == 301
    assert site.ask(path="/repos/octo/other").json()["archived"] is True
    settings = {"rules": {"core": 1}}
    assert requests.patch(f"{control}/settings", json=settings, timeout=10).status_code == 204
    assert site.ask(path="/user").status_code == 403
    calls = requests.get(f"{control}/audit", timeout=10).json()
    assert [call["status"] for call in calls] == [500, 301, 200, 403]
    assert "authorization" not in json.dumps(calls).lower()
    assert requests.post(f"{control}/faults", json={"kind": "?"}, timeout=10).status_code == 422
