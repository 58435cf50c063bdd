"""The ledger of a real fleet: every run is in it once, whenever its dispatcher dies, and sums are those of
the runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.workshop import Workshop

pytestmark = pytest.mark.e2e

DYING = """
import os, signal, sys
from backends.clusters.local import LocalCluster
from backends.ledger import FleetLedger
from hive_tui import dispatcher

kind = {"LocalCluster": LocalCluster, "FleetLedger": FleetLedger}[sys.argv[1]]
call, when = getattr(kind, sys.argv[2]), sys.argv[3]

def die(*args, **kwargs):
    if when == "after":
        call(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(kind, sys.argv[2], die)
dispatcher.main(["--fleet", "local"])
"""
"""A dispatcher that is killed right before or after one of its calls."""

WORK: list[dict[str, Any]] = [
    {"write": {"path": "a.txt", "text": "a\n"}},
    {"use": {"input": 10, "output": 20, "cache_read": 30, "cost": 0.25}},
    {"commit": "Add it"},
]


@pytest.fixture
def shop(shop: Workshop, tmp_path: Path) -> Workshop:
    shop.env |= {"CLAUDE_CONFIG_DIR": str(tmp_path / "claude"), "CODEX_HOME": str(tmp_path / "codex")}
    return shop


def rows(shop: Workshop) -> list[Any]:
    found: list[Any] = json.loads(shop.hive("costs", "export", "--format", "json"))["rows"]
    return found


def settled(shop: Workshop) -> bool:
    """No slot and no claim is held any more."""
    snapshot = shop.snapshot()
    (issue,) = snapshot["issues"]
    return bool(snapshot["fleet"]["slots"]["used"] == 0 and issue["state"] != "in-progress")


@pytest.mark.parametrize(
    ("kind", "call", "when"),
    [
        ("FleetLedger", "write", "before"),
        ("FleetLedger", "write", "after"),
        ("LocalCluster", "settle_run", "before"),
        ("LocalCluster", "settle_run", "after"),
    ],
)
def test_a_dispatcher_that_is_killed_around_a_settlement_writes_each_row_once(
    shop: Workshop, kind: str, call: str, when: str
) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add the file")
    dying = subprocess.run(
        [sys.executable, "-P", "-c", DYING, kind, call, when],
        cwd=Path(__file__).parents[2],
        env={**shop.env, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=60,
        check=False,
    )
    assert dying.returncode == -signal.SIGKILL
    before = rows(shop)
    assert len(before) == (0 if (call, when) == ("write", "before") else 1)
    shop.hive("dispatcher", "start")
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"] and settled(shop))
    shop.wait("the row", lambda: rows(shop))
    (row,) = rows(shop)
    assert before in ([], [row])
    assert (row["issue"], row["round"], row["cost_micros"], row["certainty"]) == (1, 1, 250_000, "exact")
    assert (row["input"], row["output"], row["cache_read"]) == (10, 20, 30)
    assert len(shop.runs()) == 1


def test_the_sums_are_those_of_the_runs_also_of_failed_ones(shop: Workshop) -> None:
    shop.init(max_attempts=2)
    shop.scenario("issue-1", WORK)
    shop.scenario("issue-2", [{"use": {"output": 5, "cost": 1.5}}, {"fail": {"text": "no idea"}}])
    shop.issue("Add the file")
    shop.issue("Fail twice")
    shop.hive("dispatcher", "start")

    def over() -> bool:
        states = {issue["number"]: issue["state"] for issue in shop.snapshot()["issues"]}
        return states == {1: "in-review", 2: "needs-human"}

    shop.wait("the end of both", over)
    shop.wait("all rows", lambda: len(rows(shop)) == 3)
    found = shop.json("costs", "--by", "issue")
    assert {use["key"]: use["cost_micros"] for use in found["costs"]} == {
        "kay/shop#1": 250_000,
        "kay/shop#2": 3_000_000,
    }
    said = sum(run["cost_micros"] for run in shop.runs())
    assert found["total"]["cost_micros"] == sum(row["cost_micros"] for row in rows(shop)) == said == 3_250_000
    by_run = shop.json("costs", "--by", "run")
    assert by_run["total"]["cost_micros"] == said
    assert len(by_run["costs"]) == 3


def test_a_killed_run_is_made_up_for_from_its_transcript(shop: Workshop, tmp_path: Path) -> None:
    shop.init()
    shop.scenario("default", [{"say": "I begin."}, {"pause": 600.0}])
    shop.issue("Never ends")
    shop.hive("dispatcher", "start")
    shop.wait("its words", lambda: "I begin." in shop.call("logs", "1").stdout)
    # What a runner says in its log may be there before its record of the session.
    run = shop.wait("its session", lambda: next((each for each in shop.runs() if each["session"]), None))
    write_transcript(tmp_path / "claude", run["session"])
    shop.hive("kill", "1", "--yes")
    (row,) = shop.wait("its row", lambda: rows(shop))
    assert (row["source"], row["certainty"], row["model"]) == ("transcript", "estimated", "claude-opus-5-5")
    assert (row["input"], row["output"]) == (1_000_000, 500_000)
    assert row["cost_micros"] == 14_000_000
    (use,) = shop.json("costs", "--by", "issue")["costs"]
    assert (use["key"], use["cost_micros"], use["unaccounted_runs"]) == ("kay/shop#1", 14_000_000, 0)


def test_a_killed_run_without_a_transcript_is_unaccounted_and_holds_a_budget(shop: Workshop) -> None:
    shop.init(budget={"day": 100.0})
    shop.scenario("default", [{"say": "I begin."}, {"pause": 600.0}])
    shop.issue("Never ends")
    shop.hive("dispatcher", "start")
    shop.wait("its words", lambda: "I begin." in shop.call("logs", "1").stdout)
    shop.hive("kill", "1", "--yes")
    (row,) = shop.wait("its row", lambda: rows(shop))
    assert (row["cost_micros"], row["certainty"]) == (None, "unaccounted")
    (use,) = shop.json("costs", "--by", "issue")["costs"]
    assert (use["cost_micros"], use["unaccounted_runs"]) == (None, 1)
    shop.issue("Another")
    shop.wait(
        "the budget's gate", lambda: "is unknown, so the day budget" in shop.hive("events", "-o", "json")
    )


def test_a_lost_run_has_what_it_said(shop: Workshop) -> None:
    shop.init()
    shop.scenario("issue-1", [WORK[1], {"say": "So far."}, {"pause": 600.0}])
    shop.scenario("issue-1-a2", WORK)
    shop.issue("Add the file")
    shop.hive("dispatcher", "start")
    shop.wait("its words", lambda: "So far." in shop.call("logs", "1").stdout)
    (pid,) = shop.runner_pids()
    os.kill(pid, signal.SIGKILL)
    shop.wait("the rows of both attempts", lambda: len(rows(shop)) == 2)
    assert [(row["attempt"], row["cost_micros"]) for row in rows(shop)] == [(1, 250_000), (2, 250_000)]


def write_transcript(root: Path, session: str) -> None:
    """One call of a model, as Claude Code writes it."""
    folder = root / "projects" / "-work"
    folder.mkdir(parents=True)
    line = {
        "type": "assistant",
        "sessionId": session,
        "timestamp": "2026-11-21T01:10:48.779Z",
        "cwd": "/work",
        "requestId": "req_1",
        "uuid": "u1",
        "message": {
            "id": "msg_1",
            "model": "claude-opus-5-5",
            "role": "assistant",
            "usage": {"input_tokens": 1_000_000, "output_tokens": 500_000},
        },
    }
    (folder / f"{session}.jsonl").write_text(json.dumps(line, separators=(",", ":")) + "\n")
