"""What is started, in which order, and the upkeep of runs, slots, claims and quotas."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.core.decisions import (
    CloseIssue,
    Decision,
    Launch,
    LimitAgent,
    Recover,
    ReleaseClaim,
    ReleaseSlot,
    RestoreAgent,
    Settle,
    Start,
)
from hive_tui.core.dispatch import Planner, decide
from hive_tui.core.ids import AgentName, RunId, WorkerName
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    AgentState,
    Budget,
    Fire,
    Mode,
    Paused,
    Phase,
    Process,
    PullState,
    Quota,
    QuotaState,
    Slot,
    Usage,
)
from hive_tui.core.settings import BackoffSettings
from hive_tui.core.sources import CLUSTER, FORGE, Changed, Item, Kind
from tests import builders as b
from tests.builders import CLAUDE, CODEX, NOW, ago

ME = Actor(ActorKind.PERSON, "me")


def decisions(*items: Item, **policy: Any) -> tuple[Decision, ...]:
    return decide(b.snapshot(*items), b.settings(**policy), NOW).decisions


def started(*items: Item, **policy: Any) -> list[int]:
    return [d.issue.number for d in decisions(*items, **policy) if isinstance(d, Start)]


def test_nothing_to_do_is_nothing() -> None:
    assert decisions() == ()


def test_a_start_says_who_what_and_which_attempt() -> None:
    (start,) = decisions(b.issue(labels=("status:ready", "type:bug")), b.claim(attempt=1))
    assert isinstance(start, Start)
    assert (start.attempt, start.worker, start.agent, start.mode) == (2, "claude-a", CLAUDE, Mode.BUG_FIX)
    assert start.claim is not None
    assert start.claim.version == 1


def test_slots_bound_the_starts() -> None:
    issues = [b.issue(n) for n in range(1, 6)]
    assert started(*issues) == [1, 2]
    run = b.run(9)
    assert started(*issues, run, b.fleet(run)) == [1]
    assert started(*issues, run, b.fleet(run, slots=1)) == []
    assert started(*issues, b.fleet(paused=Paused(DISPATCHER, NOW))) == []


def test_priority_comes_before_age() -> None:
    old = b.issue(1)
    low = b.issue(2, labels=("status:ready", "priority:low"))
    high = b.issue(3, labels=("status:ready", "priority:high"))
    assert started(old, low, high, b.fleet(slots=3)) == [3, 1, 2]


def test_fire_comes_before_everything_and_carries_its_wishes() -> None:
    wish = Fire(ME, NOW, CODEX, "big-model", 5_000_000, Mode.RESEARCH)
    fired = b.claim(9, fire=wish)
    high = b.issue(3, labels=("status:ready", "priority:critical"))
    first, second = decisions(high, b.issue(9), fired)
    assert isinstance(first, Start)
    assert isinstance(second, Start)
    assert (first.issue.number, second.issue.number) == (9, 3)
    assert (first.agent, first.model, first.budget_micros) == (CODEX, "big-model", 5_000_000)
    assert (first.mode, first.by) == (Mode.RESEARCH, ME)


def test_fire_does_not_open_a_gate() -> None:
    fired = b.claim(1, fire=Fire(ME, NOW))
    assert started(b.issue(body="no plan"), fired) == []
    assert started(b.issue(author="mallory"), fired) == []


def test_agents_alternate_and_names_are_the_lowest_free() -> None:
    issues = [b.issue(n) for n in range(1, 5)]
    found = [d for d in decisions(*issues, b.fleet(slots=4)) if isinstance(d, Start)]
    assert [d.agent for d in found] == [CLAUDE, CODEX, CLAUDE, CODEX]
    assert [d.worker for d in found] == ["claude-a", "codex-a", "claude-b", "codex-b"]


def test_a_waiting_run_keeps_its_worker_name() -> None:
    parked = b.run(9, phase=Phase.WAITING, agent_problem="limit", until=NOW + timedelta(hours=1))
    limited = AgentState(CODEX, enabled=False)
    fleet = b.fleet(agents=(AgentState(CLAUDE, quota=Quota(QuotaState.OK, at=NOW)), limited))
    (start,) = (d for d in decisions(b.issue(), parked, fleet) if isinstance(d, Start))
    assert start.worker == "claude-b"


def test_a_start_counts_against_budgets_and_limits_of_the_same_round() -> None:
    issues = [b.issue(n) for n in range(1, 4)]
    spent = b.run(9, phase=Phase.FAILED, settled=True, usage=Usage(cost_micros=1))
    budget = Budget(run_micros=600_000, fleet_micros=1_000_000)
    assert started(*issues, spent, b.fleet(slots=3, budget=budget)) == [1, 2]
    assert started(*issues, b.fleet(slots=3, budget=budget)) == [1, 2]
    assert started(*issues, b.fleet(slots=3), review_limit=2) == [1, 2]
    assert started(*issues, b.pull(issue=9), b.fleet(slots=3), review_limit=2) == [1]


def test_a_run_without_a_process_is_recovered() -> None:
    gone = b.run(process=Process.GONE)
    assert decisions(gone, b.fleet(gone)) == (Recover(gone),)


@pytest.mark.parametrize(("age", "again"), [(1.0, False), (11.0, True), (-5.0, True)])
def test_a_run_that_was_only_recorded_is_launched(age: float, again: bool) -> None:
    queued = b.run(phase=Phase.QUEUED, process=Process.NONE, since=ago(seconds=age))
    found = decisions(queued, b.fleet(queued))
    assert [type(d) for d in found] == ([Launch] if again else [])


def test_a_recorded_run_that_was_stopped_is_ended_instead() -> None:
    queued = b.run(phase=Phase.QUEUED, process=Process.NONE, since=ago(hours=1), stop_requested=True)
    assert decisions(queued, b.fleet(queued)) == (Recover(queued),)


def test_a_stopped_run_whose_process_may_never_take_it_up_is_ended() -> None:
    waits = b.run(phase=Phase.QUEUED, process=Process.ALIVE, stop_requested=True)
    assert decisions(waits, b.fleet(waits)) == (Recover(waits),)
    works = b.run(phase=Phase.WORKING, process=Process.ALIVE, stop_requested=True)
    assert decisions(works, b.fleet(works)) == (), "it ends by itself, and saves its work"
    unknown = b.run(phase=Phase.QUEUED, process=Process.UNKNOWN, stop_requested=True)
    assert decisions(unknown, b.fleet(unknown)) == ()


def test_an_end_is_settled_once_with_a_growing_back_off() -> None:
    failed = b.run(attempt=2, phase=Phase.FAILED, ended_at=NOW)
    claim = b.claim(attempt=2, run=failed.id)
    policy: dict[str, Any] = {"backoff": BackoffSettings(first=10, most=15)}
    (settle,) = decisions(failed, claim, b.fleet(failed), **policy)
    assert settle == Settle(failed, gives_up=False, not_before=NOW + timedelta(seconds=15))
    (last,) = decisions(failed, claim, b.fleet(failed), max_attempts=2)
    assert isinstance(last, Settle)
    assert last.gives_up
    done = msgspec.structs.replace(failed, settled=True)
    assert decisions(done, b.claim(attempt=2)) == ()


def test_slots_of_ended_waiting_and_unknown_runs_are_released() -> None:
    ended = b.run(1, phase=Phase.SUCCEEDED, settled=True)
    parked = b.run(2, phase=Phase.WAITING, agent_problem="x", until=NOW + timedelta(hours=1))
    limited = AgentState(CLAUDE, quota=Quota(QuotaState.LIMITED, NOW + timedelta(hours=2), "x", NOW))
    fleet = b.fleet(ended, parked, agents=(limited,), slots=5)
    lost = Slot(WorkerName("claude-z"), RunId("never-made"))
    fleet = msgspec.structs.replace(fleet, slots_used=(*fleet.slots_used, lost))
    found = {d.run for d in decisions(ended, parked, fleet) if isinstance(d, ReleaseSlot)}
    assert found == {ended.id, parked.id, lost.run}


def test_a_claim_without_its_run_is_given_back() -> None:
    claim = b.claim(attempt=1, run=RunId("proj-0-i1-a1"))
    assert decisions(claim) == (ReleaseClaim(claim),)


def test_a_limit_stops_the_agent_at_once_and_the_run_goes_on_after_it() -> None:
    until = NOW + timedelta(hours=1)
    parked = b.run(9, phase=Phase.WAITING, agent_problem="5-hour limit", until=until, since=NOW)
    only = b.fleet(agents=(AgentState(CLAUDE),))
    quota = Quota(QuotaState.LIMITED, until, "5-hour limit", NOW)
    assert decisions(b.issue(), parked, only) == (LimitAgent(CLAUDE, quota),)
    known = b.fleet(agents=(AgentState(CLAUDE, quota=quota),))
    assert decisions(b.issue(), parked, known) == ()
    later = until + timedelta(seconds=1)
    plan = decide(b.snapshot(b.issue(), parked, known, at=later), b.settings(), later)
    assert [type(d) for d in plan.decisions] == [RestoreAgent, Launch, Start]


def test_a_limit_without_an_end_lasts_until_a_person_lifts_it() -> None:
    parked = b.run(9, phase=Phase.WAITING, agent_problem="no credit", since=ago(minutes=1))
    fresh = b.fleet(agents=(AgentState(CLAUDE),))
    (limit,) = decisions(parked, fresh)
    assert isinstance(limit, LimitAgent)
    held = b.fleet(agents=(AgentState(CLAUDE, quota=limit.quota),))
    assert decisions(parked, held) == ()
    lifted = b.fleet(agents=(AgentState(CLAUDE, quota=Quota(QuotaState.OK, at=NOW)),))
    assert [type(d) for d in decisions(parked, lifted)] == [Launch]
    before = b.fleet(agents=(AgentState(CLAUDE, quota=Quota(QuotaState.OK, at=ago(hours=1))),))
    assert [type(d) for d in decisions(parked, before)] == [LimitAgent]


def test_a_resumed_run_needs_a_free_slot_and_no_pause() -> None:
    parked = b.run(9, phase=Phase.WAITING, agent_problem="x", until=NOW, since=ago(hours=1))
    assert [type(d) for d in decisions(parked, b.fleet(slots=1))] == [Launch]
    busy = b.run(8, agent=CODEX)
    assert decisions(parked, busy, b.fleet(busy, slots=1)) == ()
    assert decisions(parked, b.fleet(paused=Paused(ME, NOW))) == ()
    # It goes before new work.
    assert started(b.issue(), parked, b.fleet(slots=1)) == []


def test_a_merged_pull_request_closes_its_issue_once() -> None:
    merged = b.pull(state=PullState.MERGED)
    issue = b.issue(labels=("status:in-review",))
    assert decisions(issue, merged) == (CloseIssue(issue.key, 50),)
    closed_with_it = b.issue(labels=("status:in-review",), open=False)
    assert decisions(closed_with_it, merged) == (CloseIssue(issue.key, 50),)
    assert decisions(merged) == (CloseIssue(issue.key, 50),), "a tracker lists it no more"
    assert decisions(b.pull(state=PullState.MERGED, updated_at=ago(days=2))) == ()
    reopened = b.issue(labels=("status:needs-human",))
    assert decisions(reopened, merged) == ()


def test_nobody_is_started_whose_agent_is_unknown_to_the_fleet() -> None:
    wants = b.issue(labels=("status:ready", "agent:gemini"))
    assert started(wants, b.fleet(agents=(AgentState(AgentName("claude")),))) == []


changes = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.sampled_from(
            [
                {},
                {"open": False},
                {"labels": ("status:ready", "priority:high")},
                {"body": "no"},
                {"author": "eve"},
                None,
            ]
        ),
    ),
    max_size=12,
)


@given(changes)
def test_a_planner_that_remembers_decides_like_one_that_does_not(
    edits: list[tuple[int, dict[str, Any] | None]],
) -> None:
    store = b.store(*(b.issue(n) for n in range(1, 4)), b.fleet(slots=3))
    planner = Planner(b.settings())
    planner.decide(store.snapshot, NOW)
    for number, edit in edits:
        issue = b.issue(number)
        if edit is None:
            store.apply([Changed(FORGE, gone=((Kind.ISSUE, issue.key),))], NOW)
        else:
            store.apply([Changed(FORGE, (msgspec.structs.replace(issue, **edit),))], NOW)
        store.apply([Changed(CLUSTER, (b.claim(number, attempt=number),))], NOW)
        kept, fresh = planner.decide(store.snapshot, NOW), decide(store.snapshot, b.settings(), NOW)
        assert kept.decisions == fresh.decisions
        for key in store.snapshot.issues:
            assert kept.gate(key) == fresh.gate(key)
