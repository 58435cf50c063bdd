"""The console in a real terminal that goes away."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

from tests.fakes.workshop import Workshop


def test_a_console_whose_terminal_is_gone_ends(shop: Workshop) -> None:
    shop.init()
    keyboard, screen = os.openpty()
    # Without a controlling terminal nobody sends SIGHUP: the worst case.
    console = subprocess.Popen(
        [sys.executable, "-m", "hive_tui", "top"],
        cwd=shop.repository,
        env={**shop.env, "TERM": "xterm-256color"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    try:
        shown = b""
        deadline = time.monotonic() + 30
        while b"today" not in shown and time.monotonic() < deadline:
            if select.select([keyboard], [], [], 0.2)[0]:
                shown += os.read(keyboard, 65_536)
        assert b"today" in shown
        os.close(keyboard)
        # 1 where the last words found nobody, 129 where Textual could not end any more.
        assert console.wait(20) in (0, 1, 129)
    finally:
        if console.poll() is None:
            console.kill()
            console.wait()
