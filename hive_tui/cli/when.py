"""Times as people type them: `90s`, `5m`, `2h`, `3d`, or an ISO 8601 moment. Callbacks for options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    """A length of time; a bare number is seconds."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,7}(?:\.\d{1,3})?)([smhd]?)", value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration; give 90s, 5m, 2h or 3d.", ctx, param)
    return timedelta(**{_UNITS[found[2] or "s"]: float(found[1])})


def since(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A moment in the past: so long ago, or an ISO 8601 time (of the command's `timezone`, else local, unless
    it says otherwise)."""
    if value is None:
        return None
    if re.fullmatch(r"[\d.]+[smhd]?", value.strip()):
        ago = duration(ctx, param, value)
        try:
            return None if ago is None else datetime.now(UTC) - ago
        except OverflowError:
            raise click.BadParameter(f"{value!r} is before all calendars.", ctx, param) from None
    try:
        found = datetime.fromisoformat(value.strip())
        # None is the machine's.
        return (found if found.tzinfo else found.replace(tzinfo=ctx.params.get("timezone"))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is no time; give 5m, 2h, or 2026-03-01T14:00.", ctx, param
        ) from None
