"""Every write of the GitHub forge, with faults and deaths at every one of its calls: done once, always."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from hive_tui.core.errors import HiveError
from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.model import Check, CheckState, FleetClaim, Verdict, VerdictValue
from hive_tui.core.ports import NewPull
from tests.fakes.github import changes, pulls
from tests.fakes.github.faults import Fault
from tests.fakes.github.limits import Rules
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.github_writer import Killed, Writer, repository

pytestmark = pytest.mark.e2e

BRANCH = "hive/issue-1-a1"
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
NUMBERS = itertools.count(1)

PATIENT = Rules(
    10**6,
    10**6,
    core_points_minute=10**6,
    graphql_points_minute=10**6,
    content_minute=10**6,
    content_hour=10**6,
)
"""Of a GitHub that takes any number of calls: these tests make more of them a minute than it allows."""

FAULTS = (
    Fault("lost"),
    Fault("truncate"),
    Fault("reset"),
    Fault("error", status=502),
    Fault("error", status=503, retry_after=1),
    Fault("secondary", retry_after=1),
    Fault("html", status=502),
)
"""What may hit a call: the first two after it took place."""


class Scene(NamedTuple):
    """An issue (1) in progress, with a pull request (2) that waits for review."""

    github: GitHub
    repo: Repository
    head: str
    home: Path

    @property
    def name(self) -> RepoName:
        return RepoName(self.repo.full_name)

    @property
    def issue(self) -> IssueKey:
        return IssueKey(self.name, 1)

    @property
    def pull(self) -> PullKey:
        return PullKey(self.name, 2)

    def writer(self) -> Writer:
        return Writer(self.github, self.name, self.home)


Act = Callable[[Writer, Scene], object]


def open_second(writer: Writer, scene: Scene) -> object:
    new = NewPull(
        scene.name, "Second", "It is better.", "claude-a", "hive/issue-1-a2", "main", 1, RunId("r2")
    )
    return writer.open_pull(new)


ACTS: dict[str, Act] = {
    "labels": lambda writer, scene: writer.set_labels(
        scene.issue, add=("status:in-review",), remove=("status:in-progress",), by="hive"
    ),
    "edit": lambda writer, scene: writer.edit_issue(
        scene.issue, by="hive", title="Other", body="Other text."
    ),
    "close issue": lambda writer, scene: writer.set_open(scene.issue, False, by="hive"),
    "approve": lambda writer, scene: writer.approve_issue(scene.issue, by="hive"),
    "status comment": lambda writer, scene: writer.comment(
        scene.issue, author="hive", body="Attempt 1 ended.", marker="status"
    ),
    "open pull": open_second,
    "check": lambda writer, scene: writer.set_check(
        scene.pull, Check("hive/tests", CheckState.PASSED, scene.head, "3 passed")
    ),
    "verdict": lambda writer, scene: writer.set_verdict(
        scene.pull, Verdict(VerdictValue.PASS, scene.head, "judge", UNTIL)
    ),
    "lease": lambda writer, scene: writer.set_lease(scene.pull, WorkerName("claude-a"), UNTIL),
    "end lease": lambda writer, scene: writer.set_lease(scene.pull, None, None),
    "close pull": lambda writer, scene: writer.close_pull(scene.pull, by="hive"),
    "merge": lambda writer, scene: writer.merge(
        scene.pull, head=scene.head, by="hive", message="Mend it (#1)\n\nBy hive."
    ),
    "hold": lambda writer, scene: writer.hold_issue(scene.issue, FleetClaim("one", RunId("r2"), 2, UNTIL)),
    "let go": lambda writer, scene: writer.let_go(scene.issue, RunId("r1")),
}
"""Writes that a dispatcher repeats until they are done."""


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHub]:
    with GitHub(tmp_path_factory.mktemp("github"), rules=PATIENT) as served:
        yield served
    assert not served.crashes


def scene(github: GitHub, tmp_path: Path, *, held: str | None = None) -> Scene:
    number = next(NUMBERS)
    repo = repository(github, f"me/proj-{number}")
    world = github.world
    with world.lock:
        by = world.person("hive")
        labels = ("status:in-progress", "mine")
        changes.create_issue(world, repo, author="anna", title="Mend it", body="Broken.", labels=labels)
        head = repo.git.add(BRANCH, {"b.txt": "new\n"}, "Work", by=by, start="main")
        repo.git.add("hive/issue-1-a2", {"c.txt": "new\n"}, "More work", by=by, start="main")
        pulls.open_pull(world, repo, author="hive", title="Mend it", body="Mended.", head=BRANCH, base="main")
    made = Scene(github, repo, head, tmp_path / str(number))
    writer = made.writer()
    if held is not None:
        writer.hold_issue(made.issue, FleetClaim("one", RunId(held), 1, UNTIL))
        writer.set_lease(made.pull, WorkerName("claude-a"), UNTIL)
    writer.close()
    return made


def picture(scene: Scene) -> object:
    """All that a write may have changed, without times and numbers of GitHub's."""
    with scene.github.world.lock:
        repo = scene.repo
        things = [
            (
                item.number,
                item.title,
                item.body,
                item.open,
                sorted(label.name for label in repo.labels_of(item)),
                [(comment.author, comment.body) for comment in item.comments],
            )
            for _, item in sorted(repo.issues.items())
        ]
        statuses = {
            "head" if sha == scene.head else sha: {
                (status.context, status.state, status.description) for status in repo.latest_statuses(sha)
            }
            for sha in repo.statuses
        }
        refs = repo.git.refs("refs/")
        branches = sorted(name for name in refs if name.startswith("refs/heads/"))
        registers = {
            name: [line for line in repo.git.run("log", "--format=%s", sha).decode().splitlines()]
            for name, sha in refs.items()
            if name.startswith("refs/hive/")
        }
        commits = repo.git.run("log", "--format=%B", refs["refs/heads/main"]).decode()
        return things, statuses, branches, registers, commits


