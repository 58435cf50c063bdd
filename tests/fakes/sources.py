"""A fleet whose backends say what a test tells them to say, and do nothing else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import cast

from hive_tui.core.errors import SourceError
from hive_tui.core.events import LogLine
from hive_tui.core.ids import RunId
from hive_tui.core.model import Claim, Event, Fleet, Issue, Paused, PullRequest, Run
from hive_tui.core.ports import Capability, Cluster, Emit, Forge
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, Changed, Item, Kind, Listed, SourceEvent

_CLUSTER_KINDS = (Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT)
_FORGE_KINDS = (Kind.ISSUE, Kind.PULL)


class ScriptedSource:
    """Emits what `say` is given, in order; an exception among it is raised in the watching thread."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self) -> None:
        self._said: queue.Queue[SourceEvent | BaseException] = queue.Queue()

    def say(self, *events: SourceEvent | BaseException) -> None:
        for event in events:
            self._said.put(event)

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event | None = None) -> None:
        while not stop.is_set():
            try:
                event = self._said.get(timeout=0.02)
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            emit(event)


class ScriptedCluster(ScriptedSource):
    """A cluster that can be watched, paused and asked for logs."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: dict[RunId, list[LogLine]] = {}
        self.ended: set[RunId] = set()
        self.paused: list[Paused | None] = []
        self.recorded: list[Event] = []
        self.followers = 0
        self.refuses = False

    def set_paused(self, paused: Paused | None) -> None:
        if self.refuses:
            raise SourceError("The database is locked.", "Try again.")
        self.paused.append(paused)

    def record(self, event: Event) -> None:
        self.recorded.append(event)

    def logs(
        self,
        run: RunId,
        *,
        after: int = 0,
        follow: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[LogLine]:
        stop = stop or threading.Event()
        sent = after
        self.followers += 1
        try:
            while not stop.is_set():
                lines = self.logged.get(run, [])
                yield from lines[sent:]
                sent = max(sent, len(lines))
                if not follow or run in self.ended:
                    return
                stop.wait(0.01)
        finally:
            self.followers -= 1


class ScriptedFleet:
    """What the console needs of a fleet."""

    def __init__(self, settings: FleetSettings | None = None, *, name: str = "trial") -> None:
        self.name = name
        self.settings = settings or FleetSettings(allowed_authors=("ann",))
        self.agents_side = ScriptedCluster()
        self.tracker = ScriptedSource()

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self.agents_side)

    @property
    def forge(self) -> Forge:
        return cast(Forge, self.tracker)

    def list_all(self, *items: Item) -> None:
        """Both sources say their full state."""
        mine = tuple(item for item in items if isinstance(item, Fleet | Run | Claim | Event))
        theirs = tuple(item for item in items if isinstance(item, Issue | PullRequest))
        self.agents_side.say(Listed(CLUSTER, _CLUSTER_KINDS, mine))
        self.tracker.say(Listed(FORGE, _FORGE_KINDS, theirs))

    def change(self, *items: Item) -> None:
        """Items that are new or different."""
        for item in items:
            if isinstance(item, Issue | PullRequest):
                self.tracker.say(Changed(FORGE, (item,)))
            else:
                self.agents_side.say(Changed(CLUSTER, (item,)))
