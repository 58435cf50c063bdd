"""What is looked for in a log, and looking for it in steps; pure, and nothing that is typed is an error."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from widgets.lines import harmless
from widgets.log_entry import Entry

LONGEST = 200
"""Characters that are read of what is typed."""

STEP = 400_000
"""Characters that are looked at in one step: a few milliseconds."""

_ENTRY = 60
"""Characters that an entry counts for besides its own."""

_TERMS = re.compile(r'!?"[^"]*"?|\S+')


class Phrase(NamedTuple):
    """Words as they stand, in upper or lower case unless there is an upper-case letter among them."""

    pattern: re.Pattern[str]
    folded: str
    """The words in lower case, where comparing those is enough."""

    def found_in(self, text: str) -> bool:
        if self.folded and text.isascii():
            return self.folded in text.lower()
        return self.pattern.search(text) is not None

    def fits(self, entry: Entry) -> bool:
        return self.found_in(entry.text) or self.found_in(entry.kind.text)


def phrase(typed: str) -> Phrase | None:
    """Understand what was typed; None for nothing."""
    words = harmless(typed[: 4 * LONGEST], limit=LONGEST)
    if not words.strip():
        return None
    exact = any(char.isupper() for char in words)
    folded = words if words.isascii() and not exact else ""
    return Phrase(re.compile(re.escape(words), 0 if exact else re.IGNORECASE), folded)


class Filter(NamedTuple):
    """Which entries are shown: all words have to be found, none of those behind a `!`, none too old."""

    include: tuple[Phrase, ...] = ()
    exclude: tuple[Phrase, ...] = ()
    since: datetime | None = None
    typed: str = ""

    def fits(self, entry: Entry) -> bool:
        if self.since is not None and entry.at < self.since:
            return False
        for each in self.exclude:
            if each.fits(entry):
                return False
        for each in self.include:  # noqa: SIM110 - a generator doubles the time per entry
            if not each.fits(entry):
                return False
        return True

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude or self.since is not None)


def parse_filter(typed: str, since: datetime | None = None) -> Filter:
    """`words !without "two words"`, also while it is still being typed."""
    shown = " ".join(harmless(typed[: 4 * LONGEST], limit=LONGEST).split())
    include: list[Phrase] = []
    exclude: list[Phrase] = []
    for term in _TERMS.findall(shown):
        inverted = term.startswith("!")
        words = phrase(term.removeprefix("!").replace('"', ""))
        if words is not None:
            (exclude if inverted else include).append(words)
    return Filter(tuple(include), tuple(exclude), since, shown)


class Scan:
    """The numbers of all entries that fit, in order, found in steps and kept up while the log grows."""

    def __init__(self, fits: Callable[[Entry], bool], start: int) -> None:
        """`start` is the number of the first entry to look at."""
        self.fits = fits
        self.found: list[int] = []
        self.seen = start
        """The number after that of the last entry that was looked at."""

    def step(self, entries: Sequence[Entry], first: int, budget: int = STEP) -> int:
        """Look at more entries, of which the first has the number `first`. Returns what is left of the
        budget, in characters; nothing is left while there is more to look at."""
        fits, found = self.fits, self.found
        index = max(0, self.seen - first)
        while index < len(entries) and budget > 0:
            entry = entries[index]
            budget -= _ENTRY + len(entry.text)
            if fits(entry):
                found.append(first + index)
            index += 1
        self.seen = max(self.seen, first + index)
        return budget

    def drop(self, first: int) -> int:
        """Forget what is older than this number. Returns how many were found among that."""
        gone = bisect_left(self.found, first)
        del self.found[:gone]
        self.seen = max(self.seen, first)
        return gone

    def after(self, number: int) -> int:
        """The place in `found` of the first one from this number on."""
        return bisect_left(self.found, number)
