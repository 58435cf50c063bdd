"""`hive costs`: what transcripts on this machine come to, as text and as JSON."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from hive_tui.cli import root
from tests.corpus import HERE


@pytest.fixture(autouse=True)
def transcripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HERE / "claude" / "success" / "claude-home", tmp_path / "claude")
    shutil.copytree(HERE / "codex" / "success" / "codex-home", tmp_path / "codex")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))


def hive(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(root, ["costs", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_both_agents_count_by_model_the_costliest_first() -> None:
    found = msgspec.json.decode(hive("--by", "model", "-o", "json"))
    assert [each["key"] for each in found["costs"]] == ["claude-opus-5-5", "gpt-6.1-sol"]
    assert found["costs"][0]["cost_micros"] == 83_302  # as the CLI's own result says
    assert found["total"]["calls"] == 10


def test_a_day_a_session_and_a_project_have_their_lines() -> None:
    assert "2026-11-21" in hive("--timezone", "UTC")
    assert "/workspaces/success" in hive("--by", "project")
    assert "780fd9ba" in hive("--by", "session")


def test_blocks_begin_with_their_first_hour() -> None:
    (block,) = msgspec.json.decode(hive("--by", "block", "-o", "json"))["costs"]
    assert block["key"] == "2026-11-21T01:00:00+00:00"
    assert (block["calls"], block["gap"]) == (10, False)


def test_a_time_in_which_nothing_was_used_says_so() -> None:
    assert "Nothing was used" in hive("--until", "2026-01-01")


def test_an_unknown_time_zone_is_named() -> None:
    assert "no time zone 'Mars/Olympus'" in hive("--timezone", "Mars/Olympus", code=2)
