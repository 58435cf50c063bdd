"""What every agent's side does, with real processes: on a laptop and behind a pod's wall."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backends.agents.codex import CodexAgent
from backends.clusters.kubernetes.box.sandbox import PodSandbox
from backends.clusters.local.sandbox import LocalSandbox
from hive_tui.core.errors import GitError, HiveError, WorkRejected
from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.ports import ProcessHandle, Sandbox
from hive_tui.runner import record, takeover
from hive_tui.runner.session import Session
from hive_tui.runner.takeover import Identity, Limits
from hive_tui.system import git
from tests.corpus import HERE
from tests.fakes import box
from tests.fakes.run_host import repository, running
from tests.waiting import until

NOW = timedelta(0)
GRACE = timedelta(seconds=0.1)
HIVE = Identity("hive", "hive@localhost")

SLOW = Tokens(13_846, 99, 0, 0)
"""What the recorded Codex used that was killed."""

Make = Callable[..., Sandbox]


@pytest.fixture(params=["local", "pod"])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes an agent's side on which some environment variables are set."""
    boxes: list[box.Box] = []
    sides: list[Sandbox] = []

    def make(**variables: str) -> Sandbox:
        run = f"run-{tmp_path.name}-{len(sides)}"
        folder = tmp_path / f"side-{len(sides)}"
        if request.param == "local":
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            (folder / "the wörk").mkdir(parents=True)
            sides.append(LocalSandbox(folder / "the wörk" / "tree", run))
        else:
            if why := box.why_not():
                pytest.skip(why)
            boxes.append(box.Box(folder, variables))
            sides.append(PodSandbox(boxes[-1].socket, boxes[-1].work, run, patience=10.0))
        return sides[-1]

    yield make
    for side in sides:
        side.end_everything(grace=NOW)
    for each in boxes:
        each.close()


@pytest.fixture
def side(make: Make) -> Sandbox:
    """An agent's side with an empty work tree."""
    made = make()
    made.workdir.mkdir()
    return made


def start(
    side: Sandbox,
    *argv: str,
    out: Path,
    err: Path | None = None,
    stdin: bool = False,
    inherit: Sequence[str] = (),
) -> ProcessHandle:
    return side.start(argv, env={"MINE": "1"}, stdout=out, stderr=err or out, inherit=inherit, stdin=stdin)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_only_harmless_and_named_variables_pass(make: Make, out: Path) -> None:
    secret = (
        "GITHUB_TOKEN",
        "SSH_AUTH_SOCK",
        "GIT_DIR",
        "PYTHONPATH",
        "OTHER_KEY",
        "KUBERNETES_SERVICE_HOST",
    )
    side = make(**{name: f"value of {name}" for name in (*secret, "MY_KEY", "LC_TIME")})
    side.workdir.mkdir()
    process = start(side, "env", out=out, inherit=("MY_KEY", "GITHUB_TOKEN", "NOT_SET"))
    assert process.wait(10) == 0
    said = dict(line.split("=", 1) for line in out.read_text(encoding="utf-8").splitlines())
    assert said["MY_KEY"] == "value of MY_KEY"
    assert said["GIT_TERMINAL_PROMPT"] == "0"
    assert {"LC_TIME", "MINE", "HIVE_RUN", "PATH", "HOME"} <= said.keys()
    assert not said.keys() & {*secret, "NOT_SET"}


