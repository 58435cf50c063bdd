"""Sums of calls by day, week and month of a time zone, and the five-hour blocks of subscriptions; pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from hive_tui.core.model import Tokens
from hive_tui.costs.clock import moment
from hive_tui.costs.sums import Sum

BLOCK = timedelta(hours=5)
"""A subscription's limit is counted in spans of this length, which begin with the first call."""

_BLOCK_MS = round(BLOCK.total_seconds() * 1_000)
_HOUR_MS = 3_600_000


class Weekday(enum.IntEnum):
    """The day that a week begins with, as `date.weekday` counts."""

    MONDAY = 0
    SATURDAY = 5
    SUNDAY = 6


class Use(msgspec.Struct, frozen=True):
    """What was used under one heading."""

    key: str
    calls: int = 0
    unpriced: int = 0
    """Calls that nobody has a price for; they are in no cost."""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost: int = 0
    """Picodollars."""
    first: int | None = None
    """Milliseconds since 1970 of its first call."""
    last: int | None = None
    unaccounted: int = 0
    """Runs of a fleet in it whose cost nobody knows, at least in part; what is not known is in no cost."""
    estimated: bool = False
    """Something in its cost is an estimate."""

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write

    @property
    def counted(self) -> Tokens:
        """Its tokens by kind; all of them unknown where nobody counted any."""
        if self.tokens or self.calls or not self.unaccounted:
            return Tokens(self.input, self.output, self.cache_read, self.cache_write)
        return Tokens()

    @property
    def known(self) -> bool:
        """Something of its cost is known; else `cost` says nothing."""
        return bool(self.cost) or (self.unpriced < self.calls if self.calls else not self.unaccounted)


def add(use: Use, one: Sum) -> Use:
    """`use` with one more sum in it."""
    return Use(
        use.key,
        use.calls + one.calls,
        use.unpriced + one.unpriced,
        use.input + one.input,
        use.output + one.output,
        use.cache_read + one.cache_read,
        use.cache_write + one.cache_write_5m + one.cache_write_1h,
        use.cost + one.cost,
        one.first if use.first is None else min(use.first, one.first),
        one.last if use.last is None else max(use.last, one.last),
        use.unaccounted,
        use.estimated,
    )


def day(zone: tzinfo | None) -> Callable[[Sum], str]:
    """Heading: the day in a time zone (None: the machine's), such as `2026-11-21`."""
    return lambda one: str(_day(one, zone))


def week(zone: tzinfo | None, begins: Weekday = Weekday.MONDAY) -> Callable[[Sum], str]:
    """Heading: the first day of the week."""

    def first(one: Sum) -> str:
        found = _day(one, zone)
        return str(found - timedelta(days=(found.weekday() - begins) % 7))

    return first


def month(zone: tzinfo | None) -> Callable[[Sum], str]:
    """Heading: the month, such as `2026-11`."""
    return lambda one: str(_day(one, zone))[:7]


def _day(one: Sum, zone: tzinfo | None) -> date:
    return moment(one.quarter).astimezone(zone).date()


class Block(msgspec.Struct, frozen=True):
    """Five hours of use, or a time without any."""

    start: datetime
    end: datetime
    use: Use
    active: bool = False
    """More use counts for it."""
    gap: bool = False

    @property
    def minutes(self) -> float:
        """Between its first and its last call."""
        first, last = self.use.first, self.use.last
        return 0.0 if first is None or last is None else (last - first) / 60_000

    @property
    def burn(self) -> float | None:
        """Tokens a minute; None where its calls tell no speed."""
        return self.use.tokens / self.minutes if self.minutes else None

    @property
    def burn_cost(self) -> float | None:
        """Picodollars a minute."""
        return self.use.cost / self.minutes if self.minutes else None

    def projected(self, now: datetime) -> tuple[int, int] | None:
        """Tokens and picodollars at its end if it goes on like this; None where that cannot be told."""
        if not self.active or self.burn is None or self.burn_cost is None:
            return None
        left = round(max(timedelta(0), self.end - now) / timedelta(minutes=1))
        return self.use.tokens + round(self.burn * left), self.use.cost + round(self.burn_cost * left)


def blocks(quarters: Iterable[Sum], now: datetime) -> list[Block]:
    """The blocks of all calls together, oldest first, with the gaps between them.

    `quarters`: sums by quarter of an hour, oldest first. A block begins at the full hour (UTC) before its
    first call; the next begins with the first call that is more than five hours after that hour or after
    the call before.
    """
    found: list[Block] = []
    start = 0
    use: Use | None = None
    for one in quarters:
        if use is not None:
            assert use.last is not None, "it has a call"
            if one.first - start > _BLOCK_MS or one.first - use.last > _BLOCK_MS:
                found.append(_block(start, use, now))
                if one.first - use.last > _BLOCK_MS:
                    gap = (moment(use.last + _BLOCK_MS), moment(one.first))
                    found.append(Block(*gap, Use(""), gap=True))
                use = None
        if use is None:
            start = one.first // _HOUR_MS * _HOUR_MS
            use = Use(moment(start).isoformat())
        use = add(use, one)
    if use is not None:
        found.append(_block(start, use, now))
    return found


def _block(start: int, use: Use, now: datetime) -> Block:
    end = moment(start + _BLOCK_MS)
    last = moment(use.last) if use.last is not None else end
    begin = moment(start)
    # One of tomorrow is of a clock that was ahead.
    active = now.astimezone(UTC) - last < BLOCK and begin <= now < end
    return Block(begin, end, use, active=active)
