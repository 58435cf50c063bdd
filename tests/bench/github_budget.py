"""What an hour costs at GitHub: points of both budgets, as the server for tests counts them.

Ten repositories with a hundred open issues and twenty pull requests each. The hour is simulated: the server
and the fleet live by one clock that is moved a second at a time. Idle, a person labels an issue every ten
minutes. Busy, ten runs are at work all the time, half an hour each: every start and end makes all the calls
that a dispatcher makes, every pull request has a check that takes five minutes, and is then merged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from backends.forges.github.claims import Claims
from backends.forges.github.desk import Desk
from backends.forges.github.issues import Issues
from backends.forges.github.pulls import Pulls
from hive_tui.core import messages, rights, workflow
from hive_tui.core.ids import IssueKey, RepoName, RunId, branch_name, run_id
from hive_tui.core.model import Check, CheckState, FleetClaim, PullRequest
from hive_tui.core.ports import NewPull
from hive_tui.core.settings import Preset
from hive_tui.core.showing import AUTHOR
from hive_tui.core.workflow import IssueState
from tests.fakes.github import changes, seeding
from tests.fakes.github import pulls as pulls_of
from tests.fakes.github.state import Repository
from tests.fakes.polled_github import PolledGitHub

REPOS, ISSUES, PULLS, RUNS = 10, 100, 20, 10

RUN_SECONDS, CHECK_SECONDS, PERSON_SECONDS = 1800, 300, 613
RENEW_SECONDS = int(rights.RENEW.total_seconds())

HOUR = 3600


def run() -> dict[str, Any]:
    """Points an hour."""
    idle, seen_idle = _hour(busy=False)
    busy, seen_busy = _hour(busy=True)
    return {
        "bench": "github_budget",
        "repos": REPOS,
        "idle_points": idle,
        "idle_target": 150,
        "busy_points": busy,
        "busy_target": 600,
        "runs_ended": seen_busy["runs"],
        "points_a_run": round((busy["all"] - idle["all"]) / seen_busy["runs"], 1),
        "ready_seen_after_seconds": {"idle": seen_idle["slowest"], "active": seen_busy["slowest"]},
    }


def _hour(*, busy: bool) -> tuple[dict[str, int], dict[str, int]]:
    with tempfile.TemporaryDirectory() as folder:
        place = PolledGitHub(Path(folder))
        place.server.audit.keep_bodies = False
        repositories = _seed(place)
        place.serve(RepoName(repository.full_name) for repository in repositories)
        with place.server:
            hour = _Hour(place, repositories, busy=busy)
            # The first load and what follows from it are over before the hour begins.
            for _ in range(HOUR // 2):
                hour.second()
            place.server.audit.clear()
            hour.ended, hour.slowest = 0, 0
            for _ in range(HOUR):
                hour.second()
            entries = place.server.audit.entries
            points = {
                budget: sum(e.points for e in entries if (e.path == "/graphql") is (budget == "graphql"))
                for budget in ("core", "graphql")
            }
        place.close()
    return {**points, "all": sum(points.values())}, {"runs": hour.ended, "slowest": hour.slowest}


def _seed(place: PolledGitHub) -> list[Repository]:
    made = seeding.seed(place.world, repos=REPOS, issues=ISSUES, opened=PULLS, seed=1)
    ready = workflow.label(IssueState.READY, Preset.STATUS)
    for repository in made:
        repository.collaborators["me"] = "admin"
        for state in IssueState:
            name = workflow.label(state, Preset.STATUS)
            if repository.label(name) is None:
                changes.create_label(place.world, repository, name)
        for issue in list(repository.issues.values())[:ISSUES]:
            changes.add_labels(place.world, repository, issue, [ready], "me")
    return made


class _Hour:
    """The world a second at a time."""

    def __init__(self, place: PolledGitHub, repositories: list[Repository], *, busy: bool) -> None:
        self._place = place
        self._repositories = repositories
        self._busy = busy
        self._at = 0
        self._poll_at = 0.0
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._watched: dict[IssueKey, int] = {}
        desk = Desk(place.client, place.mirror, place.settings, "github.com")
        self._issues, self._pulls, self._claims = Issues(desk), Pulls(desk), Claims(desk)
        self._next = self._keys()
        self.ended = self.slowest = 0
        if busy:
            for number in range(RUNS):
                self._in(number * RUN_SECONDS // RUNS + 60, self._start)

    def second(self) -> None:
        self._place.pass_time(1)
        self._at += 1
        due = [work for at, work in self._later if at <= self._at]
        self._later = [(at, work) for at, work in self._later if at > self._at]
        for work in due:
            work()
        if self._at % PERSON_SECONDS == 0:
            self._label_one()
        if self._at >= self._poll_at:
            self._poll_at = self._at + self._place.poller.poll(active=self._busy, wanted=False)
        self._look()

    def _in(self, seconds: int, work: Callable[[], None]) -> None:
        self._later.append((self._at + seconds, work))

    def _keys(self) -> Iterator[tuple[Repository, IssueKey]]:
        for number in range(1, ISSUES + 1):
            for repository in self._repositories:
                yield repository, IssueKey(RepoName(repository.full_name), number)

    def _label_one(self) -> None:
        """A person makes an issue ready; how long it takes to be seen is measured."""
        repository = self._repositories[self._at // PERSON_SECONDS % REPOS]
        ready = workflow.label(IssueState.READY, Preset.STATUS)
        with self._place.world.lock:
            made = changes.create_issue(
                self._place.world, repository, author="me", title="Mend it", labels=[ready]
            )
        self._watched[IssueKey(RepoName(repository.full_name), made.number)] = self._at

    def _look(self) -> None:
        for key, since in list(self._watched.items()):
            if self._place.mirror.issue(key) is not None:
                self.slowest = max(self.slowest, self._at - since)
                del self._watched[key]

    # One run, as a dispatcher conducts it

    def _start(self) -> None:
        repository, key = next(self._next)
        run = run_id("github.com", key.repo, key.number, 1)
        self._claims.hold(key, self._claim(run))
        self._issues.get(key)
        self._move(key, IssueState.READY, IssueState.IN_PROGRESS)
        self._issues.comment(key, body="At work.", marker=messages.STATUS)
        for renewal in range(RENEW_SECONDS, RUN_SECONDS, RENEW_SECONDS):
            self._in(renewal, lambda: self._renew(key, run))
        self._in(RUN_SECONDS, lambda: self._end(repository, key, run))

    def _renew(self, key: IssueKey, run: RunId) -> None:
        self._claims.hold(key, self._claim(run))

    def _claim(self, run: RunId) -> FleetClaim:
        return FleetClaim("bench", run, 1, self._place.now + rights.HOLD)

    def _end(self, repository: Repository, key: IssueKey, run: RunId) -> None:
        branch = branch_name(key.number, 1)
        with self._place.world.lock:
            by = self._place.world.person("me")
            repository.git.add(branch, {f"{key.number}.txt": "x\n"}, "Work", by=by, start="main")
        self._claims.held(key)
        self._issues.get(key)
        self._pulls.template(key.repo, "main", messages.TEMPLATES)
        pull = self._pulls.open(
            NewPull(
                key.repo,
                "Mend it",
                f"Closes #{key.number}",
                "claude-a",
                branch,
                "main",
                key.number,
                run,
                True,
            )
        )
        self._pulls.set_check(pull.key, Check("hive/tests", CheckState.PASSED, pull.head))
        self._move(key, IssueState.IN_PROGRESS, IssueState.IN_REVIEW)
        self._issues.comment(key, body="For review.", marker=messages.STATUS)
        self._claims.let_go(key, run)
        self._check(repository, pull, done=False)
        self._in(CHECK_SECONDS, lambda: self._check(repository, pull, done=True))
        self._in(CHECK_SECONDS + 60, lambda: self._merge(key, pull))
        self.ended += 1
        self._start()

    def _check(self, repository: Repository, pull: PullRequest, *, done: bool) -> None:
        status = "completed" if done else "in_progress"
        with self._place.world.lock:
            changes.add_check(self._place.world, repository, pull.head, name="ci", status=status)
            pulls_of.sync(self._place.world, repository, by="me")

    def _merge(self, key: IssueKey, pull: PullRequest) -> None:
        self._pulls.merge(pull.key, head=pull.head, message=f"Mend it (#{key.number})")
        if self._issues.get(key).open:
            self._issues.set_open(key, False, by=AUTHOR)
        self._issues.comment(key, body="Merged.", marker=messages.STATUS)
        self._move(key, IssueState.IN_REVIEW, IssueState.DONE)

    def _move(self, key: IssueKey, frm: IssueState, to: IssueState) -> None:
        add, remove = (workflow.label(state, Preset.STATUS) for state in (to, frm))
        self._issues.set_labels(key, add=[add], remove=[remove], by=AUTHOR)
