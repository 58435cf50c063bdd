"""Sums of calls, as the index keeps them, and by what; they need no database to be looked at."""

from __future__ import annotations

import enum

import msgspec

QUARTER = 900_000
"""Milliseconds of a sum: every time zone's days begin with one."""

MICRO = 1_000_000
"""Picodollars of a micro-dollar. Sums in SQLite are of micro-dollars and of the rest, since those of
picodollars do not fit its integers where calls are absurd."""

MOST = 10**17
"""Picodollars that a place and a quarter of an hour count as at most, a hundred thousand dollars."""


class Dimension(enum.Enum):
    """By what calls are summed."""

    QUARTER = "quarter"
    SESSION = "session"
    MODEL = "model"
    PROJECT = "project"
    AGENT = "agent"


class Sum(msgspec.Struct, frozen=True):
    """What was used, by the dimensions that were asked for; the others are empty."""

    calls: int
    unpriced: int
    """Calls that nobody has a price for; they are in no cost."""
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    cost: int
    """Picodollars."""
    first: int
    """Milliseconds since 1970 of its first call."""
    last: int
    quarter: int = 0
    """Milliseconds since 1970 at the beginning of its quarter of an hour."""
    session: str = ""
    model: str = ""
    project: str = ""
    agent: str = ""

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write_5m + self.cache_write_1h
