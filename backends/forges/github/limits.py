"""How many points are left of each of GitHub's budgets, and until when no call may be made at all.

Pure but for its lock: whoever calls brings the time. Moments that GitHub names are in its clock and are
turned into ours, so that a clock that is off neither shortens a wait nor stretches it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from backends.forges.github.errors import RateLimited
from hive_tui.core.model import ApiUse
from hive_tui.core.text import clean_line

CORE, GRAPHQL = "core", "graphql"

SECONDARY_SECONDS = 60.0
"""Pause after too quick a row of calls where GitHub does not say how long; doubled each time."""

MAX_SECONDARY_SECONDS = 900.0

USED_UP = "the points of this hour are used up"

SETTLE = timedelta(seconds=1)
"""Resets are named in whole seconds: within the second that is named the budget may still be used up."""

HOUR = timedelta(hours=1)


class _Budget(msgspec.Struct):
    limit: int
    remaining: int
    reset_at: datetime


class Limits:
    """The budgets of one identity. `reserve` is what reads leave for writes. Thread-safe."""

    def __init__(self, reserve: int) -> None:
        self._reserve = reserve
        self._lock = threading.Lock()
        self._budgets: dict[str, _Budget] = {}
        self._spent: dict[str, deque[tuple[datetime, int]]] = {}
        self._paused_until: datetime | None = None
        self._pauses = 0
        self.skew = timedelta()
        """GitHub's clock minus ours."""

    def heard(self, headers: Mapping[str, str], now: datetime) -> None:
        """Take in what any answer says of its budget and of the time; names of headers in lower case."""
        said = http_date(headers.get("date"))
        resource = headers.get("x-ratelimit-resource", CORE)
        limit, remaining = _number(headers, "limit"), _number(headers, "remaining")
        reset = _number(headers, "reset")
        with self._lock:
            if said is not None:
                # Whole seconds: what is less than two of them may be nothing but rounding and the way.
                skew = said - now
                self.skew = skew if abs(skew) > timedelta(seconds=2) else timedelta()
            if limit is not None and remaining is not None and reset is not None:
                self._note(clean_line(resource, limit=40), limit, remaining, self._ours(reset))

    def budget(self, resource: str, limit: int, remaining: int, reset_at: datetime) -> None:
        """Take in a budget as an answer's body tells it (GraphQL's `rateLimit`)."""
        with self._lock:
            self._note(resource, limit, remaining, reset_at - self.skew)

    def spent(self, resource: str, points: int, now: datetime) -> None:
        """Count what this fleet spent itself: others may share the identity."""
        if points <= 0:
            return
        with self._lock:
            self._spent.setdefault(resource, deque()).append((now, points))

    def secondary(self, retry_after: float | None, now: datetime) -> datetime:
        """Calls came too fast: nothing is sent before the returned moment."""
        with self._lock:
            self._pauses += 1
            guess = min(SECONDARY_SECONDS * 2 ** (self._pauses - 1), MAX_SECONDARY_SECONDS)
            until = now + timedelta(seconds=guess if retry_after is None else retry_after)
            self._paused_until = max(until, self._paused_until or until)
            return self._paused_until

    def worked(self) -> None:
        """A call succeeded, so that the next pause is a short one again."""
        with self._lock:
            self._pauses = 0

    def used_up(self, resource: str, now: datetime) -> datetime:
        """A budget is used up, in GitHub's own word; returns when it is whole again."""
        with self._lock:
            budget = self._budgets.get(resource)
            if budget is None or budget.reset_at + SETTLE <= now:
                limit = budget.limit if budget is not None else 0
                budget = _Budget(limit, 0, now + timedelta(seconds=SECONDARY_SECONDS))
                self._budgets[resource] = budget
            budget.remaining = 0
            return budget.reset_at + SETTLE

    def check(self, resource: str, *, write: bool, now: datetime, cost: int = 1) -> None:
        """Raises RateLimited when a call of that cost may not be made now."""
        with self._lock:
            if self._paused_until is not None and now < self._paused_until:
                raise RateLimited(self._paused_until, what="calls came too fast", secondary=True)
            budget = self._budgets.get(resource)
            if budget is None or budget.reset_at + SETTLE <= now:
                return
            if budget.remaining <= 0:
                raise RateLimited(budget.reset_at + SETTLE, what=f"{USED_UP} ({resource})")
            # A small budget (an Enterprise server's, a test's) must not be nothing but reserve.
            reserve = min(self._reserve, budget.limit // 2)
            if not write and budget.remaining - cost < reserve:
                what = f"the last {budget.remaining:,} points ({resource}) are kept for writes"
                raise RateLimited(budget.reset_at + SETTLE, what=what, kept=True)

    def forget(self) -> None:
        """Another token is used from now on, which has budgets of its own."""
        with self._lock:
            self._budgets.clear()
            self._paused_until, self._pauses = None, 0

    def uses(self, now: datetime) -> tuple[ApiUse, ...]:
        """Every budget that was heard of, for people."""
        with self._lock:
            return tuple(
                ApiUse(
                    name=name,
                    limit=budget.limit,
                    remaining=budget.limit if budget.reset_at <= now else budget.remaining,
                    reset_at=budget.reset_at,
                    used_hour=self._used(name, now),
                    reserve=min(self._reserve, budget.limit // 2),
                )
                for name, budget in sorted(self._budgets.items())
                if budget.limit
            )

    def _note(self, resource: str, limit: int, remaining: int, reset_at: datetime) -> None:
        known = self._budgets.get(resource)
        # Answers overtake each other: within one window only the lower count is the newer one.
        same = known is not None and abs(known.reset_at - reset_at) < timedelta(seconds=5)
        if known is not None and same and known.limit == limit:
            remaining = min(remaining, known.remaining)
        self._budgets[resource] = _Budget(limit, remaining, reset_at)

    def _used(self, resource: str, now: datetime) -> int:
        calls = self._spent.get(resource)
        if calls is None:
            return 0
        while calls and calls[0][0] <= now - HOUR:
            calls.popleft()
        return sum(points for _, points in calls)

    def _ours(self, epoch: int) -> datetime:
        return datetime.fromtimestamp(epoch, UTC) - self.skew


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        number = int(float(headers[f"x-ratelimit-{name}"]))
    except (KeyError, ValueError, OverflowError):
        return None
    return number if 0 <= number < 2**40 else None


def http_date(text: str | None) -> datetime | None:
    """A `Date` header's moment, None where there is none that can be read."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait in the server's words (a number, or a moment against its own `Date`); None without."""
    text = headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        until, said = http_date(text), http_date(headers.get("date"))
        if until is None or said is None:
            return None
        seconds = (until - said).total_seconds()
    return min(max(seconds, 0.0), 3600.0) if seconds == seconds else None
