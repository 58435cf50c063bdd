"""The whole of hive with the real Claude Code CLI and a scripted model: from an issue to a merged branch."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.fakes.model_server import Failure, Figures, ModelServer, Reply, bash, write
from tests.fakes.workshop import Workshop

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("claude") is None, reason="Claude Code (`claude`) is not on PATH"),
]

MODEL = "claude-haiku-4-5"
KILL_SECONDS = 30.0
"""From `hive kill` to the agent's end, with its work pushed: some seconds on an idle machine."""


def open_for_business(shop: Workshop, server: ModelServer, *, test: str) -> int:
    """`hive init` with Claude Code, one issue, a dispatcher; the issue's number."""
    home = shop.home.parent / "home of kay"
    home.mkdir()
    shop.env |= {**server.environment(), "HOME": str(home), "ANTHROPIC_MODEL": MODEL}
    shop.hive("init", "--repo", "kay/shop", "--agent", "claude", "--test", test)
    issue = shop.issue("Say hello")
    shop.hive("dispatcher", "start")
    return issue


def the_run(shop: Workshop, *phases: str) -> Any | None:
    runs = shop.runs()
    return runs[0] if runs and runs[0]["phase"] in phases else None


def ledger(shop: Workshop) -> list[Any]:
    rows: list[Any] = json.loads(shop.hive("costs", "export", "--format", "json"))["rows"]
    return rows


def test_an_issue_becomes_a_merged_branch(shop: Workshop) -> None:
    script = (
        Reply("I look around.", (bash("ls -la"),), Figures(20, 40, 0, 1000)),
        Reply("I write it.", (write("hello.py", "print('hello'\n"),), Figures(20, 50, 1000, 100)),
        Reply(
            "I commit it.", (bash("git add hello.py && git commit -qm 'Say hello'"),), Figures(20, 60, 1100)
        ),
        Reply("Done.", usage=Figures(20, 10, 1200)),
        # The test fails; the findings come as the next prompt of the same session.
        Reply("I see.", (write("hello.py", "print('hello')\n"),), Figures(20, 70, 1300)),
        Reply("I commit it.", (bash("git commit -qam 'Close the bracket'"),), Figures(20, 30, 1400)),
        Reply("Mended.", usage=Figures(20, 10, 1500)),
    )
    with ModelServer(*script) as server:
        issue = open_for_business(shop, server, test="python3 hello.py")
        shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
        run, pull = shop.runs()[0], shop.snapshot()["pull_requests"][0]
        story = shop.hive("logs", str(issue))
        shop.hive("merge", "--yes", str(issue))
        rows = ledger(shop)
        (use,) = shop.json("costs", "--by", "issue")["costs"]
        prompts = [json.dumps(request["messages"]) for request in server.requests]
    assert len(prompts) == len(script)
    assert "Say hello" in prompts[0]
    assert "was never closed" in prompts[4]
    assert "I look around." in prompts[4]
    assert (run["phase"], run["model"], run["attempt"]) == ("succeeded", MODEL, 1)
    assert run["tokens"] == {"input": 140, "output": 270, "cache_read": 7500, "cache_write": 1100}
    # 140 in, 270 out at 1 and 5 dollars per million, 1100 into the cache at 1.25, 7500 from it at 0.1.
    assert run["cost_micros"] == 3615
    # Both rounds are one session, which the CLI sums up: what each cost is the difference.
    assert [(row["round"], row["model"], row["certainty"]) for row in rows] == [
        (1, MODEL, "exact"),
        (2, MODEL, "exact"),
    ]
    assert sum(row["cost_micros"] for row in rows) == 3615
    assert (use["key"], use["calls"], use["cost_micros"]) == (f"kay/shop#{issue}", 7, 3615)
    assert [(check["name"], check["state"]) for check in pull["checks"]] == [("hive/tests", "passed")]
    assert "tests failed" in story
    assert "tests passed" in story
    assert "Write hello.py" in story
    assert shop.git("log", "-1", "--format=%s", "main") == f"Say hello (!{pull['number']})"
    assert shop.git("show", "main:hello.py") == "print('hello')"
    assert (shop.repository / "hello.py").exists()
    assert shop.snapshot()["pull_requests"][0]["state"] == "merged"


