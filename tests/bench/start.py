"""From an issue that becomes ready to the process that works on it, through the real dispatcher.

The peer is the start of the same Python with the runner's imports.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hive_tui import config
from hive_tui.fleet import OpenFleet, open_fleet
from tests.fakes.workshop import Workshop

ISSUES = 20


def run() -> dict[str, Any]:
    """Seconds from the issue's creation until its runner has registered."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        try:
            shop.init(slots=4)
            shop.scenario("default", [{"write": {"path": "a.txt", "text": "a\n"}}, {"commit": "Add a"}])
            shop.hive("dispatcher", "start")
            fleet = _open(shop)
            delays = [_one(shop, fleet, number) for number in range(1, ISSUES + 1)]
            fleet.close()
        finally:
            shop.close()
    peer = []
    for _ in range(9):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import hive_tui.runner.__main__"], check=True)
        peer.append(time.perf_counter() - begin)
    delays.sort()
    p95 = delays[int(len(delays) * 0.95) - 1]
    return {
        "bench": "start",
        "issues": ISSUES,
        "median_s": round(statistics.median(delays), 3),
        "p95_s": round(p95, 3),
        "peer_python_start_s": round(statistics.median(peer), 3),
        "ratio": round(p95 / statistics.median(peer), 1),
        "target_p95_s": 2.0,
    }


def _open(shop: Workshop) -> OpenFleet:
    os.environ["HIVE_HOME"] = str(shop.home)
    return open_fleet(config.load(), "local")


def _one(shop: Workshop, fleet: OpenFleet, number: int) -> float:
    """Seconds from the issue's creation to its run's registration, by their own records."""
    shop.issue(f"Issue {number}")

    def delay() -> float | None:
        snapshot = fleet.read_snapshot()
        issue = next(issue for issue in snapshot.issues.values() if issue.title == f"Issue {number}")
        run = next((run for run in snapshot.runs.values() if run.key == issue.key), None)
        if run is None or run.status.started_at is None:
            return None
        return (run.status.started_at - issue.created_at).total_seconds()

    return shop.wait("a start", delay)
