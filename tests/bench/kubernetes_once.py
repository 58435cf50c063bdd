"""`hive top --once` on a fleet in a cluster, against the import that it needs and the server's own time.

The runs and their pods are objects that a script made. The server's time is that of the same reads, one after
the other, from a client that has its connection already.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.bench._cluster import NoCluster, ObjectFleet, namespace
from tests.bench._startup import compare, hive, python
from tests.cluster.proxy import Proxy


def run() -> dict[str, Any]:
    """Milliseconds, with 50 runs and with 500."""
    try:
        return {"bench": "kubernetes_once", **_measure(50), "with_500": _measure(500), "target_ratio": 1.4}
    except NoCluster as error:
        return {"bench": "kubernetes_once", "skipped": str(error)}


def _measure(runs: int) -> dict[str, Any]:
    command = [*hive(), "top", "--once"]
    with namespace() as space, tempfile.TemporaryDirectory() as folder:
        fleet = ObjectFleet(space, runs)
        with Proxy(space) as proxy:
            seen = fleet.home(Path(folder, "seen"), proxy.kubeconfig(Path(folder, "kubeconfig")))
            subprocess.run(
                command, env={**os.environ, "HIVE_HOME": str(seen)}, check=True, stdout=subprocess.DEVNULL
            )
            asked = [one.target for one in proxy.take() if one.method == "GET"]
        server = statistics.median(_server_ms(fleet, asked) for _ in range(11))
        home = fleet.home(Path(folder, "home"), space.kubeconfig)
        found = compare(command, python("import kubernetes.config"), home, rounds=15)
        fleet.close()
    return {
        "runs": runs,
        "ms": found["ms"],
        "floor": "python -c 'import kubernetes.config', and the server's time",
        "floor_ms": round(found["floor_ms"] + server, 1),
        "server_ms": round(server, 1),
        "requests": len(asked),
        "ratio": round(found["ms"] / (found["floor_ms"] + server), 3),
        "load": round(os.getloadavg()[0], 1),
    }


def _server_ms(fleet: ObjectFleet, asked: list[str]) -> float:
    begin = time.perf_counter()
    for target in asked:
        url = urlsplit(target)
        fleet.api.call("GET", url.path, query=dict(parse_qsl(url.query)))
    return (time.perf_counter() - begin) * 1000
