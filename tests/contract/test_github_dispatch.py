"""A dispatcher at work on GitHub: what it starts, what it writes there, and whom it gives way to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.forges.github import GitHubForge
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import (
    CheckState,
    Comment,
    Issue,
    Phase,
    PullRequest,
    TestResult,
)
from hive_tui.core.settings import FleetSettings, GitHubSettings, RepoSettings
from hive_tui.core.store import Snapshot
from tests import builders as b
from tests.builders import REPO
from tests.contract.conftest import GitHubForgeFixture
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context


class OneFleet:
    """A fleet with a data folder of its own; its runs are played."""

    def __init__(self, home: Path, tracker: GitHubForgeFixture, login: str) -> None:
        github = GitHubSettings(url=tracker.server.site, token_file=str(home.parent / login))
        settings: FleetSettings = b.settings(
            forge="github", repos=(RepoSettings(REPO),), allowed_authors=("anna",), github=github
        )
        made = context(home, settings)
        self.alive = Alive(settings.slots)
        self.cluster = SimulatedCluster(made, self.alive)
        self.forge = GitHubForge(made)
        self.later = timedelta()
        self.one = OneDispatcher(self.cluster, self.forge, settings, login)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    def round(self) -> int:
        self.forge.poll(active=True, wanted=True)
        return self.one.round(self.now)

    def end(self, phase: Phase, **status: Any) -> None:
        (run,) = self.alive.locks
        self.cluster.play(run, self.now, phase=phase, **status)

    def snapshot(self) -> Snapshot:
        self.forge.poll(active=True, wanted=True)
        return self.one.snapshot(self.now)

    def issue(self, number: int = 1) -> Issue:
        return next(issue for issue in self.snapshot().issues.values() if issue.number == number)

    def pull(self) -> PullRequest:
        (pull,) = self.snapshot().pulls.values()
        return pull

    def comments(self, number: int = 1) -> list[Comment]:
        return self.forge.comments(IssueKey(REPO, number))

    def words(self) -> list[str]:
        return [f"{event.kind}: {event.text}" for event in self.one.snapshot(self.now).events]

    def gate(self, number: int = 1) -> str:
        plan = self.one.planner.decide(self.snapshot(), self.now)
        gate = plan.gate(self.issue(number).key)
        return "" if gate is None else f"{gate.name}: {gate.detail}"

    def close(self) -> None:
        self.cluster.close()
        self.forge.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubForgeFixture]:
    made = GitHubForgeFixture(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fleet(tmp_path: Path, hub: GitHubForgeFixture) -> Iterator[OneFleet]:
    made = OneFleet(tmp_path / "one", hub, "anna")
    yield made
    made.close()


@pytest.fixture
def other(tmp_path: Path, hub: GitHubForgeFixture) -> Iterator[OneFleet]:
    made = OneFleet(tmp_path / "two", hub, "bob")
    yield made
    made.close()


def ready(fleet: OneFleet) -> Issue:
    issue = fleet.forge.create_issue(
        REPO, title="Mend it", body=b.BODY, author="anna", labels=("status:ready",)
    )
    fleet.forge.poll(active=True, wanted=True)
    return issue


def test_from_ready_to_merged(fleet: OneFleet, hub: GitHubForgeFixture) -> None:
    issue = ready(fleet)
    assert fleet.round() == 1, fleet.gate()
    (run,) = fleet.alive.locks
    job = fleet.cluster.get_job(run)
    assert (job.repo.source, job.spec.base) == (f"{hub.server.site}/{REPO}.git", "main")
    assert fleet.issue().labels == ("status:in-progress",)
    (comment,) = fleet.comments()
    assert "Attempt 1 by claude-a is at work" in comment.body

    head = hub.branch(job.spec.branch, {"b.txt": "new\n"})
    tests = TestResult(True, "make test", "12 passed", 3.0)
    fleet.end(Phase.SUCCEEDED, head=head, tests=tests, evidence="it was pushed")
    fleet.round()
    pull = fleet.pull()
    assert (pull.branch, pull.head, pull.base, pull.issue) == (job.spec.branch, head, "main", issue.number)
    assert pull.body.startswith(f"Closes #{issue.number}\n")
    assert "Tests: passed (`make test`, 3.0 s)." in pull.body
    assert [(check.name, check.state) for check in pull.checks] == [("hive/tests", CheckState.PASSED)]
    assert fleet.issue().labels == ("status:in-review",)
    (comment,) = fleet.comments()
    assert f"Attempt 1 by claude-a opened [!{pull.number}]({pull.url})." in comment.body

    fleet.forge.merge(pull.key, head=head, by="anna", message="Mend it")
    fleet.round()
    found = fleet.forge.get_issue(issue.key)
    assert (found.open, found.labels) == (False, ("status:done",))
    (comment,) = fleet.comments()
    assert "which is merged" in comment.body
    assert [word.partition(":")[0] for word in fleet.words()] == ["start", "succeeded", "done"]


def test_a_failed_attempt_hands_the_issue_back(fleet: OneFleet) -> None:
    ready(fleet)
    fleet.round()
    fleet.end(Phase.FAILED, why="the tests failed")
    fleet.round()
    assert fleet.issue().labels == ("status:ready",)
    fleet.later = timedelta(minutes=10)
    fleet.round()
    assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a2"]
    (comment,) = fleet.comments()
    assert "Attempt 2 by codex-a is at work" in comment.body
    assert "- Attempt 1 by claude-a failed: `the tests failed`" in comment.body


def test_two_fleets_work_at_an_issue_in_turn(fleet: OneFleet, other: OneFleet) -> None:
    issue = ready(fleet)
    other.forge.poll(active=True, wanted=True)
    plan = other.one.planner.decide(other.one.snapshot(other.now), other.now)
    fleet.round()
    (start,) = plan.decisions
    assert not other.one.executor.execute(start, other.now), "it is decided on what was true before"
    # Another that sees the label taken back while the run is at work finds the right taken.
    fleet.forge.set_labels(issue.key, add=("status:ready",), remove=("status:in-progress",), by="anna")
    other.round()
    assert not other.alive.locks
    assert other.gate().startswith("claimed: claimed by fleet test-")
    fleet.end(Phase.FAILED, why="the tests failed")
    fleet.round()
    other.later = timedelta(hours=1)
    other.round()
    assert [run.rpartition("-")[2] for run in other.alive.locks] == ["a2"]
    fleet.later = timedelta(hours=1)
    fleet.round()
    assert not fleet.alive.locks
