"""The scripted agent's player, as a real process in a real repository."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.agents.scripted import ScriptedAgent
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    Outcome,
    Question,
    Raw,
    Said,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.ports import AgentJob
from hive_tui.system import git

pytestmark = pytest.mark.e2e

DEADLINE = 20.0


class Play:
    """One player process, driven as a runner would."""

    def __init__(self, process: subprocess.Popen[bytes], before: AgentResult | None) -> None:
        self.process = process
        self.parser = ScriptedAgent().parser(before=before)
        self.events: list[AnyEvent] = []
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

    def step(self) -> bool:
        """Read what is there; False at the end."""
        assert self.process.stdout is not None
        data = self.process.stdout.read()
        if data:
            self.events += self.parser.feed(data)
        if self.parser.wants_stdin_closed:
            self.close()
        return data is None or data != b""

    def until(self, kind: type) -> AnyEvent:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            going = self.step()
            for event in self.events:
                if isinstance(event, kind):
                    return event
            assert going, self.events
            time.sleep(0.005)
        raise AssertionError(f"no {kind.__name__} in {self.events}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self) -> AgentResult:
        deadline = time.monotonic() + DEADLINE
        while self.step():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.005)
        code = self.process.wait(DEADLINE)
        assert self.process.stderr is not None
        return self.parser.finish(code, self.process.stderr.read().decode())

    def of(self, kind: type) -> list[AnyEvent]:
        return [event for event in self.events if isinstance(event, kind)]


class Stage:
    """A work tree and a folder of scenarios."""

    def __init__(self, root: Path) -> None:
        self.scenarios = root / "scénarios here"
        self.scenarios.mkdir()
        self.work = root / "work"
        self.work.mkdir()
        git.run("init", "-q", "-b", "main", self.work)
        (self.work / "a.txt").write_text("one\ntwo\n")
        git.run("add", "--all", cwd=self.work)
        identity = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
        git.run(*identity, "commit", "-qm", "base", cwd=self.work)
        self.plays: list[Play] = []

    def scenario(self, text: str, name: str = "default") -> None:
        (self.scenarios / f"{name}.yaml").write_text(text, encoding="utf-8")

    def play(
        self,
        prompt: str = "Work.",
        *,
        session: str | None = None,
        before: AgentResult | None = None,
        env: dict[str, str] | None = None,
        speed: str = "100",
    ) -> Play:
        job = AgentJob(
            AgentName("robin"),
            "scripted",
            model="robin-1",
            options={"scenarios": str(self.scenarios), "speed": speed},
        )
        launch = ScriptedAgent().launch(job, prompt, session=session, workdir=self.work)
        process = subprocess.Popen(
            launch.argv,
            cwd=self.work,
            env={"PATH": os.environ["PATH"], "HOME": str(self.work.parent), **launch.env, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        play = Play(process, before)
        play.write(launch.stdin)
        self.plays.append(play)
        return play

    def log(self) -> list[str]:
        return git.text("log", "--format=%an: %s", cwd=self.work).splitlines()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for play in stage.plays:
        if play.process.poll() is None:
            play.process.kill()
        play.process.wait(DEADLINE)
        for pipe in (play.process.stdin, play.process.stdout, play.process.stderr):
            assert pipe is not None
            pipe.close()


def test_it_edits_runs_commits_and_counts(stage: Stage) -> None:
    stage.scenario(
        """
        about: everything once
        each_step: {output: 10, cost: 0.01}
        steps:
          - think: Let me see.
          - read: a.txt
          - replace: {path: a.txt, old: two, new: "2"}
          - append: {path: a.txt, text: "three\\n"}
          - write: {path: deep/er/b.txt, text: "x\\ny\\n"}
          - run: cat a.txt; exit 3
          - run: {command: sleep 30, timeout: 0.1}
          - use: {input: 5, cache_read: 7, cache_write: 9, cost: 0.5}
          - commit: "Change things\\n\\nWith a body."
          - commit: again
          - say: That is it.
        """
    )
    play = stage.play()
    result = play.finish()
    assert (result.outcome, result.why, result.text) == (Outcome.SUCCEEDED, "completed", "That is it.")
    assert result.usage == Usage(Tokens(input=5, output=110, cache_read=7, cache_write=9), 610_000)
    assert result.model == "robin-1"
    assert stage.log() == ["robin: Change things", "t: base"]
    assert git.text("show", "HEAD:a.txt", cwd=stage.work) == "one\n2\nthree"
    assert git.text("status", "--porcelain", cwd=stage.work) == ""
    calls = [(event.name, event.argument) for event in play.events if isinstance(event, ToolCall)]
    assert ("Edit", "a.txt") in calls
    assert ("Bash", "git commit -m 'Change things'") in calls
    codes = [event.exit_code for event in play.events if isinstance(event, ToolResult)]
    assert 3 in codes
    assert 124 in codes
    reports = [event.usage.cost_micros for event in play.events if isinstance(event, UsageReport)]
    assert reports == sorted(reports, key=lambda cost: cost or 0)
    assert len(reports) == 12


def test_a_resumed_session_plays_the_second_round_and_its_usage_goes_on(stage: Stage) -> None:
    stage.scenario(
        """
        each_step: {output: 1, cost: 0.1}
        rounds:
          - - write: {path: b.txt, text: bad}
            - commit: First
          - - write: {path: b.txt, text: good}
            - commit: Second
        """
    )
    first = stage.play().finish()
    second = stage.play("Findings: it is bad.", session=first.session, before=first).finish()
    assert second.session == first.session
    assert first.usage == second.usage == Usage(Tokens(0, 2, 0, 0), 200_000)
    assert stage.log()[:2] == ["robin: Second", "robin: First"]
    third = stage.play("Findings: still.", session=first.session, before=second).finish()
    assert third.outcome is Outcome.SUCCEEDED
    assert stage.log()[0] == "robin: Second"


def test_a_new_session_after_a_finished_one_plays_the_second_round(stage: Stage) -> None:
    stage.scenario("{each_step: {output: 1, cost: 0.1}, rounds: [[{say: one}], [{say: two}]]}")
    first = stage.play().finish()
    second = stage.play("Findings: no.", before=first).finish()
    assert (first.text, second.text) == ("one", "two")
    assert second.session != first.session
    assert first.usage.cost_micros == second.usage.cost_micros == 100_000


def test_a_limit_ends_the_process_and_a_resumed_session_goes_on_behind_it(stage: Stage) -> None:
    stage.scenario(
        """
        steps:
          - append: {path: a.txt, text: "once\\n"}
          - limit: {text: "5-hour limit reached", reset_after: 60}
          - say: back again
        """
    )
    play = stage.play(speed="30")
    first = play.finish()
    assert first.outcome is Outcome.LIMITED
    assert first.why == "5-hour limit reached"
    assert first.until is not None
    early = stage.play("Go on.", session=first.session, before=first, speed="30").finish()
    assert early.outcome is Outcome.LIMITED
    assert early.until == first.until
    deadline = time.monotonic() + DEADLINE
    while (last := stage.play("Go on.", session=first.session, before=first).finish()).until is not None:
        assert time.monotonic() < deadline
    assert (last.outcome, last.text) == (Outcome.SUCCEEDED, "back again")
    assert (stage.work / "a.txt").read_text().count("once") == 1


def test_it_asks_and_hears_the_answer(stage: Stage) -> None:
    stage.scenario(
        """
        steps:
          - ask: {question: "Tabs or spaces?", wait: 100000}
          - write: {path: choice.txt, text: "{answer}"}
        """
    )
    play = stage.play()
    question = play.until(Question)
    assert isinstance(question, Question)
    assert question.text == "Tabs or spaces?"
    play.write(ScriptedAgent().message("spaces"))
    assert play.finish().outcome is Outcome.SUCCEEDED
    assert (stage.work / "choice.txt").read_text() == "spaces"


def test_it_decides_by_itself_when_nobody_answers(stage: Stage) -> None:
    stage.scenario("steps: [{ask: {question: 'Which?', wait: 1, default: the first}}]")
    play = stage.play()
    play.finish()
    assert any("the first" in event.text for event in play.events if isinstance(event, Said))


def test_messages_are_heard_between_steps(stage: Stage) -> None:
    stage.scenario("steps: [{think: hm}, {pause: 100000}, {say: done}]")
    play = stage.play()
    play.until(Thinking)
    play.write(ScriptedAgent().message("hurry up"))
    said = play.until(Said)
    assert isinstance(said, Said)
    assert said.text == "Noted: hurry up"


@pytest.mark.parametrize(
    ("number", "code", "why"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, -15, "signal 15 without a result")],
)
def test_signals_end_it(stage: Stage, number: signal.Signals, code: int, why: str) -> None:
    stage.scenario("steps: [{think: hm}, {stall: 100000}]")
    play = stage.play()
    play.until(Thinking)
    play.process.send_signal(number)
    result = play.finish()
    assert play.process.returncode == code
    assert (result.outcome, result.why) == (Outcome.FAILED, why)


def test_it_can_ignore_signals_but_not_the_last_one(stage: Stage) -> None:
    stage.scenario(
        "steps: [{ignore_signals: 1000}, {think: now deaf}, {pause: 20}, {say: still here}, {stall: 100000}]"
    )
    play = stage.play()
    play.until(Thinking)
    play.process.send_signal(signal.SIGINT)
    play.process.send_signal(signal.SIGTERM)
    play.until(Said)
    play.process.kill()
    assert play.finish().why == "signal 9 without a result"


@pytest.mark.parametrize(
    ("step", "outcome", "why", "unavailable"),
    [
        ("{fail: {text: I give up}}", Outcome.FAILED, "I give up", False),
        ("{fail: {text: odd, exit_code: 7}}", Outcome.FAILED, "odd", False),
        ("{crash: 11}", Outcome.FAILED, "signal 11 without a result", False),
        ("{crash: 9}", Outcome.FAILED, "signal 9 without a result", False),
        (
            "{unavailable: Please log in}",
            Outcome.FAILED,
            "exit 69 without a result: Please log in",
            True,
        ),
        ("{limit: {text: No credit, billing: true}}", Outcome.LIMITED, "No credit", False),
    ],
)
def test_it_fails_in_many_ways(
    stage: Stage, step: str, outcome: Outcome, why: str, unavailable: bool
) -> None:
    stage.scenario(f"steps: [{{say: so}}, {step}, {{say: never}}]")
    result = stage.play().finish()
    assert (result.outcome, result.why, result.unavailable) == (outcome, why, unavailable)
    assert result.billing == ("billing" in step)


def test_hostile_output_is_harmless_after_the_parser(stage: Stage) -> None:
    stage.scenario('steps: [{hostile: []}, {raw: \'{"kind": "new thing"}\'}, {say: over}]')
    play = stage.play()
    result = play.finish()
    assert result.outcome is Outcome.SUCCEEDED
    shown = "".join(str(event) for event in play.events)
    for bad in ("\x1b", "\x07", "\x9b", "\x00", "\u202e", "\u200b", "ghp_A1b2", "cm0gLXJmIH4="):
        assert bad not in shown
    assert max(len(event.text) for event in play.events if isinstance(event, Said | Raw)) <= 65_536
    assert any("[bold red]not markup[/]" in event.text for event in play.events if isinstance(event, Raw))
    assert Raw(text='{"kind": "new thing"}') in play.events


@pytest.mark.parametrize(
    ("env", "prompt", "said"),
    [
        ({"HIVE_RUN": "pocket-1a2b3c4d-i7-a1"}, "Issue #9", "seven"),
        ({"HIVE_RUN": "pocket-1a2b3c4d-i7-a2"}, "Issue #9", "seven again"),
        ({}, "Issue #7: do it", "seven"),
        ({}, "Issue #8", "default"),
        ({"HIVE_RUN": "pocket-1a2b3c4d-i7-a1"}, "Do.\nScenario: special\n", "special"),
    ],
)
def test_the_scenario_is_chosen_by_prompt_run_or_issue(
    stage: Stage, env: dict[str, str], prompt: str, said: str
) -> None:
    for name, words in (
        ("default", "default"),
        ("issue-7", "seven"),
        ("issue-7-a2", "seven again"),
        ("special", "special"),
    ):
        stage.scenario(f"steps: [{{say: {words}}}]", name)
    assert stage.play(prompt, env=env).finish().text == said


def test_the_checked_out_branch_tells_the_issue(stage: Stage) -> None:
    git.run("switch", "-q", "-c", "hive/issue-3-a1", cwd=stage.work)
    stage.scenario("steps: [{say: three}]", "issue-3")
    assert stage.play("Work.").finish().text == "three"


def test_a_broken_or_missing_scenario_makes_the_agent_unavailable(stage: Stage) -> None:
    missing = stage.play()
    result = missing.finish()
    assert result.unavailable
    assert isinstance(missing.until(AgentError), AgentError)
    stage.scenario("steps: [{sya: hello}]")
    result = stage.play().finish()
    assert result.unavailable
    assert "steps[0].sya: unknown key" in result.why
    assert "`say`" in result.why


def test_an_unknown_session_fails(stage: Stage) -> None:
    stage.scenario("steps: []")
    result = stage.play(session="none").finish()
    assert result.outcome is Outcome.FAILED
    assert "No session none" in result.why
