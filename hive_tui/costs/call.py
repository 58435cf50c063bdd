"""One call of a model, as an agent's transcript records it: what all sums are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

SIDECHAIN, REGIONAL, FAST, BATCH = 1, 2, 4, 8
"""Flags of a call: of a sub-agent; answered within the United States on demand, which is dearer; in fast
mode, with prices of its own; when the server had time, for half the price."""

Place = tuple[str, str, str, str]
"""What calls are summed by, besides the time: agent (`claude` or `codex`), model, session, and the folder in
which the agent worked."""


class Source(NamedTuple):
    """The transcript that calls are read from."""

    file: int
    """Its number in the index."""
    session: str
    """Named by the file, where a line does not say it."""
    number: Callable[[Place], int]
    """The number of a place."""


class Call(NamedTuple):
    """One answer of a model's API, as a row of numbers. Tokens by how they are billed: `input` has nothing of
    the caches in it."""

    key: int
    """What makes it the same call wherever it is recorded (`keys.key_of`)."""
    place: int
    """By its number."""
    at: int
    """Milliseconds since 1970, UTC."""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    """Web searches of the server, billed each."""
    flags: int = 0
    file: int = 0
    """The transcript with this record of it, by its number."""

    @property
    def prompt(self) -> int:
        """Tokens that the model was given, cached ones included."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    def rank(self, place: Place) -> tuple[object, ...]:
        """Of two records of a call the one of the higher rank counts, whichever was read first: the fuller
        one, then that of the main thread, then the older; the rest only makes it certain which. `place` is
        its own, whose number says nothing."""
        return (self.prompt + self.output, not self.flags & SIDECHAIN, -self.at, place, self[3:-1])


MOST = 1 << 24
"""Tokens of one call that are believed, many times what any model takes; an absurd count is a broken record,
not a bill, and its price would not fit an integer of SQLite's."""


def count(number: int | None) -> int:
    """A count as a record has it; what is negative or absurd counts as none."""
    return number if number and 0 < number <= MOST else 0
