"""However a run is ended from outside: its work is on the tracker, there is no second pod, and what comes
next is what should."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.pod_watch import PodWatch
from tests.cluster.shop import PodShop, Steps, scenario
from tests.fakes.github.server import GitHub

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

UNFINISHED: Steps = (
    {"write": {"path": "kept.txt", "text": "finished part\n"}},
    {"commit": "Finish a part"},
    {"write": {"path": "open.txt", "text": "unfinished part\n"}},
    {"say": "Half of it is there."},
    {"stall": 200.0},
)
SLOW_TEST: Steps = ({"write": {"path": "slow", "text": "yes\n"}}, {"commit": "Make the tests slow"})
KILLED, DELETED, DELETED_IN_TEST, FORCED, JOB_DELETED, DELETED_AT_START = range(1, 7)
"""The issues, by what becomes of their first run."""


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    first = dict.fromkeys((KILLED, DELETED, FORCED, JOB_DELETED), UNFINISHED)
    first |= {DELETED_IN_TEST: SLOW_TEST}
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        slots=len(first) + 1,
        test="test ! -e slow || sleep 200",
        scenarios={f"issue-{issue}-a1": scenario(steps) for issue, steps in first.items()},
    )
    yield made
    made.close()


def delete_pod(shop: PodShop, issue: int, *how: str) -> None:
    run = shop.run(issue)
    assert run is not None
    name = shop.wait("its pod", lambda: shop.pod_of(run["id"]))
    shop.namespace("delete", "pod", name, "--wait=false", *how)


def test_whatever_ends_a_run_its_work_is_kept_and_nothing_doubles(shop: PodShop) -> None:
    for issue in range(1, DELETED_AT_START + 1):
        assert shop.ready(f"Task {issue}") == issue
    with PodWatch(shop.namespace) as seen:
        shop.start()
        run = shop.wait("the last run", lambda: shop.run(DELETED_AT_START))
        shop.wait("its pod", lambda: shop.pod_of(run["id"]))
        delete_pod(shop, DELETED_AT_START)
        for issue in (KILLED, DELETED, FORCED, JOB_DELETED):
            shop.hears(issue, "Half of it is there.")
        shop.hears(DELETED_IN_TEST, "testing:")
        assert_a_kill_is_quick(shop, run_of(shop, KILLED))
        delete_pod(shop, DELETED)
        delete_pod(shop, DELETED_IN_TEST)
        delete_pod(shop, FORCED, "--grace-period=0", "--force")
        shop.namespace("delete", "job", run_of(shop, JOB_DELETED)["id"], "--wait=false")
        for issue in range(DELETED, DELETED_AT_START):
            shop.reached(issue, "succeeded", attempt=2)
        # A pod that was deleted before it was the run takes no attempt with it, one that was does.
        shop.wait("the end of the last", lambda: succeeded(shop, DELETED_AT_START))
    for issue in (KILLED, DELETED, JOB_DELETED):
        assert shop.show(f"hive/wip/issue-{issue}-a1", "kept.txt") == "finished part\n", issue
        assert shop.show(f"hive/wip/issue-{issue}-a1", "open.txt") == "unfinished part\n", issue
    assert shop.show(f"hive/wip/issue-{DELETED_IN_TEST}-a1", "slow") == "yes\n"
    for issue in range(DELETED, DELETED_AT_START):
        first = run_of(shop, issue)
        assert first["phase"] in ("lost", "killed", "failed"), first
        assert first["why"], first
        print(f"#{issue}: {first['phase']}: {first['why']} ({first['evidence']})")
    assert len(seen.pods.pop(run["id"])) <= 2
    assert all(len(names) == 1 for names in seen.pods.values()), seen.pods
    shop.wait("its pull requests", lambda: len(shop.pulls()) == DELETED_AT_START - 1)
    again = {f"hive/issue-{issue}-a2" for issue in range(DELETED, DELETED_AT_START)}
    assert set(shop.pulls()) == again | {succeeded(shop, DELETED_AT_START)}
    assert shop.run(KILLED, 2) is None
    shop.assert_nothing_doubled()


def succeeded(shop: PodShop, issue: int) -> str | None:
    """The branch of the attempt that did."""
    done = [run for run in shop.runs() if run["issue"] == issue and run["phase"] == "succeeded"]
    return done[0]["branch"] if done else None


def run_of(shop: PodShop, issue: int) -> Any:
    run = shop.run(issue)
    assert run is not None
    return run


def assert_a_kill_is_quick(shop: PodShop, run: Any) -> None:
    pod = shop.pod_of(run["id"])
    assert pod is not None
    begin = time.monotonic()
    shop.hive("kill", str(KILLED), "--yes")
    shop.wait("its pod's end", lambda: ended(shop, pod), 30)
    seconds = time.monotonic() - begin
    print(f"kill to stopped: {seconds:.1f} s")
    killed = shop.reached(KILLED, "killed", seconds=10)
    assert "kay" in killed["why"]
    assert killed["wip"]
    # On a machine with nothing else to do; a busy one takes as much longer as it is busy.
    assert seconds <= 10 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def ended(shop: PodShop, pod: str) -> bool:
    found = shop.namespace.find("pod", pod)
    if found is None:
        return True
    states = found["status"].get("containerStatuses", ())
    return any(each["name"] == "runner" and "terminated" in each["state"] for each in states)
