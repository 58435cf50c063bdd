"""Which sessions of Claude Code and Codex are at work on this machine now, and in which processes.

Claude Code keeps a small file for each of its processes; a killed one leaves it behind. Codex keeps the
thread's rollout, and a lock named after the thread, open.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from hive_tui.core.text import clean_line
from hive_tui.costs.clock import EARLIEST, LATEST, moment
from hive_tui.costs.files import Root
from hive_tui.system import processes

_LARGEST = 64 * 1024
"""Bytes of a process's file that are read; they have some hundred."""

_MOST = 4_096
"""Files of processes that are looked at."""

LOADED = "loaded"
"""As Codex calls a thread that its server for terminals and editors has open."""

_SERVER = "app-server"

_SLACK_SECONDS = 2.0
"""A process may say that it began a little before the kernel does."""

_THREAD = re.compile(r"(?:rollout-.*-)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:jsonl|lock)")


class Process(msgspec.Struct, frozen=True):
    """A process that works on a session, or waits for a person to go on with it."""

    agent: str
    pid: int
    session: str
    project: str | None = None
    """The folder in which it was started."""
    status: str | None = None
    """What it says of itself, such as `busy` or `idle`; None where it says nothing."""
    started_at: datetime | None = None
    told_at: datetime | None = None
    """When it said so."""


class _Known(msgspec.Struct, rename="camel"):
    """A file in Claude Code's `sessions`, as of 2.1; older ones lack some of it."""

    pid: int
    session_id: str
    cwd: str | None = None
    status: str | None = None
    started_at: int | None = None
    updated_at: int | None = None
    proc_start: str | None = None


def find(roots: Iterable[Root]) -> tuple[Process, ...]:
    """Each session that a process of this machine works on, once. `roots` as of `files.roots`."""
    found: dict[tuple[str, str], Process] = {}
    roots = tuple(roots)
    for process in (*_claude(roots), *_codex(roots)):
        key = (process.agent, process.session)
        known = found.get(key)
        # A session that was resumed in two places: the one that said something last.
        if known is None or (process.told_at or _NEVER) > (known.told_at or _NEVER):
            found[key] = process
    return tuple(found.values())


_NEVER = moment(0)


def _claude(roots: Sequence[Root]) -> Iterator[Process]:
    for root in roots:
        if root.agent != "claude":
            continue
        try:
            names = sorted(each for each in os.listdir(root.folder.parent / "sessions"))
        except OSError:
            continue
        for name in [each for each in names if each.endswith(".json")][:_MOST]:
            known = _read(root.folder.parent / "sessions" / name)
            if known is not None and _runs(known):
                yield Process(
                    "claude",
                    known.pid,
                    known.session_id,
                    known.cwd,
                    clean_line(known.status, limit=20) if known.status else None,
                    _moment(known.started_at),
                    _moment(known.updated_at),
                )


def _read(path: Path) -> _Known | None:
    try:
        # A pipe that somebody put there would keep the reader waiting.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return msgspec.json.decode(file.read(_LARGEST), type=_Known)
    except (OSError, ValueError, RecursionError):
        return None


def _runs(known: _Known) -> bool:
    """Whether the process that wrote it still runs, and not another one that got its number."""
    if not 0 < known.pid < 1 << 31:
        return False
    process = processes.identify(known.pid)
    if process is None:
        return False
    if sys.platform == "linux" and known.proc_start is not None:
        return process.start == known.proc_start
    if known.started_at is None:
        return False
    import psutil  # Linux with a Claude Code of today does without

    try:
        return psutil.Process(known.pid).create_time() <= known.started_at / 1_000 + _SLACK_SECONDS
    except psutil.Error:
        return False


def _codex(roots: Sequence[Root]) -> Iterator[Process]:
    homes = {os.path.realpath(root.folder.parent) for root in roots if root.agent == "codex"}
    pids = processes.named("codex") if any(map(os.path.isdir, homes)) else []
    if not pids:
        return
    import psutil  # takes its time, and is needed only where there is one

    for pid in pids:
        try:
            process = psutil.Process(pid)
            opened = [each.path for each in process.open_files()]
            started = moment(round(process.create_time() * 1_000))
            folder = process.cwd()
            serves = _SERVER in process.cmdline()
        except (psutil.Error, OSError):
            continue
        threads = {
            named[1]
            for path in opened
            if (named := _THREAD.fullmatch(os.path.basename(path)))
            and any(path.startswith(f"{home}/") for home in homes)
        }
        for thread in sorted(threads):
            # Its terminal may be closed already: the server lets go of a thread only after a while.
            status = LOADED if serves else None
            yield Process("codex", process.pid, thread, folder, status, started_at=started)


def _moment(milliseconds: int | None) -> datetime | None:
    return moment(milliseconds) if milliseconds and EARLIEST <= milliseconds <= LATEST else None
