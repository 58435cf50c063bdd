"""A terminal of our own: a program on a real pty, what it paints, and in which state it leaves it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte

MODES = {
    b"alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"),
    b"hidden cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    b"mouse": (b"\x1b[?1000h", b"\x1b[?1000l"),
    b"bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
}
"""What a full-screen program switches on, and off again."""


class Terminal:
    """A program in a session of its own, its pty being its controlling terminal."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        size: tuple[int, int] = (160, 48),
        term: str = "xterm-256color",
        **files: Any,
    ) -> None:
        self.master, self._slave = os.openpty()
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        """Everything that the program wrote."""
        self.resize(*size, tell=False)
        self.before = termios.tcgetattr(self._slave)
        streams: dict[str, Any] = {"stdin": self._slave, "stdout": self._slave, "stderr": self._slave} | files
        self.process = subprocess.Popen(
            args,
            cwd=cwd,
            # These would win against the size of the pty; readline sets them in whoever imports it.
            env={key: env[key] for key in env.keys() - {"COLUMNS", "LINES"}} | {"TERM": term},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0),
            **streams,
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for number in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(number)

    def resize(self, width: int, height: int, *, tell: bool = True) -> None:
        """Another size, and the signal that says so."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.screen.resize(height, width)
        if tell:
            self.process.send_signal(signal.SIGWINCH)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def read(self, seconds: float = 0.0) -> int:
        """Take what was written within so many seconds; how many bytes."""
        found = 0
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.master], [], [], left)[0]:
                return found
            try:
                data = os.read(self.master, 65_536)
            except OSError:
                return found
            self.sent += data
            found += len(data)
            # pyte prints what it does not know: the queries of synchronised output and of keyboards.
            self._stream.feed(data.replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def until(self, condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Read until it holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come; the screen:\n{self.text}"
            self.read(0.05)

    def shows(self, *words: str) -> None:
        """Read until all these words are on the screen."""
        self.until(lambda: all(word in self.text for word in words), f"{words}")

    def wait(self, seconds: float = 20.0) -> int:
        """The exit code, when it has ended."""
        self.until(lambda: self.process.poll() is not None, "the end", seconds)
        self.read(0.1)
        return self.process.returncode

    @property
    def left_behind(self) -> list[str]:
        """What the program changed and did not put back."""
        found = [
            name.decode()
            for name, (on, off) in MODES.items()
            if on in self.sent and self.sent.rfind(on) > self.sent.rfind(off)
        ]
        if termios.tcgetattr(self._slave) != self.before:
            found.append("terminal attributes")
        return found


def hive(*args: str) -> list[str]:
    """The command line of `hive ARGS`."""
    return [sys.executable, "-m", "hive_tui", *args]
