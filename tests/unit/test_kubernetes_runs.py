"""Claims, slots, Jobs and recoveries on Kubernetes, with somebody else acting between any two steps."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import claims, dispatch_lease, fleet_object, run_status, runs
from backends.clusters.kubernetes.dispatch_lease import KubernetesDispatchLease
from backends.clusters.kubernetes.errors import Forbidden
from backends.clusters.kubernetes.objects import (
    FLEET_LABEL,
    RUN_LABEL,
    AgentRunStatus,
    PodClaim,
    claim_name,
    dispatcher_name,
)
from hive_tui.core.errors import ClaimLost, NoSlot, Refused, RunEnded, SourceError
from hive_tui.core.ids import AgentName, RunId, WorkerName
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    Claim,
    ControlKind,
    Paused,
    Phase,
    Quota,
    QuotaState,
    RunStatus,
)
from hive_tui.core.ports import ENDED_FROM_OUTSIDE, BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.worker_template import KubernetesSettings, WorkerTemplate
from hive_tui.system import processes
from tests.contract.conftest import job
from tests.fakes.kube_store import KubeStore

ANNA = Actor(ActorKind.PERSON, "anna")
WORK = job()
RUN, KEY, WORKER = WORK.spec.id, WORK.spec.key, WORK.spec.worker


@pytest.fixture
def store() -> KubeStore:
    return KubeStore()


@pytest.fixture
def context(tmp_path: Path) -> BackendContext:
    template = WorkerTemplate(image="agent:1", tracker_secret=None)
    settings = FleetSettings(cluster="kubernetes", kubernetes=KubernetesSettings(worker=template))
    return BackendContext("test", tmp_path, settings, "me")


def claimed(store: KubeStore, context: BackendContext) -> Claim:
    claim = Claim(KEY.repo, KEY.number, 0, attempt=1, run=RUN)
    written = claims.put_claim(store, "test", claim, expected=None)
    fleet_object.take_slot(store, context, WORKER, RUN)
    return written


@pytest.fixture
def recorded(store: KubeStore, context: BackendContext) -> KubeStore:
    """A queued run."""
    claimed(store, context)
    runs.create(store, context, WORK)
    return store


def status(store: KubeStore) -> AgentRunStatus:
    return runs.get(store, "test", RUN).status


def ordered(store: KubeStore) -> list[ControlKind]:
    return [order.kind for order in runs.get(store, "test", RUN).spec.control]


def register(store: KubeStore, pod: str = "pod-1", **changes: Any) -> None:
    """As the pod's runner does it."""
    found = runs.get(store, "test", RUN)
    now = datetime.now(UTC)
    begun = RunStatus(**{"phase": Phase.WORKING, "since": now, **changes})
    runs.write(store, found, begun, pod=PodClaim(pod, f"uid-of-{pod}"), starts=found.status.starts + 1)


def add_pod(
    store: KubeStore, name: str = "pod-1", *, phase: str = "Running", of: str = RUN, **more: Any
) -> None:
    owner = store.find("jobs", of)
    assert owner is not None
    meta = {
        "name": name,
        "uid": f"uid-of-{name}",
        "labels": {RUN_LABEL: RUN, FLEET_LABEL: "test"},
        "ownerReferences": [{"kind": "Job", "name": of, "uid": owner["metadata"]["uid"]}],
    }
    store.put("pods", {"metadata": {**meta, **more.pop("meta", {})}, "status": {"phase": phase, **more}})


def terminated(code: int, **more: Any) -> list[dict[str, Any]]:
    return [{"name": "runner", "state": {"terminated": {"exitCode": code, **more}}}]


