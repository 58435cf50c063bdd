"""What reading a run's log asks of an API server, against one that does what a real one does by chance."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import camel, logs
from backends.clusters.kubernetes.access import connect
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.objects import RUNNER, AgentRunSpec, AgentRunStatus, PodClaim
from hive_tui.core.events import LogLine, Note
from hive_tui.core.model import Phase
from hive_tui.core.worker_template import KubernetesSettings
from tests.fakes import run_host
from tests.fakes.kube_server import (
    Hang,
    KubeServer,
    Lines,
    Reply,
    error,
    event,
    kube_server,
    kubeconfig,
    listing,
    status,
)
from tests.waiting import until

WORK = run_host.job(Path("/nowhere"))
RUN = WORK.spec.id
RUNS = "/apis/hive.dev/v1alpha1/namespaces/there/agentruns"
PODS = "/api/v1/namespaces/there/pods"
LOG = f"{PODS}/pod-1/log"
REFUSED = status(400, "BadRequest", "pod pod-1 does not have a host assigned")


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with kube_server() as server:
        yield server


@pytest.fixture
def api(server: KubeServer, tmp_path: Path) -> Iterator[Api]:
    api = connect(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, server.url))))
    yield api
    api.close()


def found(phase: Phase) -> dict[str, Any]:
    """The AgentRun, in a pod unless it is queued."""
    there = None if phase is Phase.QUEUED else PodClaim("pod-1", "u1")
    now = datetime.now(UTC)
    said = AgentRunStatus(phase, pod=there, ended_at=now if phase.final else None)
    return {
        "metadata": {"name": RUN, "resourceVersion": "3"},
        "spec": camel.to_camel(AgentRunSpec(WORK)),
        "status": camel.to_camel(said),
    }


def pod(phase: str, **state: Any) -> dict[str, Any]:
    containers = [{"name": RUNNER, "state": state}] if state else []
    meta = {"name": "pod-1", "uid": "u1", "resourceVersion": "4"}
    return {"metadata": meta, "status": {"phase": phase, "containerStatuses": containers}}


RUNNING = pod("Running", running={})
ENDED = pod("Succeeded", terminated={"exitCode": 0})


def said(*numbers: int) -> Lines:
    lines = (LogLine(n, datetime.now(UTC), Note(text=f"line {n}")) for n in numbers)
    return Lines(tuple(msgspec.json.encode(line) + b"\n" for line in lines), then="close")


class Follower:
    """Somebody who follows the log."""

    def __init__(self, api: Api) -> None:
        self.numbers: list[int] = []
        self.stop = threading.Event()
        self._log = logs.read(api, RUN, follow=True, stop=self.stop)
        self.thread = run_host.meanwhile(self._read)

    def _read(self) -> None:
        for line in self._log:
            self.numbers.append(line.n)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.mark.parametrize(
    ("before", "answer"), [(pod("Pending"), ()), (RUNNING, (REFUSED,))], ids=["pending", "refused"]
)
def test_a_pod_that_says_nothing_is_watched_and_not_asked(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch, before: Any, answer: tuple[Reply, ...]
) -> None:
    monkeypatch.setattr(logs, "VAIN", (60.0, 4.0))
    monkeypatch.setattr(logs, "PAUSES", (60.0, 60.0))
    working = listing(found(Phase.WORKING), version="10")
    server.on(RUNS, working, working, always=listing(found(Phase.SUCCEEDED), version="12"))
    server.on(PODS, listing(before, version="20"), listing(RUNNING, version="21"), always=listing(ENDED))
    server.on(LOG, *answer, said(1, 2), always=said(1, 2, 3))
    began = Lines((event("MODIFIED", RUNNING),), then="hang")
    server.on(f"{PODS}?watch", began, always=Hang())
    follower = Follower(api)
    until(lambda: follower.numbers == [1, 2, 3], what=f"{follower.numbers}")
    follower.thread.join(10)
    assert not follower.thread.is_alive()
    (watch,) = server.asked(f"{PODS}?watch")
    assert (watch.query["resourceVersion"], watch.query["timeoutSeconds"]) == ("20", "60")
    assert watch.query["labelSelector"] == f"hive.dev/run={RUN}"


def test_pods_that_are_looked_at_in_vain_are_looked_at_ever_more_seldom(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PAUSES", (0.0, 0.0))
    server.on(RUNS, always=listing(found(Phase.WORKING), version="10"))
    server.on(PODS, always=listing(RUNNING, version="20"))
    server.on(LOG, always=REFUSED)
    over = Lines((), then="close")
    server.on(f"{PODS}?watch", *[over] * 6, always=Hang())
    follower = Follower(api)
    until(lambda: len(server.asked(f"{PODS}?watch")) == 7)
    lasted = [each.query["timeoutSeconds"] for each in server.asked(f"{PODS}?watch")]
    assert lasted == ["1", "4", "16", "64", "256", "300", "300"]
    follower.end()


def test_a_run_that_waits_is_watched_from_where_the_server_is_now(server: KubeServer, api: Api) -> None:
    """Its own version may be one that the server has forgotten long ago."""
    queued, ended = (listing(found(phase), version="10") for phase in (Phase.QUEUED, Phase.KILLED))
    server.on(RUNS, queued, always=ended)
    server.on(PODS, always=listing())
    server.on(f"{RUNS}?watch", Lines((event("MODIFIED", found(Phase.KILLED)),)))
    follower = Follower(api)
    follower.thread.join(10)
    assert not follower.thread.is_alive()
    (watch,) = server.asked(f"{RUNS}?watch")
    assert watch.query["resourceVersion"] == "10"
    assert watch.query["fieldSelector"] == f"metadata.name={RUN}"


@pytest.mark.parametrize(
    "answer", [Lines((error(410, "Expired"),), then="close"), Lines((), then="close")], ids=["error", "end"]
)
def test_who_refuses_every_watch_is_not_asked_at_once(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch, answer: Lines
) -> None:
    monkeypatch.setattr(logs, "PAUSES", (0.01, 0.2))
    server.on(RUNS, always=listing(found(Phase.QUEUED), version="10"))
    server.on(PODS, always=listing())
    server.on(f"{RUNS}?watch", always=answer)
    follower = Follower(api)
    until(lambda: len(server.asked(f"{RUNS}?watch")) >= 4)
    times = [each.at for each in server.asked(f"{RUNS}?watch")[:4]]
    assert all(later - sooner >= 0.2 for sooner, later in itertools.pairwise(times))
    follower.end()
