"""Which fleet works on an issue: one of them, whatever their clocks and the answers do."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.forges.github.claims import GRACE, Record, due, record_of, text
from hive_tui.core.errors import ClaimLost, HiveError
from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.model import FleetClaim
from tests.fakes.github.faults import Fault
from tests.fakes.github.limits import Rules
from tests.fakes.github.server import GitHub
from tests.fakes.github_writer import Writer, repository

KEY = IssueKey(RepoName("me/proj"), 7)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
REF = "refs/hive/claims/issue-7"
NUMBERS = itertools.count(1)


def record(run: str = "r1", attempt: int = 1, *, minutes: float = 10, released: bool = False) -> Record:
    return Record(f"fleet of {run}", RunId(run), attempt, NOW + timedelta(minutes=minutes), released)


class TestDue:
    def test_nobody_ever_had_it(self) -> None:
        assert due(KEY, None, record(), NOW)

    def test_another_run_holds_it(self) -> None:
        with pytest.raises(ClaimLost, match="held by fleet fleet of r1 until 12:10"):
            due(KEY, record("r1"), record("r2", 2), NOW)

    def test_it_stands_a_little_longer_than_it_says(self) -> None:
        late = NOW + timedelta(minutes=10)
        with pytest.raises(ClaimLost):
            due(KEY, record("r1"), record("r2", 2), late + GRACE - timedelta(seconds=1))
        assert due(KEY, record("r1"), record("r2", 2), late + GRACE)

    def test_it_was_given_back(self) -> None:
        assert due(KEY, record("r1", released=True), record("r2", 2), NOW)

    @pytest.mark.parametrize("attempt", [1, 2])
    def test_a_number_is_used_once(self, attempt: int) -> None:
        with pytest.raises(ClaimLost, match="Attempt 2 of"):
            due(KEY, record("r1", 2, released=True), record("r2", attempt), NOW)

    def test_the_same_run_renews(self) -> None:
        assert due(KEY, record(), record(minutes=20), NOW)
        assert due(KEY, record(minutes=-60), record(minutes=20), NOW)
        assert due(KEY, record(released=True), record(), NOW)

    def test_repeating_is_no_change(self) -> None:
        assert not due(KEY, record(), record(), NOW)
        assert not due(KEY, record(minutes=20), record(minutes=10), NOW)


class TestText:
    def test_it_is_read_as_it_was_written(self) -> None:
        assert record_of(text(KEY, record())) == record()
        assert text(KEY, record()).startswith("hive: claim #7, attempt 1\n")

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "Fix it",
            "x\n\n{}",
            'x\n\n{"fleet": "a", "run": "r", "attempt": 0, "until": "2026-01-01T00:00:00Z"}',
            'x\n\n{"fleet": "a", "run": "r", "attempt": 1, "until": "2026-01-01T00:00:00"}',
            "[" * 100_000,
        ],
    )
    def test_anything_else_is_none(self, message: str) -> None:
        assert record_of(message) is None


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    many = 10**6
    rules = Rules(many, many, core_points_minute=many, content_minute=many, content_hour=many)
    with GitHub(tmp_path / "github", rules=rules) as served:
        repository(served, KEY.repo)
        yield served
    assert not served.crashes


def writer(github: GitHub, tmp_path: Path) -> Writer:
    return Writer(github, KEY.repo, tmp_path / f"fleet-{next(NUMBERS)}")


def claim(run: str, attempt: int, *, seconds: float = 600) -> FleetClaim:
    return FleetClaim(f"fleet of {run}", RunId(run), attempt, datetime.now(UTC) + timedelta(seconds=seconds))


def subjects(github: GitHub) -> list[str]:
    repo = github.world.repository(KEY.repo)
    assert repo is not None
    return repo.git.run("log", "--format=%s", REF).decode().splitlines()


class TestRef:
    def test_from_the_first_claim_to_the_next_attempt(self, github: GitHub, tmp_path: Path) -> None:
        one, two = writer(github, tmp_path), writer(github, tmp_path)
        assert one.held(KEY) is None
        one.hold_issue(KEY, claim("r1", 1))
        one.hold_issue(KEY, claim("r1", 1, seconds=1200))
        with pytest.raises(ClaimLost):
            two.hold_issue(KEY, claim("r2", 2))
        two.let_go(KEY, RunId("r2"))
        held = two.held(KEY)
        assert held is not None
        assert (held.run, held.attempt) == ("r1", 1)
        one.let_go(KEY, RunId("r1"))
        one.let_go(KEY, RunId("r1"))
        two.hold_issue(KEY, claim("r2", 2))
        assert subjects(github) == [
            "hive: claim #7, attempt 2",
            "hive: let go of #7, attempt 1",
            "hive: claim #7, attempt 1",
            "hive: claim #7, attempt 1",
        ]
        one.close()
        two.close()

    def test_a_renewal_takes_two_calls_and_finds_out_who_came_between(
        self, github: GitHub, tmp_path: Path
    ) -> None:
        one, two = writer(github, tmp_path), writer(github, tmp_path)
        one.hold_issue(KEY, claim("r1", 1))
        before = len(github.audit.entries)
        one.hold_issue(KEY, claim("r1", 1, seconds=1200))
        assert len(github.audit.entries) - before == 2
        one.hold_issue(KEY, claim("r1", 1, seconds=-60))
        one.let_go(KEY, RunId("r1"))
        one.hold_issue(KEY, claim("r1", 1, seconds=-60))
        two.hold_issue(KEY, claim("r2", 2))
        with pytest.raises(ClaimLost, match="fleet of r2"):
            one.hold_issue(KEY, claim("r1", 1))
        one.let_go(KEY, RunId("r1"))
        held = one.held(KEY)
        assert held is not None
        assert held.run == "r2"
        one.close()
        two.close()

    def test_while_it_stands_nobody_asks_whose_it_is(self, github: GitHub, tmp_path: Path) -> None:
        one = writer(github, tmp_path)
        one.hold_issue(KEY, claim("r1", 1))
        assert len(github.audit.entries) == 3, "a tree, a commit, the ref"
        held = one.held(KEY)
        assert held is not None
        assert held.run == "r1"
        assert len(github.audit.entries) == 3
        one.let_go(KEY, RunId("r1"))
        held = one.held(KEY)
        assert held is not None
        assert held.until <= datetime.now(UTC)
        one.close()

    def test_one_that_is_over_is_looked_at(self, github: GitHub, tmp_path: Path) -> None:
        one, two = writer(github, tmp_path), writer(github, tmp_path)
        one.hold_issue(KEY, claim("r1", 1, seconds=-60))
        two.hold_issue(KEY, claim("r2", 2))
        held = one.held(KEY)
        assert held is not None
        assert held.run == "r2"
        one.close()
        two.close()

    def test_a_tree_that_is_gone_is_looked_up_anew(self, github: GitHub, tmp_path: Path) -> None:
        one = writer(github, tmp_path)
        one._claims._trees[KEY.repo] = "0" * 40
        with pytest.raises(HiveError):
            one.hold_issue(KEY, claim("r1", 1))
        one.hold_issue(KEY, claim("r1", 1))
        one.close()

    def test_of_many_at_once_one_gets_it(self, github: GitHub, tmp_path: Path) -> None:
        github.faults.random.seed(7)
        github.faults.add(Fault("lost", chance=0.1, times=None))
        github.faults.add(Fault("error", chance=0.05, times=None))
        got: list[str] = []
        lost: list[str] = []
        fleets = [writer(github, tmp_path) for _ in range(6)]
        ready = threading.Barrier(len(fleets))

        def take(run: str, fleet: Writer) -> None:
            ready.wait()
            while True:
                try:
                    fleet.hold_issue(KEY, claim(run, 1))
                except ClaimLost:
                    lost.append(run)
                except HiveError:
                    continue  # an answer that did not come: ask again
                else:
                    got.append(run)
                return

        threads = [threading.Thread(target=take, args=(f"r{n}", fleet)) for n, fleet in enumerate(fleets, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        github.faults.clear()
        held = fleets[0].held(KEY)
        assert held is not None
        assert got == [held.run]
        assert len(lost) == 5
        for fleet in fleets:
            fleet.close()

    def test_clocks_that_differ_agree_on_the_end(self, github: GitHub, tmp_path: Path) -> None:
        """One fleet's clock is right; to the other GitHub seems an hour late."""
        one, two = writer(github, tmp_path), writer(github, tmp_path)
        one.hold_issue(KEY, claim("r1", 1, seconds=120))
        ahead = datetime.now(UTC) + timedelta(hours=1)
        two.client._clock = lambda: ahead
        with pytest.raises(ClaimLost):
            two.hold_issue(KEY, claim("r2", 2))
        held = two.held(KEY)
        assert held is not None
        left = held.until - ahead
        assert timedelta(seconds=100) < left < timedelta(seconds=130), "in its own time"
        one.close()
        two.close()

    def test_what_nobody_can_read_is_not_taken_for_free(self, github: GitHub, tmp_path: Path) -> None:
        repo = github.world.repository(KEY.repo)
        assert repo is not None
        sha = repo.git.branch("main")
        assert sha is not None
        repo.git.update_ref(REF, sha, "0" * 40)
        one = writer(github, tmp_path)
        with pytest.raises(ClaimLost, match="nothing that hive can read"):
            one.hold_issue(KEY, claim("r1", 1))
        one.close()
