"""`decide()` over 10,000 issues and 1,000 runs, from nothing and after one change; and the store's part.

The floor is one pass over the same issues that reads one field of each.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from hive_tui.core.dispatch import Planner
from hive_tui.core.ids import RepoName, WorkerName
from hive_tui.core.model import Budget, Process, Slot, Step
from hive_tui.core.sources import CLUSTER, FORGE, Changed
from tests import builders as b
from tests.builders import NOW

ISSUES, RUNS, EVENTS = 10_000, 1_000, 50


def run() -> dict[str, Any]:
    """Milliseconds, medians."""
    filler = "Some words about what is wrong and how it was found.\n" * 8
    issues = [
        b.issue(n, repo=RepoName(f"o/r{n % 10}"), body=filler + b.BODY, created_at=NOW - timedelta(seconds=n))
        for n in range(ISSUES)
    ]
    runs = [b.run(20_000 + n, worker=WorkerName(f"claude-{n}"), process=Process.ALIVE) for n in range(RUNS)]
    slots = tuple(Slot(run.spec.worker, run.id) for run in runs)
    fleet = b.fleet(slots=RUNS + 10, slots_used=slots, budget=Budget(day_micros=10**12))
    store = b.store(*issues, *runs, fleet)
    settings = b.settings()

    def floor() -> None:
        for issue in store.snapshot.issues.values():
            _ = issue.open

    planner = Planner(settings)

    def run_changes(n: int) -> None:
        status = msgspec.structs.replace(runs[n].status, step=Step.TEST, round=n)
        store.apply([Changed(CLUSTER, (msgspec.structs.replace(runs[n], status=status),))], NOW)

    def issue_changes(n: int) -> None:
        store.apply([Changed(FORGE, (msgspec.structs.replace(issues[n], title=f"other {n}"),))], NOW)

    def events(n: int) -> list[Any]:
        return [
            Changed(
                CLUSTER,
                (msgspec.structs.replace(runs[i], status=msgspec.structs.replace(runs[i].status, round=n)),),
            )
            for i in range(EVENTS)
        ]

    gc.collect()
    nothing = _median(lambda _: Planner(settings).decide(store.snapshot, NOW))
    planner.decide(store.snapshot, NOW)
    after_run = _median(lambda _: planner.decide(store.snapshot, NOW), prepare=run_changes)
    after_issue = _median(lambda _: planner.decide(store.snapshot, NOW), prepare=issue_changes)
    batches = [events(n + 2) for n in range(9)]
    update = _median(lambda n: store.apply(batches[n], NOW))
    base = _median(lambda _: floor())
    return {
        "bench": "decide",
        "issues": ISSUES,
        "runs": RUNS,
        "from_nothing_ms": nothing,
        "after_run_change_ms": after_run,
        "after_issue_change_ms": after_issue,
        "store_update_50_events_ms": update,
        "floor_ms": base,
        "ratio_to_floor": round(nothing / base, 1),
        "targets_ms": {"from_nothing": 100, "after_change": 5, "store_update": 5},
    }


def _median(action: Callable[[int], object], *, prepare: Callable[[int], None] | None = None) -> float:
    times = []
    for n in range(9):
        if prepare is not None:
            prepare(n)
        begin = time.perf_counter()
        action(n)
        times.append(time.perf_counter() - begin)
    return round(statistics.median(times) * 1000, 3)