class TestBirth:
    def test_an_abandonment_in_between_takes_the_run_back(
        self, store: KubeStore, context: BackendContext
    ) -> None:
        claim = claimed(store, context)
        store.before("create", "agentruns", lambda: claims.abandon_claim(store, "test", claim))
        with pytest.raises(ClaimLost):
            runs.create(store, context, WORK)
        assert store.names("agentruns") == []

    def test_an_abandonment_that_looked_too_early_loses(
        self, store: KubeStore, context: BackendContext
    ) -> None:
        claim = claimed(store, context)
        store.before("update", "leases", lambda: runs.create(store, context, WORK))
        with pytest.raises(ClaimLost, match="holds the claim"):
            claims.abandon_claim(store, "test", claim)
        kept = claims.get_claim(store, "test", KEY)
        assert kept is not None
        assert kept.run == RUN
        assert status(store).phase is Phase.QUEUED

    def test_a_seal_of_the_claim_costs_nobody_its_version(self, recorded: KubeStore) -> None:
        claim = claims.get_claim(recorded, "test", KEY)
        assert claim is not None
        recorded.before("update", "leases", lambda: claims.seal(recorded, "test", KEY, RUN))
        held = msgspec.structs.replace(claim, holder="me")
        assert claims.put_claim(recorded, "test", held, expected=claim.version).version == claim.version + 1

    @pytest.mark.parametrize(("verb", "what"), [("update", "leases"), ("update", "agentruns/status")])
    def test_one_whose_dispatcher_died_half_way_is_completed_by_the_next_start(
        self, store: KubeStore, context: BackendContext, verb: str, what: str
    ) -> None:
        claimed(store, context)
        store.before(verb, what, _die)
        with pytest.raises(KeyboardInterrupt):
            runs.create(store, context, WORK)
        assert not runs.get(store, "test", RUN).written
        assert runs.start(store, context, RUN)
        assert runs.get(store, "test", RUN).written

    def test_one_that_lost_its_claim_half_way_is_gone_at_the_next_start(
        self, store: KubeStore, context: BackendContext
    ) -> None:
        claim = claimed(store, context)
        store.before("update", "leases", _die)
        with pytest.raises(KeyboardInterrupt):
            runs.create(store, context, WORK)
        lease = store.find("leases", claim_name("test", KEY))
        assert lease is not None
        other = msgspec.structs.replace(claim, run=None, version=claim.version + 1)
        lease["metadata"]["annotations"]["hive.dev/claim"] = msgspec.json.encode(other).decode()
        assert not runs.start(store, context, RUN)
        assert store.names("agentruns") == []

    def test_another_fleets_run_of_the_same_name_is_not_taken_for_ours(
        self, store: KubeStore, context: BackendContext
    ) -> None:
        claimed(store, context)
        store.put("agentruns", {"metadata": {"name": RUN, "labels": {FLEET_LABEL: "other"}}, "spec": {}})
        with pytest.raises(ClaimLost, match="Another fleet"):
            runs.create(store, context, WORK)

    def test_a_fleet_that_is_paused_in_between_gives_no_slot(
        self, store: KubeStore, context: BackendContext
    ) -> None:
        fleet_object.made(store, context)
        paused = Paused(ANNA, datetime.now(UTC))
        store.before("patch", "fleets/status", lambda: fleet_object.set_paused(store, context, paused))
        with pytest.raises(NoSlot, match="anna"):
            fleet_object.take_slot(store, context, WORKER, RUN)

    def test_fields_of_a_newer_hive_stay(self, store: KubeStore, context: BackendContext) -> None:
        fleet_object.made(store, context)
        fleet = store.find("fleets", "test")
        assert fleet is not None
        fleet["spec"]["newer"] = {"a": 1}
        limited = Quota(QuotaState.LIMITED, datetime.now(UTC), "used up")
        fleet_object.set_slots(store, context, 5)
        fleet_object.set_quota(store, context, AgentName("claude"), limited)
        fleet_object.set_quota(store, context, AgentName("claude"), Quota(QuotaState.OK))
        after = store.find("fleets", "test")
        assert after is not None
        assert after["spec"]["newer"] == {"a": 1}
        assert after["status"]["quotas"] == {"claude": {"state": "ok"}}


