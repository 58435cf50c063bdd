"""A fleet in a real cluster that is there only as objects: runs and pods which a script makes and updates."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from backends.clusters.kubernetes import camel
from backends.clusters.kubernetes.access import connect
from backends.clusters.kubernetes.api import AGENT_RUNS, PODS, Api
from backends.clusters.kubernetes.objects import (
    FLEET_LABEL,
    JUDGE,
    RUN_LABEL,
    RUNNER,
    WORK,
    AgentRunStatus,
    KubeObject,
    PodClaim,
    PodObject,
)
from hive_tui import plugins
from hive_tui.core.ids import RepoName, RunId, WorkerName
from hive_tui.core.model import Claim, LastEvent, Phase, RunSpec, Step, Tokens, Usage
from hive_tui.core.ports import AgentJob, BackendContext, Cluster, Job, RepoJob
from hive_tui.core.settings import FleetSettings
from hive_tui.core.worker_template import KubernetesSettings
from tests import builders as b
from tests.bench._busy import SIZE, Terminal
from tests.bench._startup import hive
from tests.cluster import named
from tests.cluster.conftest import apply_crds
from tests.cluster.kube import Kube, Namespace
from tests.cluster.named import NoCluster as NoCluster  # why there is none to measure on
from tests.fakes.repository import Repository

FLEET = "bench"
REPO = RepoName("kay/shop")


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace of the benchmark's own. Raises NoCluster."""
    named.settle(os.environ)
    kube = Kube(named.kubeconfig())
    apply_crds(kube)
    with tempfile.TemporaryDirectory() as folder:
        made = Namespace(kube, Path(folder))
        try:
            yield made
        finally:
            made.delete()


class ObjectFleet:
    """A fleet `bench` with that many runs at work, each with a pod that no scheduler cares for; or with one
    that really prints what `prints` (a Python program) says, by a real image."""

    def __init__(
        self, namespace: Namespace, runs: int, *, image: str = "nothing", prints: str | None = None
    ) -> None:
        self.namespace, self.slots = namespace, runs
        self._image, self._prints = image, prints
        self.api: Api = connect(namespace.settings())
        self.runs = [run(number) for number in range(1, runs + 1)]
        cluster = plugins.cluster("kubernetes", self.context(namespace.folder, namespace.kubeconfig))
        try:
            for spec in self.runs:
                self._begin(cluster, spec)
        finally:
            cluster.close()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._work, self.runs))

    def context(self, folder: Path, kubeconfig: Path) -> BackendContext:
        """What a backend is made from that reaches it by this kubeconfig."""
        reached = KubernetesSettings(kubeconfig=str(kubeconfig), namespace=self.namespace.name)
        settings = FleetSettings(cluster="kubernetes", slots=self.slots, kubernetes=reached)
        return BackendContext(FLEET, folder / "data" / "fleets" / FLEET, settings, "kay")

    def home(self, folder: Path, kubeconfig: Path) -> Path:
        """A HIVE_HOME of somebody whose fleet it is."""
        path = folder / "config" / "config.yaml"
        path.parent.mkdir(parents=True)
        Repository(folder / "shop")
        plain = {"kubeconfig": str(kubeconfig), "namespace": self.namespace.name}
        repos = [{"name": REPO, "path": str(folder / "shop")}]
        fleet = {"cluster": "kubernetes", "slots": self.slots, "kubernetes": plain, "repos": repos}
        fleets = {FLEET: fleet}
        path.write_text(yaml.safe_dump({"user": "kay", "current": FLEET, "fleets": fleets}))
        os.utime(path, (1_700_000_000, 1_700_000_000))  # so that what was read of it is kept
        return folder

    def _begin(self, cluster: Cluster, spec: RunSpec) -> None:
        claim = Claim(spec.repo, spec.issue, version=0, attempt=1, run=spec.id, holder="bench")
        cluster.put_claim(claim, expected=None)
        cluster.take_slot(spec.worker, spec.id)
        job = Job(
            FLEET,
            spec,
            RepoJob(REPO, "https://nowhere.invalid/kay/shop.git", "main"),
            AGENT,
            spec.title,
            b.BODY,
        )
        cluster.create_run(job)

    def _work(self, spec: RunSpec) -> None:
        pod = self.api.create(PODS, self._pod(spec.id), PodObject)
        claim = PodClaim(pod.metadata.name, pod.metadata.uid)
        self.report(spec.id, 1, AgentRunStatus(phase=Phase.WORKING, pod=claim, starts=1))
        if self._prints is not None:
            return
        running = {"state": {"running": {"startedAt": _now()}}, "ready": True, "restartCount": 0}
        status = {
            "phase": "Running",
            "startTime": _now(),
            "initContainerStatuses": [_container(name, running) for name in (WORK, JUDGE)],
            "containerStatuses": [_container(RUNNER, running)],
        }
        self.api.patch(PODS, spec.id, {"status": status}, KubeObject, sub="status")

    def _pod(self, name: RunId) -> dict[str, Any]:
        safe: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        box = {"image": self._image, "securityContext": safe}
        boxes = [{"name": each, "restartPolicy": "Always", **box} for each in (WORK, JUDGE)]
        runner: dict[str, Any] = {"name": RUNNER, **box}
        if self._prints is not None:
            boxes, runner = [], {**runner, "command": ["python3", "-c", self._prints]}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {FLEET_LABEL: FLEET, RUN_LABEL: name}},
            "spec": {
                "schedulerName": "nobody" if self._prints is None else "default-scheduler",
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "initContainers": boxes,
                "containers": [runner],
            },
        }

    def report(self, run: RunId, number: int, status: AgentRunStatus | None = None) -> None:
        """What a runner writes after every few events."""
        now = datetime.now(UTC)
        known = {} if status is None else camel.to_camel(status)
        news = AgentRunStatus(
            since=now,
            started_at=now,
            progress_at=now,
            step=Step.IMPLEMENT,
            step_since=now,
            usage=Usage(Tokens(10_000 + number, 900, 500_000, 40_000), 120_000 + number),
            last_event=LastEvent(now, f"Bash pytest -q tests/test_{number}.py"),
        )
        told = {key: value for key, value in camel.to_camel(news).items() if key not in ("phase", "starts")}
        self.api.patch(AGENT_RUNS, run, {"status": {**told, **known}}, KubeObject, sub="status")

    def close(self) -> None:
        self.api.close()


@contextmanager
def terminal(home: Path) -> Iterator[Terminal]:
    """`hive top` of that home in a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "HIVE_HOME": str(home)}
    process = subprocess.Popen(
        [*hive(), "top"], stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


AGENT = AgentJob(b.CLAUDE, "claude")


def run(number: int) -> RunSpec:
    made = b.run(number, repo=REPO, worker=WorkerName(f"claude-{number}"))
    return msgspec.structs.replace(made.spec, created_at=datetime.now(UTC), title=f"Mend thing {number}")


def _container(name: str, state: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "image": "nothing", "imageID": "nothing", **state}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
