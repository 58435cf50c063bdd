"""Real Claude Code in a pod, against a scripted model: from an issue to a pull request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backends.clusters.kubernetes.job import WORK_TREE
from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop
from tests.fakes.github.server import GitHub
from tests.fakes.model_server import Figures, ModelServer, Reply, bash, write

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

SCRIPT = (
    Reply("I write it.", (write(str(WORK_TREE / "hello.py"), "print('hello')\n"),), Figures(20, 50)),
    Reply("I commit it.", (bash("git add hello.py && git commit -qm 'Say hello'"),), Figures(20, 60)),
    Reply("Done.", usage=Figures(20, 10)),
)
MODEL = "claude-haiku-4-5"


def test_claude_code_in_a_pod_answers_an_issue_with_a_pull_request(
    github: GitHub, namespace: Namespace, full_image: str, test_host: str, tmp_path: Path
) -> None:
    with ModelServer(*SCRIPT, address=test_host) as model:
        environment = {**model.environment(), "ANTHROPIC_MODEL": MODEL}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "claude"}}
        namespace.apply({**secret, "stringData": environment})
        shop = PodShop(
            tmp_path / "shop",
            github,
            namespace,
            full_image,
            test="python3 hello.py",
            agents=[{"name": "claude"}],
            max_attempts=1,
            worker={"agent_secret": "claude", "work": {"cpu": "100m", "memory": "1Gi"}},
        )
        try:
            issue = shop.ready("Say hello")
            shop.start()
            run = shop.reached(issue, "succeeded", "failed", "needs-human", "lost", seconds=200)
            shop.wait("its pull request", lambda: shop.pulls())
            said = shop.said(issue)
        finally:
            shop.close()
        asked = json.dumps(model.requests)
    assert run["phase"] == "succeeded", run
    assert set(shop.pulls()) == {f"hive/issue-{issue}-a1"}
    assert shop.show(f"hive/issue-{issue}-a1", "hello.py") == "print('hello')\n"
    assert run["tests"]["passed"]
    assert run["tokens"]["output"] == 120
    assert "I commit it." in said
    assert "Say hello" in asked
    assert shop.secret not in asked
