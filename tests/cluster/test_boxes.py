"""The two containers of a run's pod that only answer on a socket, as the runner's container sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import job as jobs
from backends.clusters.kubernetes.objects import JUDGE, RUNNER, WORK
from hive_tui.core.ids import RunId
from hive_tui.core.worker_template import Amounts, WorkerTemplate
from tests.cluster.kube import Namespace
from tests.fakes import run_host
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

KEY = "the-agents-own-key-77b1"

PRELUDE = """
import json, os, subprocess, sys, time
from datetime import timedelta
from pathlib import Path
from backends.clusters.kubernetes import job
from backends.clusters.kubernetes.box.sandbox import PodSandbox
work = PodSandbox(Path(job.WORK_SOCKET), Path(job.WORK_TREE), "run-1")
judge = PodSandbox(Path(job.JUDGE_SOCKET), Path(job.WORK_TREE), "run-1")
out, err = Path("/hive/own/out"), Path("/hive/own/err")
def sh(side, script, timeout=20):
    return side.stream(("sh", "-c", script), stdin=b"", limit=100_000, timeout=timeout).decode().strip()
for path in (out, err):
    path.unlink(missing_ok=True)
def repository():
    os.chdir("/hive/own")
    script = "git init -q -b main a; cd a; echo 1 >f; git add f; git commit -qm 1; git clone -q --bare . ../b"
    who = {f"GIT_{each}_{what}": "x" for each in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    if not os.path.isdir("b"):
        subprocess.run(("sh", "-ec", script), env={**os.environ, **who}, check=True)
    tip = subprocess.run(("git", "-C", "b", "rev-parse", "main"), capture_output=True, text=True, check=True)
    return Path("/hive/own/b"), tip.stdout.strip()
bare, sha = repository()
for side in (work, judge):
    side.clone(bare, sha, "hive/issue-1-a1")
"""


class Pod:
    """A run's pod whose runner waits for what a test wants to know."""

    def __init__(self, namespace: Namespace, image: str) -> None:
        self.namespace = namespace
        namespace.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent"}, "stringData": {"KEY": KEY}}
        )
        template = WorkerTemplate(image=image, agent_secret="agent", tracker_secret=None)
        template = msgspec.structs.replace(
            template, work=Amounts("10m", "300Mi"), runner=Amounts("10m", "256Mi")
        )
        made = jobs.manifest(RunId("run-1"), "0", run_host.job(Path("/nowhere")), template, "test", 0)
        spec: dict[str, Any] = made["spec"]["template"]["spec"]
        # Its runner ends when it is told to, or after a while by itself.
        spec["containers"][0]["command"] = ["sh", "-c", "until [ -e /hive/own/over ]; do sleep 0.1; done"]
        meta = {"name": "boxes"}
        namespace.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        namespace("wait", "--for=condition=Ready", "pod/boxes", "--timeout=120s")

    def ask(self, script: str) -> Any:
        """What a Python script prints, as JSON, in the runner's container."""
        said = self.namespace(
            *("exec", "-i", "boxes", "-c", RUNNER, "--", "python3", "-P", "-"), stdin=PRELUDE + script
        )
        return json.loads(said)


@pytest.fixture(scope="module")
def pod(shared_namespace: Namespace, image: str) -> Pod:
    return Pod(shared_namespace, image)


def test_both_answer_and_hold_a_tree_that_the_runner_put_there(pod: Pod) -> None:
    said = pod.ask(
        "print(json.dumps([sh(side, 'git log --format=%s; ls; id -u') for side in (work, judge)]))"
    )
    assert said == ["1\nf\n1001", "1\nf\n1001"]


