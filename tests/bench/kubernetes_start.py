"""From a claim in the cluster to the pod that works on it, of a dispatcher that starts one run after another,
and from where the pod was given a node to where its runner is the run and begins.

The first two moments are those at which a watch of somebody else's heard of the object; the others are those
that stand in pod and run, in whole seconds.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench._cluster import NoCluster, namespace
from tests.cluster.pod_watch import Arrivals
from tests.cluster.shop import PodShop
from tests.fakes.github.server import GitHub

ISSUES = 20


def run() -> dict[str, Any]:
    """Seconds."""
    host = os.environ.get("HIVE_TEST_HOST")
    image = os.environ.get("HIVE_TEST_IMAGE") or "localhost/hive-agent:test"
    try:
        if not host:
            raise NoCluster("HIVE_TEST_HOST does not say under which address pods reach this machine")
        with (
            namespace() as space,
            tempfile.TemporaryDirectory() as folder,
            GitHub(Path(folder, "github"), address=host) as github,
        ):
            shop = PodShop(Path(folder, "shop"), github, space, image, slots=4)
            try:
                return _measure(shop)
            finally:
                shop.close()
    except NoCluster as error:
        return {"bench": "kubernetes_start", "skipped": str(error)}


def _measure(shop: PodShop) -> dict[str, Any]:
    for number in range(ISSUES):
        shop.ready(f"Task {number}")
    with Arrivals(shop.namespace, "leases") as claims, Arrivals(shop.namespace, "pods") as pods:
        begin = time.monotonic()
        shop.start()
        shop.wait("a pull request for each", lambda: len(shop.pulls()) == ISSUES, 300)
        seconds = time.monotonic() - begin
    claimed = {
        each["metadata"]["annotations"]["hive.dev/claim"]: at
        for each, at in claims.first.values()
        if "hive.dev/claim" in each["metadata"].get("annotations", {})
    }
    waits = []
    for pod, at in pods.first.values():
        run = pod["metadata"]["labels"]["hive.dev/run"]
        waits.append(at - next(when for claim, when in claimed.items() if f'"{run}"' in claim))
    waits.sort()
    begun = {run["metadata"]["name"]: _condition(run, "Registered") for run in shop.agent_runs()}
    begins = sorted(
        (begun[pod["metadata"]["labels"]["hive.dev/run"]] - _condition(pod, "PodScheduled")).total_seconds()
        for pod in shop.pods()
    )
    return {
        "bench": "kubernetes_start",
        "starts": len(waits),
        "claim_to_pod_p50": round(statistics.median(waits), 3),
        "claim_to_pod_p95": round(waits[int(len(waits) * 0.95) - 1], 3),
        "claim_to_pod_max": round(waits[-1], 3),
        "scheduled_to_begun_p50": statistics.median(begins),
        "scheduled_to_begun_max": begins[-1],
        "issues_per_minute": round(ISSUES / seconds * 60, 1),
        "target_p95": 1.0,
        "load": round(os.getloadavg()[0], 1),
    }


def _condition(item: Any, kind: str) -> datetime:
    """Since when one of an object's conditions is as it is."""
    found = next(each for each in item["status"]["conditions"] if each["type"] == kind)
    return datetime.fromisoformat(found["lastTransitionTime"])
