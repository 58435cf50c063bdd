"""What the person's account may do in the cluster, asked before they try it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import msgspec

from backends.clusters.kubernetes.api import AGENT_RUNS, FLEETS, JOBS, LEASES, PODS, Api, Resource
from backends.clusters.kubernetes.errors import Forbidden
from hive_tui.core.cluster_facts import Denied, Right

REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False)

_SIDE_BY_SIDE = 8


class Need(NamedTuple):
    """A verb on a resource, as roles grant it."""

    verb: str
    resource: Resource
    sub: str = ""

    @property
    def words(self) -> str:
        what = f"{self.resource.plural}/{self.sub}" if self.sub else self.resource.plural
        return f"{self.verb} {what}{f'.{self.resource.group}' if self.resource.group else ''}"


NEEDS: dict[Right, tuple[Need, ...]] = {
    Right.SWITCH: (Need("patch", FLEETS),),
    Right.ORDER: (Need("patch", AGENT_RUNS),),
    Right.CLAIM: (Need("create", LEASES), Need("update", LEASES)),
    Right.LOGS: (Need("get", PODS, "log"),),
    Right.EXEC: (Need("create", PODS, "exec"),),
    Right.DISPATCH: (
        Need("create", AGENT_RUNS),
        Need("update", AGENT_RUNS, "status"),
        Need("patch", FLEETS, "status"),
        Need("create", JOBS),
        Need("delete", JOBS),
        Need("create", LEASES),
        Need("update", LEASES),
    ),
}
"""What each right stands for: the calls that its actions make."""


class _Verdict(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Verdict = _Verdict()


def review(api: Api) -> tuple[Denied, ...]:
    """The rights that whoever asks does not have; empty as well where one may not even ask, since then each
    action finds out by itself. Raises SourceError."""
    needs = tuple(dict.fromkeys(need for each in NEEDS.values() for need in each))
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="rights") as pool:
        try:
            allowed = dict(zip(needs, pool.map(lambda need: _allowed(api, need), needs), strict=True))
        except Forbidden:
            return ()
    denied = []
    for right, wanted in NEEDS.items():
        missing = next((need for need in wanted if not allowed[need]), None)
        if missing is not None:
            why = f"no right to {missing.words} in the namespace {api.namespace}"
            denied.append(Denied(right, why))
    return tuple(denied)


def _allowed(api: Api, need: Need) -> bool:
    attributes = {
        "namespace": api.namespace,
        "verb": need.verb,
        "group": need.resource.group,
        "version": need.resource.version,
        "resource": need.resource.plural,
        "subresource": need.sub,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return api.create(REVIEWS, body, _Review).status.allowed
