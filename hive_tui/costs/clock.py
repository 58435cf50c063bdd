"""Moments of transcripts: ISO 8601 in UTC, as integers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EARLIEST = 1_600_000_000_000
"""September 2020: no agent wrote a transcript before, so an earlier clock was wrong."""

LATEST = 4_100_000_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(stamp: str) -> int | None:
    """Milliseconds since 1970; None for what is no moment, or none at which an agent can have worked."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = round((moment - _EPOCH) / _MILLISECOND)
    return found if EARLIEST <= found <= LATEST else None


def moment(found: int) -> datetime:
    """The moment again, aware."""
    return datetime.fromtimestamp(found / 1_000, UTC)
