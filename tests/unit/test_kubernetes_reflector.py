"""The mirror of a resource, against a server that does what a real one does only when it must."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.clusters.kubernetes import reflector
from backends.clusters.kubernetes.access import connect
from backends.clusters.kubernetes.api import FLEETS, PODS, Api, Resource
from backends.clusters.kubernetes.errors import Forbidden, Unreachable
from backends.clusters.kubernetes.objects import KubeObject
from backends.clusters.kubernetes.reflector import (
    Added,
    Alive,
    Changed,
    Deleted,
    Failed,
    News,
    Reflector,
    Synced,
)
from hive_tui.core.worker_template import KubernetesSettings
from tests.fakes.kube_server import (
    Drop,
    Hang,
    KubeServer,
    Lines,
    bookmark,
    error,
    event,
    kube_server,
    kubeconfig,
    listing,
    ok,
    status,
    thing,
)
from tests.waiting import until

HERE = "/api/v1/namespaces/there"
LIST = f"{HERE}/pods"
WATCH = f"{LIST}?watch"
FLEET_LIST = "/apis/hive.dev/v1alpha1/namespaces/there/fleets"
GONE = status(404, "NotFound", 'namespaces "there" not found', name="there", kind="namespaces")

AT_ONCE = 2.5
"""Seconds: on a busy machine what takes milliseconds takes longer, but what waits for a server takes five."""


class Mirror:
    """A reflector at work, and what it says."""

    def __init__(self, api: Api, resource: Resource = PODS, **selectors: Any) -> None:
        self.said: list[News[KubeObject]] = []
        self.stop = threading.Event()
        self.reflector = Reflector(api, resource, KubeObject, say=self.said.append, **selectors)
        self.thread = threading.Thread(target=self.reflector.run, args=(self.stop,))
        self.thread.start()

    def words(self) -> list[str]:
        """What was said, in short."""
        return [_word(each) for each in list(self.said)]

    def failures(self) -> list[Failed]:
        return [each for each in list(self.said) if isinstance(each, Failed)]

    def until(self, *words: str) -> None:
        """Wait until exactly this was said, from the beginning."""
        until(lambda: len(self.said) >= len(words), what=f"{words}")
        assert self.words()[: len(words)] == list(words)

    def end(self) -> float:
        """Seconds that it took."""
        started = time.monotonic()
        self.stop.set()
        self.thread.join(10)
        return time.monotonic() - started


def _word(news: News[KubeObject]) -> str:
    match news:
        case Synced():
            return " ".join(["synced", *(each.metadata.name for each in news.items)])
        case Added() | Changed() | Deleted():
            return f"{type(news).__name__.lower()} {news.object.metadata.name}"
        case Failed():
            return "failed"
        case Alive():
            return "alive"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with kube_server() as made:
        yield made


@pytest.fixture
def api(server: KubeServer, tmp_path: Path) -> Iterator[Api]:
    made = connect(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, server.url))))
    yield made
    made.close()


@pytest.fixture
def mirror(api: Api) -> Iterator[Callable[..., Mirror]]:
    made: list[Mirror] = []

    def make(resource: Resource = PODS, **selectors: str) -> Mirror:
        made.append(Mirror(api, resource, **selectors))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin again at once."""
    monkeypatch.setattr(reflector, "BACKOFF", (0.01, 0.05))
    monkeypatch.setattr(reflector, "SHORTEST", 0.01)


