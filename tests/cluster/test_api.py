"""The client of the API server against a real one: what its answers really are."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.clusters.kubernetes import api as api_module
from backends.clusters.kubernetes import errors
from backends.clusters.kubernetes.access import InCluster, connect
from backends.clusters.kubernetes.api import AGENT_RUNS, CONFIG_MAPS, NODES, PODS, Api, Resource
from backends.clusters.kubernetes.objects import AgentRunObject, KubeObject, NodeObject, PodObject
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
from backends.clusters.kubernetes.rights import review
from hive_tui.core.cluster_facts import Right
from hive_tui.core.errors import UsageError
from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.kube import VIEWER, Kube, Namespace
from tests.waiting import until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def here(shared_namespace: Namespace) -> Namespace:
    return shared_namespace


@pytest.fixture
def api(here: Namespace) -> Iterator[Api]:
    made = connect(here.settings())
    yield made
    made.close()


def config_map(name: str, text: str = "", **metadata: Any) -> dict[str, Any]:
    meta = {"name": name, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": text}}


def as_account(here: Namespace, name: str) -> Api:
    return connect(here.settings_as(name))


def test_objects_come_and_go(api: Api) -> None:
    made = api.create(CONFIG_MAPS, config_map("one"), KubeObject)
    assert made.metadata.uid
    with pytest.raises(errors.AlreadyExists, match="one"):
        api.create(CONFIG_MAPS, config_map("one"), KubeObject)
    version = made.metadata.resource_version
    changed = api.replace(CONFIG_MAPS, "one", config_map("one", "b", resourceVersion=version), KubeObject)
    assert changed.metadata.resource_version != version
    with pytest.raises(errors.Conflict):
        api.replace(CONFIG_MAPS, "one", config_map("one", "c", resourceVersion=version), KubeObject)
    with pytest.raises(errors.Conflict):
        api.patch(
            CONFIG_MAPS, "one", {"metadata": {"resourceVersion": version}, "data": {"x": "y"}}, KubeObject
        )
    patched = api.patch(CONFIG_MAPS, "one", {"metadata": {"labels": {"a": "b"}}}, KubeObject)
    assert patched.metadata.labels == {"a": "b"}
    assert api.get(CONFIG_MAPS, "one", KubeObject).metadata == patched.metadata
    assert api.get(CONFIG_MAPS, "one", KubeObject, version="0").metadata.uid == made.metadata.uid
    with pytest.raises(errors.Conflict):
        api.delete(CONFIG_MAPS, "one", uid="another")
    assert api.delete(CONFIG_MAPS, "one", uid=made.metadata.uid)
    assert not api.delete(CONFIG_MAPS, "one")
    with pytest.raises(errors.NotFound, match='"one" not found'):
        api.get(CONFIG_MAPS, "one", KubeObject)


def test_what_another_manager_says_is_not_overruled(api: Api) -> None:
    api.apply(CONFIG_MAPS, "applied", config_map("applied", "ours"))
    api.apply(CONFIG_MAPS, "applied", config_map("applied", "ours"))
    with pytest.raises(errors.Conflict, match="hive"):
        api.apply(CONFIG_MAPS, "applied", config_map("applied", "theirs"), manager="somebody")
    api.apply(CONFIG_MAPS, "applied", config_map("applied", "theirs"), manager="somebody", force=True)


def test_a_list_has_what_was_written_just_before(api: Api) -> None:
    for number in range(5):
        api.create(CONFIG_MAPS, config_map(f"listed-{number}", labels={"listed": "yes"}), KubeObject)
        found = api.list(CONFIG_MAPS, KubeObject, labels="listed=yes")
        assert [each.metadata.name for each in found.items] == [f"listed-{n}" for n in range(number + 1)]
        assert found.version.isdecimal()
    named = api.list(CONFIG_MAPS, KubeObject, fields="metadata.name=listed-3")
    assert [each.metadata.name for each in named.items] == ["listed-3"]


def test_nodes_and_the_version(api: Api) -> None:
    assert api.version().startswith("v1.")
    nodes = api.list(NODES, NodeObject).items
    assert nodes
    assert all(node.status.allocatable["pods"] for node in nodes)


def test_what_the_schema_refuses(api: Api) -> None:
    body = {"apiVersion": "hive.dev/v1alpha1", "kind": "AgentRun", "metadata": {"name": "bad"}, "spec": {}}
    with pytest.raises(errors.Invalid, match=r"agentruns\.hive\.dev.*spec\.work"):
        api.create(AGENT_RUNS, body, AgentRunObject)


def test_resources_that_the_server_does_not_know(api: Api) -> None:
    with pytest.raises(errors.NotInstalled, match="of another version: v1alpha1, not v9"):
        api.list(AGENT_RUNS._replace(version="v9"), KubeObject)
    with pytest.raises(errors.NotInstalled, match="not installed"):
        api.get(AGENT_RUNS._replace(plural="beehives"), "x", KubeObject)
    with pytest.raises(errors.NotInstalled, match=r"does not know gadgets\.nobody\.example"):
        api.list(Resource("nobody.example", "v1", "gadgets"), KubeObject)


def test_a_namespace_that_is_not_there(here: Namespace) -> None:
    name = here.name[:-1]
    api = connect(KubernetesSettings(kubeconfig=str(here.kubeconfig), namespace=name))
    tries: tuple[Callable[[], object], ...] = (
        lambda: api.list(PODS, PodObject),
        lambda: api.get(PODS, "x", PodObject),
        lambda: api.create(CONFIG_MAPS, config_map("x"), KubeObject),
    )
    for attempt in tries:
        with pytest.raises(UsageError, match=f"Unknown namespace '{name}'") as caught:
            attempt()
        assert here.name in (caught.value.hint or "")


def test_what_nobody_may_do(here: Namespace) -> None:
    here.account("nobody")
    api = as_account(here, "nobody")
    with pytest.raises(errors.Forbidden) as caught:
        api.create(CONFIG_MAPS, config_map("x"), KubeObject)
    assert (caught.value.verb, caught.value.resource) == ("create", "configmaps")
    assert f"system:serviceaccount:{here.name}:nobody" in caught.value.message
    with pytest.raises(errors.Forbidden) as caught:
        api.stream(PODS, "x", sub="log", query={}, idle=5)
    assert (caught.value.verb, caught.value.resource) == ("get", "pods/log")
    with pytest.raises(errors.Forbidden) as caught:
        api.stream(AGENT_RUNS, query={"watch": "true"}, idle=5)
    assert (caught.value.verb, caught.value.resource) == ("watch", "agentruns.hive.dev")


def test_a_used_up_quota_is_no_lack_of_rights(here: Namespace, api: Api) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
    here.create({**quota, "spec": {"hard": {"count/secrets": "0"}}})
    here("wait", "--for=jsonpath={.status.hard}", "resourcequota/full", "--timeout=30s")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one-more"}}
    with pytest.raises(errors.Forbidden) as caught:
        api.create(api_module.SECRETS, secret, KubeObject)
    assert "quota is used up" in (caught.value.hint or "")


def test_rights_are_those_of_the_account(here: Namespace, api: Api) -> None:
    assert review(api) == ()
    here.account("viewer", VIEWER)
    lacks = {denied.right: denied.why for denied in review(as_account(here, "viewer"))}
    assert set(lacks) == set(Right) - {Right.LOGS}
    assert lacks[Right.SWITCH] == f"no right to patch fleets.hive.dev in the namespace {here.name}"


# Who


def test_a_token_that_is_none(here: Namespace, tmp_path: Path) -> None:
    path = here.write_kubeconfig({"token": "made up"}, tmp_path / "k")
    with pytest.raises(errors.Unauthorized, match="does not accept your credentials"):
        connect(KubernetesSettings(kubeconfig=str(path))).list(PODS, PodObject)


def test_a_server_that_the_kubeconfig_does_not_vouch_for(here: Namespace, tmp_path: Path) -> None:
    path = here.write_kubeconfig({"token": "secret"}, tmp_path / "k")
    content = yaml.safe_load(path.read_text())
    del content["clusters"][0]["cluster"]["certificate-authority-data"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(errors.Untrusted, match="not who your kubeconfig expects"):
        connect(KubernetesSettings(kubeconfig=str(path))).version()


def test_a_program_gives_the_token(here: Namespace, tmp_path: Path) -> None:
    program = tmp_path / "plugin"
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": here.token("hive-run")}}
    program.write_text(f"#!{sys.executable}\nimport json\nprint(json.dumps({answer!r}))\n")
    program.chmod(0o700)
    user = {"exec": {"apiVersion": answer["apiVersion"], "command": str(program)}}
    path = here.write_kubeconfig(user, tmp_path / "k")
    with pytest.raises(errors.Forbidden, match="hive-run"):
        connect(KubernetesSettings(kubeconfig=str(path))).list(PODS, PodObject)


def test_the_account_of_a_pod(here: Namespace, tmp_path: Path) -> None:
    cluster = here.json("config", "view", "--raw", "--flatten", "--minify")["clusters"][0]["cluster"]
    host, port = cluster["server"].removeprefix("https://").rsplit(":", 1)
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (tmp_path / "token").write_text(here.token("hive-run"))
    (tmp_path / "namespace").write_text(here.name)
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    api = Api(InCluster(None, environ, tmp_path))
    assert api.namespace == here.name
    with pytest.raises(errors.NotFound):
        api.get(AGENT_RUNS, "none", AgentRunObject)


def test_acting_as_another_has_the_rights_of_that_one(here: Namespace, tmp_path: Path) -> None:
    admin = here.json("config", "view", "--raw", "--flatten", "--minify")["users"][0]["user"]
    path = here.write_kubeconfig({**admin, "as": "jane", "as-groups": ["devs"]}, tmp_path / "k")
    with pytest.raises(errors.Forbidden, match='"jane"'):
        connect(KubernetesSettings(kubeconfig=str(path))).list(PODS, PodObject)


# Watches


class Heard:
    """What a reflector of config maps says."""

    def __init__(self, api: Api, labels: str) -> None:
        self.news: list[News[KubeObject]] = []
        self.stop = threading.Event()
        made = Reflector(api, CONFIG_MAPS, KubeObject, labels=labels, say=self.news.append)
        self.thread = threading.Thread(target=made.run, args=(self.stop,))
        self.thread.start()

    def words(self) -> list[str]:
        """What happened to which object."""
        heard = [each for each in list(self.news) if isinstance(each, Added | Changed | Deleted)]
        return [f"{type(each).__name__} {each.object.metadata.name}" for each in heard]

    def end(self) -> None:
        self.stop.set()
        self.thread.join(5)


def test_what_happens_is_heard(api: Api) -> None:
    api.create(CONFIG_MAPS, config_map("w-1", labels={"watched": "yes"}), KubeObject)
    heard = Heard(api, "watched=yes")
    try:
        until(lambda: any(isinstance(each, Alive) for each in heard.news), seconds=100)
        first = heard.news[0]
        assert isinstance(first, Synced)
        assert [each.metadata.name for each in first.items] == ["w-1"]
        api.create(CONFIG_MAPS, config_map("w-2", labels={"watched": "yes"}), KubeObject)
        api.create(CONFIG_MAPS, config_map("w-3"), KubeObject)
        api.patch(CONFIG_MAPS, "w-2", {"data": {"text": "x" * 900_000}}, KubeObject)
        api.patch(CONFIG_MAPS, "w-1", {"metadata": {"labels": {"watched": None}}}, KubeObject)
        api.delete(CONFIG_MAPS, "w-2")
        wanted = ["Added w-2", "Changed w-2", "Deleted w-1", "Deleted w-2"]
        until(lambda: [word for word in heard.words() if word in wanted] == wanted, seconds=100)
        assert not any("w-3" in word for word in heard.words())
    finally:
        heard.end()
    assert not heard.thread.is_alive()


def test_what_the_server_has_forgotten(api: Api) -> None:
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "5"}

    def told() -> Any | None:
        # A new cluster's pods may all be remembered; its AgentRuns began later than the server did. A server
        # that has just learned of them takes a moment until it can be asked.
        with contextlib.suppress(errors.Unreachable):
            return next(iter(api.stream(AGENT_RUNS, query=query, idle=20)), None)
        return None

    event = json.loads(until(told, seconds=60, what="an answer to a watch"))
    assert event["type"] == "ERROR"
    status = errors.status_of(json.dumps(event["object"]).encode())
    assert status is not None
    said = errors.of_status(status, status.code, errors.Asked("watch", "agentruns"))
    assert isinstance(said, errors.Expired)


def test_a_watch_that_may_not_be(here: Namespace) -> None:
    here.account("nobody")
    heard = Heard(as_account(here, "nobody"), "")
    try:
        until(lambda: heard.news, seconds=100)
        failed = next(each for each in heard.news if isinstance(each, Failed))
        assert isinstance(failed.error, errors.Forbidden | errors.Unreachable)
    finally:
        heard.end()


def test_the_kubeconfig_of_the_whole_cluster_is_as_good(kube: Kube) -> None:
    api = connect(KubernetesSettings(), environ={"KUBECONFIG": str(kube.kubeconfig)})
    assert api.context == kube("config", "current-context").strip()
    assert api.version()
