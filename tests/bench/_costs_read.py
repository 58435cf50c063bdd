"""`python -m tests.bench._costs_read HOME INDEX`: transcripts below HOME, read in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from hive_tui.costs.files import Root
from hive_tui.costs.index import Index
from hive_tui.costs.sums import Dimension


def main(home: str, index: str) -> None:
    """Prints bytes, calls, wall and CPU seconds of reading and asking, and peak memory in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = Index(Path(index))
    read = found.refresh([Root("claude", Path(home) / "projects")])
    sums = found.sums([Dimension.QUARTER])
    figures = {
        "bytes": read,
        "calls": sum(each.calls for each in sums),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (1024 if sys.platform == "linux" else 1 << 20),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
