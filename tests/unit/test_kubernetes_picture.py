"""A fleet put together from what a cluster's resources say, one change at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from backends.clusters.kubernetes import claims, evidence, fleet_log, schema
from backends.clusters.kubernetes.dispatch_lease import Holder
from backends.clusters.kubernetes.objects import (
    CLAIM_ANNOTATION,
    DISPATCHER_ANNOTATION,
    EVENT_ANNOTATION,
    RUN_LABEL,
    AgentRunObject,
    AgentRunSpec,
    AgentRunStatus,
    EventObject,
    FleetObject,
    JobObject,
    LeaseObject,
    NodeObject,
    PodClaim,
    PodObject,
    claim_name,
    dispatcher_name,
)
from backends.clusters.kubernetes.picture import EVENTS_SHOWN, Picture
from hive_tui.core.cluster_facts import ClusterFacts, Denied, Right
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import (
    DISPATCHER,
    Claim,
    Control,
    ControlKind,
    DispatcherState,
    Event,
    Fleet,
    LastEvent,
    Phase,
    Process,
    Run,
)
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Changed, Item, Kind
from tests.contract.conftest import job

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
KEY = IssueKey(job().spec.repo, 1)


def picture(tmp_path: Any) -> Picture:
    return Picture(BackendContext("test", tmp_path, FleetSettings(cluster="kubernetes"), "me"))


def run_id(number: int = 1) -> RunId:
    return job(number).spec.id


def agent_run(
    number: int = 1, status: AgentRunStatus | None = None, *, orders: tuple[Control, ...] = ()
) -> AgentRunObject:
    body = {
        "metadata": {"name": run_id(number), "uid": f"uid-{number}", "generation": 1 + len(orders)},
        "spec": schema.clipped(AgentRunSpec(job(number), orders)),
        "status": {} if status is None else schema.clipped(status),
    }
    return msgspec.json.decode(msgspec.json.encode(body), type=AgentRunObject)


def kube_job(number: int = 1) -> JobObject:
    meta = {"name": run_id(number), "uid": f"job-{number}", "labels": {RUN_LABEL: run_id(number)}}
    return msgspec.convert({"metadata": {**meta, "creationTimestamp": NOW.isoformat()}}, JobObject)


def pod(number: int = 1, *, node: str | None = "n1", phase: str = "Running", **status: Any) -> PodObject:
    meta = {
        "name": f"{run_id(number)}-abcde",
        "uid": f"pod-{number}",
        "labels": {RUN_LABEL: run_id(number)},
        "creationTimestamp": NOW.isoformat(),
        "ownerReferences": [{"kind": "Job", "name": run_id(number), "uid": f"job-{number}"}],
    }
    body = {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": phase, **status}}
    return msgspec.convert(body, PodObject)


def working(number: int = 1, **changes: Any) -> AgentRunStatus:
    claim = PodClaim(f"{run_id(number)}-abcde", f"pod-{number}")
    return AgentRunStatus(**{"phase": Phase.WORKING, "pod": claim, "starts": 1, "since": NOW, **changes})


def node(name: str, ready: str = "True") -> NodeObject:
    condition = {"type": "Ready", "status": ready, "reason": "Kubelet"}
    status = {"allocatable": {"cpu": "1930m", "memory": "3Gi", "pods": "110"}, "conditions": [condition]}
    return msgspec.convert({"metadata": {"name": name}, "status": status}, NodeObject)


def line(number: int, text: str = "hello") -> EventObject:
    event = Event(0, NOW, DISPATCHER, "start", text)
    meta = {
        "name": f"line-{number}",
        "resourceVersion": str(number),
        "annotations": {EVENT_ANNOTATION: msgspec.json.encode(event).decode()},
    }
    return msgspec.convert({"metadata": meta}, EventObject)


def warning(reason: str, message: str, *, about: str, uid: str) -> EventObject:
    body = {
        "metadata": {"name": f"{about}.{reason}"},
        "involvedObject": {"kind": "Job", "name": about, "uid": uid},
        "type": "Warning",
        "reason": reason,
        "message": message,
    }
    return msgspec.convert(body, EventObject)


def dispatchers(renewed: datetime) -> LeaseObject:
    """The Lease of a dispatcher, for 15 seconds."""
    holder = Holder(42, "host", NOW, "1.0", NOW)
    meta = {
        "name": dispatcher_name("test"),
        "annotations": {DISPATCHER_ANNOTATION: msgspec.json.encode(holder).decode()},
    }
    spec = {"holderIdentity": holder.identity, "renewTime": renewed.isoformat(), "leaseDurationSeconds": 15}
    return msgspec.convert({"metadata": meta, "spec": spec}, LeaseObject)


def lease(claim: Claim) -> LeaseObject:
    written = msgspec.json.encode(claim).decode()
    meta = {"name": claim_name("test", claim.key), "annotations": {CLAIM_ANNOTATION: written}}
    return msgspec.convert({"metadata": meta}, LeaseObject)


def the(kind: type[Any], items: Iterable[Item]) -> Any:
    (found,) = (item for item in items if isinstance(item, kind))
    return found


def changes(found: Changed | None) -> tuple[Item, ...]:
    assert found is not None
    return found.items


class TestRuns:
    def test_one_that_was_only_recorded_is_queued(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        seen.run(run_id(), agent_run())
        run = the(Run, seen.listed(NOW).items)
        assert (run.spec.title, run.status.phase, run.process) == ("Mend it", Phase.QUEUED, Process.NONE)
        assert run.place is None

    def test_a_change_touches_one_of_them(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        for number in range(1, 21):
            seen.run(run_id(number), agent_run(number, working(number)))
            seen.job(run_id(number), kube_job(number))
            seen.pod(f"{run_id(number)}-abcde", pod(number))
        assert len([item for item in seen.listed(NOW).items if isinstance(item, Run)]) == 20
        assert seen.changed(NOW) is None
        moved = working(7, last_event=LastEvent(NOW, "Edit"))
        seen.run(run_id(7), agent_run(7, moved))
        assert the(Run, changes(seen.changed(NOW))).id == run_id(7)
        assert seen.changed(NOW) is None

    def test_what_reads_the_same_is_not_said_again(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        seen.run(run_id(), agent_run(1, working()))
        seen.pod(f"{run_id()}-abcde", pod())
        seen.listed(NOW)
        seen.run(run_id(), agent_run(1, working()))
        seen.pod(f"{run_id()}-abcde", pod())
        assert seen.changed(NOW) is None

    def test_it_is_where_its_pod_is_and_gone_with_it(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        seen.run(run_id(), agent_run(1, working()))
        seen.pod(f"{run_id()}-abcde", pod())
        run = the(Run, seen.listed(NOW).items)
        assert (run.process, run.place.node) == (Process.ALIVE, "n1")
        seen.pod(f"{run_id()}-abcde", None)
        run = the(Run, changes(seen.changed(NOW)))
        assert (run.process, run.phase) == (Process.GONE, Phase.LOST)
        seen.run(run_id(), None)
        assert seen.changed(NOW) == Changed("cluster", (), ((Kind.RUN, run_id()),))

    def test_why_it_does_not_start_is_why_it_is_queued(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        # The word of it may come before the Job itself.
        refused = warning("FailedCreate", "Error creating: exceeded quota: x", about=run_id(), uid="job-1")
        seen.warning(refused.metadata.name, refused)
        seen.run(run_id(), agent_run(1, AgentRunStatus(since=NOW)))
        seen.job(run_id(), kube_job())
        run = the(Run, seen.listed(NOW).items)
        assert (run.process, run.why) == (Process.ALIVE, "exceeded quota: x")
        seen.warning(refused.metadata.name, None)
        assert the(Run, changes(seen.changed(NOW))).why is None

    def test_an_image_that_cannot_be_fetched_says_where_it_is_named(self, tmp_path: Any) -> None:
        it = picture(tmp_path)
        it.facts(ClusterFacts("prod", "hive", "v1.34.0"))
        it.run(run_id(), agent_run(status=AgentRunStatus(starts=0)))
        it.job(run_id(), kube_job())
        for reason in ("ErrImagePull", "CreateContainerConfigError"):
            waiting = {"waiting": {"reason": reason, "message": "no"}}
            states = [{"name": "work", "state": waiting}]
            it.pod("p", pod(node=None, phase="Pending", initContainerStatuses=states))
            place = the(Run, changes(it.changed(NOW))).place
            image = "see `image` in `kubectl -n hive edit fleet test`" if reason == "ErrImagePull" else None
            assert (place.condition, place.remedy) == (f"work: {reason}: no", image)

    def test_time_alone_gives_up_a_start(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        refused = warning("FailedCreate", "no such account", about=run_id(), uid="job-1")
        seen.warning(refused.metadata.name, refused)
        seen.run(run_id(), agent_run(1, AgentRunStatus(since=NOW)))
        seen.job(run_id(), kube_job())
        assert the(Run, seen.listed(NOW).items).process is Process.ALIVE
        late = NOW + evidence.START_LIMIT
        assert seen.changed(late - timedelta(seconds=1)) is None
        assert the(Run, changes(seen.changed(late))).process is Process.GONE

    def test_an_order_to_stop_is_seen(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        seen.run(run_id(), agent_run(1, working()))
        seen.listed(NOW)
        seen.run(run_id(), agent_run(1, working(), orders=(Control(1, ControlKind.STOP, DISPATCHER, NOW),)))
        assert the(Run, changes(seen.changed(NOW))).stop_requested

    def test_a_silent_node_leaves_its_runs_unknown_and_no_others(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        for number, where in ((1, "n1"), (2, "n2")):
            seen.run(run_id(number), agent_run(number, working(number)))
            seen.pod(f"{run_id(number)}-abcde", pod(number, node=where))
            seen.node(where, node(where))
        seen.listed(NOW)
        seen.node("n2", node("n2", "Unknown"))
        items = changes(seen.changed(NOW))
        assert (the(Run, items).id, the(Run, items).process) == (run_id(2), Process.UNKNOWN)
        assert [each.ready for each in the(Fleet, items).facts.nodes] == [True, False]

    def test_hostile_words_are_made_harmless(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        said = LastEvent(NOW, "\x1b]0;owned\x07Edit\u202e")
        seen.run(run_id(), agent_run(1, working(last_event=said, why="a\x1b[2Jb")))
        status = the(Run, seen.listed(NOW).items).status
        assert (status.last_event.text, status.why) == ("Edit", "ab")


class TestTheRest:
    def test_a_fleet_without_an_object_is_as_the_configuration_says(self, tmp_path: Any) -> None:
        fleet = the(Fleet, picture(tmp_path).listed(NOW).items)
        assert (fleet.slots, fleet.dispatcher.state) == (2, DispatcherState.STOPPED)

    def test_switches_facts_and_rights(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        found = {"metadata": {"uid": "u"}, "spec": {"slots": 7}, "status": {"slots": {"claude-b": "r"}}}
        seen.fleet(msgspec.json.decode(msgspec.json.encode(found), type=FleetObject))
        seen.facts(ClusterFacts("ctx", "ns", "v1"))
        seen.denied((Denied(Right.ORDER, "no"),))
        fleet = the(Fleet, seen.listed(NOW).items)
        assert (fleet.slots, fleet.slots_used[0].worker, fleet.facts.nodes) == (7, "claude-b", None)
        assert fleet.denied[0].right is Right.ORDER
        seen.node("n1", node("n1"))
        (machine,) = the(Fleet, changes(seen.changed(NOW))).facts.nodes
        assert (machine.cpu_millis, machine.memory_bytes, machine.pods) == (1930, 3 << 30, 110)
        seen.no_nodes()
        assert the(Fleet, changes(seen.changed(NOW))).facts.nodes is None

    def test_claims_come_and_go(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        claim = Claim(KEY.repo, 1, version=3, attempt=2)
        name = claim_name("test", KEY)
        seen.lease(name, lease(claim))
        assert the(Claim, seen.listed(NOW).items) == claim
        seen.lease(name, None)
        assert seen.changed(NOW) == Changed("cluster", (), ((Kind.CLAIM, KEY),))

    def test_a_lease_that_is_no_claim_is_none(self) -> None:
        for text in ("", "{", '{"repo": 1}'):
            meta = {"annotations": {CLAIM_ANNOTATION: text}}
            assert claims.of(msgspec.convert({"metadata": meta}, LeaseObject)) is None
        assert claims.of(LeaseObject()) is None

    def test_a_dispatcher_is_not_dead_while_nobody_speaks_of_it(self, tmp_path: Any) -> None:
        """Then it may be the way to the cluster that is."""
        seen = picture(tmp_path)
        seen.lease(dispatcher_name("test"), dispatchers(NOW))
        seen.leases_heard(NOW)
        assert the(Fleet, seen.listed(NOW).items).dispatcher.state is DispatcherState.RUNNING
        end = NOW + timedelta(seconds=15)
        assert seen.in_doubt(end - timedelta(seconds=1)) is None
        late = end + timedelta(seconds=30)
        assert seen.in_doubt(late) == end
        assert seen.changed(late) is None
        seen.leases_heard(late)
        assert seen.in_doubt(late) is None
        dead = the(Fleet, changes(seen.changed(late))).dispatcher
        assert dead.state is DispatcherState.DEAD

    def test_a_dispatcher_that_is_not_heard_of_is_dead(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        found = dispatchers(NOW)
        seen.lease(dispatcher_name("test"), found)
        running = the(Fleet, seen.listed(NOW).items).dispatcher
        assert (running.state, running.pid, running.host) == (DispatcherState.RUNNING, 42, "host")
        assert seen.changed(NOW + timedelta(seconds=14)) is None
        dead = the(Fleet, changes(seen.changed(NOW + timedelta(seconds=15)))).dispatcher
        assert dead.state is DispatcherState.DEAD
        released = msgspec.structs.replace(found, spec=msgspec.convert({}, type(found.spec)))
        seen.lease(dispatcher_name("test"), released)
        stopped = the(Fleet, changes(seen.changed(NOW + timedelta(seconds=16)))).dispatcher
        assert (stopped.state, stopped.last_decision_at) == (DispatcherState.STOPPED, NOW)

    def test_the_log_has_its_newest_lines_and_keeps_what_the_cluster_forgets(self, tmp_path: Any) -> None:
        seen = picture(tmp_path)
        for number in range(1, EVENTS_SHOWN + 11):
            seen.line(f"line-{number}", line(number))
        events = [item for item in seen.listed(NOW).items if isinstance(item, Event)]
        assert [events[0].seq, events[-1].seq, len(events)] == [11, EVENTS_SHOWN + 10, EVENTS_SHOWN]
        seen.line("line-20", None)
        assert seen.changed(NOW) is None

    def test_an_event_that_is_no_line_is_none(self) -> None:
        assert fleet_log.of(EventObject()) is None
        broken = msgspec.structs.replace(line(1).metadata, annotations={EVENT_ANNOTATION: "{"})
        assert fleet_log.of(EventObject(broken)) is None
