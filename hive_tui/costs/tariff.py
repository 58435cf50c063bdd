"""Unit prices as integers: picodollars for a token, by day and by the length of the prompt."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec


class Rates(msgspec.Struct, frozen=True, omit_defaults=True):
    """Picodollars for one token of each kind, and for one web search."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    search: int = 10_000_000_000

    def cost(self, fresh: int, output: int, read: int, short: int, long: int, searches: int) -> int:
        """Picodollars of so many tokens of each kind and searches."""
        tokens = fresh * self.input + output * self.output + read * self.cache_read
        written = short * self.cache_write_5m + long * self.cache_write_1h
        return tokens + written + searches * self.search

    def times(self, over: int, under: int) -> Rates:
        """Those of a mode with `over`/`under` of these prices for tokens."""
        tokens = (self.input, self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h)
        fresh, output, read, short, long = (rate * over // under for rate in tokens)
        return Rates(fresh, output, read, short, long, self.search)


class Tariff(msgspec.Struct, frozen=True, omit_defaults=True):
    """The prices of a model from a day on."""

    rates: Rates
    since: date | None = None
    """None: from its beginning."""
    long: tuple[tuple[int, Rates], ...] = ()
    """For a whole call whose prompt has more than so many tokens, cached ones included; ascending."""

    fast: int | None = None
    """Thousandths of these rates that fast mode costs; None where nobody knows."""

    def of(self, prompt: int) -> Rates:
        """The rates of a call with a prompt of so many tokens."""
        return next((rates for start, rates in reversed(self.long) if prompt > start), self.rates)


Tariffs = tuple[Tariff, ...]
"""Of one model, newest first."""


def pico(dollars: Decimal) -> int:
    """Picodollars for a token, of dollars for a million tokens."""
    return int(dollars * 1_000_000)
