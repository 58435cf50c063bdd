"""What only the agent's side on a laptop does, with real processes; the rest is in tests/contract."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backends.clusters.local.sandbox import LocalProcess, LocalSandbox
from hive_tui.system import git, processes
from tests.fakes.run_host import repository, running, until

NOW = timedelta(0)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[LocalSandbox]:
    folder = tmp_path / "the wörk"
    folder.mkdir()
    sandbox = LocalSandbox(folder, f"run-{tmp_path.name}")
    yield sandbox
    sandbox.end_everything(grace=NOW)


def start(box: LocalSandbox, *argv: str) -> LocalProcess:
    out = box.workdir.parent / "out"
    return box.start(argv, env={}, stdout=out, stderr=out)


def test_what_emptied_its_environment_is_ended_with_its_group(box: LocalSandbox) -> None:
    start(box, "sh", "-c", "env -i /bin/sleep 4731 &").wait(10)
    until(lambda: running("sleep\x004731"))
    box.end_everything(grace=NOW)
    until(lambda: not running("sleep\x004731"))


def test_other_runs_and_oneself_are_left_alone(box: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    other = LocalSandbox(box.workdir, "run-other")
    process = start(other, "sleep", "60")
    monkeypatch.setenv("HIVE_RUN", "outer")
    LocalSandbox(box.workdir, "outer").end_everything(grace=NOW)
    box.end_everything(grace=NOW)
    assert process.poll() is None
    other.end_everything(grace=NOW)
    assert processes.carrying("HIVE_RUN", "run-other") == []


def test_a_users_signing_key_and_hooks_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[commit]\n gpgSign = true\n[gpg]\n program = /bin/false\n", encoding="ascii"
    )
    monkeypatch.setenv("HOME", str(home))
    source = repository(tmp_path / "source", {"a.txt": "1\n"})
    bare = tmp_path / "own.git"
    git.run("clone", "--quiet", "--bare", source, bare)
    box = LocalSandbox(tmp_path / "work", "run-1")
    box.clone(bare, git.text("rev-parse", "main", cwd=source), "b")
    commit = ("git", "-c", "user.name=x", "-c", "user.email=y", "commit", "-q", "--allow-empty", "-m", "x")
    box.stream(commit, stdin=b"", limit=1_000, timeout=30)
    assert subprocess.run(
        ("git", "log", "--oneline"), cwd=box.workdir, check=True, capture_output=True
    ).stdout
