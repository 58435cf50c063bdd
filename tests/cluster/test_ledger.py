"""What pods used outlasts them: the ledger of the dispatcher's fleet has it from their AgentRuns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.kube import Namespace
from tests.cluster.shop import WORK, PodShop, scenario
from tests.fakes.github.server import GitHub
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(300)]

USE = {"use": {"input": 10, "output": 20, "cache_read": 30, "cost": 0.25}}


@pytest.fixture
def shop(github: GitHub, namespace: Namespace, image: str, tmp_path: Path) -> Iterator[PodShop]:
    made = PodShop(
        tmp_path / "shop",
        github,
        namespace,
        image,
        # The first round forgets what the second one adds.
        test="test -f second",
        scenarios={"default": scenario([*WORK, USE], [USE, {"run": "touch second"}, {"commit": "Add it"}])},
        budget={"fleet": 0.75},
    )
    made.env |= {"CLAUDE_CONFIG_DIR": str(tmp_path / "claude"), "CODEX_HOME": str(tmp_path / "codex")}
    yield made
    made.close()


def rows(shop: PodShop) -> list[Any]:
    found: list[Any] = json.loads(shop.hive("costs", "export", "--format", "json"))["rows"]
    return found


def test_runs_that_the_cluster_has_forgotten_still_count(shop: PodShop) -> None:
    number = shop.ready("Begin")
    shop.start()
    shop.wait("its rows", lambda: len(rows(shop)) == 2, 120)
    shop.wait("its end", lambda: [run["phase"] for run in shop.runs()] == ["succeeded"], 60)
    found = rows(shop)
    assert [(row["round"], row["cost_micros"], row["certainty"]) for row in found] == [
        (1, 250_000, "exact"),
        (2, 250_000, "exact"),
    ]
    status = shop.namespace.json("get", "agentrun", found[0]["run"])["status"]
    assert [(part["round"], part["usage"]["costMicros"]) for part in status["used"]] == [
        (1, 250_000),
        (2, 250_000),
    ]
    shop.namespace("delete", "agentruns", "--all", "--wait=true")
    until(lambda: shop.runs() == [], seconds=30)
    (use,) = shop.json("costs", "--by", "issue")["costs"]
    assert (use["key"], use["cost_micros"]) == (f"kay/shop#{number}", 500_000)
    # Half a dollar of the fleet's budget is gone for good: one more run uses it up, and then nothing starts.
    shop.ready("Go on")
    shop.wait("more rows", lambda: len(rows(shop)) == 4, 120)
    third = shop.ready("Too much")

    def held() -> bool:
        issues = {issue["number"]: issue for issue in shop.snapshot()["issues"]}
        return "$1.00 of the fleet budget $0.75 is used" in str(issues.get(third))

    shop.wait("the gate", held, 60)
