"""Moments of transcripts: ISO 8601 in UTC, as integers."""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST = 1_600_000_000_000
"""September 2020: no agent wrote a transcript before, so an earlier clock was wrong."""

LATEST = 4_100_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(words: str) -> int | None:
    """Milliseconds since 1970; None for what is no moment, or none at which an agent can have worked."""
    try:
        moment = datetime.fromisoformat(words)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = stamp(moment)
    return found if EARLIEST <= found <= LATEST else None


def stamp(at: datetime) -> int:
    """Milliseconds since 1970 of an aware moment."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def moment(found: int) -> datetime:
    """The moment again, aware."""
    return datetime.fromtimestamp(found / 1_000, UTC)
