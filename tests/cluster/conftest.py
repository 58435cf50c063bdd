"""What tests on a real cluster share; where there is none they are skipped, and say how to get one.

HIVE_TEST_KUBECONFIG the cluster, by an account that may do everything there; without it KUBECONFIG where its
                     current context is called `hive-test`, and never another one (`named`)
HIVE_TEST_IMAGE      agent image for tests; without one no pods of runs are tried
HIVE_TEST_FULL_IMAGE the same with the vendors' CLIs; while it is still being built,
                     HIVE_TEST_FULL_IMAGE_BUILT names a file that will have how that ended
HIVE_TEST_HOST       address of this machine as pods reach it
HIVE_TEST_CLUSTER    program with `cut`, `heal` and `crash PART`, for tests that take the cluster down
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.clusters.kubernetes.pace import Pace
from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster import named
from tests.cluster.kube import ROOT, VIEWER, Kube, KubectlFailed, Namespace
from tests.fakes.github.server import GitHub
from tests.waiting import until


@pytest.fixture(scope="session")
def kube() -> Kube:
    """The cluster, or a skip."""
    try:
        path = named.kubeconfig()
    except named.NoCluster as error:
        pytest.skip(str(error))
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on PATH, with which tests look at the cluster")
    kube = Kube(path)
    try:
        kube("get", "--raw", "/readyz")
    except KubectlFailed as error:
        pytest.skip(f"no cluster answers at {path}: {error.said} ({named.HOW})")
    return kube


@pytest.fixture(scope="session")
def crds(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Kube:
    """The cluster with hive's own kinds in it."""
    # The parent of the base folder is shared by all workers of a session.
    with (tmp_path_factory.getbasetemp().parent / "crds.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        apply_crds(kube)
    return kube


def apply_crds(kube: Kube) -> None:
    kube("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "manifests" / "crds"))
    names = ("crd/agentruns.hive.dev", "crd/fleets.hive.dev")
    kube("wait", "--for=condition=Established", *names, "--timeout=60s")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the image that takes longest to build comes last."""
    items.sort(key=lambda item: "full_image" in getattr(item, "fixturenames", ()))


@pytest.fixture
def namespace(crds: Kube, tmp_path: Path) -> Iterator[Namespace]:
    """A namespace of this test's own."""
    made = Namespace(crds, tmp_path)
    yield made
    made.delete()


@pytest.fixture(scope="module")
def shared_namespace(crds: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """A namespace that the tests of a module share."""
    made = Namespace(crds, tmp_path_factory.mktemp("namespace"))
    yield made
    made.delete()


@pytest.fixture
def viewer(namespace: Namespace) -> KubernetesSettings:
    """Somebody who may look at everything of a fleet and change nothing."""
    namespace.account("viewer", VIEWER)
    return namespace.settings_as("viewer")


@pytest.fixture
def runner(namespace: Namespace) -> KubernetesSettings:
    """A run's own account."""
    return namespace.settings_as("hive-run")


@pytest.fixture
def nobody(namespace: Namespace) -> KubernetesSettings:
    """Somebody who is known to the cluster and may do nothing."""
    namespace.account("nobody")
    return namespace.settings_as("nobody")


@pytest.fixture(scope="session")
def test_host() -> str:
    """This machine's address, as pods reach it."""
    host = os.environ.get("HIVE_TEST_HOST")
    if not host:
        pytest.skip("HIVE_TEST_HOST does not say under which address pods reach this machine")
    return host


@pytest.fixture(scope="session")
def image(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The agent image for tests."""
    return _there(kube, tmp_path_factory, "HIVE_TEST_IMAGE")


@pytest.fixture(scope="session")
def full_image(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The agent image with the vendors' CLIs."""
    built = os.environ.get("HIVE_TEST_FULL_IMAGE_BUILT")
    if built:
        said = until(Path(built).read_text, seconds=600, what="the end of its build").strip()
        if said != "exit status 0":
            pytest.skip(f"the agent image with the vendors' CLIs could not be built ({said})")
    return _there(kube, tmp_path_factory, "HIVE_TEST_FULL_IMAGE")


def _there(kube: Kube, folders: pytest.TempPathFactory, variable: str) -> str:
    """The image that a variable names, if pods can be made of it."""
    name = os.environ.get(variable)
    if not name:
        pytest.skip(f"{variable} names no agent image; `HIVE_TEST_PODS=1 .ci/run` builds it, or `make image`")
    # One worker of a session looks for all.
    own = folders.getbasetemp()
    known = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / f"{variable}.known"
    with known.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            namespace = Namespace(kube, folders.mktemp("image"))
            try:
                known.write_text(_why_not(namespace, name), encoding="utf-8")
            finally:
                namespace.delete()
    if why := known.read_text(encoding="utf-8"):
        pytest.skip(f"pods cannot have the image {name} ({why}); `make image` builds it")
    return name


def _why_not(namespace: Namespace, image: str) -> str:
    nothing = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "look", "image": image, "command": ["true"], "securityContext": nothing}
    safe = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "containers": [container], "securityContext": safe}
    namespace.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": spec})

    def answer() -> str | None:
        status = namespace.json("get", "pod", "look")["status"]
        if status["phase"] in ("Succeeded", "Failed"):
            return "there"
        states = [found["state"].get("waiting", {}) for found in status.get("containerStatuses", ())]
        return next((state["reason"] for state in states if "Image" in state.get("reason", "")), None)

    said = until(answer, seconds=120, what="a pod of the image")
    return "" if said == "there" else said


@pytest.fixture(scope="module")
def impolite() -> Iterator[None]:
    """As many calls a second as the server takes, for tests that make thousands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "wait", lambda self: None)
        yield


class Faults:
    """Takes the cluster down in parts."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __call__(self, *args: str) -> None:
        subprocess.run([self._program, *args], check=True, capture_output=True, timeout=60)

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """No packet reaches the API server while the `with` block lasts."""
        self("cut")
        try:
            yield
        finally:
            self("heal")

    def crash(self, part: str) -> None:
        """kill -9 of the API server, etcd, the kubelet, containerd; it is started again."""
        self("crash", part)


@pytest.fixture(scope="session")
def faults(kube: Kube) -> Faults:
    program = os.environ.get("HIVE_TEST_CLUSTER")
    if not program or not os.access(program, os.X_OK):
        pytest.skip("HIVE_TEST_CLUSTER names no program that takes this cluster down (`.ci/run` does)")
    return Faults(program)


@pytest.fixture
def github(test_host: str, published_schema: None, tmp_path: Path) -> Iterator[GitHub]:
    """An Enterprise server that pods reach."""
    with GitHub(tmp_path / "github", address=test_host) as server:
        yield server
    assert server.crashes == []
