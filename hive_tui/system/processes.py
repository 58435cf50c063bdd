"""Processes, named so that a reused pid is never mistaken: by pid, start time and boot.

The start time is the kernel's own tick count since boot, which a changed clock does not move
(psutil's create_time adds the boot time, which does).
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import signal


class ProcessId(msgspec.Struct, frozen=True):
    """One process of one boot of this machine."""

    pid: int
    start: str
    boot: str


@functools.cache
def boot_id() -> str:
    """What changes with every boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"


def _start(pid: int) -> str | None:
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return None
        fields = stat.rpartition(b")")[2].split()
        # Field 3 is the state, field 22 the start; a zombie has ended.
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


def identify(pid: int | None = None) -> ProcessId | None:
    """The identity of a process (default: this one), or None if there is no such process."""
    pid = os.getpid() if pid is None else pid
    start = _start(pid)
    return None if start is None else ProcessId(pid, start, boot_id())


def alive(process: ProcessId | None) -> bool:
    """Whether exactly this process still runs."""
    return process is not None and process.boot == boot_id() and _start(process.pid) == process.start


def send(process: ProcessId | None, number: signal.Signals) -> bool:
    """Signal exactly this process; False if it is gone."""
    if process is None or not alive(process):
        return False
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def named(prefix: str) -> list[int]:
    """The numbers of all processes whose name begins like this."""
    if sys.platform != "linux":
        import psutil

        found = ((process.pid, process.info["name"]) for process in psutil.process_iter(["name"]))
        return [pid for pid, name in found if name is not None and name.startswith(prefix)]
    pids = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/comm", "rb", buffering=0) as file:
                    own = file.read(64)
            except OSError:
                continue
            if own.startswith(prefix.encode()):
                pids.append(int(name))
    return pids


def carrying(variable: str, value: str, *, but: tuple[str, str] | None = None) -> list[ProcessId]:
    """Processes of this user, but this one, whose environment has `variable=value`.

    `but` (another variable, its value) leaves out those where that one is set to something else.
    """
    import psutil

    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            environment = process.environ()
            carries = environment.get(variable) == value and (
                but is None or environment.get(but[0], but[1]) == but[1]
            )
        except (psutil.Error, OSError):
            continue
        if carries and (identity := identify(process.pid)) is not None:
            found.append(identity)
    return found


def end(processes: list[ProcessId], *, grace: float) -> None:
    """Ask to terminate, wait up to `grace` seconds, then kill."""
    import signal  # asking whether a process lives, as every read of a fleet does, need not load it

    for process in processes:
        send(process, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        send(process, signal.SIGKILL)
