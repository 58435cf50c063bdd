"""The demo's own git repository, made with a real history."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from hive_tui.demo.content import history
from hive_tui.system import git

BASE = "main"


def build(target: Path, now: datetime) -> None:
    """Make the repository at `target` unless it is there; its commits are from the days before `now`.

    It appears whole or not at all. Raises GitError.
    """
    if target.exists():
        return
    half = target.with_name(f"{target.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    git.run("init", "--quiet", "--template=", f"--initial-branch={BASE}", half)
    commits = history()
    for index, commit in enumerate(commits):
        for path, text in commit.files.items():
            file = half / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        at = (now - timedelta(days=len(commits) - index, hours=5 * index % 7)).strftime("%Y-%m-%dT%H:%M:%S%z")
        mail = f"{commit.author.split()[0].lower()}@pocket.invalid"
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", commit.author), ("EMAIL", mail), ("DATE", at))
        }
        git.run("add", "--all", cwd=half)
        git.run("commit", "--quiet", "--message", commit.message, cwd=half, env=who)
    half.rename(target)
