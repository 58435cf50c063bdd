"""What the dispatcher's hands do, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive_tui.core.decisions import CloseIssue, LimitAgent, RestoreAgent, Settle
from hive_tui.core.errors import SourceError, UsageError
from hive_tui.core.ids import RunId, WorkerName
from hive_tui.core.model import Claim, FleetClaim, Phase, Process, PullState, Quota, QuotaState
from hive_tui.core.ports import NewPull, Remote
from hive_tui.core.settings import FleetSettings
from tests import builders as b
from tests.builders import NOW, REPO
from tests.fakes.shared_tracker import Refs, SharedTracker
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context, forge_of


class Fleet:
    """A fleet with one ready issue, a dispatcher, and runs that are played."""

    def __init__(self, home: Path, settings: FleetSettings) -> None:
        made = context(home, settings)
        self.now = NOW
        self.alive = Alive(settings.slots)
        self.cluster = SimulatedCluster(made, self.alive)
        self.refs = Refs(lambda: self.now)
        self.forge: Any = SharedTracker(forge_of(made), self.refs)
        self.one = OneDispatcher(self.cluster, self.forge, settings, "a")
        self.key = self.forge.create_issue(
            REPO, title="Mend it", body=b.BODY, author="me", labels=("status:ready",)
        ).key

    def round(self, **passed: float) -> None:
        """A round, so much later."""
        self.now += timedelta(**passed)
        self.one.round(self.now)

    def restart(self) -> None:
        """Another dispatcher, which remembers nothing."""
        self.one = OneDispatcher(self.cluster, self.forge, self.one.planner.settings, "b")

    def end(self, phase: Phase = Phase.FAILED, **status: Any) -> None:
        (run,) = self.alive.locks
        self.cluster.play(run, self.now, phase=phase, **status)

    def claim(self) -> Claim:
        claim = self.cluster.get_claim(self.key)
        assert claim is not None
        return claim

    def others(self, attempt: int, **left: float) -> FleetClaim:
        """Another fleet holds the issue for so long."""
        claim = FleetClaim("other-1", RunId("other-run"), attempt, self.now + timedelta(**left))
        self.refs.last[self.key] = claim
        return claim

    def events(self) -> list[str]:
        return [f"{event.kind}: {event.text}" for event in self.one.snapshot(self.now).events]

    def gate(self) -> str:
        gate = self.one.planner.decide(self.one.snapshot(self.now), self.now).gate(self.key)
        return "" if gate is None else f"{gate.name}: {gate.detail}"

    def comments(self) -> list[str]:
        return [comment.body for comment in self.forge.comments(self.key)]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.one.snapshot(NOW).events]

    def close(self) -> None:
        self.cluster.close()
        self.forge.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "fleet", b.settings())
    yield made
    made.close()


class TestOldFacts:
    """One source may be heard before the other: then the same is decided again on what was true before."""

    def test_the_end_of_a_run_is_recorded_once(self, fleet: Fleet) -> None:
        assert fleet.one.round(NOW) == 1
        (run,) = fleet.alive.locks
        fleet.cluster.play(run, NOW, phase=Phase.FAILED, why="tests")
        plan = fleet.one.planner.decide(fleet.one.snapshot(NOW), NOW)
        (settle,) = [decision for decision in plan.decisions if isinstance(decision, Settle)]
        assert fleet.one.executor.execute(settle, NOW)
        assert not fleet.one.executor.execute(settle, NOW + timedelta(seconds=0.1))
        seen_since = msgspec.structs.replace(settle.run, process=Process.NONE, stop_requested=True)
        again = msgspec.structs.replace(settle, run=seen_since)
        assert not fleet.one.executor.execute(again, NOW + timedelta(seconds=0.2))
        assert fleet.kinds() == ["start", "failed"]

    def test_a_limit_and_its_end_are_recorded_once_each(self, fleet: Fleet) -> None:
        quota = Quota(QuotaState.LIMITED, NOW, "the week is over", NOW)
        for decision in (LimitAgent(b.CLAUDE, quota), RestoreAgent(b.CLAUDE, quota)):
            assert fleet.one.executor.execute(decision, NOW)
            assert not fleet.one.executor.execute(decision, NOW)
        assert fleet.kinds() == ["limit", "limit"]

    def test_the_next_limit_is_another_one(self, fleet: Fleet) -> None:
        quota = Quota(QuotaState.LIMITED, NOW, "the week is over", NOW)
        later = msgspec.structs.replace(quota, at=NOW + timedelta(days=7))
        for limit in (quota, later):
            assert fleet.one.executor.execute(LimitAgent(b.CLAUDE, limit), NOW)
            assert fleet.one.executor.execute(RestoreAgent(b.CLAUDE, limit), NOW)
        assert fleet.kinds() == ["limit"] * 4


class TestRights:
    def test_it_is_taken_before_the_run_and_let_go_after_it(self, fleet: Fleet) -> None:
        fleet.round()
        (run,) = fleet.alive.locks
        held = fleet.forge.held(fleet.key)
        assert (held.attempt, held.until) == (1, NOW + timedelta(minutes=45))
        assert held.run.startswith(f"{run}@test-")
        fleet.end()
        fleet.round(minutes=1)
        assert fleet.forge.held(fleet.key).until == fleet.now
        assert [call for call, *_ in fleet.refs.calls] == ["hold", "let go"]

    def test_an_issue_of_another_fleet_is_left_alone_and_says_whose_it_is(self, fleet: Fleet) -> None:
        other = fleet.others(3, minutes=20)
        fleet.round()
        assert not fleet.alive.locks
        assert (fleet.claim().attempt, fleet.claim().attempts_used, fleet.claim().run) == (3, 0, None)
        assert fleet.gate().startswith("claimed: claimed by fleet other-1 until ")
        assert [event.partition(" until")[0] for event in fleet.events()] == [
            "hold: claimed by fleet other-1"
        ]
        fleet.round(minutes=19)
        assert len(fleet.refs.calls) == 1, "nobody asks before it is over"
        fleet.refs.last[fleet.key] = msgspec.structs.replace(other, until=fleet.now + timedelta(hours=1))
        fleet.round(minutes=2)
        assert len(fleet.refs.calls) == 2
        assert len(fleet.events()) == 1, "it is said once"
        fleet.round(hours=2)
        assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a4"]

    def test_the_next_attempt_has_a_number_that_nobody_used(self, fleet: Fleet) -> None:
        fleet.others(7, minutes=-1)
        fleet.round()
        assert not fleet.alive.locks
        fleet.round(seconds=1)
        assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a8"]
        assert fleet.claim().attempts_used == 1
        assert fleet.events() == ["start: attempt 8 → claude-a"]

    def test_a_tracker_that_does_not_answer_uses_no_number_up(self, fleet: Fleet) -> None:
        (start,) = fleet.one.planner.decide(fleet.one.snapshot(NOW), NOW).decisions

        def lost(*_: object) -> None:
            SharedTracker.hold_issue(fleet.forge, fleet.key, FleetClaim("me", RunId("lost"), 1, NOW))
            raise SourceError("No answer.")

        hold, fleet.forge.hold_issue = fleet.forge.hold_issue, lost
        with pytest.raises(SourceError):
            fleet.one.executor.execute(start, NOW)
        fleet.forge.hold_issue = hold
        assert (fleet.claim().attempt, fleet.claim().run) == (0, None)
        snapshot = fleet.one.snapshot(NOW)
        assert snapshot.fleet is not None
        assert snapshot.fleet.slots_used == ()

    def test_what_a_dead_dispatcher_took_is_let_go(self, fleet: Fleet) -> None:
        fleet.cluster.create_run = _killed  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            fleet.round()
        del fleet.cluster.create_run
        fleet.forge.let_go = _unreachable
        fleet.restart()
        with pytest.raises(SourceError):
            fleet.round(seconds=1)
        del fleet.forge.let_go
        for _ in range(3):
            fleet.round(minutes=1)
        assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a2"]

    def test_it_is_renewed_well_before_its_end_while_the_run_lives(self, fleet: Fleet) -> None:
        fleet.round()
        for _ in range(9):
            fleet.round(minutes=5)
            assert fleet.forge.held(fleet.key).until >= fleet.now + timedelta(minutes=15)
        assert len(fleet.refs.calls) == 2
        fleet.restart()
        fleet.round(seconds=1)
        assert len(fleet.refs.calls) == 3, "a new dispatcher knows of no renewal"

    def test_a_waiting_run_keeps_it(self, fleet: Fleet) -> None:
        fleet.round()
        fleet.end(Phase.WAITING, agent_problem="limit", until=NOW + timedelta(hours=5))
        for _ in range(10):
            fleet.round(minutes=15)
        assert fleet.forge.held(fleet.key).until > fleet.now

    def test_a_run_that_was_overtaken_is_ended_and_speaks_for_nobody(self, fleet: Fleet) -> None:
        fleet.round()
        (run,) = fleet.alive.locks
        fleet.others(2, hours=5)
        fleet.round(minutes=30)
        assert fleet.one.snapshot(fleet.now).runs[run].stop_requested
        before = fleet.forge.get_issue(fleet.key).labels, fleet.comments()
        fleet.end(Phase.KILLED, why="stopped", head="f" * 40)
        fleet.round(minutes=1)
        assert (fleet.forge.get_issue(fleet.key).labels, fleet.comments()) == before
        claim = fleet.claim()
        assert (claim.attempt, claim.attempts_used, claim.hold, claim.run) == (2, 0, None, None)
        assert fleet.one.snapshot(fleet.now).runs[run].settled
        assert fleet.events()[-1] == "killed: claude-a came too late: attempt 2 of fleet other-1 has it"

    def test_a_text_that_changed_while_it_was_claimed_is_not_worked_on(self, fleet: Fleet) -> None:
        hold = fleet.forge.hold_issue

        def slow(*given: Any) -> None:
            hold(*given)
            fleet.forge.edit_issue(fleet.key, by="me", title="Break it")

        fleet.forge.hold_issue = slow
        fleet.round()
        assert not fleet.alive.locks
        assert fleet.forge.held(fleet.key).until <= fleet.now
        fleet.forge.hold_issue = hold
        fleet.round(seconds=1)
        assert len(fleet.alive.locks) == 1
        claim = fleet.claim()
        assert (claim.attempt, claim.forgiven) == (1, 0), "nothing was begun: the number is asked for again"


class TestSlots:
    """Slots that go between the decision to start and the start."""

    def test_a_start_that_finds_no_slot_uses_no_number_up(self, fleet: Fleet) -> None:
        (start,) = fleet.one.planner.decide(fleet.one.snapshot(NOW), NOW).decisions
        fleet.cluster.set_slots(0)
        assert not fleet.one.executor.execute(start, NOW)
        claim = fleet.claim()
        assert (claim.attempt, claim.forgiven, claim.run) == (0, 0, None)
        assert not fleet.refs.calls, "no other fleet heard of it"
        fleet.cluster.set_slots(1)
        fleet.round(seconds=1)
        assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a1"]

    def test_a_start_that_comes_too_late_for_a_slot_takes_no_number_back(self, fleet: Fleet) -> None:
        (start,) = fleet.one.planner.decide(fleet.one.snapshot(NOW), NOW).decisions
        take = fleet.cluster.take_slot

        def late(worker: WorkerName, run: RunId) -> None:
            fleet.cluster.take_slot = take  # type: ignore[method-assign]
            fleet.restart()
            fleet.round(seconds=1)  # its claim is abandoned,
            fleet.round(seconds=1)  # and the next attempt begins
            take(worker, run)

        fleet.cluster.take_slot = late  # type: ignore[method-assign]
        held_up = fleet.one.executor
        assert not held_up.execute(start, NOW)
        assert [run.rpartition("-")[2] for run in fleet.alive.locks] == ["a2"]
        claim = fleet.claim()
        assert claim.run is not None
        assert (claim.attempt, claim.run.rpartition("-")[2]) == (2, "a2")


class TestTracker:
    def test_the_runner_is_told_how_the_tracker_is_reached(self, fleet: Fleet) -> None:
        remote = Remote("https://example.com/me/proj", "trunk", ("helper", "x"), ("TOKEN",), "ca.pem", True)
        fleet.forge.remote = lambda _: remote
        fleet.round()
        (run,) = fleet.alive.locks
        job = fleet.cluster.get_job(run)
        assert (job.spec.base, job.repo.test) == ("trunk", None)
        assert (
            Remote(
                job.repo.source,
                job.repo.base,
                job.repo.credential,
                job.repo.variables,
                job.repo.certificates,
                job.repo.large,
            )
            == remote
        )

    def test_an_issue_has_one_comment_that_is_edited(self, fleet: Fleet) -> None:
        fleet.round()
        (comment,) = fleet.comments()
        assert "Attempt 1 by claude-a is at work since 2026-03-01 12:00 UTC." in comment
        assert "Plan: improvement by claude on `hive/issue-1-a1` from `main`." in comment
        fleet.end(why="the @team said `no`", evidence="exit 1")
        fleet.round(minutes=1)
        (comment,) = fleet.comments()
        assert "Attempt 1 by claude-a failed: `the @team said 'no'`." in comment
        fleet.round(hours=1)
        (comment,) = fleet.comments()
        assert "Attempt 2 by codex-a is at work" in comment
        assert "- Attempt 1 by claude-a failed: `the @team said 'no'` (not reported)." in comment

    def test_a_tracker_that_shows_nothing_stops_no_start(self, fleet: Fleet) -> None:
        fleet.forge.set_labels = _unreachable
        fleet.round()
        assert len(fleet.alive.locks) == 1
        start, error = fleet.events()
        assert start == "start: attempt 1 → claude-a"
        assert error == "error: attempt 1 is at work, but the tracker does not show it: No answer."

    def test_a_start_that_could_not_be_shown_is_shown_as_soon_as_that_works(self, fleet: Fleet) -> None:
        works, fleet.forge.set_labels = fleet.forge.set_labels, _unreachable
        fleet.round()
        with pytest.raises(SourceError):
            fleet.round(minutes=1)
        fleet.forge.set_labels = works
        fleet.round(minutes=1)
        assert fleet.forge.get_issue(fleet.key).labels == ("status:in-progress",)
        (comment,) = fleet.comments()
        assert "Attempt 1 by claude-a is at work" in comment

    def test_a_start_that_a_dead_dispatcher_has_not_shown_is_shown(self, fleet: Fleet) -> None:
        fleet.forge.set_labels = _killed
        with pytest.raises(KeyboardInterrupt):
            fleet.round()
        del fleet.forge.set_labels
        fleet.restart()
        fleet.round(minutes=1)
        assert fleet.forge.get_issue(fleet.key).labels == ("status:in-progress",)
        assert len(fleet.comments()) == 1

    def test_what_a_person_changed_after_a_start_was_shown_stays(self, fleet: Fleet) -> None:
        fleet.round()
        fleet.forge.set_labels(fleet.key, add=("status:ready",), remove=("status:in-progress",), by="me")
        fleet.restart()
        fleet.round(minutes=1)
        fleet.round(minutes=1)
        assert fleet.forge.get_issue(fleet.key).labels == ("status:ready",)

    @pytest.mark.parametrize("left", [("status:ready", "status:in-progress"), ("status:needs-human",)])
    def test_a_move_that_was_cut_off_goes_on_and_a_person_s_stays(
        self, fleet: Fleet, left: tuple[str, ...]
    ) -> None:
        fleet.round()
        (before,) = fleet.forge.get_issue(fleet.key).labels
        fleet.forge.set_labels(fleet.key, add=left, remove=() if before in left else (before,), by="me")
        fleet.end(Phase.KILLED)
        fleet.round(minutes=1)
        assert fleet.forge.get_issue(fleet.key).labels == ("status:needs-human",)

    @pytest.mark.parametrize("left", [(), ("status:in-progress",), ("status:needs-human",)])
    def test_a_merge_ends_a_move_that_was_cut_off(self, fleet: Fleet, left: tuple[str, ...]) -> None:
        labels = ("status:in-review", *left)
        fleet.forge.set_labels(fleet.key, add=labels, remove=("status:ready",), by="me")
        fleet.forge.get_pull = lambda _: b.pull(state=PullState.MERGED)
        fleet.one.executor.execute(CloseIssue(fleet.key, 50), fleet.now)
        theirs = "status:needs-human" in left
        assert set(fleet.forge.get_issue(fleet.key).labels) == ({*labels} if theirs else {"status:done"})

    def test_a_run_whose_issue_is_gone_is_settled_all_the_same(self, fleet: Fleet) -> None:
        fleet.round()
        (run,) = fleet.alive.locks
        fleet.end()

        def gone(*_: object) -> None:
            raise UsageError("Unknown issue.")

        fleet.forge.get_issue = gone
        fleet.round(minutes=1)
        assert fleet.one.snapshot(fleet.now).runs[run].settled
        assert fleet.events()[-1] == "failed: claude-a failed, but: Unknown issue."


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _unreachable(*_: object, **__: object) -> None:
    raise SourceError("No answer.")


def test_a_pull_request_is_looked_for_where_somebody_may_have_opened_it(fleet: Fleet) -> None:
    untried = []

    def no_answer(new: NewPull) -> None:
        untried.append(new.untried)
        raise SourceError("No answer.")

    fleet.forge.open_pull = no_answer
    fleet.forge.pull_template = lambda _: None
    fleet.round()
    fleet.now += timedelta(minutes=5)
    fleet.end(Phase.SUCCEEDED, head="f" * 40)
    for _ in range(2):
        with pytest.raises(SourceError):
            fleet.round(minutes=1)
    assert untried == [True, False], "the second time, the first may have got there"
    fleet.restart()
    with pytest.raises(SourceError):
        fleet.round(minutes=1)
    assert untried == [True, False, False], "the one before may have got there"
