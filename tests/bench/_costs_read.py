"""`python -m tests.bench._costs_read HOME [INDEX]`: transcripts below HOME, read in a process of its own;
without INDEX only what nobody can leave out: reading, finding the lines with a usage, and decoding them."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from hive_tui.costs import claude, files
from hive_tui.costs.files import Root
from hive_tui.costs.index import Index
from hive_tui.costs.sums import Dimension


def main(home: str, index: str | None = None) -> None:
    """Prints bytes, calls, wall and CPU seconds of reading and asking, and peak memory in MB."""
    wall, cpu = time.perf_counter(), time.process_time()
    roots = [Root("claude", Path(home) / "projects")]
    read, calls = _least(roots) if index is None else _all(roots, Path(index))
    figures = {
        "bytes": read,
        "calls": calls,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (1024 if sys.platform == "linux" else 1 << 20),
    }
    print(json.dumps(figures))


def _all(roots: list[Root], folder: Path) -> tuple[int, int]:
    index = Index(folder)
    read = index.refresh(roots)
    return read, sum(each.calls for each in index.sums([Dimension.QUARTER]))


def _least(roots: list[Root]) -> tuple[int, int]:
    buffer = files.Buffer()
    read = lines = 0
    for found in files.find(roots):
        for part in files.appended(found.path, 0, buffer):
            read += part.end - files.BEGIN
            lines += sum(map(len, claude.lines(part.data, files.BEGIN, part.end)))
    return read, lines


if __name__ == "__main__":
    main(*sys.argv[1:])
