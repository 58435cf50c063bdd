"""The real Claude Code CLI, started as hive starts it, against a scripted model server."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest

from backends.agents.claude import ClaudeAgent
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    Limit,
    Note,
    Outcome,
    Question,
    Session,
    ToolCall,
    ToolResult,
)
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Tokens
from hive_tui.core.ports import AgentJob
from tests.fakes.model_server import (
    BAD_KEY,
    NO_CREDIT,
    OVERLOADED,
    Failure,
    Figures,
    ModelServer,
    Reply,
    bash,
    write,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("claude") is None, reason="Claude Code (`claude`) is not on PATH"),
]

PATIENCE = 90.0
"""Seconds for one process of the CLI; it needs one or two on an idle machine."""

JOB = AgentJob(
    AgentName("claude"),
    "claude",
    model="claude-haiku-4-5",
    allowed_tools=("Bash(git add:*)", "Bash(git commit:*)", "Bash(ls:*)"),
    max_turns=20,
)


COMMIT = "git add hello.py && git commit -qm 'Say hello'"


class Desk:
    """A home and a repository of their own, and the CLI at work in them."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.home, self.work = folder / "home", folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.server = server
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **server.environment(),
        }
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "tester")
        self.git("config", "user.email", "tester@example.invalid")
        self.git("commit", "-q", "--allow-empty", "-m", "Begin")

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.work, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout

    def ask(
        self, prompt: str, *, before: AgentResult | None = None, tell: str | None = None, job: AgentJob = JOB
    ) -> tuple[list[AnyEvent], AgentResult]:
        """One process: `tell` is said to it when its first tool is at work."""
        agent = ClaudeAgent()
        session = before.session if before else None
        launch = agent.launch(job, prompt, session=session, workdir=self.work)
        parser = agent.parser(before=before)
        events: list[AnyEvent] = []
        out, err = self.home / "out", self.home / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                launch.argv,
                cwd=self.work,
                env={**self.environment, **launch.env},
                stdin=subprocess.PIPE,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        assert process.stdin is not None
        with process, out.open("rb") as heard:
            process.stdin.write(launch.stdin)
            process.stdin.flush()
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                events += parser.feed(heard.read())
                if tell is not None and any(isinstance(event, ToolCall) for event in events):
                    process.stdin.write(agent.message(tell))
                    process.stdin.flush()
                    tell = None
                if parser.wants_stdin_closed and not process.stdin.closed:
                    process.stdin.close()
                time.sleep(0.02)
            if process.poll() is None:
                process.kill()
            code = process.wait()
            events += parser.feed(heard.read())
        return events, parser.finish(code, err.read_text(errors="replace"))


def test_it_edits_and_commits_and_says_what_it_used(tmp_path: Path) -> None:
    target = tmp_path / "work" / "hello.py"
    script = (
        Reply("I look.", (bash("ls -la"),), Figures(20, 40, 0, 1000)),
        OVERLOADED,
        Reply("I write.", (write(str(target), "print('hello')\n"),), Figures(20, 50, 1000, 100)),
        Reply("I commit.", (bash(COMMIT),), Figures(20, 60, 1100, 100)),
        Reply("All done.", usage=Figures(20, 10, 1200, 50)),
    )
    with ModelServer(*script) as server:
        desk = Desk(tmp_path, server)
        events, result = desk.ask("Add hello.py")
        prompt = msgspec.json.encode(server.requests[0]["messages"])
        again, resumed = desk.ask("Is it there?", before=result)
    assert (result.outcome, result.why) == (Outcome.SUCCEEDED, "completed")
    assert b"Add hello.py" in prompt
    assert desk.git("log", "--format=%s") == "Say hello\nBegin\n"
    assert desk.git("show", "HEAD:hello.py") == "print('hello')\n"
    # 80 in, 160 out at 1 and 5 dollars per million, 1250 into the cache at 1.25, 3300 from it at 0.1.
    assert result.usage.tokens == Tokens(80, 160, 3300, 1250)
    assert result.usage.cost_micros == 2773
    assert not result.usage.estimated
    assert result.text == "All done."
    assert isinstance(events[0], Session)
    assert events[0].model == result.model == "claude-haiku-4-5"
    calls = [(event.name, event.argument, event.added) for event in events if isinstance(event, ToolCall)]
    assert calls == [
        ("Bash", "ls -la", None),
        ("Write", "hello.py", 1),
        ("Bash", COMMIT, None),
    ]
    assert not any(event.failed for event in events if isinstance(event, ToolResult))
    assert any(isinstance(event, AgentError) and event.retrying for event in events)
    # The same session goes on, and only what is new counts.
    assert (resumed.outcome, resumed.session) == (Outcome.SUCCEEDED, result.session)
    assert resumed.usage.tokens == Tokens(20, 30, 0, 0)
    assert resumed.usage.cost_micros == 170
    assert len(server.requests[-1]["messages"]) > len(server.requests[-2]["messages"])
    assert isinstance(again[0], Session)


def test_what_a_person_says_meanwhile_reaches_it(tmp_path: Path) -> None:
    script = (Reply("I wait.", (bash("ls && sleep 1"),)), Reply("I heard you."), Reply("And I answer."))
    job = msgspec.structs.replace(JOB, allowed_tools=("Bash",))
    with ModelServer(*script) as server:
        events, result = Desk(tmp_path, server).ask("Wait", tell="Use tabs, please", job=job)
        said = msgspec.json.encode([request["messages"] for request in server.requests])
    assert result.outcome is Outcome.SUCCEEDED
    assert b"Use tabs, please" in said
    assert Note(text="heard: Use tabs, please") in events


def test_what_it_may_not_do_is_asked_of_a_person(tmp_path: Path) -> None:
    with ModelServer(Reply("I delete.", (bash("rm -rf /tmp/none"),)), Reply("Denied.")) as server:
        events, result = Desk(tmp_path, server).ask("Delete it")
    assert result.outcome is Outcome.SUCCEEDED
    assert [event.text for event in events if isinstance(event, Question)] == [
        "was denied Bash rm -rf /tmp/none"
    ]


@pytest.mark.parametrize(
    ("failure", "outcome", "billing", "unavailable"),
    [
        (NO_CREDIT, Outcome.LIMITED, True, False),
        (BAD_KEY, Outcome.FAILED, False, True),
        (
            Failure(
                429,
                "rate_limit_error",
                "You have reached your specified API usage limits. You will regain access on "
                "2099-12-01 at 00:00 UTC.",
                {"x-should-retry": "false"},
            ),
            Outcome.LIMITED,
            False,
            False,
        ),
    ],
    ids=["credit", "login", "limit"],
)
def test_what_is_no_fault_of_the_issue(
    tmp_path: Path, failure: Failure, outcome: Outcome, billing: bool, unavailable: bool
) -> None:
    with ModelServer(*[failure] * 30) as server:
        events, result = Desk(tmp_path, server).ask("Try")
    assert (result.outcome, result.billing, result.unavailable) == (outcome, billing, unavailable), result
    limits = [event for event in events if isinstance(event, Limit)]
    assert len(limits) == (outcome is Outcome.LIMITED)
    assert (result.until is not None) == (failure.status == 429)