def test_what_is_there_and_what_happens_to_it(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    server.on(LIST, listing(thing("a"), thing("b")))
    news = (
        event("ADDED", thing("c", "11")),
        event("MODIFIED", thing("a", "12")),
        event("DELETED", thing("b", "13")),
    )
    server.on(WATCH, Lines((*news, bookmark("20"))))
    mirror().until("synced a b", "alive", "added c", "changed a", "deleted b", "alive")


def test_how_it_asks(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    server.on(LIST, listing(version="41"))
    server.on("/api/v1/namespaces/there", listing())
    server.on(WATCH, Lines())
    mirror(labels="hive.dev/fleet=f", fields="spec.nodeName=vm").until("synced", "alive")
    listed, watched = server.asked(LIST)[0].query, server.asked(WATCH)[0].query
    narrowed = {"labelSelector": "hive.dev/fleet=f", "fieldSelector": "spec.nodeName=vm"}
    assert listed == narrowed, "and no limit: the server has its cache for that"
    assert 240 <= int(watched.pop("timeoutSeconds")) <= 300
    assert watched == narrowed | {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "41"}


@pytest.mark.usefixtures("impatient")
def test_an_orderly_end_goes_on_from_the_last_version_or_bookmark(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(thing("a")))
    first = Lines((event("MODIFIED", thing("a", "12")),), "close")
    server.on(WATCH, first, Lines((bookmark("30"),), "close"), Lines())
    mirror().until("synced a", "alive", "changed a", "alive", "alive", "alive")
    assert [each.query["resourceVersion"] for each in server.asked(WATCH)] == ["10", "12", "30"]


@pytest.mark.usefixtures("impatient")
def test_what_is_doubted_is_listed_anew_without_a_word_of_failure(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(thing("a")), listing(thing("b"), version="50"))
    server.on(WATCH, Lines(), Lines())
    made = mirror()
    made.until("synced a", "alive")
    made.reflector.doubt()
    made.until("synced a", "alive", "synced b", "alive")
    assert [each.query["resourceVersion"] for each in server.asked(WATCH)] == ["10", "50"]


@pytest.mark.usefixtures("impatient")
def test_a_fleet_that_goes_with_its_namespace_is_no_fleet_without_switches(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    ending = thing("there")
    ending["metadata"]["deletionTimestamp"] = "2026-11-22T07:00:00Z"
    server.on(FLEET_LIST, listing(thing("f")), always=listing())
    server.on(f"{FLEET_LIST}?watch", Lines((event("DELETED", thing("f", "11")),)))
    server.on(HERE, ok(ending), always=GONE)
    server.on("/api/v1/namespaces", always=listing(thing("elsewhere")))
    it = mirror(FLEETS)
    it.until("synced f", "alive", "failed", "failed")
    first, second = (each.error.message for each in it.failures()[:2])
    assert (first, second) == ("The namespace 'there' is being deleted.", "Unknown namespace 'there'.")


def test_a_fleet_that_goes_alone_is_gone(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    server.on(FLEET_LIST, listing(thing("f")))
    server.on(f"{FLEET_LIST}?watch", Lines((event("DELETED", thing("f", "11")), bookmark("12"))))
    server.on(HERE, always=ok(thing("there")))
    mirror(FLEETS).until("synced f", "alive", "deleted f", "alive")


@pytest.mark.usefixtures("impatient")
def test_a_namespace_that_went_while_nothing_was_heard_is_missed_at_the_next_list(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(), listing())
    server.on(HERE, ok(thing("there")), GONE)
    server.on("/api/v1/namespaces", listing())
    server.on(WATCH, Lines((bookmark("11"),), "close"), status(410, "Expired"))
    it = mirror()
    until(lambda: bool(it.failures()))
    assert it.failures()[0].error.message == "Unknown namespace 'there'."
    assert it.words().count("synced") == 1


def test_watches_that_end_at_once_are_not_begun_again_at_once(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, always=Lines((bookmark("11"),), "close"))
    mirror().until("synced a", "alive", "alive", "alive")
    first, second = server.asked(WATCH)[:2]
    assert second.at - first.at >= 0.9


@pytest.mark.usefixtures("impatient")
def test_watches_that_say_nothing_before_they_end_are_a_failure(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines(then="close"), Lines())
    it = mirror()
    it.until("synced a", "alive", "failed", "alive")
    assert "at once" in it.failures()[0].error.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("late", [Lines((error(410, "Expired"),)), status(410, "Expired")])
def test_what_the_server_forgot_is_listed_anew_without_a_word(
    server: KubeServer, mirror: Callable[..., Mirror], late: Lines
) -> None:
    server.on(LIST, listing(thing("a")), listing(thing("b"), version="50"))
    server.on(WATCH, Lines((bookmark("11"),), "close"), late, Lines())
    it = mirror()
    until(lambda: "synced b" in it.words())
    until(lambda: len(server.asked(WATCH)) == 3)
    assert it.failures() == []
    assert server.asked(WATCH)[2].query["resourceVersion"] == "50"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_forgets_everything_at_once_is_not_asked_without_end(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, always=listing(thing("a")))
    server.on(WATCH, always=Lines((error(410, "Expired"),), "close"))
    it = mirror()
    until(lambda: len(it.failures()) >= 2)
    assert "forgotten" in it.failures()[0].error.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "bad",
    [
        error(500, "InternalError", "etcdserver: no leader"),
        b"{]\n",
        b"\xff\xfe\n",
        b"null\n",
        b'{"type":"ADDED","object":7}\n',
        b'{"type":"NEVER HEARD OF","object":{}}\n',
    ],
)
def test_what_is_no_event_is_said_and_everything_listed_anew(
    server: KubeServer, mirror: Callable[..., Mirror], bad: bytes
) -> None:
    server.on(LIST, listing(thing("a")), listing(thing("b")))
    server.on(WATCH, Lines((event("ADDED", thing("c", "11")), bad)), Lines())
    mirror().until("synced a", "alive", "added c", "failed", "synced b", "alive")


@pytest.mark.usefixtures("impatient")
def test_a_break_in_the_middle_of_a_line(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    whole = event("ADDED", thing("c", "11"))
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines((whole + whole[:20],), "abort"), Lines((event("ADDED", thing("d", "12")),)))
    mirror().until("synced a", "alive", "added c", "alive", "added d")
    assert server.asked(WATCH)[1].query["resourceVersion"] == "11"


@pytest.mark.usefixtures("impatient")
def test_a_second_break_at_once_is_said(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines((bookmark("11"),), "abort"), Drop(), Lines())
    it = mirror()
    it.until("synced a", "alive", "alive", "failed", "alive")
    assert isinstance(it.failures()[0].error, Unreachable)


def test_lines_however_they_are_cut_and_however_long(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    long = thing("long", "12")
    long["metadata"]["annotations"] = {"much": "ä" * 1_000_000}
    sent = b"".join(
        (event("ADDED", thing("a", "11")), event("ADDED", long), event("ADDED", thing("b", "13")))
    )
    pieces = (sent[:7], sent[7:50], sent[50:500_000], sent[500_000:-3], sent[-3:])
    server.on(LIST, listing())
    server.on("/api/v1/namespaces/there", listing())
    server.on(WATCH, Lines(pieces))
    it = mirror()
    it.until("synced", "alive", "added a", "added long", "added b")
    told = it.said[3]
    assert isinstance(told, Added)
    assert told.object.metadata.annotations["much"] == "ä" * 1_000_000


def test_a_line_without_an_end_is_not_kept(
    server: KubeServer, mirror: Callable[..., Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.clusters.kubernetes.stream.MAX_LINE", 1_000)
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines((b"x" * 2_000,)))
    it = mirror()
    it.until("synced a", "alive", "failed")
    assert "without an end" in it.failures()[0].error.message


def test_a_failure_keeps_what_was_said_and_names_the_next_try(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, status(500, "InternalError", "no \x1b[31metcd"), listing(thing("a")))
    server.on(WATCH, Lines())
    before = datetime.now(UTC)
    it = mirror()
    it.until("failed")
    failed = it.failures()[0]
    assert before + timedelta(seconds=1) <= failed.retry_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert "no etcd" in failed.error.message
    it.until("failed", "synced a", "alive")


def test_it_is_left_alone_for_as_long_as_the_server_asks(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, status(429, "TooManyRequests", "slow down", retry_after=40))
    it = mirror()
    it.until("failed")
    assert timedelta(seconds=20) < it.failures()[0].retry_at - datetime.now(UTC) <= timedelta(seconds=40)
    assert it.end() < AT_ONCE


@pytest.mark.usefixtures("impatient")
def test_what_is_forbidden_is_said_with_the_verb(server: KubeServer, mirror: Callable[..., Mirror]) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, always=status(403, "Forbidden", "User cannot watch pods", kind="pods"))
    it = mirror()
    it.until("synced a", "failed")
    refused = it.failures()[0].error
    assert isinstance(refused, Forbidden)
    assert (refused.verb, refused.resource) == ("watch", "pods")


@pytest.mark.usefixtures("impatient")
def test_what_is_forbidden_and_not_needed_is_asked_for_seldom(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, status(500, "InternalError"), always=status(403, "Forbidden", "no", kind="pods"))
    it = mirror(refused=600.0)
    it.until("failed", "failed")
    away, refused = (each.retry_at - datetime.now(UTC) for each in it.failures())
    assert away < timedelta(seconds=60)
    assert refused > timedelta(seconds=500)
    assert it.end() < AT_ONCE


@pytest.mark.usefixtures("impatient")
def test_silence_is_broken_by_asking_again(
    server: KubeServer, mirror: Callable[..., Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "IDLE_SECONDS", 0.2)
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, always=Lines((bookmark("11"),)))
    it = mirror()
    it.until("synced a", "alive", "alive", "alive", "alive", "alive")
    assert it.failures() == []


@pytest.mark.usefixtures("impatient")
def test_silence_of_a_server_that_is_gone_is_said(
    server: KubeServer, mirror: Callable[..., Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr("backends.clusters.kubernetes.api.FIRST_SECONDS", 0.2)
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines((bookmark("11"),)), Hang(), Lines())
    mirror().until("synced a", "alive", "alive", "failed", "alive")


@pytest.mark.parametrize("watch", [Lines((bookmark("11"),)), Hang()])
def test_it_stops_at_once(server: KubeServer, mirror: Callable[..., Mirror], watch: Lines | Hang) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, watch)
    it = mirror()
    until(lambda: server.asked(WATCH))
    said = len(it.said)
    assert it.end() < AT_ONCE
    assert len(it.said) - said <= 2


def test_it_stops_at_once_also_while_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as full:
        # A queue that is full: further connections hang, as they do when packets are dropped.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        it = Mirror(connect(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, url)))))
        assert it.end() < AT_ONCE
        assert it.said == []
        for client in waiting:
            client.close()


def test_a_bug_of_whoever_listens_is_not_swallowed(server: KubeServer, api: Api) -> None:
    def say(news: News[KubeObject]) -> None:
        raise ZeroDivisionError

    server.on(LIST, listing(thing("a")))
    with pytest.raises(ZeroDivisionError):
        Reflector(api, PODS, KubeObject, say=say).run(threading.Event())


def test_patience_grows_to_a_limit_and_never_vanishes() -> None:
    trouble = Unreachable("down")
    drawn = {failures: [reflector.delay(failures, trouble) for _ in range(200)] for failures in (1, 4, 50)}
    assert all(1.0 <= each <= 2.0 for each in drawn[1])
    assert all(1.0 <= each <= 16.0 for each in drawn[4])
    assert all(1.0 <= each <= 30.0 for each in drawn[50])
    assert max(drawn[50]) > 20.0
    assert reflector.delay(1, Unreachable("busy", retry_after=20.0)) == 20.0
    assert reflector.delay(1, Unreachable("busy", retry_after=86_400.0)) == 300.0


def test_an_idle_mirror_asks_for_nothing_but_its_watch(
    server: KubeServer, mirror: Callable[..., Mirror]
) -> None:
    server.on(LIST, listing(thing("a")))
    server.on(WATCH, Lines(tuple(bookmark(str(each)) for each in range(11, 40))))
    it = mirror()
    until(lambda: len(it.said) == 31)
    assert [(each.method, each.path) for each in server.asked()] == [("GET", LIST), ("GET", LIST)]
    assert json.loads(bookmark("11"))["type"] == "BOOKMARK"
