"""The live logs of 20 pods at 500 lines a second each, followed by one process: what is lost, at what cost.

The pods are real, of the agent image for tests; each prints what a runner would print.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from hive_tui import plugins
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Cluster
from tests.bench._cluster import NoCluster, ObjectFleet, namespace

PODS, LINES, SECONDS = 20, 500, 30

PRINTER = """
import json, sys, time
said = {"kind": "result", "text": "3 failed, 41 passed in 5.1 s: tests/test_crlf.py, test_lf.py"}
begin, number = time.monotonic(), 0
while number < TOTAL:
    due = min(TOTAL, int((time.monotonic() - begin) * LINES))
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    while number < due:
        number += 1
        print(json.dumps({"n": number, "at": at, "event": said}))
    sys.stdout.flush()
    time.sleep(0.05)
time.sleep(600)
""".replace("TOTAL", str(LINES * SECONDS)).replace("LINES", str(LINES))


def run() -> dict[str, Any]:
    """Percent of a core that whoever follows takes, and lines that did not come."""
    image = os.environ.get("HIVE_TEST_IMAGE") or "localhost/hive-agent:test"
    try:
        with namespace() as space, tempfile.TemporaryDirectory() as folder:
            fleet = ObjectFleet(space, PODS, image=image, prints=PRINTER)
            cluster = plugins.cluster("kubernetes", fleet.context(Path(folder), space.kubeconfig))
            try:
                return _measure(cluster, [spec.id for spec in fleet.runs])
            finally:
                cluster.close()
                fleet.close()
    except NoCluster as error:
        return {"bench": "kubernetes_tail", "skipped": str(error)}


def _measure(cluster: Cluster, runs: list[RunId]) -> dict[str, Any]:
    stop = threading.Event()
    heard = {run: 0 for run in runs}
    gaps: list[str] = []

    def follow(run: RunId) -> None:
        for line, expected in zip(cluster.logs(run, follow=True, stop=stop), itertools.count(1)):
            if line.n != expected:
                gaps.append(f"{run}: {line.n} instead of {expected}")
                return
            heard[run] = line.n
            if line.n == LINES * SECONDS:
                return

    threads = [threading.Thread(target=follow, args=(run,)) for run in runs]
    me = psutil.Process()
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 240
    while sum(heard.values()) < PODS * LINES and time.monotonic() < deadline:
        time.sleep(0.1)
    before, begin, first = me.cpu_times(), time.monotonic(), sum(heard.values())
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        time.sleep(0.1)
    after, seconds, last = me.cpu_times(), time.monotonic() - begin, sum(heard.values())
    stop.set()
    for thread in threads:
        thread.join()
    used = after.user + after.system - before.user - before.system
    return {
        "bench": "kubernetes_tail",
        "pods": PODS,
        "lines_per_second": round((last - first) / seconds),
        "lost": PODS * LINES * SECONDS - last,
        "gaps": gaps,
        "percent_of_core": round(used / seconds * 100, 1),
        "percent_at_full_rate": round(used / max(1, last - first) * PODS * LINES * 100, 1),
        "target_percent": 50,
        "load": round(os.getloadavg()[0], 1),
    }
