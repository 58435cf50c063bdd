"""The demo's processes beside the dispatcher: the maintainer, the runs, and how all of them end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from hive_tui.core import actions
from hive_tui.core.actions import ActionContext, Request, Resume, StopAll
from hive_tui.core.errors import HiveError, SourceError
from hive_tui.core.model import Actor, ActorKind, Process
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Snapshot
from hive_tui.demo.names import MAINTAINER, MAINTAINER_LOCK, MAINTAINER_LOG
from hive_tui.fleet import OpenFleet
from hive_tui.system import flock, processes
from hive_tui.system.processes import ProcessId

START_SECONDS = 15.0
STOP_SECONDS = 15.0
"""For a runner to end its agent and push the work."""

STOPPED = "the demo was stopped"
"""The pause that `hive demo start` lifts again; a pause of yours stays."""

_PROGRAMS = ("hive_tui.runner", "hive_tui.dispatcher", "hive_tui.demo.maintainer")


def context(fleet: OpenFleet, now: Callable[[], datetime]) -> ActionContext:
    """To act as the demo's maintainer."""
    return ActionContext(
        cluster=fleet.cluster,
        forge=fleet.forge,
        settings=fleet.settings,
        actor=Actor(ActorKind.PERSON, MAINTAINER),
        now=now,
    )


def start_maintainer(folder: Path) -> None:
    """Start the maintainer, detached, unless it is there. Raises HiveError when it does not start."""
    lock, log = folder / MAINTAINER_LOCK, folder / MAINTAINER_LOG
    if flock.held(lock):
        return
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hive_tui.demo.maintainer"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not flock.held(lock):
        if process.poll() is not None or time.monotonic() > deadline:
            raise HiveError("The demo's maintainer did not start.", f"Its log is {log}.")
        time.sleep(0.02)


def stop_maintainer(folder: Path) -> None:
    """End the maintainer after what it is doing."""
    lock = folder / MAINTAINER_LOCK
    if not flock.held(lock):
        return
    try:
        process = msgspec.json.decode(lock.read_bytes(), type=ProcessId)
    except (OSError, msgspec.MsgspecError):
        return  # it is just starting; `end_all` finds it by its command
    processes.send(process, signal.SIGTERM)
    _wait(lambda: not processes.alive(process), STOP_SECONDS)


def stop_runs(fleet: OpenFleet, now: datetime) -> None:
    """Pause, end the runs that are at work, and wait until their work is saved."""
    snapshot = _act(fleet, now, StopAll(STOPPED))
    locks = [
        fleet.home / "runs" / run.id / "lock"
        for run in snapshot.runs.values()
        if run.process is Process.ALIVE
    ]
    _wait(lambda: not any(map(flock.held, locks)), STOP_SECONDS)


def resume(fleet: OpenFleet, now: datetime) -> None:
    """Lift the pause of an earlier `stop_runs`."""
    paused = (state := fleet.read_snapshot().fleet) and state.paused
    if paused and paused.why == STOPPED:
        _act(fleet, now, Resume())


def end_all(folder: Path, *, grace: float) -> None:
    """End every process of the fleet in `folder`, until none is found. Raises HiveError."""
    deadline = time.monotonic() + grace + STOP_SECONDS
    while found := _processes(folder):
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in found)
            raise HiveError(f"Processes {pids} of the demo do not end.", "End them with `kill -9`.")
        processes.end(found, grace=grace)


def _act(fleet: OpenFleet, now: datetime, request: Request) -> Snapshot:
    snapshot = fleet.read_snapshot()
    source = snapshot.sources.get(CLUSTER)
    if source is not None and source.why is not None:
        raise SourceError(f"The demo cannot be read: {source.why}", "`hive demo reset` removes it.")
    maintainer = context(fleet, lambda: now)
    actions.execute(maintainer, actions.plan(maintainer, snapshot, request))
    return snapshot


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def _processes(folder: Path) -> list[ProcessId]:
    """The dispatcher, the maintainer and the runners by their command and folder, and whatever carries
    the environment of one of the runs."""
    import psutil

    me, found = psutil.Process(), []
    near = {me.pid, *(parent.pid for parent in me.parents())}
    for process in psutil.process_iter():
        if process.pid in near:
            continue
        try:
            home = process.environ().get("HIVE_RUN_HOME")
            inside = home is not None and Path(home).is_relative_to(folder)
            if not inside and any(name in process.cmdline() for name in _PROGRAMS):
                inside = Path(process.cwd()).is_relative_to(folder)
        except (psutil.Error, OSError):
            continue
        if inside and (identity := processes.identify(process.pid)) is not None:
            found.append(identity)
    return found
