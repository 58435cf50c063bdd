"""What every cluster backend promises: `core.ports.Cluster`, sentence by sentence."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
import pytest

from hive_tui.core.errors import ClaimLost, NoSlot, Refused, RunEnded, UsageError
from hive_tui.core.events import LogLine, Note, Said
from hive_tui.core.ids import AgentName, RunId, WorkerName
from hive_tui.core.model import (
    DISPATCHER,
    Actor,
    ActorKind,
    Budget,
    Claim,
    ControlKind,
    DispatcherState,
    Event,
    Paused,
    Phase,
    Process,
    Quota,
    QuotaState,
    Run,
    RunStatus,
    Slot,
)
from hive_tui.core.ports import Cluster
from hive_tui.core.sources import CLUSTER, Alive, Changed, Kind, Listed, SourceEvent
from tests.contract.conftest import (
    REPO,
    ClusterFixture,
    find_run,
    fleet_of,
    get_run,
    job,
    key,
    snapshot,
    start,
)
from tests.waiting import until

T = TypeVar("T")
ANNA = Actor(ActorKind.PERSON, "anna")
CLAUDE = AgentName("claude")
A, B, C = WorkerName("claude-a"), WorkerName("claude-b"), WorkerName("claude-c")


def now() -> datetime:
    return datetime.now(UTC)


class TestReading:
    def test_a_new_fleet_reads_as_the_configuration_says(self, cluster: Cluster) -> None:
        fleet = fleet_of(cluster)
        assert fleet.slots == 2
        assert [agent.name for agent in fleet.agents] == ["claude", "codex"]
        assert fleet.dispatcher.state is DispatcherState.STOPPED

    def test_the_full_state_names_all_its_kinds(self, cluster: Cluster) -> None:
        assert set(snapshot(cluster).kinds) == {Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT}

    def test_one_client_sees_what_another_wrote(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(fleet.connect(), job())
        assert get_run(cluster, run).status.phase is Phase.QUEUED


class TestSwitches:
    def test_pause_and_resume(self, cluster: Cluster) -> None:
        paused = Paused(ANNA, now(), "lunch")
        cluster.set_paused(paused)
        assert fleet_of(cluster).paused == paused
        cluster.set_paused(None)
        assert fleet_of(cluster).paused is None

    def test_slots_and_budget(self, cluster: Cluster) -> None:
        cluster.set_slots(7)
        cluster.set_budget(Budget(day_micros=5))
        assert (fleet_of(cluster).slots, fleet_of(cluster).budget.day_micros) == (7, 5)

    def test_a_negative_number_of_slots_is_a_usage_error(self, cluster: Cluster) -> None:
        with pytest.raises(UsageError):
            cluster.set_slots(-1)

    def test_switches_do_not_disturb_each_other(self, cluster: Cluster) -> None:
        cluster.set_agent_enabled(CLAUDE, False)
        cluster.set_quota(CLAUDE, Quota(QuotaState.LIMITED, why="used up"))
        cluster.set_slots(4)
        fleet = fleet_of(cluster)
        claude, codex = fleet.agents
        assert (claude.enabled, claude.quota.why, fleet.slots) == (False, "used up", 4)
        assert codex.enabled

    def test_an_unknown_agent_is_named_with_the_nearest(self, cluster: Cluster) -> None:
        with pytest.raises(UsageError) as caught:
            cluster.set_agent_enabled(AgentName("claud"), True)
        assert "claude" in (caught.value.hint or "")


class TestClaims:
    def test_there_is_none_at_first(self, cluster: Cluster) -> None:
        assert cluster.get_claim(key(1)) is None

    def test_each_write_gives_a_new_version(self, cluster: Cluster) -> None:
        first = cluster.put_claim(Claim(REPO, 1, version=0, attempt=1), expected=None)
        second = cluster.put_claim(msgspec.structs.replace(first, attempt=2), expected=first.version)
        assert second.version > first.version
        assert cluster.get_claim(key(1)) == second

    @pytest.mark.parametrize("expected", [None, 0, 2])
    def test_the_wrong_version_loses_and_writes_nothing(self, cluster: Cluster, expected: int | None) -> None:
        stored = cluster.put_claim(Claim(REPO, 1, version=0, attempt=1), expected=None)
        with pytest.raises(ClaimLost):
            cluster.put_claim(msgspec.structs.replace(stored, attempt=9), expected=expected)
        assert cluster.get_claim(key(1)) == stored

    def test_a_version_of_what_does_not_exist_loses(self, cluster: Cluster) -> None:
        with pytest.raises(ClaimLost):
            cluster.put_claim(Claim(REPO, 1, version=3), expected=3)

    def test_a_run_that_has_not_ended_keeps_it(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        claim = cluster.get_claim(key(1))
        assert claim is not None
        held = cluster.put_claim(msgspec.structs.replace(claim, holder="me"), expected=claim.version)
        with pytest.raises(ClaimLost, match=run):
            cluster.put_claim(msgspec.structs.replace(held, run=None), expected=held.version)
        cluster.control(run, ControlKind.STOP, ANNA)
        assert cluster.put_claim(msgspec.structs.replace(held, run=None), expected=held.version).run is None

    def test_one_whose_run_was_never_recorded_is_given_back(self, cluster: Cluster) -> None:
        run = job().spec.id
        claim = cluster.put_claim(Claim(REPO, 1, version=0, attempt=1, run=run), expected=None)
        cluster.abandon_claim(claim)
        freed = cluster.get_claim(key(1))
        assert freed is not None
        assert (freed.run, freed.attempt, freed.attempts_used) == (None, 1, 0)
        with pytest.raises(ClaimLost):
            cluster.abandon_claim(claim)

    def test_one_whose_run_exists_is_not_given_back(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        claim = cluster.get_claim(key(1))
        assert claim is not None
        with pytest.raises(ClaimLost):
            cluster.abandon_claim(claim)
        kept = cluster.get_claim(key(1))
        assert kept is not None
        assert kept.run == run

    def test_many_at_once_have_one_winner(self, fleet: ClusterFixture) -> None:
        def take(cluster: Cluster, number: int) -> None:
            cluster.put_claim(Claim(REPO, 1, version=0, holder=str(number)), expected=None)

        assert len(compete(fleet, 8, take, ClaimLost)) == 1


class TestSlots:
    def test_as_many_as_the_fleet_has(self, cluster: Cluster) -> None:
        cluster.take_slot(A, RunId("r1"))
        cluster.take_slot(B, RunId("r2"))
        with pytest.raises(NoSlot):
            cluster.take_slot(C, RunId("r3"))
        assert fleet_of(cluster).slots_used == (Slot(A, RunId("r1")), Slot(B, RunId("r2")))

    def test_the_same_run_takes_no_second_one(self, cluster: Cluster) -> None:
        cluster.take_slot(A, RunId("r1"))
        cluster.set_paused(Paused(ANNA, now()))
        cluster.take_slot(A, RunId("r1"))
        assert len(fleet_of(cluster).slots_used) == 1

    def test_a_worker_name_is_taken_once(self, cluster: Cluster) -> None:
        cluster.take_slot(A, RunId("r1"))
        with pytest.raises(NoSlot):
            cluster.take_slot(A, RunId("r2"))

    def test_none_while_paused(self, cluster: Cluster) -> None:
        cluster.set_paused(Paused(ANNA, now()))
        with pytest.raises(NoSlot, match="anna"):
            cluster.take_slot(A, RunId("r1"))

    def test_a_released_one_is_free(self, cluster: Cluster) -> None:
        cluster.set_slots(1)
        cluster.take_slot(A, RunId("r1"))
        cluster.release_slot(RunId("r1"))
        cluster.release_slot(RunId("r1"))
        cluster.take_slot(A, RunId("r2"))

    def test_a_queued_or_living_run_keeps_its_slot(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        cluster.release_slot(run)
        assert len(fleet_of(cluster).slots_used) == 1
        fleet.idle_run(run)
        cluster.release_slot(run)
        assert len(fleet_of(cluster).slots_used) == 1
        fleet.murder(run)
        cluster.release_slot(run)
        assert fleet_of(cluster).slots_used == ()

    def test_fewer_slots_than_runs_end_nothing(self, cluster: Cluster) -> None:
        cluster.take_slot(A, RunId("r1"))
        cluster.set_slots(0)
        assert len(fleet_of(cluster).slots_used) == 1
        with pytest.raises(NoSlot):
            cluster.take_slot(B, RunId("r2"))

    def test_many_at_once_get_no_more_than_there_are(self, fleet: ClusterFixture) -> None:
        fleet.connect().set_slots(3)

        def take(cluster: Cluster, number: int) -> None:
            cluster.take_slot(WorkerName(f"claude-{number}"), RunId(f"r{number}"))

        assert len(compete(fleet, 8, take, NoSlot)) == 3
        assert len(fleet_of(fleet.connect()).slots_used) == 3


class TestBirth:
    def test_a_run_is_queued_and_keeps_its_job(self, cluster: Cluster) -> None:
        work = job()
        run = get_run(cluster, start(cluster, work))
        assert (run.status.phase, run.process, run.live) == (Phase.QUEUED, Process.NONE, True)
        assert run.spec == work.spec
        assert cluster.get_job(run.id) == work

    def test_creating_it_again_is_no_change(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        cluster.release_slot(run)
        cluster.create_run(job())
        assert len([item for item in snapshot(cluster).items if isinstance(item, Run)]) == 1

    def test_without_the_claim_there_is_no_run(self, cluster: Cluster) -> None:
        work = job()
        cluster.take_slot(A, work.spec.id)
        with pytest.raises(ClaimLost):
            cluster.create_run(work)
        cluster.put_claim(Claim(REPO, 1, version=0, run=RunId("another")), expected=None)
        with pytest.raises(ClaimLost, match="another"):
            cluster.create_run(work)
        assert find_run(cluster, work.spec.id) is None

    def test_without_a_slot_there_is_no_run(self, cluster: Cluster) -> None:
        work = job()
        cluster.put_claim(Claim(REPO, 1, version=0, run=work.spec.id), expected=None)
        with pytest.raises(NoSlot):
            cluster.create_run(work)
        assert find_run(cluster, work.spec.id) is None

    @pytest.mark.parametrize("ask", ["get_job", "start_run", "recover_run", "settle_run"])
    def test_an_unknown_run_is_named_with_the_nearest(self, cluster: Cluster, ask: str) -> None:
        run = start(cluster, job())
        with pytest.raises(UsageError) as caught:
            getattr(cluster, ask)(RunId(run[:-1] + "7"))
        assert run in (caught.value.hint or "")


class TestLife:
    def test_a_process_is_started_once_and_leaves_a_record(
        self, fleet: ClusterFixture, cluster: Cluster
    ) -> None:
        fleet.prepare()
        run = start(cluster, job())
        assert cluster.start_run(run)
        assert not cluster.start_run(run)
        ended = await_end(fleet, cluster, run)
        assert ended.status.phase is Phase.FAILED, "its repository does not exist"
        assert not cluster.start_run(run)

    def test_a_live_run_is_not_started_or_recovered(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        fleet.idle_run(run)
        assert get_run(cluster, run).process is Process.ALIVE
        assert not cluster.start_run(run)
        assert not cluster.recover_run(run)

    def test_a_dead_one_is_seen_and_recovered_once(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        fleet.idle_run(run)
        fleet.murder(run)
        seen = get_run(cluster, run)
        assert (seen.process, seen.phase, seen.status.phase) == (Process.GONE, Phase.LOST, Phase.WORKING)
        assert not cluster.start_run(run), "a run that worked is never started a second time"
        assert cluster.recover_run(run)
        assert not cluster.recover_run(run)
        ended = await_end(fleet, cluster, run)
        assert ended.status.phase is Phase.LOST
        assert not cluster.recover_run(run)

    def test_settled_is_the_last_word(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        cluster.control(run, ControlKind.STOP, ANNA)
        assert get_run(cluster, run).live
        cluster.settle_run(run)
        cluster.settle_run(run)
        assert not get_run(cluster, run).live


class TestOrders:
    def test_a_stop_ends_a_live_run(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        fleet.idle_run(run)
        cluster.control(run, ControlKind.STOP, ANNA, "enough")
        assert get_run(cluster, run).stop_requested
        ended = await_end(fleet, cluster, run)
        assert (ended.status.phase, ended.status.why) == (Phase.KILLED, "by anna")

    def test_a_run_that_never_started_ends_at_once(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        cluster.control(run, ControlKind.STOP, ANNA)
        ended = get_run(cluster, run)
        assert (ended.status.phase, ended.status.why) == (Phase.KILLED, "by anna")
        assert not cluster.start_run(run)

    def test_an_ended_run_takes_no_orders(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        cluster.control(run, ControlKind.STOP, ANNA)
        with pytest.raises(RunEnded):
            cluster.control(run, ControlKind.MESSAGE, ANNA, "hello")

    def test_orders_arrive_in_order_and_once(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        host = cluster.host(run)
        cluster.control(run, ControlKind.MESSAGE, ANNA, "one \x1b[31m")
        cluster.control(run, ControlKind.MESSAGE, DISPATCHER, "two")
        first, second = host.controls(0)
        assert (first.text, first.actor, second.text) == ("one ", ANNA, "two")
        assert host.controls(first.seq) == [second]
        assert host.controls(second.seq) == []


class TestLogs:
    def test_lines_come_back_in_order_from_any_number(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        assert list(cluster.logs(run)) == []
        written = lines(1, 5)
        fleet.append(run, written[:2])
        fleet.append(run, written[2:])
        assert list(cluster.logs(run)) == written
        assert [line.n for line in cluster.logs(run, after=3)] == [4, 5]

    def test_following_ends_with_the_run(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        fleet.append(run, lines(1, 1))
        log = cluster.logs(run, follow=True)
        assert next(log).n == 1
        fleet.append(run, lines(2, 3))
        assert [next(log).n, next(log).n] == [2, 3]
        fleet.append(run, lines(4, 4))
        cluster.control(run, ControlKind.STOP, ANNA)
        assert [line.n for line in log] == [4]

    def test_following_stops_when_told(self, cluster: Cluster) -> None:
        stop = threading.Event()
        log = cluster.logs(start(cluster, job()), follow=True, stop=stop)
        stop.set()
        assert list(log) == []


class TestFleetLog:
    def test_events_are_numbered_in_order(self, cluster: Cluster) -> None:
        for text in ("one", "two\x1b[2J"):
            cluster.record(Event(0, now(), ANNA, "start", text, repo=REPO, number=1))
        first, second = (item for item in snapshot(cluster).items if isinstance(item, Event))
        assert (first.text, second.text) == ("one", "two")
        assert first.seq < second.seq


class TestDispatchLease:
    def test_one_at_a_time(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        lease = cluster.hold_dispatch("1.0")
        with pytest.raises(Refused) as caught:
            fleet.connect().hold_dispatch("1.0")
        assert str(fleet_of(cluster).dispatcher.pid) in caught.value.message
        lease.release()
        fleet.connect().hold_dispatch("1.0").release()

    def test_the_fleet_says_who_dispatches(self, cluster: Cluster) -> None:
        lease = cluster.hold_dispatch("1.0")
        at = now()
        lease.beat()
        lease.beat(decided_at=at)
        dispatcher = fleet_of(cluster).dispatcher
        assert (dispatcher.state, dispatcher.version) == (DispatcherState.RUNNING, "1.0")
        assert dispatcher.last_decision_at == at
        assert dispatcher.held is None
        lease.beat(held="nothing is started: there is no \x1b[31msecret")
        dispatcher = fleet_of(cluster).dispatcher
        assert (dispatcher.held, dispatcher.last_decision_at) == (
            "nothing is started: there is no secret",
            at,
        )
        lease.beat()
        assert fleet_of(cluster).dispatcher.held is None
        lease.beat(held="nothing is started: there is no secret")
        lease.release()
        assert fleet_of(cluster).dispatcher.held is None
        lease.release()
        assert fleet_of(cluster).dispatcher.state is DispatcherState.STOPPED


class TestGarbage:
    def test_only_old_settled_runs_lose_what_they_left(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        old, live = start(cluster, job(1)), start(cluster, job(2, worker="claude-b"))
        for run in (old, live):
            fleet.idle_run(run)
            fleet.leave(run)
            fleet.append(run, lines(1, 1))
        cluster.control(old, ControlKind.STOP, ANNA)
        await_end(fleet, cluster, old)
        assert cluster.gc(before=now() + timedelta(hours=1), dry_run=False) == []
        cluster.settle_run(old)
        assert cluster.gc(before=now() - timedelta(hours=1), dry_run=False) == []
        planned = cluster.gc(before=now() + timedelta(hours=1), dry_run=True)
        assert len(planned) == 1
        assert old in planned[0]
        assert fleet.left(old)
        assert cluster.gc(before=now() + timedelta(hours=1), dry_run=False) == planned
        until(lambda: not fleet.left(old), seconds=fleet.patience, what="what it left is gone")
        assert fleet.left(live)
        if fleet.keeps_logs:
            assert len(list(cluster.logs(old))) == 1


class TestWatch:
    def test_full_state_then_changes_by_others(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        other = fleet.connect()
        with watching(cluster) as events:
            listed = events.get(timeout=10)
            assert isinstance(listed, Listed)
            assert listed.source == CLUSTER
            assert any(isinstance(item, Run) for item in listed.items)
            other.control(run, ControlKind.STOP, ANNA)
            changed = wait_for(events, Run)
            assert changed.status.phase is Phase.KILLED
            other.put_claim(Claim(REPO, 9, version=0), expected=None)
            assert wait_for(events, Claim).number == 9
            other.record(Event(0, now(), ANNA, "start", "hello"))
            assert wait_for(events, Event).text == "hello"

    def test_a_fleet_that_does_not_exist_yet_appears(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        with watching(cluster) as events:
            assert isinstance(events.get(timeout=10), Listed)
            run = start(fleet.connect(), job())

            def appeared() -> bool:
                event = events.get(timeout=10)
                items = event.items if isinstance(event, Listed | Changed) else ()
                return any(isinstance(item, Run) and item.id == run for item in items)

            until(appeared)

    def test_a_death_is_noticed(self, fleet: ClusterFixture, cluster: Cluster) -> None:
        run = start(cluster, job())
        fleet.idle_run(run)
        with watching(cluster) as events:
            assert isinstance(events.get(timeout=10), Listed)
            fleet.murder(run)
            seen = wait_for(events, Run)
            while seen.process is Process.ALIVE:  # what befalls the rest of its place may be said before
                seen = wait_for(events, Run)
            assert (seen.id, seen.process, seen.phase) == (run, Process.GONE, Phase.LOST)

    def test_silence_is_a_sign_of_life(self, cluster: Cluster) -> None:
        with watching(cluster) as events:
            assert isinstance(events.get(timeout=10), Listed)
            # A watcher is stale after 90 s of silence; it has to speak long before that.
            assert isinstance(events.get(timeout=15), Alive)


class TestHost:
    def test_registration_is_the_start_and_happens_once(
        self, fleet: ClusterFixture, cluster: Cluster
    ) -> None:
        run = start(cluster, job())
        fleet.idle_run(run)
        with pytest.raises(RunEnded):
            cluster.host(run).register()

    def test_what_it_reports_is_seen(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        status = RunStatus(Phase.WORKING, since=now(), session="s1")
        cluster.host(run).report(status)
        until(lambda: get_run(cluster, run).status == status, what="what it reported")

    def test_a_final_record_stays(self, cluster: Cluster) -> None:
        run = start(cluster, job())
        host = cluster.host(run)
        host.report(RunStatus(Phase.SUCCEEDED, head="a" * 40))
        host.report(RunStatus(Phase.WORKING))
        assert get_run(cluster, run).status.phase is Phase.SUCCEEDED


def compete(
    fleet: ClusterFixture, clients: int, act: Callable[[Cluster, int], None], lost: type[Exception]
) -> list[int]:
    """Let clients act at the same moment; returns the winners. Anything but `lost` fails the test."""
    ready = threading.Barrier(clients)
    winners: list[int] = []
    failures: list[BaseException] = []

    def work(number: int) -> None:
        cluster = fleet.connect()
        ready.wait()
        try:
            act(cluster, number)
            winners.append(number)
        except lost:
            pass
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    return winners


def await_end(fleet: ClusterFixture, cluster: Cluster, run: RunId) -> Run:
    """The run, once it has its last record and no process."""

    def ended() -> Run | None:
        found = get_run(cluster, run)
        return found if found.status.phase.final and found.process is not Process.ALIVE else None

    return until(ended, seconds=fleet.patience, what="the run's end")


def lines(first: int, last: int) -> list[LogLine]:
    events = [
        Said(text=f"line {n}\u2026") if n % 2 else Note(text=f"note {n}") for n in range(first, last + 1)
    ]
    return [LogLine(first + index, now(), event) for index, event in enumerate(events)]


@contextmanager
def watching(cluster: Cluster) -> Iterator[queue.Queue[SourceEvent]]:
    events: queue.Queue[SourceEvent] = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(target=cluster.watch, args=(events.put, stop))
    thread.start()
    try:
        yield events
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def wait_for(events: queue.Queue[SourceEvent], kind: type[T]) -> T:
    """The next changed item of a kind."""
    while True:
        event = events.get(timeout=10)
        for item in event.items if isinstance(event, Changed) else ():
            if isinstance(item, kind):
                return item