@pytest.mark.parametrize("variable", ["HOME", "CODEX_HOME"])
def test_what_a_killed_agent_wrote_down_of_its_use_is_read(make: Make, tmp_path: Path, variable: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(HERE / "codex" / "slow" / "codex-home", home / ".codex")
    side = make(**{variable: str(home / ".codex" if variable == "CODEX_HOME" else home)})
    side.workdir.mkdir()
    ctx: Any = SimpleNamespace(agent=CodexAgent(), sandbox=side)

    def read(session: str) -> Mapping[str, Usage]:
        killed = AgentResult(Outcome.UNKNOWN, "exit 143 without a result", session=session)
        return record.completed(ctx, Session(id=session), killed).models

    # Its stream ends without a word of it.
    found = read("01a1fbb6-6201-7483-bcc7-4f388fbab2ba")
    assert found == {"gpt-6.1-sol": Usage(SLOW, estimated=True)}
    for nobody in ("none", "*", "$(id)", "../../x", "-e"):
        assert read(nobody) == {}


def test_output_is_appended_and_private(side: Sandbox, out: Path) -> None:
    for word in ("one", "two"):
        assert start(side, "echo", word, out=out).wait(10) == 0
    assert out.read_text(encoding="utf-8") == "one\ntwo\n"
    assert out.stat().st_mode & 0o077 == 0


def test_output_and_errors_are_apart_or_in_order(side: Sandbox, out: Path) -> None:
    both = ("sh", "-c", "echo one; echo two >&2; echo three")
    assert start(side, *both, out=out).wait(10) == 0
    assert out.read_text(encoding="utf-8") == "one\ntwo\nthree\n"
    err = out.with_name("err")
    out.unlink()
    assert start(side, *both, out=out, err=err).wait(10) == 0
    assert (out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")) == ("one\nthree\n", "two\n")


def test_all_that_was_said_is_there_at_the_end(side: Sandbox, out: Path) -> None:
    """Also more than a pipe holds."""
    process = start(side, "head", "-c", "5000000", "/dev/zero", out=out)
    assert process.wait(30) == 0
    assert out.stat().st_size == 5_000_000


def test_exit_codes_and_signals(side: Sandbox, out: Path) -> None:
    assert start(side, "sh", "-c", "exit 7", out=out).wait(10) == 7
    process = start(side, "sleep", "60", out=out)
    assert process.poll() is None
    assert process.wait(0.01) is None
    process.signal(15)
    assert process.wait(10) == -15
    process.signal(9)


def test_a_signal_reaches_the_whole_group(side: Sandbox, out: Path) -> None:
    process = start(side, "sh", "-c", "sleep 4735 & sleep 4735", out=out)
    until(lambda: running("sleep\x004735"))
    process.signal(9)
    assert process.wait(10) == -9
    until(lambda: not running("sleep\x004735"))


def test_a_program_that_is_not_there_is_named(side: Sandbox, out: Path) -> None:
    with pytest.raises(HiveError, match="/no/such/agent"):
        start(side, "/no/such/agent", out=out)
    with pytest.raises(HiveError):
        start(side, "echo", "nul\0byte", out=out)


def test_a_work_tree_that_is_gone_is_named(make: Make, out: Path) -> None:
    side = make()
    assert not side.exists()
    with pytest.raises(GitError, match="is gone"):
        start(side, "true", out=out)


def test_a_reader_that_does_not_read_blocks_nobody(side: Sandbox, out: Path) -> None:
    process = start(side, "sleep", "60", out=out, stdin=True)
    begun = time.monotonic()
    process.write(b"x" * 10_000_000)
    process.close_stdin()
    assert time.monotonic() - begun < 5
    process.signal(9)
    assert process.wait(10) == -9


def test_a_slow_reader_gets_everything(side: Sandbox, out: Path) -> None:
    process = start(side, "sh", "-c", "sleep 0.2; wc -c", out=out, stdin=True)
    process.write(b"x" * 3_000_000)
    process.close_stdin()
    until(lambda: process.poll() is not None)
    assert out.read_text(encoding="ascii").split() == ["3000000"]


def test_a_conversation_goes_back_and_forth(side: Sandbox, out: Path) -> None:
    process = start(side, "cat", out=out, stdin=True)
    for number, word in enumerate((b"one\n", b"two\n"), start=1):
        process.write(word)
        until(functools.partial(_lines, out, number))
        assert process.poll() is None
    process.close_stdin()
    assert process.wait(10) == 0


def _lines(out: Path, number: int) -> bool:
    return out.is_file() and out.read_bytes().count(b"\n") == number


def test_a_reader_that_has_gone_is_no_error(side: Sandbox, out: Path) -> None:
    process = start(side, "true", out=out, stdin=True)
    process.wait(10)
    process.write(b"x" * 1_000_000)
    process.close_stdin()
    assert process.poll() == 0


def test_everything_that_is_left_is_ended(side: Sandbox, out: Path) -> None:
    deaf = "import signal as s, time; s.signal(15, s.SIG_IGN); open('up', 'w'); time.sleep(4736)"
    code = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True)"
    )
    start(side, sys.executable, "-c", code, out=out).wait(10)
    until((side.workdir / "up").exists)
    assert running("4736")
    side.end_everything(grace=GRACE)
    assert not running("4736")
    side.end_everything(grace=GRACE)


