"""Real Codex in a pod that goes in the middle of a turn: what it had used by then is in the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backends.clusters.kubernetes.job import WORK_TREE
from tests.cluster.kube import Namespace
from tests.cluster.shop import PodShop
from tests.fakes.github.server import GitHub
from tests.fakes.responses_server import Answer, ResponsesServer

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(600)]

FOLDER = "codex"
"""Codex's own, in the work tree: no other of the agent's can be filled from outside."""


def test_what_codex_used_before_its_pod_was_deleted_is_in_the_ledger(
    github: GitHub, namespace: Namespace, full_image: str, test_host: str, tmp_path: Path
) -> None:
    said = Answer("I look around.", goes_on=True, input=1_000, cached=400, output=70)
    with ResponsesServer(said, address=test_host) as model:
        variables = {"CODEX_API_KEY": "test-key-of-nobody", "CODEX_HOME": str(WORK_TREE / FOLDER)}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "codex"}}
        namespace.apply({**secret, "stringData": variables})
        shop = PodShop(
            tmp_path / "shop",
            github,
            namespace,
            full_image,
            files={
                f"{FOLDER}/config.toml": f'openai_base_url = "{model.url}"\n',
                ".gitignore": f"{FOLDER}/*\n!{FOLDER}/config.toml\n",
            },
            agents=[{"name": "codex", "model": "gpt-5", "permission_mode": "bypassPermissions"}],
            max_attempts=1,
            worker={"agent_secret": "codex", "work": {"cpu": "100m", "memory": "1Gi"}},
        )
        try:
            issue = shop.ready("Look around")
            shop.start()
            # Its stream tells what a turn used when the turn is over.
            shop.wait("the second call of its turn", model.silent.is_set, 200)
            run = shop.run(issue)
            assert run is not None
            assert run["tokens"]["output"] is None
            shop.namespace("delete", "pod", str(shop.pod_of(run["id"])), "--wait=false")
            shop.reached(issue, "lost")
            rows = shop.wait("its rows", lambda: rows_of(shop), 60)
        finally:
            shop.close()
    (row,) = rows
    assert (row["model"], row["certainty"]) == ("gpt-5", "estimated")
    assert [row[kind] for kind in ("input", "output", "cache_read")] == [600, 70, 400], row
    assert row["cost_micros"] > 0


def rows_of(shop: PodShop) -> list[Any]:
    found: list[Any] = json.loads(shop.hive("costs", "export", "--format", "json"))["rows"]
    return found
