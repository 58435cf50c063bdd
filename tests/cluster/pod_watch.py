"""Every object of a kind that ever was in a namespace, also those that are gone again when one looks."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import Any

from backends.clusters.kubernetes.objects import RUN_LABEL
from tests.cluster.kube import Namespace


class Arrivals:
    """Watches while the `with` block lasts."""

    def __init__(self, namespace: Namespace, kind: str) -> None:
        self.first: dict[str, tuple[Any, float]] = {}
        """By uid: each object as it was when it was first heard of, and when that was (monotonic)."""
        self._command = ["kubectl", f"--kubeconfig={namespace.kubeconfig}", f"--namespace={namespace.name}"]
        self._command += ["get", kind, "--watch", "--output-watch-events", "-o", "json"]
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Any:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.join()
        self._process.communicate()

    def hear(self, event: Any) -> None:
        """One change: `type` and `object`."""
        self.first.setdefault(event["object"]["metadata"]["uid"], (event["object"], time.monotonic()))

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.hear(json.loads(line))


class PodWatch(Arrivals):
    """The pods of runs."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__(namespace, "pods")
        self.most = 0
        """How many there were at once."""
        self.pods: dict[str, set[str]] = {}
        """Names of all the pods that a run ever had."""
        self._alive: set[str] = set()

    def hear(self, event: Any) -> None:
        super().hear(event)
        pod = event["object"]
        name = pod["metadata"]["name"]
        over = event["type"] == "DELETED" or pod["status"]["phase"] in ("Succeeded", "Failed")
        (self._alive.discard if over else self._alive.add)(name)
        self.pods.setdefault(pod["metadata"]["labels"][RUN_LABEL], set()).add(name)
        self.most = max(self.most, len(self._alive))