def test_a_process_may_say_goodbye_when_everything_is_ended(side: Sandbox, out: Path) -> None:
    polite = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    process = start(side, "sh", "-c", polite, out=out, err=out.with_name("err"))
    until(lambda: out.is_file() and b"up" in out.read_bytes())
    side.end_everything(grace=timedelta(seconds=10))
    assert out.read_text(encoding="utf-8").split() == ["up", "bye"]
    assert process.poll() == 3


def test_short_commands_are_bounded(side: Sandbox) -> None:
    assert side.stream(("cat",), stdin=b"hello", limit=10, timeout=10) == b"hello"
    with pytest.raises(WorkRejected):
        side.stream(("yes", "4738"), stdin=b"", limit=100_000, timeout=10)
    with pytest.raises(GitError, match="took longer"):
        side.stream(("sh", "-c", "sleep 4737 & sleep 4737"), stdin=b"", limit=10, timeout=0.2)
    until(lambda: not running("sleep\x004737"))
    until(lambda: not running("yes\x004738"))
    with pytest.raises(GitError) as caught:
        side.stream(
            ("sh", "-c", "printf '\\033[2Jno ghp_%036d' 0 >&2; exit 3"), stdin=b"", limit=10, timeout=10
        )
    assert "exit 3" in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "ghp_" not in caught.value.message


def test_large_amounts_pass_both_ways(side: Sandbox) -> None:
    data = os.urandom(20_000_000)
    assert side.stream(("cat",), stdin=data, limit=len(data), timeout=60) == data


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The runner's own directory of a repository with a history."""
    source = repository(tmp_path / "source", {"a.txt": "1\n", "run.sh": "#!/bin/sh\n"})
    os.chmod(source / "run.sh", 0o755)
    git.run("commit", "--quiet", "-am", "Make it run", cwd=source)
    git.run("clone", "--quiet", "--bare", "--shared", source, tmp_path / "own.git")
    return tmp_path / "own.git"


def test_a_clone_is_there_wholly_or_not_at_all(make: Make, bare: Path) -> None:
    side, sha = make(), git.text("rev-parse", "main", cwd=bare)
    half = side.workdir.with_name(f"{side.workdir.name}.half")
    half.mkdir()
    (half / "rubbish").write_text("x", encoding="ascii")
    with pytest.raises(GitError):
        side.clone(bare, "1" * 40, "hive/issue-1-a1")
    assert not side.exists()
    side.clone(bare, sha, "hive/issue-1-a1")
    assert side.exists()
    work = side.workdir
    assert sorted(os.listdir(work)) == [".git", "a.txt", "run.sh"]
    assert os.access(work / "run.sh", os.X_OK)
    assert git.text("branch", "--show-current", cwd=work) == "hive/issue-1-a1"
    assert git.text("log", "--format=%s", cwd=work).splitlines() == ["Make it run", "Begin"]
    assert git.text("status", "--porcelain", cwd=work) == ""
    assert git.text("remote", cwd=work) == ""
    assert git.ok("fsck", "--full", "--strict", cwd=work)
    assert not list((work / ".git" / "hooks").glob("*"))
    assert not half.exists()
    (work / "a.txt").write_text("2\n", encoding="ascii")
    (work / "__pycache__").mkdir()
    (work / "__pycache__" / "x.pyc").touch()
    side.clone(bare, sha, "hive/issue-1-a1")
    assert git.text("status", "--porcelain", cwd=work) == "M a.txt"


