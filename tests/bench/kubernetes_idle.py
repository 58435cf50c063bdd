"""What an idle console asks of an API server beyond its watches, and what the watches ask anew.

Its runs are at work in real pods and say nothing; the console follows the log of one of them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench._cluster import NoCluster, ObjectFleet, namespace, terminal
from tests.cluster.proxy import Proxy

RUNS, SECONDS = 5, 180.0

PRINTER = """
import time
print('{"n":1,"at":"2030-01-01T00:00:00Z","event":{"kind":"note","text":"at work"}}', flush=True)
time.sleep(1200)
"""


def run() -> dict[str, Any]:
    """Requests a minute."""
    try:
        with namespace() as space, tempfile.TemporaryDirectory() as folder, Proxy(space) as proxy:
            image = os.environ.get("HIVE_TEST_IMAGE") or "localhost/hive-agent:test"
            fleet = ObjectFleet(space, RUNS, image=image, prints=PRINTER)
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
