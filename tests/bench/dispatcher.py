"""What a dispatcher costs while 100 runs are at work and report once a second, idle and watched.

The floor is a Python process that sleeps in the same rhythm.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil

from backends.clusters.local import rows
from backends.clusters.local.places import place
from backends.database import Database
from hive_tui.core.ids import RepoName, RunId, WorkerName
from hive_tui.core.model import LastEvent, Phase, RunStatus, Tokens, Usage
from hive_tui.core.ports import AgentJob, Job, RepoJob
from hive_tui.system import flock, processes
from tests import builders as b
from tests.fakes.workshop import Workshop

RUNS, SECONDS = 100, 20.0


def run() -> dict[str, Any]:
    """Per cent of one core."""
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        try:
            shop.init(slots=RUNS)
            database = Database(shop.fleet_home() / "fleet.db")
            statuses = _make_runs(database, shop.fleet_home())
            shop.hive("dispatcher", "start")
            process = psutil.Process(shop.pid_of_dispatcher())
            _report_for(5.0, database, statuses)
            busy = _measure(process, database, statuses)
            quiet = _measure(process, database, None)
        finally:
            shop.close()
    floor = _floor()
    return {
        "bench": "dispatcher",
        "runs": RUNS,
        "reports_per_second": RUNS,
        "busy_percent_of_core": busy,
        "quiet_percent_of_core": quiet,
        "floor_percent_of_core": floor,
        "ratio_to_floor": round(busy / max(floor, 0.01), 1),
        "target_percent": 3.0,
    }


def _make_runs(database: Database, home: Path) -> dict[RunId, RunStatus]:
    now = datetime.now(UTC)
    # Somebody whom the end of the runs may signal.
    stand_in = subprocess.Popen(["sleep", "600"])
    identity = processes.identify(stand_in.pid)
    assert identity is not None
    statuses: dict[RunId, RunStatus] = {}
    with database.writing() as connection:
        for number in range(1, RUNS + 1):
            run = b.run(number, repo=RepoName("kay/shop"), worker=WorkerName(f"robin-{number}"))
            spec = msgspec.structs.replace(run.spec, created_at=now)
            repo, agent = RepoJob(spec.repo, "", "main"), AgentJob(spec.agent, "scripted")
            job = Job("local", spec, repo, agent, title="t", body="b")
            status = RunStatus(phase=Phase.WORKING, since=now, started_at=now)
            rows.add_run(connection, job, status)
            rows.write_process(connection, spec.id, identity)
            connection.execute("INSERT INTO slots (worker, run) VALUES (?, ?)", (spec.worker, spec.id))
            # Held until this process ends: for the dispatcher these runs are alive.
            assert flock.hold(place(home, spec.id).lock) is not None
            statuses[spec.id] = status
    return statuses


def _report_for(seconds: float, database: Database, statuses: dict[RunId, RunStatus] | None) -> None:
    deadline = time.monotonic() + seconds
    counter = itertools.count(1)
    while time.monotonic() < deadline:
        begin = time.monotonic()
        for run, status in (statuses or {}).items():
            n = next(counter)
            usage = Usage(Tokens(n, n, n, n), n)
            event = LastEvent(datetime.now(UTC), f"Edit file {n}")
            with database.writing() as connection:
                rows.write_status(
                    connection, run, msgspec.structs.replace(status, usage=usage, last_event=event)
                )
            # Spread over the second, as a hundred runners would.
            time.sleep(max(0.0, (n % RUNS) / RUNS - (time.monotonic() - begin)))
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begin)))


def _measure(process: psutil.Process, database: Database, statuses: dict[RunId, RunStatus] | None) -> float:
    before, begin = process.cpu_times(), time.monotonic()
    _report_for(SECONDS, database, statuses)
    after, end = process.cpu_times(), time.monotonic()
    spent = after.user + after.system - before.user - before.system
    return round(100 * spent / (end - begin), 2)


def _floor() -> float:
    code = "import time\nfor _ in range(100): time.sleep(0.1)"
    process = psutil.Popen([sys.executable, "-c", code])
    time.sleep(1.0)
    before, begin = process.cpu_times(), time.monotonic()
    time.sleep(8.0)
    after, end = process.cpu_times(), time.monotonic()
    process.kill()
    process.wait()
    return round(100 * (after.user + after.system - before.user - before.system) / (end - begin), 2)
