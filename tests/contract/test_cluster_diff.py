"""What `Cluster.diff` promises: what a run changed so far, and nothing of the agent's side is executed."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from hive_tui.core.errors import HiveError
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus
from hive_tui.core.ports import Cluster, DiffOf, Job, RunHost
from hive_tui.system import git
from tests.contract.conftest import job, start
from tests.fakes.repository import Repository

# Only what has the capability: a run in a pod keeps its tree to itself.
pytestmark = [pytest.mark.timeout(60), pytest.mark.parametrize("fleet", ["local"], indirect=True)]

LIMIT = 200_000


class AtWork:
    """A run at work on a real repository, in this process."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.repository = Repository(folder / "proj")
        self.repository.commit(
            {"old.txt": "old\n", "keep.txt": "keep\n", "src/a.py": "a = 1\nb = 2\n"}, "More"
        )
        self.cluster = cluster
        self.job: Job = job(source=str(self.repository.path))
        self.run: RunId = start(cluster, self.job)
        self.host: RunHost = cluster.host(self.run)
        self.host.register()
        self.bare = self.host.home / "own.git"
        self.base = self.host.fetch(self.bare, self.job.repo)
        self.host.sandbox.clone(self.bare, self.base, self.job.spec.branch)
        self.work = self.host.sandbox.workdir
        for name, value in (("user.name", "Robin"), ("user.email", "robin@example.org")):
            self.repository.git("config", name, value, cwd=self.work)
        self.status = RunStatus(phase=Phase.WORKING, started_at=datetime.now(UTC), base_sha=self.base)
        self.host.report(self.status)

    def report(self, **changes: object) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)
        self.host.report(self.status)

    def push(self, files: dict[str, str], branch: str) -> str:
        """Commit on the agent's side and push what the runner took over."""
        sha = self.repository.commit(files, "Work", cwd=self.work)
        git.run("fetch", "--quiet", str(self.work), sha, cwd=self.bare)
        self.host.push(self.bare, self.job.repo, sha, branch)
        return sha


@pytest.fixture
def at_work(cluster: Cluster, tmp_path: Path) -> AtWork:
    return AtWork(cluster, tmp_path)


def test_what_is_not_committed_is_seen(at_work: AtWork) -> None:
    work = at_work.work
    (work / "src" / "a.py").write_text("a = 1\nb = 3\n")
    (work / "old.txt").unlink()
    (work / "new file.txt").write_text("first\nlast")
    (work / "run.sh").write_text("true\n")
    (work / "run.sh").chmod(0o755)
    (work / "picture.png").write_bytes(b"\x89PNG\0\0")
    (work / "__pycache__").mkdir()
    (work / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (work / ".gitignore").write_text("*.log\n")
    (work / "noise.log").write_text("noise\n")
    found = at_work.cluster.diff(at_work.run, limit=LIMIT)
    assert (found.of, found.sha, found.cut) == (DiffOf.WORK, None, None)
    assert "--- a/src/a.py\n+++ b/src/a.py\n" in found.text
    assert "-b = 2\n+b = 3\n" in found.text
    assert "deleted file mode 100644" in found.text
    assert "+++ b/new file.txt\n@@ -0,0 +1,2 @@\n+first\n+last\n\\ No newline" in found.text
    assert "b/run.sh\nnew file mode 100755" in found.text
    assert "Binary files /dev/null and b/picture.png differ" in found.text
    assert "pycache" not in found.text
    assert "noise" not in found.text


def test_what_the_agent_committed_is_seen_too(at_work: AtWork) -> None:
    at_work.repository.commit({"done.txt": "done\n"}, "Done", cwd=at_work.work)
    (at_work.work / "done.txt").write_text("done\nand more\n")
    found = at_work.cluster.diff(at_work.run, limit=LIMIT)
    assert "+done\n+and more\n" in found.text


def test_after_its_end_the_branch_counts_else_what_was_saved(at_work: AtWork) -> None:
    saved = at_work.push({"half.txt": "half\n"}, "hive/wip/issue-1-a1")
    at_work.report(phase=Phase.FAILED, wip=saved, ended_at=datetime.now(UTC))
    found = at_work.cluster.diff(at_work.run, limit=LIMIT)
    assert (found.of, found.sha) == (DiffOf.SAVED, saved)
    assert "+half\n" in found.text


def test_a_pushed_branch_is_read_from_the_users_repository_too(at_work: AtWork) -> None:
    head = at_work.push({"whole.txt": "whole\n"}, at_work.job.spec.branch)
    at_work.report(phase=Phase.SUCCEEDED, head=head, ended_at=datetime.now(UTC))
    first = at_work.cluster.diff(at_work.run, limit=LIMIT)
    subprocess.run(["rm", "-rf", at_work.bare, at_work.work], check=True)
    assert at_work.cluster.diff(at_work.run, limit=LIMIT) == first
    assert (first.of, first.sha) == (DiffOf.BRANCH, head)
    assert "+whole\n" in first.text


def test_a_run_that_has_not_begun_changed_nothing(cluster: Cluster) -> None:
    assert cluster.diff(start(cluster, job()), limit=LIMIT).of is DiffOf.NOTHING


def test_an_unknown_run_is_an_error(cluster: Cluster) -> None:
    with pytest.raises(HiveError):
        cluster.diff(RunId("nobody-i1-a1"), limit=LIMIT)


@pytest.mark.parametrize("name", ["src/a.py", "new.txt"])
def test_a_long_diff_is_cut_and_says_so(at_work: AtWork, name: str) -> None:
    (at_work.work / name).write_text("a long line of text\n" * 40_000)
    found = at_work.cluster.diff(at_work.run, limit=10_000)
    if name == "src/a.py":
        assert len(found.text) <= 10_000
        assert found.cut
    else:
        (at_work.work / "other.txt").write_text("one more\n")
        found = at_work.cluster.diff(at_work.run, limit=10_000)
        assert len(found.text) < 3_000_000
        assert found.cut is not None
        assert found.cut.startswith("1 new file")


def test_a_huge_file_is_binary_and_reads_fast(at_work: AtWork) -> None:
    for name in ("keep.txt", "new.bin"):
        with (at_work.work / name).open("wb") as file:
            file.truncate(1 << 33)
    found = at_work.cluster.diff(at_work.run, limit=LIMIT)
    assert found.text.count("Binary files") == 2


def test_secrets_and_escapes_do_not_come_through(at_work: AtWork) -> None:
    (at_work.work / "a.txt").write_text("key = sk-ant-abcdefgh12345678\n\x1b]52;c;aGk=\x07\u202eevil\r\n")
    (at_work.work / "b\x1b[31m.txt").write_text("x\x1b[2J\n")
    text = at_work.cluster.diff(at_work.run, limit=LIMIT).text
    assert "sk-ant" not in text
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)
    assert "+evil␍\n" in text


