"""A run's event log on disk: JSON lines, appended by one runner at a time, read by anybody while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from hive_tui.core.errors import SourceError
from hive_tui.core.events import LogLine, Raw
from hive_tui.core.text import clean

_BLOCK = 1 << 16
_line = msgspec.json.Decoder(LogLine)


class _Numbered(msgspec.Struct):
    """What can be relied upon in a line that a newer hive wrote."""

    n: int
    at: msgspec.Raw


class LogReader:
    """Reads on from where it stopped; a half line at the end is left for the next call."""

    def __init__(self, path: Path, *, after: int = 0) -> None:
        self._path = path
        self._offset = 0
        self._file: int | None = None
        self._last = after

    def read(self) -> Iterator[LogLine]:
        """Complete lines with a higher number than the last one given out. Raises SourceError."""
        try:
            file = open(self._path, "rb")  # noqa: SIM115 - a missing file is an empty log
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unreadable(self._path, error) from error
        with file:
            status = os.fstat(file.fileno())
            if status.st_size < self._offset or self._file not in (None, status.st_ino):
                # Cut off, or another file of that name: numbers tell what was given out already.
                self._offset = 0
            self._file = status.st_ino
            if status.st_size == self._offset:
                return
            file.seek(self._offset)
            try:
                yield from self._lines(file)
            except OSError as error:
                raise _unreadable(self._path, error) from error

    def _lines(self, file: BinaryIO) -> Iterator[LogLine]:
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            self._offset += len(raw)
            line = decode(raw)
            if line is not None and line.n > self._last:
                self._last = line.n
                yield line


def _unreadable(path: Path, error: OSError) -> SourceError:
    return SourceError(
        f"The log cannot be read: {error.strerror or error}.", f"Look at the owner and the rights of {path}."
    )


def decode(raw: bytes) -> LogLine | None:
    """A line; one with an event that this hive does not know becomes Raw, rubbish becomes None."""
    try:
        return _line.decode(raw)
    except msgspec.DecodeError:
        pass
    try:
        known = msgspec.json.decode(raw, type=_Numbered)
        at = msgspec.json.decode(known.at, type=datetime)
    except msgspec.DecodeError:
        return None
    return LogLine(known.n, at, Raw(text=clean(raw.decode("utf-8", "replace"))))


class LogWriter:
    """Appends batches, each with one write; what a kill left half-written at the end is cut off first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def append(self, lines: Sequence[LogLine]) -> None:
        """Append lines. Raises OSError, after which nothing of the batch is in the file."""
        if self._fd is None:
            self._fd = _open_whole(self._path)
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        size = os.fstat(self._fd).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def sync(self) -> None:
        if self._fd is not None:
            os.fsync(self._fd)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _open_whole(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    end = size = os.fstat(fd).st_size
    while end:
        start = max(0, end - _BLOCK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)
    return fd
