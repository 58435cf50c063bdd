"""The runner's own process under the local cluster: started, stopped, killed, waiting, asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from backends.clusters.local import LocalCluster
from hive_tui.core.events import Said, one_line
from hive_tui.core.ids import AgentName, branch_name, wip_branch_name
from hive_tui.core.model import Claim, ControlKind, Phase, Process, Run, RunStatus
from hive_tui.core.ports import AgentJob, BackendContext, Job
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Listed
from hive_tui.system import git, processes
from hive_tui.system.processes import ProcessId
from tests.fakes.run_host import ANNA, job, repository, until

pytestmark = pytest.mark.e2e

BRANCH, WIP = branch_name(7, 1), wip_branch_name(7, 1)


class Fleet:
    """A local cluster with one claimed run on a repository of its own."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.source = repository(
            folder / "my repö", {"a.txt": "1\n", ".hive/config.yaml": "test: grep 2 a.txt\n"}
        )
        self.home = folder / "hive höme" / "fleet"
        scenarios = folder / "scenarios"
        scenarios.mkdir()
        (scenarios / "issue-7.yaml").write_text(scenario, encoding="utf-8")
        self.cluster = LocalCluster(BackendContext("test", self.home, FleetSettings(), "anna"))
        self.job: Job = _scripted(job(self.source), scenarios)
        spec = self.job.spec
        self.cluster.put_claim(Claim(spec.repo, 7, 0, attempt=1, run=spec.id), expected=None)
        self.cluster.take_slot(spec.worker, spec.id)
        self.cluster.create_run(self.job)
        self.id = spec.id
        self.folder = self.home / "runs" / self.id

    @property
    def run(self) -> Run:
        for event in self.cluster.read():
            if isinstance(event, Listed):
                for item in event.items:
                    if isinstance(item, Run):
                        return item
        raise AssertionError("no run")

    @property
    def status(self) -> RunStatus:
        return self.run.status

    def said(self) -> list[str]:
        return [one_line(line.event) for line in self.cluster.logs(self.id)]

    def start(self) -> None:
        assert self.cluster.start_run(self.id)

    def wait(self, phase: Phase) -> None:
        until(lambda: self.status.phase is phase and self.run.process is not Process.ALIVE, 30)

    def processes(self) -> list[ProcessId]:
        return processes.carrying("HIVE_RUN", self.id, but=("HIVE_RUN_HOME", str(self.folder)))

    def pid(self) -> int:
        found = self.processes()
        assert found, "the agent runs"
        parent = Path(f"/proc/{found[0].pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1]
        return int(parent)

    def show(self, what: str) -> str:
        return git.text("show", what, cwd=self.source)


def _scripted(base: Job, scenarios: Path) -> Job:
    change = msgspec.structs.replace
    agent = AgentJob(AgentName("scripted"), "scripted", options={"scenarios": str(scenarios)})
    return change(base, agent=agent, spec=change(base.spec, agent=agent.name))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HIVE_HOME", str(tmp_path / "hive"))
    yield tmp_path
    for folder in tmp_path.glob("*/fleet/runs/*"):
        mine = ("HIVE_RUN_HOME", str(folder))  # other tests have runs of this name
        processes.end(processes.carrying("HIVE_RUN", folder.name, but=mine), grace=0)


WORKS = """
steps:
- say: hello
- write: {path: a.txt, text: "2\\n"}
- commit: Make it two
"""

LINGERS = """
steps:
- write: {path: b.txt, text: "half\\n"}
- say: waiting now
- stall: 300
"""


def test_a_run_ends_with_a_branch_and_a_record(place: Path) -> None:
    fleet = Fleet(place, WORKS)
    fleet.start()
    fleet.wait(Phase.SUCCEEDED)
    assert fleet.status.head == git.text("rev-parse", BRANCH, cwd=fleet.source)
    assert fleet.show(f"{BRANCH}:a.txt") == "2"
    assert fleet.status.tests is not None
    assert fleet.status.tests.passed
    assert (fleet.folder / "runner.log").read_text(encoding="utf-8") == ""
    assert not fleet.cluster.start_run(fleet.id)


def test_a_stop_order_ends_it_at_once(place: Path) -> None:
    fleet = Fleet(place, LINGERS)
    fleet.start()
    until(lambda: "waiting now" in fleet.said())
    begun = datetime.now(UTC)
    fleet.cluster.control(fleet.id, ControlKind.STOP, ANNA)
    fleet.wait(Phase.KILLED)
    assert (datetime.now(UTC) - begun).total_seconds() < 10
    assert fleet.status.why == "by anna"
    assert fleet.show(f"{WIP}:b.txt") == "half"
    assert fleet.processes() == []


def test_a_killed_runner_is_recovered_and_its_agent_ended(place: Path) -> None:
    fleet = Fleet(place, LINGERS)
    fleet.start()
    until(lambda: "waiting now" in fleet.said())
    os.kill(fleet.pid(), signal.SIGKILL)
    until(lambda: fleet.run.process is Process.GONE)
    assert fleet.run.phase is Phase.LOST
    assert fleet.cluster.recover_run(fleet.id)
    fleet.wait(Phase.LOST)
    assert fleet.show(f"{WIP}:b.txt") == "half"
    assert fleet.processes() == []
    lines = list(fleet.cluster.logs(fleet.id))
    assert [line.n for line in lines] == list(range(1, len(lines) + 1))
    assert sum(isinstance(line.event, Said) for line in lines) == 1
    assert not fleet.cluster.recover_run(fleet.id)


def test_a_terminated_runner_saves_the_work(place: Path) -> None:
    fleet = Fleet(place, LINGERS)
    fleet.start()
    until(lambda: "waiting now" in fleet.said())
    os.kill(fleet.pid(), signal.SIGTERM)
    fleet.wait(Phase.LOST)
    assert fleet.status.why == "ended from outside by SIGTERM"
    assert fleet.show(f"{WIP}:b.txt") == "half"


LIMITED = """
each_step: {output: 10, cost: 0.01}
steps:
- write: {path: a.txt, text: "2\\n"}
- limit: {text: usage limit, reset_after: 0.2}
- commit: Make it two
"""


def test_a_run_waits_for_its_quota_and_goes_on_in_the_same_session(place: Path) -> None:
    fleet = Fleet(place, LIMITED)
    fleet.start()
    fleet.wait(Phase.WAITING)
    first = fleet.status
    assert first.parked
    assert first.until is not None
    assert fleet.show(f"{WIP}:a.txt") == "2"
    until(lambda: fleet.cluster.start_run(fleet.id))
    fleet.wait(Phase.SUCCEEDED)
    assert fleet.status.session == first.session
    assert fleet.status.usage.cost_micros == 30_000


ASKS = """
steps:
- ask: {question: "Which number?", wait: 60}
- write: {path: a.txt, text: "{answer}2\\n"}
- commit: Make it two
"""


def test_a_message_reaches_the_agent_that_asks(place: Path) -> None:
    fleet = Fleet(place, ASKS)
    fleet.start()
    until(lambda: fleet.status.phase is Phase.WAITING)
    assert fleet.status.why == "asks: Which number?"
    assert not fleet.status.parked
    fleet.cluster.control(fleet.id, ControlKind.MESSAGE, ANNA, "two, please")
    fleet.wait(Phase.SUCCEEDED)
    assert "anna says: two, please" in fleet.said()