def test_nothing_that_the_agent_names_is_executed(at_work: AtWork, tmp_path: Path) -> None:
    """Hooks, filters, drivers and monitors in the agent's clone and one within: all would leave a mark."""
    work, trap = at_work.work, tmp_path / "trap"
    trap.mkdir()

    def mark(name: str) -> str:
        return f"touch '{trap}/{name}'; cat"

    def arm(folder: Path) -> None:
        hooks = folder / ".git" / "hooks"
        hooks.mkdir(parents=True, exist_ok=True)
        for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout"):
            (hooks / hook).write_text(f"#!/bin/sh\ntouch '{trap}/hook-{hook}'\n")
            (hooks / hook).chmod(0o755)
        for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "diff.external"):
            git.run("config", key, mark(key), cwd=folder)
        git.run("config", "core.hooksPath", hooks, cwd=folder)
        for key in ("filter.evil.clean", "filter.evil.smudge", "filter.evil.process"):
            git.run("config", key, mark(key), cwd=folder)
        git.run("config", "filter.evil.required", "true", cwd=folder)
        for key in ("diff.evil.textconv", "diff.evil.command", "merge.evil.driver"):
            git.run("config", key, mark(key), cwd=folder)

    nested = work / "nested"
    subprocess.run(["git", "init", "-q", nested], check=True, env=git.environment())
    (nested / "inner.txt").write_text("inner\n")
    arm(nested)
    arm(work)
    (work / ".gitattributes").write_text("* filter=evil diff=evil merge=evil working-tree-encoding=UTF-16\n")
    (work / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    (work / "src" / "a.py").write_text("a = 1\nb = 4\n")
    (work / "passwd").symlink_to("/etc/passwd")
    (work / "keep.txt").unlink()
    os.mkfifo(work / "keep.txt")
    os.mkfifo(work / "pipe")

    before = sorted(path.name for path in at_work.bare.rglob("*"))
    found = at_work.cluster.diff(at_work.run, limit=LIMIT)
    assert found.of is DiffOf.WORK
    assert "-b = 2\n+b = 4\n" in found.text
    assert "Binary files a/keep.txt and b/keep.txt differ" in found.text
    assert "+++ b/passwd\n@@ -0,0 +1 @@\n+/etc/passwd\n" in found.text
    assert "root:" not in found.text
    assert "inner" not in found.text
    assert sorted(path.name for path in at_work.bare.rglob("*")) == before
    assert sorted(trap.iterdir()) == []
    # They were armed: whoever asks git in there sets them off.
    (work / ".gitattributes").write_text("* filter=evil diff=evil\n")
    subprocess.run(["git", "diff"], cwd=work, capture_output=True, check=False, env={**os.environ})
    assert {"core.fsmonitor", "filter.evil.process"} & {path.name for path in trap.iterdir()}


def test_a_submodule_with_a_monitor_is_not_looked_into(at_work: AtWork, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    inner = at_work.work / "src"
    sha = at_work.base
    # A link to a commit in the base, and in its place a repository that the agent armed.
    repository = at_work.repository
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{sha},module")
    repository.git("commit", "-q", "-m", "With a submodule")
    base = at_work.host.fetch(at_work.bare, at_work.job.repo)
    at_work.report(base_sha=base)
    module = at_work.work / "module"
    subprocess.run(["git", "init", "-q", module], check=True, env=git.environment())
    git.run("config", "core.fsmonitor", f"touch '{trap}'", cwd=module)
    (module / "x").write_text("x")
    assert inner.is_dir()
    assert "module" not in at_work.cluster.diff(at_work.run, limit=LIMIT).text
    assert not trap.exists()


def test_a_link_in_place_of_the_work_tree_is_not_followed(at_work: AtWork, tmp_path: Path) -> None:
    elsewhere = tmp_path / "private"
    elsewhere.mkdir()
    (elsewhere / "diary.txt").write_text("dear diary\n")
    at_work.work.rename(tmp_path / "moved")
    at_work.work.symlink_to(elsewhere)
    assert at_work.cluster.diff(at_work.run, limit=LIMIT).of is DiffOf.NOTHING
