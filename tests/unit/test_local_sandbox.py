"""The agent's side on a laptop, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backends.clusters.local.sandbox import LocalProcess, LocalSandbox
from hive_tui.core.errors import GitError, HiveError, WorkRejected
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


def start(box: LocalSandbox, *argv: str, stdin: bool = False, inherit: tuple[str, ...] = ()) -> LocalProcess:
    out = box.workdir.parent / "out"
    return box.start(argv, env={"MINE": "1"}, stdout=out, stderr=out, inherit=inherit, stdin=stdin)


def said(box: LocalSandbox) -> str:
    return (box.workdir.parent / "out").read_text(encoding="utf-8")


def test_only_harmless_and_named_variables_pass(box: LocalSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "SSH_AUTH_SOCK", "GIT_DIR", "PYTHONPATH", "MY_KEY", "OTHER_KEY", "LC_TIME"):
        monkeypatch.setenv(name, f"value of {name}")
    process = start(box, "env", inherit=("MY_KEY", "GITHUB_TOKEN", "NOT_SET"))
    assert process.wait(10) == 0
    names = {line.partition("=")[0] for line in said(box).splitlines()}
    assert {"MY_KEY", "LC_TIME", "MINE", "HIVE_RUN", "PATH"} <= names
    assert not names & {"GITHUB_TOKEN", "SSH_AUTH_SOCK", "GIT_DIR", "PYTHONPATH", "OTHER_KEY", "NOT_SET"}


def test_output_is_appended_and_private(box: LocalSandbox) -> None:
    for word in ("one", "two"):
        start(box, "echo", word).wait(10)
    assert said(box) == "one\ntwo\n"
    assert (box.workdir.parent / "out").stat().st_mode & 0o077 == 0


def test_exit_codes_and_signals(box: LocalSandbox) -> None:
    assert start(box, "sh", "-c", "exit 7").wait(10) == 7
    process = start(box, "sleep", "60")
    assert process.poll() is None
    assert process.wait(0.01) is None
    process.signal(15)
    assert process.wait(10) == -15
    process.signal(9)


def test_a_program_that_is_not_there_is_named(box: LocalSandbox) -> None:
    with pytest.raises(HiveError, match="/no/such/agent"):
        start(box, "/no/such/agent")
    with pytest.raises(HiveError):
        start(box, "echo", "nul\0byte")


def test_a_reader_that_does_not_read_blocks_nobody(box: LocalSandbox) -> None:
    process = start(box, "sleep", "60", stdin=True)
    begun = time.monotonic()
    process.write(b"x" * 10_000_000)
    process.close_stdin()
    assert time.monotonic() - begun < 5
    process.signal(9)
    process.wait(10)


def test_a_slow_reader_gets_everything(box: LocalSandbox) -> None:
    process = start(box, "sh", "-c", "sleep 0.2; wc -c", stdin=True)
    process.write(b"x" * 3_000_000)
    process.close_stdin()
    until(lambda: process.poll() is not None)
    assert said(box).split() == ["3000000"]


def test_a_reader_that_has_gone_is_no_error(box: LocalSandbox) -> None:
    process = start(box, "true", stdin=True)
    process.wait(10)
    process.write(b"x" * 1_000_000)
    process.close_stdin()
    assert process.poll() == 0


def test_everything_that_carries_the_run_is_ended(box: LocalSandbox) -> None:
    deaf = "import signal as s, time; s.signal(15, s.SIG_IGN); open('up', 'w'); time.sleep(4730)"
    code = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True)"
    )
    start(box, sys.executable, "-c", code).wait(10)
    until((box.workdir / "up").exists)
    assert running("4730")
    box.end_everything(grace=timedelta(seconds=0.1))
    assert not running("4730")


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


def test_short_commands_are_bounded(box: LocalSandbox) -> None:
    assert box.stream(("cat",), stdin=b"hello", limit=10, timeout=10) == b"hello"
    with pytest.raises(WorkRejected):
        box.stream(("yes",), stdin=b"", limit=100_000, timeout=10)
    with pytest.raises(GitError, match="took longer"):
        box.stream(("sh", "-c", "sleep 4732 & sleep 4732"), stdin=b"", limit=10, timeout=0.2)
    until(lambda: not running("sleep\x004732"))
    with pytest.raises(GitError) as caught:
        box.stream(
            ("sh", "-c", "printf '\\033[2Jno ghp_%036d' 0 >&2; exit 3"), stdin=b"", limit=10, timeout=10
        )
    assert "exit 3" in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "ghp_" not in caught.value.message


def test_a_clone_is_there_wholly_or_not_at_all(tmp_path: Path) -> None:
    source = repository(tmp_path / "source", {"a.txt": "1\n"})
    bare = tmp_path / "own.git"
    git.run("clone", "--quiet", "--bare", source, bare)
    sha = git.text("rev-parse", "main", cwd=source)
    box = LocalSandbox(tmp_path / "work", "run-1")
    half = tmp_path / "work.half"
    half.mkdir()
    (half / "rubbish").write_text("x", encoding="ascii")
    with pytest.raises(GitError):
        box.clone(bare, "1" * 40, "hive/issue-1-a1")
    assert not box.workdir.exists()
    box.clone(bare, sha, "hive/issue-1-a1")
    assert sorted(os.listdir(box.workdir)) == [".git", "a.txt"]
    assert git.text("branch", "--show-current", cwd=box.workdir) == "hive/issue-1-a1"
    assert git.text("remote", cwd=box.workdir) == ""
    assert not list((box.workdir / ".git" / "hooks").glob("*"))
    (box.workdir / "a.txt").write_text("2\n", encoding="ascii")
    box.clone(bare, sha, "hive/issue-1-a1")
    assert (box.workdir / "a.txt").read_text(encoding="ascii") == "2\n"


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
