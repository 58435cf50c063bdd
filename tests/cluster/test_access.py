"""A cluster that cannot be reached as it should: why, and what to do, is said, and hive goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hive_tui.core.sources import Health
from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.kube import VIEWER, Kube, Namespace
from tests.cluster.onlooker import Onlooker, context
from tests.cluster.proxy import Proxy
from tests.fakes.workshop import Workshop
from tests.waiting import until

pytestmark = pytest.mark.cluster


class Desk(Workshop):
    """A person with a fleet in a cluster, and a tracker of their own beside it."""

    def __init__(self, root: Path, **kubernetes: Any) -> None:
        super().__init__(root)
        path = self.home / "config" / "config.yaml"
        path.parent.mkdir(parents=True)
        fleet = {"cluster": "kubernetes", "slots": 3, "kubernetes": kubernetes}
        path.write_text(yaml.safe_dump({"user": "kay", "current": "far", "fleets": {"far": fleet}}))

    def refusal(self, *args: str) -> str:
        """What `hive ARGS` says when it fails."""
        done = self.call(*args)
        assert done.returncode in (1, 2), done
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        return said


def test_a_context_that_is_not_there_is_refused_with_those_that_are(kube: Kube, tmp_path: Path) -> None:
    real = kube.json("config", "view")["current-context"]
    desk = Desk(tmp_path, kubeconfig=str(kube.kubeconfig), context=f"{real}x")
    for command in (("ls",), ("top", "--once")):
        said = desk.refusal(*command)
        assert f"'{real}x'" in said
        assert real in said.replace(f"{real}x", "")


def test_a_namespace_that_is_not_there_is_said(crds: Kube, tmp_path: Path) -> None:
    desk = Desk(tmp_path, kubeconfig=str(crds.kubeconfig), namespace="hive-test-nowhere")
    for command in (("ls",), ("top", "--once")):
        said = desk.refusal(*command)
        assert "hive-test-nowhere" in said


@pytest.mark.parametrize(
    "text",
    ["clusters: [", "just words", "apiVersion: v1\nkind: Config\nclusters: 3\n", "\x00\x01"],
    ids=["yaml", "words", "shape", "bytes"],
)
def test_a_malformed_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    said = Desk(tmp_path / "desk", kubeconfig=str(path)).refusal("ls")
    assert str(path) in said
    assert "kubectl config view" in said or "no current context" in said


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    assert str(path) in Desk(tmp_path / "desk", kubeconfig=str(path)).refusal("ls")


@pytest.fixture
def token_file(namespace: Namespace, tmp_path: Path) -> Path:
    namespace.account("viewer", VIEWER)
    path = tmp_path / "token"
    path.write_text(namespace.token("viewer"))
    return path


@pytest.fixture
def by_token(namespace: Namespace, token_file: Path, tmp_path: Path) -> KubernetesSettings:
    path = namespace.write_kubeconfig({"tokenFile": str(token_file)}, tmp_path / "by-token")
    return KubernetesSettings(kubeconfig=str(path), namespace=namespace.name)


def test_a_token_that_expires_is_said_and_the_next_one_is_taken_up(
    namespace: Namespace, token_file: Path, by_token: KubernetesSettings, tmp_path: Path
) -> None:
    with Onlooker(context(tmp_path / "home", by_token)) as onlooker:
        onlooker.fresh()
        # A token is good for ten minutes at least; those of an account that is gone are not.
        namespace("delete", "serviceaccount", "viewer")
        desk = Desk(tmp_path / "desk", kubeconfig=by_token.kubeconfig, namespace=namespace.name)
        # That an account is gone is kept in mind for a few seconds at most.
        until(lambda: desk.call("top", "--once").returncode == 1, seconds=30)
        assert "credentials" in desk.refusal("top", "--once")
        namespace.account("viewer", VIEWER)
        token_file.write_text(namespace.token("viewer"))
        desk.hive("ls")
        onlooker.fresh(seconds=90)


@pytest.fixture
def through(namespace: Namespace, tmp_path: Path) -> Iterator[tuple[Proxy, KubernetesSettings]]:
    """A way to the cluster, as a viewer, that can be disturbed."""
    namespace.account("viewer", VIEWER)
    path = namespace.settings_as("viewer").kubeconfig
    assert path is not None
    with Proxy(Kube(Path(path), namespace.name)) as proxy:
        file = proxy.kubeconfig(tmp_path / "through")
        yield proxy, KubernetesSettings(kubeconfig=str(file), namespace=namespace.name)


def test_a_watch_that_expired_begins_anew_with_a_list(
    namespace: Namespace, through: tuple[Proxy, KubernetesSettings], tmp_path: Path
) -> None:
    proxy, settings = through
    with Onlooker(context(tmp_path / "home", settings)) as onlooker:
        onlooker.fresh()
        proxy.take()
        proxy.expire = True
        proxy.break_watches()
        runs = f"/apis/hive.dev/v1alpha1/namespaces/{namespace.name}/agentruns"

        def listed(_: object) -> bool:
            asked = [one for one in proxy.asked if one.path == runs]
            return any(one.watch for one in asked) and any(not one.watch for one in asked)

        onlooker.sees("a new list", listed)
        proxy.expire = False
        onlooker.fresh()
        # Relisting is no storm: a watch that expires at once is tried again after a pause.
        assert len(proxy.take()) < 60


def test_rights_that_are_withdrawn_are_named_and_their_return_is_noticed(
    namespace: Namespace, through: tuple[Proxy, KubernetesSettings], tmp_path: Path
) -> None:
    proxy, settings = through
    desk = Desk(tmp_path / "desk", kubeconfig=settings.kubeconfig, namespace=namespace.name)
    with Onlooker(context(tmp_path / "home", settings)) as onlooker:
        onlooker.fresh()
        namespace("delete", "rolebinding", "viewer")
        said = desk.refusal("ls")
        assert "forbid" in said
        assert "agentruns" in said or "fleets" in said
        # A watch that is open goes on as long as it lasts.
        proxy.break_watches()
        why = onlooker.failed("forbid")
        assert "hive.dev" in why
        assert onlooker.source.state is Health.FAILED
        namespace.account("viewer", VIEWER)
        onlooker.fresh(seconds=90)
    desk.hive("ls")
