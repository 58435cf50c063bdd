"""Short commands whose output, time and memory are bounded, whatever they are made to do.

For everything that reads what an agent made: a command that says too much, takes too long or leaves
children behind is ended with its whole process group.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hive_tui.core.errors import GitError, WorkRejected

_STDERR_TAIL = 4_000

_LOOK_SECONDS = 0.5
"""Between two questions whether to stop."""


class Output(NamedTuple):
    """How a command ended and what it said; `stderr` is its last 4,000 bytes."""

    code: int
    stdout: bytes
    stderr: bytes
    cut: bool = False
    """It wanted to say more, and was ended."""


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    limit: int,
    timeout: float,
    memory: int | None = None,
    cut: bool = False,
    stop: Callable[[], bool] | None = None,
) -> Output:
    """Run to the end: at most `limit` bytes of output, `timeout` seconds, `memory` bytes of address space.

    Raises WorkRejected when it says more than `limit`, GitError when it takes longer or cannot start. With
    `cut` the first `limit` bytes are enough, and a command that says more is ended. It is also ended, and
    GitError raised, when `stop` says so, which is asked twice a second.
    The memory limit holds on Linux only; macOS has none that works.
    """
    name = _name(argv)
    if memory is not None and sys.platform == "linux":
        argv = ["/bin/sh", "-c", f'ulimit -v {memory // 1024}; exec "$@"', "sh", *argv]
    deadline = time.monotonic() + timeout
    # Files rather than pipes for what goes in and for stderr: only one stream has to be drained.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(stdin)
        given.seek(0)
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(env),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise GitError(f"{name} cannot be started in {cwd}: {error.strerror}.") from error
        try:
            said = _drain(process, limit, deadline, stop)
            if len(said) > limit:
                if not cut:
                    raise WorkRejected(f"A command on the agent's work said more than {limit:,} bytes.")
                return Output(-signal.SIGKILL, said[:limit], b"", cut=True)
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except _Stopped:
            raise GitError(f"{name} was stopped.") from None
        except subprocess.TimeoutExpired as error:
            raise GitError(f"{name} took longer than {timeout:.0f} s.") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
        size = errors.seek(0, os.SEEK_END)
        errors.seek(max(0, size - _STDERR_TAIL))
        return Output(code, said, errors.read())


class _Stopped(Exception):
    pass


def _drain(
    process: subprocess.Popen[bytes], limit: int, deadline: float, stop: Callable[[], bool] | None
) -> bytes:
    """All that it says, or a little more than `limit` of it."""
    assert process.stdout is not None
    fd = process.stdout.fileno()
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            if not selector.select(left if stop is None else min(left, _LOOK_SECONDS)):
                if stop is not None and stop():
                    raise _Stopped
                continue
            chunk = os.read(fd, 65_536)
            if not chunk:
                return bytes(said)
            said += chunk
            if len(said) > limit:
                return bytes(said)


def _name(argv: Sequence[str]) -> str:
    words = [word for word in argv if not word.startswith("-")]
    return Path(words[0]).name if words else "a command"
