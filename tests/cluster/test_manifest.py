"""Whether a real cluster takes the pods of runs where it takes only the most restricted ones."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from backends.clusters.kubernetes import job
from hive_tui.core.worker_template import Toleration, WorkerTemplate
from tests.cluster.kube import KubectlFailed, Namespace
from tests.fakes import run_host

pytestmark = [pytest.mark.cluster, pytest.mark.e2e]

TEMPLATE = WorkerTemplate(image="example.org/hive-agent:1", agent_secret="agent")
EVERYTHING = msgspec.structs.replace(
    TEMPLATE,
    node_selector={"pool": "agents"},
    tolerations=(Toleration("agents", "Equal", "yes", "NoExecute", 60), Toleration(operator="Exists")),
    image_pull_secrets=("registry",),
)


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        EVERYTHING,
        *(msgspec.structs.replace(TEMPLATE, user_id=user) for user in (None, 1_000_650_000)),
    ],
    ids=["plain", "everything", "cluster's user", "high user"],
)
def test_pod_security_restricted_takes_it(shared_namespace: Namespace, template: WorkerTemplate) -> None:
    assert _labels(shared_namespace)["pod-security.kubernetes.io/enforce"] == "restricted"
    plain = run_host.job(Path("/nowhere"))
    repo = msgspec.structs.replace(plain.repo, source="https://example.org/o/n.git", portable=("python3",))
    work = job.in_pod(msgspec.structs.replace(plain, repo=repo), template)
    made = job.manifest(work.spec.id, "0a0b", work, template, "prod", 0)
    # A Job is taken in any case; it is its pod that is refused.
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": made["spec"]["template"]["spec"],
    }
    for each in (made, pod):
        shared_namespace("create", "--dry-run=server", "-f", "-", stdin=json.dumps(each))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(KubectlFailed, match="violates PodSecurity"):
        shared_namespace("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def _labels(namespace: Namespace) -> dict[str, str]:
    labels: dict[str, str] = namespace.json("get", "namespace", namespace.name)["metadata"]["labels"]
    return labels
