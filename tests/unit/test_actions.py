"""The action registry over the real local backends and real git."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.local import LocalCluster
from backends.forges.local import LocalForge
from hive_tui.core import actions
from hive_tui.core.actions import (
    REGISTRY,
    Action,
    ActionContext,
    ActionPlan,
    ActionResult,
    Danger,
    Request,
    Scope,
)
from hive_tui.core.errors import ClaimLost, Refused, UsageError
from hive_tui.core.ids import AgentName, IssueKey, PullKey, RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    Check,
    CheckState,
    Claim,
    Issue,
    Mode,
    Paused,
    Phase,
    PullRequest,
    PullState,
    Quota,
    QuotaState,
    RunSpec,
    RunStatus,
    Verdict,
    VerdictValue,
)
from hive_tui.core.ports import AgentJob, BackendContext, Job, NewPull, RepoJob
from hive_tui.core.settings import FleetSettings, RepoSettings
from hive_tui.core.sources import CLUSTER, FORGE
from hive_tui.core.store import Snapshot, Store
from hive_tui.core.targets import Target
from hive_tui.core.workflow import IssueState
from tests import builders as b
from tests.fakes.repository import Repository

ANN = Actor(ActorKind.PERSON, "ann")


class World:
    """A local fleet with one repository, and what a person may do to it."""

    def __init__(self, tmp_path: Path) -> None:
        self.repository = Repository(tmp_path / "a proj")
        repo = RepoSettings(b.REPO, path=str(self.repository.path), base="main")
        self.settings: FleetSettings = b.settings(repos=(repo,), allowed_authors=("ann",))
        context = BackendContext("local", tmp_path / "fleet", self.settings, "ann")
        self.cluster, self.forge = LocalCluster(context), LocalForge(context)
        self.read_only = False
        self.later = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later

    @property
    def context(self) -> ActionContext:
        return ActionContext(self.cluster, self.forge, self.settings, ANN, self.now, self.read_only)

    @property
    def snapshot(self) -> Snapshot:
        store = Store((CLUSTER, FORGE))
        store.apply([*self.cluster.read(), *self.forge.read()], self.now())
        return store.snapshot

    def plan(self, request: Request) -> ActionPlan:
        return actions.plan(self.context, self.snapshot, request)

    def do(self, request: Request) -> ActionResult:
        """Carry a request out, which must succeed wholly."""
        done = actions.execute(self.context, self.plan(request))
        assert done.errors == ()
        return done

    def refused(self, request: Request) -> str:
        """Why a request is refused, by its plan and when it is carried out all the same."""
        planned = self.plan(request)
        assert planned.refusal is not None
        with pytest.raises(Refused):
            actions.execute(self.context, planned)
        return planned.refusal

    def issue(self, *, body: str = b.BODY, labels: tuple[str, ...] = ("status:ready",)) -> Issue:
        return self.forge.create_issue(b.REPO, title="Mend it", body=body, author="ann", labels=labels)

    def run(self, issue: Issue, attempt: int = 1) -> RunId:
        """Claim, slot and record of a run whose process was not started yet."""
        spec = RunSpec(
            id=run_id("local", b.REPO, issue.number, attempt),
            repo=b.REPO,
            issue=issue.number,
            attempt=attempt,
            worker=WorkerName(f"claude-{'abc'[issue.number % 3]}"),
            agent=b.CLAUDE,
            mode=Mode.BUG_FIX,
            branch=branch_name(issue.number, attempt),
            base="main",
            title=issue.title,
            created_at=self.now(),
            created_by=DISPATCHER,
        )
        before = self.claim(issue) or Claim(b.REPO, issue.number, version=0)
        taken = msgspec.structs.replace(before, attempt=attempt, run=spec.id)
        self.cluster.put_claim(taken, expected=before.version or None)
        self.cluster.take_slot(spec.worker, spec.id)
        repo = RepoJob(b.REPO, str(self.repository.path), "main")
        self.cluster.create_run(Job("local", spec, repo, AgentJob(b.CLAUDE, "scripted"), issue.title, ""))
        return spec.id

    def pull(self, issue: Issue, *, tests: CheckState | None = CheckState.PASSED) -> PullRequest:
        branch = branch_name(issue.number, 1)
        self.repository.branch(branch, {"mended.txt": "yes\n"})
        made = self.forge.open_pull(
            NewPull(b.REPO, issue.title, "", "claude-a", branch, "main", issue.number, None)
        )
        self.label(issue, IssueState.IN_REVIEW)
        if tests is not None:
            made = self.forge.set_check(made.key, Check("hive/tests", tests, made.head))
        return made

    def label(self, issue: Issue, state: IssueState) -> None:
        old = [name for name in self.labels(issue) if name.startswith("status:")]
        self.forge.set_labels(issue.key, add=(f"status:{state.value}",), remove=old, by="hive")

    def labels(self, issue: Issue) -> tuple[str, ...]:
        return self.forge.get_issue(issue.key).labels

    def claim(self, issue: Issue) -> Claim | None:
        return self.cluster.get_claim(issue.key)

    def status(self, run: RunId) -> RunStatus:
        return self.snapshot.runs[run].status

    def events(self) -> list[tuple[str, str]]:
        return [(str(event.actor), event.kind) for event in self.snapshot.events]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.forge.close()
    made.cluster.close()


# The registry itself


def test_ids_are_unique_and_writes_are_carried_out_here() -> None:
    assert len({action.id for action in REGISTRY}) == len(REGISTRY)
    for action in REGISTRY:
        assert action.title
        assert action.help.endswith(".")
        if action.perform is not None:
            assert action.draft is not None
            assert action.writes
    assert {action.id for action in REGISTRY if action.danger is Danger.CONFIRM} == {
        *("stop", "reset", "kill", "merge"),
    }
    with pytest.raises(UsageError):
        actions.get("kil")


def test_a_key_means_one_thing_where_it_is_pressed() -> None:
    """In the console an item's keys and the keys of the fleet and the view are on at once."""
    fleet_wide = (Scope.FLEET, Scope.VIEW)
    for scope in (Scope.ISSUE, Scope.RUN, Scope.PULL, Scope.FLEET, Scope.LOG):
        seen: dict[str, Action] = {}
        for action in REGISTRY:
            beside = scope is not Scope.LOG and action.scope in fleet_wide
            if action.scope is not scope and not beside:
                continue
            for key in action.keys:
                other = seen.setdefault(key, action)
                apart = other is action or (other.when is not None and action.when is not None)
                assert apart, f"{key}: {other.id} and {action.id}"


