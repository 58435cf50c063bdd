"""The user's repository on this machine: what hive finds there, and the few questions a tracker asks.

git runs with the user's own configuration here, but never with their hooks.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import msgspec

from hive_tui.core.errors import GitError, UsageError
from hive_tui.core.text import clean_line
from hive_tui.system import git


class Facts(msgspec.Struct, frozen=True):
    """What there is at a path."""

    toplevel: Path | None
    """Of the checkout; None for a bare repository, or inside of a git directory."""
    common: Path
    """The git directory that linked worktrees share."""
    bare: bool
    empty: bool
    """There is no commit yet."""
    branch: str | None
    """The one checked out; None when HEAD is detached."""
    remote: str | None
    """`origin`, or the only remote; None when there is none, or several others."""
    remote_url: str | None
    submodules: bool


class Worktree(NamedTuple):
    """A checkout of the repository: the main one, or a linked one."""

    path: Path
    branch: str | None


class MergeTry(NamedTuple):
    """What merging would give: a tree, or the paths that are in conflict."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


def inspect(path: Path) -> Facts | None:
    """What there is at `path`, or None if it is not in a git repository. Raises GitError."""
    asked = ("--is-bare-repository", "--is-inside-work-tree", "--path-format=absolute", "--git-common-dir")
    done = git.run("rev-parse", *asked, cwd=path, check=False, own_config=True)
    if done.returncode:
        words = clean_line(done.stderr.decode("utf-8", "replace"))
        if "not a git repository" in words:
            return None
        raise GitError(f"{path}: {words}", "git itself refuses this repository; do what it says.")
    bare, inside, common = done.stdout.decode("utf-8", "surrogateescape").rstrip("\n").split("\n", 2)
    repository = LocalRepository(path)
    toplevel = Path(repository.text("rev-parse", "--show-toplevel")) if inside == "true" else None
    remote, url = _remote(repository)
    return Facts(
        toplevel=toplevel,
        common=Path(common),
        bare=bare == "true",
        empty=not repository.ok("rev-parse", "--verify", "--quiet", "HEAD"),
        branch=repository.text("symbolic-ref", "--quiet", "--short", "HEAD", check=False) or None,
        remote=remote,
        remote_url=url,
        submodules=toplevel is not None and (toplevel / ".gitmodules").is_file(),
    )


def open_repository(path: Path) -> LocalRepository:
    """The repository whose checkout `path` is in. Raises UsageError for what hive cannot work in."""
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder.", "Give the path of a git checkout.")
    git.version()
    facts = inspect(path)
    if facts is None:
        raise UsageError(
            f"{path} is not in a git repository.", "Go to your repository, or make one with `git init`."
        )
    if facts.bare:
        raise UsageError(
            f"{path} is a bare repository: it has no checkout to merge into.",
            f"Clone it with `git clone {path}`, then use the clone.",
        )
    if facts.toplevel is None:
        raise UsageError(f"{path} is inside of a git directory.", "Go to the checkout itself.")
    if facts.empty:
        raise UsageError(
            f"{facts.toplevel} has no commit yet, so there is nothing to start from.",
            "Commit something first: `git commit --allow-empty -m Start`.",
        )
    return LocalRepository(facts.toplevel)


class LocalRepository(NamedTuple):
    """The user's repository by the path of a checkout. Every method raises GitError."""

    path: Path

    def run(
        self,
        *args: str | Path,
        cwd: Path | None = None,
        check: bool = True,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        return git.run(*args, cwd=cwd or self.path, check=check, stdin=stdin, env=env, own_config=True)

    def text(self, *args: str | Path, check: bool = True) -> str:
        """The output without its last newline; undecodable bytes survive, since it may be a path."""
        return self.run(*args, check=check).stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def ok(self, *args: str) -> bool:
        return self.run(*args, check=False).returncode == 0

    def heads(self) -> dict[str, str]:
        """All branches and their commits, in one call."""
        lines = self.text("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/").split("\n")
        pairs = (line.split(" ", 1) for line in lines if line)
        return {name.removeprefix("refs/heads/"): sha for sha, name in pairs}

    def head(self, branch: str) -> str | None:
        """The commit of one branch, None if there is no such branch."""
        found = self.text("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", check=False)
        return found or None

    def has(self, sha: str) -> bool:
        return self.ok("cat-file", "-e", f"{sha}^{{commit}}")

    def is_ancestor(self, older: str, newer: str) -> bool:
        """False too when one of them is not there any more."""
        return self.ok("merge-base", "--is-ancestor", older, newer)

    def try_merge(self, base: str, head: str) -> MergeTry:
        """Merge two commits without any checkout; nothing but objects is written."""
        done = self.run(
            "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", base, head, check=False
        )
        parts = done.stdout.decode("utf-8", "replace").split("\0")
        if done.returncode == 0:
            return MergeTry(parts[0])
        if done.returncode == 1:
            return MergeTry(None, tuple(clean_line(name) for name in parts[1:] if name))
        raise GitError(f"git merge-tree failed: {clean_line(done.stderr.decode('utf-8', 'replace'))}")

    def worktrees(self) -> tuple[Worktree, ...]:
        found = []
        for record in self.text("worktree", "list", "--porcelain", "-z").split("\0\0"):
            fields = dict(line.partition(" ")[::2] for line in record.split("\0") if line)
            if "worktree" in fields and "bare" not in fields:
                branch = fields.get("branch", "").removeprefix("refs/heads/") or None
                found.append(Worktree(Path(fields["worktree"]), branch))
        return tuple(found)

    def diff(self, base: str, head: str) -> str:
        """What `head` changed since it left `base`."""
        quiet = ("--no-ext-diff", "--no-textconv", "--no-color")
        return self.run("diff", *quiet, f"{base}...{head}").stdout.decode("utf-8", "replace")


def _remote(repository: LocalRepository) -> tuple[str | None, str | None]:
    names = repository.text("remote").splitlines()
    if "origin" in names:
        name = "origin"
    elif len(names) == 1:
        name = names[0]
    else:
        return None, None
    return name, repository.text("config", "--get", f"remote.{name}.url", check=False) or None
