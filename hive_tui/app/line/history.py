"""The lines that were given before, in a small file of the user's; a line with a secret is not kept."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from hive_tui.core.text import Redactor, clean_line

MOST = 200
"""Lines that are kept."""

_SAYS_MUCH = ("send", "answer", "auth")
"""Commands with a person's own words in them, which are nobody's business later."""


class History:
    """Lines, the newest last. A file that cannot be read or written only costs the memory."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps them while the console runs."""
        self._path = path
        self.lines: list[str] = self._read()

    def add(self, line: str) -> None:
        """Keep a line, once, as the newest."""
        line = clean_line(line, limit=500)
        if not line or Redactor()(line) != line:
            return
        if line.split()[0] in _SAYS_MUCH:
            line = line.split()[0]
        self.lines = [*(other for other in self._read() if other != line), line][-MOST:]
        self._write()

    def _read(self) -> list[str]:
        if self._path is None:
            return list(getattr(self, "lines", []))
        try:
            text = self._path.read_bytes()[-100_000:].decode("utf-8", "replace")
        except OSError:
            return list(getattr(self, "lines", []))
        return [line for raw in text.splitlines() if (line := clean_line(raw))][-MOST:]

    def _write(self) -> None:
        if self._path is None:
            return
        half = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            half.write_text("".join(f"{line}\n" for line in self.lines), encoding="utf-8")
            half.chmod(0o600)
            half.replace(self._path)


class Browsing:
    """Going up and down through the lines; what was being typed is where one comes back to."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = len(lines)
        self._typed = ""

    def step(self, by: int, typed: str) -> str:
        """The line before (-1) or after (1), among those that begin with what was typed."""
        if self._at == len(self._lines):
            self._typed = typed
        at = self._at + by
        while 0 <= at < len(self._lines):
            if self._lines[at].startswith(self._typed):
                self._at = at
                return self._lines[at]
            at += by
        if at >= len(self._lines):
            self._at = len(self._lines)
            return self._typed
        return typed
