"""Every pod of a namespace, also those that are gone again when one looks."""

from __future__ import annotations

import json
import subprocess
import threading

from backends.clusters.kubernetes.objects import RUN_LABEL
from tests.cluster.kube import Namespace


class PodWatch:
    """How many pods there were at once, seen by a watch of its own."""

    def __init__(self, namespace: Namespace) -> None:
        self.most = 0
        self.pods: dict[str, set[str]] = {}
        """Names of all the pods that a run ever had."""
        command = ["kubectl", f"--kubeconfig={namespace.kubeconfig}", f"--namespace={namespace.name}"]
        command += ["get", "pods", "--watch", "--output-watch-events", "-o", "json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        assert self._process.stdout is not None
        alive: set[str] = set()
        text = ""
        decoder = json.JSONDecoder()
        for line in self._process.stdout:
            text += line.decode()
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                continue  # the object goes on in the next line
            text = text[end:].lstrip()
            name = event["object"]["metadata"]["name"]
            over = event["type"] == "DELETED" or event["object"]["status"]["phase"] in ("Succeeded", "Failed")
            (alive.discard if over else alive.add)(name)
            self.pods.setdefault(event["object"]["metadata"]["labels"][RUN_LABEL], set()).add(name)
            self.most = max(self.most, len(alive))

    def __enter__(self) -> PodWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.join()
        self._process.communicate()
