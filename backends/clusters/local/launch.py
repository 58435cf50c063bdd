"""Starts runners: detached processes that are locked before they exist, so none is ever started twice."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from backends.clusters.local import claims, rows, seen
from backends.clusters.local.places import RunPlace, place
from backends.database import Database
from hive_tui.core.errors import SourceError
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus
from hive_tui.core.ports import BackendContext
from hive_tui.system import flock, processes

if TYPE_CHECKING:
    import subprocess

PASSED_ON = frozenset(
    {
        *(
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "LANGUAGE",
            "TERM",
            "TMPDIR",
            "TZ",
            "HIVE_HOME",
        ),
        *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)
"""Variables that a runner gets besides LC_*: where things are and how to reach the network. None of
them is a token; those come only through `AgentJob.credentials`, and `RepoJob.variables` for git."""

_started: list[subprocess.Popen[bytes]] = []
"""Children that were not yet seen to have ended; kept until they are reaped."""


def runner_environment(environ: Mapping[str, str], credentials: Iterable[str]) -> dict[str, str]:
    """What of `environ` a runner may see."""
    named = PASSED_ON.union(credentials)
    return {name: value for name, value in environ.items() if name in named or name.startswith("LC_")}


def start(database: Database, context: BackendContext, run: RunId) -> bool:
    """Start the runner of a run that is queued or waits. False if it does neither, or is alive."""

    def allowed(connection: sqlite3.Connection, status: RunStatus) -> bool:
        # The lock is held by now, so that nobody gives the slot back after this look at it.
        return _startable(status) and claims.has_slot(connection, run)

    return _start(database, context, run, allowed, ())


def recover(database: Database, context: BackendContext, run: RunId) -> bool:
    """Start a runner that makes good for a dead one. False if there is nothing to make good."""

    def allowed(_: sqlite3.Connection, status: RunStatus) -> bool:
        return not status.phase.final

    return _start(database, context, run, allowed, ("--recover",))


def reap() -> None:
    """Let go of children that have ended. Threads may do so at once."""
    for child in tuple(_started):
        if child.poll() is not None:
            with suppress(ValueError):
                _started.remove(child)


def _startable(status: RunStatus) -> bool:
    """When a wait is over is the dispatcher's to say: a person may have lifted the limit early."""
    return status.phase is Phase.QUEUED or status.parked


def _start(
    database: Database,
    context: BackendContext,
    run: RunId,
    allowed: Callable[[sqlite3.Connection, RunStatus], bool],
    options: tuple[str, ...],
) -> bool:
    reap()
    with database.reading() as connection:
        rows.get_run(connection, run)
    where = place(context.home, run)
    try:
        lock = flock.hold(where.lock)
    except OSError as error:
        raise SourceError(
            f"{where.folder}: {error.strerror}.", "Free space or mend its permissions."
        ) from error
    if lock is None:
        return False
    try:
        with database.writing() as connection:
            row = seen.adopt(connection, context.home, rows.get_run(connection, run))
            if not allowed(connection, row.status):
                return False
            job = rows.read_job(connection, run)
        environment = runner_environment(os.environ, (*job.agent.credentials, *job.repo.variables))
        identity = _spawn(context, where, run, lock, environment, options)
        with database.writing() as connection:
            rows.write_process(connection, run, identity)
    finally:
        # The child has its own descriptor of the same open file, which holds the lock from here on.
        os.close(lock)
    return True


def _spawn(
    context: BackendContext,
    where: RunPlace,
    run: RunId,
    lock: int,
    environment: dict[str, str],
    options: tuple[str, ...],
) -> processes.ProcessId:
    import subprocess  # reading a fleet must not pay for it

    command = [sys.executable, "-P", "-m", "hive_tui.runner"]
    command += ["--cluster", context.settings.cluster, "--fleet", context.fleet, "--home", str(context.home)]
    command += ["--lock-fd", str(lock), run, *options]
    try:
        with open(where.output, "ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=where.folder,
                env=environment,
                pass_fds=(lock,),
                start_new_session=True,
            )
    except OSError as error:
        raise SourceError(
            f"The runner of {run} cannot be started: {error}.", "Free memory or space."
        ) from error
    _started.append(child)
    # One that has ended already is named by a start time that no process has.
    return processes.identify(child.pid) or processes.ProcessId(child.pid, "ended", processes.boot_id())
