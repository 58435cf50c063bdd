"""When GitHub is looked at next; pure. Randomness (`luck`, from 0 to 1) comes from the caller."""

from __future__ import annotations

from datetime import datetime, timedelta

from hive_tui.core.model import ApiUse
from hive_tui.core.settings import GitHubSettings

LONGEST = 3_600.0
"""No fleet looks less often than this."""

PENDING_FACTOR = 3.0
"""While checks run, but no agent does, looks are this many times slower than the quickest."""

LATER_SECONDS = 50.0
"""What changes without being seen in a list (checks, mergeability), and what hive itself wrote, is read with
the next query of all; or by one of its own after so long, which is every third of the quickest looks."""

QUIET_FACTOR = 0.25
"""After ten quiet minutes the next look is two and a half minutes away, where the settings allow that."""

JITTER = 0.1
"""Fleets that began together drift apart; never later than the settings say."""

FULL = timedelta(hours=1)
"""All of a repository is read again after this: no list of changes shows what was deleted or moved away."""

CLOSED = timedelta(minutes=10)
"""So soon where nothing may be done: no list of changes shows that it may again."""

FIRST_RETRY, LAST_RETRY = 5.0, 300.0
"""After GitHub as a whole failed."""

FIRST_REPO_RETRY, LAST_REPO_RETRY = 30.0, 900.0
"""After one repository failed: most often only a person can mend it."""

PATIENCE, HASTE = 30.0, 9.0
"""Seconds for one call with its repetitions: while nobody waits for it, and while somebody does."""

WRITE_GAP = 5.0
"""Looks that writes ask for keep this distance: what a write brought is published already."""


def interval(settings: GitHubSettings, *, active: bool, pending: bool, quiet: timedelta) -> float:
    """Seconds between looks: quick while runs are at work, a while after something moved, else slow.

    `pending`: checks run on a head that somebody waits for. `quiet`: since something moved last.
    """
    longest = min(settings.idle_seconds, LONGEST)
    shortest = min(settings.active_seconds, longest)
    if active:
        return shortest
    wanted = max(shortest, quiet.total_seconds() * QUIET_FACTOR)
    if pending:
        wanted = min(wanted, shortest * PENDING_FACTOR)
    return min(wanted, longest)


def thrifty(seconds: float, *, cost: int, use: ApiUse | None, now: datetime) -> float:
    """A pause that is long enough for what is left: a look that cost `cost` points can be repeated until
    the budget is whole again, without touching the reserve. At most an hour."""
    if use is None or cost <= 0 or use.reset_at <= now:
        return seconds
    free = use.remaining - use.reserve
    left = (use.reset_at - now).total_seconds()
    if free <= 0:
        return min(LONGEST, max(seconds, left))
    return min(LONGEST, max(seconds, left * cost / free))


def scattered(seconds: float, luck: float) -> float:
    return seconds * (1 - JITTER * luck)


def retry(failures: int, luck: float, *, repository: bool = False) -> timedelta:
    """Until the next try after so many failures in a row: doubled each time, scattered by half."""
    first, last = (FIRST_REPO_RETRY, LAST_REPO_RETRY) if repository else (FIRST_RETRY, LAST_RETRY)
    ceiling = min(last, first * 2 ** min(failures, 16))
    return timedelta(seconds=ceiling * (1 - luck / 2))
