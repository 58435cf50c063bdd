"""A console on 500 runs in a cluster, 50 of which report every second: its memory must not grow."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench._cluster import NoCluster, ObjectFleet, namespace, terminal

RUNS, UPDATES, SECONDS, WRITERS = 500, 50, 120.0, 4


def run() -> dict[str, Any]:
    """Megabytes, and percent of a core."""
    try:
        with namespace() as space, tempfile.TemporaryDirectory() as folder:
            fleet = ObjectFleet(space, RUNS)
            return _measure(fleet, fleet.home(Path(folder), space.kubeconfig))
    except NoCluster as error:
        return {"bench": "kubernetes_console", "skipped": str(error)}


def _measure(fleet: ObjectFleet, home: Path) -> dict[str, Any]:
    ending, counted = threading.Event(), itertools.count()
    writers = [threading.Thread(target=_report, args=(fleet, n, ending, counted)) for n in range(WRITERS)]
    seen: list[float] = []
    with terminal(home) as console:
        assert console.read_for(60, b"claude-1"), "the console shows no run"
        for writer in writers:
            writer.start()
        begin, used = time.monotonic(), console.cpu()
        console.read_for(20)
        while time.monotonic() < begin + SECONDS:
            seen.append(console.resident())
            console.read_for(5)
        used, seconds = console.cpu() - used, time.monotonic() - begin
        ending.set()
        for writer in writers:
            writer.join()
    written = next(counted)
    fleet.close()
    return {
        "bench": "kubernetes_console",
        "runs": RUNS,
        "updates_per_second": round(written / seconds, 1),
        "start_mb": seen[0],
        "end_mb": seen[-1],
        "max_mb": max(seen),
        "ratio_end_to_start": round(seen[-1] / seen[0], 3),
        "percent_of_core": round(used / seconds * 100, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def _report(fleet: ObjectFleet, offset: int, ending: threading.Event, counted: itertools.count[int]) -> None:
    due = time.monotonic()
    for number in itertools.count(offset, WRITERS):
        due += WRITERS / UPDATES
        if ending.wait(max(0.0, due - time.monotonic())):
            return
        fleet.report(fleet.runs[number * 7 % RUNS].id, number)
        next(counted)
