"""AgentRuns whose pods only speak: lines of a log from a script, without a runner."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from backends.clusters.kubernetes import access, camel, run_status
from backends.clusters.kubernetes.api import AGENT_RUNS, Api
from backends.clusters.kubernetes.objects import (
    API_VERSION,
    RUN_LABEL,
    RUNNER,
    AgentRunObject,
    AgentRunSpec,
    AgentRunStatus,
)
from hive_tui.core.ids import RepoName, RunId, run_id
from hive_tui.core.model import Actor, ActorKind, Control, ControlKind, RunStatus
from hive_tui.core.ports import Job
from tests.cluster.kube import Namespace
from tests.fakes import run_host

PRELUDE = """
import sys, time
def say(first, last, rate=0.0, size=40):
    begun = time.monotonic()
    for n in range(first, last + 1):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        words = ("word " * (size // 5 + 1))[:size]
        event = '{"kind":"said","text":"%d %s"}' % (n, words)
        sys.stdout.write('{"n":%d,"at":"%s","event":%s,"hive":"v1"}\\n' % (n, at, event))
        if rate:
            sys.stdout.flush()
            time.sleep(max(0.0, begun + (n - first + 1) / rate - time.monotonic()))
    sys.stdout.flush()
"""


def work(issue: int, **changes: Any) -> Job:
    """A work order on an issue, as it stands in an AgentRun."""
    plain = msgspec.structs.replace(run_host.job(Path("/nowhere")), **changes)
    run = run_id("github.com", RepoName("acme/tool"), issue, 1)
    spec = msgspec.structs.replace(plain.spec, id=run, issue=issue, branch=f"hive/issue-{issue}-a1")
    return msgspec.structs.replace(plain, spec=spec)


class Speaking:
    """One namespace's runs."""

    def __init__(self, namespace: Namespace, image: str) -> None:
        self.namespace, self._image = namespace, image
        self.api: Api = access.connect(namespace.settings())

    def record(self, job: Job) -> RunId:
        """An AgentRun of which nothing is known yet."""
        body = {
            "apiVersion": API_VERSION,
            "kind": "AgentRun",
            "metadata": {"name": job.spec.id},
            "spec": camel.to_camel(AgentRunSpec(job)),
        }
        self.api.create(AGENT_RUNS, body, AgentRunObject)
        return job.spec.id

    def status(self, run: RunId) -> AgentRunStatus:
        return camel.decode(self.api.get(AGENT_RUNS, run, AgentRunObject).status, AgentRunStatus)

    def write(self, run: RunId, status: RunStatus, **changes: Any) -> None:
        found = self.api.get(AGENT_RUNS, run, AgentRunObject)
        before = camel.decode(found.status, AgentRunStatus)
        new = run_status.after(before, status, datetime.now(UTC), **changes)
        body = run_status.body(run, found.metadata.resource_version, new)
        self.api.replace(AGENT_RUNS, run, body, AgentRunObject, sub="status")

    def order(self, run: RunId, text: str) -> None:
        """Tell a run something."""
        found = self.api.get(AGENT_RUNS, run, AgentRunObject)
        spec = camel.decode(found.spec, AgentRunSpec)
        order = Control(
            len(spec.control) + 1,
            ControlKind.MESSAGE,
            Actor(ActorKind.PERSON, "kay"),
            datetime.now(UTC),
            text,
        )
        control = [camel.to_camel(each) for each in (*spec.control, order)]
        self.api.patch(AGENT_RUNS, run, {"spec": {"control": control}}, AgentRunObject)

    def pod(self, run: RunId, name: str, script: str) -> None:
        """A pod of the run that plays a script."""
        nothing = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        container = {
            "name": RUNNER,
            "image": self._image,
            "command": ["python3", "-c", PRELUDE + textwrap.dedent(script)],
            "securityContext": nothing,
        }
        safe = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
        self.namespace.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {RUN_LABEL: run}},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container],
                    "securityContext": safe,
                },
            }
        )

    def phase(self, pod: str) -> str | None:
        found = self.namespace.find("pod", pod)
        return found and found["status"]["phase"]

    def ended(self, pod: str) -> bool:
        return self.phase(pod) in ("Succeeded", "Failed")
