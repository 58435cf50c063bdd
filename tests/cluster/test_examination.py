"""What `hive doctor` says of a real cluster: each thing that is missing, with a step that mends it."""

from __future__ import annotations

import shlex
import socket
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes.deploy import KubernetesSetup
from hive_tui.core.findings import Finding, State
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings, GitHubSettings
from hive_tui.core.worker_template import KubernetesSettings, WorkerTemplate
from tests.cluster.kube import Kube, Namespace

pytestmark = pytest.mark.cluster

IMAGE = "registry.example/hive-agent:1"


def found(settings: KubernetesSettings, worker: WorkerTemplate | None = None, **more: Any) -> list[Finding]:
    kubernetes = msgspec.structs.replace(settings, worker=worker or WorkerTemplate())
    fleet = FleetSettings(cluster="kubernetes", forge="github", kubernetes=kubernetes, **more)
    setup = KubernetesSetup(BackendContext("main", Path("/nowhere"), fleet, "ann"))
    try:
        return list(setup.examine())
    finally:
        setup.close()


def named(findings: list[Finding], name: str) -> Finding:
    (one,) = (finding for finding in findings if finding.name == name)
    return one


def state(findings: list[Finding], name: str) -> str:
    return named(findings, name).state.value


def carry_out(namespace: Namespace, fix: str) -> None:
    """Call the kubectl that a fix names between backquotes."""
    program, *args = shlex.split(fix.split("`")[1])
    assert program == "kubectl"
    namespace(*args)


def test_a_fleet_that_can_work_has_nothing_to_mend(namespace: Namespace) -> None:
    namespace("create", "secret", "generic", "hive-tracker", "--from-literal=token=x")
    namespace("create", "secret", "generic", "hive-agent", "--from-literal=ANTHROPIC_API_KEY=x")
    worker = WorkerTemplate(image=IMAGE, agent_secret="hive-agent")
    findings = found(namespace.settings(), worker)
    assert [finding for finding in findings if finding.state is not State.OK] == []
    assert named(findings, "cluster").detail.startswith("Kubernetes v1.")
    assert named(findings, "namespace").detail == f"{namespace.name}, Pod Security restricted"
    assert named(findings, "image").detail == IMAGE
    assert "hive.dev/v1alpha1" in named(findings, "resources").detail


def test_secrets_that_are_missing_come_with_the_line_that_makes_them(
    namespace: Namespace, tmp_path: Path
) -> None:
    token, authority = tmp_path / "a token", tmp_path / "ca.crt"
    token.write_text("x")
    authority.write_text("y")
    github = GitHubSettings(token_file=str(token), ca_file=str(authority))
    worker = WorkerTemplate(image=IMAGE, agent_secret="keys", image_pull_secrets=("registry",))
    secrets = [f for f in found(namespace.settings(), worker, github=github) if f.name == "secret"]
    assert [finding.state for finding in secrets] == [State.BROKEN] * 3
    assert [finding.detail.split(" (")[0] for finding in secrets] == [
        "there is no secret hive-tracker",
        "there is no secret keys",
        "there is no secret registry",
    ]
    carry_out(namespace, secrets[0].fix or "")
    again = [f for f in found(namespace.settings(), worker, github=github) if f.name == "secret"]
    assert again[0].state is State.OK
    assert "docker-registry registry" in (again[2].fix or "")


def test_a_secret_with_other_keys_is_told_by_its_keys_alone(namespace: Namespace) -> None:
    namespace("create", "secret", "generic", "hive-tracker", "--from-literal=TOKEN=hush")
    findings = found(namespace.settings(), WorkerTemplate(image=IMAGE))
    secret = next(finding for finding in findings if "hive-tracker" in finding.detail)
    assert "has TOKEN, not token" in secret.detail
    assert "hush" not in repr(findings)


