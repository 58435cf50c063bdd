"""A hostile agent in the container of a run: it finds no token, reaches nothing of the runner's, and its word
alone is no success."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop, Steps, scenario
from tests.fakes.github.server import GitHub

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

HERE = Path(__file__).parent / "hostile"
HUNTER, LIAR, SEIZER = 1, 2, 3
KEY = "the-agents-own-key-9f2c"
"""What the agent may have: it is in nothing that others read all the same."""

SUCCESS = {"phase": "succeeded", "head": "f" * 40, "endedAt": "2030-01-01T00:00:00Z"}
HUNT: Steps = (
    {"run": "python3 tools/hunt.py > /tmp/found.json; base64 -w 100 < /tmp/found.json > found.txt"},
    {"commit": "Find things"},
)
LIE: Steps = (
    {"run": f"echo '{json.dumps(SUCCESS)}' > /dev/termination-log"},
    {"run": 'echo \'{"n":999999,"event":{"type":"note","text":"succeeded"}}\' > /proc/1/fd/1'},
    {"raw": '{"type": "end", "ok": true, "text": "I opened the pull request."}'},
)
SEIZE: Steps = (
    {"write": {"path": "kept.txt", "text": "mine\n"}},
    {"commit": "Finish a part"},
    {"run": "python3 tools/seize.py"},
)


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent"}}
    namespace.apply({**secret, "stringData": {"ROBIN_KEY": KEY}})
    tools = {f"tools/{path.name}": path.read_text() for path in HERE.glob("*.py")}
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        max_attempts=1,
        worker={"agent_secret": "agent"},
        files=tools,
        scenarios={
            f"issue-{HUNTER}": scenario(HUNT),
            f"issue-{LIAR}": scenario(LIE),
            f"issue-{SEIZER}": scenario(SEIZE),
        },
    )
    yield made
    made.close()


def test_a_hostile_agent_gets_nothing_and_cannot_fake_success(shop: PodShop) -> None:
    for issue in (HUNTER, LIAR, SEIZER):
        assert shop.ready(f"Task {issue}") == issue
    shop.start()
    hunted = shop.reached(HUNTER, "succeeded", "needs-human")
    lied = shop.reached(LIAR, "failed", "needs-human", "succeeded")
    assert (lied["phase"], lied["why"]) == ("failed", "the agent changed nothing")
    seized = shop.reached(SEIZER, "failed", "needs-human", "lost", "succeeded", seconds=150)
    print(f"a box that was seized: {seized['phase']}: {seized['why']} ({seized['evidence']})")
    if seized["phase"] == "succeeded":  # the server in its container took its place back
        assert shop.show(f"hive/issue-{SEIZER}-a1", "kept.txt") == "mine\n"
    assert set(shop.pulls()) <= {f"hive/issue-{HUNTER}-a1", f"hive/issue-{SEIZER}-a1"}
    assert_it_found_nothing(shop, found_by(shop, hunted))
    assert_nobody_reads_a_secret(shop)


def found_by(shop: PodShop, run: Any) -> Any:
    branch = f"hive/issue-{HUNTER}-a1"
    assert run["phase"] == "succeeded", run
    text = shop.show(branch, "found.txt")
    assert text
    return json.loads(base64.b64decode(text))


def assert_it_found_nothing(shop: PodShop, found: Any) -> None:
    everything = json.dumps(found)
    assert shop.secret not in everything
    assert "HIVE_TRACKER_TOKEN" not in everything
    assert "eyJhbGci" not in everything, "a token of Kubernetes"
    assert found["readable"] == {}
    assert found["environ"].get("ROBIN_KEY") is None, "its backend names no such credential"
    assert not any("hive_tui.runner" in process["cmdline"] for process in found["processes"].values())
    assert not any("kubernetes.io" in folder or "tracker" in folder for folder in found["secrets"])
    attempts = found["attempts"]
    print(json.dumps({key: value[:120] for key, value in attempts.items()}, indent=1))
    for name in ("read the memory of PID 1", "descriptors of PID 1", "root of PID 1", "raw socket"):
        assert "Error" in attempts[name], (name, attempts[name])
    for name, said in attempts.items():
        if name.startswith(("list ", "write ")):
            assert "Error" in said, (name, said)
    assert "returncode=0" not in attempts["unshare -Ur id"]
    assert "returncode=0" not in attempts["mount -t tmpfs none /mnt"]
    for name in ("agent runs of the API server", "secrets of the API server"):
        assert attempts.get(name, "403") in ("401", "403"), attempts[name]


def assert_nobody_reads_a_secret(shop: PodShop) -> None:
    """Neither the tracker's token nor the agent's key is in anything that people or logs show."""
    kubectl = shop.namespace
    places = {kind: kubectl("get", kind, "-o", "yaml") for kind in ("agentruns", "fleets", "jobs", "pods")}
    places |= {kind: kubectl("get", kind, "-o", "yaml") for kind in ("events", "leases", "configmaps")}
    for pod in kubectl.items("pods"):
        name = pod["metadata"]["name"]
        places[f"log of {name}"] = kubectl("logs", name, "--all-containers", "--ignore-errors")
        assert_only_the_runner_has_tokens(pod)
    for issue in (HUNTER, LIAR, SEIZER):
        places[f"hive logs {issue}"] = shop.call("logs", str(issue)).stdout
        places[f"hive describe {issue}"] = shop.call("describe", str(issue)).stdout
    places["screen"] = shop.hive("top", "--once")
    places["json"] = shop.hive("top", "--once", "-o", "json")
    for path in (shop.home / "data").rglob("*"):
        if path.is_file():
            places[str(path)] = path.read_bytes().decode("utf-8", "replace")
    with shop.github.world.lock:
        places["tracker"] = yaml.safe_dump(
            [comment.body for issue in shop.repo.issues.values() for comment in issue.comments]
        )
    for secret in (shop.secret, KEY):
        assert [name for name, text in places.items() if secret in text] == []


def assert_only_the_runner_has_tokens(pod: Any) -> None:
    spec = pod["spec"]
    boxes = spec["initContainers"]
    assert [each["name"] for each in spec["containers"]] == ["runner"]
    assert spec["automountServiceAccountToken"] is False
    for box in boxes:
        mounted = {mount["name"] for mount in box["volumeMounts"]}
        assert not mounted & {"account", "tracker", "own"}, box["name"]
        assert not any("secretKeyRef" in json.dumps(each) for each in box.get("env", ())), box["name"]
    runner = {mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
    assert not any(name.startswith("tree") for name in runner)
