"""What the person's account may do in the cluster, asked before they try it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec

from backends.clusters.kubernetes.api import AGENT_RUNS, EVENTS, FLEETS, JOBS, LEASES, PODS, Api, Resource
from backends.clusters.kubernetes.errors import Forbidden
from hive_tui.core.cluster_facts import Denied, Right

RULES_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)

_SIDE_BY_SIDE = 4


class Need(NamedTuple):
    """A verb on a resource, as roles grant it."""

    verb: str
    resource: Resource
    sub: str = ""

    @property
    def words(self) -> str:
        what = f"{self.resource.plural}/{self.sub}" if self.sub else self.resource.plural
        return f"{self.verb} {what}{f'.{self.resource.group}' if self.resource.group else ''}"


_SAY = Need("create", EVENTS)
"""Whoever changes something says so in the fleet's log."""

NEEDS: dict[Right, tuple[Need, ...]] = {
    Right.SWITCH: (Need("patch", FLEETS), _SAY),
    Right.ORDER: (Need("patch", AGENT_RUNS), _SAY),
    Right.CLAIM: (Need("create", LEASES), Need("update", LEASES), _SAY),
    Right.LOGS: (Need("get", PODS, "log"),),
    Right.EXEC: (Need("create", PODS, "exec"),),
    Right.DISPATCH: (
        Need("create", AGENT_RUNS),
        Need("delete", AGENT_RUNS),
        Need("update", AGENT_RUNS, "status"),
        Need("patch", FLEETS, "status"),
        Need("create", JOBS),
        Need("delete", JOBS),
        Need("create", LEASES),
        Need("update", LEASES),
        _SAY,
    ),
}
"""What each right stands for: the calls that its actions make."""


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    resource_names: tuple[str, ...] | None = None
    """The rule is about these objects alone; empty for all."""

    def grants(self, need: Need) -> bool:
        resource = f"{need.resource.plural}/{need.sub}" if need.sub else need.resource.plural
        resources = {"*", resource} | ({f"*/{need.sub}"} if need.sub else set())
        return (
            not self.resource_names
            and not {"*", need.verb}.isdisjoint(self.verbs)
            and not {"*", need.resource.group}.isdisjoint(self.api_groups or ())
            and not resources.isdisjoint(self.resources or ())
        )


class _Rules(msgspec.Struct, frozen=True, rename="camel"):
    resource_rules: tuple[_Rule, ...] | None = None
    incomplete: bool = False
    """Not all that decides about rights can list them, such as a cloud's own accounts."""


class _RulesReview(msgspec.Struct, frozen=True):
    status: _Rules = _Rules()


class _Verdict(msgspec.Struct, frozen=True):
    allowed: bool = False


class _AccessReview(msgspec.Struct, frozen=True):
    status: _Verdict = _Verdict()


def review(api: Api) -> tuple[Denied, ...]:
    """The rights that whoever asks does not have; empty as well where one may not even ask, since then each
    action finds out by itself. Raises SourceError."""
    needs = tuple(dict.fromkeys(need for each in NEEDS.values() for need in each))
    try:
        granted, complete = _listed(api, needs)
        if not complete:
            granted |= _asked(api, [need for need in needs if need not in granted])
    except Forbidden:
        return ()
    denied = []
    for right, wanted in NEEDS.items():
        missing = next((need for need in wanted if need not in granted), None)
        if missing is not None:
            why = f"no right to {missing.words} in the namespace {api.namespace}"
            denied.append(Denied(right, why))
    return tuple(denied)


def _listed(api: Api, needs: Sequence[Need]) -> tuple[set[Need], bool]:
    """What is granted by rules that can be listed, in one call; and whether those are all there are."""
    body = _body("SelfSubjectRulesReview", {"namespace": api.namespace})
    try:
        rules = api.create(RULES_REVIEWS, body, _RulesReview).status
    except Forbidden:
        return set(), False
    granted = {need for need in needs if any(rule.grants(need) for rule in rules.resource_rules or ())}
    return granted, not rules.incomplete


def _asked(api: Api, needs: Sequence[Need]) -> set[Need]:
    """What is granted, asked one by one but side by side."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="rights") as pool:
        allowed = pool.map(lambda need: _allowed(api, need), needs)
        return {need for need, yes in zip(needs, allowed, strict=True) if yes}


def _allowed(api: Api, need: Need) -> bool:
    attributes = {
        "namespace": api.namespace,
        "verb": need.verb,
        "group": need.resource.group,
        "version": need.resource.version,
        "resource": need.resource.plural,
        "subresource": need.sub,
    }
    body = _body("SelfSubjectAccessReview", {"resourceAttributes": attributes})
    return api.create(ACCESS_REVIEWS, body, _AccessReview).status.allowed


def _body(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