def test_a_killed_agent_ends_soon_and_its_work_is_kept(shop: Workshop) -> None:
    begin = Reply("I begin.", (write("half.py", "print('half')\n"),), Figures(20, 40))
    with ModelServer(begin, endless=True) as server:
        issue = open_for_business(shop, server, test="true")
        shop.wait("half of the work", lambda: "half.py" in shop.call("logs", str(issue)).stdout)
        shop.wait("the second question", lambda: len(server.requests) > 1)
        shop.hive("kill", "--yes", str(issue))
        run = shop.wait("the end", lambda: the_run(shop, "killed"), KILL_SECONDS)
        (row,) = shop.wait("its row", lambda: ledger(shop))
        (use,) = shop.json("costs", "--by", "issue")["costs"]
    # The one answer that came, as the transcript has it; the one that was cut off nobody knows.
    assert (row["source"], row["certainty"], row["model"]) == ("transcript", "estimated", MODEL)
    assert (row["input"], row["output"], row["cost_micros"]) == (20, 40, 220)
    assert (use["key"], use["cost_micros"], use["unaccounted_runs"]) == (f"kay/shop#{issue}", 220, 0)
    assert run["why"] == "by kay"
    assert shop.git("show", "hive/wip/issue-1-a1:half.py") == "print('half')"
    assert run["tokens"]["input"] == 20
    assert run["tokens"]["output"] == 40
    assert run["estimated"]


def test_a_usage_limit_makes_the_run_wait_and_stops_new_starts(shop: Workshop) -> None:
    limit = Failure(
        429,
        "rate_limit_error",
        "You have reached your specified API usage limits. "
        "You will regain access on 2099-12-01 at 00:00 UTC.",
        {"x-should-retry": "false"},
    )
    script = (
        Reply("I begin.", (write("half.py", "print('half')\n"),), Figures(20, 40)),
        limit,
        Reply("I go on.", (bash("git add half.py && git commit -qm 'Do half'"),), Figures(20, 50)),
        Reply("Done.", usage=Figures(20, 10)),
    )
    with ModelServer(*script) as server:
        open_for_business(shop, server, test="true")
        run = shop.wait("the wait", lambda: the_run(shop, "waiting", "failed", "succeeded"))
        second = shop.issue("Say goodbye")
        snapshot = shop.wait("a gate", lambda: held(shop, second))
        shop.hive("issue", "close", str(second))
        shop.hive("agents", "enable", "claude")
        done = shop.wait("the end", lambda: the_run(shop, "succeeded", "failed"))
        prompts = [json.dumps(request["messages"]) for request in server.requests]
    assert run["phase"] == "waiting"
    assert run["until"] == "2099-12-01T00:00:00Z"
    (agent,) = snapshot["fleet"]["agents"]
    assert agent["quota"] == {**agent["quota"], "state": "limited", "until": "2099-12-01T00:00:00Z"}
    assert [r["issue"] for r in snapshot["runs"]] == [1]
    assert (done["phase"], done["attempt"]) == ("succeeded", 1)
    assert "I begin." in prompts[2]
    assert done["tokens"] == {"input": 60, "output": 100, "cache_read": 0, "cache_write": 0}
    assert shop.git("show", "hive/issue-1-a1:half.py") == "print('half')"


def held(shop: Workshop, number: int) -> Any | None:
    """The snapshot once something holds that issue."""
    snapshot = shop.snapshot()
    gates = [issue["gate"] for issue in snapshot["issues"] if issue["number"] == number]
    return snapshot if gates and gates[0] is not None else None