def test_a_clone_ends_when_it_is_told_to(make: Make, bare: Path) -> None:
    side, sha = make(), git.text("rev-parse", "main", cwd=bare)
    with pytest.raises(GitError, match="stopped"):
        side.clone(bare, sha, "hive/issue-1-a1", stop=lambda: True)
    assert not side.exists()
    side.clone(bare, sha, "hive/issue-1-a1", stop=lambda: False)
    assert git.text("status", "--porcelain", cwd=side.workdir) == ""


def test_old_versions_that_were_left_on_the_server_are_not_needed(
    make: Make, bare: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    git.run("config", "uploadpack.allowFilter", "true", cwd=source)
    (source / "a.txt").write_text("2\n", encoding="ascii")
    git.run("commit", "--quiet", "-am", "Change a file", cwd=source)
    large = tmp_path / "large.git"
    git.run("clone", "--quiet", "--filter=blob:none", f"file://{source}", large)
    missing = git.text("rev-list", "--objects", "--missing=print", "HEAD", cwd=large)
    assert "?" in missing
    side = make()
    side.clone(large / ".git", git.text("rev-parse", "HEAD", cwd=large), "hive/issue-1-a1")
    assert (side.workdir / "a.txt").read_text(encoding="ascii") == "2\n"
    assert len(git.text("log", "--format=%s", cwd=side.workdir).splitlines()) == 3


def test_a_shallow_repository_can_be_worked_on(make: Make, bare: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow.git"
    git.run("clone", "--quiet", "--bare", "--depth=1", f"file://{tmp_path / 'source'}", shallow)
    side = make()
    side.clone(shallow, git.text("rev-parse", "HEAD", cwd=shallow), "hive/issue-1-a1")
    assert git.text("log", "--format=%s", cwd=side.workdir) == "Make it run"


def test_longer_names_of_commits_are_no_matter(make: Make, tmp_path: Path) -> None:
    source = tmp_path / "sha256"
    git.run("init", "--quiet", "--template=", "--object-format=sha256", source)
    (source / "a.txt").write_text("1\n", encoding="ascii")
    git.run("add", "-A", cwd=source)
    git.run("-c", "user.name=x", "-c", "user.email=y", "commit", "--quiet", "-m", "Begin", cwd=source)
    side = make()
    side.clone(source / ".git", git.text("rev-parse", "HEAD", cwd=source), "hive/issue-1-a1")
    assert git.text("log", "--format=%s", cwd=side.workdir) == "Begin"


def test_submodules_of_a_server_are_named_and_not_fetched(make: Make, bare: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    words = '[submodule "lib/x"]\n\tpath = lib/x\n\turl = https://git.example.com/x\n'
    (source / ".gitmodules").write_text(words, encoding="ascii")
    link = f"160000,{'1' * 40},lib/x"
    git.run("update-index", "--add", "--cacheinfo", link, cwd=source)
    git.run("add", ".gitmodules", cwd=source)
    git.run("commit", "--quiet", "-m", "Link", cwd=source)
    sha = git.text("rev-parse", "HEAD", cwd=source)
    side = make()
    side.clone(source / ".git", sha, "hive/issue-1-a1")
    said = side.populate(source / ".git", sha, "https://git.example.com/acme/tool")
    assert said == ["submodule lib/x: submodules of a remote repository are not fetched."]
    assert (side.workdir / "lib" / "x").is_dir()


def test_work_comes_over_as_a_pack(make: Make, bare: Path) -> None:
    side, base = make(), git.text("rev-parse", "main", cwd=bare)
    side.clone(bare, base, "hive/issue-1-a1")
    (side.workdir / "new.txt").write_text("new\n", encoding="ascii")
    tip = takeover.commit_all(side, "Add a file", HIVE, move=True)
    taken = takeover.take_over(side, bare, base, tip, Limits())
    assert [change.path for change in taken.changes] == ["new.txt"]
    assert git.text("show", f"{tip}:new.txt", cwd=bare) == "new"
