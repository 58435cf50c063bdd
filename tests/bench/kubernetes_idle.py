"""What an idle console asks of an API server beyond its watches, and what the watches ask anew."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench._cluster import NoCluster, ObjectFleet, namespace, terminal
from tests.cluster.proxy import Proxy

RUNS, SECONDS = 20, 180.0


def run() -> dict[str, Any]:
    """Requests a minute."""
    try:
        with namespace() as space, tempfile.TemporaryDirectory() as folder, Proxy(space) as proxy:
            fleet = ObjectFleet(space, RUNS)
            fleet.close()
            home = fleet.home(Path(folder), proxy.kubeconfig(Path(folder, "kubeconfig")))
            with terminal(home) as console:
                assert console.read_for(60, b"claude-1"), "the console shows no run"
                console.read_for(10)
                proxy.take()
                begin, used = time.monotonic(), console.cpu()
                console.read_for(SECONDS)
                minutes, used = (time.monotonic() - begin) / 60, console.cpu() - used
            asked = proxy.take()
    except NoCluster as error:
        return {"bench": "kubernetes_idle", "skipped": str(error)}
    other = [one for one in asked if not one.watch]
    return {
        "bench": "kubernetes_idle",
        "runs": RUNS,
        "requests_per_minute": round(len(other) / minutes, 2),
        "watches_per_minute": round((len(asked) - len(other)) / minutes, 2),
        "asked": dict(Counter(f"{one.method} {one.path.rpartition('/')[2]}" for one in other)),
        "percent_of_core": round(used / minutes / 60 * 100, 2),
        "target_requests_per_minute": 1.0,
        "load": round(os.getloadavg()[0], 1),
    }
