"""kill -9 of the dispatcher or of a runner: nothing is lost, nothing is started twice."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.fakes.workshop import Workshop

WORK: list[dict[str, Any]] = [
    {"say": "I begin."},
    {"write": {"path": "kept.txt", "text": "finished part\n"}},
    {"commit": "Finish a part"},
    {"write": {"path": "open.txt", "text": "unfinished part\n"}},
    {"pause": 2.0},
    {"commit": "Finish the rest"},
    {"say": "Done."},
]


def run_at(shop: Workshop, attempt: int, phase: str) -> Any | None:
    for run in shop.runs():
        if run["attempt"] == attempt and run["phase"] == phase:
            return run
    return None


def has_said(shop: Workshop, text: str) -> bool:
    done = shop.call("logs", "1")
    return text in done.stdout


def test_a_run_outlives_its_dispatcher_and_ends_once(shop: Workshop) -> None:
    shop.init(test="test -f kept.txt")
    shop.scenario("default", WORK)
    shop.issue("Add the files")
    shop.hive("dispatcher", "start")
    shop.wait("the agent's first commit", lambda: has_said(shop, "Finish a part"))
    os.kill(shop.pid_of_dispatcher(), signal.SIGKILL)
    shop.wait("the death", lambda: shop.json("dispatcher", "status")["state"] == "dead")
    shop.hive("dispatcher", "start")
    shop.wait("the end", lambda: run_at(shop, 1, "succeeded"))
    snapshot = shop.wait(
        "a pull request", lambda: shop.snapshot() if shop.snapshot()["pull_requests"] else None
    )
    assert [run["phase"] for run in snapshot["runs"]] == ["succeeded"]
    assert len(snapshot["pull_requests"]) == 1
    assert shop.git("show", "hive/issue-1-a1:open.txt") == "unfinished part"
    assert snapshot["issues"][0]["state"] == "in-review"
    kinds = [event["kind"] for event in snapshot["events"]]
    assert kinds.count("start") == 1
    assert kinds.count("succeeded") == 1


def test_the_end_of_a_run_without_a_dispatcher_is_settled_by_the_next_one(shop: Workshop) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add the files")
    shop.hive("dispatcher", "start")
    shop.wait("the agent's first commit", lambda: has_said(shop, "Finish a part"))
    os.kill(shop.pid_of_dispatcher(), signal.SIGKILL)
    shop.wait("the end", lambda: run_at(shop, 1, "succeeded"))
    assert shop.snapshot()["pull_requests"] == []
    shop.hive("dispatcher", "start")
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    assert len(shop.runs()) == 1


@pytest.mark.parametrize("moment", ["I begin", "Finish a part", "open.txt"])
def test_the_work_of_a_killed_runner_is_kept_and_the_issue_tried_again(shop: Workshop, moment: str) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add the files")
    shop.hive("dispatcher", "start")
    shop.wait(moment, lambda: has_said(shop, moment))
    (pid,) = shop.runner_pids()
    os.kill(pid, signal.SIGKILL)
    lost = shop.wait("the loss", lambda: run_at(shop, 1, "lost"))
    shop.wait("the second attempt", lambda: run_at(shop, 2, "succeeded"))
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    if moment != "I begin":
        assert shop.git("show", "hive/wip/issue-1-a1:kept.txt") == "finished part"
    assert lost["why"]
    (pull,) = shop.snapshot()["pull_requests"]
    assert pull["branch"] == "hive/issue-1-a2"
    assert len(shop.runs()) == 2


def test_everything_killed_at_once(shop: Workshop) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add the files")
    shop.hive("dispatcher", "start")
    shop.wait("unfinished work", lambda: has_said(shop, "open.txt"))
    for pid in (shop.pid_of_dispatcher(), *shop.runner_pids()):
        os.kill(pid, signal.SIGKILL)
    # The screen does not go on saying that somebody works.
    shop.wait("the truth", lambda: run_at(shop, 1, "lost"))
    shop.hive("dispatcher", "start")
    shop.wait("the second attempt", lambda: run_at(shop, 2, "succeeded"))
    assert shop.git("show", "hive/wip/issue-1-a1:open.txt") == "unfinished part"
    shop.wait("quiet", lambda: not shop.runner_pids())


def test_a_kill_is_quick_saves_the_work_and_is_sticky(shop: Workshop) -> None:
    shop.init()
    shop.scenario("default", [{"write": {"path": "open.txt", "text": "mine\n"}}, {"stall": 60.0}])
    shop.issue("Add the files")
    shop.hive("dispatcher", "start")
    shop.wait("work", lambda: has_said(shop, "open.txt"))
    shop.hive("kill", "1", "--yes")
    killed = shop.wait("the end", lambda: run_at(shop, 1, "killed"), seconds=10)
    assert "kay" in killed["why"]
    assert shop.git("show", "hive/wip/issue-1-a1:open.txt") == "mine"
    gate = shop.wait("the gate", lambda: shop.snapshot()["issues"][0]["gate"])
    assert "hive retry 1" in gate["detail"]
    shop.scenario("default", WORK)
    shop.hive("retry", "1")
    shop.wait("the second attempt", lambda: run_at(shop, 2, "succeeded"))
