"""The clipboard by the tools of this machine: tmux, macOS, Wayland, X11."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

LARGEST = 8 << 20
"""Bytes handed to a tool; more is no text that somebody means to paste."""

_SECONDS = 3.0


def tool(environ: Mapping[str, str] | None = None) -> tuple[str, ...] | None:
    """The command that takes what is to be copied on its standard input; None where there is none that
    reaches the person: over ssh only the terminal does, or the tmux that it runs."""
    env = os.environ if environ is None else environ
    candidates: list[tuple[str, ...]] = []
    if "TMUX" in env:
        # tmux drops what a program within it sends to the clipboard, unless it is told otherwise.
        candidates.append(("tmux", "load-buffer", "-w", "-"))
    if "SSH_CONNECTION" not in env and "SSH_TTY" not in env:
        if sys.platform == "darwin":
            candidates.append(("pbcopy",))
        if "WAYLAND_DISPLAY" in env:
            candidates.append(("wl-copy",))
        if "DISPLAY" in env:
            candidates += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    return next((command for command in candidates if shutil.which(command[0], path=env.get("PATH"))), None)


def put(command: tuple[str, ...], words: str) -> bool:
    """Hand `words` to the tool; whether it took them. Blocks for at most a few seconds."""
    data = words.encode("utf-8", "replace")
    if len(data) > LARGEST:
        return False
    try:
        # A session of its own: some of them stay to serve the clipboard, and none may write to the screen.
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
