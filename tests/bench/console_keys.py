"""From a key to its picture, in a console full of what happens: 500 runs of which 100 report every
second, 10,000 issues, and a log that grows by 10,000 lines a second.

The peer is a Textual app with one DataTable of the same 10,000 issues, of which nothing changes.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from typing import Any

from tests.bench._busy import Load, console

ROUNDS = 4

KINDS: dict[str, list[str]] = {
    "issues": ["2", *"jjjjjkkkGkkkkjjjj"],
    "agents": ["3", *"jjjjkkkkjjjj"],
    "focus": [*"12345678", *["\t"] * 8],
    "filter": ["2", *"/parser\r", "/", *["\x7f"] * 6, *"sort\r", "/", *["\x7f"] * 4, "\r"],
    "log": ["4", *"kkkkkjjjjj", "G", *"kkk", "G"],
}
"""Keys by what they do; a kind's first key goes to its pane. No Esc: a terminal's key is only told from the
begin of a longer one after a tenth of a second. No `g` either: the console may press what follows it anew."""


def run() -> dict[str, Any]:
    """Milliseconds from the sending of a key until the picture after it is on its way."""
    sent, longest = _measure("tests.bench._busy", Load(), KINDS)
    peer, peer_longest = _measure("tests.bench._data_table", Load(), {"issues": ["j"] * 25 + ["k"] * 25})
    everything = [taken for times in sent.values() for taken in times]
    return {
        "name": "console_keys",
        "keys": len(everything),
        **_figures(everything),
        "longest_block_ms": round(longest * 1000, 1),
        "by_kind_p95_ms": {kind: _figures(times)["p95_ms"] for kind, times in sent.items()},
        "data_table": {
            **_figures([taken for times in peer.values() for taken in times]),
            "longest_block_ms": round(peer_longest * 1000, 1),
        },
        "ratio_p95": round(_figures(everything)["p95_ms"] / _figures(peer["issues"])["p95_ms"], 2),
        "targets_ms": {"p95": 50, "longest": 200},
    }


def _measure(module: str, load: Load, kinds: dict[str, list[str]]) -> tuple[dict[str, list[float]], float]:
    pick = random.Random(3)
    sent: list[tuple[str, float]] = []
    with console(load, module) as (terminal, report):
        if not terminal.read_for(60, b"parser"):
            raise RuntimeError(f"{module} shows no issue")
        terminal.read_for(4)
        for _ in range(ROUNDS):
            for kind, keys in kinds.items():
                for key in keys:
                    sent.append((kind, terminal.press(key)))
                    terminal.read_for(pick.uniform(0.06, 0.16))
        terminal.read_for(1)
        terminal.press("q")
        deadline = time.monotonic() + 20
        while not report.exists() and time.monotonic() < deadline:
            terminal.read_for(0.05)
        terminal.read_for(0.1)
        found = json.loads(report.read_text())
    if len(found["painted"]) not in (len(sent), len(sent) + 1):  # the last one is `q`
        raise RuntimeError(f"{len(sent)} keys were sent, {len(found['painted'])} were seen and painted")
    taken: dict[str, list[float]] = {}
    for (kind, at), painted in zip(sent, found["painted"], strict=False):
        taken.setdefault(kind, []).append(painted - at)
    return taken, found["longest"]


def _figures(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50_ms": round(statistics.median(ordered) * 1000, 1),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }
