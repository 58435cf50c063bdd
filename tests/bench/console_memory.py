"""Eight hours of a console in a few minutes: memory, threads and open files must not grow.

Every step stands for ten seconds: runs report, some end and others begin, the log that is followed grows,
and every few minutes the person looks at another screen.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from textual.pilot import Pilot

from hive_tui.app.app import HiveApp
from hive_tui.core.model import Phase, Run
from hive_tui.core.sources import CLUSTER, Changed, Kind
from tests import builders as b
from tests.bench._busy import Load, fleet
from tests.fakes.sources import ScriptedFleet

HOURS = 8
STEPS = HOURS * 360
LOOKS = (
    ("question_mark", "escape"),
    ("l", "escape"),
    ("L", "escape"),
    ("enter", "escape"),
    ("2", "j", "3", "j"),
)
"""What the person does, in turns."""

KEPT = 500
"""Ended runs that the fleet still knows."""


def run() -> dict[str, Any]:
    """Megabytes of resident memory, and numbers of threads and open files."""
    gc.set_threshold(100_000, 20, 20)  # as `hive` does
    return asyncio.run(_live())


async def _live() -> dict[str, Any]:
    busy = fleet(Load(changes=0, lines=200))
    app = HiveApp(busy, user="me")
    seen: list[tuple[float, int, int]] = []
    async with app.run_test(size=(160, 48)) as pilot:
        for step in range(STEPS):
            await _step(app, busy, pilot, step)
            if step % 60 == 0:
                seen.append((_resident(), threading.active_count(), len(os.listdir("/proc/self/fd"))))
    settled = seen[len(seen) // 8 :]
    return {
        "name": "console_memory",
        "hours": HOURS,
        "steps": STEPS,
        "start_mb": settled[0][0],
        "end_mb": settled[-1][0],
        "max_mb": max(megabytes for megabytes, _, _ in seen),
        "by_hour_mb": [megabytes for megabytes, _, _ in seen[6::6]],
        "ratio_end_to_start": round(settled[-1][0] / settled[0][0], 3),
        "threads": [settled[0][1], settled[-1][1], max(threads for _, threads, _ in seen)],
        "files": [settled[0][2], settled[-1][2], max(files for _, _, files in seen)],
        "target_max_mb": 250,
    }


async def _step(app: HiveApp, busy: ScriptedFleet, pilot: Pilot[None], step: int) -> None:
    known = [item for (kind, _), item in busy.agents_side.known.items() if kind is Kind.RUN]
    runs = [item for item in known if isinstance(item, Run)]
    at_work = [item for item in runs if not item.phase.final]
    changed = []
    for number in range(20):
        old = at_work[(step * 20 + number) % len(at_work)]
        usage = msgspec.structs.replace(old.status.usage, cost_micros=step * 1_000)
        status = msgspec.structs.replace(old.status, usage=usage, round=step)
        changed.append(msgspec.structs.replace(old, status=status))
    last = at_work[step % len(at_work)]
    over = msgspec.structs.replace(last.status, phase=Phase.SUCCEEDED, ended_at=datetime.now(UTC))
    new = b.run(last.spec.issue, last.spec.attempt + 1, repo=last.spec.repo, worker=last.spec.worker)
    ended = [run.id for run in runs if run.phase.final]
    gone = tuple((Kind.RUN, name) for name in ended[: max(0, len(ended) - KEPT)])
    changed += [msgspec.structs.replace(last, status=over), new]
    busy.agents_side.say(Changed(CLUSTER, tuple(changed), gone))
    for key in gone:
        del busy.agents_side.known[key]
    await asyncio.sleep(0.02)
    if step % 30 == 0:
        await pilot.press(*LOOKS[step // 30 % len(LOOKS)])


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000, 1)
