"""A fleet on a real Kubernetes cluster, in a namespace of its own, for the contract suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from backends.clusters.kubernetes import camel, job
from backends.clusters.kubernetes.cluster import KubernetesCluster
from backends.clusters.kubernetes.objects import RUN_LABEL, RUNNER
from hive_tui.core.events import LogLine
from hive_tui.core.ids import AgentName, RunId
from hive_tui.core.ports import BackendContext, Cluster, Job
from hive_tui.core.settings import AgentSettings, FleetSettings
from hive_tui.core.worker_template import Amounts, KubernetesSettings, WorkerTemplate
from tests.cluster.kube import Namespace
from tests.waiting import until

IDLE = Path(__file__).parents[1] / "fakes" / "idle_runner.py"

PATIENCE = 100.0
"""Seconds for a pod to start or end, also while somebody tries what an outage does to others."""

_SMALL = Amounts("10m", "128Mi")

_WAITS = 'trap "exit 0" TERM; while :; do sleep 0.2; done'


class KubernetesFleet:
    """See `ClusterFixture`. `image` gives the agent image, or skips the test: most need no pod."""

    patience = PATIENCE
    keeps_logs = False

    def __init__(self, namespace: Namespace, home: Path, image: Callable[[], str]) -> None:
        self._namespace = namespace
        self._image = image
        self._clusters: list[KubernetesCluster] = []
        self.template = WorkerTemplate(
            image=os.environ.get("HIVE_TEST_IMAGE") or "localhost/hive-agent:test",
            image_pull_policy="Never",
            tracker_secret=None,
            runner=_SMALL,
            work=_SMALL,
            judge=_SMALL,
            grace_seconds=5,
        )
        kubernetes = msgspec.structs.replace(namespace.settings(), worker=self.template)
        agents = (AgentSettings(AgentName("claude")), AgentSettings(AgentName("codex")))
        settings = FleetSettings(cluster="kubernetes", agents=agents, slots=2, kubernetes=kubernetes)
        self.context = BackendContext("test", home, settings, "me")

    def connect(self) -> Cluster:
        self._clusters.append(KubernetesCluster(self.context))
        return self._clusters[-1]

    def seen_by(self, account: KubernetesSettings) -> BackendContext:
        """The same fleet as another account of the cluster has it."""
        kubernetes = msgspec.structs.replace(account, worker=self.template)
        settings = msgspec.structs.replace(self.context.settings, kubernetes=kubernetes)
        return msgspec.structs.replace(self.context, settings=settings)

    def prepare(self) -> None:
        """Have what real pods need."""
        assert self._image() == self.template.image

    def idle_run(self, run: RunId) -> None:
        self.prepare()
        source = IDLE.read_text(encoding="utf-8")
        # A shell in front, since nothing inside a pod can kill its first process.
        script = 'python3 -P -c "$1" kubernetes /hive/own "$2" & echo $! >/tmp/pid; wait $!'
        self._make_job(run, ["sh", "-c", script, "sh", source, run])
        until(lambda: self._status(run).get("phase") == "working", seconds=PATIENCE, what="the idle runner")

    def murder(self, run: RunId) -> None:
        self._exec(run, "kill -9 $(cat /tmp/pid)")
        self._await_end(run)

    def append(self, run: RunId, lines: Sequence[LogLine]) -> None:
        self.prepare()
        if not self._pods(run):
            self._make_job(run, ["sh", "-c", _WAITS])
            until(lambda: self._runs(run), seconds=PATIENCE, what="a pod that speaks")
        said = "".join(f"{msgspec.json.encode(line).decode()}\n" for line in lines)
        self._exec(run, "cat >/proc/1/fd/1", stdin=said)
        last = said.splitlines()[-1]
        until(lambda: last in self._said(run), seconds=PATIENCE, what="the line in the pod's log")

    def leave(self, run: RunId) -> None:
        """A run's Job stays by itself."""

    def left(self, run: RunId) -> bool:
        return bool(self._namespace.items("jobs", "-l", f"{RUN_LABEL}={run}"))

    def close(self) -> None:
        for cluster in self._clusters:
            cluster.close()

    def _make_job(self, run: RunId, command: list[str]) -> None:
        found = self._namespace.json("get", "agentrun", run)
        work = camel.decode(msgspec.json.encode(found["spec"]["work"]), Job)
        body: dict[str, Any] = job.manifest(run, found["metadata"]["uid"], work, self.template, "test", 0)
        (runner,) = body["spec"]["template"]["spec"]["containers"]
        runner["command"] = command
        self._namespace.create(body)

    def _await_end(self, run: RunId) -> None:
        def over() -> bool:
            return all(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in self._pods(run))

        until(over, seconds=PATIENCE, what="the pod's end")

    def _pods(self, run: RunId) -> list[Any]:
        return self._namespace.items("pods", "-l", f"{RUN_LABEL}={run}")

    def _runs(self, run: RunId) -> bool:
        states = [each for pod in self._pods(run) for each in pod["status"].get("containerStatuses", ())]
        return any("running" in each["state"] for each in states)

    def _status(self, run: RunId) -> Any:
        return self._namespace.json("get", "agentrun", run).get("status", {})

    def _exec(self, run: RunId, script: str, *, stdin: str = "") -> None:
        (pod,) = self._pods(run)
        where = ("exec", "-i", pod["metadata"]["name"], "-c", RUNNER, "--")
        self._namespace(*where, "sh", "-c", script, stdin=stdin)

    def _said(self, run: RunId) -> list[str]:
        (pod,) = self._pods(run)
        return self._namespace("logs", pod["metadata"]["name"], "-c", RUNNER).splitlines()
