"""The backends that the contract suites run against, each behind the same few handles."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Protocol

import pytest

from backends.clusters.local import LocalCluster
from backends.forges.github import GitHubForge
from backends.forges.local import LocalForge
from hive_tui.core.events import LogLine
from hive_tui.core.ids import AgentName, IssueKey, RepoName, RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import DISPATCHER, Claim, Fleet, Mode, Run, RunSpec
from hive_tui.core.ports import AgentJob, BackendContext, Cluster, Forge, Job, RepoJob
from hive_tui.core.settings import AgentSettings, FleetSettings, GitHubSettings, RepoSettings
from hive_tui.core.sources import Listed
from hive_tui.system import processes
from tests.cluster.conftest import crds, image, kube, namespace  # noqa: F401 - fixtures
from tests.contract.kubernetes_fleet import KubernetesFleet
from tests.fakes.github import pulls
from tests.fakes.github.server import GitHub
from tests.fakes.repository import Repository

REPO = RepoName("me/proj")
ROOT = Path(__file__).parents[2]
NOWHERE = "file:///nowhere"
"""A repository that is not there, wherever a run looks for it."""


class ClusterFixture(Protocol):
    """One fleet, which any number of clients may use at once."""

    patience: float
    """Seconds within which a process has started, or ended."""
    keeps_logs: bool
    """What a run said stays when `gc` removes what it left behind."""

    def connect(self) -> Cluster:
        """Another client of the same fleet, as another process would have it."""
        ...

    def prepare(self) -> None:
        """Have what a run's real process needs, or skip the test."""
        ...

    def idle_run(self, run: RunId) -> None:
        """Start a process that is this run, and does nothing until it is told to stop."""
        ...

    def murder(self, run: RunId) -> None:
        """End that process without a last word."""
        ...

    def append(self, run: RunId, lines: Sequence[LogLine]) -> None:
        """Write to the run's event log, as its runner would."""
        ...

    def leave(self, run: RunId) -> None:
        """Leave behind what a run that was at work leaves, as far as `idle_run` did not."""
        ...

    def left(self, run: RunId) -> bool:
        """Whether what `gc` removes is still there."""
        ...

    def close(self) -> None: ...


class LocalClusterFixture:
    patience = 15.0
    keeps_logs = True

    def __init__(self, home: Path) -> None:
        self.home = home
        agents = (AgentSettings(AgentName("claude")), AgentSettings(AgentName("codex")))
        self.context = BackendContext("test", home, FleetSettings(agents=agents, slots=2), "me")
        self._clusters: list[LocalCluster] = []
        self._runners: dict[RunId, subprocess.Popen[bytes]] = {}

    def connect(self) -> Cluster:
        self._clusters.append(LocalCluster(self.context))
        return self._clusters[-1]

    def prepare(self) -> None:
        """This machine has it."""

    def idle_run(self, run: RunId) -> None:
        command = [sys.executable, "-m", "tests.fakes.idle_runner", "local", str(self.home), run]
        self._runners[run] = runner = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"ready\n"

    def murder(self, run: RunId) -> None:
        self._runners[run].kill()
        self._runners[run].wait()

    def append(self, run: RunId, lines: Sequence[LogLine]) -> None:
        self._clusters[0].host(run).append(lines)

    def leave(self, run: RunId) -> None:
        work = self._work(run)
        (work / "deep").mkdir(parents=True)
        (work / "deep" / "file").write_text("x")

    def left(self, run: RunId) -> bool:
        return self._work(run).exists()

    def _work(self, run: RunId) -> Path:
        return self._clusters[0].host(run).home / "work"

    def close(self) -> None:
        for runner in self._runners.values():
            runner.kill()
            runner.wait()
            assert runner.stdout is not None
            runner.stdout.close()
        for cluster in self._clusters:
            for item in snapshot(cluster).items:
                if isinstance(item, Run):
                    mine = ("HIVE_RUN_HOME", str(self.home / "runs" / item.id))
                    processes.end(processes.carrying("HIVE_RUN", item.id, but=mine), grace=0)
            cluster.close()


