"""A real cluster as tests use it: kubectl, namespaces of their own, accounts with few rights.

kubectl is asked, not hive's own client, so that what hive claims is held against somebody else's word.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from backends.clusters.kubernetes import manifests
from hive_tui.core.worker_template import KubernetesSettings

ROOT = Path(__file__).parents[2]

OUTAGE = 100.0
"""Seconds for which a cluster may be away: tests of faults, which others share it with, take it down."""

_AWAY = (
    *("refused", "Unable to connect", "timeout", "timed out", "EOF", "reset by peer", "etcdserver"),
    *("unavailable", "an error on the server", "not yet ready"),
)
"""What kubectl says of a server that is away, or still starting."""

Rule = Mapping[str, list[str]]

VIEWER: tuple[Rule, ...] = tuple(manifests.viewer()[0]["rules"])
"""Who may look at everything of a fleet and change nothing."""


class KubectlFailed(AssertionError):
    """kubectl ended otherwise than with 0; `said` is its standard error."""

    def __init__(self, args: Iterable[str], said: str) -> None:
        super().__init__(f"kubectl {' '.join(args)}: {said}")
        self.said = said


class Kube:
    """A cluster, by an account that may do everything."""

    def __init__(self, kubeconfig: Path, namespace: str | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def __call__(self, *args: str, stdin: str = "", patient: bool = True) -> str:
        """The output of `kubectl ARGS`, asked again while the cluster is away. Raises KubectlFailed."""
        where = ("--namespace", self.namespace) if self.namespace else ()
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", "--request-timeout=20s", *where, *args]
        deadline = time.monotonic() + (OUTAGE if patient else 0)
        while True:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=130, check=False
            )
            if done.returncode == 0:
                return done.stdout
            if time.monotonic() > deadline or not any(word in done.stderr for word in _AWAY):
                raise KubectlFailed(args, done.stderr.strip())
            time.sleep(0.5)

    def json(self, *args: str) -> Any:
        """What `kubectl ARGS -o json` prints."""
        return json.loads(self(*args, "-o", "json"))

    def items(self, *args: str) -> list[Any]:
        """The objects that `kubectl get ARGS` lists."""
        found: list[Any] = self.json("get", *args)["items"]
        return found

    def find(self, kind: str, name: str) -> Any | None:
        """An object, or None where there is none."""
        text = self("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Make or change objects by server-side apply."""
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def create(self, *objects: Mapping[str, Any]) -> None:
        self("create", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def write_kubeconfig(self, user: Mapping[str, Any], path: Path, *, namespace: str | None = None) -> Path:
        """Write a kubeconfig for this cluster with another user, such as `{"token": …}`; returns its path."""
        mine = self.json("config", "view", "--raw", "--flatten", "--minify")
        context: dict[str, Any] = {"cluster": "cluster", "user": "user"}
        if namespace or self.namespace:
            context["namespace"] = namespace or self.namespace
        path.touch(mode=0o600)
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "cluster", "cluster": mine["clusters"][0]["cluster"]}],
                    "users": [{"name": "user", "user": dict(user)}],
                    "contexts": [{"name": "test", "context": context}],
                    "current-context": "test",
                }
            )
        )
        return path


class Namespace(Kube):
    """A namespace of a test's own, as `hive deploy` would make it; deleted afterwards without waiting."""

    def __init__(self, kube: Kube, folder: Path, name: str | None = None) -> None:
        super().__init__(kube.kubeconfig, name or f"hive-test-{uuid.uuid4().hex[:10]}")
        self.name: str = self.namespace or ""
        self.folder = folder
        self._cluster = kube
        kube.create(manifests.namespace(self.name))
        # Pods are refused until the namespace has these two.
        self("wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", "--timeout=60s")
        self.apply(*manifests.run_account(self.name))

    def account(self, name: str, rules: Iterable[Rule] = ()) -> None:
        """A service account that may do what `rules` say, here alone."""
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.name}
        rbac = "rbac.authorization.k8s.io/v1"
        self.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}},
            {
                "apiVersion": rbac,
                "kind": "Role",
                "metadata": {"name": name},
                "rules": [dict(r) for r in rules],
            },
            {
                "apiVersion": rbac,
                "kind": "RoleBinding",
                "metadata": {"name": name},
                "roleRef": role,
                "subjects": [subject],
            },
        )

    def token(self, account: str, *, seconds: int = 3600) -> str:
        """A token of a service account. The shortest time that Kubernetes gives is 600 seconds."""
        return self("create", "token", account, f"--duration={seconds}s").strip()

    def settings_as(self, account: str) -> KubernetesSettings:
        """How a fleet reaches this namespace as one of its service accounts."""
        path = self.folder / f"{self.name}-{account}.kubeconfig"
        self.write_kubeconfig({"token": self.token(account)}, path)
        return KubernetesSettings(kubeconfig=str(path), context="test", namespace=self.name)

    def settings(self) -> KubernetesSettings:
        """How a fleet reaches this namespace with all rights."""
        return KubernetesSettings(kubeconfig=str(self.kubeconfig), namespace=self.name)

    def delete(self) -> None:
        self._cluster("delete", "namespace", self.name, "--wait=false", "--ignore-not-found")
