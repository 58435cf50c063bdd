"""Everything that a cluster needs before it can run hive: applied by `hive deploy`, and written as files for
kubectl by `python -m backends.clusters.kubernetes.manifests [FOLDER]`, to which a test holds them equal.

They are made here and not read from the files, so that an installed hive has them too, and fit for it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from backends.clusters.kubernetes import schema
from backends.clusters.kubernetes.objects import GROUP
from hive_tui.core.worker_template import WorkerTemplate

Manifest = dict[str, Any]

NAMESPACE = "hive"
"""Of the files; `hive deploy` takes the fleet's."""

RUN_ACCOUNT = WorkerTemplate().service_account

PART_OF = {"app.kubernetes.io/part-of": "hive"}

RESTRICTED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "latest",
    "pod-security.kubernetes.io/warn": "restricted",
    "pod-security.kubernetes.io/warn-version": "latest",
}
"""Labels of a namespace in which no pod can do more than those of runs have to."""

FOLDER = Path(__file__).parents[3] / "manifests"

_READ = ["get", "list", "watch"]
_RBAC = "rbac.authorization.k8s.io"
_NOTE = "# Written by `make docs` from the code.\n"


def namespace(name: str = NAMESPACE) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {**PART_OF, **RESTRICTED}},
    }


def run_account(where: str = NAMESPACE) -> list[Manifest]:
    """Who a run is to the cluster, and the little that it may: look at the work order, say how far it is."""
    rules = [
        {"apiGroups": [GROUP], "resources": ["agentruns"], "verbs": _READ},
        {"apiGroups": [GROUP], "resources": ["agentruns/status"], "verbs": ["get", "update", "patch"]},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _meta(RUN_ACCOUNT, where),
            # Of a run's containers only the runner gets the token, and the agent's never.
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "Role",
            "metadata": _meta(RUN_ACCOUNT, where),
            "rules": rules,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": _meta(RUN_ACCOUNT, where),
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": RUN_ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": RUN_ACCOUNT, "namespace": where}],
        },
    ]


def quota(where: str = NAMESPACE) -> list[Manifest]:
    """What a fleet may take at most, whatever it is told: about a hundred runs with the default template."""
    hard = {
        "pods": "100",
        "requests.cpu": "64",
        "requests.memory": "256Gi",
        # As the API server writes numbers: spelt otherwise they would count as somebody else's change.
        "count/jobs.batch": "2k",
        f"count/agentruns.{GROUP}": "10k",
        "persistentvolumeclaims": "0",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }
    # A quota of processors and memory refuses pods that ask for none, which templates may leave out.
    least = {"type": "Container", "defaultRequest": {"cpu": "10m", "memory": "64Mi"}}
    return [
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": _meta("hive", where),
            "spec": {"hard": hard},
        },
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": _meta("hive", where),
            "spec": {"limits": [least]},
        },
    ]


def viewer() -> list[Manifest]:
    """An example of a role for people: a console that shows everything and changes nothing."""
    rules = [
        {"apiGroups": [GROUP], "resources": ["agentruns", "fleets"], "verbs": _READ},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": _READ},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["pods", "events"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        # Counts only where the role is bound for the whole cluster.
        {"apiGroups": [""], "resources": ["nodes"], "verbs": _READ},
    ]
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "hive-viewer", "labels": PART_OF},
            "rules": rules,
        }
    ]


def files() -> dict[str, str]:
    """Path -> text, of every generated file of `manifests/`."""
    documents: dict[str, list[Manifest]] = {
        f"crds/{name}.yaml": [definition] for name, definition in schema.definitions().items()
    }
    documents["namespace.yaml"] = [namespace()]
    documents["run-account.yaml"] = run_account()
    documents["quota.yaml"] = quota()
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": sorted(documents),
    }
    documents["viewer.yaml"] = viewer()
    documents["kustomization.yaml"] = [kustomization]
    return {path: _as_yaml(objects) for path, objects in documents.items()}


def _meta(name: str, where: str) -> Manifest:
    return {"name": name, "namespace": where, "labels": PART_OF}


def _as_yaml(objects: list[Manifest]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Says everything where it stands, without anchors."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    text = yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return _NOTE + text


def main(folder: Path) -> None:
    """Write the files."""
    for path, text in files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
