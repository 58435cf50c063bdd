"""`hive demo` with everything real: processes, git, the dispatcher, scripted agents, the maintainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hive_tui import config
from hive_tui.core.model import Phase, PullState, Run
from hive_tui.core.store import Snapshot
from hive_tui.demo import attendants
from hive_tui.demo.names import NAME, REPO
from hive_tui.fleet import open_fleet
from hive_tui.system import git

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

DEADLINE = 150.0
CONFIG = "# mine\nuser: grace\n"


class Machine:
    """A home of hive, and what runs in it."""

    def __init__(self, root: Path) -> None:
        self.home = root / "hive's hömé"
        self.env = {**os.environ, "HIVE_HOME": str(self.home), "COLUMNS": "120"}
        self.env.pop("HIVE_FLEET", None)
        self.config = self.home / "config" / "config.yaml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text(CONFIG, encoding="utf-8")

    @property
    def folder(self) -> Path:
        return self.home / "data" / "fleets" / NAME

    def hive(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "hive_tui", *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def top(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.hive("--fleet", NAME, "top", "--once", "-o", "json").stdout)
        return data

    def until(self, what: str, condition: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until the fleet is so."""
        fleet = open_fleet(config.load(), NAME)
        try:
            deadline = time.monotonic() + DEADLINE
            while not condition(snapshot := fleet.read_snapshot()):
                assert time.monotonic() < deadline, f"never {what}:\n{self.describe(snapshot)}"
                time.sleep(0.1)
            return snapshot
        finally:
            fleet.close()

    def describe(self, snapshot: Snapshot) -> str:
        """What is known of a demo that does not get on."""
        lines = [f"{run.id} {run.phase.value} {run.status.why}" for run in snapshot.runs.values()]
        lines += [f"{event.kind} {event.number} {event.text}" for event in snapshot.events][-20:]
        for log in (*self.folder.glob("*.log"), *self.folder.glob("runs/*/runner.log")):
            lines += [f"{log}: {line}" for line in log.read_text(errors="replace").splitlines()[-5:]]
        return "\n".join(lines)

    def processes(self) -> list[str]:
        """Whatever runs with this home, by its command or its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), *process.environ().values()]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(str(self.home) in word for word in words):
                found.append(" ".join(process.cmdline()))
        return found


def runs_of(snapshot: Snapshot, title: str) -> list[Run]:
    return sorted(
        (run for run in snapshot.runs.values() if run.spec.title.startswith(title)),
        key=lambda run: run.spec.attempt,
    )


def ended(snapshot: Snapshot, title: str) -> bool:
    return any(run.phase.final for run in runs_of(snapshot, title))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    monkeypatch.setenv("HIVE_HOME", str(machine.home))
    yield machine
    attendants.end_all(machine.folder, grace=0.0)


def test_the_whole_demo(machine: Machine) -> None:
    began = time.monotonic()
    machine.hive("demo", "start", "--speed", "60")
    first = machine.until("a pull request", lambda snapshot: bool(snapshot.pulls))
    assert time.monotonic() - began < 30
    assert first.fleet is not None
    pid = first.fleet.dispatcher.pid

    # Started again it is the same demo.
    before = sorted(machine.processes())
    machine.hive("demo", "start")
    again = machine.until("running", lambda snapshot: snapshot.fleet is not None)
    assert again.fleet is not None
    assert again.fleet.dispatcher.pid == pid
    maintainers = [words for words in machine.processes() if "demo.maintainer" in words]
    assert len(maintainers) == sum("demo.maintainer" in words for words in before) == 1

    # A failed test is repaired, a usage limit is waited for, merges happen.
    snapshot = machine.until(
        "through the backlog",
        lambda snapshot: (
            all(
                ended(snapshot, title)
                for title in (
                    "Durations",
                    "slug() drops",
                    "chunks()",
                    "contrast()",
                    "Prove",
                    "wrap()",
                    "Escape",
                )
            )
            and len(runs_of(snapshot, "wrap()")) == 2
            and runs_of(snapshot, "wrap()")[1].phase.final
            and sum(pull.state is PullState.MERGED for pull in snapshot.pulls.values()) >= 5
            and any(pull.state is PullState.OPEN for pull in snapshot.pulls.values())
        ),
    )
    (repaired,) = runs_of(snapshot, "Durations")
    assert repaired.phase is Phase.SUCCEEDED
    assert repaired.status.tests is not None
    assert repaired.status.tests.round == 2
    (limited,) = runs_of(snapshot, "slug() drops")
    assert limited.phase is Phase.SUCCEEDED
    # At this speed the dispatcher may look only when the limit is over: the run's own log has it for sure.
    assert "limit" in machine.hive("--fleet", NAME, "logs", limited.id).stdout
    (asked,) = runs_of(snapshot, "chunks()")
    assert asked.phase is Phase.SUCCEEDED
    crashed, repeated = runs_of(snapshot, "wrap()")
    assert (crashed.phase, repeated.phase) == (Phase.FAILED, Phase.SUCCEEDED)
    assert runs_of(snapshot, "Prove")[0].phase is Phase.FAILED
    merged = [pull for pull in snapshot.pulls.values() if pull.state is PullState.MERGED]
    assert {pull.merged_by for pull in merged} == {"maintainer"}
    assert not any(pull.title.startswith("chunks()") for pull in merged), "left to you"
    later = machine.until(
        "an issue of the maintainer with a run of its own script",
        lambda snapshot: any(run.phase is Phase.SUCCEEDED for run in runs_of(snapshot, "Sizes of files")),
    )
    assert runs_of(later, "Sizes of files")[0].status.changed_files == 2

    # What a script reads.
    top = machine.top()
    assert top["schema"] == "hive/v1"
    assert top["fleet"]["name"] == NAME
    assert top["costs"]["all_micros"] > 1_000_000
    gates = {issue["gate"]["name"] for issue in top["issues"] if issue["gate"]}
    assert {"definition-of-done", "plan", "author", "edited", "budget", "agent"} <= gates
    assert not any(bad in json.dumps(top, ensure_ascii=False) for bad in ("\x1b", "\u202e", "\u200b"))
    log = git.text("log", "--format=%s", cwd=machine.folder / "repository").splitlines()
    assert all(any(f"(!{pull.number})" in line for line in log) for pull in merged)

    # Stopped, nothing runs and everything is there; started, it goes on.
    machine.hive("demo", "stop")
    assert machine.processes() == []
    assert machine.top()["fleet"]["dispatcher"]["state"] == "stopped"
    machine.hive("demo", "stop")
    machine.hive("demo", "start")
    state = machine.top()["fleet"]
    assert state["dispatcher"]["state"] == "running"
    assert state["paused"] is None

    # Removed at full work, nothing is left, and what is yours is as it was.
    machine.hive("demo", "reset")
    assert machine.processes() == []
    assert not machine.folder.exists()
    left = [path for path in machine.home.rglob("*") if path.is_file() and path != machine.config]
    assert [path for path in left if os.fsencode(machine.folder) in path.read_bytes()] == []
    # What was read of your own transcripts is yours, too: it is looked at where a run was cut off.
    cache = machine.home / "cache"
    left = [path for path in left if not (path.parent == cache and path.name.startswith("usage-"))]
    assert {path.parent for path in left} <= {cache / "config"}
    assert machine.config.read_text(encoding="utf-8") == CONFIG
    assert "There is no demo" in machine.hive("demo", "reset").stderr


def test_refusals_say_what_to_do(machine: Machine) -> None:
    assert "hive demo start" in machine.hive("demo", code=2).stderr
    assert "read-only" in machine.hive("--read-only", "demo", "start", code=3).stderr
    data = machine.home / "data"
    data.write_text("not a folder", encoding="utf-8")
    assert str(data) in machine.hive("demo", "start", code=1).stderr
    data.unlink()
    machine.folder.mkdir(parents=True)
    (machine.folder / "fleet.yaml").write_text("slots: 1\n", encoding="utf-8")
    for command in ("start", "stop", "reset"):
        assert "not the demo's" in machine.hive("demo", command, code=3).stderr
    assert (machine.folder / "fleet.yaml").read_text(encoding="utf-8") == "slots: 1\n"
    machine.config.write_text("fleets: {demo: {slots: 1}}\n", encoding="utf-8")
    assert "of its own" in machine.hive("demo", "start", code=3).stderr


def test_a_start_that_was_cut_off_is_made_good(machine: Machine) -> None:
    """Killed at several moments, the next start finds or makes everything once."""
    command = [sys.executable, "-m", "hive_tui", "demo", "start", "--speed", "60"]
    for seconds in (0.25, 0.35, 0.45, 0.6):
        process = subprocess.Popen(command, env=machine.env, stdout=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    machine.hive("demo", "start")
    snapshot = machine.until("running", lambda snapshot: snapshot.fleet is not None)
    titles = [issue.title for issue in snapshot.issues.values()]
    assert len(set(titles)) == len(titles) >= 20
    assert all(any(name.startswith("status:") for name in issue.labels) for issue in snapshot.issues.values())
    assert {issue.repo for issue in snapshot.issues.values()} == {REPO}
    machine.hive("demo", "reset")
    assert machine.processes() == []
