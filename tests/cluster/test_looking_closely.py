"""What a cluster says of a run beyond hive's own words, and a terminal where its agent works."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.clusters.kubernetes.cluster import KubernetesCluster
from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.model import DISPATCHER, ControlKind
from hive_tui.core.worker_template import KubernetesSettings
from tests.cluster.kube import Namespace
from tests.contract.conftest import get_run, job, start
from tests.contract.kubernetes_fleet import KubernetesFleet
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture
def fleet(namespace: Namespace, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[KubernetesFleet]:
    made = KubernetesFleet(namespace, tmp_path / "fleet", lambda: request.getfixturevalue("image"))
    yield made
    made.close()


def test_a_run_at_work_is_described_and_entered(
    fleet: KubernetesFleet, viewer: KubernetesSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = fleet.connect()
    run = start(cluster, job())
    with pytest.raises(Refused, match="no container now"):
        cluster.shell(run)
    fleet.idle_run(run)

    def described() -> dict[str, str]:
        return {section.title: section.text for section in cluster.describe(run)}

    # The run says that it is at work before the node says that its container runs.
    until(lambda: "runner        running since" in described()["Pod"], what="the node says so", seconds=60)
    found = described()
    assert list(found) == ["AgentRun", "Job", "Pod", "Events"]
    place = get_run(cluster, run).place
    assert place is not None
    assert place.condition is None
    assert "phase         working\n" in found["AgentRun"] + "\n"
    assert place.pod in found["AgentRun"]
    assert "Finished False: Working, 2" in found["AgentRun"]
    assert "1 active, 0 succeeded, 0 failed" in found["Job"]
    assert f"node          {place.node}" in found["Pod"]
    assert f"Normal SuccessfulCreate, Job {run}: Created pod: {place.pod}" in found["Events"]
    assert f"Pod {place.pod}: Started container runner" in " ".join(found["Events"].split())

    with pytest.raises(UsageError, match="started again"):
        cluster.previous_logs(run)
    argv = cluster.shell(run, ("sh", "-c", "ls /hive; id -u"))
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL
    )
    assert done.stdout.split()[-1] == "1001", "the agent's user, not the runner's"
    assert "own" not in done.stdout, "what is the runner's alone is not there"

    onlooker = KubernetesCluster(fleet.seen_by(viewer))
    try:
        assert [section.title for section in onlooker.describe(run)] == list(found)
        with pytest.raises(Refused, match="create pods/exec"):
            onlooker.shell(run)
        with pytest.raises(Refused, match="patch agentruns"):
            onlooker.control(run, ControlKind.STOP, DISPATCHER)
    finally:
        onlooker.close()

    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        with pytest.raises(Refused, match="kubectl"):
            cluster.shell(run)
