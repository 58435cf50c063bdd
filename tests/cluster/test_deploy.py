"""`hive deploy --crds-only` on a real cluster: what it brings, what it keeps, and what it says of what it may
not do."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.clusters.kubernetes import manifests, schema
from backends.clusters.kubernetes.deploy import KubernetesSetup
from backends.clusters.kubernetes.errors import Unreachable
from hive_tui import config
from hive_tui.cli import run
from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.setup import Outcome
from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.kube import Kube, KubectlFailed, Namespace

pytestmark = pytest.mark.cluster

Hive = Callable[..., Any]

CLUSTER_WIDE = ("CustomResourceDefinition agentruns.hive.dev", "CustomResourceDefinition fleets.hive.dev")
INSIDE = (
    "ServiceAccount hive-run",
    "Role hive-run",
    "RoleBinding hive-run",
    "ResourceQuota hive",
    "LimitRange hive",
)


@pytest.fixture
def empty(crds: Kube) -> Iterator[Kube]:
    """The name of a namespace that is not there yet, to work in."""
    name = f"hive-test-{uuid.uuid4().hex[:10]}"
    yield Kube(crds.kubeconfig, name)
    crds("delete", "namespace", name, "--wait=false", "--ignore-not-found")


def deploy(settings: KubernetesSettings, *, dry_run: bool = False) -> dict[str, tuple[Outcome, str | None]]:
    setup = KubernetesSetup(
        BackendContext("main", Path("/nowhere"), FleetSettings(kubernetes=settings), "ann")
    )
    try:
        return {part.object: (part.outcome, part.why) for part in setup.deploy(dry_run=dry_run)}
    finally:
        setup.close()


def settings(kube: Kube) -> KubernetesSettings:
    return KubernetesSettings(kubeconfig=str(kube.kubeconfig), namespace=kube.namespace)


def outcomes(found: dict[str, tuple[Outcome, str | None]]) -> dict[str, str]:
    return {part: outcome.value for part, (outcome, _) in found.items()}


def test_everything_is_made_once(empty: Kube) -> None:
    parts = (*CLUSTER_WIDE, f"Namespace {empty.namespace}", *INSIDE)
    tried = outcomes(deploy(settings(empty), dry_run=True))
    assert empty.find("namespace", str(empty.namespace)) is None
    done = outcomes(deploy(settings(empty)))
    assert tuple(done) == tuple(tried) == parts
    assert tried == done == dict.fromkeys(CLUSTER_WIDE, "unchanged") | dict.fromkeys(parts[2:], "created")
    for again in (deploy(settings(empty)), deploy(settings(empty), dry_run=True)):
        assert outcomes(again) == dict.fromkeys(parts, "unchanged")


def test_the_account_of_runs_may_say_how_they_are_and_nothing_else(empty: Kube) -> None:
    deploy(settings(empty))

    def may(verb: str, what: str) -> bool:
        account = f"--as=system:serviceaccount:{empty.namespace}:hive-run"
        kind, _, sub = what.partition("/")
        try:
            return empty("auth", "can-i", verb, kind, f"--subresource={sub}", account).strip() == "yes"
        except KubectlFailed:
            return False

    allowed = [(verb, "agentruns.hive.dev") for verb in ("get", "list", "watch")]
    allowed += [(verb, "agentruns.hive.dev/status") for verb in ("get", "update", "patch")]
    assert all(may(*each) for each in allowed)
    refused = [
        *((verb, "agentruns.hive.dev") for verb in ("create", "update", "patch", "delete")),
        *((verb, "fleets.hive.dev") for verb in ("get", "list", "patch")),
        *(
            ("get", kind)
            for kind in ("secrets", "pods", "pods/log", "configmaps", "events", "leases", "nodes")
        ),
        ("create", "pods"),
        ("create", "pods/exec"),
    ]
    assert not [each for each in refused if may(*each)]


def test_its_namespace_admits_no_pod_that_could_do_more(empty: Kube) -> None:
    deploy(settings(empty))
    container = {"name": "c", "image": "x", "securityContext": {"privileged": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    with pytest.raises(KubectlFailed, match="restricted"):
        empty.create(pod)


def test_what_hive_changed_is_put_right_and_what_people_set_is_kept(empty: Kube) -> None:
    deploy(settings(empty))
    empty("patch", "resourcequota", "hive", "--type=merge", "-p", '{"spec":{"hard":{"pods":"7"}}}')
    empty("delete", "role", "hive-run")
    found = deploy(settings(empty))
    outcome, why = found["ResourceQuota hive"]
    assert outcome is Outcome.KEPT
    assert str(why).startswith("others have set it otherwise")
    assert 'with "kubectl-patch"' in str(why)
    assert ".spec.hard.pods" in str(why)
    assert found["Role hive-run"][0] is Outcome.CREATED
    assert {outcome.value for outcome, _ in found.values()} == {"kept", "created", "unchanged"}
    assert empty.json("get", "resourcequota", "hive")["spec"]["hard"]["pods"] == "7"


def test_an_older_quota_of_hives_own_is_brought_up_to_date(empty: Kube) -> None:
    deploy(settings(empty))
    [old, _] = manifests.quota(str(empty.namespace))
    old["spec"]["hard"]["pods"] = "3"
    empty("apply", "--server-side", "--field-manager=hive", "-f", "-", stdin=yaml.safe_dump(old))
    assert deploy(settings(empty), dry_run=True)["ResourceQuota hive"][0] is Outcome.CHANGED
    assert deploy(settings(empty))["ResourceQuota hive"][0] is Outcome.CHANGED
    assert empty.json("get", "resourcequota", "hive")["spec"]["hard"]["pods"] == "100"


def test_kubectl_brings_the_same_from_the_files(empty: Kube, tmp_path: Path) -> None:
    folder = os.path.relpath(manifests.FOLDER, tmp_path)
    overlay = {"kind": "Kustomization", "namespace": empty.namespace, "resources": [folder]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    made = list(yaml.safe_load_all(empty("kustomize", str(tmp_path))))
    parts = (*CLUSTER_WIDE, f"Namespace {empty.namespace}", *INSIDE)
    assert {f"{each['kind']} {each['metadata']['name']}" for each in made} == set(parts)
    empty("apply", "--server-side", "--force-conflicts", "-k", str(tmp_path))
    assert outcomes(deploy(settings(empty))) == dict.fromkeys(parts, "unchanged")


def test_who_may_only_do_a_part_gets_that_part_and_hears_what_is_missing(namespace: Namespace) -> None:
    quotas = {"apiGroups": [""], "resources": ["resourcequotas", "limitranges"], "verbs": ["*"]}
    namespace.account("quotas", [quotas])
    found = deploy(namespace.settings_as("quotas"))
    assert found["ResourceQuota hive"] == (Outcome.CREATED, None)
    assert found["LimitRange hive"] == (Outcome.CREATED, None)
    assert namespace.find("resourcequota", "hive") is not None
    for part, resource in (
        (CLUSTER_WIDE[0], "customresourcedefinitions.apiextensions.k8s.io"),
        (f"Namespace {namespace.name}", "namespaces"),
        ("ServiceAccount hive-run", "serviceaccounts"),
        ("Role hive-run", "roles.rbac.authorization.k8s.io"),
    ):
        outcome, why = found[part]
        assert outcome is Outcome.FAILED, part
        assert f"kubectl auth can-i get {resource}" in str(why), part


def test_a_definition_of_a_newer_hive_is_left_alone(empty: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    older = schema.definitions()
    root = older["fleets.hive.dev"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del root["properties"]["spec"]["properties"]["budget"]
    monkeypatch.setattr(schema, "definitions", lambda: older)
    outcome, why = deploy(settings(empty), dry_run=True)["CustomResourceDefinition fleets.hive.dev"]
    assert outcome is Outcome.FAILED
    assert "newer hive" in str(why)
    assert "spec.budget" in str(why)


@pytest.mark.parametrize("name", ["kube-system", "kube-public"])
def test_kubernetes_own_namespaces_are_refused(crds: Kube, name: str) -> None:
    with pytest.raises(Refused, match="Kubernetes' own"):
        deploy(KubernetesSettings(kubeconfig=str(crds.kubeconfig), namespace=name))


def test_the_default_namespace_has_to_be_meant(crds: Kube, tmp_path: Path) -> None:
    mine = crds.json("config", "view", "--raw", "--flatten", "--minify")
    path = crds.write_kubeconfig(mine["users"][0]["user"], tmp_path / "kubeconfig")
    with pytest.raises(UsageError, match="Which namespace is meant"):
        deploy(KubernetesSettings(kubeconfig=str(path)))


def test_a_cluster_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "users": [{"name": "u", "user": {}}],
                "current-context": "c",
            }
        )
    )
    path.chmod(0o600)
    with pytest.raises(Unreachable):
        deploy(KubernetesSettings(kubeconfig=str(path), namespace="x"))


class TestCommand:
    @pytest.fixture
    def hive(self, capsys: pytest.CaptureFixture[str]) -> Hive:
        """Run a command that must end with that code; JSON is decoded."""

        def call(*arguments: str, code: int = 0) -> Any:
            capsys.readouterr()
            ended = run(list(arguments))
            shown = capsys.readouterr()
            assert ended == code, shown.err + shown.out
            return json.loads(shown.out) if "json" in arguments else shown.out + shown.err

        return call

    @pytest.fixture
    def fleet(self, empty: Kube, hive_home: Path) -> Kube:
        folder = config.load().folders.config
        folder.mkdir(parents=True, exist_ok=True)
        kubernetes = {"kubeconfig": str(empty.kubeconfig), "namespace": empty.namespace}
        text = yaml.safe_dump({"fleets": {"main": {"cluster": "kubernetes", "kubernetes": kubernetes}}})
        (folder / "config.yaml").write_text(text)
        return empty

    def test_it_says_each_part(self, hive: Hive, fleet: Kube) -> None:
        said = hive("deploy", "--crds-only", "--dry-run", "--fleet", "main")
        assert "+ ServiceAccount hive-run would be created" in said
        assert fleet.find("namespace", str(fleet.namespace)) is None
        found = hive("deploy", "--crds-only", "--fleet", "main", "-o", "json")
        assert found["namespace"] == fleet.namespace
        assert {part["outcome"] for part in found["parts"]} == {"created", "unchanged"}
        assert "  ResourceQuota hive unchanged" in hive("deploy", "--crds-only", "--fleet", "main")

    def test_it_fails_where_a_part_did(
        self, hive: Hive, fleet: Kube, nobody: KubernetesSettings, hive_home: Path
    ) -> None:
        path = config.load().path
        path.write_text(path.read_text().replace(str(fleet.kubeconfig), str(nobody.kubeconfig)))
        said = hive("deploy", "--crds-only", "--dry-run", "--fleet", "main", code=1)
        assert "✗ Role hive-run failed: The cluster forbids" in said
        assert "kubectl auth can-i" in said

    def test_another_namespace_is_to_be_configured(self, hive: Hive, fleet: Kube) -> None:
        said = hive("deploy", "--crds-only", "--dry-run", "--fleet", "main", "--namespace", "another-one")
        assert "hive config set fleets.main.kubernetes.namespace another-one" in said

    def test_it_refuses_the_dispatcher_and_says_what_it_can(self, hive: Hive, fleet: Kube) -> None:
        said = hive("deploy", "--fleet", "main", code=3)
        assert "hive dispatcher run" in said
        assert "--crds-only" in said
        assert hive("deploy", "--crds-only", "--fleet", "main", "--read-only", code=3)
