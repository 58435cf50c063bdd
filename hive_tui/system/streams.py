"""Standard streams of a process that nobody watches: they go to a file on a disk that may be full."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO


class _Patient:
    """Writes what it can; a text that cannot be written is no reason to fail."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()


def let_errors_be_lost() -> None:
    """From now on a full disk behind standard error raises nothing.

    A process that reports trouble there must outlive the trouble that most often fills the disk.
    """
    sys.stderr = _Patient(sys.stderr)
