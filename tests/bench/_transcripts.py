"""Transcripts as Claude Code writes them, any number of gigabytes: lines of recorded sessions with new ids.

The proportions are those of real sessions: ten kilobytes of prompts, results and files for each line that has
a usage, a message on one to three lines, sub-agents in files of their own, and forks, which begin with a copy
of another session. The same numbers make the same bytes.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from hive_tui import core
from tests.corpus import HERE

VERSION = 1
"""Of what is made: other bytes need another folder."""

BEGIN = datetime(2026, 3, 2, 7, tzinfo=UTC)

_PLACES = re.compile(
    rb'"id":"(?P<id>msg_[^"]*)"|"requestId":"(?P<request>[^"]*)"|"timestamp":"(?P<time>[^"]*)"'
    rb'|"sessionId":"(?P<session>[^"]*)"|"cwd":"(?P<cwd>[^"]*)"|"uuid":"(?P<uuid>[^"]*)"'
    rb'|"output_tokens":(?P<output>\d+)|"cache_read_input_tokens":(?P<read>\d+)'
)

_RESULTS = (400, 400, 900, 900, 900, 2_000, 2_000, 2_000, 4_000, 4_000, 8_000, 16_000, 35_000)
"""Bytes of what a tool said; it stands in its line twice."""

_SHAPES = (2_000, 31_000, 37_000)
"""Bytes of what the CLI notes down of every fifth request."""


class Scale(NamedTuple):
    """How much there shall be, roughly."""

    files: int
    size: int
    """Bytes of all of them."""


def make(home: Path, scale: Scale) -> int:
    """Write the transcripts below `home`/projects; returns their bytes."""
    dice = random.Random(scale.files)
    lines = _lines(dice)
    written = 0
    session, earlier = "", b""
    for number in range(scale.files):
        sidechain = number % 9 == 8
        if not sidechain:
            session = str(uuid.UUID(int=dice.getrandbits(128), version=4))
            project = f"/home/me/project-{number % 12}"
        folder = home / "projects" / project.replace("/", "-")
        path = folder / f"{session}.jsonl"
        if sidechain:
            path = folder / session / "subagents" / f"agent-{dice.getrandbits(68):017x}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = round(scale.size / scale.files * dice.choice((0.25, 0.5, 1.0, 2.25)))
        at = BEGIN + timedelta(minutes=dice.randrange(180 * 24 * 60))
        copied = earlier if number % 10 == 9 and not sidechain else b""
        with path.open("wb") as file:
            told = _Session(dice, lines, session, project, at, sidechain=sidechain)
            earlier = told.write(file, size - len(copied), copied)
            written += file.tell()
    return written


class _Lines(NamedTuple):
    """Lines to choose from; those with a usage as templates with places for what is new in each."""

    usage: dict[bool, list[bytes]]
    """By whether they are a sub-agent's."""
    others: list[bytes]
    results: list[bytes]
    shapes: list[bytes]


def _lines(dice: random.Random) -> _Lines:
    recorded = sorted((HERE / "claude").rglob("claude-home/**/*.jsonl"))
    whole = [line for path in recorded for line in path.read_bytes().splitlines(keepends=True)]
    usage: dict[bool, list[bytes]] = {False: [], True: []}
    for line in whole:
        if b'"usage":{' in line and b'"model":"<synthetic>"' not in line:
            usage[b'"isSidechain":true' in line].append(_template(line))
    others = [line for line in whole if b'"usage":{' not in line]
    texts = "".join(path.read_text() for path in sorted(Path(core.__file__).parent.rglob("*.py")))

    def text(size: int) -> str:
        start = dice.randrange(len(texts) - size)
        return texts[start : start + size]

    results = [
        _encoded("user", {"message": {"content": said}, "toolUseResult": {"stdout": said}})
        for said in map(text, _RESULTS * 3)
    ]
    shapes = [_encoded("attachment", {"attachment": {"content": text(size)}}) for size in _SHAPES]
    return _Lines(usage, others, results, shapes)


def _encoded(kind: str, more: dict[str, object]) -> bytes:
    line = {"parentUuid": str(uuid.UUID(int=1)), "isSidechain": False, "type": kind, **more}
    return msgspec.json.encode(line) + b"\n"


def _template(line: bytes) -> bytes:
    """The line with a place, such as `%(id)s`, for each thing that is new."""

    def place(found: re.Match[bytes]) -> bytes:
        name = found.lastgroup
        assert name is not None
        start, end = found.span(name)
        begin = found.start()
        return found[0][: start - begin] + b"%%(%s)s" % name.encode() + found[0][end - begin :]

    return _PLACES.sub(place, line.replace(b"%", b"%%"))


class _Session:
    """One file: messages, what tools said, and what the CLI notes down."""

    def __init__(
        self, dice: random.Random, lines: _Lines, session: str, project: str, at: datetime, *, sidechain: bool
    ) -> None:
        self._dice = dice
        self._usage, self._lines = lines.usage[sidechain], lines
        self._at = at
        self._fields: dict[bytes, bytes] = {b"session": session.encode(), b"cwd": project.encode()}
        self._read = 0

    def write(self, file: IO[bytes], size: int, copied: bytes) -> bytes:
        """Write a copy of another session and so many bytes; returns the first of them, for a fork."""
        file.write(copied)
        first: list[bytes] = []
        while size > 0:
            part = b"".join(self._message())
            if len(first) < 40:
                first.append(part)
            file.write(part)
            size -= len(part)
        return b"".join(first)

    def _message(self) -> Iterator[bytes]:
        dice, fields = self._dice, self._fields
        fields[b"id"] = b"msg_%024x" % dice.getrandbits(96)
        fields[b"request"] = b"req_%024x" % dice.getrandbits(96)
        fields[b"output"] = b"%d" % dice.randrange(5, 3_000)
        self._read = (self._read + dice.randrange(5_000)) % 180_000
        fields[b"read"] = b"%d" % self._read
        template = dice.choice(self._usage)
        for _ in range(dice.choice((1, 1, 2, 2, 2, 3))):
            self._at += timedelta(milliseconds=dice.randrange(200, 9_000))
            fields[b"time"] = self._at.isoformat(timespec="milliseconds")[:-6].encode() + b"Z"
            fields[b"uuid"] = b"%032x" % dice.getrandbits(128)
            yield template % fields
        yield dice.choice(self._lines.others)
        yield dice.choice(self._lines.results)
        if not dice.randrange(5):
            yield dice.choice(self._lines.shapes)
