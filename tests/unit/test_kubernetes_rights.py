"""What an account may do, as the cluster's answers tell it: its rules, or a verdict for each call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.clusters.kubernetes.access import connect
from backends.clusters.kubernetes.api import Api
from backends.clusters.kubernetes.errors import Unreachable
from backends.clusters.kubernetes.rights import NEEDS, review
from hive_tui.core.cluster_facts import Right
from hive_tui.core.worker_template import KubernetesSettings
from tests.fakes.kube_server import KubeServer, kube_server, kubeconfig, ok, status

RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with kube_server() as made:
        yield made


@pytest.fixture
def api(server: KubeServer, tmp_path: Path) -> Iterator[Api]:
    made = connect(KubernetesSettings(kubeconfig=str(kubeconfig(tmp_path, server.url))))
    yield made
    made.close()


def rules(*given: dict[str, Any], incomplete: bool = False) -> dict[str, Any]:
    return {"status": {"resourceRules": list(given), "nonResourceRules": [], "incomplete": incomplete}}


def rule(group: str, resources: str, verbs: str, **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


SAY = rule("", "events", "create")


def lacking(api: Api) -> set[Right]:
    return {denied.right for denied in review(api)}


def test_every_right_needs_something() -> None:
    assert set(NEEDS) == set(Right)
    assert all(NEEDS.values())


def test_whoever_may_do_everything(server: KubeServer, api: Api) -> None:
    server.on(RULES, ok(rules(EVERYTHING)))
    assert review(api) == ()
    assert json.loads(server.asked(RULES)[0].body)["spec"] == {"namespace": "there"}
    assert len(server.asked()) == 1


def test_whoever_may_do_nothing(server: KubeServer, api: Api) -> None:
    server.on(RULES, ok({"status": {"resourceRules": None, "incomplete": False}}))
    assert lacking(api) == set(Right)
    assert len(server.asked()) == 1


@pytest.mark.parametrize(
    ("given", "has"),
    [
        (rule("hive.dev", "fleets", "get patch"), {Right.SWITCH}),
        (rule("hive.dev", "*", "*"), {Right.SWITCH, Right.ORDER}),
        (rule("*", "fleets agentruns", "patch"), {Right.SWITCH, Right.ORDER}),
        (rule("hive.dev", "fleets/status", "patch"), set()),
        (rule("", "fleets", "patch"), set()),
        (rule("hive.dev", "fleets", "patch", resourceNames=["other"]), set()),
        (rule("coordination.k8s.io", "leases", "create"), set()),
        (rule("coordination.k8s.io", "leases", "create update"), {Right.CLAIM}),
        (rule("", "pods", "get"), set()),
        (rule("", "pods/log", "get"), {Right.LOGS}),
        (rule("", "*/log */exec", "*"), {Right.LOGS, Right.EXEC}),
        (rule("", "*", "*"), {Right.LOGS, Right.EXEC}),
    ],
)
def test_what_rules_grant(server: KubeServer, api: Api, given: dict[str, Any], has: set[Right]) -> None:
    server.on(RULES, ok(rules(given, SAY)))
    assert set(Right) - lacking(api) == has


def test_whoever_changes_something_must_be_able_to_say_so(server: KubeServer, api: Api) -> None:
    server.on(RULES, ok(rules(rule("hive.dev", "*", "*"))))
    lacks = {denied.right: denied.why for denied in review(api)}
    assert lacks[Right.SWITCH] == "no right to create events in the namespace there"


def test_what_is_missing_is_named(server: KubeServer, api: Api) -> None:
    server.on(RULES, ok(rules(rule("coordination.k8s.io", "leases", "create"))))
    why = {denied.right: denied.why for denied in review(api)}
    assert why[Right.CLAIM] == "no right to update leases.coordination.k8s.io in the namespace there"
    assert why[Right.EXEC] == "no right to create pods/exec in the namespace there"


@pytest.mark.parametrize("refused", [False, True])
def test_where_rules_do_not_tell_all_each_call_is_asked_for(
    server: KubeServer, api: Api, refused: bool
) -> None:
    listed = ok(rules(rule("hive.dev", "fleets", "patch"), incomplete=True))
    server.on(RULES, status(403, "Forbidden", "no") if refused else listed)
    server.on(ACCESS, always=ok({"status": {"allowed": True}}))
    assert review(api) == ()
    asked = [json.loads(each.body)["spec"]["resourceAttributes"] for each in server.asked(ACCESS)]
    log = {"group": "", "version": "v1", "resource": "pods", "subresource": "log", "verb": "get"}
    assert log | {"namespace": "there"} in asked
    assert any(each["resource"] == "fleets" and not each["subresource"] for each in asked) == refused


def test_verdicts_that_say_no(server: KubeServer, api: Api) -> None:
    server.on(RULES, ok(rules(incomplete=True)))
    server.on(ACCESS, always=ok({"status": {"allowed": False}}))
    assert lacking(api) == set(Right)


def test_where_one_may_not_even_ask_nothing_is_said_to_be_forbidden(server: KubeServer, api: Api) -> None:
    server.on(RULES, always=status(403, "Forbidden", "no"))
    server.on(ACCESS, always=status(403, "Forbidden", "no"))
    assert review(api) == ()


def test_a_cluster_that_does_not_answer_is_no_lack_of_rights(server: KubeServer, api: Api) -> None:
    server.on(RULES, status(500, "InternalError", "etcd"))
    with pytest.raises(Unreachable):
        review(api)
