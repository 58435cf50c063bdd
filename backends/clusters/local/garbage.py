"""Removes the clones of runs that ended long ago; their logs and records stay."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backends.clusters.local.places import RunPlace
from hive_tui.core.errors import SourceError
from hive_tui.system import flock


def sweep(where: RunPlace, *, dry_run: bool) -> list[str]:
    """Remove a run's clone and repository unless its process still lives; a line for each."""
    there = [folder for folder in (where.work, where.bare) if folder.is_dir() and not folder.is_symlink()]
    if not there or flock.held(where.lock):
        return []
    lock = None if dry_run else flock.hold(where.lock)
    if lock is None and not dry_run:
        return []
    try:
        return [_remove(where, folder, dry_run=dry_run) for folder in there]
    finally:
        if lock is not None:
            os.close(lock)


def _remove(where: RunPlace, folder: Path, *, dry_run: bool) -> str:
    line = f"{where.folder.name}: {folder.name}, {_size(folder) / 1_000_000:.1f} MB"
    if not dry_run:
        try:
            shutil.rmtree(folder, onerror=_writable_first)
        except OSError as error:
            raise SourceError(
                f"{folder} cannot be removed: {error.strerror}.", "Remove it by hand."
            ) from error
    return line


def _writable_first(function: Callable[..., Any], path: str, info: Any) -> None:
    """Agents leave read-only folders behind; they are ours all the same."""
    parent = os.path.dirname(path)
    for folder in (parent, path):
        if os.path.isdir(folder) and not os.path.islink(folder):
            os.chmod(folder, stat.S_IRWXU)
    if function in (os.rmdir, os.unlink):
        function(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    else:
        raise info[1]


def _size(folder: Path) -> int:
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total
