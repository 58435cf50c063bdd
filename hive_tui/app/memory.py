"""What the console remembers of a fleet from one time to the next: sizes of panes, orders, the theme.

Nothing here matters enough to fail for: a file that is gone, damaged or of a newer hive is as good as none.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

VERSION = 1

LARGEST = 65_536
"""Bytes; anything longer is not ours."""


class Memory(msgspec.Struct, frozen=True):
    """As the person left the console."""

    version: int = VERSION
    sizes: dict[str, tuple[float, ...]] = {}
    """How each split is divided (`app.layout`)."""
    sorting: dict[str, tuple[str | None, bool]] = {}
    """By pane: the column, and whether the order is turned round."""
    theme: str | None = None
    """The one chosen in the console."""
    configured: str | None = None
    """The configured theme that it was chosen over; a new one there counts again."""


class MemoryFile:
    """One fleet's memory on disk; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> Memory:
        """What is remembered."""
        if self._path is None:
            return Memory()
        try:
            with self._path.open("rb") as file:
                found = msgspec.json.decode(file.read(LARGEST), type=Memory)
        except (OSError, ValueError, msgspec.MsgspecError):
            return Memory()
        return found if found.version == VERSION else Memory()

    def save(self, memory: Memory) -> None:
        """Remember this, wholly or not at all. A fleet without a data folder gets none by this."""
        if self._path is None:
            return
        try:
            number, name = tempfile.mkstemp(dir=self._path.parent, prefix=".console-")
        except OSError:
            return
        try:
            with open(number, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(memory)) + b"\n")
            os.replace(name, self._path)
        except OSError:
            Path(name).unlink(missing_ok=True)
