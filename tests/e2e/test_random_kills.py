"""kill -9 of whatever there is, again and again: each issue still ends once, and nothing stays behind."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter

import psutil
import pytest

from tests.fakes.workshop import Workshop

pytestmark = pytest.mark.e2e

ISSUES, KILLS = 4, 10


def victims(shop: Workshop) -> dict[str, list[psutil.Process]]:
    """This hive's processes by what they are."""
    found: dict[str, list[psutil.Process]] = {"dispatcher": [], "runner": [], "agent": []}
    for process in psutil.process_iter():
        try:
            environment, command = process.environ(), " ".join(process.cmdline())
        except psutil.Error:
            continue
        if str(shop.home) in environment.get("HIVE_RUN_HOME", ""):
            found["agent"].append(process)
        elif environment.get("HIVE_HOME") == str(shop.home):
            for kind in ("dispatcher", "runner"):
                if f"hive_tui.{kind}" in command:
                    found[kind].append(process)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_killed_each_issue_ends_once(shop: Workshop, seed: int) -> None:
    chance = random.Random(seed)
    shop.init(slots=2)
    for number in range(1, ISSUES + 1):
        shop.scenario(
            f"issue-{number}",
            [
                {"write": {"path": f"{number}.txt", "text": "first\n"}},
                {"use": {"output": 5, "cost": 0.1}},
                {"commit": "Begin"},
                {"write": {"path": f"{number}-open.txt", "text": "open\n"}},
                {"pause": 0.5},
                {"commit": "Finish"},
            ],
        )
        shop.issue(f"Issue {number}")
    shop.hive("dispatcher", "start")
    for _ in range(KILLS):
        shop.wait("somebody", lambda: any(victims(shop).values()))
        time.sleep(chance.uniform(0.0, 0.4))  # not a wait for anything: the moment of the kill
        kind = chance.choice(["dispatcher", "runner", "agent"])
        for process in victims(shop)[kind][:1]:
            subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(process.pid)], check=False)
        works = [run["issue"] for run in shop.runs() if run["phase"] in ("starting", "working", "finishing")]
        assert max(Counter(works).values(), default=0) <= 1, "two runs at work on one issue"
        shop.hive("dispatcher", "start")

    def over() -> bool:
        issues = shop.snapshot()["issues"]
        return all(issue["state"] in ("in-review", "needs-human") for issue in issues)

    shop.wait("the end of all issues", over)
    shop.wait("quiet", lambda: not victims(shop)["runner"] and not victims(shop)["agent"])
    snapshot = shop.snapshot()
    pulls = Counter(pull["issue"] for pull in snapshot["pull_requests"])
    for issue in snapshot["issues"]:
        assert pulls[issue["number"]] == (1 if issue["state"] == "in-review" else 0), issue
    assert snapshot["fleet"]["slots"]["used"] == 0
    rows = json.loads(shop.hive("costs", "export", "--format", "json"))["rows"]
    begun = {run["id"] for run in snapshot["runs"] if run["started_at"] is not None}
    assert {row["run"] for row in rows} == begun
    for run in snapshot["runs"]:
        mine = [row for row in rows if row["run"] == run["id"]]
        assert sum(row["cost_micros"] or 0 for row in mine) == (run["cost_micros"] or 0)
    branches = set(shop.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split())
    for run in snapshot["runs"]:
        if run["phase"] == "lost" and "Begin" in shop.call("logs", run["id"]).stdout:
            wip = f"hive/wip/issue-{run['issue']}-a{run['attempt']}"
            assert wip in branches, "the work of a lost run is kept"
            assert shop.git("show", f"{wip}:{run['issue']}.txt") == "first"
