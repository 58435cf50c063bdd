"""The list of what needs a person: what is on it, in which order, with which action."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.core import actions
from hive_tui.core.attention import AttentionItem, AttentionKind, attention
from hive_tui.core.cluster_facts import Place
from hive_tui.core.dispatch import decide
from hive_tui.core.model import (
    DISPATCHER,
    AgentState,
    Approval,
    Budget,
    Check,
    CheckState,
    Dispatcher,
    DispatcherState,
    Hold,
    Phase,
    Quota,
    QuotaState,
    RepoState,
    Tokens,
    Usage,
)
from hive_tui.core.settings import ReviewRule
from hive_tui.core.sources import Item
from tests import builders as b


def needed(*items: Item, **settings: Any) -> tuple[AttentionItem, ...]:
    snapshot, rules = b.snapshot(*items), b.settings(**settings)
    return attention(snapshot, decide(snapshot, rules, b.NOW), rules, b.NOW)


def kinds(*items: Item, **settings: Any) -> list[str]:
    return [item.kind.value for item in needed(*items, **settings)]


def test_a_fleet_at_work_needs_nobody() -> None:
    assert kinds(b.issue(1), b.run(2), b.issue(2, labels=("status:in-progress",))) == []


def test_the_order_is_by_urgency_then_by_age() -> None:
    found = needed(
        b.run(1, phase=Phase.STALLED, why="no progress", progress_at=b.ago(minutes=1)),
        b.run(2, phase=Phase.STALLED, why="no progress", progress_at=b.ago(minutes=9)),
        b.run(3, phase=Phase.WAITING, why="asks: which one?"),
        b.issue(4, labels=("status:needs-human",)),
        b.pull(50, issue=5),
        b.issue(5, labels=("status:in-review",)),
    )
    assert [(item.kind, item.target.issue) for item in found] == [
        (AttentionKind.QUESTION, 3),
        (AttentionKind.STALLED, 2),
        (AttentionKind.STALLED, 1),
        (AttentionKind.NEEDS_HUMAN, 4),
        (AttentionKind.READY_TO_MERGE, 5),
    ]
    assert found[0].text == "asks: which one?"


def test_a_run_that_waits_for_its_quota_needs_nobody() -> None:
    run = b.run(1, phase=Phase.WAITING, why="quota", until=b.NOW + timedelta(hours=1), agent_problem="limit")
    assert kinds(run) == []


def test_a_pod_whose_image_cannot_be_fetched_needs_somebody_at_once() -> None:
    words, remedy = "work: ErrImagePull: not found", "see `image` in `kubectl -n hive edit fleet work`"
    waiting = Place("pod-1", condition=words, remedy=remedy)
    run = msgspec.structs.replace(b.run(1, phase=Phase.QUEUED, why=words), place=waiting)
    (item,) = needed(run, b.issue(1, labels=("status:in-progress",)))
    assert (item.kind, item.action, item.target.run) == (AttentionKind.STALLED, "describe", run.id)
    assert item.text == f"cannot start, {remedy}: {words}"
    given_up = msgspec.structs.replace(b.run(1, phase=Phase.FAILED, why=words), place=waiting)
    assert kinds(given_up, b.issue(1, labels=("status:in-progress",))) == []


def test_a_pod_that_is_not_scheduled_yet_needs_nobody() -> None:
    waiting = Place("pod-1", condition="0/1 nodes are available: 1 Insufficient cpu.")
    run = msgspec.structs.replace(b.run(1, phase=Phase.QUEUED), place=waiting)
    assert kinds(run, b.issue(1, labels=("status:in-progress",))) == []


def test_only_the_last_attempt_speaks() -> None:
    old = b.run(1, attempt=1, phase=Phase.FAILED, why="tests", settled=True)
    issue = b.issue(1, labels=("status:in-progress",))
    assert kinds(old, b.run(1, attempt=2), issue) == []


def test_an_exhausted_issue_tells_the_evidence() -> None:
    item = needed(
        b.run(1, attempt=3, phase=Phase.FAILED, why="3 tests failed", settled=True),
        b.issue(1, labels=("status:needs-human",)),
    )[0]
    assert item.kind is AttentionKind.FAILED
    assert item.text == "failed: 3 tests failed (attempt 3)"


def test_a_killed_issue_is_listed_once() -> None:
    hold = Hold(DISPATCHER, b.ago(hours=1), "by ann")
    found = needed(
        b.run(1, phase=Phase.KILLED, settled=True),
        b.issue(1, labels=("status:needs-human",)),
        b.claim(1, hold=hold),
    )
    assert [item.kind for item in found] == [AttentionKind.KILLED]
    assert kinds(b.issue(1, open=False), b.claim(1, hold=hold)) == []


def test_a_budget_is_one_item_however_many_issues_it_holds() -> None:
    spent = b.run(9, phase=Phase.SUCCEEDED, settled=True, usage=Usage(Tokens(1), 5_000_000))
    fleet = b.fleet(budget=Budget(fleet_micros=1_000_000))
    found = needed(fleet, spent, b.issue(1), b.issue(2), b.issue(3))
    assert [item.kind for item in found] == [AttentionKind.BUDGET]
    assert found[0].text.endswith("it holds 3 issues")


@pytest.mark.parametrize(
    ("quota", "enabled", "listed"),
    [
        (Quota(QuotaState.LIMITED, None, "not logged in"), True, True),
        (Quota(QuotaState.LIMITED, b.NOW + timedelta(hours=1)), True, False),
        (Quota(QuotaState.LIMITED, None), False, False),
        (Quota(QuotaState.OK), True, False),
    ],
)
def test_an_agent_that_time_does_not_bring_back(quota: Quota, enabled: bool, listed: bool) -> None:
    fleet = b.fleet(agents=(AgentState(b.CLAUDE, enabled, quota), AgentState(b.CODEX)))
    assert (kinds(fleet) == ["agent"]) is listed


def test_a_pull_request_is_ready_only_when_a_merge_would_do_it() -> None:
    issue = b.issue(1, labels=("status:in-review",))
    passed = (Check("hive/tests", CheckState.PASSED, "a" * 40),)
    failed = (Check("hive/tests", CheckState.FAILED, "a" * 40),)
    assert kinds(issue, b.pull(50, checks=passed)) == ["ready-to-merge"]
    assert kinds(issue, b.pull(50, checks=failed)) == ["checks"]
    assert kinds(issue, b.pull(50, checks=passed), review=ReviewRule.REQUIRED) == []
    assert kinds(issue, b.pull(50, checks=passed, mergeable=None)) == [], "nobody knows yet"
    assert kinds(issue, b.pull(50, mergeable=False)) == ["conflict"]
    assert kinds(b.issue(1), b.pull(50)) == []


def test_finished_work_that_came_to_nothing_says_where_to_look() -> None:
    (item,) = needed(
        b.issue(1, labels=("status:needs-human",)), b.run(1, phase=Phase.SUCCEEDED, settled=True)
    )
    assert item.text == "needs a human, though attempt 1 finished: the issue's comment says why"


def test_a_check_that_failed_needs_somebody() -> None:
    failed = tuple(Check(name, CheckState.FAILED, "a" * 40) for name in ("build", "lint"))
    issue, pull = b.issue(1, labels=("status:in-review",)), b.pull(50, checks=failed)
    (item,) = needed(issue, pull)
    assert item.text == f"2 checks failed (build, lint): {pull.title}"
    assert (item.action, item.since) == ("describe", pull.updated_at)
    assert kinds(pull) == [], "it is nobody's of hive's"
    assert kinds(issue, b.pull(50, checks=(Check("build", CheckState.FAILED, "b" * 40),))) == [], (
        "an old head"
    )


def test_a_conflict_is_helped_by_a_new_attempt() -> None:
    issue = b.issue(1, labels=("status:in-review",))
    (found,) = needed(issue, b.pull(50, mergeable=False))
    assert found.action == "reset"


def test_a_changed_text_waits_for_its_approval() -> None:
    old = Approval("me", b.ago(hours=1), "0" * 64)
    assert kinds(b.issue(1, edited_by="mallory", approval=old)) == ["approval"]


def test_a_dispatcher_that_is_not_there_comes_first() -> None:
    dead = b.fleet(dispatcher=Dispatcher(DispatcherState.DEAD))
    found = kinds(dead, b.issue(1), b.run(2, phase=Phase.WAITING, why="asks: x"))
    assert found == ["dispatcher", "question"]
    assert kinds(dead) == []


def test_a_dispatcher_that_can_start_nothing_says_why() -> None:
    why = "nothing is started: There is no secret hive-tracker."
    (item,) = needed(b.fleet(dispatcher=Dispatcher(DispatcherState.RUNNING, held=why)), b.issue(1))
    assert (item.kind.value, item.text) == ("dispatcher", why)


def test_a_repository_that_only_a_person_can_mend() -> None:
    broken = RepoState(b.REPO, why="no access: install the App", since=b.ago(hours=1))
    (item,) = needed(b.issue(1), broken)
    assert (item.kind.value, item.text, item.since) == (
        "repository",
        f"{b.REPO} cannot be read: no access: install the App",
        b.ago(hours=1),
    )
    assert kinds(RepoState(b.REPO, closed_to_work="it is archived")) == ["repository"]
    trying = RepoState(b.REPO, why=broken.why, since=b.ago(seconds=30), retry_at=b.NOW)
    assert kinds(trying) == [], "it is tried again by itself"


def test_a_repository_that_does_not_come_back_needs_somebody() -> None:
    why = f"{b.REPO} is not there, or the token has no access to it (404)."
    (item,) = needed(b.issue(1), RepoState(b.REPO, why=why, since=b.ago(minutes=1), retry_at=b.NOW))
    assert (item.kind.value, item.text, item.since) == ("repository", why, b.ago(minutes=1))


def test_every_item_names_an_action_that_exists() -> None:
    hold = Hold(DISPATCHER, b.NOW, "by ann")
    found = needed(
        b.fleet(
            agents=(AgentState(b.CLAUDE, True, Quota(QuotaState.LIMITED)),),
            dispatcher=Dispatcher(DispatcherState.STOPPED),
        ),
        b.run(1, phase=Phase.STALLED),
        b.run(2, phase=Phase.WAITING, why="asks: x"),
        b.issue(3, labels=("status:needs-human",)),
        b.issue(4),
        b.claim(4, hold=hold),
        b.issue(5, labels=("status:in-review",)),
        b.pull(50, issue=5),
        b.pull(51, issue=6, mergeable=False),
        b.issue(7, edited_by="mallory"),
    )
    assert len(found) == 9
    for item in found:
        assert item.action is not None
        action = actions.get(item.action)
        if action.of is not None:
            assert isinstance(action.of((item.target,), "ann"), actions.Request)
    assert len({item.key for item in found}) == len(found)
