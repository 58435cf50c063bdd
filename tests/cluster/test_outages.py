"""The cluster goes away for a while: it is said, nothing is lost or doubled, runs go on to their ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.conftest import Faults, apply_crds
from tests.cluster.kube import Kube, Namespace
from tests.cluster.onlooker import Onlooker, context
from tests.cluster.shop import PodShop, Steps, scenario
from tests.fakes.github.server import GitHub

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive, pytest.mark.e2e, pytest.mark.timeout(600)]

CUT = 60.0
"""Seconds without an API server."""


def ticking(seconds: int) -> Steps:
    """Work that says something every second, so that a gap in its log would be seen."""
    ticks = [step for number in range(seconds) for step in ({"say": f"tick {number}"}, {"pause": 1.0})]
    return (*ticks, {"write": {"path": "done.txt", "text": "yes\n"}}, {"commit": "Be done"})


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        scenarios={"issue-1": scenario(ticking(40)), "issue-2": scenario(ticking(100))},
    )
    yield made
    made.close()


def fleet_of(shop: PodShop) -> KubernetesSettings:
    return KubernetesSettings(kubeconfig=str(shop.namespace.kubeconfig), namespace=shop.namespace.name)


def assert_whole(shop: PodShop, issue: int, ticks: int) -> None:
    """The run's only attempt succeeded, and its log has every line once."""
    run = shop.run(issue)
    assert run is not None
    assert run["phase"] == "succeeded", run
    assert shop.run(issue, 2) is None
    lines = [json.loads(line) for line in shop.hive("logs", str(issue), "-o", "json").splitlines()]
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    said = json.dumps(lines)
    assert [number for number in range(ticks) if f'"tick {number}"' not in said] == []
    assert shop.show(f"hive/issue-{issue}-a1", "done.txt") == "yes\n"


def test_an_api_server_that_is_cut_off_for_a_minute(shop: PodShop, faults: Faults, tmp_path: Path) -> None:
    """One run ends while nobody can hear it, another one outlasts it, a third becomes ready meanwhile."""
    for issue in (1, 2):
        assert shop.ready(f"Task {issue}") == issue
    shop.start()
    with Onlooker(context(tmp_path / "onlooker", fleet_of(shop))) as onlooker:
        onlooker.fresh()
        for issue in (1, 2):
            shop.hears(issue, "tick 2")
        with faults.cut_off():
            begin = time.monotonic()
            shop.ready("Task 3")
            onlooker.sees("that nobody answers", lambda snapshot: not snapshot.readable, seconds=CUT)
            said_after = time.monotonic() - begin
            assert {run.spec.issue for run in onlooker.snapshot.runs.values()} >= {1, 2}, (
                "what was known stays"
            )
            # A busy machine may need longer than it usually waits until it knows why.
            done = shop.call("top", "--once", "--timeout", "60")
            assert done.returncode != 0
            assert "cannot be reached: nothing answers" in done.stdout + done.stderr
            print(f"said after {said_after:.0f} s: {onlooker.failures[-1:]}\n{done.stdout[:600]}")
            time.sleep(max(0.0, CUT - (time.monotonic() - begin)))  # the length of the outage is the test
        begin = time.monotonic()
        onlooker.fresh(seconds=60)
        print(f"fresh again {time.monotonic() - begin:.0f} s after it was healed")
    for issue in (1, 2, 3):
        shop.reached(issue, "succeeded", seconds=120)
    assert_whole(shop, 1, 40)
    assert_whole(shop, 2, 100)
    shop.wait("its pull requests", lambda: len(shop.pulls()) == 3)
    shop.assert_nothing_doubled()
    assert shop.snapshot()["fleet"]["dispatcher"]["state"] == "running"


def test_parts_of_the_cluster_that_are_killed(shop: PodShop, faults: Faults, kube: Kube) -> None:
    for issue in (1, 2):
        assert shop.ready(f"Task {issue}") == issue
    shop.start()
    for part, tick in (("apiserver", 1), ("kubelet", 12), ("containerd", 22)):
        shop.hears(2, f"tick {tick}", seconds=90)
        faults.crash(part)
        kube("get", "--raw", "/readyz")
    for issue in (1, 2):
        shop.reached(issue, "succeeded", seconds=150)
    assert_whole(shop, 1, 40)
    assert_whole(shop, 2, 100)
    shop.wait("its pull requests", lambda: len(shop.pulls()) == 2)
    shop.assert_nothing_doubled()


@pytest.fixture
def crd(crds: Kube) -> Iterator[Kube]:
    yield crds
    apply_crds(crds)


def serve(kube: Kube, **served: bool) -> None:
    """Which versions of hive's own kinds the API server serves. What is stored stays."""
    for kind in ("agentruns.hive.dev", "fleets.hive.dev"):
        found = kube.json("get", "crd", kind)
        version: Any = next(each for each in found["spec"]["versions"] if each["name"] == "v1alpha1")
        versions = [
            {**version, "name": name, "served": is_served, "storage": name == "v1alpha1"}
            for name, is_served in served.items()
        ]
        kube("patch", "crd", kind, "--type=merge", "-p", json.dumps({"spec": {"versions": versions}}))


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"v1alpha1": False}, "not installed"),
        ({"v1alpha1": False, "v1beta7": True}, "another version: v1beta7"),
    ],
    ids=["none", "another"],
)
def test_custom_resources_that_are_missing_or_of_another_version(
    crd: Kube, namespace: Namespace, faults: Faults, tmp_path: Path, versions: dict[str, bool], words: str
) -> None:
    settings = KubernetesSettings(kubeconfig=str(crd.kubeconfig), namespace=namespace.name)
    with Onlooker(context(tmp_path / "home", settings)) as onlooker:
        onlooker.fresh()
        serve(crd, **versions)
        why = onlooker.failed(words, seconds=60)
        assert "hive deploy --crds-only" in why
        apply_crds(crd)
        onlooker.fresh(seconds=90)
