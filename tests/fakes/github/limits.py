"""Rate limits as GitHub documents them: points an hour, and the secondary limits against bursts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.fakes.github.hooks import Bucket

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@dataclass
class Rules:
    """Numbers of the documentation; tests make them smaller."""

    core: int = 5000
    """REST requests an hour of one user or installation."""
    graphql: int = 5000
    """GraphQL points an hour."""
    anonymous: int = 60
    """REST requests an hour without authorization."""
    concurrent: int = 100
    """Requests at once, REST and GraphQL together."""
    core_points_minute: int = 900
    """A read is one point, a write five."""
    graphql_points_minute: int = 2000
    """A query is one point, a mutation five."""
    content_minute: int = 80
    """Requests that create content."""
    content_hour: int = 500


class PrimaryLimit(Exception):
    """The hour's points are used up."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket.name)
        self.bucket = bucket


class SecondaryLimit(Exception):
    """Too much at once; `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("secondary rate limit")
        self.retry_after = retry_after


@dataclass
class _Window:
    used: int = 0
    reset_at: datetime | None = None


@dataclass
class _Burst:
    """(when, points) of the last minute, and when content was created in the last hour."""

    points: deque[tuple[datetime, int]] = field(default_factory=deque)
    content: deque[datetime] = field(default_factory=deque)


class Limits:
    """Counts for each holder: a user with all tokens of theirs, or an installation. Hold `world.lock`."""

    def __init__(self, clock: Callable[[], datetime], rules: Rules) -> None:
        self.rules = rules
        self.running = 0
        """Requests being worked on now."""
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._bursts: dict[tuple[str, str], _Burst] = {}

    def look(self, holder: str, name: str) -> Bucket:
        """`name` is `core` or `graphql`; costs nothing."""
        now = self._clock()
        window = self._windows.setdefault((holder, name), _Window())
        if window.reset_at is not None and now >= window.reset_at:
            window.used, window.reset_at = 0, None
        limits = {"core": self.rules.core, "graphql": self.rules.graphql}
        limit = self.rules.anonymous if holder == "anonymous" else limits[name]
        return Bucket(name, limit, window.used, window.reset_at or now + HOUR)

    def spend(self, holder: str, name: str, points: int) -> Bucket:
        """Raises PrimaryLimit when there are not so many left. The hour begins with the first call."""
        bucket = self.look(holder, name)
        if bucket.used + points > bucket.limit:
            raise PrimaryLimit(bucket)
        window = self._windows[holder, name]
        window.reset_at = window.reset_at or bucket.reset_at
        window.used += points
        return self.look(holder, name)

    def refund(self, holder: str, name: str, points: int) -> None:
        """For an answer that turned out to be free."""
        self._windows[holder, name].used -= points

    def exhaust(self, holder: str, name: str, *, for_seconds: float = 0.0) -> Bucket:
        """Leave nothing of the hour, as if others had used it; `for_seconds` ends it earlier."""
        limit = self.look(holder, name).limit
        window = self._windows[holder, name]
        window.used = limit
        if for_seconds:
            window.reset_at = self._clock() + timedelta(seconds=for_seconds)
        window.reset_at = window.reset_at or self._clock() + HOUR
        return self.look(holder, name)

    def burst(self, holder: str, name: str, points: int, *, content: bool) -> None:
        """Count a call against the secondary limits; raises SecondaryLimit."""
        now = self._clock()
        if self.running > self.rules.concurrent:
            raise SecondaryLimit(1)
        past = self._bursts.setdefault((holder, name), _Burst())
        while past.points and past.points[0][0] <= now - MINUTE:
            past.points.popleft()
        most = self.rules.core_points_minute if name == "core" else self.rules.graphql_points_minute
        if sum(spent for _, spent in past.points) + points > most:
            raise SecondaryLimit(_seconds(past.points[0][0] + MINUTE - now))
        if content:
            self._create(past.content, now)
        past.points.append((now, points))

    def _create(self, content: deque[datetime], now: datetime) -> None:
        while content and content[0] <= now - HOUR:
            content.popleft()
        last_minute = [at for at in content if at > now - MINUTE]
        if len(last_minute) >= self.rules.content_minute:
            raise SecondaryLimit(_seconds(last_minute[0] + MINUTE - now))
        if len(content) >= self.rules.content_hour:
            raise SecondaryLimit(_seconds(content[0] + HOUR - now))
        content.append(now)


def _seconds(span: timedelta) -> int:
    return max(1, -(-span // timedelta(seconds=1)))