def insist(scene: Scene, act: Act, *, tries: int = 6) -> None:
    """Like a dispatcher: again, by another process, until it is done."""
    for attempt in range(tries):
        writer = scene.writer()
        try:
            act(writer, scene)
            return
        except HiveError:
            if attempt == tries - 1:
                raise
        finally:
            writer.close()


def undisturbed(github: GitHub, tmp_path: Path, act: Act, held: str | None) -> tuple[object, int]:
    """What the write leaves behind, and how many calls it takes."""
    quiet = scene(github, tmp_path, held=held)
    before = len(github.audit.entries)
    insist(quiet, act)
    return picture(quiet), len(github.audit.entries) - before


@pytest.mark.parametrize("name", ACTS)
def test_a_fault_at_any_call_changes_nothing_of_the_outcome(
    github: GitHub, tmp_path: Path, name: str
) -> None:
    act, held = ACTS[name], "r1" if name in ("let go", "end lease") else None
    wanted, calls = undisturbed(github, tmp_path, act, held)
    random = Random(name)
    for skip in range(calls):
        fault = random.choice(FAULTS)
        troubled = scene(github, tmp_path, held=held)
        hit = github.faults.add(
            Fault(fault.kind, skip=skip, status=fault.status, retry_after=fault.retry_after)
        )
        insist(troubled, act)
        github.faults.clear()
        assert hit.hits == 1
        assert picture(troubled) == wanted, f"{fault.kind} at call {skip}"


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ACTS)
def test_faults_without_end_change_nothing_of_the_outcome(
    github: GitHub, tmp_path: Path, name: str, seed: int
) -> None:
    act, held = ACTS[name], "r1" if name in ("let go", "end lease") else None
    wanted, _ = undisturbed(github, tmp_path, act, held)
    troubled = scene(github, tmp_path, held=held)
    github.faults.random = Random(seed)
    for kind in ("lost", "reset", "error", "truncate"):
        github.faults.add(Fault(kind, times=None, chance=0.1))
    insist(troubled, act, tries=200)
    github.faults.clear()
    assert picture(troubled) == wanted, f"seed {seed}"


