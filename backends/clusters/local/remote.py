"""Between a server and a runner's own repository on this machine.

What is fetched lies in one mirror for each repository below the fleet's folder; runs borrow its objects, so
nothing of it is ever removed. How git gets in is `backends.clusters.git_remote`'s.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from backends import typed
from backends.clusters import git_remote
from backends.clusters.git_remote import FIRST_SECONDS, Stop
from hive_tui.core.errors import GitError
from hive_tui.core.ports import Remote, RepoJob
from hive_tui.system import flock, git

REACHED = timedelta(minutes=15)
"""For so long after it worked, it is taken to work."""

UNREACHED = timedelta(minutes=1)
"""For so long after it failed, it is not tried."""

_STALE_SECONDS = 3_600.0


class Reach(msgspec.Struct, frozen=True):
    """Whether git got through to a repository, when that was tried last."""

    at: datetime
    why: str | None = None
    """Why it did not, with the next step."""


def mirror(home: Path, source: str) -> Path:
    """Where the fleet keeps what was fetched from `source`."""
    name = re.sub(r"[^a-z0-9]+", "-", urlsplit(source).path.lower().removesuffix(".git")).strip("-")[:60]
    return home / "mirrors" / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}.git"


def fetch(
    home: Path, bare: Path, repo: RepoJob, *, saved: str | None = None, stop: Stop | None = None
) -> str:
    """Make `bare` if need be, borrowing the mirror's objects; returns the base branch's SHA there.

    The branch `saved` is fetched, too, if it is there. Raises GitError as `git_remote.fetch` does.
    """
    where = mirror(home, repo.source)
    with _alone(where, repo, stop):
        sha = _bring(home, where, repo, saved, stop)
    if not (bare / "HEAD").is_file():
        git.run("init", "--quiet", "--bare", "--template=", "--", bare)
    info = bare / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "alternates").write_bytes(os.fsencode((where / "objects").absolute()) + b"\n")
    git.run("update-ref", f"refs/heads/{repo.base}", sha, cwd=bare)
    return sha


@contextmanager
def _alone(where: Path, repo: RepoJob, stop: Stop | None) -> Iterator[None]:
    """While no other run fetches into the mirror."""
    deadline = time.monotonic() + FIRST_SECONDS
    while True:
        with flock.waited_for(where.with_suffix(".lock"), 0.5) as held:
            if held:
                yield
                return
        if stop is not None and stop():
            raise GitError("git was stopped.")
        if time.monotonic() > deadline:
            minutes = f"{FIRST_SECONDS / 60:.0f} min"
            raise GitError(f"Another run has been fetching {repo.name} for {minutes}.", "Try again.")


def push(home: Path, bare: Path, repo: RepoJob, refspec: str) -> None:
    """Push one refspec. Raises GitError with the server's own reason."""
    with _noted(home, repo.source):
        git_remote.push(repo, bare, refspec)


def probe(home: Path, remote: Remote) -> None:
    """Raises GitError when git does not get through to the base branch; remembers what it found."""
    with _noted(home, remote.source):
        git_remote.probe(remote, home)


def reach(home: Path, source: str) -> Reach | None:
    """What was found out last; None when nothing was tried yet."""
    try:
        return typed.decode(_note(home, source).read_bytes(), Reach)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError):
        return None


def _bring(home: Path, where: Path, repo: RepoJob, saved: str | None, stop: Stop | None) -> str:
    """Fetch into the mirror; returns the base branch's SHA."""
    first = not (where / "HEAD").is_file()
    if first:
        git.run("init", "--quiet", "--bare", "--template=", "--", where)
    _unlock(where)
    with _noted(home, repo.source):
        return git_remote.fetch(repo, where, first=first, saved=saved, stop=stop)


@contextmanager
def _noted(home: Path, source: str) -> Iterator[None]:
    """Remembers whether git got through."""
    try:
        yield
    except GitError as error:
        if git_remote.is_passing(error) or git_remote.is_lasting(error):
            _remember(home, source, error.words)
        raise
    _remember(home, source, None)


def _remember(home: Path, source: str, why: str | None) -> None:
    note = _note(home, source)
    new = note.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # it only saves somebody a look
        note.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(msgspec.json.encode(Reach(datetime.now(UTC), why)))
        os.replace(new, note)


def _note(home: Path, source: str) -> Path:
    return mirror(home, source).with_suffix(".reach")


def _unlock(where: Path) -> None:
    """Remove what a git that was killed here long ago has left in the way of the next one."""
    before = time.time() - _STALE_SECONDS
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for path in where.glob(pattern):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