def test_a_shared_key_is_decided_by_the_state(world: World) -> None:
    scopes = (Scope.FLEET,)
    found = actions.with_key("p", scopes, world.snapshot)
    assert found is not None
    assert found.id == "pause"
    world.do(actions.Pause())
    found = actions.with_key("p", scopes, world.snapshot)
    assert found is not None
    assert found.id == "resume"


@pytest.mark.parametrize(
    "request_",
    [
        actions.Wake(),
        actions.Pause(),
        actions.StopAll(),
        actions.SetSlots(to=3),
        actions.NewIssue(b.REPO, "Title"),
        actions.Kill((RunId("x"),)),
    ],
)
def test_read_only_refuses_whatever_writes(world: World, request_: Request) -> None:
    planned = world.plan(request_)
    world.read_only = True
    assert "read-only" in world.refused(request_)
    with pytest.raises(Refused, match="read-only"):
        actions.execute(world.context, planned)  # planned before the switch was thrown
    assert world.events() == []


def test_a_missing_capability_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalCluster, "capabilities", frozenset())
    assert "cannot do that (kill)" in world.refused(actions.StopAll())


# The fleet


def test_pause_and_resume_name_who_and_why(world: World) -> None:
    world.do(actions.Pause("release day"))
    fleet = world.snapshot.fleet
    assert fleet is not None
    assert isinstance(fleet.paused, Paused)
    assert (fleet.paused.by, fleet.paused.why) == (ANN, "release day")
    world.do(actions.Resume())
    assert world.snapshot.fleet is not None
    assert world.snapshot.fleet.paused is None
    assert world.events() == [("ann", "pause"), ("ann", "resume")]


@pytest.mark.parametrize(
    ("request_", "slots"),
    [(actions.SetSlots(to=0), 0), (actions.SetSlots(by=3), 5), (actions.SetSlots(by=-2), 0)],
)
def test_slots_to_a_number_or_by_a_difference(world: World, request_: Request, slots: int) -> None:
    world.do(request_)
    assert world.snapshot.fleet is not None
    assert world.snapshot.fleet.slots == slots


