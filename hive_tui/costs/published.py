"""What genai-prices says of the models that agents mostly use, written down: importing it takes longer than
reading half a gigabyte of transcripts.

`published.json` holds for exactly the release that it was made of; beside any other, that one is asked.
`python -m hive_tui.costs.published` makes it anew.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib import util
from pathlib import Path
from typing import Any

import msgspec

from hive_tui.costs.tariff import Rates, Tariff, Tariffs, pico

HERE = Path(__file__).with_name("published.json")

DATED = (
    "claude-3-5-haiku-20241022",
    "claude-3-7-sonnet-20250219",
    "claude-haiku-4-5-20251001",
    "claude-opus-4-1-20250805",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-20250514",
    "claude-sonnet-4-5-20250929",
)
"""Names that Claude Code writes down, besides those that genai-prices lists."""

_VENDORS = ("anthropic", "openai")


class Snapshot(msgspec.Struct, frozen=True):
    """The prices of one release, by model."""

    release: str
    models: dict[str, Tariffs]


def _data() -> Path | None:
    """Where the installed genai-prices has its prices."""
    spec = util.find_spec("genai_prices")
    return None if spec is None or spec.origin is None else Path(spec.origin).with_name("data.py")


def stamp() -> str:
    """Different when what genai-prices says may be; found without reading it."""
    data = _data()
    facts = data.stat() if data is not None else None
    return "" if facts is None else f"{facts.st_size} {facts.st_mtime_ns}"


@functools.cache
def release() -> str:
    """Names what the installed genai-prices says; empty without it."""
    from hashlib import blake2b

    data = _data()
    return "" if data is None else blake2b(data.read_bytes(), digest_size=16).hexdigest()


@functools.cache
def tariffs(model: str) -> Tariffs | None:
    """The published prices of a model; None where there are none."""
    written = _written()
    if written.release == release() and model in written.models:
        return written.models[model]
    return look_up(model)


def names() -> frozenset[str]:
    """The models whose published prices are written down here."""
    return frozenset(_written().models)


@functools.cache
def _written() -> Snapshot:
    try:
        return msgspec.json.decode(HERE.read_bytes(), type=Snapshot)
    except (OSError, msgspec.DecodeError):
        return Snapshot("", {})  # then genai-prices is asked itself


def look_up(model: str) -> Tariffs | None:
    """As genai-prices itself says."""
    from genai_prices import data_snapshot

    try:
        _, found = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        return None
    dated: list[tuple[date | None, Any]] = [(None, found.prices)]
    if isinstance(found.prices, list):
        dated = [(getattr(each.constraint, "start_date", None), each.prices) for each in found.prices]
    tariffs = [_converted(since, prices) for since, prices in dated]
    known = [each for each in tariffs if each is not None]
    known.sort(key=lambda each: each.since or date.min, reverse=True)
    return tuple(known) or None


def snapshot() -> Snapshot:
    """What belongs into the file."""
    found = {name: look_up(name) for name in sorted({*DATED, *_names()})}
    return Snapshot(release(), {name: tariffs for name, tariffs in found.items() if tariffs is not None})


def encoded(snapshot: Snapshot) -> bytes:
    """A model on each line."""
    lines = [
        f"  {msgspec.json.encode(name).decode()}: {msgspec.json.encode(each).decode()}"
        for name, each in snapshot.models.items()
    ]
    models = ",\n".join(lines)
    return f'{{"release": "{snapshot.release}", "models": {{\n{models}\n}}}}\n'.encode()


def _names() -> Iterator[str]:
    from genai_prices import data_snapshot

    for provider in data_snapshot.get_snapshot().providers:
        if provider.id in _VENDORS:
            for model in provider.models:
                yield model.id
                yield from _equals(model.match)


def _equals(clause: Any) -> Iterator[str]:
    """The whole names that a rule for names has in it."""
    if (name := getattr(clause, "equals", None)) is not None:
        yield name
    for part in getattr(clause, "or_", None) or ():
        yield from _equals(part)


def _converted(since: date | None, prices: Any) -> Tariff | None:
    starts = {tier.start for name in _FIELDS for tier in getattr(getattr(prices, name, None), "tiers", ())}
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    long = tuple((start, _rates(prices, start + 1)) for start in sorted(starts))
    return Tariff(_rates(prices, 0), since, long)


_FIELDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")


def _rates(prices: Any, prompt: int) -> Rates:
    def at(name: str) -> Decimal | None:
        value = getattr(prices, name, None)
        tiers = [tier for tier in getattr(value, "tiers", ()) if prompt > tier.start]
        return tiers[-1].price if tiers else getattr(value, "base", value)

    fresh, output = at("input_mtok"), at("output_mtok")
    assert fresh is not None, "a price has both at every tier"
    assert output is not None, "a price has both at every tier"
    read, short, long = at("cache_read_mtok"), at("cache_write_mtok"), at("cache_write_1h_mtok")
    written = fresh if short is None else short
    search = getattr(prices, "web_searches_kcount", None)
    return Rates(
        pico(fresh), pico(output), pico(fresh if read is None else read), pico(written),
        pico(written if long is None else long), int((search or Decimal(10)) * 1_000_000_000),
    )  # fmt: skip


if __name__ == "__main__":
    HERE.write_bytes(encoded(snapshot()))
