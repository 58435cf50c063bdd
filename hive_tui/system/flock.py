"""Kernel locks that tell whether a process is alive: they end with the process that holds them.

Plain `flock` rather than the filelock package: the lock has to pass to a child process (it belongs
to the open file, so whoever inherits the descriptor holds it), and reading a fleet must not pay for
filelock's import of asyncio (50 ms).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.002
_PATIENCE_SECONDS = 5.0
"""Whoever asks `held` shares the lock for some microseconds, or longer on a busy machine."""


def hold(path: Path) -> int | None:
    """Take the lock at once: the open descriptor that holds it, or None if somebody else does.

    That others look whether it is held is no reason to give up: they share it, a holder does not.
    The descriptor is not inherited unless passed on. Closing it (in every process that has it) lets go.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _held_alone(fd):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _held_alone(fd: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _locked(fd, fcntl.LOCK_EX):
        if not _locked(fd, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        time.sleep(_PAUSE_SECONDS)
    return True


@contextmanager
def waited_for(path: Path, seconds: float) -> Iterator[bool]:
    """Do something with the lock held, after waiting for it for at most so long; says whether it is."""
    deadline = time.monotonic() + seconds
    while (fd := hold(path)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def held(path: Path) -> bool:
    """Whether some process holds the lock now. Asks for a shared lock and lets go at once."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _locked(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
