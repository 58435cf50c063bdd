"""Commands of `hive` as child processes of the console: bounded in time and size, without a shell."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.errors import GitError, HiveError, WorkRejected
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
        """The whole argument vector; options of our own stand before the command."""
        return [
            *(sys.executable, "-P", "-m", "hive_tui", "--fleet", self.fleet),
            *(("--config", str(self.config)) if self.config is not None else ()),
            *(("--read-only",) if read_only else ()),
            *words,
        ]


def call(argv: Sequence[str], *, columns: int, name: str, timeout: float = TIMEOUT) -> Said:
    """Run a command to its end. Blocks. Raises HiveError when it takes too long or says too much."""
    from hive_tui.system import bounded  # subprocess and selectors, which only a command needs

    began = time.monotonic()
    env = {**os.environ, "NO_COLOR": "1", "HIVE_COLOR": "never", "COLUMNS": str(columns), "PAGER": "cat"}
    try:
        done = bounded.run(argv, cwd=_here(), env=env, limit=LIMIT, timeout=timeout)
    except WorkRejected as error:
        raise HiveError(
            f"`{name}` said more than {LIMIT:,} characters.", "Ask for less, or call it in another terminal."
        ) from error
    except GitError as error:
        if time.monotonic() - began < timeout:
            raise HiveError(
                f"`{name}` cannot be started: {error.message}", "`hive doctor` looks why."
            ) from error
        raise HiveError(
            f"`{name}` took longer than {timeout:.0f} s and was ended.", "Call it in another terminal."
        ) from error
    redact = Redactor()
    parts = (part.decode("utf-8", "replace") for part in (done.stdout, done.stderr))
    return Said(
        done.code, "\n".join(redact(clean(part, limit=LIMIT)).rstrip() for part in parts if part.strip())
    )


def shown(words: Sequence[str]) -> str:
    """A call as one types it."""
    return shlex.join(["hive", *words])


def _here() -> Path:
    """Where the console was started; where that folder is gone, the one that always is there."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")
