"""Commands of `hive` as child processes of the console: bounded in time and size, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.errors import HiveError
from hive_tui.core.text import Redactor, clean

TIMEOUT = 60.0
"""Seconds after which a command is ended."""

LIMIT = 400_000
"""Bytes that a command may print."""


class Said(NamedTuple):
    """How a command ended, and what it said; the text is harmless."""

    code: int
    text: str
    """Standard output, then standard error."""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Caller(NamedTuple):
    """How `hive` is called for one fleet."""

    fleet: str
    config: Path | None = None

    def argv(self, words: Sequence[str], *, read_only: bool = False) -> list[str]:
        """The whole argument vector; options of our own stand before the command.

        The demo is a fleet of its own, whichever one is shown.
        """
        return [
            *(sys.executable, "-P", "-m", "hive_tui"),
            *(("--fleet", self.fleet) if not words or words[0] != "demo" else ()),
            *(("--config", str(self.config)) if self.config is not None else ()),
            *(("--read-only",) if read_only else ()),
            *words,
        ]


async def call(argv: Sequence[str], *, columns: int, name: str, seconds: float = TIMEOUT) -> Said:
    """Run a command to its end; a caller that is cancelled ends it.

    Raises HiveError when it cannot start, takes longer than `seconds` or says too much.
    """
    env = {**os.environ, "NO_COLOR": "1", "HIVE_COLOR": "never", "COLUMNS": str(columns), "PAGER": "cat"}
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=_here(),
            env=env,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise HiveError(
            f"`{name}` cannot be started: {error.strerror}.", "`hive doctor` looks why."
        ) from error
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            said = await asyncio.gather(_read(process.stdout), _read(process.stderr))
            code = await process.wait()
    except TimeoutError as error:
        raise HiveError(
            f"`{name}` took longer than {seconds:.0f} s and was ended.", "Call it in another terminal."
        ) from error
    except _TooMuch as error:
        raise HiveError(
            f"`{name}` said more than {LIMIT:,} characters.", "Ask for less, or call it in another terminal."
        ) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    redact = Redactor()
    texts = (redact(clean(part.decode("utf-8", "replace"), limit=LIMIT)).rstrip() for part in said)
    return Said(code, "\n".join(filter(None, texts)))


class _TooMuch(Exception):
    """More than `LIMIT` was said."""


async def _read(stream: asyncio.StreamReader) -> bytes:
    said = bytearray()
    while chunk := await stream.read(65_536):
        said += chunk
        if len(said) > LIMIT:
            raise _TooMuch
    return bytes(said)


def shown(words: Sequence[str]) -> str:
    """A call as one types it."""
    return shlex.join(["hive", *words])


def _here() -> Path:
    """Where the console was started; where that folder is gone, the one that always is there."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")
