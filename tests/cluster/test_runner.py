"""The runner in pods of a real cluster, without a dispatcher: above all, what it does when told to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import camel, job, logs, run_status
from backends.clusters.kubernetes.api import AGENT_RUNS, JOBS, PODS
from backends.clusters.kubernetes.objects import (
    RUNNER,
    AgentRunObject,
    AgentRunSpec,
    AgentRunStatus,
    JobObject,
)
from backends.forges.github import remotes
from hive_tui.core.events import Note, Said
from hive_tui.core.ids import AgentName, RepoName, RunId
from hive_tui.core.model import Phase
from hive_tui.core.ports import AgentJob
from hive_tui.core.settings import GitHubSettings
from hive_tui.core.worker_template import Amounts, WorkerTemplate
from tests.cluster.kube import Namespace
from tests.cluster.shop import Steps, scenario
from tests.cluster.speaking import Speaking, work
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(300)]

GRACE = 60
REPO = RepoName("kay/shop")
GIT = "/kay/shop.git/*"

PART: Steps = (
    {"write": {"path": "kept.txt", "text": "finished part\n"}},
    {"commit": "Finish a part"},
    {"write": {"path": "open.txt", "text": "unfinished part\n"}},
)
STALLS: Steps = (*PART, {"say": "Half of it is there."}, {"stall": 200.0})
DONE: Steps = ({"write": {"path": "more.txt", "text": "the rest\n"}}, {"commit": "Finish it"})
SCENARIOS: dict[str, Steps] = {
    "stalls": STALLS,
    "waits": ({"stall": 200.0},),
    "done": DONE,
    "issue-1-a1": (*PART, {"use": {"output": 700, "cost": 0.5}}, {"limit": {"reset_after": 5.0}}),
}
FILES = {"README.md": "A shop.\n"} | {
    f"scenarios/{name}.yaml": scenario(steps) for name, steps in SCENARIOS.items()
}


class Runs:
    """Runs of one namespace, each in a pod as a dispatcher would make it."""

    def __init__(self, namespace: Namespace, github: GitHub, image: str) -> None:
        self.namespace, self.github = namespace, github
        self.speaking = Speaking(namespace, image)
        self.api = self.speaking.api
        assert github.certificates is not None
        with github.world.lock:
            github.world.add_user("kay")
            secret = {
                "token": github.world.add_token("kay").secret,
                "ca.crt": github.certificates.read_text(),
            }
            self.repo: Repository = github.world.add_repository("kay/shop", files=FILES)
        namespace.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hive-tracker"}, "stringData": secret}
        )
        little = Amounts("10m", "160Mi")
        self.template = WorkerTemplate(
            image=image,
            runner=little,
            work=little,
            judge=Amounts("10m", "64Mi"),
            storage="100Mi",
            grace_seconds=GRACE,
        )
        self._issue = 0

    def record(self, plays: str | None = None, *, test: str | None = None) -> RunId:
        """A run that plays a scenario, or the one of its issue."""
        self._issue += 1
        plain = work(self._issue, body=f"Do it.\n\nScenario: {plays}\n" if plays else "Do it.")
        way = remotes.remote(GitHubSettings(url=self.github.site), REPO, base="main")
        repo = msgspec.structs.replace(
            plain.repo,
            name=REPO,
            source=way.source,
            credential=way.credential,
            portable=way.portable,
            test=test,
        )
        spec = msgspec.structs.replace(plain.spec, repo=REPO)
        robin = AgentJob(AgentName("robin"), "scripted", options={"scenarios": "scenarios"})
        whole = msgspec.structs.replace(plain, spec=spec, repo=repo, agent=robin)
        return self.speaking.record(job.in_pod(whole, self.template))

    def start(self, run: RunId, *, name: str | None = None) -> str:
        """Make the Job of the next pod; its name."""
        found = self.api.get(AGENT_RUNS, run, AgentRunObject)
        starts = self.status(run).starts
        whole = camel.decode(found.spec, AgentRunSpec)
        made = job.manifest(run, found.metadata.uid, whole.work, self.template, "test", starts)
        if name is not None:
            made["metadata"]["name"] = name
        return self.api.create(JOBS, made, JobObject).metadata.name

    def status(self, run: RunId) -> AgentRunStatus:
        return self.speaking.status(run)

    def pod(self, job_name: str) -> Any | None:
        found = self.namespace.items("pods", "-l", f"batch.kubernetes.io/job-name={job_name}")
        return found[0] if found else None

    def running(self, job_name: str) -> str:
        """The name of a Job's pod, once its runner was started."""

        def there() -> str | None:
            pod = self.pod(job_name)
            return pod["metadata"]["name"] if pod is not None and state(pod).keys() - {"waiting"} else None

        return until(there, seconds=60, what="its runner")

    def says(self, run: RunId, text: str) -> None:
        """Wait until its log has `text`."""
        for line in logs.read(self.api, run, follow=True):
            if isinstance(line.event, Said | Note) and text in line.event.text:
                return
        raise AssertionError(f"it never said {text!r}")

    def delete(self, pod: str) -> Callable[[], Any]:
        """Delete a pod; what waits until its runner has ended, and returns how."""
        watch = self.api.stream(
            PODS, query={"watch": "true", "fieldSelector": f"metadata.name={pod}"}, idle=GRACE + 60.0
        )
        self.namespace("delete", "pod", pod, "--wait=false")

        def ended() -> Any:
            for line in watch:
                found = msgspec.json.decode(line)["object"]
                if "terminated" in state(found):
                    watch.close()
                    return state(found)["terminated"]
            raise AssertionError("it did not end")

        return ended

    def show(self, branch: str, path: str) -> str | None:
        with self.github.world.lock:
            found = self.repo.git.show(f"refs/heads/{branch}", path)
        return None if found is None else found.decode()