def test_an_image_is_set_where_it_counts(namespace: Namespace) -> None:
    image = named(found(namespace.settings()), "image")
    assert image.state is State.BROKEN
    assert "`hive config set fleets.main.kubernetes.worker.image IMAGE`" in (image.fix or "")
    namespace.apply(
        {
            "apiVersion": "hive.dev/v1alpha1",
            "kind": "Fleet",
            "metadata": {"name": "main"},
            "spec": {"slots": 1, "worker": {}},
        }
    )
    image = named(found(namespace.settings(), WorkerTemplate(image=IMAGE)), "image")
    assert image.state is State.BROKEN, "the fleet's object counts, not the configuration any more"
    carry_out(namespace, (image.fix or "").replace('"IMAGE"', f'"{IMAGE}"'))
    assert named(found(namespace.settings()), "image").detail == IMAGE


def test_an_agent_s_secret_is_named_where_it_counts(namespace: Namespace) -> None:
    def unnamed() -> str:
        return next(each.fix or "" for each in found(namespace.settings()) if "own variables" in each.detail)

    assert "then `hive config set fleets.main.kubernetes.worker.agent_secret hive-agent`." in unnamed()
    main = {"metadata": {"name": "main"}, "spec": {"slots": 1, "worker": {}}}
    namespace.apply({"apiVersion": "hive.dev/v1alpha1", "kind": "Fleet", **main})
    _, patch = unnamed().split(", then ")
    namespace("create", "secret", "generic", "hive-agent", "--from-literal=ANTHROPIC_API_KEY=x")
    carry_out(namespace, patch)
    details = [each.detail for each in found(namespace.settings()) if each.name == "secret"]
    assert "hive-agent (the agent's variables)" in details


def test_a_namespace_that_lets_everything_in_is_mended_by_its_fix(namespace: Namespace) -> None:
    namespace("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce-")
    loose = named(found(namespace.settings()), "namespace")
    assert loose.state is State.WARNING
    carry_out(namespace, loose.fix or "")
    assert state(found(namespace.settings()), "namespace") == "ok"


def test_a_namespace_that_is_not_there_ends_it(crds: Kube) -> None:
    name = f"hive-test-{uuid.uuid4().hex[:10]}"
    findings = found(KubernetesSettings(kubeconfig=str(crds.kubeconfig), namespace=name))
    assert findings[-1].detail == f"there is no namespace {name}"
    assert "`hive --fleet main deploy --crds-only`" in (findings[-1].fix or "")


def test_everybody_s_namespace_is_no_fleet_s(crds: Kube) -> None:
    where = KubernetesSettings(kubeconfig=str(crds.kubeconfig), namespace="default")
    namespace = named(found(where), "namespace")
    assert namespace.state is State.WARNING
    assert "fleets.main.kubernetes.namespace" in (namespace.fix or "")


def test_an_account_that_is_missing(namespace: Namespace) -> None:
    account = named(found(namespace.settings(), WorkerTemplate(service_account="other")), "account")
    assert account.state is State.BROKEN


def test_whoever_may_only_look_is_not_told_that_things_are_missing(viewer: KubernetesSettings) -> None:
    findings = found(viewer, WorkerTemplate(image=IMAGE))
    assert [finding.name for finding in findings if finding.state is State.BROKEN] == []
    assert "you may not look" in named(findings, "account").detail
    assert state(findings, "resources") == "ok"


def test_whoever_may_nothing_is_told_which_right_is_missing(nobody: KubernetesSettings) -> None:
    resources = named(found(nobody), "resources")
    assert resources.state is State.BROKEN
    assert "agentruns" in resources.detail


def test_a_server_that_is_not_there_ends_it(kube: Kube, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        path = kube.write_kubeconfig({"token": "x"}, tmp_path / "gone.yaml")
        text = path.read_text()
        server = next(line for line in text.splitlines() if "server:" in line)
        path.write_text(text.replace(server.split("server:")[1].strip(), f"https://127.0.0.1:{port}"))
        findings = found(KubernetesSettings(kubeconfig=str(path), namespace="hive"))
    assert [finding.name for finding in findings] == ["kubeconfig", "cluster"]
    assert findings[-1].state is State.BROKEN
    assert findings[-1].fix