@pytest.fixture(params=["local", "kubernetes"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ClusterFixture]:
    home = tmp_path / "fleet"
    fixture: ClusterFixture
    if request.param == "local":
        fixture = LocalClusterFixture(home)
    else:
        namespace = request.getfixturevalue("namespace")
        fixture = KubernetesFleet(namespace, home, lambda: request.getfixturevalue("image"))
    yield fixture
    fixture.close()


@pytest.fixture
def cluster(fleet: ClusterFixture) -> Cluster:
    return fleet.connect()


def snapshot(cluster: Cluster) -> Listed:
    """All that the cluster says at once."""
    items = [item for event in cluster.read() if isinstance(event, Listed) for item in event.items]
    kinds = [kind for event in cluster.read() if isinstance(event, Listed) for kind in event.kinds]
    return Listed("cluster", tuple(kinds), tuple(items))


def fleet_of(cluster: Cluster) -> Fleet:
    return next(item for item in snapshot(cluster).items if isinstance(item, Fleet))


def find_run(cluster: Cluster, run: RunId) -> Run | None:
    found = (item for item in snapshot(cluster).items if isinstance(item, Run) and item.id == run)
    return next(found, None)


def get_run(cluster: Cluster, run: RunId) -> Run:
    found = find_run(cluster, run)
    assert found is not None
    return found


def job(number: int = 1, attempt: int = 1, *, worker: str = "claude-a", source: str = NOWHERE) -> Job:
    spec = RunSpec(
        id=run_id("local", REPO, number, attempt),
        repo=REPO,
        issue=number,
        attempt=attempt,
        worker=WorkerName(worker),
        agent=AgentName("claude"),
        mode=Mode.IMPROVEMENT,
        branch=branch_name(number, attempt),
        base="main",
        title="Mend it",
        created_at=datetime.now(UTC),
        created_by=DISPATCHER,
    )
    agent = AgentJob(AgentName("claude"), "scripted")
    return Job("test", spec, RepoJob(REPO, source, "main"), agent, "Mend it", "It is broken.")


def start(cluster: Cluster, work: Job) -> RunId:
    """Everything that comes before a run's process: claim, slot, record."""
    spec = work.spec
    before = cluster.get_claim(spec.key) or Claim(spec.repo, spec.issue, version=0)
    claim = Claim(spec.repo, spec.issue, before.version, attempt=spec.attempt, run=spec.id)
    cluster.put_claim(claim, expected=before.version or None)
    cluster.take_slot(spec.worker, spec.id)
    cluster.create_run(work)
    return spec.id


class ForgeFixture:
    """One tracker with one repository."""

    def connect(self, login: str = "anna") -> Forge:
        """Another client of the same tracker, as another process of that person's would have it."""
        raise NotImplementedError

    def branch(self, name: str, files: dict[str, str]) -> str:
        """Push a commit on top of a branch (a new one starts at `main`); returns it."""
        raise NotImplementedError

    def delete_branch(self, name: str) -> None:
        raise NotImplementedError

    def read(self, branch: str, path: str) -> str:
        """A file's text on a branch."""
        raise NotImplementedError

    def log(self, branch: str) -> list[str]:
        """Subjects of a branch's commits, newest first."""
        raise NotImplementedError

    def let_time_pass(self) -> None:
        """So that the next change is later to the second, where the tracker counts those."""

    def close(self) -> None:
        """End what the tracker runs."""


class LocalForgeFixture(ForgeFixture):
    def __init__(self, tmp_path: Path) -> None:
        self.repository = Repository(tmp_path / "proj")
        repos = (RepoSettings(REPO, path=str(self.repository.path)),)
        self.context = BackendContext("test", tmp_path / "fleet", FleetSettings(repos=repos), "me")

    def connect(self, login: str = "anna") -> Forge:
        return LocalForge(self.context)

    def branch(self, name: str, files: dict[str, str]) -> str:
        if name == "main":
            return self.repository.commit(files, "Work on main")
        return self.repository.branch(name, files)

    def delete_branch(self, name: str) -> None:
        self.repository.git("branch", "-D", name)

    def read(self, branch: str, path: str) -> str:
        return self.repository.git("show", f"{branch}:{path}")

    def log(self, branch: str) -> list[str]:
        return self.repository.git("log", "--format=%s", branch).splitlines()


class GitHubForgeFixture(ForgeFixture):
    """A server in this process, which every client reaches over HTTP with a token of its own person."""

    FILES: ClassVar = {"a.txt": "one\ntwo\nthree\n"}

    def __init__(self, tmp_path: Path) -> None:
        self._home = tmp_path / "fleet"
        self._ahead = timedelta()
        self.server = GitHub(tmp_path / "github", clock=lambda: datetime.now(UTC) + self._ahead)
        world = self.server.world
        for login in ("anna", "bob"):
            world.add_user(login)
            secret = tmp_path / login
            secret.touch(mode=0o600)
            secret.write_text(world.add_token(login).secret)
        self._secrets = tmp_path
        world.add_user("me")
        self._repository = world.add_repository(
            REPO, files=self.FILES, collaborators={"anna": "admin", "bob": "write"}
        )
        self.server.__enter__()

    def connect(self, login: str = "anna") -> Forge:
        github = GitHubSettings(url=self.server.site, token_file=str(self._secrets / login))
        settings = FleetSettings(
            forge="github", repos=(RepoSettings(REPO),), allowed_authors=("anna",), github=github
        )
        return GitHubForge(BackendContext("test", self._home, settings, login))

    def branch(self, name: str, files: dict[str, str]) -> str:
        world, repository = self.server.world, self._repository
        with world.lock:
            sha = repository.git.add(name, files, f"Work on {name}", by=world.person("bob"), start="main")
            pulls.sync(world, repository, by="bob")
        return sha

    def delete_branch(self, name: str) -> None:
        with self.server.world.lock:
            self._repository.git.delete_ref(f"refs/heads/{name}")
            pulls.sync(self.server.world, self._repository, by="bob")

    def read(self, branch: str, path: str) -> str:
        found = self._repository.git.show(f"refs/heads/{branch}", path)
        assert found is not None
        return found.decode().rstrip("\n")

    def log(self, branch: str) -> list[str]:
        assert self._repository.git.branch(branch) is not None
        return self._repository.git.text("log", "--format=%s", f"refs/heads/{branch}").splitlines()

    def let_time_pass(self) -> None:
        self._ahead += timedelta(seconds=1)

    def close(self) -> None:
        self.server.__exit__(None, None, None)


@pytest.fixture(params=["local", "github"])
def tracker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ForgeFixture]:
    if request.param == "github":
        request.getfixturevalue("published_schema")
    fixture = {"local": LocalForgeFixture, "github": GitHubForgeFixture}[request.param](tmp_path)
    yield fixture
    fixture.close()


@pytest.fixture
def forge(tracker: ForgeFixture) -> Iterator[Forge]:
    forge = tracker.connect()
    yield forge
    forge.close()


def key(number: int) -> IssueKey:
    return IssueKey(REPO, number)
