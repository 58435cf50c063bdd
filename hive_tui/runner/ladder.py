"""How an agent is made to stop: asked, told, killed, with bounded waits; then whatever it left behind."""

from __future__ import annotations

import signal
from datetime import timedelta

from hive_tui.core.ports import ProcessHandle, Sandbox

RUNGS = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))
"""Signal to the group and seconds to wait after it. Claude Code answers SIGINT with its final record in
well under a second, SIGTERM within 1.6 s in the middle of a tool; all waits leave time to push the work
within 10 s."""

GRACE = timedelta(seconds=0.5)
"""For processes that the agent left behind, between SIGTERM and SIGKILL."""


def climb(process: ProcessHandle) -> int | None:
    """End a process group; returns the exit status, None if not even SIGKILL ended it in time."""
    code = process.poll()
    for number, seconds in RUNGS:
        if code is not None:
            break
        process.signal(number)
        code = process.wait(seconds)
    return code


def end(process: ProcessHandle | None, sandbox: Sandbox) -> int | None:
    """End a process and then everything else on the agent's side."""
    code = None if process is None else climb(process)
    sandbox.end_everything(grace=GRACE)
    return code