def state(pod: Any) -> Any:
    """Of its runner."""
    every = pod["status"].get("containerStatuses", ())
    return next((each["state"] for each in every if each["name"] == RUNNER), {})


@pytest.fixture
def runs(namespace: Namespace, github: GitHub, image: str) -> Runs:
    return Runs(namespace, github, image)


def test_a_run_becomes_a_branch_and_a_second_pod_is_refused(runs: Runs) -> None:
    run = runs.record("done", test="ls more.txt")
    began = time.monotonic()
    runs.start(run)
    runs.start(run, name=f"{run}-again")
    until(lambda: runs.status(run).phase.final, seconds=90)
    print(f"created to final: {time.monotonic() - began:.1f} s")
    status = runs.status(run)
    assert status.phase is Phase.SUCCEEDED, status
    assert runs.show("hive/issue-1-a1", "more.txt") == "the rest\n"
    assert status.starts == 1
    ends = {}
    for name in (run, f"{run}-again"):
        pod = until(lambda name=name: terminated(runs, name), seconds=30)  # type: ignore[misc]
        ends[pod["metadata"]["uid"]] = state(pod)["terminated"]
    assert status.pod is not None
    mine = ends.pop(status.pod.uid)
    (other,) = ends.values()
    assert (mine["exitCode"], other["exitCode"]) == (0, 3)
    assert run_status.adopted(mine["message"]) == run_status.plain(status)
    numbers = [line.n for line in logs.read(runs.api, run)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert status.lines == len(numbers)


def terminated(runs: Runs, name: str) -> Any | None:
    pod = runs.pod(name)
    return pod if pod is not None and "terminated" in state(pod) else None


@pytest.fixture
def no_faults(github: GitHub) -> Iterator[None]:
    yield
    github.faults.clear()


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize("moment", ["start", "fetch", "agent", "test", "push"])
def test_told_to_end_at_any_moment_it_saves_what_there_is(runs: Runs, github: GitHub, moment: str) -> None:
    slow = {"fetch": "*/git-upload-pack", "push": "*/git-receive-pack"}.get(moment)
    hit = github.faults.add(Fault("slow", path=f"{slow}*", seconds=4.0)) if slow else None
    # Before the agent's part there is nothing to save, however far the run gets until its end is heard of.
    plays = {"agent": "stalls", "test": "done", "push": "done"}.get(moment, "waits")
    run = runs.record(plays, test="sleep 200" if moment == "test" else None)
    pod = runs.running(runs.start(run))
    if hit is not None:
        until(lambda: hit.hits, seconds=60, what=moment)
    elif moment == "agent":
        runs.says(run, "Half of it is there.")
    elif moment == "test":
        runs.says(run, "testing:")
    began = time.monotonic()
    end = runs.delete(pod)()
    seconds = time.monotonic() - began
    status = runs.status(run)
    print(f"{moment}: {end['exitCode']} after {seconds:.1f} s, {status.phase.value}, wip {status.wip}")
    assert seconds < GRACE
    if moment == "push":  # everything had passed, so it goes out
        assert (status.phase, end["exitCode"]) == (Phase.SUCCEEDED, 0)
        assert runs.show("hive/issue-1-a1", "more.txt") == "the rest\n"
        return
    assert (status.phase, status.why) == (Phase.LOST, "ended from outside by SIGTERM")
    assert end["exitCode"] == 143
    assert run_status.adopted(end["message"]) == run_status.plain(status)
    saved = {"agent": {"kept.txt": "finished part\n", "open.txt": "unfinished part\n"}}
    saved |= {"test": {"more.txt": "the rest\n"}}
    for path, text in saved.get(moment, {}).items():
        assert runs.show("hive/wip/issue-1-a1", path) == text
    assert (status.wip is not None) is (moment in saved)


def test_a_run_that_waited_goes_on_in_another_pod_from_what_it_had_saved(runs: Runs) -> None:
    run = runs.record()
    runs.start(run)
    until(lambda: runs.status(run).parked, seconds=90)
    parked = runs.status(run)
    assert runs.show("hive/wip/issue-1-a1", "open.txt") == "unfinished part\n"
    runs.speaking.order(run, "Scenario: done")
    runs.start(run)
    until(lambda: runs.status(run).phase.final, seconds=90)
    status = runs.status(run)
    assert (status.phase, status.starts, status.base_sha) == (Phase.SUCCEEDED, 2, parked.base_sha), status
    for path, text in (
        ("kept.txt", "finished part\n"),
        ("open.txt", "unfinished part\n"),
        ("more.txt", "the rest\n"),
    ):
        assert runs.show("hive/issue-1-a1", path) == text
    assert (status.usage.cost_micros or 0) >= (parked.usage.cost_micros or 0) > 0
    numbers = [line.n for line in logs.read(runs.api, run)]
    assert numbers == list(range(1, len(numbers) + 1)), "of both pods"
    assert len({status.pod, parked.pod}) == 2
