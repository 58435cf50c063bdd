"""Two fleets in two data folders over one repository on a GitHub that fails at random: every issue is worked
on once, by one of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.github_shop import GitHubShop, ready

ISSUES = 30
SECONDS = 500.0
SEEDS = [int(seed) for seed in os.environ.get("HIVE_SEEDS", "1").split(",")]
"""More of them by hand: `HIVE_SEEDS=2,3,5 pytest tests/e2e/test_github_fleets.py`."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.unpublished]


@pytest.fixture(params=SEEDS)
def github(request: pytest.FixtureRequest, tmp_path: Path, published_schema: None) -> Iterator[GitHub]:
    with GitHub(tmp_path / "github", seed=request.param) as github:
        github.world.add_user("kay")
        yield github
    assert github.crashes == []


@pytest.fixture
def repository(github: GitHub) -> Repository:
    made = github.world.add_repository("kay/shop", files={"README.md": "A shop.\n"})
    for number in range(ISSUES):
        ready(github, made, f"Task {number}")
    return made


@pytest.fixture
def fleets(github: GitHub, repository: Repository, tmp_path: Path) -> Iterator[list[GitHubShop]]:
    secrets = [github.world.add_token("kay").secret for _ in range(2)]
    made = [GitHubShop(tmp_path / f"fleet-{n}", github, secret, slots=4) for n, secret in enumerate(secrets)]
    note = "mkdir -p notes && git branch --show-current > notes/$(git branch --show-current | tr / -).md"
    for fleet in made:
        fleet.scenario("default", [{"run": note}, {"commit": "Leave a note"}])
    yield made
    github.faults.clear()
    for fleet in made:
        fleet.close()


def fail_at_random(github: GitHub) -> None:
    for kind, chance, more in (
        ("lost", 0.02, {}),
        ("reset", 0.03, {}),
        ("truncate", 0.02, {}),
        ("error", 0.03, {"status": 502}),
        ("secondary", 0.01, {"status": 429, "retry_after": 1}),
    ):
        github.faults.add(Fault(kind, path="/repos/*", times=None, chance=chance, **more))  # type: ignore[arg-type]
        github.faults.add(Fault(kind, path="/graphql", times=None, chance=chance, **more))  # type: ignore[arg-type]


def test_every_issue_is_worked_on_once(
    github: GitHub, repository: Repository, fleets: list[GitHubShop]
) -> None:
    fail_at_random(github)
    for fleet in fleets:
        fleet.hive("dispatcher", "start")

    def done() -> bool:
        with github.world.lock:
            return sum(pull.open for pull in repository.pulls.values()) >= ISSUES

    fleets[0].wait("a pull request for every issue", done, SECONDS)
    github.faults.clear()

    def settled() -> bool:
        with github.world.lock:
            label = repository.label("status:in-review")
            labelled = [issue for issue in repository.issues.values() if label and label.id in issue.labels]
            return len(labelled) == ISSUES

    fleets[0].wait("the labels of every issue", settled, 60)
    # `top --once` ends with 1 until the poll after the last fault has got through.
    for fleet in fleets:
        fleet.wait("the tracker's answer", lambda fleet=fleet: fleet.call("top", "--once").returncode == 0)  # type: ignore[misc]
    found = [run for fleet in fleets for run in fleet.runs()]
    print(f"{len(found)} runs, {Counter(run['phase'] for run in found)}, {Counter(map(attempt_of, found))}")
    with github.world.lock:
        branches = Counter(pull.head for pull in repository.pulls.values())
        comments = {number: len(issue.comments) for number, issue in repository.issues.items()}
    assert len(branches) == ISSUES
    assert max(branches.values()) == 1
    assert {comments[number] for number in range(1, ISSUES + 1)} == {1}
    assert Counter(run["issue"] for run in found if run["phase"] == "succeeded") == Counter(
        range(1, ISSUES + 1)
    )
    assert both_took_part(fleets)
    assert_never_two_at_once(found)


def attempt_of(run: dict[str, Any]) -> int:
    number: int = run["attempt"]
    return number


def both_took_part(fleets: list[GitHubShop]) -> bool:
    return all(fleet.runs() for fleet in fleets)


def assert_never_two_at_once(runs: list[dict[str, Any]]) -> None:
    for issue in {run["issue"] for run in runs}:
        of_issue = sorted((run for run in runs if run["issue"] == issue), key=attempt_of)
        assert len({run["attempt"] for run in of_issue}) == len(of_issue), (
            "an attempt's number was used twice"
        )
        for before, after in pairwise(of_issue):
            assert moment(before["since"]) <= moment(after["since"])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
