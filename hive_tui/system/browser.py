"""A page in the person's browser, opened so that nothing of it reaches this terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping

_PAGE = re.compile(r"https?://[^\s\x00-\x20\x7f\"'<>\\^`{|}]{3,2000}")

_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"

_SECONDS = 10.0


def is_page(url: str) -> bool:
    """Whether it is a web page's address and nothing that a browser would run or read from a disk."""
    return _PAGE.fullmatch(url) is not None


def reachable(environ: Mapping[str, str] | None = None) -> bool:
    """Whether there can be a browser that the person sees; over ssh or in a bare terminal there is none
    (the browsers that draw in a terminal would draw over the console)."""
    env = os.environ if environ is None else environ
    return any(env.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")) or (
        sys.platform == "darwin" and "SSH_CONNECTION" not in env
    )


def open_page(url: str) -> bool:
    """Open a page; whether a browser took it. Blocks until it did."""
    if not is_page(url) or not reachable():
        return False
    try:
        # In a process and session of its own: browsers chatter, and some take the terminal.
        process = subprocess.Popen(
            (sys.executable, "-c", _OPEN, url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return process.wait(_SECONDS) == 0
    except OSError:
        return False
    except subprocess.TimeoutExpired:
        return True  # a browser that stays in the foreground of its own session
