"""Pane 8: what the dispatcher and people decided, and why."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from hive_tui.app import findable, rows
from hive_tui.app.panes.base import ListPane
from hive_tui.app.view import View
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Event
from hive_tui.core.sources import CLUSTER
from hive_tui.core.targets import Target
from widgets.cells import Cell, Column, Row

COLUMNS = (
    Column("time", 8),
    Column("kind", 8),
    Column("about", 6, rank=1),
    Column("text", 16, flexible=True),
    Column("by", 10, rank=2),
)


class EventsPane(ListPane):
    """The newest first."""

    tab = "events"
    source = CLUSTER
    noun = "event"
    sorts = findable.EVENTS
    empty = ("Nothing happened yet",)

    def __init__(self) -> None:
        super().__init__(8, "Events", COLUMNS, id="events")
        self._events: dict[int, Event] = {}
        self._listed: tuple[tuple[Event, ...], list[int]] = ((), [])

    def keys(self, view: View) -> Sequence[Hashable]:
        events = view.snapshot.events
        if events is not self._listed[0]:
            self._events = {event.seq: event for event in reversed(events)}
            self._listed = (events, list(self._events))
        return self._listed[1]

    def row(self, view: View, key: Hashable) -> Row:
        event = self._events.get(key) if isinstance(key, int) else None
        if event is None:
            return Row(key, ())
        about = ""
        if event.repo is not None and event.number is not None:
            about = rows.number(event.repo, event.number, "#", many=view.many)
        at = event.at.astimezone().strftime("%H:%M:%S")
        return Row(
            key,
            (
                Cell(at, Tone.QUIET),
                Cell(event.kind),
                Cell(about),
                Cell(event.text),
                Cell(str(event.actor), Tone.QUIET),
            ),
        )

    def thing(self, view: View, key: Hashable) -> Event | None:
        return self._events.get(key) if isinstance(key, int) else None

    facts = staticmethod(findable.event_facts)

    def target(self, view: View, key: Hashable) -> Target | None:
        event = self._events.get(key) if isinstance(key, int) else None
        return None if event is None else Target(repo=event.repo, issue=event.number, run=event.run)
