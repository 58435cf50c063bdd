"""The local cluster as a source: the file's changes, and the locks of processes, which write nothing
when they die."""

from __future__ import annotations

import sqlite3

import msgspec

from backends.clusters.local import launch, rows, seen
from backends.clusters.local.rows import DispatcherRow, RunRow
from backends.local_feed import Change, Source, changed
from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.model import Fleet, Process
from hive_tui.core.ports import BackendContext
from hive_tui.core.sources import Item, Key, Kind, SourceEvent

KINDS = (Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT)

LOOK_SECONDS = 0.8
"""Between two looks at the locks: a death is seen within a second, 100 runs cost 2 ms each time."""


class Observer:
    """Remembers the unsettled runs between two looks, so that only what differs is said again."""

    def __init__(self, name: str, context: BackendContext) -> None:
        self._context = context
        self._runs: dict[RunId, tuple[RunRow, Process]] = {}
        self._fleet: tuple[Fleet, DispatcherRow | None] | None = None
        self.source = Source(name, KINDS, self._items, self._changed, self._look, LOOK_SECONDS)

    def _items(self, connection: sqlite3.Connection | None) -> tuple[Item, ...]:
        self._runs.clear()
        self._fleet = seen.fleet(connection, self._context)
        if connection is None:
            return (self._fleet[0],)
        return (
            self._fleet[0],
            *(self._run(row) for row in rows.read_runs(connection)),
            *rows.read_claims(connection),
            *rows.read_events(connection),
        )

    def _changed(self, connection: sqlite3.Connection, changes: frozenset[Change]) -> tuple[SourceEvent, ...]:
        found: list[Item] = []
        gone: list[tuple[Kind, Key]] = []
        for change in sorted(changes):
            item: Item | None
            match change.kind:
                case "fleet":
                    self._fleet = seen.fleet(connection, self._context)
                    item = self._fleet[0]
                case "run":
                    run = RunId(change.name)
                    row = next(iter(rows.read_runs(connection, (run,))), None)
                    item = None if row is None else self._run(row)
                    if item is None:
                        self._runs.pop(run, None)
                        gone.append((Kind.RUN, run))
                case "claim":
                    key = IssueKey(RepoName(change.repo), change.number)
                    item = rows.read_claim(connection, key)
                    if item is None:
                        gone.append((Kind.CLAIM, key))
                case "event":
                    item = rows.read_event(connection, change.number)
                case _:
                    continue
            if item is not None:
                found.append(item)
        return changed(self.source.name, found, gone)

    def _run(self, row: RunRow) -> Item:
        state = seen.process(self._context.home, row)
        if row.settled:
            self._runs.pop(row.spec.id, None)
        else:
            self._runs[row.spec.id] = (row, state)
        return seen.run(self._context.home, row, state)

    def _look(self) -> tuple[SourceEvent, ...]:
        """What the locks say now and did not say before."""
        launch.reap()
        home = self._context.home
        found: list[Item] = []
        for row, before in tuple(self._runs.values()):
            if seen.process(home, row) is not before:
                found.append(self._run(row))
        if self._fleet is not None:
            item, row_of_dispatcher = self._fleet
            dispatcher = seen.dispatcher(home, row_of_dispatcher)
            if dispatcher != item.dispatcher:
                item = msgspec.structs.replace(item, dispatcher=dispatcher)
                self._fleet = (item, row_of_dispatcher)
                found.append(item)
        return changed(self.source.name, found, [])
