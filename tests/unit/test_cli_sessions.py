"""`hive sessions --once`: who works here, as text and as JSON."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from hive_tui.cli import root, run
from hive_tui.system import processes
from tests.corpus import HERE

CLAUDE = "780fd9ba"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(HERE / "claude" / "success" / "claude-home", tmp_path / "claude")
    shutil.copytree(HERE / "codex" / "success" / "codex-home", tmp_path / "codex")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    return tmp_path


def hive(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(root, ["sessions", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def begin(home: Path) -> None:
    """This process is Claude Code's, at work on its session."""
    own = processes.identify()
    (transcript,) = (home / "claude" / "projects").rglob("*.jsonl")
    assert own is not None
    (home / "claude" / "sessions").mkdir()
    facts = {"pid": own.pid, "sessionId": transcript.stem, "procStart": own.start, "status": "busy"}
    (home / "claude" / "sessions" / f"{own.pid}.json").write_bytes(msgspec.json.encode(facts))


def test_a_session_at_work_comes_first(home: Path) -> None:
    begin(home)
    lines = hive("--once").splitlines()
    first = next(index for index, line in enumerate(lines) if "state" in line) + 1
    assert all(word in lines[first] for word in ("◐ busy", "claude", "/workspaces/success", "$0.08"))
    assert "· ended" in lines[first + 1]
    assert "gpt-6.1-sol" in lines[first + 1]


def test_as_json_all_of_it(home: Path) -> None:
    begin(home)
    found = msgspec.json.decode(hive("--once", "-o", "json"))
    claude, codex = found["sessions"]
    assert (claude["live"], claude["pid"], claude["status"]) == (True, os.getpid(), "busy")
    assert claude["cost_micros"] == 83_302  # as the CLI's own result says
    assert claude["context_window"] == 1_000_000
    assert claude["resume"] == f"cd /workspaces/success && claude --resume {claude['session']}"
    assert claude["last"] == "Done: added hello.py and committed."
    assert (codex["live"], codex["pid"], codex["context_window"]) == (False, None, 258_400)
    assert codex["resume"].startswith("cd /workspaces/codex_success && codex resume 01a1fbb6")
    assert found["schema"] == "hive/v1"


def test_older_sessions_are_counted_and_listed_on_demand(home: Path) -> None:
    long_ago = time.time() - 10 * 86_400
    for path in home.rglob("*.jsonl"):
        path.write_bytes(path.read_bytes().replace(b"2026-11-21", b"2025-11-21"))
        os.utime(path, (long_ago, long_ago))
    assert "2 older sessions: --since 30d lists more" in hive("--once")
    assert CLAUDE in hive("--once", "--since", "30d", "-o", "json")


def test_where_nobody_ever_worked_it_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home / "none"))
    monkeypatch.setenv("CODEX_HOME", str(home / "nowhere"))
    said = hive("--once")
    assert f"No session of Claude Code or Codex was found in {home}/none/projects" in said
    assert "CLAUDE_CONFIG_DIR" in said
    assert msgspec.json.decode(hive("--once", "-o", "json").partition("\n}")[0] + "\n}")["sessions"] == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["-o", "json"], "Add --once."), (["--since", "2d"], "Add --once."), ([], "hive sessions --once")],
)
def test_what_cannot_be_meant_names_the_way(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sessions", *arguments]) == 2
    assert hint in capsys.readouterr().err
