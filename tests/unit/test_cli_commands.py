"""The commands that watch, work, control and merge, called as a user calls them, over real backends."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml

from hive_tui import config
from hive_tui.app import run_console
from hive_tui.cli import estimates, run, runs, work
from hive_tui.cli.common import Session
from hive_tui.cli.log_text import log_lines
from hive_tui.core.document import Document
from hive_tui.core.estimate import Estimate
from hive_tui.core.events import LogLine, Note, Said, ToolCall, UsageReport
from hive_tui.core.ids import RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    Check,
    CheckState,
    Claim,
    Dispatcher,
    DispatcherState,
    Issue,
    Mode,
    Phase,
    PullRequest,
    RunSpec,
    Tokens,
    Usage,
)
from hive_tui.core.ports import AgentJob, Job, NewPull, RepoJob
from hive_tui.fleet import OpenFleet, open_fleet
from tests import builders as b
from tests.fakes.repository import Repository

HIVE = [sys.executable, "-P", "-m", "hive_tui"]
Hive = Callable[..., Any]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "checkout")


@pytest.fixture
def fleet(hive_home: Path, repository: Repository) -> Iterator[OpenFleet]:
    """The configured fleet `local`, with one repository, user `kay`."""
    path = hive_home / "config" / "config.yaml"
    path.parent.mkdir()
    path.write_text(
        "fleets:\n  local:\n    allowed_authors: [kay]\n    agents: [{name: claude}]\n"
        f"    repos: [{{name: {b.REPO}, path: '{repository.path}', base: main}}]\n",
        encoding="utf-8",
    )
    with closing(open_fleet(config.load(), "local")) as opened:
        yield opened


@pytest.fixture
def hive(fleet: OpenFleet, capsys: pytest.CaptureFixture[str]) -> Hive:
    """Run a command that must end with this exit code; JSON is decoded, else (stdout, stderr)."""

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run(list(arguments))
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return json.loads(shown.out) if "json" in arguments else (shown.out, shown.err)

    return call


@pytest.fixture
def dispatchers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which commands would have started a dispatcher."""
    asked: list[str] = []
    monkeypatch.setattr(work, "ensure_dispatcher", lambda session: asked.append(session.fleet_name))
    return asked


def issue(fleet: OpenFleet, title: str = "Mend it", *, state: str = "ready", body: str = b.BODY) -> Issue:
    return fleet.forge.create_issue(b.REPO, title=title, body=body, author="kay", labels=(f"status:{state}",))


def start(fleet: OpenFleet, found: Issue, *, worker: str = "claude-a") -> RunId:
    """A run as it stands before its process exists."""
    name = run_id("local", b.REPO, found.number, 1)
    spec = RunSpec(
        *(name, b.REPO, found.number, 1, WorkerName(worker), b.CLAUDE, Mode.BUG_FIX),
        *(branch_name(found.number, 1), "main", found.title, datetime.now(UTC), DISPATCHER),
    )
    fleet.cluster.put_claim(Claim(b.REPO, found.number, 0, attempt=1, run=name), expected=None)
    fleet.cluster.take_slot(spec.worker, name)
    agent = AgentJob(b.CLAUDE, "scripted")
    fleet.cluster.create_run(Job("local", spec, RepoJob(b.REPO, "/x", "main"), agent, found.title, ""))
    return name


def log(fleet: OpenFleet, name: RunId) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    fleet.cluster.host(name).append(
        [
            LogLine(1, at, Note(text="working on it")),
            LogLine(2, at, Said(text="First line.\nSecond line.")),
            LogLine(3, at.replace(hour=13), ToolCall(name="Edit", argument="a.py", added=2, removed=1)),
        ]
    )


def pull(fleet: OpenFleet, repository: Repository, found: Issue, state: CheckState) -> PullRequest:
    branch = branch_name(found.number, 1)
    repository.branch(branch, {f"file-{found.number}.txt": "new\n"})
    made = fleet.forge.open_pull(
        NewPull(b.REPO, found.title, "", "claude-a", branch, "main", found.number, None)
    )
    return fleet.forge.set_check(made.key, Check("hive/tests", state, made.head))


# Watch


