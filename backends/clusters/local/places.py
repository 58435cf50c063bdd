"""Where a run's files are, below the fleet's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from backends.clusters.local.rows import encode, status_decoder
from hive_tui.core.ids import RunId
from hive_tui.core.model import RunStatus


class RunPlace(NamedTuple):
    """The folder of one run."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the runner for as long as it lives."""
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def work(self) -> Path:
        """The agent's clone."""
        return self.folder / "work"

    @property
    def bare(self) -> Path:
        """The runner's own repository."""
        return self.folder / "own.git"

    @property
    def output(self) -> Path:
        """What the runner itself prints: only when something is wrong with it."""
        return self.folder / "runner.log"

    def read_record(self) -> RunStatus | None:
        """The last status that the runner reported, whether or not the database took it."""
        try:
            return status_decoder.decode((self.folder / "record.json").read_bytes())
        except (OSError, msgspec.DecodeError):
            return None

    def write_record(self, status: RunStatus) -> None:
        """Replace the record in one step; a final one is on the disk when this returns. Raises OSError."""
        new = self.folder / "record.json.new"
        with open(new, "wb") as file:
            file.write(encode(status))
            if status.phase.final:
                file.flush()
                os.fsync(file.fileno())
        os.replace(new, self.folder / "record.json")


def place(home: Path, run: RunId) -> RunPlace:
    return RunPlace(home / "runs" / run)


def dispatcher_lock(home: Path) -> Path:
    return home / "dispatcher.lock"
