"""Odd repositories: what is refused with which words, and what works all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.clusters.local import exchange
from backends.forges.local_repository import inspect, open_repository
from hive_tui.core.errors import GitError, Refused, UsageError
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import RepoJob
from hive_tui.system import git
from tests import builders
from tests.fakes.repository import Repository

ODD = ["plain", "with blanks  and ü", "quo'te\"s", "dollar $HOME `id` %", "semi;colon & more"]


class TestOpening:
    def test_a_checkout_is_found_from_below(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.commit({"deep/er/file": "x"}, "More")
        assert open_repository(tmp_path / "proj" / "deep" / "er").path == tmp_path / "proj"

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="not a folder"):
            open_repository(tmp_path / "missing")

    def test_no_repository(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as caught:
            open_repository(tmp_path)
        assert "git init" in (caught.value.hint or "")

    def test_a_bare_one(self, tmp_path: Path) -> None:
        git.run("init", "--quiet", "--bare", tmp_path / "bare.git")
        with pytest.raises(UsageError, match="bare") as caught:
            open_repository(tmp_path / "bare.git")
        assert "git clone" in (caught.value.hint or "")

    def test_an_empty_one(self, tmp_path: Path) -> None:
        git.run("init", "--quiet", tmp_path / "empty")
        with pytest.raises(UsageError, match="no commit") as caught:
            open_repository(tmp_path / "empty")
        assert "git commit" in (caught.value.hint or "")

    def test_inside_of_the_git_directory(self, tmp_path: Path) -> None:
        Repository(tmp_path / "proj")
        with pytest.raises(UsageError, match="git directory"):
            open_repository(tmp_path / "proj" / ".git")


class TestInspecting:
    def test_the_facts(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        facts = inspect(repository.path)
        assert facts is not None
        assert (facts.toplevel, facts.common) == (repository.path, repository.path / ".git")
        assert (facts.bare, facts.empty, facts.branch, facts.submodules) == (False, False, "main", False)
        assert (facts.remote, facts.remote_url) == (None, None)

    def test_the_remote_is_origin_or_the_only_one(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.git("remote", "add", "upstream", "https://example.org/a/b.git")
        facts = inspect(repository.path)
        assert facts is not None
        assert (facts.remote, facts.remote_url) == ("upstream", "https://example.org/a/b.git")
        repository.git("remote", "add", "other", "https://example.org/c/d.git")
        facts = inspect(repository.path)
        assert facts is not None
        assert facts.remote is None
        repository.git("remote", "add", "origin", "https://example.org/e/f.git")
        facts = inspect(repository.path)
        assert facts is not None
        assert facts.remote_url == "https://example.org/e/f.git"

    def test_a_detached_head_has_no_branch(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.git("checkout", "--quiet", "--detach")
        facts = inspect(repository.path)
        assert facts is not None
        assert facts.branch is None

    def test_a_linked_worktree_shares_the_git_directory(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.git("worktree", "add", "--quiet", "-b", "side", tmp_path / "linked")
        facts = inspect(tmp_path / "linked")
        assert facts is not None
        assert (facts.toplevel, facts.common) == (tmp_path / "linked", repository.path / ".git")

    def test_submodules_are_seen(self, tmp_path: Path) -> None:
        with_submodule(tmp_path)
        facts = inspect(tmp_path / "proj")
        assert facts is not None
        assert facts.submodules


class TestExchange:
    @pytest.mark.parametrize("name", ODD)
    def test_objects_are_borrowed_and_work_is_pushed(self, tmp_path: Path, name: str) -> None:
        repository = Repository(tmp_path / name)
        bare, job = tmp_path / "own.git", repo_job(repository)
        assert exchange.fetch(bare, job) == repository.head()
        assert exchange.fetch(bare, job) == repository.head(), "again is no change"
        assert not list(bare.glob("objects/pack/*.pack")), "nothing was copied"
        sha = work(bare, repository.head())
        exchange.push(bare, job, sha, SPEC.branch, SPEC)
        exchange.push(bare, job, sha, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == sha
        assert repository.git("show", f"{SPEC.branch}:a.txt") == "one\ntwo\nthree"
        assert repository.status() == ""

    def test_from_a_linked_worktree(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.git("worktree", "add", "--quiet", "-b", "side", tmp_path / "linked")
        job = RepoJob(RepoName("me/proj"), str(tmp_path / "linked"), "main")
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path / "own.git", job))
        exchange.push(tmp_path / "own.git", job, sha, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == sha

    def test_from_a_shallow_clone(self, tmp_path: Path) -> None:
        source = Repository(tmp_path / "source")
        source.commit({"b.txt": "b"}, "More")
        source.git("clone", "--quiet", "--depth=1", source.path.as_uri(), tmp_path / "shallow")
        job = RepoJob(RepoName("me/proj"), str(tmp_path / "shallow"), "main")
        sha = exchange.fetch(tmp_path / "own.git", job)
        assert git.text("rev-list", "--count", sha, cwd=tmp_path / "own.git") == "1"
        exchange.push(tmp_path / "own.git", job, work(tmp_path / "own.git", sha), SPEC.branch, SPEC)

    def test_a_dirty_checkout_is_neither_read_nor_touched(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        repository.write({"a.txt": "mine\n", "new.txt": "mine\n"})
        before = repository.status()
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert repository.status() == before
        assert git.text("show", f"{sha}:a.txt", cwd=tmp_path / "own.git") == "one\ntwo\nthree"

    def test_with_submodules(self, tmp_path: Path) -> None:
        repository = with_submodule(tmp_path)
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert "160000" in repository.git("ls-tree", "-r", SPEC.branch)
        assert repository.status() == ""

    def test_hooks_of_the_user_do_not_run(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        for hook in ("pre-receive", "update", "post-receive", "reference-transaction"):
            path = repository.path / ".git" / "hooks" / hook
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
            path.chmod(0o755)
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path / "own.git", repo_job(repository)))
        exchange.push(tmp_path / "own.git", repo_job(repository), sha, SPEC.branch, SPEC)
        assert not (tmp_path / "ran").exists()

    def test_only_unfinished_work_is_forced(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        bare, job = tmp_path / "own.git", repo_job(repository)
        base = exchange.fetch(bare, job)
        first, second = work(bare, base, "first"), work(bare, base, "second")
        for branch in (SPEC.branch, "hive/wip/issue-1-a1"):
            exchange.push(bare, job, first, branch, SPEC)
        exchange.push(bare, job, second, "hive/wip/issue-1-a1", SPEC)
        with pytest.raises(GitError):
            exchange.push(bare, job, second, SPEC.branch, SPEC)
        assert repository.head(SPEC.branch) == first

    @pytest.mark.parametrize("branch", ["main", "hive/issue-1-a2", "hive/wip/issue-2-a1", "../x"])
    def test_another_branch_is_refused(self, tmp_path: Path, branch: str) -> None:
        repository = Repository(tmp_path / "proj")
        sha = work(tmp_path / "own.git", exchange.fetch(tmp_path / "own.git", repo_job(repository)))
        with pytest.raises(Refused):
            exchange.push(tmp_path / "own.git", repo_job(repository), sha, branch, SPEC)
        assert repository.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"

    def test_a_missing_base_says_so(self, tmp_path: Path) -> None:
        repository = Repository(tmp_path / "proj")
        job = RepoJob(RepoName("me/proj"), str(repository.path), "trunk")
        with pytest.raises(GitError, match="no branch trunk"):
            exchange.fetch(tmp_path / "own.git", job)


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
