"""A real git repository for tests, with nobody's configuration but its own."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from hive_tui.system import git


class Repository:
    """A checkout on branch `main` with one commit of `a.txt`."""

    def __init__(self, path: Path) -> None:
        """The one that is at `path`, or a new one."""
        self.path = path
        if path.exists():
            return
        shutil.copytree(_first(), path)
        # git knows files by what a copy has of its own.
        self.git("update-index", "-q", "--refresh")

    def git(self, *args: str | Path, cwd: Path | None = None) -> str:
        """Like a person at the prompt: hooks and configuration of the repository count."""
        env = git.environment({"GIT_ALLOW_PROTOCOL": "file"})
        done = subprocess.run(
            ["git", *map(str, args)],
            cwd=cwd or self.path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, files: dict[str, str], *, cwd: Path | None = None) -> None:
        for name, text in files.items():
            path = (cwd or self.path) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def commit(self, files: dict[str, str], message: str, *, cwd: Path | None = None) -> str:
        """Commit on the branch that is checked out; returns the commit."""
        self.write(files, cwd=cwd)
        self.git("add", "--all", cwd=cwd)
        self.git("commit", "--quiet", "--allow-empty", "-m", message, cwd=cwd)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    def branch(self, name: str, files: dict[str, str], *, start: str = "main") -> str:
        """A commit on a branch that nobody has checked out; returns the commit."""
        work = self.path.parent / f"{self.path.name}.{name.replace('/', '-')}"
        there = name in self.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        place: list[str | Path] = [work, name] if there else ["-b", name, work, start]
        self.git("worktree", "add", "--quiet", *place)
        sha = self.commit(files, f"Work on {name}", cwd=work)
        self.git("worktree", "remove", "--force", work)
        return sha

    def head(self, branch: str = "main") -> str:
        return self.git("rev-parse", f"refs/heads/{branch}")

    def has(self, branch: str) -> bool:
        return bool(self.git("for-each-ref", f"refs/heads/{branch}"))

    def status(self) -> str:
        return self.git("status", "--porcelain")


@cache
def _first() -> Path:
    """What every new one is a copy of: to make it takes six processes."""
    room = Path(tempfile.mkdtemp(prefix="hive-tests-"))
    atexit.register(shutil.rmtree, room, ignore_errors=True)
    first = Repository.__new__(Repository)
    first.path = room / "first"
    first.path.mkdir()
    first.git("init", "--quiet", "--template=", "--initial-branch=main")
    for folder in ("hooks", "info"):
        (first.path / ".git" / folder).mkdir(exist_ok=True)
    first.git("config", "user.name", "Ada Łovelace")
    first.git("config", "user.email", "ada@example.org")
    first.commit({"a.txt": "one\ntwo\nthree\n"}, "Start")
    return first.path
