"""The user's repository on this machine: the few questions that a tracker asks.

git runs with the user's own configuration here, but never with their hooks.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.errors import GitError
from hive_tui.core.text import clean_line
from hive_tui.system import git


class Worktree(NamedTuple):
    """A checkout of the repository: the main one, or a linked one."""

    path: Path
    branch: str | None


class MergeTry(NamedTuple):
    """What merging would give: a tree, or the paths that are in conflict."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


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

    def first_file(self, revision: str, paths: Sequence[str]) -> str | None:
        """The text of the first of these paths that is a file there, None where none is."""
        listed = self.run("ls-tree", "-z", revision, "--", *paths, check=False).stdout
        # A symbolic link is a blob as well, and its text the name of another file.
        files = {
            entry.partition("\t")[2]
            for entry in listed.decode("utf-8", "replace").split("\0")
            if entry.startswith("100")
        }
        found = next((path for path in paths if path in files), None)
        if found is None:
            return None
        return self.run("cat-file", "blob", f"{revision}:{found}").stdout.decode("utf-8", "replace")

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
        raise GitError(
            f"git merge-tree failed: {clean_line(done.stderr.decode('utf-8', 'replace'))}",
            "If the base was rewritten, rebase the branch onto it, or close the pull request.",
        )

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
