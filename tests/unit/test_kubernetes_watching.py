"""What a cluster source says while its watches come in sync, break and heal."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.clusters.kubernetes import rights, watching
from backends.clusters.kubernetes.access import connect
from backends.clusters.kubernetes.api import AGENT_RUNS, EVENTS, FLEETS, JOBS, LEASES, NODES, PODS, Resource
from backends.clusters.kubernetes.errors import Forbidden, Unreachable
from backends.clusters.kubernetes.reflector import Added, Changed, Deleted, Failed, News, Synced
from backends.clusters.kubernetes.reflector import Alive as Bookmark
from backends.clusters.kubernetes.watching import Watcher
from hive_tui.core.cluster_facts import Denied, Right
from hive_tui.core.errors import ConfigError, HiveError
from hive_tui.core.model import DispatcherState, Fleet, Run
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Alive, Item, Kind, Listed, SourceEvent, SourceFailed
from hive_tui.core.sources import Changed as SourceChanged
from hive_tui.core.worker_template import KubernetesSettings
from tests.fakes.kube_server import Hang, kube_server, kubeconfig
from tests.fakes.kube_store import KubeStore
from tests.unit.test_kubernetes_picture import NOW, agent_run, dispatchers, node, run_id, working
from tests.waiting import until

Say = Callable[[News[Any]], None]

REQUIRED: tuple[tuple[Resource, str], ...] = (
    (FLEETS, ""),
    (AGENT_RUNS, ""),
    (LEASES, ""),
    (JOBS, ""),
    (PODS, ""),
    (EVENTS, ""),
)
NODE, WARNING = (NODES, ""), (EVENTS, "type=Warning")
RETRY = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


class Cluster:
    """Stands for all reflectors: a test says what they say."""

    def __init__(self) -> None:
        self.said: dict[tuple[Resource, str], Say] = {}
        self.bug: Exception | None = None
        self.events: queue.Queue[SourceEvent] = queue.Queue()
        self.reviews = self.doubts = 0
        self.denied: tuple[Denied, ...] = ()

    def reflector(self, api: object, resource: Resource, kind: object, **options: Any) -> Cluster:
        fields = options["fields"]
        self.said[resource, fields if fields == "type=Warning" else ""] = options["say"]
        return self

    def run(self, stop: threading.Event) -> None:
        if self.bug is not None:
            raise self.bug
        stop.wait()

    def doubt(self) -> None:
        self.doubts += 1

    def review(self, api: object) -> tuple[Denied, ...]:
        self.reviews += 1
        return self.denied

    def say(self, who: tuple[Resource, str], news: News[Any]) -> None:
        until(lambda: who in self.said, what="the reflector")
        self.said[who](news)

    def sync(self, *but: tuple[Resource, str]) -> None:
        for who in (*REQUIRED, NODE, WARNING):
            if who not in but:
                self.say(who, Synced(()))

    def fail(self, who: tuple[Resource, str], error: HiveError | None = None) -> None:
        self.say(who, Failed(error or Unreachable("It is away.", "Wait."), RETRY))

    def next(self) -> SourceEvent:
        return self.events.get(timeout=10)

    def silent(self) -> bool:
        """Whether nothing is said although there was time for it."""
        try:
            self.events.get(timeout=0.5)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    found = Cluster()
    monkeypatch.setattr(watching, "Reflector", found.reflector)
    monkeypatch.setattr(rights, "review", found.review)
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "ALIVE_SECONDS", 60.0)
    return found


@contextmanager
def watched(
    cluster: Cluster, tmp_path: Path, *, connect: Callable[[], Any] = KubeStore
) -> Iterator[threading.Event]:
    context = BackendContext("test", tmp_path, FleetSettings(cluster="kubernetes"), "me")
    stop, forbidden = threading.Event(), threading.Event()
    watcher = Watcher(context, connect, forbidden)
    thread = threading.Thread(target=watcher.watch, args=(cluster.events.put, stop))
    thread.start()
    try:
        yield forbidden
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def the(kind: type[Any], event: SourceEvent) -> Any:
    items: tuple[Item, ...] = event.items if isinstance(event, Listed | SourceChanged) else ()
    (found,) = (item for item in items if isinstance(item, kind))
    return found


def test_nothing_is_said_before_everything_is_known(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path):
        cluster.sync((PODS, ""))
        assert cluster.silent()
        cluster.say((PODS, ""), Synced(()))
        listed = cluster.next()
        assert isinstance(listed, Listed)
        assert set(listed.kinds) == {Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT}
        facts = the(Fleet, listed).facts
        assert (facts.context, facts.namespace, facts.version) == ("test", "ns", "v1.34.0")


def test_what_happens_is_said_and_nothing_else(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path):
        cluster.sync()
        assert isinstance(cluster.next(), Listed)
        cluster.say((AGENT_RUNS, ""), Added(agent_run(1, working(1))))
        assert the(Run, cluster.next()).id == run_id(1)
        cluster.say((AGENT_RUNS, ""), Changed(agent_run(1, working(1))))
        assert cluster.silent(), "it reads as before"
        cluster.say((AGENT_RUNS, ""), Deleted(agent_run(1)))
        event = cluster.next()
        assert isinstance(event, SourceChanged)
        assert event.gone == ((Kind.RUN, run_id(1)),)


def test_a_new_list_takes_away_what_is_not_in_it(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path):
        cluster.sync((AGENT_RUNS, ""))
        cluster.say((AGENT_RUNS, ""), Synced((agent_run(1), agent_run(2))))
        assert isinstance(cluster.next(), Listed)
        cluster.say((AGENT_RUNS, ""), Synced((agent_run(2),)))
        event = cluster.next()
        assert isinstance(event, SourceChanged)
        assert (event.items, event.gone) == ((), ((Kind.RUN, run_id(1)),))


def test_one_watch_that_fails_fails_the_source_until_it_is_back(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path):
        cluster.sync()
        assert isinstance(cluster.next(), Listed)
        cluster.fail((PODS, ""))
        failed = cluster.next()
        assert isinstance(failed, SourceFailed)
        assert (failed.why, failed.retry_at) == ("It is away. Wait.", RETRY)
        assert failed.heard_at is not None
        cluster.say((AGENT_RUNS, ""), Added(agent_run(1)))
        assert cluster.silent(), "no sign of life, and nothing that would look like one"
        cluster.fail((PODS, ""))
        assert isinstance(cluster.next(), SourceFailed), "each try in vain is said"
        cluster.say((PODS, ""), Bookmark())
        healed = cluster.next()
        assert isinstance(healed, Listed)
        assert the(Run, healed).id == run_id(1)


class Clock:
    """Stands for `datetime` where only the present is asked for."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self, zone: object) -> datetime:
        return self.time


