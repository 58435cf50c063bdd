"""The transcripts of this machine: where they are, and what was appended to one since it was read last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import NamedTuple

CHUNK = 1 << 20
"""Bytes that are read at a time: few enough for the processor's caches."""

BEGIN = 64
"""Where in the buffer what is read begins. Copying to memory that lies less than a cache line behind its
source within a page takes three times as long, and files are mostly read from the beginning of a page."""

LONGEST_LINE = 32 << 20
"""Bytes of a line that is still read in any case; twice as many are no line of an agent's."""

TAIL = 64
"""Bytes before the place up to which a file was read: another content there is another file."""

_DEPTH = 12


class Root(NamedTuple):
    """A folder with transcripts of one agent."""

    agent: str
    folder: Path


class Found(NamedTuple):
    """A transcript, as its folder lists it."""

    agent: str
    path: str
    device: int
    inode: int
    size: int
    modified: int
    """Nanoseconds."""


def roots(environ: Mapping[str, str], home: Path) -> tuple[Root, ...]:
    """Where Claude Code and Codex keep their transcripts, whether or not they are there."""
    named = [part.strip() for part in environ.get("CLAUDE_CONFIG_DIR", "").split(",") if part.strip()]
    claude = [Path(part).expanduser() for part in named] or [home / ".config" / "claude", home / ".claude"]
    codex = Path(environ.get("CODEX_HOME", "").strip() or home / ".codex").expanduser()
    return (
        *(Root("claude", folder / "projects") for folder in claude),
        Root("codex", codex / "sessions"),
        Root("codex", codex / "archived_sessions"),
    )


def find(roots: Iterable[Root]) -> Iterator[Found]:
    """All transcripts, each once, whatever links lead to it; folders that cannot be read are left out."""
    seen: set[tuple[int, int]] = set()
    for root in roots:
        yield from _walk(root.agent, os.fspath(root.folder), seen, _DEPTH)


def _walk(agent: str, folder: str, seen: set[tuple[int, int]], depth: int) -> Iterator[Found]:
    try:
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen or not depth:
            return
        seen.add((here.st_dev, here.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir():
                yield from _walk(agent, entry.path, seen, depth - 1)
            elif entry.name.endswith(".jsonl") and entry.is_file():
                facts = entry.stat()
                if (facts.st_dev, facts.st_ino) not in seen:
                    seen.add((facts.st_dev, facts.st_ino))
                    yield Found(
                        agent, entry.path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
                    )
        except OSError:
            continue


class Buffer:
    """The memory that one file after the other is read into: new memory costs more than reading does."""

    def __init__(self) -> None:
        self.data = bytearray(BEGIN + CHUNK)

    @property
    def size(self) -> int:
        """Bytes that are read at a time."""
        return len(self.data) - BEGIN

    def resize(self, size: int) -> None:
        """Make room for so many bytes; what was read is gone."""
        if size != self.size:
            self.data = bytearray(BEGIN + size)

    def fill(self, file: FileIO, offset: int) -> int:
        """Read what stands in a file from `offset` on; returns where it ends in `data`. Raises OSError."""
        file.seek(offset)
        with memoryview(self.data) as whole, whole[BEGIN:] as room:
            return BEGIN + file.readinto(room)


class Appended(NamedTuple):
    """Whole lines, between `BEGIN` and `end`; what follows is the beginning of one that is not whole yet."""

    data: bytearray
    """Of the buffer: other lines stand in it as soon as the next ones are asked for."""
    end: int
    offset: int
    """Where they end in the file."""
    tail: bytes
    """The bytes before `offset`."""


def appended(path: str, offset: int, buffer: Buffer) -> Iterator[Appended]:
    """The whole lines from `offset` on, a megabyte at a time; a line that is too long for any agent is
    passed over. Raises OSError."""
    with FileIO(path) as file:
        buffer.resize(CHUNK)
        # A line that was cut by a read is read again from its beginning: that costs less than joining.
        while (filled := buffer.fill(file, offset)) > BEGIN:
            data = buffer.data
            end = data.rfind(b"\n", BEGIN, filled) + 1
            if end:
                offset += end - BEGIN
                yield Appended(data, end, offset, bytes(data[max(BEGIN, end - TAIL) : end]))
                buffer.resize(CHUNK)
            elif filled < len(data):
                return
            elif buffer.size <= LONGEST_LINE:
                buffer.resize(2 * buffer.size)
            else:
                buffer.resize(CHUNK)
                after = _next_line(file, offset, buffer)
                if after is None:
                    return
                offset = after
                file.seek(offset - TAIL)
                yield Appended(buffer.data, BEGIN, offset, file.read(TAIL))


def _next_line(file: FileIO, offset: int, buffer: Buffer) -> int | None:
    """Where the first line that begins after `offset` begins; None where there is none yet."""
    while (filled := buffer.fill(file, offset)) > BEGIN:
        end = buffer.data.find(b"\n", BEGIN, filled) + 1
        if end:
            return offset + end - BEGIN
        offset += filled - BEGIN
    return None


def same_before(path: str, offset: int, tail: bytes) -> bool:
    """Whether the bytes before `offset` are still those that were read. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        file.seek(max(0, offset - len(tail)))
        return file.read(len(tail)) == tail
