"""The runner's process: `python -P -m hive_tui.runner --cluster NAME --fleet FLEET --home DIR RUN`.

Whoever starts it holds the run's lock and passes its descriptor (`--lock-fd`), so that the run counts
as alive from the start; nothing that the runner starts inherits it. It leaves with

0    the run has a final record, or waits
1    the runner failed without a record: `--recover` makes good
2    the call is wrong
3    the run is not to be started: it has ended, or another process is it
143  the record is written, but a signal without an order ended the run (130 for an interrupt)
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from pathlib import Path

from hive_tui import plugins
from hive_tui.core.errors import HiveError, RunEnded
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.runner import recover, run
from hive_tui.runner.orders import Signals
from hive_tui.system import streams


def main(arguments: list[str] | None = None) -> int:
    """Run or recover one run; returns the exit code."""
    options = _parser().parse_args(arguments)
    streams.let_errors_be_lost()
    if options.lock_fd is not None:
        os.set_inheritable(options.lock_fd, False)
    signals = Signals()
    signals.install()
    with contextlib.suppress(PermissionError):  # it leads its session already
        os.setsid()
    context = BackendContext(
        options.fleet,
        options.home,
        FleetSettings(cluster=options.cluster),
        os.environ.get("HIVE_USER", "hive"),
    )
    try:
        cluster = plugins.cluster(options.cluster, context)
        host = cluster.host(RunId(options.run))
        over = recover.recover(host, signals) if options.recover else run.execute(host, signals)
    except RunEnded as error:
        print(error.message, file=sys.stderr)
        return error.exit_code
    except HiveError as error:
        print(error.words, file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    if over.phase is Phase.LOST and signals.ended_by is not None:
        return 128 + signals.ended_by
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("hive_tui.runner", description="Drive one run of a fleet.")
    parser.add_argument("--cluster", required=True, help="cluster backend")
    parser.add_argument("--fleet", required=True, help="name of the fleet")
    parser.add_argument("--home", required=True, type=Path, help="the fleet's data folder")
    parser.add_argument("--lock-fd", type=int, help="descriptor that holds the run's lock")
    parser.add_argument("--recover", action="store_true", help="make good for a runner that died")
    parser.add_argument("run", help="the run's id")
    return parser


if __name__ == "__main__":
    sys.exit(main())
