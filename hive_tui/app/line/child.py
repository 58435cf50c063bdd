"""Commands of `hive` as child processes of the console: bounded in time and size, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.errors import HiveError
from hive_tui.core.text import Redactor, clean

TIMEOUT = 60.0
"""Seconds after which a command is ended."""

GRACE = 5.0
"""Seconds that a command which was ended has to be gone."""

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
    out, err = process.stdout, process.stderr
    assert out is not None
    assert err is not None

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    try:
        async with asyncio.timeout(seconds):
            said = await asyncio.gather(_read(out, end), _read(err, end))
            code = await process.wait()
    except TimeoutError as error:
        raise HiveError(
            f"`{name}` took longer than {seconds:.0f} s and was ended.", "Call it in another terminal."
        ) from error
    finally:
        if process.returncode is None:
            end()
            with contextlib.suppress(TimeoutError):  # what it started elsewhere may hold its pipes
                async with asyncio.timeout(GRACE):
                    await asyncio.gather(_read(out, end), _read(err, end), process.wait())
    if any(len(part) > LIMIT for part in said):
        raise HiveError(
            f"`{name}` said more than {LIMIT:,} characters.", "Ask for less, or call it in another terminal."
        )
    redact = Redactor()
    texts = (redact(clean(part.decode("utf-8", "replace"), limit=LIMIT)).rstrip() for part in said)
    return Said(code, "\n".join(filter(None, texts)))


async def _read(stream: asyncio.StreamReader, end: Callable[[], None]) -> bytes:
    """What is said, as far as it is kept; whoever says more is ended.

    It is read to its end all the same: asyncio waits forever for a process of which it holds unread output.
    """
    said = bytearray()
    while chunk := await stream.read(65_536):
        if len(said) <= LIMIT:
            said += chunk
            if len(said) > LIMIT:
                end()
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
