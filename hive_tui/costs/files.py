"""The transcripts of this machine: where they are, and what was appended to one since it was read last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

CHUNK = 1 << 20
"""Bytes that are read at a time: so few that the same memory is used again, which is four times as fast."""

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


class Appended(NamedTuple):
    """Whole lines."""

    data: bytes
    end: int
    """The lines are those before it: what follows in `data` is the beginning of one that is not whole yet."""
    offset: int
    """Where they end in the file."""
    tail: bytes
    """The bytes before `offset`."""


def appended(path: str, offset: int) -> Iterator[Appended]:
    """The whole lines from `offset` on, a megabyte at a time; a line that is too long for any agent is
    passed over. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        size = CHUNK
        # A line that was cut by a read is read again from its beginning: that costs less than joining.
        while data := os.pread(file.fileno(), size, offset):
            end = data.rfind(b"\n") + 1
            if end:
                offset, size = offset + end, CHUNK
                yield Appended(data, end, offset, data[max(0, end - TAIL) : end])
            elif len(data) < size:
                return
            elif size <= LONGEST_LINE:
                size *= 2
            else:
                after = _next_line(file.fileno(), offset + len(data))
                if after is None:
                    return
                offset, size = after, CHUNK
                yield Appended(b"", 0, offset, os.pread(file.fileno(), TAIL, offset - TAIL))


def _next_line(file: int, offset: int) -> int | None:
    """Where the first line that begins after `offset` begins; None where there is none yet."""
    while data := os.pread(file, CHUNK, offset):
        end = data.find(b"\n") + 1
        if end:
            return offset + end
        offset += len(data)
    return None


def same_before(path: str, offset: int, tail: bytes) -> bool:
    """Whether the bytes before `offset` are still those that were read. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        file.seek(max(0, offset - len(tail)))
        return file.read(len(tail)) == tail
