"""The demo's maintainer: merges some of the pull requests and files an issue now and then.

    python -P -m hive_tui.demo.maintainer

A small detached process, alive while it holds `maintainer.lock` (whose content names it). It acts
through the same registry of actions as a person, under the login `maintainer`, and keeps no state of
its own: what is left to do is seen in the fleet.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec

from hive_tui import config
from hive_tui.core import actions, merging
from hive_tui.core.actions import Merge
from hive_tui.core.errors import HiveError
from hive_tui.core.model import PullRequest, PullState
from hive_tui.core.store import Snapshot
from hive_tui.core.text import clean_line
from hive_tui.demo import attendants, content, stock
from hive_tui.demo.fleet import read_mark
from hive_tui.demo.names import MAINTAINER_LOCK, NAME
from hive_tui.fleet import OpenFleet, open_fleet
from hive_tui.system import flock, processes

FILE_EVERY = 60.0
"""Seconds at speed 1 between two new issues."""

LOOKS_FOR = 15.0
"""Seconds at speed 1 that a pull request is looked at before it is merged."""

MERGE_EVERY = 8.0
"""Seconds at speed 1 between two merges."""


class Maintainer:
    """What the maintainer does at each turn."""

    def __init__(self, fleet: OpenFleet, speed: float) -> None:
        self._fleet = fleet
        self._speed = speed
        self._context = attendants.context(fleet, lambda: datetime.now(UTC))
        self._later = content.later()
        issues = (*content.backlog(), *self._later)
        self._left = {clean_line(issue.title) for issue in issues if issue.left_to_you}
        self._filed_at = time.monotonic()
        self._merged_at = float("-inf")

    def turn(self) -> None:
        """Merge what is ripe, file what is due. Raises HiveError."""
        snapshot = self._fleet.read_snapshot()
        now = time.monotonic()
        if now - self._merged_at >= MERGE_EVERY / self._speed and self._merge_one(snapshot):
            self._merged_at = now
        if now - self._filed_at >= FILE_EVERY / self._speed:
            self._filed_at = now
            known = stock.by_title(self._fleet)
            fresh = (issue for issue in self._later if clean_line(issue.title) not in known)
            if (issue := next(fresh, None)) is not None:
                stock.file_issue(self._fleet, issue, known)

    def _merge_one(self, snapshot: Snapshot) -> bool:
        for pull in sorted(snapshot.pulls.values(), key=lambda pull: pull.number):
            if self._ripe(pull, snapshot):
                plan = actions.plan(self._context, snapshot, Merge((pull.key,)))
                result = actions.execute(self._context, plan)
                if result.errors:
                    raise result.errors[0]
                return True
        return False

    def _ripe(self, pull: PullRequest, snapshot: Snapshot) -> bool:
        if pull.state is not PullState.OPEN or pull.issue_key is None:
            return False
        issue = snapshot.issues.get(pull.issue_key)
        if issue is None or issue.title in self._left or pull.lease is not None:
            return False
        looked = datetime.now(UTC) - pull.created_at >= timedelta(seconds=LOOKS_FOR / self._speed)
        return looked and not merging.obstacles(pull, issue, self._fleet.settings, base=None)


def main() -> int:
    """Exit codes: 0 stopped, 1 there is no demo, 3 there is a maintainer already."""
    configuration = config.load()
    folder = configuration.folders.fleet(NAME)
    mark = read_mark(folder)
    if mark is None:
        return 1
    lock = flock.hold(folder / MAINTAINER_LOCK)
    if lock is None:
        return 3
    os.ftruncate(lock, 0)
    os.pwrite(lock, msgspec.json.encode(processes.identify()), 0)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fleet = open_fleet(configuration, NAME)
    maintainer = Maintainer(fleet, mark.speed)
    while not stop.wait(min(1.0, max(0.1, 2.0 / mark.speed))):
        try:
            maintainer.turn()
        except HiveError as error:
            print(datetime.now(UTC).isoformat(timespec="seconds"), error.message, file=sys.stderr, flush=True)
    fleet.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
