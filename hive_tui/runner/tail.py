"""Reads what the kernel appended to a file since the last look."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_CHUNK = 1 << 20


class Tail:
    """A growing file. A file rather than a pipe: an agent whose pipe nobody drains loses its last words."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb")
        self.total = 0
        """Bytes read so far."""

    def read(self) -> bytes:
        """At most 1 MiB of what is new, empty for nothing."""
        data = self._file.read(_CHUNK)
        self.total += len(data)
        return data

    def skip_to_last(self) -> None:
        """Leave out all but the last 1 MiB of what is new."""
        here = self._file.tell()
        end = self._file.seek(0, 2)
        self._file.seek(max(here, end - _CHUNK))

    def close(self) -> None:
        self._file.close()


def end_of(path: Path, size: int) -> str:
    """The last `size` bytes of a file as text, empty when there is none."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - size))
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""