def test_a_difference_counts_from_what_is_true_now(world: World) -> None:
    planned = world.plan(actions.SetSlots(by=1))
    world.do(actions.SetSlots(to=7))
    actions.execute(world.context, planned)
    assert world.snapshot.fleet is not None
    assert world.snapshot.fleet.slots == 8


@pytest.mark.parametrize("request_", [actions.SetSlots(by=-3), actions.SetSlots(to=100_000)])
def test_impossible_slots_are_refused(world: World, request_: Request) -> None:
    assert "not possible" in world.refused(request_)


def test_enabling_an_agent_lifts_its_limit(world: World) -> None:
    world.do(actions.DisableAgent(b.CLAUDE))
    world.cluster.set_quota(b.CLAUDE, Quota(QuotaState.LIMITED, None, "not logged in"))
    world.do(actions.EnableAgent(b.CLAUDE))
    assert world.snapshot.fleet is not None
    state = next(agent for agent in world.snapshot.fleet.agents if agent.name == b.CLAUDE)
    assert state.enabled
    assert state.quota.state is QuotaState.OK
    with pytest.raises(UsageError, match="Unknown agent 'claud'"):
        world.plan(actions.EnableAgent(AgentName("claud")))


def test_stop_ends_every_run_and_their_issues_may_start_again(world: World) -> None:
    first, second = world.issue(), world.issue()
    runs = [world.run(first), world.run(second)]
    planned = world.plan(actions.StopAll("enough"))
    assert len(planned.targets) == 2
    assert planned.danger is Danger.CONFIRM
    world.do(actions.StopAll("enough"))
    assert [world.status(run).phase for run in runs] == [Phase.KILLED, Phase.KILLED]
    claim = world.claim(first)
    assert claim is not None
    assert claim.hold is None
    assert claim.attempts_used == 0
    assert world.snapshot.fleet is not None
    assert world.snapshot.fleet.paused is not None


# Runs


def test_kill_holds_the_issue_until_a_retry(world: World) -> None:
    issue = world.issue()
    run = world.run(issue)
    planned = world.plan(actions.Kill((run,)))
    assert planned.danger is Danger.CONFIRM
    assert any("hive/wip/issue-" in line for line in planned.lines())
    assert any("not started again until you retry" in line for line in planned.lines())
    world.do(actions.Kill((run,)))
    assert world.status(run).phase is Phase.KILLED
    claim = world.claim(issue)
    assert claim is not None
    assert claim.hold is not None
    assert claim.hold.by == ANN


def test_a_run_that_ended_meanwhile_is_said_so_and_holds_nothing(world: World) -> None:
    issue = world.issue()
    run = world.run(issue)
    planned = world.plan(actions.Kill((run,)))
    world.do(actions.StopAll())
    done = actions.execute(world.context, planned)
    assert [type(error).__name__ for error in done.errors] == ["RunEnded"]
    claim = world.claim(issue)
    assert claim is not None
    assert claim.hold is None
    assert "has ended" in world.refused(actions.Kill((run,)))


def test_in_bulk_what_cannot_be_killed_is_left_out(world: World) -> None:
    run = world.run(world.issue())
    request = actions.Kill((run, RunId("no-such-run")))
    planned = world.plan(request)
    assert (len(planned.targets), len(planned.skipped)) == (1, 1)
    done = actions.execute(world.context, planned)
    assert len(done.messages) == 1
    assert [error.exit_code for error in done.errors] == [3]


def test_one_that_can_be_killed_is_spoken_of_as_one(world: World) -> None:
    planned = world.plan(actions.Kill((world.run(world.issue()), RunId("no-such-run"))))
    assert planned.consequences == ("The issue is not started again until you retry.",)


def test_dispatching_a_paused_fleet_says_that_nothing_is_started(world: World) -> None:
    (said,) = world.do(actions.Wake()).messages
    assert said.startswith("No dispatcher runs, so nothing is started")
    lease = world.cluster.hold_dispatch("1")
    try:
        assert world.do(actions.Wake()).messages == ("The dispatcher looks at the tracker now.",)
        world.do(actions.Pause())
        (said,) = world.do(actions.Wake()).messages
        assert said.endswith("It is paused: nothing is started until `hive resume`.")
    finally:
        lease.release()


