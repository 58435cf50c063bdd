"""From ten labels on GitHub to ten pull requests, by pods of a real cluster, three at a time."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop
from tests.fakes.github.server import GitHub
from tests.fakes.github_shop import labels_of
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(300)]

ISSUES, SLOTS = 10, 3


class PodCount:
    """How many pods there were at once, seen by a watch of its own."""

    def __init__(self, namespace: Namespace) -> None:
        self.most = 0
        self.names: set[str] = set()
        command = ["kubectl", f"--kubeconfig={namespace.kubeconfig}", f"--namespace={namespace.name}"]
        command += ["get", "pods", "--watch", "--output-watch-events", "-o", "json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        assert self._process.stdout is not None
        alive: set[str] = set()
        text = ""
        decoder = json.JSONDecoder()
        for line in self._process.stdout:
            text += line.decode()
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                continue  # the object goes on in the next line
            text = text[end:].lstrip()
            name = event["object"]["metadata"]["name"]
            over = event["type"] == "DELETED" or event["object"]["status"]["phase"] in ("Succeeded", "Failed")
            (alive.discard if over else alive.add)(name)
            self.names.add(name)
            self.most = max(self.most, len(alive))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    made = PodShop(tmp_path / "shop", github, namespace, image, slots=SLOTS, test="ls notes")
    yield made
    made.close()


def test_ten_issues_become_ten_pull_requests_three_pods_at_a_time(shop: PodShop, github: GitHub) -> None:
    numbers = [shop.ready(f"Task {number}") for number in range(ISSUES)]
    count = PodCount(shop.namespace)
    try:
        shop.hive("dispatcher", "start")
        shop.wait("ten pull requests", lambda: len(shop.pulls()) == ISSUES, 200)
        # Runs end a moment after their pull request could be opened.
        until(lambda: {run["phase"] for run in shop.runs()} == {"succeeded"}, seconds=60)
    finally:
        count.close()
    assert count.most <= SLOTS
    assert len(count.names) == ISSUES
    assert set(shop.pulls()) == {f"hive/issue-{number}-a1" for number in numbers}
    runs = shop.runs()
    assert [(run["issue"], run["attempt"]) for run in runs] == [(number, 1) for number in numbers]
    for number in numbers:
        note = f"notes/hive-issue-{number}-a1.md"
        assert shop.show(f"hive/issue-{number}-a1", note) == f"hive/issue-{number}-a1\n"
        shop.wait(
            "its label", lambda number=number: "status:in-review" in labels_of(github, shop.repo, number)
        )  # type: ignore[misc]
    shop.assert_nothing_doubled()
    assert_kubectl_says_the_same(shop)
    assert_every_log_is_whole(shop, numbers)
    assert shop.snapshot()["fleet"]["slots"]["used"] == 0


def assert_kubectl_says_the_same(shop: PodShop) -> None:
    """`kubectl get agentruns` beside `hive ls`: the same runs in the same phases."""
    table = shop.namespace("get", "agentruns").splitlines()
    print("\n".join(table))
    listed = shop.hive("ls", "--all") if "--all" in shop.hive("ls", "--help") else shop.hive("ls")
    print(listed)
    for run in shop.runs():
        (line,) = [line for line in table if line.split()[0] == run["id"]]
        assert run["phase"] in line.lower()


def assert_every_log_is_whole(shop: PodShop, numbers: list[int]) -> None:
    """The log of an ended pod has everything, with numbers that leave nothing out."""
    for number in numbers:
        lines = [json.loads(line) for line in shop.hive("logs", str(number), "-o", "json").splitlines()]
        seqs = [line["seq"] for line in lines]
        assert seqs == list(range(1, len(seqs) + 1))
        assert any("Leave a note" in json.dumps(line) for line in lines)
        assert "succeeded" in json.dumps(lines[-1])
