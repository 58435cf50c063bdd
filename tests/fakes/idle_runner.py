"""A runner that becomes a run's process and then does nothing: `… idle_runner CLUSTER HOME RUN`.

Prints `ready` when it is registered. SIGTERM or an order to stop ends it with a final record of `killed`,
SIGKILL without. Its text alone is enough where hive is installed and its tests are not.
"""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from hive_tui import plugins
from hive_tui.core.ids import RunId
from hive_tui.core.model import ControlKind, Phase, RunStatus
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings


def main(cluster: str, home: str, run: str) -> None:
    context = BackendContext("test", Path(home), FleetSettings(cluster=cluster), "me")
    host = plugins.cluster(cluster, context).host(RunId(run))
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    host.register()
    host.report(RunStatus(Phase.WORKING, since=datetime.now(UTC)))
    print("ready", flush=True)
    while not told and not any(order.kind is ControlKind.STOP for order in host.controls(0)):
        time.sleep(0.02)
    order = host.controls(0)[-1]
    host.report(RunStatus(Phase.KILLED, since=datetime.now(UTC), why=f"by {order.actor}"))


if __name__ == "__main__":
    main(*sys.argv[1:])