def test_many_targets_ask_for_their_number(world: World) -> None:
    pulls = tuple(PullKey(b.REPO, number) for number in range(5))
    planned = ActionPlan(actions.get("merge"), actions.Merge(pulls))
    assert not planned.type_number
    target = actions.Planned(Target(), "x")
    assert msgspec.structs.replace(planned, targets=(target,) * 5).type_number


def test_a_claim_that_others_change_too_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue = world.issue()
    run = world.run(issue)
    put = LocalCluster.put_claim
    lost: list[int | None] = []

    def contended(self: LocalCluster, claim: Claim, *, expected: int | None) -> Claim:
        if len(lost) < 3:
            lost.append(expected)
            raise ClaimLost("somebody else")
        return put(self, claim, expected=expected)

    monkeypatch.setattr(LocalCluster, "put_claim", contended)
    world.do(actions.Kill((run,)))
    claim = world.claim(issue)
    assert claim is not None
    assert claim.hold is not None
    assert len(lost) == 3


@pytest.mark.parametrize("words", ["", " \n ", "x" * 20_000])
def test_a_message_has_a_sensible_length(world: World, words: str) -> None:
    run = world.run(world.issue())
    assert "message" in world.refused(actions.Send(run, words))


def test_a_message_reaches_the_run_and_the_log(world: World) -> None:
    run = world.run(world.issue())
    world.do(actions.Send(run, "keep \x1b[2Jthe flag"))
    event = world.snapshot.events[-1]
    assert (event.kind, event.text) == ("message", f"told {run}: keep the flag")


# Issues


def test_fire_passes_order_and_back_off_only(world: World) -> None:
    issue = world.issue()
    later = world.now() + timedelta(hours=1)
    world.cluster.put_claim(
        Claim(b.REPO, issue.number, 0, attempt=1, failed_at=world.now(), not_before=later), expected=None
    )
    world.do(actions.FireIssue(issue.key, agent=b.CODEX, budget_micros=5, mode=Mode.RESEARCH, model="m"))
    claim = world.claim(issue)
    assert claim is not None
    assert claim.fire is not None
    assert (claim.fire.by, claim.fire.agent, claim.fire.model) == (ANN, b.CODEX, "m")
    assert (claim.fire.budget_micros, claim.fire.mode) == (5, Mode.RESEARCH)
    assert claim.attempt == 1


def test_another_gate_refuses_a_fire_in_its_own_words(world: World) -> None:
    held = world.issue(body="no headings")
    assert "## Definition of Done" in world.refused(actions.FireIssue(held.key))
    issue = world.issue()
    world.do(actions.Pause("lunch"))
    assert "paused the fleet (lunch)" in world.refused(actions.FireIssue(issue.key))
    assert world.claim(issue) is None
    world.do(actions.Resume())
    world.do(actions.SetSlots(to=0))
    assert "gate slots" in world.refused(actions.FireIssue(issue.key))
    with pytest.raises(UsageError, match="Unknown agent"):
        world.plan(actions.FireIssue(issue.key, agent=AgentName("nobody")))
    assert "no issue" in world.refused(actions.FireIssue(IssueKey(b.REPO, 99)))


def test_retry_clears_hold_and_back_off_and_forgives(world: World) -> None:
    issue = world.issue(labels=("status:needs-human", "type:bug"))
    run = world.run(issue, attempt=3)
    world.do(actions.Kill((run,)))
    world.cluster.settle_run(run)
    world.do(actions.Retry((issue.key,)))
    claim = world.claim(issue)
    assert claim is not None
    assert (claim.hold, claim.not_before, claim.failed_at) == (None, None, None)
    assert (claim.attempt, claim.attempts_used) == (3, 0)
    assert set(world.labels(issue)) == {"status:ready", "type:bug"}


def test_what_is_at_work_or_in_review_is_not_retried(world: World) -> None:
    at_work, reviewed, closed = world.issue(), world.issue(), world.issue()
    world.run(at_work)
    world.pull(reviewed)
    world.forge.set_open(closed.key, False, by="ann")
    assert "works on it" in world.refused(actions.Retry((at_work.key,)))
    assert "is open for it" in world.refused(actions.Retry((reviewed.key,)))
    assert "it is closed" in world.refused(actions.Retry((closed.key,)))


