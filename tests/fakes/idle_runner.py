"""A runner that becomes a run's process and then does nothing: `python -m tests.fakes.idle_runner HOME RUN`.

Prints `ready` when it is registered. SIGTERM ends it with a final record of `killed`, SIGKILL without.
"""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from backends.clusters.local import LocalCluster
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings


def main(home: str, run: str) -> None:
    host = LocalCluster(BackendContext("test", Path(home), FleetSettings(), "me")).host(RunId(run))
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    host.register()
    host.report(RunStatus(Phase.WORKING, since=datetime.now(UTC)))
    print("ready", flush=True)
    while not told:
        time.sleep(0.01)
    order = host.controls(0)[-1]
    host.report(RunStatus(Phase.KILLED, since=datetime.now(UTC), why=f"by {order.actor}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
