"""Why an agent could not go on, and when it can: the words of its error messages, read in one place."""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo


class Cause(enum.Enum):
    """What an error means for the fleet."""

    LIMIT = "limit"
    """The account's quota is used up and comes back."""
    BILLING = "billing"
    """Credit is gone; somebody has to pay."""
    LOGIN = "login"
    """The agent is not logged in, or may not use what is configured."""
    OUTAGE = "outage"
    """The service failed, again and again."""
    OTHER = "other"


_BILLING = re.compile(
    r"credit balance|billing|insufficient[_ ](?:quota|credit|funds)|out of (?:usage )?credits"
    r"|spend(?:ing)? (?:cap|limit)|quota exceeded|payment required",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"usage[- ]limit|rate[_ ]limit|limit reached|you['’]ve (?:hit|reached) your|reached your specified"
    r"|too many requests|out of (?:extra )?usage|request rejected \(429\)|\b429\b",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"not logged in|please run /login|codex login|authentication|invalid (?:x-)?api[ -]key|incorrect api key"
    r"|missing bearer|oauth token|unauthori[sz]ed|token (?:has )?(?:expired|revoked)|model_not_found"
    r"|\b40[13]\b|does not have access|may not (?:exist|have access)",
    re.IGNORECASE,
)
_OUTAGE = re.compile(
    r"overloaded|internal server error|service unavailable|bad gateway|gateway timeout|server[_ ]error"
    r"|connection (?:error|refused|reset)|stream disconnected|timed? ?out|fetch failed|\b5(?:0[0234]|29)\b",
    re.IGNORECASE,
)

_KINDS = {
    "billing_error": Cause.BILLING,
    "rate_limit": Cause.LIMIT,
    "authentication_failed": Cause.LOGIN,
    "oauth_org_not_allowed": Cause.LOGIN,
    "model_not_found": Cause.LOGIN,
    "overloaded": Cause.OUTAGE,
    "server_error": Cause.OUTAGE,
}


def cause(message: str, *, kind: str | None = None, status: int | None = None) -> Cause:
    """What an error that ended a turn means. `kind` is the agent's own name for it and wins, then the
    HTTP status, then the words. Only for messages that the agent marked as errors."""
    if kind in _KINDS:
        found = _KINDS[kind]
        return Cause.BILLING if found is Cause.LIMIT and _BILLING.search(message) else found
    if status is not None and status >= 400:
        if status in (402, 429):
            return Cause.BILLING if status == 402 or _BILLING.search(message) else Cause.LIMIT
        if status in (401, 403):
            return Cause.LOGIN
        if status >= 500:
            return Cause.OUTAGE
    for found, words in (
        (Cause.BILLING, _BILLING),
        (Cause.LIMIT, _LIMIT),
        (Cause.LOGIN, _LOGIN),
        (Cause.OUTAGE, _OUTAGE),
    ):
        if words.search(message):
            return found
    return Cause.OTHER


_EPOCH = re.compile(r"(?:\||\bat\s+)(1\d{9}|1\d{12})\b")
_ISO = re.compile(
    r"\b(20\d\d-\d\d-\d\d)(?:T|,? at |\s+)(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d)?"
)
_AFTER = re.compile(
    r"\b(?:resets?|try again|retry|available(?: again)?|access|until)\b(?=(.{1,80}))", re.IGNORECASE | re.S
)
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*(ms|s|m|h|d|w)[a-z]*\b", re.IGNORECASE)
_CLOCK = re.compile(
    r"^\s*(?:on\s+|at\s+)?"
    r"(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s*(?:at\s+)?)?"
    r"(?:(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?"
    r"(?:,?\s+(?P<year>20\d\d))?,?\s*(?:at\s+)?)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?(?::\d\d)?\s*(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour24>\d{1,2}):(?P<minute24>\d\d))?"
    r"\s*\(?(?P<zone>[A-Z][A-Za-z_]+(?:/[A-Za-z_+-]+){1,2}|UTC|GMT)?",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FAR = timedelta(days=400)
_PAUSES = {Cause.LIMIT: timedelta(minutes=15), Cause.OUTAGE: timedelta(minutes=5)}


def another_try(found: Cause, said: datetime | None, now: datetime | None) -> datetime | None:
    """When an agent may be started again after trouble: as was said, else after a pause that is short
    enough to lose little and long enough not to hammer; None where only a person can help."""
    if found is Cause.LIMIT and said is not None:
        return said
    pause = _PAUSES.get(found)
    return None if pause is None or now is None else now + pause


def from_epoch(seconds: float | None) -> datetime | None:
    """A moment from seconds (or milliseconds) since 1970."""
    if seconds is None or not 0 < seconds < 1e14:
        return None
    return datetime.fromtimestamp(seconds / 1000 if seconds > 1e11 else seconds, UTC)


def reset_time(message: str, now: datetime | None) -> datetime | None:
    """When a limit ends, as its message says: an epoch, a date, a duration, or a time of day, which is
    in the zone that it names, else in the machine's. `now` is when it was said; without it only
    absolute moments are understood. None when nothing is said or it is absurd."""
    message = message[:2_000]
    if epoch := _EPOCH.search(message):
        return from_epoch(float(epoch[1]))
    if iso := _ISO.search(message):
        return _moment(f"{iso[1]}T{iso[2]}{iso[3] or 'Z'}")
    if now is None or not 2000 <= now.year < 2100:
        # The moment comes from the message's own line, and may be as absurd as anything else in it.
        return None
    for after in _AFTER.finditer(message):
        rest = after[1]
        found = _duration(rest, now) if re.match(r"\s+(?:in|after)\b", rest) else _clock(rest, now)
        if found is not None and now <= found <= now + _FAR:
            return found
    return None


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace("UTC", "Z").replace("GMT", "Z"))
    except ValueError:
        return None
    return found.astimezone(UTC)


def _duration(text: str, now: datetime) -> datetime | None:
    parts = _DURATION.findall(text)
    if not parts:
        return None
    seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in parts)
    return now + timedelta(seconds=min(seconds, _FAR.total_seconds() * 2))


def _clock(text: str, now: datetime) -> datetime | None:
    found = _CLOCK.match(text)
    if found is None or not any(found[name] for name in ("hour", "hour24", "day", "weekday")):
        return None
    zone = _zone(found["zone"])
    local = now.astimezone(zone)
    hour, minute = _hour(found)
    try:
        at = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if found["day"]:
            month = _MONTHS.index(found["month"].lower()) + 1
            year = int(found["year"]) if found["year"] else local.year
            moment = at.replace(year=year, month=month, day=int(found["day"]))
            if not found["year"] and moment < local - timedelta(days=1):
                moment = moment.replace(year=year + 1)
        else:
            moment = at
            if found["weekday"]:
                days = (_WEEKDAYS.index(found["weekday"].lower()) - local.weekday()) % 7
                moment += timedelta(days=days if days or moment > local else 7)
            elif moment <= local:
                moment += timedelta(days=1)
    except ValueError:
        return None
    return moment.astimezone(UTC)


def _hour(found: re.Match[str]) -> tuple[int, int]:
    if found["hour"]:
        hour = int(found["hour"]) % 12 + (12 if found["half"].lower() == "p" else 0)
        return hour, int(found["minute"] or 0)
    return int(found["hour24"] or 0), int(found["minute24"] or 0)


def _zone(name: str | None) -> tzinfo | None:
    """None is the machine's own zone, as `astimezone` takes it."""
    if name is None:
        return None
    if name.upper() in ("UTC", "GMT"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