def test_reset_ends_the_run_and_closes_the_pull_request(world: World) -> None:
    issue = world.issue()
    pull = world.pull(issue)
    run = world.run(issue, attempt=2)
    planned = world.plan(actions.Reset((issue.key,)))
    assert planned.danger is Danger.CONFIRM
    assert any(f"!{pull.number} is closed" in line for line in planned.lines())
    world.do(actions.Reset((issue.key,)))
    assert world.status(run).phase is Phase.KILLED
    assert world.forge.get_pull(pull.key).state is PullState.CLOSED
    claim = world.claim(issue)
    assert claim is not None
    assert claim.hold is None
    assert claim.attempts_used == 0


def test_reset_without_a_run_makes_the_issue_ready(world: World) -> None:
    issue = world.issue(labels=("status:needs-human",))
    world.do(actions.Reset((issue.key,)))
    world.do(actions.Reset((issue.key,)))
    assert world.labels(issue) == ("status:ready",)


def test_a_status_replaces_the_one_before_and_nothing_else(world: World) -> None:
    issue = world.issue(labels=("status:ready", "status:done", "area:x"))
    done = world.do(actions.SetStatus((issue.key,), IssueState.NEEDS_HUMAN))
    assert set(world.labels(issue)) == {"area:x", "status:needs-human"}
    assert "status:ready and status:done → status:needs-human" in done.messages[0]
    assert "already" in world.do(actions.SetStatus((issue.key,), IssueState.NEEDS_HUMAN)).messages[0]


def test_an_issue_is_written_edited_closed_and_approved(world: World) -> None:
    made = world.do(actions.NewIssue(b.REPO, " A \x1b[31mtitle ", "text\x00", ("type:bug",))).issue
    assert made is not None
    assert (made.title, made.body, made.author) == ("A title", "text", "ann")
    world.do(actions.EditIssue(made.key, body="other", add_labels=("x",), remove_labels=("type:bug",)))
    found = world.forge.get_issue(made.key)
    assert (found.title, found.body, found.labels) == ("A title", "other", ("x",))
    world.do(actions.Approve((made.key,)))
    approval = world.forge.get_issue(made.key).approval
    assert approval is not None
    assert approval.by == "ann"
    world.do(actions.SetOpen((made.key,)))
    assert not world.forge.get_issue(made.key).open
    world.do(actions.SetOpen((made.key,), is_open=True))
    assert world.forge.get_issue(made.key).open


@pytest.mark.parametrize("title", ["", "  ", "\x1b[2J", "x" * 300])
def test_a_title_is_neither_empty_nor_endless(world: World, title: str) -> None:
    assert "the title is" in world.refused(actions.NewIssue(b.REPO, title))


def test_an_approval_that_does_not_count_says_so(world: World) -> None:
    made = world.issue()
    world.settings = b.settings(repos=world.settings.repos, allowed_authors=("bob",))
    (said,) = world.do(actions.Approve((made.key,))).messages
    assert said.endswith("It does not count: ann is neither in allowed_authors nor of allowed_roles.")


def test_an_edit_that_changes_nothing_is_refused(world: World) -> None:
    assert "nothing would change" in world.refused(actions.EditIssue(world.issue().key))


# Pull requests


def test_merge_squashes_deletes_the_branch_and_closes_the_issue(world: World) -> None:
    issue = world.issue()
    pull = world.pull(issue)
    before = world.repository.git("rev-list", "--count", "main")
    done = world.do(actions.Merge((pull.key,)))
    assert "onto main" in done.messages[0]
    assert world.repository.git("rev-list", "--count", "main") == str(int(before) + 1)
    assert f"(!{pull.number})" in world.repository.git("log", "-1", "--format=%s", "main")
    assert world.repository.git("branch", "--list", pull.branch) == ""
    found = world.forge.get_issue(issue.key)
    assert (found.open, found.labels) == (False, ("status:done",))
    assert world.forge.get_pull(pull.key).merged_by == "ann"
    assert ("ann", "merge") in world.events()
    assert "merged" in world.refused(actions.Merge((pull.key,)))


def test_a_merge_that_was_cut_off_is_finished_by_the_same_command(world: World) -> None:
    issue = world.issue()
    pull = world.pull(issue)
    world.forge.merge(pull.key, head=pull.head, by="ann", message="x")
    world.do(actions.Merge((pull.key,)))
    assert not world.forge.get_issue(issue.key).open
    assert world.labels(issue) == ("status:done",)


