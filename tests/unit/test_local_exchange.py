"""Between odd repositories and a runner's own: what is borrowed, what is pushed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.clusters.local import exchange
from hive_tui.core.errors import GitError, Refused
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import RepoJob
from hive_tui.system import git
from tests import builders
from tests.fakes.repository import Repository

ODD = ["plain", "with blanks  and ü", "quo'te\"s", "dollar $HOME `id` %", "semi;colon & more"]


class TestExchange:
    @pytest.mark.parametrize("name", ODD)
    def test_objects_are_borrowed_and_work_is_pushed(self, tmp_path: Path, name: str) -> None:
        repository = Repository(tmp_path / name)
        bare, job = tmp_path / "own.git", repo_job(repository)
        assert exchange.fetch(tmp_path, bare, job) == repository.head()
        assert exchange.fetch(tmp_path, bare, job) == repository.head(), "again is no change"
        assert not list(bare.glob("objects/pack/*.pack")), "nothing was copied"
        sha = work(bare, repository.head())
        exchange.push(tmp_path, bare, job, sha, SPEC.branch, SPEC)
        exchange.push(tmp_path, bare, job, sha, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == sha
        assert repository.git("show", f"{SPEC.branch}:a.txt") == "one\ntwo\nthree"
        assert repository.status() == ""

    def test_from_a_linked_worktree(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.git("worktree", "add", "--quiet", "-b", "side", tmp_path / "linked")
        job = RepoJob(RepoName("me/proj"), str(tmp_path / "linked"), "main")
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path, tmp_path / "own.git", job))
        exchange.push(tmp_path, tmp_path / "own.git", job, sha, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == sha

    def test_from_a_shallow_clone(self, tmp_path: Path) -> None:
        source = Repository(tmp_path / "source")
        source.commit({"b.txt": "b"}, "More")
        source.git("clone", "--quiet", "--depth=1", source.path.as_uri(), tmp_path / "shallow")
        job = RepoJob(RepoName("me/proj"), str(tmp_path / "shallow"), "main")
        sha = exchange.fetch(tmp_path, tmp_path / "own.git", job)
        assert git.text("rev-list", "--count", sha, cwd=tmp_path / "own.git") == "1"
        exchange.push(tmp_path, tmp_path / "own.git", job, work(tmp_path / "own.git", sha), SPEC.branch, SPEC)

    def test_a_dirty_checkout_is_neither_read_nor_touched(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.write({"a.txt": "mine\n", "new.txt": "mine\n"})
        before = repository.status()
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path, tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path, tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert repository.status() == before
        assert git.text("show", f"{sha}:a.txt", cwd=tmp_path / "own.git") == "one\ntwo\nthree"

    def test_with_submodules(self, tmp_path: Path) -> None:
        repository = with_submodule(tmp_path)
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path, tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path, tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert "160000" in repository.git("ls-tree", "-r", SPEC.branch)
        assert repository.status() == ""

    def test_hooks_of_the_user_do_not_run(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        for hook in ("pre-receive", "update", "post-receive", "reference-transaction"):
            path = repository.path / ".git" / "hooks" / hook
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
            path.chmod(0o755)
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path, tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path, tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert not (tmp_path / "ran").exists()

    def test_only_unfinished_work_is_forced(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        bare, job = tmp_path / "own.git", repo_job(repository)
        base = exchange.fetch(tmp_path, bare, job)
        first, second = work(bare, base, "first"), work(bare, base, "second")
        for branch in (SPEC.branch, "hive/wip/issue-1-a1"):
            exchange.push(tmp_path, bare, job, first, branch, SPEC)
        exchange.push(tmp_path, bare, job, second, "hive/wip/issue-1-a1", SPEC)
        with pytest.raises(GitError):
            exchange.push(tmp_path, bare, job, second, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == first

    @pytest.mark.parametrize("branch", ["main", "hive/issue-1-a2", "hive/wip/issue-2-a1", "../x"])
    def test_another_branch_is_refused(self, tmp_path: Path, branch: str) -> None:
        repository = Repository(tmp_path / "proj")
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path, tmp_path / "own.git", repo_job(repository)))
        with pytest.raises(Refused):
            exchange.push(tmp_path, tmp_path / "own.git", repo_job(repository), sha, branch, SPEC)
        assert repository.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"

    def test_a_missing_base_says_so(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        job = RepoJob(RepoName("me/proj"), str(repository.path), "trunk")
        with pytest.raises(GitError, match="no branch trunk"):
            exchange.fetch(tmp_path, tmp_path / "own.git", job)


SPEC = builders.run().spec


def repo_job(repository: Repository) -> RepoJob:
    return RepoJob(RepoName("me/proj"), str(repository.path), "main")


def work(bare: Path, base: str, message: str = "Work") -> str:
    """A commit on top of `base`, as the runner would have taken it over."""
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return git.text("commit-tree", f"{base}^{{tree}}", "-p", base, "-m", message, cwd=bare, env=who)


def with_submodule(tmp_path: Path) -> Repository:
    inner = Repository(tmp_path / "inner")
    outer = Repository(tmp_path / "proj")
    outer.git("submodule", "--quiet", "add", inner.path, "vendor/inner")
    outer.git("commit", "--quiet", "-m", "Add a submodule")
    return outer
