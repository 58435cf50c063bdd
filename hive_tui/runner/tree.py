"""Looks at the agent's work tree now and then, from the agent's side and without waiting for it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from hive_tui.core.errors import HiveError
from hive_tui.core.ports import ProcessHandle, Sandbox
from hive_tui.runner import tail

EVERY_SECONDS = 5.0
"""Between two looks, more when a look takes long."""

_LONGEST = 30.0

_COUNT = r"""
export GIT_OPTIONAL_LOCKS=0
git="git -c core.fsmonitor=false -c core.quotePath=true"
{ $git diff --name-only "$1"; $git ls-files --others --exclude-standard; } | sort -u | wc -l
{ $git diff --numstat "$1"; $git ls-files --others --exclude-standard; } | cksum
"""


class TreeWatch:
    """Counts the files that differ from the base, and says when the difference changed."""

    def __init__(self, sandbox: Sandbox, home: Path, base: str) -> None:
        self._sandbox, self._base = sandbox, base
        self._out = home / "tree.out"
        self._process: ProcessHandle | None = None
        self._started = time.monotonic()
        self._next = self._started + EVERY_SECONDS
        self._last = ""

    def look(self) -> int | None:
        """The number of changed files when the tree differs from the last time, else None."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._next:
                self._begin(now)
            return None
        if self._process.poll() is None:
            if now - self._started > _LONGEST:
                self._process.signal(9)
            return None
        self._process = None
        self._next = now + max(EVERY_SECONDS, 10 * (now - self._started))
        said = tail.end_of(self._out, 1_000)
        number, _, _ = said.partition("\n")
        if said == self._last or not number.strip().isdigit():
            return None
        self._last = said
        return int(number)

    def _begin(self, now: float) -> None:
        self._out.unlink(missing_ok=True)
        self._started = now
        self._next = now + EVERY_SECONDS
        argv = ("sh", "-c", _COUNT, "sh", self._base)
        with contextlib.suppress(HiveError):  # only a figure for people; the next look may succeed
            self._process = self._sandbox.start(argv, env={}, stdout=self._out, stderr=self._out)
