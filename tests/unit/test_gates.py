"""Every gate, its order, and the sentence that says what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from hive_tui.core import gates, world
from hive_tui.core.booked import Charge
from hive_tui.core.decisions import Launch
from hive_tui.core.dispatch import decide
from hive_tui.core.gates import Gate, has_definition_of_done, has_plan, text_gate
from hive_tui.core.ids import RepoName, RunId
from hive_tui.core.model import (
    DISPATCHER,
    AgentState,
    ApiUse,
    Approval,
    Budget,
    Fire,
    FleetClaim,
    Hold,
    Paused,
    Phase,
    PullState,
    Quota,
    QuotaState,
    RepoState,
    Usage,
    body_sha,
)
from hive_tui.core.settings import PlanRule, Preset, RepoSettings
from hive_tui.core.sources import CLUSTER, Item, SourceFailed
from tests import builders as b
from tests.builders import BODY, CLAUDE, CODEX, NOW, REPO, ago

ME = DISPATCHER


def gate_of(*items: Item, number: int = 1, **policy: Any) -> Gate | None:
    return decide(b.snapshot(*items), b.settings(**policy), NOW).gate(b.issue(number).key)


def name_of(*items: Item, **policy: Any) -> str | None:
    gate = gate_of(*items, **policy)
    return gate.name if gate is not None else None


def test_a_ready_issue_is_held_by_nothing() -> None:
    assert gate_of(b.issue()) is None


@pytest.mark.parametrize(
    ("changes", "name", "hint"),
    [
        ({"open": False}, "closed", "closed"),
        ({"labels": ()}, "state", "hive status 1 ready"),
        ({"labels": ("status:in-progress",)}, "state", "in progress"),
        ({"labels": ("status:in-review",)}, "state", "hive merge 1"),
        ({"labels": ("status:needs-human",)}, "state", "hive retry 1"),
        ({"labels": ("status:ready", "status:done")}, "state", "keep one"),
        ({"author": "mallory"}, "author", "hive issue approve 1"),
        ({"edited_by": "mallory"}, "edited", "hive issue approve 1"),
        ({"body": "## Plan\n\nx\n"}, "definition-of-done", "- [ ]"),
        ({"body": "## Definition of Done\n- [ ] x\n"}, "plan", "## Plan"),
        ({"labels": ("status:ready", "agent:gemini")}, "agent", "claude, codex"),
    ],
)
def test_gates_of_the_issue_itself(changes: dict[str, Any], name: str, hint: str) -> None:
    gate = gate_of(b.issue(**changes))
    assert gate is not None
    assert gate.name == name
    assert hint in gate.detail


def test_an_empty_list_of_authors_means_nobody() -> None:
    gate = gate_of(b.issue(), allowed_authors=())
    assert gate is not None
    assert gate.name == "author"
    assert "allowed_authors" in gate.detail


@pytest.mark.parametrize(
    ("changes", "lets_in"),
    [
        ({"author_role": "MEMBER"}, True),
        ({"author_role": "OWNER"}, True),
        ({"author_role": "CONTRIBUTOR"}, False),
        ({"author_role": None}, False),
        ({"author_role": "MEMBER", "author_is_bot": True}, False),
        ({"author_role": "MEMBER", "edited_by": "mallory"}, False),
        ({"author_role": "MEMBER", "edited_by": "me"}, True),
        ({"author": "Me"}, True),
        ({"author": "\u212ae"}, False),
    ],
)
def test_a_role_lets_people_in_and_no_bot(changes: dict[str, Any], lets_in: bool) -> None:
    issue = b.issue(**{"author": "somebody", **changes})
    gate = gate_of(issue, allowed_authors=("me", "ke"), allowed_roles=("OWNER", "MEMBER"))
    assert (gate is None) is lets_in, gate


def test_a_bot_is_let_in_by_name_alone() -> None:
    bot = b.issue(author="renovate[bot]", author_role="MEMBER", author_is_bot=True)
    gate = gate_of(bot, allowed_roles=("MEMBER",))
    assert gate is not None
    assert "renovate[bot] is a bot that allowed_authors does not name" in gate.detail
    assert gate_of(bot, allowed_authors=("renovate[bot]",)) is None


@pytest.mark.parametrize("author", ["hive", "hive[bot]"])
def test_a_bot_is_listed_by_the_name_that_everybody_sees(author: str) -> None:
    bot = b.issue(author=author, author_is_bot=True)
    assert gate_of(bot, allowed_authors=("me", "hive[bot]")) is None
    person = gate_of(b.issue(author="hive"), allowed_authors=("me", "hive[bot]"))
    assert person is not None, "somebody may have the bot's name"
    stranger = gate_of(bot, allowed_authors=("me",))
    assert stranger is not None
    assert "hive[bot] is a bot that allowed_authors does not name" in stranger.detail


def test_roles_alone_let_somebody_in() -> None:
    issue = b.issue(author="somebody", author_role="OWNER")
    assert gate_of(issue, allowed_authors=(), allowed_roles=("OWNER",)) is None
    refused = gate_of(b.issue(), allowed_authors=(), allowed_roles=("OWNER",))
    assert refused is not None
    assert "me (no known role) is neither in allowed_authors nor of allowed_roles" in refused.detail


class TestRepositories:
    OTHER = RepoName("me/other")

    def test_what_helps_names_the_repository_too_where_there_are_several(self) -> None:
        stranger = b.issue(author="eve")
        both = RepoSettings(b.REPO), RepoSettings(self.OTHER)
        for repos, name in ((both[:1], "1"), (both, f"{b.REPO}#1")):
            gate = gate_of(stranger, repos=repos)
            assert gate is not None
            assert f"`hive issue approve {name}`" in gate.detail

    def gates(self, *items: Item) -> tuple[Gate | None, Gate | None]:
        """Of the same issue in both repositories."""
        there = b.issue(repo=self.OTHER)
        settings = b.settings(repos=(RepoSettings(b.REPO), RepoSettings(self.OTHER)))
        plan = decide(b.snapshot(b.issue(), there, *items), settings, NOW)
        return plan.gate(b.issue().key), plan.gate(there.key)

    def test_one_that_cannot_be_read_starts_nothing_and_holds_no_other(self) -> None:
        here, there = self.gates(
            RepoState(
                b.REPO, why="502 Bad Gateway", since=ago(minutes=4), retry_at=NOW + timedelta(seconds=30)
            ),
            RepoState(self.OTHER),
        )
        assert there is None
        assert here is not None
        assert here.name == "repository"
        assert here.detail.startswith(f"{b.REPO} cannot be read since ")
        assert here.detail.endswith(", next try in 30s: 502 Bad Gateway")

    def test_one_that_nobody_tries_again_says_so(self) -> None:
        here, _ = self.gates(RepoState(b.REPO, why="no access", since=ago(minutes=4)))
        assert here is not None
        assert "not tried again by itself" in here.detail

    def test_one_that_may_not_be_written_starts_nothing(self) -> None:
        here, there = self.gates(RepoState(b.REPO, closed_to_work="it is archived"))
        assert there is None
        assert here is not None
        assert here.detail == f"{b.REPO} is closed to work: it is archived"

    def test_its_waiting_run_does_not_go_on(self) -> None:
        run = b.run(phase=Phase.WAITING, agent_problem="limit", until=ago(minutes=1))
        broken = RepoState(b.REPO, why="no access", since=ago(minutes=4))
        found = [
            [type(decision) for decision in decide(b.snapshot(run, *state), b.settings(), NOW).decisions]
            for state in ((), (broken,))
        ]
        assert found == [[Launch], []]


def test_nothing_is_begun_that_the_tracker_would_not_let_end() -> None:
    soon = NOW + timedelta(minutes=10)
    gate = gate_of(b.issue(), ApiUse("core", 5000, 3, soon))
    assert gate is not None
    assert gate.name == "api"
    assert gate.detail.startswith("3 of 5,000 core points are left until ")
    assert gate_of(b.issue(), ApiUse("core", 5000, 3, NOW)) is None
    assert gate_of(b.issue(), ApiUse("core", 5000, 400, soon)) is None


def test_an_issue_of_another_fleet_waits_until_that_is_over() -> None:
    other = FleetClaim("elsewhere-1234", RunId("r"), 3, NOW + timedelta(minutes=5))
    gate = gate_of(b.issue(), b.claim(attempt=3, forgiven=3, elsewhere=other))
    assert gate is not None
    assert gate.name == "claimed"
    assert "claimed by fleet elsewhere-1234 until" in gate.detail
    over = msgspec.structs.replace(other, until=NOW)
    assert gate_of(b.issue(), b.claim(attempt=3, forgiven=3, elsewhere=over)) is None


@pytest.mark.parametrize("changes", [{"author": "mallory"}, {"edited_by": "mallory"}])
def test_an_approval_lets_exactly_this_text_in(changes: dict[str, Any]) -> None:
    approved = Approval("me", NOW, body_sha(BODY))
    assert name_of(b.issue(approval=approved, **changes)) is None
    later = b.issue(approval=approved, body=BODY + "and rm -rf /", **changes)
    assert name_of(later) in ("author", "edited")


def test_an_approval_by_somebody_who_may_not_counts_nothing() -> None:
    approved = Approval("mallory", NOW, body_sha(BODY))
    assert name_of(b.issue(author="mallory", approval=approved)) == "author"


@pytest.mark.parametrize("changes", [{"author": "mallory"}, {"edited_by": "mallory"}])
def test_an_approval_by_somebody_of_an_allowed_role_counts(changes: dict[str, Any]) -> None:
    """Else a fleet that goes by roles alone could never start what somebody else has changed."""
    settings = b.settings(allowed_authors=(), allowed_roles=("OWNER",))
    changes["author_role"] = "NONE" if "author" in changes else "OWNER"
    for role, held in (("OWNER", False), ("CONTRIBUTOR", True), (None, True)):
        approved = Approval("ann", NOW, body_sha(BODY), role)
        found = text_gate(b.issue(approval=approved, **changes), settings)
        assert (found is not None) is held


def test_an_edit_by_an_allowed_author_keeps_the_issue_startable() -> None:
    assert name_of(b.issue(edited_by="me")) is None


@pytest.mark.parametrize(
    ("body", "plan"),
    [
        ("## Plan\n", True),
        ("text\n## Plan  \nmore", True),
        ("## Plan (proposed by hive)\n", False),
        ("### Plan\n", False),
        ("# Plan\n", False),
        ("##Plan\n", False),
        (" ## Plan\n", False),
        ("## plan\n", False),
        ("```\n## Plan\n```\n", False),
        ("~~~md\n## Plan\n~~~\n", False),
        ("````\n```\n## Plan\n````\n", False),
        ("```\nnever closed\n## Plan\n", False),
        ("```\ncode\n```\n## Plan\n", True),
        ("", False),
    ],
)
def test_the_plan_heading_is_exact_and_outside_of_fences(body: str, plan: bool) -> None:
    assert has_plan(body) is plan


@pytest.mark.parametrize(
    ("body", "done"),
    [
        ("## Definition of Done\n- [ ] one\n", True),
        ("## Definition of Done\n\nAll of:\n\n- [x] done\n  - [ ] open\n", True),
        ("## Definition of Done\n### Sub\n- [ ] open\n", True),
        ("## Definition of Done\n- [ ]\n", True),
        ("## Definition of Done\n- [x] all\n- [x] ticked\n", False),
        ("## Definition of Done\nnothing to tick\n", False),
        ("## Definition of Done\n## Other\n- [ ] elsewhere\n", False),
        ("- [ ] before\n## Definition of Done\n", False),
        ("## Definition of Done\n```\n- [ ] in code\n```\n", False),
        ("## Definition of Done (draft)\n- [ ] one\n", False),
    ],
)
def test_the_definition_of_done_needs_an_open_item(body: str, done: bool) -> None:
    assert has_definition_of_done(body) is done


def test_types_that_need_less() -> None:
    no_plan = "## Definition of Done\n- [ ] x\n"
    no_done = "## Plan\nlook\n"
    assert name_of(b.issue(body=no_plan, labels=("status:ready", "type:qa-feedback"))) is None
    research = b.issue(body=no_done, labels=("status:ready", "type:research"))
    assert name_of(research) is None
    assert name_of(research, definition_of_done_for_research=True) == "definition-of-done"
    assert name_of(b.issue(body=no_plan), plan=PlanRule.OFF) is None


def test_the_plain_preset_has_its_own_labels() -> None:
    assert name_of(b.issue(labels=("ready",)), labels=Preset.PLAIN) is None
    assert name_of(b.issue(labels=("status:ready",)), labels=Preset.PLAIN) == "state"


def test_a_live_run_holds_its_issue() -> None:
    run = b.run()
    gate = gate_of(b.issue(), run, b.fleet(run))
    assert gate == Gate("in-work", "claude-a works on it (attempt 1)")


def test_a_run_that_ended_holds_its_issue_until_it_is_settled() -> None:
    assert name_of(b.issue(), b.run(phase=Phase.FAILED)) == "in-work"
    assert name_of(b.issue(), b.run(phase=Phase.FAILED, settled=True)) is None


def test_an_open_pull_request_holds_its_issue_by_record_or_by_branch() -> None:
    assert name_of(b.issue(), b.pull()) == "in-work"
    assert name_of(b.issue(), b.pull(issue=None)) == "in-work"
    assert name_of(b.issue(), b.pull(issue=None, branch="feature")) is None
    assert name_of(b.issue(), b.pull(state=PullState.CLOSED)) is None


def test_attempts_and_what_a_retry_forgives() -> None:
    assert name_of(b.issue(), b.claim(attempt=3)) == "attempts"
    assert name_of(b.issue(), b.claim(attempt=3), max_attempts=4) is None
    assert name_of(b.issue(), b.claim(attempt=5, forgiven=3)) is None


def test_a_kill_is_sticky() -> None:
    gate = gate_of(b.issue(), b.claim(hold=Hold(ME, NOW, "killed by me")))
    assert gate is not None
    assert gate.name == "killed"
    assert "hive retry 1" in gate.detail


def test_back_off_ends_by_itself_and_fire_skips_it() -> None:
    waiting = b.claim(attempt=1, failed_at=ago(seconds=5), not_before=NOW + timedelta(seconds=5))
    assert name_of(b.issue(), waiting) == "back-off"
    assert name_of(b.issue(), b.claim(attempt=1, failed_at=ago(seconds=9), not_before=NOW)) is None
    fired = b.claim(attempt=1, not_before=NOW + timedelta(seconds=5), fire=Fire(ME, NOW))
    assert name_of(b.issue(), fired) is None


def test_a_clock_that_was_set_back_does_not_stretch_the_back_off() -> None:
    later = NOW + timedelta(days=2)
    assert (
        name_of(b.issue(), b.claim(attempt=1, failed_at=later, not_before=later + timedelta(seconds=9)))
        is None
    )


@pytest.mark.parametrize(
    ("budget", "scope"),
    [
        (Budget(issue_micros=2_000_000), "issue"),
        (Budget(repo_micros=2_000_000), "repo"),
        (Budget(day_micros=2_000_000), "day"),
        (Budget(fleet_micros=2_000_000), "fleet"),
    ],
)
def test_a_budget_that_is_used_holds(budget: Budget, scope: str) -> None:
    spent = b.run(
        phase=Phase.FAILED,
        settled=True,
        ended_at=NOW,
        usage=Usage(cost_micros=2_500_000),
    )
    gate = gate_of(b.issue(), spent, b.fleet(budget=budget))
    raised = f"`hive config set fleets.local.budget.{scope} DOLLARS` raises it"
    assert gate == Gate("budget", f"$2.50 of the {scope} budget $2.00 is used: {raised}")


def test_a_cost_that_nobody_knows_counts_as_the_run_s_budget_or_holds() -> None:
    unknown = b.run(phase=Phase.KILLED, settled=True, ended_at=NOW)
    gate = gate_of(b.issue(), unknown, b.fleet(budget=Budget(day_micros=1)))
    assert gate is not None
    assert "unknown" in gate.detail
    capped = b.run(phase=Phase.KILLED, settled=True, ended_at=NOW, budget_micros=500_000)
    assert name_of(b.issue(), capped, b.fleet(budget=Budget(day_micros=400_000))) == "budget"
    assert name_of(b.issue(), capped, b.fleet(budget=Budget(day_micros=600_000))) is None


def test_nothing_is_started_on_a_budget_of_nothing() -> None:
    gate = gate_of(b.issue(), b.fleet(budget=Budget(fleet_micros=0)))
    assert gate is not None
    assert gate.detail.startswith("$0.00 of the fleet budget $0.00 is used")


@pytest.mark.parametrize(
    ("scope", "dollars"), [("issue_micros", 4), ("repo_micros", 7), ("day_micros", 7), ("fleet_micros", 15)]
)
def test_the_ledger_counts_runs_that_are_gone_and_each_run_once(scope: str, dollars: int) -> None:
    million = 1_000_000
    there = b.run(phase=Phase.KILLED, settled=True, ended_at=NOW, usage=Usage(cost_micros=million))
    other = b.run(2, phase=Phase.FAILED, ended_at=NOW, usage=Usage(cost_micros=3 * million))
    booked = b.booked(
        # Known better than by its status.
        Charge(there.id, REPO, 1, NOW, 4 * million),
        Charge(RunId("gone-other"), RepoName("me/other"), 1, NOW - timedelta(days=400), 8 * million),
    )

    def gate(limit: int) -> Gate | None:
        held = b.snapshot(b.issue(), there, other, b.fleet(budget=Budget(**{scope: limit})))
        current = world.build(msgspec.structs.replace(held, booked=booked), NOW)
        return gates.budget_gate(b.issue().key, current)

    found = gate(dollars * million)
    assert found is not None
    assert found.detail.startswith(f"${dollars}.00 of the ")
    assert gate(dollars * million + 1) is None


def test_a_run_that_is_gone_and_unaccounted_holds_too() -> None:
    charge = Charge(RunId("lost-run"), REPO, 9, NOW, 0, unknown=True)
    snapshot = b.snapshot(b.issue(), b.fleet(budget=Budget(repo_micros=5)))
    current = world.build(msgspec.structs.replace(snapshot, booked=b.booked(charge)), NOW)
    gate = gates.budget_gate(b.issue().key, current)
    assert gate is not None
    assert "the cost of lost-run is unknown" in gate.detail


def test_what_runs_at_work_may_still_spend_is_reserved() -> None:
    other = b.run(2, budget_micros=900_000)
    held = gate_of(b.issue(), other, b.fleet(other, budget=Budget(fleet_micros=900_000)))
    assert held is not None
    assert "reserved" in held.detail


def test_agents_that_cannot_start() -> None:
    off = AgentState(CLAUDE, enabled=False)
    until = NOW + timedelta(hours=1)
    limited = AgentState(CODEX, quota=Quota(QuotaState.LIMITED, until, "weekly limit"))
    gate = gate_of(b.issue(), b.fleet(agents=(off, limited)))
    assert gate is not None
    assert gate.name == "agent"
    assert "hive agents enable claude" in gate.detail
    assert "weekly limit" in gate.detail
    assert name_of(b.issue(), b.fleet(agents=(AgentState(CLAUDE), limited))) is None
    wants = b.issue(labels=("status:ready", "agent:codex"))
    assert name_of(wants, b.fleet(agents=(AgentState(CLAUDE), limited))) == "agent"
    over = AgentState(CODEX, quota=Quota(QuotaState.LIMITED, NOW, "weekly limit"))
    assert name_of(wants, b.fleet(agents=(over,))) is None


def test_the_fleet_s_gates_come_last_and_in_order() -> None:
    issue, other = b.issue(), b.pull(51, issue=9)
    paused = Paused(ME, NOW, "lunch")
    busy = b.run(7)
    everything = b.fleet(busy, slots=1, paused=paused)
    assert name_of(issue, other, busy, everything, review_limit=1) == "review-limit"
    assert name_of(issue, other, busy, everything) == "paused"
    assert name_of(issue, busy, b.fleet(busy, slots=1)) == "slots"
    assert name_of(issue, b.fleet(slots=0)) == "slots"


def test_what_a_broken_source_says_starts_nothing() -> None:
    store = b.store(b.issue())
    store.apply([SourceFailed(CLUSTER, "disk full")], NOW)
    plan = decide(store.snapshot, b.settings(), NOW)
    assert plan.decisions == ()
    gate = plan.gate(b.issue().key)
    assert gate is not None
    assert gate.name == "source"
    assert "disk full" in gate.detail


def test_a_silent_source_starts_nothing() -> None:
    store = b.store(b.issue(), at=ago(seconds=200))
    store.refresh(NOW)
    plan = decide(store.snapshot, b.settings(), NOW)
    assert plan.decisions == ()
    gate = plan.gate(b.issue().key)
    assert gate is not None
    assert gate.name == "source"


def test_the_order_is_that_of_the_product() -> None:
    """An issue that everything holds; gates are opened one after the other."""
    run = b.run(9)
    wrong: dict[str, Any] = {
        "open": False,
        "labels": (),
        "author": "mallory",
        "edited_by": "eve",
        "body": "nothing",
    }
    settings = b.settings()
    seen = []
    for fixed in ("open", "labels", "author", "edited_by", "body"):
        gate = text_gate(b.issue(**wrong), settings)
        assert gate is not None
        seen.append(gate.name)
        del wrong[fixed]
    assert seen == ["closed", "state", "author", "edited", "definition-of-done"]
    assert text_gate(b.issue(), settings) is None
    held = b.fleet(run, slots=1, paused=Paused(ME, NOW), agents=(), budget=Budget(issue_micros=1))
    spent = b.run(1, phase=Phase.FAILED, settled=True, usage=Usage(cost_micros=1))
    live = b.run(1, 2)
    claim = b.claim(attempt=3)
    names = [
        name_of(b.issue(), live, spent, claim, run, held),
        name_of(b.issue(), spent, claim, run, held),
        name_of(b.issue(), spent, run, held),
        name_of(b.issue(), run, held),
        name_of(b.issue(), run, b.fleet(run, slots=1, paused=Paused(ME, NOW))),
        name_of(b.issue(), run, b.fleet(run, slots=1)),
    ]
    assert names == ["in-work", "attempts", "budget", "agent", "paused", "slots"]
