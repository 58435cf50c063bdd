"""`hive top --once` on a local fleet of 50 runs at work, against the imports that it cannot do without."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from backends.clusters.local import LocalCluster, rows
from backends.clusters.local.places import place
from backends.database import Database
from backends.forges.local import LocalForge
from hive_tui import config
from hive_tui.core.ids import WorkerName
from hive_tui.core.model import Claim, LastEvent, Run, Tokens, Usage
from hive_tui.core.ports import AgentJob, BackendContext, Job, RepoJob
from hive_tui.fleet import open_fleet
from hive_tui.system import flock, git
from tests import builders as b
from tests.bench._startup import compare, hive, python

RUNS = 50


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        locks = populate(home)
        floor = python("import click, msgspec, sqlite3")
        try:
            text = compare([*hive(), "top", "--once"], floor, home)
            document = compare([*hive(), "top", "--once", "-o", "json"], floor, home)
        finally:
            for lock in locks:
                os.close(lock)
    return {
        "bench": "once",
        "runs": RUNS,
        **text,
        "json_ms": document["ms"],
        "json_ratio": document["ratio"],
        "floor": "python -c 'import click, msgspec, sqlite3'",
        "target_ratio": 1.5,
    }


def populate(home: Path) -> list[int]:
    """A fleet whose runs are alive as far as the kernel knows: this process holds their locks."""
    repository = home.parent / "repository"
    repository.mkdir()
    git.run("init", "-q", "-b", "main", cwd=repository)
    me = ("-c", "user.name=me", "-c", "user.email=me@example.invalid")
    git.run(*me, "commit", "-q", "--allow-empty", "-m", "Begin", cwd=repository)
    path = home / "config" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(
        f"user: me\nfleets:\n  local:\n    slots: {RUNS}\n    allowed_authors: [me]\n"
        f"    repos: [{{name: {b.REPO}, path: {repository}, base: main}}]\n"
    )
    os.utime(path, (1_700_000_000, 1_700_000_000))
    os.environ["HIVE_HOME"] = str(home)
    context = open_fleet(config.load(), "local").context
    forge, cluster = LocalForge(context), LocalCluster(context)
    now = datetime.now(UTC)
    locks = []
    for number in range(1, RUNS + 1):
        issue = forge.create_issue(
            b.REPO, title=f"Mend thing {number}", body=b.BODY, author="me", labels=("status:in-progress",)
        )
        found = b.run(
            issue.number,
            worker=WorkerName(f"claude-{number}"),
            since=now,
            started_at=now,
            usage=Usage(Tokens(10_000 * number, 900, 500_000, 40_000), 120_000 * number),
            last_event=LastEvent(now, f"Bash pytest -q tests/test_{number}.py"),
        )
        locks.append(_start(cluster, context, found, issue.body))
    forge.close()
    cluster.close()
    return locks


def _start(cluster: LocalCluster, context: BackendContext, run: Run, body: str) -> int:
    spec = run.spec
    cluster.put_claim(
        Claim(spec.repo, spec.issue, version=0, attempt=1, run=spec.id, holder="bench"), expected=None
    )
    cluster.take_slot(spec.worker, spec.id)
    cluster.create_run(
        Job(
            fleet=context.fleet,
            spec=spec,
            repo=RepoJob(spec.repo, "", spec.base),
            agent=AgentJob(spec.agent, "claude"),
            title=spec.title,
            body=body,
        )
    )
    lock = flock.hold(place(context.home, spec.id).lock)
    assert lock is not None
    database = Database(context.home / "fleet.db")
    with database.writing() as connection:
        rows.write_status(
            connection, spec.id, msgspec.structs.replace(run.status, progress_at=run.status.since)
        )
    database.close()
    return lock
