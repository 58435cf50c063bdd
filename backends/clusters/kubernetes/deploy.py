"""`hive deploy`: what runs need, brought into a cluster by server-side apply, so that a second time changes
nothing, and what people have set otherwise is kept and said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from backends.clusters.kubernetes import access, examination, manifests, schema
from backends.clusters.kubernetes.api import CRDS, NAMESPACES, SERVICE_ACCOUNTS, Resource
from backends.clusters.kubernetes.errors import Conflict, NotFound
from backends.clusters.kubernetes.manifests import Manifest
from backends.clusters.kubernetes.objects import KubeCondition
from hive_tui.core.errors import HiveError, Refused, SourceError, UsageError
from hive_tui.core.findings import Finding
from hive_tui.core.ports import BackendContext
from hive_tui.core.setup import Deployed, Outcome

_RBAC = "rbac.authorization.k8s.io"

_RESOURCES = {
    "CustomResourceDefinition": CRDS,
    "Namespace": NAMESPACES,
    "ServiceAccount": SERVICE_ACCOUNTS,
    "Role": Resource(_RBAC, "v1", "roles"),
    "RoleBinding": Resource(_RBAC, "v1", "rolebindings"),
    "ResourceQuota": Resource("", "v1", "resourcequotas"),
    "LimitRange": Resource("", "v1", "limitranges"),
}

ESTABLISHED_SECONDS = 20.0
"""How long a server takes at most until it serves a resource that it has just learnt."""


class _CrdStatus(msgspec.Struct, frozen=True):
    conditions: tuple[KubeCondition, ...] = ()


class _Crd(msgspec.Struct, frozen=True):
    status: _CrdStatus = _CrdStatus()

    @property
    def established(self) -> bool:
        return any(each.type == "Established" and each.status == "True" for each in self.status.conditions)

    @property
    def trouble(self) -> str:
        """Why it is not served, in the server's words."""
        said = [each.message for each in self.status.conditions if each.status == "False" and each.message]
        return "; ".join(said) or "the server has not said why"


class KubernetesSetup:
    """See `core.setup.ClusterSetup`."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._api = access.connect(context.settings.kubernetes)
        self._named = context.settings.kubernetes.namespace is not None

    @property
    def place(self) -> str:
        return self._api.context or self._api.server

    @property
    def namespace(self) -> str:
        return self._api.namespace

    def deploy(self, *, dry_run: bool) -> Iterator[Deployed]:
        self._look_at_name()
        for definition in schema.definitions().values():
            yield self._part(definition, dry_run)
        where = self.namespace
        made = self._part(manifests.namespace(where), dry_run)
        yield made
        inside = [*manifests.run_account(where), *manifests.quota(where)]
        if dry_run and made.outcome is Outcome.CREATED:
            # Nothing can be asked of a namespace that is not there yet.
            yield from (Deployed(_called(each), Outcome.CREATED) for each in inside)
        else:
            yield from (self._part(each, dry_run) for each in inside)

    def examine(self) -> Iterator[Finding]:
        return examination.examine(self._api, self._context)

    def close(self) -> None:
        self._api.close()

    def _look_at_name(self) -> None:
        if self.namespace.startswith("kube-"):
            raise Refused(
                f"The namespace {self.namespace} is Kubernetes' own.", "--namespace NAME names another."
            )
        if self.namespace == "default" and not self._named:
            raise UsageError(
                "Which namespace is meant? Neither the fleet nor the kubeconfig's context names one.",
                "--namespace NAME does. It may be new; in one that others use, too, their new pods have to be"
                " as restricted as hive's.",
            )

    def _part(self, body: Manifest, dry_run: bool) -> Deployed:
        resource, name = _RESOURCES[body["kind"]], body["metadata"]["name"]
        try:
            return Deployed(_called(body), self._bring(resource, name, body, dry_run))
        except Conflict as error:
            # A person's word counts; only what the server says tells it from a race.
            _, _, fields = error.message.partition("Apply failed with ")
            if not fields:
                return Deployed(_called(body), Outcome.FAILED, error.words)
            return Deployed(_called(body), Outcome.KEPT, f"others have set it otherwise, {fields}")
        except SourceError as error:
            if not isinstance(error, NotFound):  # of its namespace, which could not be made
                raise
            return Deployed(_called(body), Outcome.FAILED, error.words)
        except HiveError as error:
            return Deployed(_called(body), Outcome.FAILED, error.words)

    def _bring(self, resource: Resource, name: str, body: Manifest, dry_run: bool) -> Outcome:
        before = self._read(resource, name)
        if resource is CRDS and before is not None:
            _look_for_newer(before, body)
        # Only hive can say what its own resources are; of everything else people may know better.
        said = self._api.apply(resource, name, body, force=resource is CRDS, dry_run=dry_run)
        after: Manifest = msgspec.json.decode(said)
        if resource is CRDS and not dry_run:
            self._wait_until_served(name)
        if before is None:
            return Outcome.CREATED
        return Outcome.UNCHANGED if _matter(before) == _matter(after) else Outcome.CHANGED

    def _read(self, resource: Resource, name: str) -> Manifest | None:
        try:
            return self._api.get(resource, name, dict[str, Any])
        except NotFound:
            return None

    def _wait_until_served(self, name: str) -> None:
        import tenacity  # 40 ms, which only this needs

        look = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: not found.established),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(ESTABLISHED_SECONDS),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        found: _Crd = look(self._api.get, CRDS, name, _Crd)
        if not found.established:
            raise HiveError(
                f"The server does not serve it: {found.trouble}.", f"`kubectl describe crd {name}` says more."
            )


def _look_for_newer(there: Manifest, mine: Manifest) -> None:
    """Raises Refused where the cluster knows fields that this hive does not: they would be lost."""
    unknown = sorted(_fields(there) - _fields(mine))
    if unknown:
        shown = ", ".join(unknown[:3]) + (", …" if len(unknown) > 3 else "")
        raise Refused(
            f"A newer hive has deployed it: this one does not know {shown}.",
            "Bring this hive up to date; what the newer one stored in those fields would be lost.",
        )


def _fields(definition: Manifest) -> set[str]:
    """Where values stand in a definition's schemas, of all its versions."""
    found: set[str] = set()
    for version in definition["spec"]["versions"]:
        nodes = [("", version.get("schema", {}).get("openAPIV3Schema", {}))]
        while nodes:
            place, node = nodes.pop()
            found.add(place)
            nodes += [
                (f"{place}.{name}".lstrip("."), each) for name, each in node.get("properties", {}).items()
            ]
            for name, inner in (("[]", node.get("items")), (".*", node.get("additionalProperties"))):
                if isinstance(inner, dict):
                    nodes.append((place + name, inner))
    return found


def _called(body: Manifest) -> str:
    return f"{body['kind']} {body['metadata']['name']}"


def _matter(found: Manifest) -> Manifest:
    """An object without what only the server writes."""
    meta = found["metadata"]
    rest = {key: value for key, value in found.items() if key not in ("metadata", "status")}
    return {**rest, "labels": meta.get("labels"), "annotations": meta.get("annotations")}
