"""An agent's own transcript as a log: a part of the file at a time, the last one followed as it grows."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from hive_tui.app.tail import Logs
from hive_tui.core.errors import SourceError
from hive_tui.core.events import AnyEvent, LogLine, Note
from hive_tui.core.ids import RunId
from hive_tui.core.ports import TranscriptParser

PART = 4 << 20
"""Bytes of a transcript that are read and held at once."""

LONGEST_LINE = 32 << 20
"""Bytes of a line that is still read; what is longer is passed over."""

POLL_SECONDS = 0.2
"""Between two looks for new lines."""

_CHUNK = 1 << 18


class Part(NamedTuple):
    """The lines that begin from `begin` on, before `end`; without one also those still to come."""

    begin: int
    end: int | None = None

    def older(self) -> Part | None:
        """The part before; None where this one begins the file."""
        return Part(max(0, self.begin - PART), self.begin) if self.begin else None

    def newer(self, size: int) -> Part | None:
        """The part after, of a file of `size` bytes; None where this one has its end."""
        if self.end is None:
            return None
        return Part(self.end) if size - self.end <= PART else Part(self.end, self.end + PART)


def last_part(size: int) -> Part:
    """The end of a file of `size` bytes, and what comes."""
    return Part(max(0, size - PART))


def logs(path: str, part: Part, parser: Callable[[], TranscriptParser]) -> Logs:
    """The events of a part, numbered from 1, as the log of whatever run they are asked for. Where the file
    was written anew meanwhile it is told, and read from its beginning. Raises SourceError when it cannot be
    read."""

    def read(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        try:
            numbered = enumerate(_events(path, part, parser, stop), 1)
            yield from (LogLine(n, at, event) for n, (at, event) in numbered if n > after)
        except OSError as error:
            raise SourceError(
                f"{path}: {error.strerror or error}.",
                "The transcript may have been removed, or not be yours.",
            ) from error

    return read


def _events(
    path: str, part: Part, parser: Callable[[], TranscriptParser], stop: threading.Event
) -> Iterator[tuple[datetime, AnyEvent]]:
    last = datetime.fromtimestamp(os.stat(path).st_mtime, UTC)
    while True:
        reading = parser()
        for line in _lines(path, part, stop):
            for found in reading.line(line):
                last = found.at or last
                yield last, found.event
        if part.end is not None or stop.is_set():
            return
        part = Part(0)
        yield last, Note(text="the transcript was written anew")


def _lines(path: str, part: Part, stop: threading.Event) -> Iterator[bytes]:
    """The lines of a part. Of one without an end they go on until `stop`, or until another file is there."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
        # A line that begins at the part's beginning is one whose end before it is the byte before.
        position = max(0, part.begin - 1)
        file.seek(position)
        held = bytearray()
        skipping = part.begin > 0
        while not stop.is_set():
            data = file.read(_CHUNK)
            if not data:
                if part.end is not None:
                    break
                if _another(path, file.fileno(), position):
                    return
                stop.wait(POLL_SECONDS)
                continue
            start = 0
            while (found := data.find(b"\n", start)) >= 0:
                begin = position + start - len(held)
                if not skipping:
                    if part.end is not None and begin >= part.end:
                        return
                    yield bytes(held) + data[start:found]
                held.clear()
                skipping, start = False, found + 1
            position += len(data)
            if not skipping:
                held += data[start:]
                if len(held) > LONGEST_LINE:
                    held.clear()
                    skipping = True
        if held and not skipping and part.end is not None and position - len(held) < part.end:
            yield bytes(held)


def _another(path: str, descriptor: int, position: int) -> bool:
    """Whether there is another file now, or this one has less than was read."""
    own = os.fstat(descriptor)
    try:
        there = os.stat(path)
    except OSError:
        return False  # what was read stays; it may come back
    return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino) or own.st_size < position
