"""What an agent's error messages mean, and when the limits that they tell of end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.agents.limits import Cause, another_try, cause, from_epoch, reset_time

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("message", "kind", "status", "found"),
    [
        ("Credit balance is too low", "billing_error", 400, Cause.BILLING),
        ("You've hit your monthly spend limit", "rate_limit", 429, Cause.BILLING),
        ("Quota exceeded. Check your plan and billing details.", None, None, Cause.BILLING),
        ("You've hit your session limit · resets 3pm", "rate_limit", 429, Cause.LIMIT),
        ("API Error: Request rejected (429)", None, 429, Cause.LIMIT),
        ("exceeded retry limit, last status: 429 Too Many Requests", None, None, Cause.LIMIT),
        ("OAuth token has expired", None, 401, Cause.LOGIN),
        ("anything", "authentication_failed", None, Cause.LOGIN),
        ("API Error: 529 Overloaded", None, None, Cause.OUTAGE),
        ("stream disconnected before completion", None, None, Cause.OUTAGE),
        ("Prompt is too long", "invalid_request", 400, Cause.OTHER),
        ("", None, None, Cause.OTHER),
    ],
)
def test_causes(message: str, kind: str | None, status: int | None, found: Cause) -> None:
    assert cause(message, kind=kind, status=status) is found


@pytest.mark.parametrize(
    ("message", "until"),
    [
        ("Claude AI usage limit reached|1795280400", from_epoch(1795280400)),
        ("resets at 1795280400", from_epoch(1795280400)),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", datetime(2026, 12, 1, tzinfo=UTC)),
        ("limit reached, resets 2026-11-21T15:00:00Z", datetime(2026, 11, 21, 15, tzinfo=UTC)),
        ("resets 2026-11-21T15:00:00+02:00", datetime(2026, 11, 21, 13, tzinfo=UTC)),
        ("5-hour limit reached ∙ resets 3pm (UTC)", datetime(2026, 11, 21, 15, tzinfo=UTC)),
        ("You've hit your limit · resets 9am (UTC)", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("Your limit will reset at 3pm (America/Santiago).", datetime(2026, 11, 21, 18, tzinfo=UTC)),
        ("resets 12am (UTC)", datetime(2026, 11, 22, 0, tzinfo=UTC)),
        ("resets 12:30pm (UTC)", datetime(2026, 11, 21, 12, 30, tzinfo=UTC)),
        ("resets Nov 24 at 9:30am (Europe/Berlin)", datetime(2026, 11, 24, 8, 30, tzinfo=UTC)),
        ("resets Jan 2, 5pm (UTC)", datetime(2027, 1, 2, 17, tzinfo=UTC)),
        ("resets Mon 3pm (UTC)", datetime(2026, 11, 23, 15, tzinfo=UTC)),
        ("resets Saturday at 9am (UTC)", datetime(2026, 11, 28, 9, tzinfo=UTC)),
        ("resets 15:20 UTC", datetime(2026, 11, 21, 15, 20, tzinfo=UTC)),
        ("try again in 2 days 3 hours 5 minutes.", NOW + timedelta(days=2, hours=3, minutes=5)),
        ("Please try again in 11.5s.", NOW + timedelta(seconds=11.5)),
        ("resets in 2h 5m", NOW + timedelta(hours=2, minutes=5)),
        ("Try again at Nov 25th, 2026 3:04 PM (UTC)", datetime(2026, 11, 25, 15, 4, tzinfo=UTC)),
        ("You've hit your limit.", None),
        ("resets soon", None),
        ("resets Feb 31, 5pm (UTC)", None),
        ("resets 2026-13-45T99:00:00Z", None),
        ("try again in 99999 weeks", None),
    ],
)
def test_reset_times(message: str, until: datetime | None) -> None:
    assert reset_time(message, NOW) == until


@pytest.fixture
def five_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "EAST-5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("five_hours_east")
def test_a_zone_that_nobody_knows_is_taken_for_this_machines() -> None:
    assert reset_time("resets 4pm (Nowhere/Land)", NOW) == datetime(2026, 11, 21, 11, tzinfo=UTC)


def test_without_a_clock_only_absolute_moments_are_understood() -> None:
    assert reset_time("resets 3pm (UTC)", None) is None
    assert reset_time("try again in 5 minutes", None) is None
    assert reset_time("usage limit reached|1795280400", None) == from_epoch(1795280400)


@pytest.mark.parametrize("year", [1, 9999])
def test_an_absurd_clock_tells_nothing(year: int) -> None:
    for message in ("resets 3pm (UTC)", "resets Sun 1am (Asia/Tokyo)", "try again in 2 days"):
        assert reset_time(message, datetime(year, 12, 31, 23, 59, tzinfo=UTC)) is None


@given(st.text(alphabet="resetin aprl 0123456789:,|.-TZ()UCh", max_size=80).map("try again ".__add__))
def test_no_message_is_fatal(message: str) -> None:
    until = reset_time(message, NOW)
    assert until is None or until.tzinfo is not None


def test_when_another_try_is_worth_it() -> None:
    said = NOW + timedelta(hours=3)
    assert another_try(Cause.LIMIT, said, NOW) == said
    assert another_try(Cause.LIMIT, None, NOW) == NOW + timedelta(minutes=15)
    assert another_try(Cause.OUTAGE, None, NOW) == NOW + timedelta(minutes=5)
    for needs_a_person in (Cause.BILLING, Cause.LOGIN, Cause.OTHER):
        assert another_try(needs_a_person, None, NOW) is None
    assert another_try(Cause.OUTAGE, None, None) is None


@pytest.mark.parametrize("seconds", [None, -1, 0, float("nan"), float("inf"), 1e300])
def test_absurd_epochs(seconds: float | None) -> None:
    assert from_epoch(seconds) is None
