"""Whether a run that is started on this machine now could work at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from backends.clusters import git_remote
from backends.clusters.local import remote
from hive_tui.core.errors import GitError, SourceError
from hive_tui.core.ports import Remote
from hive_tui.system import disk, git


def check(home: Path, source: str, way: Remote | None = None) -> None:
    """Raises HiveError with the next step when git is missing or too old, the disk is full, or the
    repository `source` is not there, or cannot be reached as `way` says."""
    git.version()
    if source and not git_remote.is_remote(source) and not Path(source).expanduser().is_dir():
        raise GitError(f"{source} does not exist.", "It was moved or deleted; see `hive doctor`.")
    try:
        full = disk.full(home)
    except OSError as error:
        raise SourceError(f"{home}: {error.strerror}.", "`hive doctor` looks at the folder.") from error
    if full:
        raise SourceError(
            f"Less than {disk.LEAST_FREE >> 20} MB are free in {home}.",
            "Free some space; `hive gc` removes the work trees of ended runs.",
        )
    if way is not None and git_remote.is_remote(way.source):
        _check_remote(home, way, datetime.now(UTC))


def _check_remote(home: Path, way: Remote, now: datetime) -> None:
    """Asks the server only when nothing was fetched lately: each question is a process or three."""
    last = remote.reach(home, way.source)
    if last is not None and last.why is None and now - last.at < remote.REACHED:
        return
    if last is not None and last.why is not None and now - last.at < remote.UNREACHED:
        raise SourceError(last.why)
    home.mkdir(parents=True, exist_ok=True)
    remote.probe(home, way)
