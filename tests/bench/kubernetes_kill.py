"""From `hive kill` to a runner that has ended, with the agent's work pushed."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench._cluster import NoCluster, namespace
from tests.cluster.shop import PodShop, scenario
from tests.fakes.github.server import GitHub

KILLS = 6


def run() -> dict[str, Any]:
    """Seconds, from the start of the command."""
    host = os.environ.get("HIVE_TEST_HOST")
    image = os.environ.get("HIVE_TEST_IMAGE") or "localhost/hive-agent:test"
    work = ({"write": {"path": "open.txt", "text": "mine\n"}}, {"say": "Half of it."}, {"stall": 600.0})
    try:
        if not host:
            raise NoCluster("HIVE_TEST_HOST does not say under which address pods reach this machine")
        with (
            namespace() as space,
            tempfile.TemporaryDirectory() as folder,
            GitHub(Path(folder, "github"), address=host) as github,
        ):
            stalling = {f"issue-{number}": scenario(work) for number in range(1, KILLS + 1)}
            shop = PodShop(Path(folder, "shop"), github, space, image, slots=KILLS, scenarios=stalling)
            try:
                return _measure(shop)
            finally:
                shop.close()
    except NoCluster as error:
        return {"bench": "kubernetes_kill", "skipped": str(error)}


def _measure(shop: PodShop) -> dict[str, Any]:
    for number in range(1, KILLS + 1):
        shop.ready(f"Task {number}")
    shop.start()
    took, stopped = [], []
    for number in range(1, KILLS + 1):
        shop.hears(number, "Half of it.")
        run = shop.run(number)
        assert run is not None
        pod = shop.pod_of(run["id"])
        assert pod is not None
        begin = time.monotonic()
        shop.hive("kill", str(number), "--yes")
        took.append(time.monotonic() - begin)
        path = "jsonpath={.status.containerStatuses[0].state.terminated}"
        shop.namespace("wait", f"pod/{pod}", f"--for={path}", "--timeout=60s")
        stopped.append(time.monotonic() - begin)
        assert shop.show(f"hive/wip/issue-{number}-a1", "open.txt") == "mine\n"
    return {
        "bench": "kubernetes_kill",
        "kills": KILLS,
        "stopped_p50": round(statistics.median(stopped), 2),
        "stopped_max": round(max(stopped), 2),
        "command_p50": round(statistics.median(took), 2),
        "target_max": 10.0,
        "load": round(os.getloadavg()[0], 1),
    }
