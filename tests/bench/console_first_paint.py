"""First paint of the console in a terminal, against a Textual app with one Static in the same run."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

ROUNDS = 21
WARM_UP = 2
"""Rounds that do not count: the first compiles what was changed."""

MARK = b"Pull requests"
WITHIN = 30.0

_FLEET = "fleets: {local: {repos: [{name: me/app, path: /nowhere}]}}\n"
"""Without a repository the console would begin with what there is to do about that."""

_STATIC = (
    "from textual.app import App\nfrom textual.widgets import Static\n"
    "class One(App[None]):\n    def compose(self):\n        yield Static('Pull requests')\n"
    "One().run()\n"
)


def run() -> dict[str, Any]:
    """Milliseconds from the start of the process until its text is in the terminal, medians."""
    hive = Path(sys.executable).with_name("hive")
    with tempfile.TemporaryDirectory() as home:
        config = Path(home, "config", "config.yaml")
        config.parent.mkdir()
        config.write_text(_FLEET, encoding="utf-8")
        commands = {
            "console": [str(hive), "top", "--read-only"],
            "one_static": [sys.executable, "-c", _STATIC],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for round_ in range(ROUNDS + WARM_UP):
            # In turns, so that neither always comes after the longer of the two.
            for name in list(commands)[:: 1 if round_ % 2 else -1]:
                taken = _until_painted(commands[name], home)
                if round_ >= WARM_UP:
                    times[name].append(taken)
    console, static = (times[name] for name in commands)
    return {
        "name": "console_first_paint",
        "console_ms": round(statistics.median(console) * 1000, 1),
        "one_static_ms": round(statistics.median(static) * 1000, 1),
        # Round by round: what else the machine does in between hurts both of a round alike.
        "ratio": round(
            statistics.median(mine / theirs for mine, theirs in zip(console, static, strict=True)), 3
        ),
        "target_ratio": 1.4,
    }


def _until_painted(command: list[str], home: str) -> float:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "HIVE_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
        said = b""
        while MARK not in said:
            ready, _, _ = select.select([terminal], [], [], WITHIN)
            if not ready:
                raise RuntimeError(f"{command[0]} painted nothing within {WITHIN:.0f} s")
            said += os.read(terminal, 65_536)
        return time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
