"""Calls are held against GitHub's published description of REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.github import published
from tests.fakes.github.openapi import Description, Exchange, description

LABEL = {
    "id": 1,
    "node_id": "LA_1",
    "url": "http://fake/api/v3/repos/me/proj/labels/bug",
    "name": "bug",
    "description": None,
    "color": "ededed",
    "default": False,
}


@pytest.fixture
def github() -> Description:
    try:
        return description()
    except published.Unavailable as error:
        pytest.skip(str(error))


def test_a_call_that_fits_is_silent(github: Description) -> None:
    one = Exchange("GET", "/repos/me/proj/labels", "per_page=100&page=2", answer=[LABEL])
    two = Exchange("POST", "/repos/me/proj/labels", body={"name": "bug"}, status=201, answer=LABEL)
    three = Exchange("DELETE", "/repos/me/proj/labels/bug", status=204)
    assert [x for call in (one, two, three) for x in github.violations(call)] == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("GET", "/repos/me/proj/tags/v1"), "there is no such operation"),
        (("PUT", "/repos/me/proj"), "there is no such operation"),
        (("GET", "/repos/me/proj/issues/x"), 'parameter \'issue_number\': it: "x" is not of type "integer"'),
        (("GET", "/repos/me/proj/issues", "page=one"), "parameter 'page'"),
        (("GET", "/repos/me/proj/issues", "milestones=1"), "there is no parameter 'milestones'"),
        (("GET", "/repos/me/proj/issues", "state=ready"), "parameter 'state'"),
        (("GET", "/search/issues"), "parameter 'q' is missing"),
        (("POST", "/repos/me/proj/issues", "", {}), '"title" is a required property'),
        (
            ("POST", "/repos/me/proj/issues", "", {"title": "A", "labl": []}),
            "GitHub has no field 'labl' there",
        ),
        (("POST", "/repos/me/proj/issues", "", {"title": "A", "labels": "b"}), "request: .labels:"),
        (("DELETE", "/repos/me/proj/labels/bug", "", {"sure": True}), "it has a body"),
    ],
)
def test_a_request_that_does_not_fit_is_named(github: Description, call: Any, said: str) -> None:
    method, path, query, body = (*call, "", None)[:4] if len(call) < 4 else call
    exchange = Exchange(method, path, query, body, judge_answer=False)
    assert said in "\n".join(github.violations(exchange))


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, {**LABEL, "color": None}, ".color: null is not"),
        (200, {"name": "bug"}, '"id" is a required property'),
        (200, {**LABEL, "colour": "red"}, "GitHub has no field 'colour' there"),
        (200, {**LABEL, "url": "labels/bug"}, 'is not a "uri"'),
        (200, None, 'null is not of type "object"'),
        (202, LABEL, "the operation has no such answer"),
        (403, {"message": 7}, ".message: 7 is not of type"),
    ],
)
def test_an_answer_that_does_not_fit_is_named(
    github: Description, status: int, answer: Any, said: str
) -> None:
    exchange = Exchange("GET", "/repos/me/proj/labels/bug", status=status, answer=answer)
    assert said in "\n".join(github.violations(exchange))


def test_trouble_of_any_call_is_answered_as_everywhere(github: Description) -> None:
    for status in (401, 403, 429, 500, 502):
        exchange = Exchange("GET", "/repos/me/proj/labels", status=status, answer={"message": "No"})
        assert list(github.violations(exchange)) == []
    for path in ("/repos/me/proj/labels", "/repos/me/proj/issues/1"):
        assert list(github.violations(Exchange("GET", path, status=304))) == []
    gone = Exchange(
        "DELETE", "/repos/me/proj/git/refs/a", status=422, answer={"message": "No such reference"}
    )
    assert list(github.violations(gone)) == []


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/repos/me/proj/git/ref/heads/a/b", "GET /repos/{owner}/{repo}/git/ref/{ref}"),
        (
            "PATCH",
            "/repos/me/proj/git/refs/hive/claims/issue-1",
            "PATCH /repos/{owner}/{repo}/git/refs/{ref}",
        ),
        ("GET", "/repos/me/proj/commits/a/b/status", "GET /repos/{owner}/{repo}/commits/{ref}/status"),
        ("GET", "/repos/me/proj/issues/comments", "GET /repos/{owner}/{repo}/issues/comments"),
        ("GET", "/repos/me/proj/issues/7", "GET /repos/{owner}/{repo}/issues/{issue_number}"),
        ("GET", "/repos/me/proj/contents/.github/a.md", "GET /repos/{owner}/{repo}/contents/{path}"),
    ],
)
def test_calls_are_told_apart_by_their_paths(github: Description, method: str, path: str, found: str) -> None:
    assert str(github.find(method, path)) == found
