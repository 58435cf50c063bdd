"""Ten issues, a dispatcher killed ten times, an API server cut off twice: ten pull requests, none doubled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Faults
from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop, scenario
from tests.fakes.github.server import GitHub
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive, pytest.mark.e2e, pytest.mark.timeout(600)]

ISSUES, KILLS, SLOTS = 10, 10, 3
CUTS = (3, 7)
"""At which kills the API server is cut off too: before one of them, after the other."""


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    slow = ({"pause": 3.0}, {"write": {"path": "done.txt", "text": "yes\n"}}, {"commit": "Be done"})
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        slots=SLOTS,
        scenarios={f"issue-{number}": scenario(slow) for number in range(1, ISSUES + 1)},
    )
    yield made
    made.close()


def marks(shop: PodShop) -> set[str]:
    """What a dispatcher has done so far, as far as the cluster knows: claims, runs, Jobs, settled ends."""
    found = shop.namespace.items("leases,agentruns,jobs")
    names = {f"{each['kind']}/{each['metadata']['name']}" for each in found}
    settled = {
        f"settled/{each['metadata']['name']}" for each in found if each.get("status", {}).get("settled")
    }
    return names | settled | {f"pull/{head}" for head in shop.pulls()}


def test_ten_issues_however_often_the_dispatcher_is_killed(shop: PodShop, faults: Faults) -> None:
    for number in range(1, ISSUES + 1):
        assert shop.ready(f"Task {number}") == number
    begin = time.monotonic()
    for kill in range(1, KILLS + 1):
        before = marks(shop)
        shop.start()
        pid = shop.pid_of_dispatcher()
        until(lambda before=before: marks(shop) - before, seconds=60, what="something done")  # type: ignore[misc]
        with faults.cut_off() if kill in CUTS else contextlib.nullcontext():
            if kill == CUTS[0]:
                time.sleep(15)  # how long it is cut off is the test
            os.kill(pid, signal.SIGKILL)
            if kill == CUTS[1]:
                time.sleep(15)
    shop.start()
    shop.wait("ten pull requests", lambda: len(shop.pulls()) == ISSUES, 240)
    shop.wait("the end of all", lambda: all_settled(shop), 90)
    print(f"{ISSUES} issues, {KILLS} kills, {len(CUTS)} cuts: {time.monotonic() - begin:.0f} s")
    runs = shop.runs()
    print([(run["issue"], run["attempt"], run["phase"]) for run in runs])
    assert sorted(run["issue"] for run in runs if run["phase"] == "succeeded") == list(range(1, ISSUES + 1))
    assert {run["phase"] for run in runs} == {"succeeded"}, "a dispatcher's death fails no run"
    assert len(shop.agent_runs()) == len(shop.jobs()) == len(shop.pods()) == ISSUES
    with shop.github.world.lock:
        branches = shop.repo.git.refs("refs/heads/hive/issue-")
    assert len(branches) == ISSUES
    shop.assert_nothing_doubled()
    assert shop.snapshot()["fleet"]["slots"]["used"] == 0


def all_settled(shop: PodShop) -> bool:
    return all(run["status"].get("settled") for run in shop.agent_runs())