@pytest.mark.parametrize("tests", [CheckState.FAILED, CheckState.PENDING])
def test_a_check_that_has_not_passed_blocks_a_merge(world: World, tests: CheckState) -> None:
    pull = world.pull(world.issue(), tests=tests)
    assert "check hive/tests" in world.refused(actions.Merge((pull.key,)))
    assert world.forge.get_pull(pull.key).state is PullState.OPEN


def change_verdict(world: World, pull: PullRequest) -> None:
    verdict = Verdict(VerdictValue.CHANGES_REQUESTED, pull.head, "bob", world.now())
    world.forge.set_verdict(pull.key, verdict)


def change_check(world: World, pull: PullRequest) -> None:
    world.forge.set_check(pull.key, Check("hive/tests", CheckState.FAILED, pull.head))


def change_label(world: World, pull: PullRequest) -> None:
    assert pull.issue_key is not None
    world.label(world.forge.get_issue(pull.issue_key), IssueState.NEEDS_HUMAN)


@pytest.mark.parametrize("change", [change_verdict, change_check, change_label])
def test_what_changed_since_the_plan_is_looked_at_again(world: World, change: Any) -> None:
    pull = world.pull(world.issue())
    planned = world.plan(actions.Merge((pull.key,)))
    assert planned.refusal is None
    change(world, pull)
    done = actions.execute(world.context, planned)
    assert [error.exit_code for error in done.errors] == [3]
    assert world.forge.get_pull(pull.key).state is PullState.OPEN


def test_a_push_since_the_plan_is_not_merged(world: World) -> None:
    pull = world.pull(world.issue())
    planned = world.plan(actions.Merge((pull.key,)))
    world.repository.branch(pull.branch, {"evil.txt": "unreviewed\n"})
    done = actions.execute(world.context, planned)
    assert len(done.errors) == 1
    assert "evil.txt" not in world.repository.git("ls-tree", "--name-only", "main").splitlines()


def test_take_reserves_the_oldest_for_twelve_hours(world: World) -> None:
    pulls = [world.pull(world.issue()), world.pull(world.issue())]
    taker = WorkerName("bob")
    world.do(actions.Take(taker))
    lease = world.forge.get_pull(pulls[0].key).lease
    assert lease is not None
    assert lease.worker == taker
    assert timedelta(hours=11, minutes=59) < lease.until - world.now() <= actions.LEASE
    world.do(actions.Take(taker))
    assert world.forge.get_pull(pulls[1].key).lease is not None
    assert "no pull request waits" in world.refused(actions.Take(WorkerName("eve")))
    assert "bob has it" in world.refused(actions.Take(WorkerName("eve"), pulls[0].key))


def test_a_lease_ends_by_itself(world: World) -> None:
    world.pull(world.issue())
    world.do(actions.Take(WorkerName("bob")))
    world.later = timedelta(hours=13)
    assert world.plan(actions.Take(WorkerName("eve"))).refusal is None


def test_release_checks_whose_it_is(world: World) -> None:
    pull = world.pull(world.issue())
    world.do(actions.Take(WorkerName("bob"), pull.key))
    assert "bob has it" in world.refused(actions.Release(WorkerName("eve"), pull.key))
    assert "has nothing reserved" in world.refused(actions.Release(WorkerName("eve")))
    world.do(actions.Release(WorkerName("bob")))
    assert world.forge.get_pull(pull.key).lease is None


def test_selected_things_make_requests() -> None:
    target = Target(repo=b.REPO, issue=4, pull_request=9, run=RunId("r"))
    made = {name: actions.get(name).of for name in ("kill", "retry", "reset", "merge", "fire", "issue.close")}
    found = {name: of((target, target), "ann") for name, of in made.items() if of is not None}
    key = IssueKey(b.REPO, 4)
    assert found["kill"] == actions.Kill((RunId("r"),))
    assert found["retry"] == actions.Retry((key,))
    assert found["merge"] == actions.Merge((PullKey(b.REPO, 9),))
    assert found["fire"] == actions.FireIssue(key)
    assert len(found) == 6


def test_nothing_selected_is_no_crash() -> None:
    """Every action that makes its request by itself copes with nothing, and with the wrong thing."""
    for action in REGISTRY:
        for targets in ((), (Target(),), (Target(repo=b.REPO),)):
            if action.of is not None:
                request = action.of(targets, "ann")
                assert request is None or action.scope is Scope.FLEET, action.id
