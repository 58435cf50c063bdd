"""Days of a time zone, weeks, and the five-hour blocks of subscriptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hive_tui.costs import periods
from hive_tui.costs.index import Sum
from hive_tui.costs.periods import Weekday

START = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)


def used(*minutes: float, tokens: int = 60) -> list[Sum]:
    """Calls so many minutes after START, each in a quarter of its own."""
    found = []
    for minute in minutes:
        at = round((START + timedelta(minutes=minute)).timestamp() * 1_000)
        quarter = at // 900_000 * 900_000
        found.append(Sum(1, 0, tokens, 0, 0, 0, 0, tokens * 10, at, at, quarter=quarter))
    return found


def test_a_block_lasts_five_hours_from_its_first_full_hour() -> None:
    first, second = periods.blocks(used(0, 100, 289.9, 290.1), START + timedelta(hours=6))
    assert (first.start.hour, first.end.hour, first.use.calls) == (9, 14, 3)
    assert (second.start.hour, second.use.calls, second.active) == (14, 1, True)
    assert not first.active


def test_a_long_silence_ends_a_block_and_is_shown() -> None:
    first, gap, second = periods.blocks(used(0, 30, 30 + 301), START + timedelta(days=1))
    assert (first.use.calls, second.use.calls) == (2, 1)
    assert gap.gap
    assert (gap.start, gap.end) == (START + timedelta(minutes=330), START + timedelta(minutes=331))
    assert not second.active, "that was yesterday"


def test_the_active_block_says_how_it_will_end() -> None:
    (block,) = periods.blocks(used(0, 60), START + timedelta(minutes=110))
    assert (block.burn, block.burn_cost) == (2.0, 20.0)
    assert block.projected(START + timedelta(minutes=110)) == (120 + 2 * 180, 1_200 + 20 * 180)
    (alone,) = periods.blocks(used(0), START)
    assert alone.burn is None, "one call tells no speed"
    assert alone.projected(START) is None


def test_a_block_of_a_clock_that_was_ahead_is_not_active_before_it_began() -> None:
    (block,) = periods.blocks(used(0, 60), START - timedelta(days=1))
    assert not block.active
    assert block.projected(START - timedelta(days=1)) is None


def test_days_weeks_and_months_are_those_of_the_time_zone() -> None:
    (late,) = used(14 * 60)  # 23:10 UTC on Saturday, the 21st
    berlin = ZoneInfo("Europe/Berlin")
    assert (periods.day(UTC)(late), periods.day(berlin)(late)) == ("2026-11-21", "2026-11-22")
    assert periods.week(UTC)(late) == "2026-11-16"
    assert periods.week(UTC, Weekday.SUNDAY)(late) == "2026-11-15"
    assert periods.week(berlin, Weekday.SUNDAY)(late) == "2026-11-22"
    assert periods.month(UTC)(late) == "2026-11"
