"""The dispatcher as a process of its own: started once, found, stopped.

On a local fleet the console, `dispatch` and the demo call `ensure_dispatcher` by themselves; a fleet on a
cluster is looked at from many machines, and only a person says on which of them its dispatcher runs.
Closing whatever called it leaves it running.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from hive_tui.core.errors import HiveError, Refused, SourceError
from hive_tui.core.model import Dispatcher, DispatcherState, Fleet
from hive_tui.core.sources import CLUSTER
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.fleet import LOCAL, OpenFleet
from hive_tui.system import processes

LOG = "dispatcher.log"
"""In the fleet's data folder; what the process prints, which is only trouble."""

START_SECONDS = 60.0
"""How long a dispatcher that lives is waited for until it dispatches: a busy machine takes a while."""

READ_SECONDS = 30.0
"""How long a cluster has to say whether a dispatcher runs."""

STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
REMOTE_POLL_SECONDS = 0.5
"""The same where each look asks a server."""

_started: list[subprocess.Popen[bytes]] = []
"""Kept so that they can be reaped where this process lives longer than they do."""


def dispatcher_state(fleet: OpenFleet) -> Dispatcher:
    """What the cluster says about the fleet's dispatcher. Raises SourceError when it cannot be read."""
    snapshot = fleet.read_cluster(READ_SECONDS)
    source = snapshot.sources[CLUSTER]
    if not source.ok:
        raise SourceError(
            f"Fleet {fleet.name!r} cannot be read: {source.why}", "`hive doctor` looks for the cause."
        )
    state: Fleet | None = snapshot.fleet
    return state.dispatcher if state is not None else Dispatcher(DispatcherState.STOPPED)


def ensure_dispatcher(fleet: OpenFleet, config: Path | None = None) -> tuple[Dispatcher, bool]:
    """Start the fleet's dispatcher unless one runs. Returns it, and whether this call started it.

    One that lives but does not dispatch within START_SECONDS is returned as UNKNOWN: it is slow, not wrong.
    `config` is the file given with --config. Raises HiveError with the process's own words when it
    ends instead of dispatching.
    """
    state = dispatcher_state(fleet)
    if _introduced(state):
        return state, False
    log = fleet.home / LOG
    begin = log.stat().st_size if log.exists() else 0
    # Where one holds the lock but is not in the database yet, the one started here ends by itself.
    process = _spawn(fleet, config, log)
    pause = _pause(fleet)
    deadline = time.monotonic() + START_SECONDS
    while True:
        late, ended = time.monotonic() >= deadline, process.poll()
        try:
            state = dispatcher_state(fleet)
        except SourceError:
            if ended == Refused.exit_code:
                raise
            # A cluster that is slow to answer keeps nobody from dispatching.
            state = Dispatcher(DispatcherState.UNKNOWN)
        if _introduced(state):
            return state, state.pid == process.pid and elsewhere(state) is None
        if ended is None and late:
            return Dispatcher(DispatcherState.UNKNOWN, process.pid), True
        if ended is not None and state.state is not DispatcherState.RUNNING:
            if ended != Refused.exit_code:
                raise HiveError(
                    f"The dispatcher ended at once (exit {ended}): {_said(log, begin)}", f"Its log is {log}."
                )
            if not late:
                process = _spawn(fleet, config, log)  # the one that it gave way to has left since
                continue
        if late:
            raise HiveError(
                f"No dispatcher began within {START_SECONDS:.0f} s.", f"Its log is {log}; try again."
            )
        time.sleep(pause)


def _introduced(state: Dispatcher) -> bool:
    """Whether a dispatcher holds the lock and has written who it is; before that the row is its
    predecessor's."""
    if state.state is not DispatcherState.RUNNING or state.pid is None:
        return False
    return elsewhere(state) is not None or processes.identify(state.pid) is not None


def elsewhere(state: Dispatcher) -> str | None:
    """The machine that a dispatcher runs on, where that is another one than this."""
    return state.host if state.host is not None and state.host != this_host() else None


def this_host() -> str:
    """What this machine calls itself, as dispatchers say where they run."""
    return socket.gethostname()


def _pause(fleet: OpenFleet) -> float:
    return POLL_SECONDS if fleet.settings.cluster == LOCAL else REMOTE_POLL_SECONDS


def _spawn(fleet: OpenFleet, config: Path | None, log: Path) -> subprocess.Popen[bytes]:
    _started[:] = [child for child in _started if child.poll() is None]
    try:
        fleet.home.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                _command(fleet.name, config),
                cwd=fleet.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
    except OSError as error:
        raise HiveError(f"The dispatcher cannot be started: {error}.", "See `hive doctor`.") from error
    _started.append(process)
    return process


def stop_dispatcher(fleet: OpenFleet) -> bool:
    """Stop the fleet's dispatcher; runs go on. Returns whether there was one to stop. Raises Refused for
    one on another machine, which cannot be reached from here."""
    state = dispatcher_state(fleet)
    if state.state is not DispatcherState.RUNNING:
        return False
    other = elsewhere(state)
    if other is not None:
        raise Refused(
            f"The dispatcher runs on {clean_line(other)} (pid {state.pid}), not on this machine.",
            "`hive dispatcher stop` there ends it; `hive pause` keeps it from starting anything.",
        )
    pause = _pause(fleet)
    deadline = time.monotonic() + STOP_SECONDS
    while not _introduced(state) and time.monotonic() < deadline:
        time.sleep(pause)
        state = dispatcher_state(fleet)
        if state.state is not DispatcherState.RUNNING:
            return False
    process = None if state.pid is None else processes.identify(state.pid)
    if process is None and state.host is not None:
        raise HiveError(
            f"The dispatcher (pid {state.pid}) is not there any more, and has not said so.",
            "Its fleet takes it for dead in a few seconds; nothing is lost by that.",
        )
    if process is None:
        raise HiveError(
            f"Something holds {fleet.home / 'dispatcher.lock'}, but does not say who it is.",
            "`fuser dispatcher.lock` in that folder names the process.",
        )
    processes.send(process, signal.SIGTERM)
    while processes.alive(process):
        if time.monotonic() > deadline:
            raise HiveError(
                f"The dispatcher (pid {state.pid}) did not stop within {STOP_SECONDS:.0f} s.",
                f"`kill -9 {state.pid}` ends it; nothing is lost by that.",
            )
        time.sleep(POLL_SECONDS)
    return True


def _command(fleet: str, config: Path | None) -> list[str]:
    command = [sys.executable, "-P", "-m", "hive_tui.dispatcher", "--fleet", fleet]
    return [*command, "--config", str(config.absolute())] if config is not None else command


def run_in_foreground(fleet: str, config: Path | None) -> None:
    """Become the dispatcher; does not return."""
    command = _command(fleet, config)
    os.execv(command[0], command)


def _said(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read(20_000).decode("utf-8", "replace")
    return Redactor()(clean(text)).strip()[-1_000:] or "it said nothing"
