"""The transcripts of this machine: where they are, and what was appended to one since it was read last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

CHUNK = 8 << 20
"""Bytes that are read at a time."""

LONGEST_LINE = 256 << 20
"""Bytes of a line that is still read; what is longer is no line of an agent's."""

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
    """Whole lines, and the place in the file after them."""

    data: bytes
    offset: int
    tail: bytes


def appended(path: str, offset: int) -> Iterator[Appended]:
    """The whole lines from `offset` on, a few megabytes at a time; a line that is too long for any agent is
    passed over. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        file.seek(offset)
        parts: list[bytes] = []
        held, skipping = 0, False
        while data := file.read(CHUNK):
            end = data.rfind(b"\n") + 1
            if not end:
                held += len(data)
                skipping = skipping or held > LONGEST_LINE
                parts = [] if skipping else [*parts, data]
                continue
            if skipping:
                first = data.find(b"\n") + 1
                offset += held + first
                whole = data[first:end]
            else:
                whole = b"".join((*parts, data[:end])) if parts or end < len(data) else data
            parts, held, skipping = [data[end:]], len(data) - end, False
            offset += len(whole)
            yield Appended(whole, offset, (whole or data[:end])[-TAIL:])


def same_before(path: str, offset: int, tail: bytes) -> bool:
    """Whether the bytes before `offset` are still those that were read. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        file.seek(max(0, offset - len(tail)))
        return file.read(len(tail)) == tail
