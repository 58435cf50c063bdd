"""How the agent CLIs are started and found."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from backends.agents.claude import ClaudeAgent
from backends.agents.codex import CodexAgent
from hive_tui.core.ids import AgentName
from hive_tui.core.ports import Agent, AgentJob
from hive_tui.core.text import secret_values

PROMPT = "Do it.\nIts secret is no-argument."


def job(backend: str, **changes: object) -> AgentJob:
    return msgspec.structs.replace(AgentJob(AgentName(backend), backend), **changes)


def test_the_prompt_is_never_an_argument(tmp_path: Path) -> None:
    for agent in (ClaudeAgent(), CodexAgent()):
        launch = agent.launch(job(agent.name), PROMPT, session=None, workdir=tmp_path)
        assert not any("secret" in word for word in launch.argv)
        assert b"secret" in launch.stdin


def test_claude_speaks_json_both_ways(tmp_path: Path) -> None:
    given = job(
        "claude",
        model="opus",
        max_turns=7,
        allowed_tools=("Bash(git add:*)", "Bash(ls:*)"),
        command="/opt/claude",
    )
    launch = ClaudeAgent().launch(given, PROMPT, session="s-1", workdir=tmp_path)
    words = " ".join(launch.argv)
    assert launch.argv[:3] == ("/opt/claude", "-p", "--verbose")
    for part in (
        "--input-format stream-json --output-format stream-json",
        "--replay-user-messages",
        "--permission-mode acceptEdits",
        "--allowedTools Bash(git add:*) Bash(ls:*) --model opus",
        "--max-turns 7",
        "--resume s-1",
    ):
        assert part in words
    assert launch.keep_stdin
    message = msgspec.json.decode(launch.stdin)
    assert launch.stdin.endswith(b"\n")
    assert message["message"]["content"] == [{"type": "text", "text": PROMPT}]
    assert "IS_SANDBOX" not in launch.env


def test_root_may_bypass_permissions_where_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = job("claude", permission_mode="bypassPermissions")
    for user, expected in ((0, "1"), (1000, None)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        launch = ClaudeAgent().launch(given, PROMPT, session=None, workdir=tmp_path)
        assert launch.env.get("IS_SANDBOX") == expected


def test_codex_reads_its_prompt_to_the_end(tmp_path: Path) -> None:
    launch = CodexAgent().launch(job("codex", model="m"), PROMPT, session="t-1", workdir=tmp_path)
    assert launch.argv[:3] == ("codex", "exec", "--json")
    assert launch.argv[-3:] == ("resume", "t-1", "-")
    assert launch.argv[launch.argv.index("--sandbox") + 1] == "workspace-write"
    assert launch.stdin == PROMPT.encode()
    assert not launch.keep_stdin
    assert CodexAgent().parser().wants_stdin_closed


def test_keys_are_masked_and_addresses_are_not() -> None:
    for agent in (ClaudeAgent(), CodexAgent()):
        environment = {name: f"value of {name}" for name in agent.credentials}
        masked = {value.removeprefix("value of ") for value in secret_values(environment, agent.credentials)}
        assert {name for name in agent.credentials if name.endswith(("KEY", "TOKEN", "HEADERS"))} <= masked
        assert not {"ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "OPENAI_BASE_URL", "HTTPS_PROXY"} & masked
    assert secret_values({"NEW_AGENT_THING": "x"}, ("NEW_AGENT_THING", "ABSENT")) == ("x",)


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no agent is logged in, and none installed."""
    for agent in (ClaudeAgent(), CodexAgent()):
        for name in agent.credentials:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("agent", [ClaudeAgent(), CodexAgent()], ids=lambda agent: agent.name)
def test_what_is_missing_is_said(agent: Agent, nobody: Path) -> None:
    probe = agent.probe(str(nobody / "nothing"))
    assert not probe.found
    assert probe.hint is not None
    assert "npm install" in probe.hint
    broken = agent.probe(str(program(nobody / "broken", "echo no such library >&2; exit 127")))
    assert not broken.found
    assert broken.problem is not None
    assert "no such library" in broken.problem


def test_what_is_there_is_found(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("claude", "codex"):
        program(nobody / name, "echo '1.2.3 (\x1b[31mAgent)'")
    for agent, key, login in (
        (ClaudeAgent(), "ANTHROPIC_API_KEY", ".claude/.credentials.json"),
        (CodexAgent(), "CODEX_API_KEY", ".codex/auth.json"),
    ):
        probe = agent.probe(None)
        assert (probe.found, probe.version) == (True, "1.2.3 (Agent)")
        if os.uname().sysname != "Darwin":
            assert probe.logged_in is False
            assert probe.hint is not None
        with monkeypatch.context() as patch:
            patch.setenv(key, "k")
            assert agent.probe(None).logged_in is True
        if agent.name == "claude":
            (nobody / ".claude.json").write_text('{"primaryApiKey": "k"}')
            assert agent.probe(None).logged_in is True
            (nobody / ".claude.json").unlink()
        (nobody / login).parent.mkdir()
        (nobody / login).write_text("{}")
        assert agent.probe(None).logged_in is True