@pytest.mark.parametrize("name", ACTS)
def test_a_kill_after_any_call_changes_nothing_of_the_outcome(
    github: GitHub, tmp_path: Path, name: str
) -> None:
    act, held = ACTS[name], "r1" if name in ("let go", "end lease") else None
    wanted, _ = undisturbed(github, tmp_path, act, held)
    for call in itertools.count(1):
        troubled = scene(github, tmp_path, held=held)
        writer = troubled.writer()
        writer.client.dies_after = call
        try:
            act(writer, troubled)
            break  # there was no such call any more
        except Killed:
            insist(troubled, act)
        finally:
            writer.close()
        assert picture(troubled) == wanted, f"killed at call {call}"


def test_an_issue_is_made_once_though_the_answer_is_lost(github: GitHub, tmp_path: Path) -> None:
    for kind in ("lost", "truncate", "reset", "error"):
        made = scene(github, tmp_path)
        github.faults.add(Fault(kind, method="POST", path="*/issues"))
        writer = made.writer()
        first = writer.create_issue(made.name, title="New", body="Text.", author="hive", labels=("mine",))
        again = writer.create_issue(made.name, title="New", body="Text.", author="hive", labels=("mine",))
        writer.close()
        assert (first.number, again.number) == (3, 4), "one each: they are alike on purpose"
        assert len(made.repo.issues) == 4


def test_two_issues_alike_at_once_are_two_though_both_answers_are_lost(
    github: GitHub, tmp_path: Path
) -> None:
    made = scene(github, tmp_path)
    github.faults.add(Fault("lost", method="POST", path="*/issues", times=2))
    writer = made.writer()
    numbers = {
        writer.create_issue(made.name, title="New", body="Text.", author="hive").number for _ in range(2)
    }
    writer.close()
    assert len(numbers) == 2
    assert len(made.repo.issues) == 4


def test_a_plain_comment_is_said_once_though_the_answer_is_lost(github: GitHub, tmp_path: Path) -> None:
    for kind in ("lost", "truncate", "reset", "error"):
        made = scene(github, tmp_path)
        github.faults.add(Fault(kind, method="POST", path="*/comments"))
        writer = made.writer()
        for _ in range(2):
            writer.comment(made.issue, author="hive", body="Hello.")
        writer.close()
        assert [comment.body for comment in made.repo.issues[1].comments] == ["Hello."] * 2


def test_a_secondary_limit_that_lasts_is_said_and_nothing_more_is_sent(
    github: GitHub, tmp_path: Path
) -> None:
    made = scene(github, tmp_path)
    github.faults.add(Fault("secondary", times=None, retry_after=120))
    writer = made.writer()
    with pytest.raises(HiveError, match="takes no calls until"):
        writer.comment(made.issue, author="hive", body="Hello.")
    sent = len(github.audit.entries)
    with pytest.raises(HiveError, match="came too fast"):
        writer.comment(made.issue, author="hive", body="Hello.")
    assert len(github.audit.entries) == sent
    github.faults.clear()
    writer.close()


def test_a_lease_that_ended_is_taken_over(github: GitHub, tmp_path: Path) -> None:
    made = scene(github, tmp_path)
    writer = made.writer()
    writer.set_lease(made.pull, WorkerName("claude-a"), datetime.now(UTC) - timedelta(seconds=1))
    assert writer.set_lease(made.pull, WorkerName("claude-b"), UNTIL).lease is not None
    labels = {label.name for label in made.repo.labels_of(made.repo.issues[2])}
    writer.close()
    assert labels == {"claude-b"}
