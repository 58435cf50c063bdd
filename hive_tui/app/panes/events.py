"""Pane 8: what the dispatcher and people decided, and why."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from hive_tui.app import event_rows, findable
from hive_tui.app.panes.base import ListPane
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Event
from hive_tui.core.sources import CLUSTER
from hive_tui.core.targets import Target
from widgets.cells import Cell, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View

_SEQ = attrgetter("seq")


class EventsPane(ListPane):
    """The newest first."""

    tab = "events"
    source = CLUSTER
    noun = "event"
    sorts = findable.EVENTS
    empty = ("Nothing happened yet", "What the dispatcher and people do is told here")

    def __init__(self, *, many: bool) -> None:
        super().__init__(8, "Events", event_rows.event_columns(many=many), id="events")
        self._events: tuple[Event, ...] = ()
        self._keys: list[int] = []

    def keys(self, view: View) -> Sequence[Hashable]:
        events = view.snapshot.events
        if events is not self._events:
            self._keys = _newest_first(events, self._keys)
            self._events = events
        return self._keys

    def row(self, view: View, key: Hashable) -> Row:
        event = self.event(key)
        return Row(key, ()) if event is None else event_rows.event_row(event, view.now, many=view.many)

    def event(self, key: Hashable) -> Event | None:
        """The event with this number."""
        if not isinstance(key, int):
            return None
        index = bisect_left(self._events, key, key=_SEQ)
        found = self._events[index] if index < len(self._events) else None
        return found if found is not None and found.seq == key else None

    def thing(self, view: View, key: Hashable) -> Event | None:
        return self.event(key)

    facts = staticmethod(findable.event_facts)

    def target(self, view: View, key: Hashable) -> Target | None:
        event = self.event(key)
        if event is None:
            return None
        if event.run is not None and event.run in view.snapshot.runs:
            return view.target_of_run(event.run)
        return Target(repo=event.repo, issue=event.number, run=event.run)

    def counts(self, view: View) -> Iterable[Cell]:
        if self._events:
            yield Cell(f"last {text.since(self._events[-1].at, view.now)} ago", Tone.QUIET)


def _newest_first(events: Sequence[Event], known: list[int]) -> list[int]:
    """The numbers of all events, those that are known already taken over as they are."""
    if not events:
        return []
    old = bisect_left(events, known[0] + 1, key=_SEQ) if known else 0
    kept = known[:old]
    if old and (len(kept) != old or kept[-1] != events[0].seq):
        return [event.seq for event in reversed(events)]
    return [event.seq for event in reversed(events[old:])] + kept