@pytest.mark.parametrize("box", [WORK, JUDGE])
def test_they_hold_nothing_else(box: str, pod: Pod) -> None:
    """No secret but the agent's own, and that only for whom the runner names."""
    said = pod.ask(
        f"""
side = {box}
print(json.dumps({{
    "env": sh(side, "env"),
    "home": sh(side, "cd; ls -A | grep -v '^tree$'; true"),
    "hive": sorted(sh(side, "ls /hive").split()),
    "account": sh(side, "ls /var/run/secrets/kubernetes.io 2>&1; true"),
    "share": sh(side, "ls -A /hive/share"),
    "ids": sorted(map(int, sh(side, "cd /proc; echo [0-9]*").split()))[0:1],
    "others": sh(side, "cat /proc/[0-9]*/cmdline | tr '\\\\0' ' '"),
}}))
"""
    )
    names = {line.partition("=")[0] for line in said["env"].splitlines()}
    assert KEY not in said["env"]
    assert not {
        name for name in names if "KUBERNETES" in name or "TOKEN" in name or name.startswith("HIVE_P")
    }
    assert said["home"] == ""
    assert said["hive"] == ["share", "work"]
    assert "No such file" in said["account"]
    assert said["share"] == "box.sock"
    assert said["ids"] == [1]
    assert "hive/own" not in said["others"]


def test_what_the_agent_is_named_it_gets(pod: Pod) -> None:
    script = """
process = work.start(("sh", "-c", "echo $KEY"), env={}, stdout=out, stderr=err, inherit=("KEY",))
print(json.dumps([process.wait(20), out.read_text()]))
"""
    assert pod.ask(script) == [0, f"{KEY}\n"]


def test_their_server_can_neither_be_ended_nor_looked_into(pod: Pod) -> None:
    tries = (
        "kill -9 1; kill -STOP 1; kill -TERM -1; sleep 0.2; cat /proc/1/environ 2>&1; ls /proc/1/fd 2>&1; "
        "cat /proc/1/mem 2>&1 | head -c 100; echo over"
    )
    # In a session of its own, since the third of them ends its own shell.
    script = f"""
process = work.start(("sh", "-c", "trap : TERM; " + {tries!r}), env={{}}, stdout=out, stderr=err)
print(json.dumps([process.wait(20), out.read_text(), sh(work, "echo alive")]))
"""
    code, said, alive = pod.ask(script)
    assert alive == "alive"
    assert code == 0
    assert said.count("Permission denied") >= 2
    assert KEY not in said


def test_a_process_that_takes_all_memory_goes_alone(pod: Pod) -> None:
    """Where the kernel ends single processes; with cgroup v2 all of the container, and the runner knows."""
    script = """
from hive_tui.core.errors import GitError
hungry = "x = []\\nwhile True: x.append(bytearray(10_000_000))"
process = work.start(("python3", "-c", hungry), env={}, stdout=out, stderr=err)
try:
    code = process.wait(60)
except GitError as error:
    code = error.message
print(json.dumps([code, err.read_text(), sh(work, "echo alive; ls")]))
"""
    code, said, alive = pod.ask(script)
    assert (code == -9 and "lack of memory" in said) or "container was lost" in str(code)
    assert alive == "alive\nf"


def test_a_fork_bomb_is_ended(pod: Pod) -> None:
    script = """
bomb = "b() { if [ $1 -gt 0 ]; then b $(($1 - 1)) & b $(($1 - 1)) & fi; sleep 600; }; b 8"
process = work.start(("sh", "-c", bomb), env={}, stdout=out, stderr=err)
deadline = time.monotonic() + 30
while int(sh(work, "ls /proc | grep -c '^[0-9]'")) < 200 and time.monotonic() < deadline:
    pass
work.end_everything(grace=timedelta(0))
left = int(sh(work, "ls /proc | grep -c '^[0-9]'"))
print(json.dumps([process.poll(), left]))
"""
    code, left = pod.ask(script)
    assert code == -9
    assert left < 10


def test_they_end_with_the_runner(pod: Pod) -> None:
    """At once, and by themselves."""
    pod.namespace("exec", "boxes", "-c", RUNNER, "--", "touch", "/hive/own/over")

    def over() -> list[Any] | None:
        status = pod.namespace.json("get", "pod", "boxes")["status"]
        return status["initContainerStatuses"] if status["phase"] == "Succeeded" else None

    ended = until(over, seconds=60, what="the end of the pod")
    assert [each["state"]["terminated"]["exitCode"] for each in ended] == [0, 0]
