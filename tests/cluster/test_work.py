"""From ten labels on GitHub to ten pull requests, by pods of a real cluster, three at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.pod_watch import PodWatch
from tests.cluster.shop import PodShop
from tests.fakes.github.server import GitHub
from tests.fakes.github_shop import labels_of
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

ISSUES, SLOTS = 10, 3


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    made = PodShop(tmp_path / "shop", github, namespace, image, slots=SLOTS, test="ls notes")
    yield made
    made.close()


def test_ten_issues_become_ten_pull_requests_three_pods_at_a_time(shop: PodShop, github: GitHub) -> None:
    numbers = [shop.ready(f"Task {number}") for number in range(ISSUES)]
    with PodWatch(shop.namespace) as seen:
        shop.start()
        shop.wait("ten pull requests", lambda: len(shop.pulls()) == ISSUES, 200)
        # Runs end a moment after their pull request could be opened.
        until(lambda: {run["phase"] for run in shop.runs()} == {"succeeded"}, seconds=60)
    assert seen.most <= SLOTS
    assert len(seen.pods) == ISSUES
    assert all(len(names) == 1 for names in seen.pods.values())
    assert set(shop.pulls()) == {f"hive/issue-{number}-a1" for number in numbers}
    runs = shop.runs()
    assert [(run["issue"], run["attempt"]) for run in runs] == [(number, 1) for number in numbers]
    for number in numbers:
        note = f"notes/hive-issue-{number}-a1.md"
        assert shop.show(f"hive/issue-{number}-a1", note) == f"hive/issue-{number}-a1\n"
        shop.wait("its label", partial(in_review, shop, number))
    shop.assert_nothing_doubled()
    assert_kubectl_says_the_same(shop)
    assert_every_log_is_whole(shop, numbers)
    assert shop.snapshot()["fleet"]["slots"]["used"] == 0


def in_review(shop: PodShop, number: int) -> bool:
    return "status:in-review" in labels_of(shop.github, shop.repo, number)


def assert_kubectl_says_the_same(shop: PodShop) -> None:
    """`kubectl get agentruns` beside `hive ls`: the same runs in the same phases."""
    table = shop.namespace("get", "agentruns").splitlines()
    print("\n".join(table))
    print(shop.hive("ls"))
    for run in shop.runs():
        (line,) = [line for line in table if line.split()[0] == run["id"]]
        assert run["phase"] in line.lower()


def assert_every_log_is_whole(shop: PodShop, numbers: list[int]) -> None:
    """The log of an ended pod has everything, with numbers that leave nothing out."""
    for number in numbers:
        lines = [json.loads(line) for line in shop.hive("logs", str(number), "-o", "json").splitlines()]
        numbered = [line["n"] for line in lines]
        assert numbered == list(range(1, len(numbered) + 1))
        assert any("Leave a note" in json.dumps(line) for line in lines)
        assert "succeeded" in json.dumps(lines[-1])