class TestStart:
    def test_it_makes_one_job(self, recorded: KubeStore, context: BackendContext) -> None:
        assert runs.start(recorded, context, RUN)
        assert not runs.start(recorded, context, RUN)
        assert recorded.names("jobs") == [RUN]

    def test_two_at_once_make_one_job(self, recorded: KubeStore, context: BackendContext) -> None:
        recorded.before("create", "jobs", lambda: _check(runs.start(recorded, context, RUN)))
        assert not runs.start(recorded, context, RUN)
        assert recorded.names("jobs") == [RUN]

    def test_without_a_slot_there_is_none(self, recorded: KubeStore, context: BackendContext) -> None:
        fleet_object.release_slot(recorded, context, RUN)
        assert not runs.start(recorded, context, RUN)

    def test_a_claim_that_was_given_back_ends_it(self, recorded: KubeStore, context: BackendContext) -> None:
        lease = recorded.find("leases", claim_name("test", KEY))
        assert lease is not None
        other = Claim(KEY.repo, KEY.number, 9, attempt=1)
        lease["metadata"]["annotations"]["hive.dev/claim"] = msgspec.json.encode(other).decode()
        assert not runs.start(recorded, context, RUN)
        assert status(recorded).phase is Phase.LOST

    def test_a_job_left_by_a_deleted_run_of_that_name_is_removed_first(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        owner = {"kind": "AgentRun", "name": RUN, "uid": "older"}
        meta = {"name": RUN, "labels": {RUN_LABEL: RUN}, "ownerReferences": [owner]}
        recorded.before("create", "jobs", lambda: _check(recorded.put("jobs", {"metadata": meta})))
        with pytest.raises(SourceError, match="being removed"):
            runs.start(recorded, context, RUN)
        assert runs.start(recorded, context, RUN)

    def test_after_a_wait_it_is_another_job(self, recorded: KubeStore, context: BackendContext) -> None:
        assert runs.start(recorded, context, RUN)
        register(recorded)
        found = runs.get(recorded, "test", RUN)
        runs.write(recorded, found, RunStatus(Phase.WAITING, agent_problem="quota"))
        add_pod(recorded)
        assert not runs.start(recorded, context, RUN), "its first pod is not over yet"
        add_pod(recorded, phase="Succeeded")
        assert runs.start(recorded, context, RUN)
        assert recorded.names("jobs") == [RUN, f"{RUN}-2"]


class TestRecovery:
    def test_a_living_one_is_left_alone(self, recorded: KubeStore, context: BackendContext) -> None:
        assert not runs.recover(recorded, context, RUN)
        runs.start(recorded, context, RUN)
        assert not runs.recover(recorded, context, RUN)
        add_pod(recorded)
        register(recorded)
        assert not runs.recover(recorded, context, RUN)

    def test_the_last_word_in_its_pod_counts(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.start(recorded, context, RUN)
        register(recorded, wip="b" * 40)
        word = run_status.last_word(RunStatus(Phase.SUCCEEDED, head="a" * 40))
        add_pod(recorded, phase="Succeeded", containerStatuses=terminated(0, message=word.decode()))
        assert runs.recover(recorded, context, RUN)
        assert (status(recorded).phase, status(recorded).head) == (Phase.SUCCEEDED, "a" * 40)
        assert not runs.recover(recorded, context, RUN)

    def test_without_one_it_is_lost_with_what_it_saved(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        register(recorded, wip="b" * 40)
        add_pod(recorded, phase="Failed", containerStatuses=terminated(137, reason="OOMKilled"))
        assert runs.recover(recorded, context, RUN)
        found = status(recorded)
        assert (found.phase, found.wip) == (Phase.LOST, "b" * 40)
        assert found.why == "its runner was out of memory (OOMKilled)"
        assert found.ended_at is not None
        assert recorded.names("jobs") == [RUN], "its pod stays for a while, to be looked at"

    def test_a_last_word_that_comes_meanwhile_wins(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        register(recorded)
        add_pod(recorded, phase="Failed", containerStatuses=terminated(1))
        done = RunStatus(Phase.FAILED, why="its own word")
        recorded.before(
            "update",
            "agentruns/status",
            lambda: _check(runs.write(recorded, runs.get(recorded, "test", RUN), done)),
        )
        assert not runs.recover(recorded, context, RUN)
        assert status(recorded).why == "its own word"

    def test_what_the_cluster_took_before_it_began_is_started_again(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        add_pod(recorded, phase="Failed", reason="Evicted", message="disk")
        assert runs.recover(recorded, context, RUN)
        found = status(recorded)
        assert (found.phase, found.why) == (Phase.QUEUED, "it is started again: evicted: disk")
        assert recorded.names("jobs") == []
        assert runs.start(recorded, context, RUN)

    def test_a_runner_that_broke_before_it_began_stays_to_be_looked_at(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        add_pod(recorded, phase="Failed", containerStatuses=terminated(1))
        assert runs.recover(recorded, context, RUN)
        assert (status(recorded).phase, recorded.names("jobs")) == (Phase.LOST, [RUN])

    def test_what_cannot_start_is_a_problem_and_no_attempt(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
        images = [{"name": "work", "state": waiting}]
        add_pod(recorded, phase="Pending", initContainerStatuses=images)
        assert not runs.recover(recorded, context, RUN), "it is waited for"
        long_ago = f"{datetime.now(UTC) - timedelta(minutes=6):%Y-%m-%dT%H:%M:%SZ}"
        add_pod(recorded, phase="Pending", initContainerStatuses=images, meta={"creationTimestamp": long_ago})
        assert runs.recover(recorded, context, RUN)
        found = status(recorded)
        assert (found.phase, found.agent_problem) == (
            Phase.FAILED,
            "work: ImagePullBackOff: no such image",
        )
        assert recorded.names("jobs") == []

    def test_one_that_was_told_to_stop_is_killed(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.start(recorded, context, RUN)
        register(recorded)
        add_pod(recorded)
        runs.control(recorded, context, RUN, ControlKind.STOP, ANNA, "")
        assert status(recorded).phase is Phase.WORKING, "its runner ends it"
        add_pod(recorded, phase="Failed", containerStatuses=terminated(1))
        assert runs.recover(recorded, context, RUN)
        assert (status(recorded).phase, status(recorded).why) == (Phase.KILLED, "by anna")


class TestOrders:
    def test_a_stop_before_it_began_ends_it_and_its_job(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        runs.control(recorded, context, RUN, ControlKind.STOP, ANNA, "")
        assert (status(recorded).phase, recorded.names("jobs")) == (Phase.KILLED, [])
        assert ordered(recorded) == [ControlKind.STOP]

    def test_a_pod_that_registers_meanwhile_gets_the_order(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        recorded.before("update", "agentruns/status", lambda: register(recorded))
        runs.control(recorded, context, RUN, ControlKind.STOP, ANNA, "")
        assert (status(recorded).phase, recorded.names("jobs")) == (Phase.WORKING, [RUN])
        assert ordered(recorded) == [ControlKind.STOP]

    def test_whoever_may_only_order_leaves_the_end_to_the_dispatcher(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        recorded.refused = {("update", "agentruns/status")}
        runs.control(recorded, context, RUN, ControlKind.STOP, ANNA, "")
        assert status(recorded).phase is Phase.QUEUED
        recorded.refused = set()
        assert runs.recover(recorded, context, RUN)
        assert (status(recorded).phase, recorded.names("jobs")) == (Phase.KILLED, [])

    def test_two_at_once_are_both_there(self, recorded: KubeStore, context: BackendContext) -> None:
        def other() -> None:
            runs.control(recorded, context, RUN, ControlKind.MESSAGE, DISPATCHER, "one")

        recorded.before("patch", "agentruns", other)
        runs.control(recorded, context, RUN, ControlKind.MESSAGE, ANNA, "two")
        orders = runs.get(recorded, "test", RUN).spec.control
        assert [(order.seq, order.text) for order in orders] == [(1, "one"), (2, "two")]

    def test_an_ended_run_takes_none(self, recorded: KubeStore, context: BackendContext) -> None:
        register(recorded, phase=Phase.SUCCEEDED)
        with pytest.raises(RunEnded):
            runs.control(recorded, context, RUN, ControlKind.MESSAGE, ANNA, "hello")


class TestAfterwards:
    def test_only_an_end_is_settled(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.settle(recorded, context, RUN)
        assert not status(recorded).settled
        register(recorded, phase=Phase.FAILED)
        runs.settle(recorded, context, RUN)
        runs.settle(recorded, context, RUN)
        assert status(recorded).settled

    def test_who_ended_it_is_said_where_its_runner_knows_of_a_signal_only(
        self, recorded: KubeStore, context: BackendContext
    ) -> None:
        runs.start(recorded, context, RUN)
        add_pod(recorded, phase="Failed", reason="Evicted", message="Usage of EmptyDir exceeds 30Mi.")
        signalled = f"{ENDED_FROM_OUTSIDE} SIGTERM"
        register(recorded, phase=Phase.LOST, why=signalled, evidence="SIGTERM without an order")
        runs.settle(recorded, context, RUN)
        found = status(recorded)
        assert (found.why, found.evidence) == ("evicted: Usage of EmptyDir exceeds 30Mi.", signalled)

    def test_a_runner_that_knows_why_is_believed(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.start(recorded, context, RUN)
        add_pod(recorded, phase="Failed", reason="Evicted", message="Usage of EmptyDir exceeds 30Mi.")
        register(recorded, phase=Phase.FAILED, why="deadline")
        runs.settle(recorded, context, RUN)
        assert status(recorded).why == "deadline"

    def test_a_slot_is_kept_until_the_pod_is_over(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.start(recorded, context, RUN)
        register(recorded, phase=Phase.SUCCEEDED)
        add_pod(recorded)
        runs.release_slot(recorded, context, RUN)
        assert fleet_object.read(recorded, context).status.slots == {WORKER: RUN}
        add_pod(recorded, phase="Succeeded")
        runs.release_slot(recorded, context, RUN)
        assert fleet_object.read(recorded, context).status.slots == {}
        fleet_object.take_slot(recorded, context, WorkerName("claude-b"), RunId("another"))

    def test_the_broom_takes_old_jobs_and_orphans(self, recorded: KubeStore, context: BackendContext) -> None:
        runs.start(recorded, context, RUN)
        labels = {FLEET_LABEL: "test", RUN_LABEL: "left-behind"}
        recorded.put("jobs", {"metadata": {"name": "left-behind", "labels": labels}})
        other = {FLEET_LABEL: "other", RUN_LABEL: "not-ours"}
        recorded.put("jobs", {"metadata": {"name": "not-ours", "labels": other}})
        later = datetime.now(UTC) + timedelta(hours=1)
        assert runs.gc(recorded, "test", before=later, dry_run=True) == [
            "left-behind: Job left-behind, an orphan, with its log"
        ]
        register(recorded, phase=Phase.FAILED)
        runs.settle(recorded, context, RUN)
        assert set(runs.gc(recorded, "test", before=later, dry_run=False)) == {
            "left-behind: Job left-behind, an orphan, with its log",
            f"{RUN}: Job {RUN}, with its log",
        }
        assert recorded.names("jobs") == ["not-ours"]


class TestDispatchLease:
    def test_one_that_is_not_renewed_may_be_taken_over(self, store: KubeStore) -> None:
        first = KubernetesDispatchLease(store, "test", "1.0")
        _expire(store)
        second = KubernetesDispatchLease(store, "test", "1.0")
        with pytest.raises(Refused, match="not the fleet's any more"):
            first.beat(decided_at=datetime.now(UTC))
        first.release()
        second.beat(decided_at=datetime.now(UTC))
        lease = store.find("leases", dispatcher_name("test"))
        assert lease is not None
        assert lease["spec"]["holderIdentity"], "what is not held is not released"

    def test_one_that_died_on_this_machine_needs_no_time_to_be_given_up(self, store: KubeStore) -> None:
        child = subprocess.Popen(["sleep", "600"])
        process = processes.identify(child.pid)
        lease = KubernetesDispatchLease(store, "test", "1.0")
        lease._me = msgspec.structs.replace(lease._me, process=process)
        lease.beat(decided_at=datetime.now(UTC))
        with pytest.raises(Refused, match="Another dispatcher runs"):
            KubernetesDispatchLease(store, "test", "1.0")
        elsewhere = msgspec.structs.replace(lease._me, space="another container")
        child.kill()
        child.wait()
        assert not dispatch_lease.died(elsewhere)
        assert not dispatch_lease.died(msgspec.structs.replace(lease._me, process=None))
        KubernetesDispatchLease(store, "test", "1.0")

    def test_of_two_at_once_one_has_it(self, store: KubeStore) -> None:
        taken: list[KubernetesDispatchLease] = []
        KubernetesDispatchLease(store, "test", "1.0").release()
        store.before("update", "leases", lambda: taken.append(KubernetesDispatchLease(store, "test", "1.0")))
        with pytest.raises(Refused, match="Another dispatcher runs: pid"):
            KubernetesDispatchLease(store, "test", "1.0")
        taken[0].beat(decided_at=datetime.now(UTC))

    def test_beats_with_nothing_to_say_are_no_calls(self, store: KubeStore) -> None:
        lease = KubernetesDispatchLease(store, "test", "1.0")
        before = len(store.asked)
        for _ in range(10):
            lease.beat()
        assert len(store.asked) == before

    def test_a_right_that_is_missing_loses_no_lease(self, store: KubeStore) -> None:
        lease = KubernetesDispatchLease(store, "test", "1.0")

        def refuse() -> None:
            raise Forbidden("The cluster forbids to update leases.", verb="update", resource="leases")

        store.before("update", "leases", refuse)
        with pytest.raises(SourceError, match="forbids to update leases"):
            lease.beat(decided_at=datetime.now(UTC))
        lease.beat(decided_at=datetime.now(UTC))
        store.before("update", "leases", refuse)
        lease.release()
        left = store.find("leases", dispatcher_name("test"))
        assert left is not None
        assert left["spec"]["holderIdentity"], "it expires by itself"

    def test_one_that_somebody_deleted_is_made_again(self, store: KubeStore) -> None:
        lease = KubernetesDispatchLease(store, "test", "1.0")
        store._remove("leases", dispatcher_name("test"))
        lease.beat(decided_at=datetime.now(UTC))
        assert store.names("leases") == [dispatcher_name("test")]


def _expire(store: KubeStore) -> None:
    lease = store.find("leases", dispatcher_name("test"))
    assert lease is not None
    past = datetime.now(UTC) - 2 * dispatch_lease.LASTS
    lease["spec"]["renewTime"] = claims.micro_time(past)


def _die() -> None:
    raise KeyboardInterrupt


def _check(value: object) -> None:
    assert value
