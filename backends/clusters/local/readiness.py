"""Whether a run that is started on this machine now could work at all."""

from __future__ import annotations

from pathlib import Path

from hive_tui.core.errors import GitError, SourceError
from hive_tui.core.ports import Remote
from hive_tui.system import disk, git


def check(home: Path, source: str, remote: Remote | None = None) -> None:
    """Raises HiveError with the next step when git is missing or too old, the disk is full, or the
    repository `source` is not there."""
    git.version()
    if source and "://" not in source and not Path(source).expanduser().is_dir():
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
