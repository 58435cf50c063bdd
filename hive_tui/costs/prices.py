"""What a call costs: unit prices by model and day, from genai-prices, with what we know better on top.

Money is integer here: a dollar for a million tokens is a million picodollars for one, so that no sum of calls
ever rounds. A model that nobody has a price for is unpriced, never free.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from hive_tui.core.settings import LongPriceSettings, PriceSettings
from hive_tui.costs import published
from hive_tui.costs.call import BATCH, FAST, REGIONAL, Call
from hive_tui.costs.clock import moment
from hive_tui.costs.tariff import Rates, Tariff, Tariffs, pico

PICO_PER_MICRO = 1_000_000

_OVERLAY = Path(__file__).with_name("prices.json")

_REGIONAL = (11, 10)
"""Answers within the United States on demand cost a tenth more."""


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dollars for a million tokens, as a person writes them."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    """Default: a tenth of `input`."""
    cache_write_5m: Decimal | None = None
    """Default: 1.25 times `input`."""
    cache_write_1h: Decimal | None = None
    """Default: twice `input`."""

    def rates(self) -> Rates:
        read = self.input / 10 if self.cache_read is None else self.cache_read
        short = self.input * Decimal("1.25") if self.cache_write_5m is None else self.cache_write_5m
        long = self.input * 2 if self.cache_write_1h is None else self.cache_write_1h
        return Rates(*(pico(each) for each in (self.input, self.output, read, short, long)))


class Known(Price, frozen=True, forbid_unknown_fields=True):
    """An entry of our own list."""

    since: date | None = None
    above: int | None = None
    """Prompts of more tokens than this cost what `long` says."""
    long: Price | None = None


class _File(msgspec.Struct, frozen=True):
    checked: date
    """When it was compared with what the vendors' own programs charge."""
    models: dict[str, tuple[Known, ...]]


class Prices:
    """Looks prices up; `own` are a person's, by model or pattern, and come before everything else."""

    def __init__(self, own: Mapping[str, PriceSettings] | None = None) -> None:
        self._own = {name: (_configured(price),) for name, price in (own or {}).items()}

    @property
    def fingerprint(self) -> str:
        """Different when a price may be."""
        ours = msgspec.json.encode(self._own).decode()
        return f"{_overlay_text().decode(errors='replace')} {published.stamp()} {ours}"

    @property
    def problem(self) -> str | None:
        """Why some prices are missing that hive should know."""
        return _overlay()[1]

    def tariffs(self, model: str) -> Tariffs | None:
        """The prices of a model; None for one that nobody has a price for."""
        found = self._mine(model) or _overlay()[0].get(model)
        return found if found is not None else published.tariffs(model)

    def near(self, model: str) -> list[str]:
        """Models with a price whose names are like this one, the nearest first. For who mistyped."""
        import difflib

        return difflib.get_close_matches(
            model, {*self._own, *_overlay()[0], *published.names()}, n=3, cutoff=0.6
        )

    def _mine(self, model: str) -> Tariffs | None:
        if model in self._own:
            return self._own[model]
        return next((found for name, found in self._own.items() if fnmatchcase(model, name)), None)


def _configured(price: PriceSettings) -> Tariff:
    long = () if price.above is None or price.long is None else ((price.above, _own(price.long).rates()),)
    fast = None if price.fast is None else round(price.fast * 1_000)
    return Tariff(_own(price).rates(), None, long, fast)


def _own(price: LongPriceSettings) -> Price:
    """The same in decimals, as it was written."""
    caches = (price.cache_read, price.cache_write_5m, price.cache_write_1h)
    return Price(
        Decimal(str(price.input)),
        Decimal(str(price.output)),
        *(None if each is None else Decimal(str(each)) for each in caches),
    )


def cost(call: Call, tariffs: Tariffs) -> int | None:
    """Picodollars of a call, by the prices of its day; None where there was none yet, or it was answered in a
    mode whose prices are not known."""
    rates = rates_of(tariffs, call.at, call.prompt, call.flags)
    return None if rates is None else rates.cost(*call[3:9])


def rates_of(tariffs: Tariffs, at: int, prompt: int, flags: int) -> Rates | None:
    """What a call with a prompt of so many tokens is charged by; None as for `cost`."""
    tariff = tariffs[0]
    if tariff.since is not None:
        day = moment(at).date()
        found = next((each for each in tariffs if each.since is None or each.since <= day), None)
        if found is None:
            return None
        tariff = found
    rates = tariff.of(prompt)
    if flags & FAST:
        if tariff.fast is None:
            return None
        rates = rates.times(tariff.fast, 1_000)
    if flags & BATCH:
        rates = rates.times(1, 2)
    if flags & REGIONAL:
        rates = rates.times(*_REGIONAL)
    return rates


def micros(pico: int) -> int:
    """Micro-dollars, half up."""
    return (pico + PICO_PER_MICRO // 2) // PICO_PER_MICRO


@functools.cache
def _overlay_text() -> bytes:
    try:
        return _OVERLAY.read_bytes()
    except OSError:
        return b""


@functools.cache
def _overlay() -> tuple[dict[str, Tariffs], str | None]:
    """Our own prices by model, or none of them and why."""
    try:
        file = msgspec.json.decode(_overlay_text(), type=_File)
    except msgspec.DecodeError as error:
        return {}, f"{_OVERLAY}: {error}; install hive anew, or name prices in your configuration."
    return {name: tuple(map(_tariff, entries)) for name, entries in file.models.items()}, None


def _tariff(known: Known) -> Tariff:
    long = ((known.above, known.long.rates()),) if known.above is not None and known.long else ()
    return Tariff(known.rates(), known.since, long)
