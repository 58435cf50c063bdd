"""What is pending, what is asked and what is fired: the pure parts of giving orders."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.app import firing, questions
from hive_tui.app.pending import CONFIRM_WITHIN, Pending, Wish
from hive_tui.app.questions import Weight
from hive_tui.app.slots import SlotsDial
from hive_tui.app.view import Deriver, View
from hive_tui.core import actions
from hive_tui.core.actions import ActionPlan, Kill, Planned, StopAll
from hive_tui.core.actions.fleet import MAX_SLOTS
from hive_tui.core.errors import UsageError
from hive_tui.core.estimate import estimate
from hive_tui.core.model import AgentState, Budget, Claim, Mode, Phase, Run, Usage
from hive_tui.core.ports import Capability
from hive_tui.core.sources import Item, Key, Kind
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from tests import builders as b

KILL = actions.get("kill")
RUN = b.run(1)
ON_RUN = Target(run=RUN.id)


def view(*items: Item) -> View:
    snapshot = b.snapshot(*items)
    changed: dict[Kind, frozenset[Key]] = {
        Kind.FLEET: frozenset({"local"}),
        Kind.RUN: frozenset(snapshot.runs),
        Kind.ISSUE: frozenset(snapshot.issues),
        Kind.PULL: frozenset(snapshot.pulls),
    }
    return Deriver("local", b.settings(), b.NOW).derive(snapshot, Diff(changed, True), b.NOW)


def wish(target: Target = ON_RUN) -> Wish:
    return Wish(KILL, Kill((RUN.id,)), target, "claude-a", b.snapshot(RUN), b.NOW)


# Pending


def test_a_wish_is_pending_until_the_fleet_says_that_it_is_true() -> None:
    pending = Pending()
    pending.begin(wish())
    assert pending.words == {ON_RUN: "killing"}
    assert pending.waits(KILL, ON_RUN)
    assert not pending.waits(actions.get("pause"), Target())
    assert not pending.settle(b.snapshot(RUN))
    assert pending.settle(b.snapshot(msgspec.structs.replace(RUN, stop_requested=True)))
    assert pending.words == {}


def test_only_what_was_carried_out_can_be_late() -> None:
    pending = Pending()
    pending.begin(wish())
    late = b.NOW + CONFIRM_WITHIN + timedelta(seconds=1)
    assert pending.overdue(late) == []
    pending.carried_out(KILL, [ON_RUN], b.NOW)
    assert pending.overdue(b.NOW + CONFIRM_WITHIN) == []
    assert [found.label for found in pending.overdue(late)] == ["claude-a"]
    assert not pending.waits(KILL)


def test_an_order_that_failed_is_not_waited_for() -> None:
    pending = Pending()
    other = Target(run=b.run(2).id)
    pending.begin(wish())
    pending.begin(wish(other))
    pending.drop(KILL, [ON_RUN])
    assert pending.words == {other: "killing"}
    pending.drop(KILL)
    assert pending.words == {}


def test_what_needs_no_confirmation_is_done_when_it_was_carried_out() -> None:
    pending, gc = Pending(), actions.get("gc")
    pending.begin(Wish(gc, None, Target(), "", b.snapshot(), b.NOW))
    pending.carried_out(gc, [Target()], b.NOW)
    assert not pending.waits(gc)


def test_a_view_finds_what_is_pending_for_a_row() -> None:
    shown = view(RUN, b.issue(1))
    assert shown.pending_of(ON_RUN) is None
    shown = msgspec.structs.replace(shown, pending={ON_RUN: "killing", Target(): "pausing"})
    assert shown.pending_of(shown.target_of_run(RUN.id)) == "killing"
    assert shown.pending_of(shown.target_of_issue(RUN.key)) == "killing"
    assert shown.pending_of(Target(repo=b.REPO, issue=1)) is None
    assert shown.pending_of(Target()) == "pausing"


# Slots


def test_the_dial_counts_from_what_is_true() -> None:
    dial = SlotsDial()
    assert dial.wanted(5) is None
    dial.turn(1, 5)
    dial.turn(1, 5)
    assert dial.wanted(5) == 7
    assert dial.wanted(6) == 8
    assert dial.take() == 2
    assert dial.turned == 0
    assert dial.wanted(5) == 7
    dial.turn(-1, 5)
    assert dial.wanted(5) == 6
    dial.settled()
    assert dial.wanted(7) == 6
    dial.reset()
    assert dial.wanted(7) is None


@pytest.mark.parametrize(("by", "slots", "end"), [(-1, 1, 0), (1, MAX_SLOTS - 1, MAX_SLOTS)])
def test_the_dial_stops_at_its_ends(by: int, slots: int, end: int) -> None:
    dial = SlotsDial()
    for _ in range(4):
        dial.turn(by, slots)
    assert dial.wanted(slots) == end
    dial.turn(-by, slots)
    assert dial.wanted(slots) is None


# Questions


def planned(number: int, **fields: object) -> Planned:
    return msgspec.structs.replace(
        Planned(Target(run=b.run(number).id), f"claude-{number}", ("at work for 5m",)), **fields
    )


def kill_plan(*targets: Planned, **fields: object) -> ActionPlan:
    plan = ActionPlan(KILL, Kill(()), targets, consequences=("Not started again.",))
    return msgspec.structs.replace(plan, **fields)


def test_a_question_names_targets_consequences_and_what_is_left_out() -> None:
    plan = kill_plan(planned(1), skipped=(planned(2, refusal="it has ended"),))
    asked = questions.question(plan, hidden=1)
    assert (asked.title, asked.accept, asked.number) == ("Kill 1 run", "Kill", None)
    assert [line.text for line in asked.lines] == [
        "claude-1",
        "  at work for 5m",
        "left out: claude-2: it has ended",
        "This includes 1 marked row that the filter hides.",
        "Not started again.",
    ]
    assert questions.question(kill_plan(*map(planned, range(5)))).number == 5


def test_what_changed_under_a_dialog_is_said() -> None:
    first = kill_plan(planned(1), planned(2), planned(3, evidence="a"))
    now = kill_plan(
        planned(1), planned(3, evidence="b"), planned(4), skipped=(planned(2, refusal="it has ended"),)
    )
    news = [line.text for line in questions.question(now, shown=first).lines if line.weight is Weight.NEWS]
    assert news == [
        "meanwhile: claude-2: it has ended",
        "meanwhile: claude-3 was changed, look again",
        "meanwhile: claude-4 came to it",
    ]
    assert questions.widened(now, first)
    assert not questions.widened(kill_plan(planned(1)), first)


def test_only_what_was_agreed_to_is_done() -> None:
    shown = kill_plan(planned(1), planned(2), planned(3, evidence="a"))
    now = kill_plan(planned(1), planned(3, evidence="b"), planned(4))
    agreed = questions.agreed(now, shown)
    assert [found.label for found in agreed.targets] == ["claude-1"]
    assert agreed.refusal is None
    assert [found.refusal for found in agreed.skipped] == [
        "it was changed meanwhile: look again",
        "it came to it only now",
    ]
    gone = kill_plan(skipped=(planned(1, refusal="it has ended (succeeded)"),))
    assert questions.agreed(gone, kill_plan(planned(1))).refusal == "claude-1: it has ended (succeeded)"


def test_everything_stays_everything() -> None:
    stop = actions.get("stop")
    shown = ActionPlan(stop, StopAll(), tuple(map(planned, range(5))))
    now = ActionPlan(stop, StopAll(), tuple(map(planned, range(3, 9))))
    assert questions.agreed(now, shown) is now
    assert not questions.widened(now, shown)
    asked = questions.question(now, shown=shown)
    assert (asked.title, asked.number) == ("Stop everything: 6 runs", 5)


# What may be ordered


def reason(name: str, *items: Item, targets: tuple[Target, ...] = (), **options: object) -> str | None:
    asked = {"capabilities": frozenset(Capability), "read_only": False, **options}
    return actions.unavailable(
        actions.get(name),
        snapshot=b.snapshot(*items),
        targets=targets,
        **asked,  # type: ignore[arg-type]
    )


def test_the_reasons_are_cheap_and_in_words() -> None:
    ended = b.run(2, phase=Phase.SUCCEEDED)
    merge = Target(repo=b.REPO, pull_request=50)
    assert reason("kill") == "no run is selected"
    assert reason("kill", RUN, targets=(ON_RUN,)) is None
    assert reason("kill", ended, targets=(Target(run=ended.id),)) == "it has ended (succeeded)"
    assert reason("kill", RUN, ended, targets=(ON_RUN, Target(run=ended.id))) is None
    assert reason("kill", RUN, targets=(ON_RUN,), read_only=True) == "hive is in read-only mode"
    assert "cannot do that (kill)" in (reason("kill", capabilities=frozenset()) or "")
    assert reason("kill", RUN, targets=(ON_RUN,), capabilities=None) is None
    assert reason("merge", b.pull(), targets=(merge,)) is None
    assert reason("merge", targets=(merge,)) == "there is no such pull request"
    assert reason("resume") == "the fleet is not paused"
    assert reason("slots.fewer", b.fleet(slots=0)) == "the fleet has no slots already"
    on_issue = (Target(repo=b.REPO, issue=1),)
    assert reason("retry", b.issue(1, open=False), targets=on_issue) == "it is closed"
    claim = Claim(repo=b.REPO, number=1, version=1, run=RUN.id)
    assert reason("retry", b.issue(1), RUN, claim, targets=on_issue) == f"{RUN.spec.worker} works on it"
    pull = b.pull(50, issue=1)
    assert "!50 is open for it" in (reason("retry", b.issue(1), pull, targets=on_issue) or "")
    assert reason("retry", b.issue(1), targets=on_issue) is None


@pytest.mark.parametrize(
    "name", [action.id for action in actions.REGISTRY if action.writes and action.perform is not None]
)
def test_nothing_is_confirmed_before_it_is_true(name: str) -> None:
    """Neither on an empty fleet nor on one in which nothing changed; and nothing crashes there."""
    action = actions.get(name)
    snapshot = b.snapshot(b.fleet(b.run(1)), b.run(1), b.issue(1), b.pull(50))
    target = Target(repo=b.REPO, issue=1, pull_request=50, run=RUN.id, agent=b.CLAUDE)
    request = action.of((target,), "ann") if action.of is not None else None
    if action.confirmed is None or request is None:
        return
    subject = action.subject(target)
    assert subject is not None
    done = action.confirmed(snapshot, snapshot, request, subject)
    already = {"resume", "issue.reopen", "release", "agent.enable", "issue.approve"}
    assert done is (name in already - {"issue.approve"}), name
    for empty in (b.snapshot(), msgspec.structs.replace(b.snapshot(), fleet=None)):
        assert action.confirmed(empty, empty, request, subject) in (True, False)


# Fire


def test_the_form_knows_the_agents_and_what_the_labels_say() -> None:
    off = AgentState(b.CODEX, enabled=False)
    fleet = msgspec.structs.replace(
        b.fleet(agents=(AgentState(b.CLAUDE), off)), budget=Budget(run_micros=2_500_000)
    )
    one = b.issue(1, labels=("status:ready", "type:bug", "agent:claude"))
    shown = view(fleet, one, b.issue(2))
    form = firing.form(shown, [one.key])
    assert (form.mode, form.agent, form.run_limit) == (Mode.BUG_FIX, b.CLAUDE, 2_500_000)
    assert [(agent.name, agent.mark.word) for agent in form.agents] == [(b.CLAUDE, "no limit met yet")]
    assert firing.budget_text(form.run_limit) == "2.50"
    both = firing.form(shown, [one.key, b.issue(2).key])
    assert both.mode is None
    # What is as the labels say is left to the dispatcher.
    (request,) = firing.requests(form, mode=Mode.BUG_FIX, agent=b.CLAUDE, model=" ", budget="1")
    assert (request.mode, request.agent, request.model, request.budget_micros) == (
        None,
        None,
        None,
        1_000_000,
    )
    several = firing.requests(both, mode=Mode.RESEARCH, agent=None, model="opus", budget="")
    assert [(found.mode, found.model) for found in several] == [(Mode.RESEARCH, "opus")] * 2


@pytest.mark.parametrize(
    ("typed", "micros"), [("", None), (" $2.50 ", 2_500_000), (".5", 500_000), ("3.", 3_000_000)]
)
def test_a_budget_is_an_amount(typed: str, micros: int | None) -> None:
    assert firing.parse_budget(typed, None) == micros


@pytest.mark.parametrize("typed", ["2,50", "-1", "0", "1e3", "nan", "99999999", "\u0663", "$x"])
def test_what_is_no_amount_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="budget"):
        firing.parse_budget(typed, None)


def test_a_budget_above_the_fleet_s_own_would_have_no_effect() -> None:
    with pytest.raises(UsageError, match=r"\$2\.00 at most"):
        firing.parse_budget("3", 2_000_000)


def test_an_estimate_is_the_median_of_the_most_similar_runs() -> None:
    def run(number: int, micros: int | None, **fields: Any) -> Run:
        return b.run(number, phase=Phase.SUCCEEDED, usage=Usage(cost_micros=micros), **fields)

    runs = [run(1, 1_000_000), run(2, 3_000_000), run(3, 8_000_000), run(4, None)]
    runs += [run(5, 100_000, agent=b.CODEX), b.run(6, phase=Phase.FAILED, usage=Usage(cost_micros=9))]
    found = estimate(runs, agent=b.CLAUDE, mode=Mode.IMPROVEMENT)
    assert found is not None
    assert (found.micros, found.runs) == (3_000_000, 3)
    assert found.of == "3 runs of claude in mode improvement that succeeded"
    found = estimate(runs, agent=b.CODEX, mode=Mode.BUG_FIX)
    assert found is not None
    assert found.of == "4 runs that succeeded"
    assert estimate([], agent=None, mode=None) is None