def test_before_a_dispatcher_is_dead_the_cluster_is_asked(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that brings nothing may be ours."""
    clock = Clock()
    monkeypatch.setattr(watching, "datetime", clock)
    lease = dispatchers(NOW)
    with watched(cluster, tmp_path):
        cluster.sync((LEASES, ""))
        cluster.say((LEASES, ""), Synced((lease,)))
        assert the(Fleet, cluster.next()).dispatcher.state is DispatcherState.RUNNING
        clock.time = NOW + timedelta(seconds=40)
        until(lambda: cluster.doubts, what="a question")
        assert cluster.silent(), "it may be at work"
        cluster.fail((LEASES, ""))
        assert isinstance(cluster.next(), SourceFailed)
        cluster.say((LEASES, ""), Synced((lease,)))
        assert the(Fleet, cluster.next()).dispatcher.state is DispatcherState.DEAD
        assert cluster.silent()
        assert cluster.doubts == 1


def test_a_cluster_that_never_answered_is_failed(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path):
        cluster.fail((FLEETS, ""))
        failed = cluster.next()
        assert isinstance(failed, SourceFailed)
        assert failed.heard_at is None
        cluster.sync()
        assert isinstance(cluster.next(), Listed)


def test_a_look_asks_for_everything_at_once(tmp_path: Path) -> None:
    with kube_server() as server:
        server.always = Hang()
        api = connect(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, server.url))))
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="stopped answering"):
            watching.read(
                api.within(3.0), BackendContext("test", tmp_path, FleetSettings(cluster="kubernetes"), "me")
            )
        asked = server.asked()
        api.close()
    assert len(asked) == len(REQUIRED) + 4, "nodes, warnings, the version and one's rights, too"
    assert max(each.at for each in asked) < begun + 2.9, "none waits until another one is given up"


def test_nodes_that_one_may_not_see_are_done_without(cluster: Cluster, tmp_path: Path) -> None:
    with watched(cluster, tmp_path) as forbidden:
        cluster.sync(NODE)
        cluster.fail(NODE, Forbidden("No right.", verb="list", resource="nodes"))
        assert the(Fleet, cluster.next()).facts.nodes is None
        assert not forbidden.is_set(), "one's rights are not looked at again for that"
        cluster.say(NODE, Synced((node("n1"),)))
        assert [each.name for each in the(Fleet, cluster.next()).facts.nodes] == ["n1"]


def test_signs_of_life_say_when_the_cluster_was_heard(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "ALIVE_SECONDS", 0.1)
    with watched(cluster, tmp_path):
        cluster.sync()
        assert isinstance(cluster.next(), Listed)
        first, second = cluster.next(), cluster.next()
        assert isinstance(first, Alive)
        assert isinstance(second, Alive)
        assert first.heard_at is not None
        assert second.heard_at == first.heard_at, "nothing was heard in between"
        cluster.say((JOBS, ""), Bookmark())

        def heard() -> bool:
            event = cluster.next()
            assert isinstance(event, Alive)
            assert event.heard_at is not None
            assert first.heard_at is not None
            return event.heard_at > first.heard_at

        until(heard, what="word of the bookmark")


def test_rights_are_looked_at_again_after_a_refusal(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "REVIEW_SECONDS", 0.05)
    with watched(cluster, tmp_path) as forbidden:
        cluster.sync()
        assert the(Fleet, cluster.next()).denied == ()
        reviews = cluster.reviews
        assert cluster.silent()
        assert cluster.reviews == reviews, "nobody asks without a reason"
        cluster.denied = (Denied(Right.ORDER, "no right to patch agentruns.hive.dev"),)
        forbidden.set()
        assert the(Fleet, cluster.next()).denied == cluster.denied


def test_a_kubeconfig_that_cannot_be_used_is_looked_at_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", (0.02, 0.02))
    tries: list[int] = []

    def connect() -> KubeStore:
        tries.append(1)
        if len(tries) < 3:
            raise ConfigError("There is no kubeconfig.", "Log in.")
        return KubeStore()

    with watched(cluster, tmp_path, connect=connect):
        for _ in range(2):
            failed = cluster.next()
            assert isinstance(failed, SourceFailed)
            assert failed.why == "There is no kubeconfig. Log in."
            assert failed.retry_at is not None
            assert failed.retry_at - datetime.now(UTC) < timedelta(seconds=1)
        cluster.sync()
        assert isinstance(cluster.next(), Listed)


def test_a_bug_in_a_mirror_is_not_taken_for_silence(cluster: Cluster, tmp_path: Path) -> None:
    cluster.bug = RuntimeError("a bug")
    context = BackendContext("test", tmp_path, FleetSettings(cluster="kubernetes"), "me")
    watcher = Watcher(context, KubeStore, threading.Event())
    with pytest.raises(RuntimeError, match="a bug"):
        watcher.watch(cluster.events.put, threading.Event())
