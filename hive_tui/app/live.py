"""From the backends to the screen: what the sources say goes to one store, and from there to `take`.

    hive_tui.feed (a thread per source) --batches--> Store + Deriver (one thread) --View + Diff--> take

The receiver is told once, however often something changes before it looks, and then takes everything
at once. Knows nothing of Textual, so it can be tested without a screen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, Protocol

import msgspec

from hive_tui.app.view import Deriver, View
from hive_tui.core.booked import RECENT
from hive_tui.core.errors import StoreError
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Cluster, Emit, Forge, Ledger
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, Freshness, Health, Kind
from hive_tui.core.store import Diff, Store
from hive_tui.feed import Feed

BATCH_SECONDS = 0.06
"""How long events are gathered before the store takes them in together."""

AGEING_SECONDS = 5.0
"""How often the store looks for silent sources while nothing is said."""


class Fleet(Protocol):
    """A fleet whose backends open when they are first used."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> FleetSettings: ...
    @property
    def cluster(self) -> Cluster: ...
    @property
    def forge(self) -> Forge: ...
    @property
    def ledger(self) -> Ledger: ...


class Update(NamedTuple):
    """What changed since the last one was taken."""

    view: View
    diff: Diff


class Live:
    """A fleet's state, kept up to date in threads. `notify` is called from one of them when there is
    something to take."""

    def __init__(self, fleet: Fleet, *, notify: Callable[[], object], now: Callable[[], datetime]) -> None:
        self._notify = notify
        self._now = now
        self._fleet = fleet
        self._looked_up: set[tuple[RunId, bool]] | None = None
        """Runs that were looked for in the ledger, settled or not; None before it was read."""
        self._feed = Feed(_ClusterWatch(fleet), _ForgeWatch(fleet))
        self._store = Store((CLUSTER, FORGE))
        self._deriver = Deriver(fleet.name, fleet.settings, now())
        self._lock = threading.Lock()
        self._latest = self._deriver.view
        self._pending: Diff | None = None
        self._owner = threading.Thread(target=self._own_store, name="store", daemon=True)

    def start(self) -> None:
        """Start watching. Returns at once, whatever state the backends are in."""
        self._feed.start()
        self._owner.start()

    def close(self, timeout: float = 1.0) -> None:
        """End the threads; one that does not listen within `timeout` seconds ends with the process."""
        self._feed.close(timeout)

    def wake(self) -> None:
        """Have the tracker read at once."""
        self._feed.wake.set()

    @property
    def latest(self) -> View:
        """The newest view, also when only the age of its sources is new."""
        with self._lock:
            return self._latest

    def take(self) -> Update | None:
        """Everything that changed since the last call; None if nothing did."""
        with self._lock:
            diff, self._pending = self._pending, None
            return None if diff is None else Update(self._latest, diff)

    def _own_store(self) -> None:
        untold = Diff({})  # what no view was made of yet
        while not self._feed.stop.is_set():
            batch = self._feed.take(AGEING_SECONDS, settle=BATCH_SECONDS)
            now = self._now()
            try:
                untold = merged(untold, self._store.apply(batch, now))
                self._book(untold, now)
                view = self._deriver.derive(self._store.snapshot, untold, now)
                diff, untold = untold, Diff({})
            except Exception as error:  # a thread's edge: every source is marked with it
                diff, view = _broken(self._latest.at(now), f"{type(error).__name__}: {error}")
            self._deliver(view, diff)

    def _book(self, diff: Diff, now: datetime) -> None:
        """Have sums and budgets count what the ledger has, once there may be something new in it."""
        snapshot = self._store.snapshot
        if snapshot.fleet is None:
            return
        runs = [(name, snapshot.runs.get(name)) for name in snapshot.runs.keys() & diff.keys(Kind.RUN)]
        # Its rows are written before a run is settled.
        new = {(name, run is not None and run.settled) for name, run in runs}
        if self._looked_up is not None and new <= self._looked_up:
            return
        try:
            ledger, since = self._fleet.ledger, now - RECENT
            booked = ledger.booked(snapshot.runs, since)
            bill = ledger.bill(snapshot.runs, since)
        except StoreError:
            return  # what was known stays; the cluster's own source says what is wrong with the file
        self._store.book(msgspec.structs.replace(booked, bill=bill))
        self._looked_up = {(name, run.settled) for name, run in snapshot.runs.items()}

    def _deliver(self, view: View, diff: Diff) -> None:
        with self._lock:
            self._latest = view
            if not diff:
                return
            told = self._pending is not None
            self._pending = diff if self._pending is None else merged(self._pending, diff)
        if not told and not self._feed.stop.is_set():
            self._notify()


class _ClusterWatch:
    """Opens the cluster in its watching thread, so that no screen waits for it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def watch(self, emit: Emit, stop: threading.Event) -> None:
        self._fleet.cluster.watch(emit, stop)


class _ForgeWatch:
    """The same for the forge."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event) -> None:
        self._fleet.forge.watch(emit, stop, wake)


def merged(first: Diff, second: Diff) -> Diff:
    """What two batches changed together."""
    changed = dict(first.changed)
    for kind, keys in second.changed.items():
        changed[kind] = changed.get(kind, frozenset()) | keys
    return Diff(changed, first.sources or second.sources)


def _broken(view: View, why: str) -> tuple[Diff, View]:
    sources = {
        name: Freshness(name, Health.FAILED, source.heard_at, why)
        for name, source in view.snapshot.sources.items()
    }
    snapshot = msgspec.structs.replace(view.snapshot, sources=MappingProxyType(sources))
    return Diff({}, True), msgspec.structs.replace(view, snapshot=snapshot)
