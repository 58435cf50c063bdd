"""The entries of a log that are held, those of them that are shown, and where something was found; pure."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.flow import Flow
from widgets.log_entry import Entry
from widgets.log_search import STEP, Filter, Phrase, Scan

CAPACITY = 20_000
"""Entries kept of one log; older ones are dropped and counted."""

HEAVIEST = 48_000_000
"""Characters kept of one log's texts, which only a log of very long entries reaches."""


class LogBook:
    """A ring of entries, each with an index that it keeps for good.

    Rows are the entries that the filter lets pass, by numbers that rise too; `flow` says on which lines
    they are. What is looked for is found in steps, so that no frame waits for it.
    """

    def __init__(self, capacity: int = CAPACITY, heaviest: int = HEAVIEST) -> None:
        self._capacity, self._heaviest = capacity, heaviest
        self._one_line = True
        self.clear()

    def clear(self) -> None:
        """Begin another log, with nothing looked for."""
        self.entries: list[Entry] = []
        self.first = 0
        """The index of the oldest entry."""
        self.dropped = 0
        """Entries that the ring could not hold."""
        self.filter = Filter()
        self.phrase: Phrase | None = None
        self.flow = Flow()
        self._weight = 0
        self._shown: Scan | None = None
        self._matches: Scan | None = None

    # Entries

    @property
    def end(self) -> int:
        """The index after the newest entry's."""
        return self.first + len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index - self.first]

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.first <= index < self.end

    def extend(self, batch: Sequence[Entry]) -> int:
        """Append entries. Returns how many rows had to go for them."""
        self.entries += batch
        self._weight += sum(len(entry.text) for entry in batch)
        if self._shown is None:
            self.flow.extend(len(batch), measured=self._one_line)
        return self._drop(self._too_many())

    def _too_many(self) -> int:
        """How many of the oldest have to go."""
        number = max(0, len(self.entries) - self._capacity)
        weight = self._weight - sum(len(entry.text) for entry in self.entries[:number])
        while weight > self._heaviest:
            weight -= len(self.entries[number].text)
            number += 1
        self._weight = weight
        return number

    def _drop(self, number: int) -> int:
        if not number:
            return 0
        del self.entries[:number]
        self.first += number
        self.dropped += number
        if self._matches is not None:
            self._matches.drop(self.first)
        rows = number if self._shown is None else self._shown.drop(self.first)
        self.flow.drop(rows)
        return rows

    # Rows

    def index_of(self, row: int) -> int:
        """The index of the entry on a row."""
        return row if self._shown is None else self._shown.found[row - self.flow.first]

    def row_of(self, index: int) -> int:
        """The row of an entry, or of the next one that is shown; the end of the rows where none is."""
        if self._shown is None:
            return min(max(index, self.flow.first), self.flow.end)
        return self.flow.first + self._shown.after(index)

    def lay_out(self, *, one_line: bool) -> None:
        """Measure all rows anew; with `one_line` each takes one."""
        self._one_line = one_line
        rows = len(self.entries) if self._shown is None else len(self._shown.found)
        version = self.flow.version + 1
        self.flow = Flow(self.first if self._shown is None else self.flow.first)
        self.flow.extend(rows, measured=one_line)
        self.flow.version += version

    # What is looked for

    def show_only(self, wanted: Filter) -> None:
        """Show what fits; the rows come with the next steps."""
        self.filter = wanted
        self._shown = Scan(wanted.fits, self.first) if wanted else None
        self.lay_out(one_line=self._one_line)
        self.find(self.phrase)

    def find(self, wanted: Phrase | None) -> None:
        """Look for words in what is shown; the matches come with the next steps."""
        self.phrase = wanted
        shown = self.filter.fits if self.filter else None
        if wanted is None:
            self._matches = None
        elif shown is None:
            self._matches = Scan(wanted.fits, self.first)
        else:
            self._matches = Scan(lambda entry: wanted.fits(entry) and shown(entry), self.first)

    @property
    def matches(self) -> Sequence[int]:
        """The indices of the entries in which the words were found, so far."""
        return () if self._matches is None else self._matches.found

    def nth(self, index: int) -> int:
        """How many matches there are up to this entry."""
        return 0 if self._matches is None else self._matches.after(index + 1)

    def match(self, start: int, by: int) -> int | None:
        """The match next to an entry, in the direction of `by` and around the ends."""
        if self._matches is None or not self._matches.found:
            return None
        found = self._matches.found
        place = self._matches.after(start + 1) if by > 0 else self._matches.after(start) - 1
        return found[place % len(found)]

    @property
    def searching(self) -> bool:
        """Whether there is more to look at."""
        return any(scan is not None and scan.seen < self.end for scan in (self._shown, self._matches))

    def step(self) -> bool:
        """Look at some more. Returns whether rows were added."""
        budget, added = STEP, 0
        if self._shown is not None:
            budget = self._shown.step(self.entries, self.first, budget)
            added = len(self._shown.found) - (self.flow.end - self.flow.first)
            self.flow.extend(added, measured=self._one_line)
        if self._matches is not None:
            self._matches.step(self.entries, self.first, budget)
        return added > 0
