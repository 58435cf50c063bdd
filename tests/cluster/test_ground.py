"""What the tests on a cluster stand on: namespaces like hive's own, and accounts with few rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.kube import VIEWER, Kube, KubectlFailed, Namespace
from tests.cluster.proxy import Proxy

pytestmark = pytest.mark.cluster


@pytest.fixture
def bare(kube: Kube, tmp_path: Path) -> Iterator[Namespace]:
    """A namespace that needs nothing of hive's."""
    made = Namespace(kube, tmp_path)
    yield made
    made.delete()


def as_account(settings: KubernetesSettings) -> Kube:
    assert settings.kubeconfig is not None
    return Kube(Path(settings.kubeconfig), settings.namespace)


def test_accounts_may_do_no_more_than_they_are_for(bare: Namespace) -> None:
    bare.account("viewer", VIEWER)
    bare.account("nobody")
    assert as_account(bare.settings_as("viewer")).items("pods") == []
    for account, verb, kind in (("viewer", "delete", "pods"), ("nobody", "get", "pods")):
        with pytest.raises(KubectlFailed) as caught:
            as_account(bare.settings_as(account))(verb, kind, "x")
        assert "Forbidden" in caught.value.said, account


def test_pods_that_could_do_more_are_refused(bare: Namespace) -> None:
    container = {"name": "root", "image": "any", "securityContext": {"privileged": True}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root"},
        "spec": {"containers": [container]},
    }
    with pytest.raises(KubectlFailed) as caught:
        bare.create(pod)
    assert 'violates PodSecurity "restricted' in caught.value.said


def test_the_proxy_counts_and_makes_watches_expire(namespace: Namespace, tmp_path: Path) -> None:
    with Proxy(namespace) as proxy:
        through = Kube(proxy.kubeconfig(tmp_path / "through"), namespace.name)
        assert through.items("agentruns") == []
        runs = f"/apis/hive.dev/v1alpha1/namespaces/{namespace.name}/agentruns"
        assert ("GET", runs, False) in [one[:3] for one in proxy.take()]
        proxy.expire = True
        version = through.json("get", "agentruns")["metadata"]["resourceVersion"]
        said = through("get", "--raw", f"{runs}?watch=true&resourceVersion={version}&timeoutSeconds=5")
        assert "too old resource version" in said
        assert ("GET", runs, True) in [one[:3] for one in proxy.take()]
