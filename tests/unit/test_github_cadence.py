"""When GitHub is looked at next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backends.forges.github import cadence
from hive_tui.core.model import ApiUse
from hive_tui.core.settings import GitHubSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def interval(
    *, active: bool = False, pending: bool = False, quiet: float = 0, quick: float = 20, slow: float = 120
) -> float:
    settings = GitHubSettings(active_seconds=quick, idle_seconds=slow)
    return cadence.interval(settings, active=active, pending=pending, quiet=timedelta(seconds=quiet))


def test_it_is_quick_while_runs_are_at_work() -> None:
    assert interval(active=True, quiet=10_000) == 20


@pytest.mark.parametrize(("quiet", "seconds"), [(0, 20), (80, 20), (200, 50), (480, 120), (10_000, 120)])
def test_it_slows_down_the_longer_nothing_moves(quiet: float, seconds: float) -> None:
    assert interval(quiet=quiet) == seconds


def test_checks_that_are_pending_keep_it_from_sleeping() -> None:
    assert interval(pending=True, quiet=10_000) == 60


def test_the_settings_bound_it() -> None:
    assert interval(active=True, quick=300) == 120, "active is never slower than idle"
    assert interval(quiet=1e6, slow=1e6) == 3_600, "never less often than hourly"


def test_a_pause_is_never_longer_than_was_said() -> None:
    assert cadence.scattered(120, 0.0) == 120
    assert cadence.scattered(120, 1.0) == pytest.approx(108)


def use(remaining: int, *, minutes: int = 30) -> ApiUse:
    return ApiUse("graphql", 5_000, remaining, NOW + timedelta(minutes=minutes), reserve=500)


def test_what_is_left_is_made_to_last() -> None:
    assert cadence.thrifty(20, cost=2, use=use(4_000), now=NOW) == 20
    assert cadence.thrifty(20, cost=10, use=use(600), now=NOW) == pytest.approx(180)
    assert cadence.thrifty(20, cost=1, use=use(500), now=NOW) == 1_800
    assert cadence.thrifty(20, cost=0, use=use(500), now=NOW) == 20, "what costs nothing goes on"
    assert cadence.thrifty(20, cost=5, use=None, now=NOW) == 20


def test_failures_are_tried_again_ever_more_slowly() -> None:
    waits = [cadence.retry(n, 0.0).total_seconds() for n in range(9)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert cadence.retry(0, 1.0).total_seconds() == 2.5
    assert cadence.retry(0, 0.0, repository=True).total_seconds() == 30
    assert cadence.retry(99, 0.0, repository=True).total_seconds() == 900
