"""A run's log in a file of its own: all that was recorded, also what a screen does not hold any more."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from hive_tui.app import log_lines
from hive_tui.app.tail import Logs
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RunId
from widgets.log_search import Filter

_TRIES = 100


class Saved(NamedTuple):
    path: Path
    lines: int
    """How many entries are in it."""


def save(logs: Logs, run: RunId, until: int, folder: Path, *, now: datetime, wanted: Filter) -> Saved:
    """Write what was recorded up to line number `until` and fits to a new file in `folder`.

    Raises SourceError when that cannot be done; a file that exists is never written to.
    """
    stop = threading.Event()
    name = f"{_harmless(run)}-{now.astimezone():%Y%m%d-%H%M%S}"
    count = 0
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, path = _create(folder, name)
        teller = log_lines.Teller()
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            for line in logs(run, 0, stop):
                entry = teller.tell(line)
                if line.n <= until and wanted.fits(entry):
                    file.write(log_lines.plain(entry) + "\n")
                    count += 1
                if line.n >= until:
                    break
    except OSError as error:
        raise SourceError(
            f"The log was not saved: {error.strerror or error}.", f"Look at the folder {folder}."
        ) from error
    finally:
        stop.set()
    return Saved(path, count)


def _create(folder: Path, name: str) -> tuple[int, Path]:
    for again in range(_TRIES):
        path = folder / (f"{name}-{again + 1}.log" if again else f"{name}.log")
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
        except FileExistsError:
            continue
    raise FileExistsError(f"{folder / name}.log exists")


def _harmless(name: str) -> str:
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in name).lstrip(".") or "log"