def test_once_prints_a_document_that_keeps_to_the_schema(fleet: OpenFleet, hive: Hive) -> None:
    start(fleet, issue(fleet, "Title \x1b[31mred"))
    found = hive("top", "--once", "-o", "json")
    decoded = msgspec.convert(found, Document)
    assert decoded.fleet.slots.used == 1
    assert [entry.phase for entry in decoded.runs] == [Phase.QUEUED.value]
    assert decoded.issues[0].title == "Title red"
    out, _ = hive("top", "--once", "-o", "yaml")
    assert yaml.safe_load(out)["runs"] == found["runs"]


def test_one_repository_of_several(fleet: OpenFleet, hive: Hive, hive_home: Path, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    path = hive_home / "config" / "config.yaml"
    entry = f"    repos:\n      - {{name: me/other, path: '{other.path}', base: main}}\n      - "
    path.write_text(path.read_text().replace("    repos: [", entry).replace("base: main}]", "base: main}"))
    start(fleet, issue(fleet, "Here", state="in-progress"))
    hive("issue", "new", "There", "--repo", "me/other", "--plan", "p", "--done", "d")
    both = hive("top", "--once", "-o", "json")
    assert {entry["title"] for entry in both["issues"]} == {"Here", "There"}
    there = hive("top", "--once", "-o", "json", "--repo", "me/other")
    assert ([entry["title"] for entry in there["issues"]], there["runs"]) == (["There"], [])
    assert there["fleet"] == both["fleet"]
    (started,) = hive("next", "-o", "json", "--repo", "me/other")["start"]
    assert started["title"] == "There"
    assert hive("next", "-o", "json", "--repo", b.REPO)["start"] == []
    for command in (["top", "--once"], ["next"]):
        _, err = hive(*command, "--repo", "me/othr", code=2)
        assert "me/other" in err


def test_once_as_text_has_the_sections_asked_for_and_no_colour(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet)
    out, _ = hive("top", "--once")
    assert out.startswith("FLEET\n")
    assert "\x1b" not in out
    out, _ = hive("top", "--once", "--section", "issues")
    assert out.splitlines()[0] == "ISSUES  1 open"
    assert "FLEET" not in out
    hive("top", "--once", "--section", "nonsense", code=2)


def test_colour_when_it_is_wanted(fleet: OpenFleet, hive: Hive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVE_COLOR", "always")
    out, _ = hive("top", "--once")
    assert "\x1b[1mFLEET" in out


def test_once_prints_what_it_could_get_and_fails(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet)
    fleet.close()
    database = fleet.home / "fleet.db"
    database.write_bytes(b"this is no database" * 100)
    found = hive("top", "--once", "-o", "json", code=1)
    assert found["fleet"]["slots"] == {"max": None, "used": None}
    assert [words.partition(":")[0] for words in found["errors"]] == ["cluster", "forge", "ledger"]
    costs = found["costs"]
    assert (costs["today_micros"], costs["all_micros"], costs["unaccounted_runs"]) == (None, None, None)
    told, _ = hive("top", "--once", code=1)
    assert "none" not in told
    assert database.read_bytes().startswith(b"this is no database")
    _, err = hive("ls", code=1)
    assert "cannot be read" in err


def test_a_console_needs_a_terminal(hive: Hive) -> None:
    _, err = hive("top", code=2)
    assert "--once" in err
    hive("top", "-o", "yaml", code=2)


def test_ls_lists_the_runs(fleet: OpenFleet, hive: Hive) -> None:
    _, err = hive("ls")
    assert "No runs" in err
    name = start(fleet, issue(fleet))
    out, _ = hive("ls")
    assert name in out
    assert "◌ queued" in out
    found = hive("ls", "-o", "json")
    assert found["schema"] == "hive/v1"
    assert [entry["id"] for entry in found["runs"]] == [name]
    assert hive("ls", "-o", "json", "--repo", b.REPO)["runs"] == found["runs"]
    _, err = hive("ls", "--repo", "me/porj", code=2)
    assert "me/proj" in err


def test_logs_as_text_and_as_recorded(fleet: OpenFleet, hive: Hive) -> None:
    name = start(fleet, issue(fleet))
    log(fleet, name)
    out, _ = hive("logs", "claude-a")
    lines = [line[10:] for line in out.splitlines()]
    assert lines == [
        "hive      working on it",
        "said      First line.",
        "          Second line.",
        "tool      Edit a.py +2 −1",
    ]
    raw, _ = hive("logs", name, "--raw")
    assert [json.loads(line)["n"] for line in raw.splitlines()] == [1, 2, 3]
    out, _ = hive("logs", "1", "--since", "2026-03-01T12:30:00+00:00")
    assert out.count("\n") == 1
    hive("logs", "1", "--since", "yesterday", code=2)
    _, err = hive("logs", "1", "--previous", code=2)
    assert "No attempt" in err
    hive("logs", "nobody", code=2)


def test_following_a_log_ends_with_the_run(fleet: OpenFleet, hive: Hive) -> None:
    name = start(fleet, issue(fleet))
    log(fleet, name)
    hive("kill", "-y", name)
    out, _ = hive("logs", "-f", name)
    assert out.count("\n") == 4


def test_describe_tells_of_a_run_and_of_an_issue(fleet: OpenFleet, hive: Hive) -> None:
    name = start(fleet, issue(fleet))
    held = issue(fleet, "Held", body="")
    out, _ = hive("describe", "1")
    assert f"RUN {name}" in out
    found = hive("describe", "claude-a", "-o", "json")
    assert (found["issue"]["number"], found["run"]["id"]) == (1, name)
    found = hive("describe", str(held.number), "-o", "json")
    assert found["run"] is None
    assert found["issue"]["gate"]["name"] == "definition-of-done"
    hive("describe", "99", code=2)


def test_events_name_who_did_what(fleet: OpenFleet, hive: Hive) -> None:
    hive("pause", "--why", "release\x1b[2J day")
    hive("resume")
    out, _ = hive("events")
    assert "paused the fleet: release day" in out
    found = hive("events", "-n", "1", "-o", "json")["events"]
    assert [(event["actor"], event["kind"]) for event in found] == [("kay", "resume")]
    assert hive("events", "-n", "0", "-o", "json")["events"] == []


# Work


def test_a_dry_run_says_what_would_start_and_what_holds_the_rest(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet, "Good")
    issue(fleet, "Bad", body="")
    found = hive("dispatch", "--dry-run", "-o", "json")
    assert [(entry["kind"], entry["number"]) for entry in found["decisions"]] == [("start", 1)]
    assert [(entry["number"], entry["gate"]["name"]) for entry in found["gates"]] == [
        (2, "definition-of-done")
    ]
    out, _ = hive("dispatch", "--dry-run")
    assert out.startswith("would start me/proj#1 Good with claude-a, attempt 1\n")
    assert fleet.cluster.get_claim(issue(fleet).key) is None


def test_dispatch_wakes_the_dispatcher(hive: Hive, dispatchers: list[str]) -> None:
    hive("dispatch")
    assert dispatchers == ["local"]
    assert hive("events", "-o", "json")["events"][-1]["kind"] == "wake"


def test_fire_leaves_the_wish_in_the_claim(fleet: OpenFleet, hive: Hive, dispatchers: list[str]) -> None:
    found = issue(fleet)
    hive("fire", "#1", "--type", "research", "--agent", "claude", "--budget", "2.50", "--model", "m")
    claim = fleet.cluster.get_claim(found.key)
    assert claim is not None
    assert claim.fire is not None
    assert (claim.fire.mode, claim.fire.budget_micros, claim.fire.model) == (Mode.RESEARCH, 2_500_000, "m")
    assert claim.fire.by.name == "kay"
    assert dispatchers == ["local"]


def test_a_fire_prints_the_issue_as_json(fleet: OpenFleet, hive: Hive, dispatchers: list[str]) -> None:
    issue(fleet)
    fired = hive("fire", "1", "-o", "json")
    assert (fired["schema"], fired["repo"], fired["number"]) == ("hive/v1", b.REPO, 1)
    assert dispatchers == ["local"]


def test_a_gate_refuses_a_fire_with_exit_code_3(fleet: OpenFleet, hive: Hive, dispatchers: list[str]) -> None:
    issue(fleet, body="")
    _, err = hive("fire", "1", code=3)
    assert "add `## Definition of Done`" in err
    hive("fire", "1", "--type", "nonsense", code=2)
    hive("fire", "7", code=2)
    hive("fire", "1", "--agent", "cluade", code=2)
    assert dispatchers == []


class TestEstimate:
    @pytest.fixture(autouse=True)
    def no_vocabulary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)

    def test_it_prints_the_prompts_tokens_and_price_and_starts_nothing(
        self, fleet: OpenFleet, hive: Hive, dispatchers: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = issue(fleet)
        similar = Estimate(830_000, 14, "14 runs of claude that succeeded")
        monkeypatch.setattr(estimates, "estimate", lambda *_, **__: similar)
        command = ("--read-only", "fire", "1", "--estimate", "--model", "claude-opus-5-5")
        shown, _ = hive(*command)
        assert "tokens, ~<$0.01  as input of claude-opus-5-5" in shown
        assert "rule of thumb, 4 bytes a token" in shown
        assert "run     ~$0.83, the median of 14 runs of claude that succeeded" in shown
        assert shown.endswith("Nothing was started.\n")
        told = hive(*command, "-o", "json")["estimate"]
        assert (told["run_cost_micros"], told["runs"]) == (830_000, 14)
        assert told["prompt_cost_micros"] == told["prompt_tokens"] * 4
        assert dispatchers == []
        assert fleet.cluster.get_claim(found.key) is None

    def test_the_prompt_has_what_the_repository_adds(
        self, fleet: OpenFleet, hive: Hive, repository: Repository
    ) -> None:
        issue(fleet)
        before = hive("fire", "1", "--estimate", "-o", "json")["estimate"]["prompt_tokens"]
        repository.commit({".hive/config.yaml": f"instructions: {'x' * 4_000}\n"}, "Instruct")
        after = hive("fire", "1", "--estimate", "-o", "json")["estimate"]["prompt_tokens"]
        assert 1_000 <= after - before <= 1_050

    def test_what_is_not_known_has_no_figure(self, fleet: OpenFleet, hive: Hive) -> None:
        issue(fleet)
        shown, _ = hive("fire", "1", "--estimate")
        assert "tokens, –  the model is the CLI's own" in shown
        assert "run     –, no run of this fleet has succeeded yet" in shown
        shown, _ = hive("fire", "1", "--estimate", "--model", "nobody-knows-1")
        assert "nobody has a price for (`prices:` in config.yaml)\n" in shown
        shown, _ = hive("fire", "1", "--estimate", "--model", "claude-opus-5-6")
        assert "in config.yaml). Did you mean claude-opus-5-5" in shown
        hive("fire", "1", "--estimate", "--agent", "cluade", code=2)


def test_next_names_the_command_that_helps(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet, state="needs-human")
    issue(fleet, "Good")
    found = hive("next", "-o", "json", "--all")
    assert [entry["command"] for entry in found["attention"]] == [
        "hive dispatcher start",
        "hive retry me/proj#1",
    ]
    assert found["start"] == [{"repo": b.REPO, "number": 2, "title": "Good"}]
    out, _ = hive("next")
    assert out.startswith("[dispatcher]")
    assert "hive next --all" in out


def test_next_promises_a_start_only_where_a_dispatcher_starts_something(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet)
    assert "\nwould start next: me/proj#1 Mend it\n" in hive("next")[0]
    lease = fleet.cluster.hold_dispatch("1.0")
    assert "\nstarts next: me/proj#1 Mend it\n" in hive("next")[0]
    lease.beat(held="nothing is started: git is not installed.")
    assert "\nwould start next: me/proj#1 Mend it\n" in hive("next")[0]
    lease.release()


def test_next_names_the_fleet_where_another_is_current(
    fleet: OpenFleet, hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(fleet)
    hive("fleet", "add", "other")
    hive("fleet", "use", "other")
    out, _ = hive("--fleet", "local", "next")
    assert "    hive --fleet local dispatcher start\n" in out
    monkeypatch.setenv("HIVE_FLEET", "local")
    assert "    hive dispatcher start\n" in hive("next")[0]


def test_quitting_the_console_names_the_command_that_ends_the_dispatcher(
    fleet: OpenFleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quitted:
        return_code = 0
        next_fleet = None

        def __init__(self, *_: object, **__: object) -> None: ...
        def run(self) -> None: ...

    running = Dispatcher(DispatcherState.RUNNING)
    monkeypatch.setattr("hive_tui.app.app.HiveApp", Quitted)
    monkeypatch.setattr("hive_tui.detached.dispatcher_state", lambda _: running)
    session = Session()
    with click.Context(click.Command("hive")):
        assert run_console(session) == 0
        assert "`hive --fleet local dispatcher stop` ends it" in capsys.readouterr().err
        run_console(session, stops={"local": "hive demo stop"})
    assert "`hive demo stop` ends it" in capsys.readouterr().err


def test_next_says_what_holds_the_rest(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet, "Vague", body="please")
    for title in ("One", "Two"):
        issue(fleet, title)
    hive("pause", "--why", "night")
    out, _ = hive("next")
    assert "held: me/proj#1: add `## Definition of Done`" in out
    assert "held: 2 issues: kay paused the fleet (night): `hive resume`" in out
    assert "held: me/proj#3 Two: kay paused" in hive("next", "--all")[0]
    gates = hive("next", "-o", "json")["gates"]
    assert [(held["number"], held["gate"]["name"]) for held in gates] == [
        (1, "definition-of-done"),
        (2, "paused"),
        (3, "paused"),
    ]


@pytest.mark.parametrize("command", [["ls"], ["next"], ["issue", "list"]])
def test_a_fleet_without_a_repository_says_how_it_gets_one(
    hive_home: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run(command) == 0
    assert "`hive init` in a repository adds it" in capsys.readouterr().err


def test_a_run_that_waits_for_its_quota_does_not_need_you() -> None:
    asking = b.run(1, phase=Phase.WAITING, why="asks: which one?")
    limited = b.run(2, phase=Phase.WAITING, why="quota", agent_problem="limit reached")
    ended = b.run(3, phase=Phase.FAILED)
    assert sorted([ended, limited, asking], key=runs.order) == [asking, limited, ended]


@pytest.mark.parametrize(
    ("cost", "said"), [(None, "20 in, 40 out so far"), (20_000, "$0.02, 20 in, 40 out so far")]
)
def test_usage_without_a_figure_has_no_sign_for_it(cost: int | None, said: str) -> None:
    report = UsageReport(usage=Usage(tokens=Tokens(input=20, output=40), cost_micros=cost))
    ((_, body),) = log_lines(LogLine(1, datetime.now(UTC), report))
    assert body.text == said


@pytest.mark.parametrize("command", ["kill", "stop", "reset", "merge"])
def test_a_dry_run_names_what_would_be_lost_and_does_nothing(
    fleet: OpenFleet, hive: Hive, command: str
) -> None:
    found = issue(fleet, state="in-review" if command == "merge" else "in-progress")
    if command == "merge":
        _, err = hive("merge", "1", "--dry-run", code=2)
        assert "no pull request" in err
        return
    name = start(fleet, found)
    before = fleet.read_snapshot()
    out, err = hive(command, *(() if command == "stop" else ("1",)), "--dry-run")
    assert "claude-a" in out
    assert err == ""
    # Also where nothing may be changed.
    assert hive(command, *(() if command == "stop" else ("1",)), "--dry-run", "--read-only")[0] == out
    after = fleet.read_snapshot()
    assert after.runs[name] == before.runs[name]
    assert after.events == before.events
    hive("kill", "-y", name)
    _, err = hive("kill", name, "--dry-run", code=3)
    assert "has ended" in err


@pytest.mark.parametrize("command", ["kill", "stop", "reset", "merge"])
def test_what_asks_is_refused_without_a_terminal(
    fleet: OpenFleet, hive: Hive, repository: Repository, command: str
) -> None:
    found = issue(fleet, state="in-review" if command == "merge" else "in-progress")
    if command == "merge":
        pull(fleet, repository, found, CheckState.PASSED)
    else:
        start(fleet, found)
    before = fleet.read_snapshot()
    _, err = hive(command, *(() if command == "stop" else ("1",)), code=3)
    assert "no terminal to ask on" in err
    assert "-y does it without asking" in err
    after = fleet.read_snapshot()
    assert (after.runs, after.issues, after.pulls) == (before.runs, before.issues, before.pulls)
    assert after.fleet is not None
    assert after.fleet.paused is None


def test_kill_then_retry(fleet: OpenFleet, hive: Hive) -> None:
    found = issue(fleet, state="in-progress")
    name = start(fleet, found)
    _, err = hive("kill", "-y", "1")
    assert err == f"{name} ends; its work is saved.\n"
    fleet.cluster.settle_run(name)
    claim = fleet.cluster.get_claim(found.key)
    assert claim is not None
    assert claim.hold is not None
    _, err = hive("kill", name, code=3)
    assert "has ended" in err
    hive("retry", "1")
    claim = fleet.cluster.get_claim(found.key)
    assert claim is not None
    assert claim.hold is None
    assert fleet.forge.get_issue(found.key).labels == ("status:ready",)
    _, err = hive("kill", "99", code=2)
    assert "#1" in err


def test_send_takes_words_or_standard_input(
    fleet: OpenFleet, hive: Hive, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = start(fleet, issue(fleet))
    hive("send", "claude-a", "keep", "the flag")
    assert hive("events", "-o", "json")["events"][-1]["text"] == f"told {name}: keep the flag"
    hive("send", "1", " ", code=2)
    hive("send", "nobody", "x", code=2)


# Control


def test_slots(hive: Hive) -> None:
    assert hive("slots", "-o", "json") == {"schema": "hive/v1", "max": 2, "used": 0}
    hive("slots", "+3")
    hive("slots", "-1")
    assert hive("slots")[0] == "0/4\n"
    assert hive("slots", "0", "-o", "json")["max"] == 0
    for wrong in ("many", "1.5", "--5"):
        hive("slots", wrong, code=2)
    hive("slots", "-1", code=3)


def test_many_more_slots_are_asked_for_first(hive: Hive) -> None:
    _, err = hive("slots", "20", code=3)
    assert "20 slots asks first" in err
    assert "-y does it" in err
    assert hive("slots")[0] == "0/2\n"
    _, err = hive("slots", "-y", "20")
    assert err == "Slots: 20.\nBefore there were 2: up to 18 more agents work at once, and cost.\n"
    hive("slots", "40")
    hive("slots", "+5")
    assert hive("slots")[0] == "0/45\n"
    hive("slots", "91", code=3)


def test_runs_above_fewer_slots_are_counted_of_all(fleet: OpenFleet, hive: Hive) -> None:
    start(fleet, issue(fleet))
    start(fleet, issue(fleet), worker="claude-b")
    assert "1 of 2 runs is above that and goes on until it ends." in hive("slots", "1")[1]
    assert "2 of 2 runs are above that and go on until they end." in hive("slots", "0")[1]


def test_agents(hive: Hive) -> None:
    hive("agents", "disable", "claude")
    assert "─ disabled" in hive("agents", "list")[0]
    hive("agents", "enable", "claude")
    assert hive("agents", "list", "-o", "json")["agents"][0]["enabled"] is True
    _, err = hive("agents", "disable", "clade", code=2)
    assert "claude" in err


def test_stop_pauses_and_ends_every_run(fleet: OpenFleet, hive: Hive) -> None:
    start(fleet, issue(fleet))
    hive("stop", "-y", "--why", "enough")
    found = hive("top", "--once", "-o", "json")
    assert found["fleet"]["paused"]["why"] == "enough"
    assert found["runs"][0]["phase"] == "killed"


def test_stop_with_nobody_at_work_says_that_no_run_ends(hive: Hive) -> None:
    out, _ = hive("stop", "--dry-run")
    assert out == "The fleet is paused until `hive resume`. Nobody is at work, so no run ends.\n"


def test_reset_and_gc(fleet: OpenFleet, hive: Hive) -> None:
    found = issue(fleet, state="needs-human")
    hive("reset", "-y", "1")
    assert fleet.forge.get_issue(found.key).labels == ("status:ready",)
    assert hive("gc", "--dry-run", "-o", "json")["removed"] == []
    hive("gc", "--older-than", "soon", code=2)


@pytest.mark.parametrize(
    "command",
    [
        *(("pause",), ("resume",), ("stop",), ("slots", "+1"), ("agents", "disable", "claude")),
        *(("kill", "1"), ("reset", "1"), ("gc",), ("dispatch",), ("fire", "1"), ("retry", "1")),
        *(("send", "1", "x"), ("issue", "new", "x"), ("issue", "edit", "1", "--title", "x")),
        *(("issue", "close", "1"), ("issue", "approve", "1"), ("status", "1", "done"), ("merge", "1")),
        *(("take",), ("release",)),
    ],
    ids=" ".join,
)
def test_read_only_refuses_every_command_that_writes(
    fleet: OpenFleet, hive: Hive, dispatchers: list[str], command: tuple[str, ...]
) -> None:
    start(fleet, issue(fleet))
    before = hive("events", "-o", "json")
    _, err = hive("--read-only", *command, code=3)
    assert "read-only" in err
    assert hive("events", "-o", "json") == before
    assert dispatchers == []


# Issues and pull requests


def test_an_issue_from_the_command_line_is_ready(fleet: OpenFleet, hive: Hive) -> None:
    out, err = hive("issue", "new", "Faster", "--type", "bug", "--plan", "Do it", "--done", "it is fast")
    assert out == "me/proj#1 Faster\n"
    assert err == ""
    found = hive("issue", "show", "1", "-o", "json")
    assert found["body"] == "## Plan\nDo it\n\n## Definition of Done\n- [ ] it is fast\n"
    assert found["issue"]["labels"] == ["type:bug", "status:ready"]
    assert found["issue"]["author"] == "kay"
    assert [start["number"] for start in hive("next", "-o", "json")["start"]] == [1]


def test_what_holds_a_new_issue_is_said(hive: Hive) -> None:
    _, err = hive("issue", "new", "Vague", "--body", "please")
    assert "No agent starts on it yet: add `## Definition of Done`" in err
    assert hive("issue", "new", "Draft", "--draft", "-o", "json")["labels"] == []
    hive("issue", "new", "", code=2)
    hive("issue", "new", "one", "--title", "other", code=2)
    assert hive("issue", "new", "--title", "As gh has it", "-o", "json")["title"] == "As gh has it"
    hive("issue", "new", "x", "-F", "/no/such/file", code=1)
    hive("issue", "new", "x", "-F", "a", "--body", "b", code=2)


def test_issues_are_listed_by_state_and_label(fleet: OpenFleet, hive: Hive) -> None:
    issue(fleet, "One")
    issue(fleet, "Two", state="needs-human")
    fleet.forge.set_open(issue(fleet, "Three").key, False, by="kay")

    def numbers(*options: str) -> list[int]:
        return [entry["number"] for entry in hive("issue", "list", "-o", "json", *options)["issues"]]

    assert numbers() == [2, 1]
    assert numbers("--all") == [2, 1, 3]
    assert numbers("--state", "ready") == [1]
    assert numbers("--label", "status:needs-human") == [2]
    assert numbers("--label", "none") == []
    assert "needs-human" in hive("issue", "list")[0]


def test_edit_close_reopen_and_approve(fleet: OpenFleet, hive: Hive) -> None:
    found = issue(fleet)
    hive("issue", "edit", "1", "--title", "New", "--add-label", "x")
    assert fleet.forge.get_issue(found.key).title == "New"
    hive("issue", "edit", "1", code=2)
    hive("issue", "close", "1")
    assert not fleet.forge.get_issue(found.key).open
    hive("issue", "reopen", "1")
    hive("issue", "approve", "1")
    approval = fleet.forge.get_issue(found.key).approval
    assert approval is not None
    assert approval.by == "kay"


@pytest.mark.parametrize("name", ["in-review", "status:in-review"])
def test_a_status_by_its_name_or_label(fleet: OpenFleet, hive: Hive, name: str) -> None:
    found = issue(fleet)
    hive("status", "1", name)
    assert fleet.forge.get_issue(found.key).labels == ("status:in-review",)
    _, err = hive("status", "1", "in-reveiw", code=2)
    assert "in-review" in err


def test_a_pull_request_from_list_to_merge(fleet: OpenFleet, hive: Hive, repository: Repository) -> None:
    made = pull(fleet, repository, issue(fleet, state="in-review"), CheckState.PASSED)
    number = str(made.number)
    assert [entry["number"] for entry in hive("pr", "list", "-o", "json")["pull_requests"]] == [made.number]
    assert hive("pr", "show", number, "-o", "json")["obstacles"] == []
    assert "ready to merge: `hive merge 1`" in hive("pr", "show", number)[0]
    assert "+new" in hive("pr", "diff", f"!{number}")[0]
    found = hive("merge", "-y", "1", "-o", "json")["pull_requests"]
    assert [entry["state"] for entry in found] == ["merged"]
    assert repository.git("show", "main:file-1.txt") == "new"
    assert hive("pr", "list")[1] == "No pull requests.\n"
    assert "merged" in hive("pr", "list", "--all")[0]
    hive("merge", "1", code=3)


def test_a_merge_that_is_not_allowed_says_why(fleet: OpenFleet, hive: Hive, repository: Repository) -> None:
    made = pull(fleet, repository, issue(fleet, state="needs-human"), CheckState.FAILED)
    _, err = hive("merge", "1", code=3)
    assert "issue #1 has status:needs-human, not status:in-review" in err
    assert "check hive/tests failed" in err
    assert len(hive("pr", "show", str(made.number), "-o", "json")["obstacles"]) == 2
    issue(fleet)
    _, err = hive("merge", "3", code=2)
    assert "no pull request for me/proj#3" in err


def test_a_part_that_fails_leaves_the_rest_done(fleet: OpenFleet, hive: Hive, repository: Repository) -> None:
    good, bad = issue(fleet, state="in-review"), issue(fleet, state="in-review")
    pull(fleet, repository, good, CheckState.PASSED)
    pull(fleet, repository, bad, CheckState.FAILED)
    _, err = hive("merge", "-y", "1", "2", code=1)
    assert "check hive/tests failed" in err
    assert not fleet.forge.get_issue(good.key).open
    assert fleet.forge.get_issue(bad.key).open


def test_take_and_release(fleet: OpenFleet, hive: Hive, repository: Repository) -> None:
    hive("take", code=3)
    made = pull(fleet, repository, issue(fleet, state="in-review"), CheckState.PASSED)
    found = hive("take", "--worker", "claude-z", "-o", "json")["pull_requests"]
    assert [entry["lease"]["worker"] for entry in found] == ["claude-z"]
    assert "claude-z" in hive("top", "--once", "--section", "reservations")[0]
    hive("release", code=3)
    hive("release", f"!{made.number}", code=3)
    hive("release", "--worker", "claude-z")
    assert fleet.forge.get_pull(made.key).lease is None
    hive("take", "--worker", "not a name", code=2)


# As a process of its own


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HIVE_HOME": str(home), "HIVE_USER": "kay", "TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["top", "--once"], 0),
        (["top"], 2),
        (["merge", "1"], 2),
        (["fire", "1"], 2),
        (["--fleet", "nowhere", "ls"], 2),
        (["--read-only", "pause"], 3),
    ],
)
def test_exit_codes(fleet: OpenFleet, hive_home: Path, command: list[str], code: int) -> None:
    done = subprocess.run(
        [*HIVE, *command],
        env=environment(hive_home),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def in_terminal(home: Path, command: list[str], answer: str, *, question: bytes = b"]:") -> tuple[int, str]:
    """Run a command on a terminal of its own, answering its question."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*HIVE, *command],
        env=environment(home),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    try:
        while not shown.rstrip().endswith(question):
            shown += os.read(master, 4096)
        os.write(master, answer.encode())
        while True:
            try:
                chunk = os.read(master, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
    finally:
        os.close(master)
    return process.wait(30), shown.decode()


@pytest.mark.parametrize(("answer", "code", "phase"), [("\n", 1, "queued"), ("y\n", 0, "killed")])
def test_a_dangerous_command_asks_on_a_terminal_and_enter_cancels(
    fleet: OpenFleet, hive_home: Path, hive: Hive, answer: str, code: int, phase: str
) -> None:
    start(fleet, issue(fleet, "Mend the parser"))
    ended, shown = in_terminal(hive_home, ["kill", "1"], answer)
    assert ended == code, shown
    assert "Mend the parser" in shown
    assert "not started again until you retry" in shown
    assert "Kill? [y/N]:" in shown
    assert hive("ls", "-o", "json")["runs"][0]["phase"] == phase


def test_a_title_that_is_missing_is_asked_for_on_a_terminal_only(
    fleet: OpenFleet, hive_home: Path, hive: Hive
) -> None:
    command = ["issue", "new", "--plan", "Look.", "--done", "It works"]
    _, err = hive(*command, code=2)
    assert "title is missing" in err
    ended, shown = in_terminal(hive_home, command, "Mend the parser\n", question=b"Title:")
    assert ended == 0, shown
    assert [entry["title"] for entry in hive("issue", "list", "-o", "json")["issues"]] == ["Mend the parser"]


def test_watching_prints_again_on_every_change(fleet: OpenFleet, hive_home: Path) -> None:
    issue(fleet, "First")
    command = [*HIVE, "top", "--once", "--watch", "0", "--section", "issues"]
    with subprocess.Popen(command, env=environment(hive_home), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not any("First" in line for line in lines):
            lines.append(process.stdout.readline())
        issue(fleet, "Second")
        while not any("Second" in line for line in lines):
            lines.append(process.stdout.readline())
        process.kill()
    assert sum(line.startswith("ISSUES") for line in lines) >= 2


def test_once_opens_nothing_for_writing(fleet: OpenFleet, hive: Hive) -> None:
    hive("top", "--once")
    assert not (fleet.home / "fleet.db").exists()
    issue(fleet)
    with closing(sqlite3.connect(fleet.home / "fleet.db")) as connection:
        before = connection.execute("SELECT max(seq) FROM changes").fetchone()
        hive("top", "--once")
        assert connection.execute("SELECT max(seq) FROM changes").fetchone() == before
