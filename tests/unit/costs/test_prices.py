"""Unit prices: by model, day, length of the prompt and mode, in integers."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from hive_tui.core.settings import LongPriceSettings, PriceSettings
from hive_tui.costs import prices, published
from hive_tui.costs.call import BATCH, FAST, REGIONAL, Call
from hive_tui.costs.prices import Prices, cost, micros
from hive_tui.costs.tariff import Rates, Tariff

NOON = round(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp() * 1_000)


def call(**changes: int) -> Call:
    return Call(**{"key": 1, "place": 1, "at": NOON, **changes})


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        # Input, output, cache write of 5 min and 1 h, cache read: as Claude Code 2.1.329 charges.
        ("claude-opus-5-5", ("4", "20", "5", "8", "0.2")),
        ("claude-opus-4-6", ("5", "25", "6.25", "10", "0.5")),
        ("claude-opus-4-1", ("15", "75", "18.75", "30", "1.5")),
        ("claude-sonnet-4-6", ("3", "15", "3.75", "6", "0.3")),
        ("claude-sonnet-5-5", ("2", "10", "2.5", "4", "0.1")),
        ("claude-fable-5-1", ("10", "50", "12.5", "20", "0.25")),
        ("claude-mythos-5", ("10", "50", "12.5", "20", "1")),
        ("claude-mythos-5-1", ("10", "50", "12.5", "20", "0.25")),
        ("claude-haiku-4-5-20251001", ("1", "5", "1.25", "2", "0.1")),
        ("claude-haiku-5-5", ("0.1", "0.5", "0.125", "0.2", "0.01")),
    ],
)
def test_models_cost_what_their_vendor_charges(model: str, dollars: tuple[str, ...]) -> None:
    tariffs = Prices().tariffs(model)
    assert tariffs is not None
    rates = tariffs[0].rates
    found = (rates.input, rates.output, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read)
    assert found == tuple(int(Decimal(each) * 1_000_000) for each in dollars)


def test_a_long_prompt_moves_the_whole_call_to_its_tier() -> None:
    tariffs = Prices().tariffs("claude-haiku-5-5")
    assert tariffs is not None
    short, long = call(input=60_000, cache_read=40_000), call(input=60_001, cache_read=40_000)
    assert cost(short, tariffs) == 60_000 * 100_000 + 40_000 * 10_000
    assert cost(long, tariffs) == 60_001 * 500_000 + 40_000 * 50_000


def test_a_call_costs_what_it_cost_on_its_day() -> None:
    new, old = Rates(2, 0, 0, 0, 0), Rates(1, 0, 0, 0, 0)
    tariffs = (Tariff(new, date(2026, 11, 21)), Tariff(old, date(2026, 1, 1)))
    day = 86_400_000
    assert cost(call(input=10), tariffs) == 20
    assert cost(call(input=10, at=NOON - day), tariffs) == 10
    assert cost(call(input=10, at=NOON - 400 * day), tariffs) is None


def test_an_unknown_model_is_unpriced_and_a_persons_own_price_comes_first() -> None:
    assert Prices().tariffs("nobody-knows-1") is None
    own = Prices({"claude-opus-5-5": PriceSettings(1, 2), "nobody-knows-1": PriceSettings(3, 4)})
    tariffs = own.tariffs("claude-opus-5-5")
    assert tariffs is not None
    assert tariffs[0].rates == Rates(1_000_000, 2_000_000, 100_000, 1_250_000, 2_000_000)
    assert own.tariffs("nobody-knows-1") is not None
    assert own.fingerprint != Prices().fingerprint


def test_a_persons_prices_may_be_for_a_pattern_and_a_whole_name_comes_first() -> None:
    own = Prices(
        {"my-*": PriceSettings(1, 1), "my-big-*": PriceSettings(2, 2), "my-own": PriceSettings(3, 3)}
    )
    found = [own.tariffs(name) for name in ("my-big-one", "my-own", "not-my-own")]
    rates = [tariffs and tariffs[0].rates.input for tariffs in found]
    assert rates == [1_000_000, 3_000_000, None]


def test_a_persons_prices_tell_of_long_prompts_and_fast_mode() -> None:
    long = LongPriceSettings(0.4, 2, cache_read=0.04)
    own = Prices({"m": PriceSettings(0.1, 0.5, above=1_000, long=long, fast=2.5)})
    tariffs = own.tariffs("m")
    assert tariffs is not None
    assert cost(call(input=1_000), tariffs) == 1_000 * 100_000
    assert cost(call(input=1_000, cache_read=1), tariffs) == 1_000 * 400_000 + 40_000
    assert cost(call(input=1_000, flags=FAST), tariffs) == 1_000 * 250_000


@pytest.mark.parametrize(
    "content", [b"{", b'{"checked": "2026-11-21", "models": {"m": [{"input": "x"}]}}', None]
)
def test_a_broken_list_of_ours_is_told_and_leaves_the_published_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(prices, "_OVERLAY", path)
    for cached in (prices._overlay, prices._overlay_text):
        monkeypatch.setattr(prices, cached.__name__, cached.__wrapped__)
    broken = Prices()
    assert str(path) in (broken.problem or "")
    assert broken.tariffs("claude-opus-5-5") is not None
    assert broken.tariffs("claude-mythos-5-1") is None


def test_a_broken_copy_of_the_published_list_is_not_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "published.json").write_bytes(b"[")
    monkeypatch.setattr(published, "HERE", tmp_path / "published.json")
    monkeypatch.setattr(published, "_written", published._written.__wrapped__)
    monkeypatch.setattr(published, "look_up", lambda model: (Tariff(Rates(1, 2, 3, 4, 5)),))
    assert published.tariffs.__wrapped__("claude-opus-5-5") == (Tariff(Rates(1, 2, 3, 4, 5)),)


def test_searches_regions_and_fast_mode() -> None:
    tariffs = (Tariff(Rates(1_000_000, 0, 0, 0, 0)),)
    assert cost(call(input=1_000, searches=2), tariffs) == 1_000_000_000 + 20_000_000_000
    assert cost(call(input=1_000, flags=REGIONAL), tariffs) == 1_100_000_000
    assert cost(call(input=1_000, flags=FAST), tariffs) is None, "its prices are not known"
    assert cost(call(input=1_000, flags=BATCH), tariffs) == 500_000_000
    assert cost(call(input=1_000, flags=BATCH | REGIONAL), tariffs) == 550_000_000


@pytest.mark.parametrize(("pico", "shown"), [(0, 0), (499_999, 0), (500_000, 1), (1_500_000, 2)])
def test_micro_dollars_are_rounded_half_up(pico: int, shown: int) -> None:
    assert micros(pico) == shown


def test_what_is_written_down_of_genai_prices_is_what_it_says() -> None:
    assert published.HERE.read_bytes() == published.encoded(published.snapshot()), "make docs"


def test_another_release_of_genai_prices_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "release", lambda: "another")
    monkeypatch.setattr(published, "look_up", lambda model: (Tariff(Rates(1, 2, 3, 4, 5)),))
    published.tariffs.cache_clear()
    try:
        assert published.tariffs("claude-opus-5-5") == (Tariff(Rates(1, 2, 3, 4, 5)),)
    finally:
        published.tariffs.cache_clear()


def test_genai_prices_is_not_imported_for_what_is_written_down() -> None:
    code = (
        "import sys; from hive_tui.costs.prices import Prices;"
        " assert Prices().tariffs('claude-opus-5-5'); print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
