"""A fleet opened: its settings and, made when they are first used, its cluster and its forge."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from hive_tui import plugins
from hive_tui.config import Configuration
from hive_tui.core.booked import RECENT
from hive_tui.core.errors import HiveError
from hive_tui.core.ports import READ_SECONDS, BackendContext, Cluster, Forge, Ledger
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, SourceEvent, SourceFailed
from hive_tui.core.store import Snapshot, Store

_Read = Callable[[], Iterator[SourceEvent]]

LOCAL = "local"
"""Backends whose reads take milliseconds: reading them in a thread would only add to it."""


class OpenFleet:
    """One fleet, for one process. Close it when done."""

    def __init__(self, context: BackendContext) -> None:
        self.context = context

    @property
    def name(self) -> str:
        return self.context.fleet

    @property
    def home(self) -> Path:
        """The fleet's data folder, which need not exist."""
        return self.context.home

    @property
    def settings(self) -> FleetSettings:
        return self.context.settings

    @cached_property
    def cluster(self) -> Cluster:
        """Raises UsageError when the configured backend is not installed."""
        return plugins.cluster(self.settings.cluster, self.context)

    @cached_property
    def forge(self) -> Forge:
        """Raises UsageError when the configured backend is not installed."""
        return plugins.forge(self.settings.forge, self.context)

    @cached_property
    def ledger(self) -> Ledger:
        return plugins.ledger(self.context)

    def read_snapshot(self, timeout: float = READ_SECONDS) -> Snapshot:
        """Everything that the sources say now, within `timeout` seconds. A source that fails or takes
        longer is marked in the snapshot; nothing of that is raised."""
        return self._read((CLUSTER, FORGE), timeout)

    def read_cluster(self, timeout: float = READ_SECONDS) -> Snapshot:
        """The same of the cluster alone, for whoever asks nothing of the tracker."""
        return self._read((CLUSTER,), timeout)

    def _read(self, names: Sequence[str], timeout: float) -> Snapshot:
        store = Store(names)
        slow: list[tuple[str, _Read]] = []
        for name, backend, read in (
            (CLUSTER, self.settings.cluster, partial(self._read_cluster, timeout)),
            (FORGE, self.settings.forge, partial(self._read_forge, timeout)),
        ):
            if name not in names:
                continue
            if backend == LOCAL:
                store.apply(_collect(name, read), datetime.now(UTC))
            else:
                slow.append((name, read))
        if slow:
            store.apply(_collect_together(slow, timeout), datetime.now(UTC))
        fleet = store.snapshot.fleet
        if fleet is not None and fleet.budget.kept_by_ledger:
            try:
                store.book(self.ledger.booked(store.snapshot.runs, datetime.now(UTC) - RECENT))
            except HiveError as error:
                store.apply([SourceFailed(CLUSTER, error.words)], datetime.now(UTC))
        return store.snapshot

    def _read_cluster(self, seconds: float) -> Iterator[SourceEvent]:
        return self.cluster.read(seconds=seconds)

    def _read_forge(self, seconds: float) -> Iterator[SourceEvent]:
        return self.forge.read(seconds=seconds)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("cluster", "forge", "ledger"):
            if name in self.__dict__:
                getattr(self, name).close()
                del self.__dict__[name]


def open_fleet(configuration: Configuration, name: str) -> OpenFleet:
    """The fleet called `name`. Raises UsageError naming the nearest ones; opens nothing yet."""
    return OpenFleet(
        BackendContext(
            fleet=name,
            home=configuration.folders.fleet(name),
            settings=configuration.fleet(name),
            user=configuration.user,
        )
    )


def _collect(name: str, read: _Read) -> list[SourceEvent]:
    """What a source says; if it fails, what it said until then and that it failed."""
    events: list[SourceEvent] = []
    try:
        events.extend(read())
    except HiveError as error:
        events.append(SourceFailed(name, error.words))
    return events


def _collect_together(sources: list[tuple[str, _Read]], timeout: float) -> list[SourceEvent]:
    """Read slow sources side by side. One that is late is given up, with what it said until then; its
    thread ends with the process."""
    import queue
    import threading

    answers: queue.Queue[tuple[str, SourceEvent | None]] = queue.Queue()

    def work(name: str, read: _Read) -> None:
        try:
            for event in read():
                answers.put((name, event))
        except HiveError as error:
            answers.put((name, SourceFailed(name, error.words)))
        except Exception as error:  # a thread's edge: it becomes the source's state
            answers.put((name, SourceFailed(name, f"{type(error).__name__}: {error}")))
        answers.put((name, None))

    waiting = {name for name, _ in sources}
    for name, read in sources:
        threading.Thread(target=work, args=(name, read), name=f"read {name}", daemon=True).start()
    events: list[SourceEvent] = []
    deadline = time.monotonic() + timeout
    while waiting:
        try:
            name, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            events += [SourceFailed(name, f"no answer within {timeout:g} s") for name in sorted(waiting)]
            break
        if answer is None:
            waiting.discard(name)
        else:
            events.append(answer)
    return events
