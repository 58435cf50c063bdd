"""Text at the boundary: what comes in is made harmless, what goes out is humanised, in one place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from functools import cache, lru_cache

MAX_LINE = 4_096
"""Characters kept of one line that an agent, an issue or a server says."""

MAX_BODY = 65_536
"""Characters kept of an issue's or a pull request's body (GitHub's own limit)."""

UNKNOWN = "–"

# Compiled when first needed: reading a fleet of plain text needs none of these (1.5 ms).
# OSC, DCS, APC, PM and SOS strings with their payload (also when cut off), CSI, then single escapes.
_ESCAPES = (
    r"(?:\x1b[\]P_^X]|[\x9d\x90\x9f\x9e\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


@cache
def _pattern(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def clean(text: str, *, limit: int = MAX_BODY) -> str:
    """Text that is safe to store and show: no escape or control sequence, no bidi or invisible
    character, at most `limit` characters. Newlines and tabs stay."""
    if len(text) > 4 * limit:
        text = text[: 4 * limit]
    # Printable is what has no control, format, surrogate or separator character but the blank.
    if not text.isprintable():
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = _pattern(_CONTROLS).sub("", _pattern(_ESCAPES).sub("", text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clean_line(text: str, *, limit: int = MAX_LINE) -> str:
    """`clean`, on one line: whitespace runs become one blank."""
    return " ".join(clean(text, limit=limit).split())


_SECRETS = (
    r"\b(?:sk-ant-[\w-]{8,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|glpat-[\w-]{20,})"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)

MASK = "•••"

_HARMLESS = (
    r"(?i)(?:^|_)(?:URL|MODEL|REGION|DIR|HOME|FILE|PROXY|PROFILE|PROJECT|PROJECT_ID|ORGANIZATION|RESOURCE"
    r"|CREDENTIALS|MS|RETRIES|OUTPUT_TOKENS|USE_[A-Z]+|DISABLE_[A-Z_]+)$"
)


def secret_values(environ: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    """Values of those variables that a log must not show. Of what an agent may inherit, only names that
    say that they are no secret are none: a model's name or a server's address has to stay readable."""
    return tuple(environ[name] for name in names if name in environ and not _pattern(_HARMLESS).search(name))


class Redactor:
    """Masks registered secret values and whatever has the shape of a well-known token."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        values = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, values))) if values else None

    def __call__(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(MASK, text)
        return _pattern(_SECRETS).sub(MASK, text)


def width(text: str) -> int:
    """Terminal cells that `text` takes: East Asian wide characters take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


@lru_cache(maxsize=4_096)
def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def truncate(text: str, cells: int) -> str:
    """`text` cut to at most `cells` terminal cells, with an ellipsis where something is missing."""
    if width(text) <= cells:
        return text
    if text.isascii():
        return text[: cells - 1].rstrip() + "…" if cells > 0 else ""
    kept, used = [], 0
    for char in text:
        used += _cells(char)
        if used > cells - 1:
            break
        kept.append(char)
    return "".join(kept).rstrip() + "…" if cells > 0 else ""


def age(delta: timedelta) -> str:
    """A duration in at most two units: `42s`, `3m 12s`, `2h 5m`, `4d 3h`; never negative."""
    seconds = max(0, int(delta.total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        return f"{minutes}m {rest}s" if minutes < 10 and rest else f"{minutes}m"
    if seconds < 86_400:
        hours, rest = divmod(seconds // 60, 60)
        return f"{hours}h {rest}m" if rest else f"{hours}h"
    days, rest = divmod(seconds // 3600, 24)
    return f"{days}d {rest}h" if rest else f"{days}d"


def since(at: datetime | None, now: datetime) -> str:
    """The age of a moment, or `–`."""
    return UNKNOWN if at is None else age(now - at)


def clock(at: datetime | None, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """A moment as wall-clock time in a time zone, None for the machine's; with its date when it is not
    `now`'s day."""
    if at is None:
        return UNKNOWN
    local = at.astimezone(zone)
    if now is not None and local.date() != now.astimezone(zone).date():
        return local.strftime("%b %d %H:%M")
    return local.strftime("%H:%M")


def money(micros: int | None, *, estimated: bool = False) -> str:
    """Micro-dollars as `$1.23`; `–` when unknown, `~` before an estimate, `<$0.01` instead of $0.00."""
    if micros is None:
        return UNKNOWN
    mark = "~" if estimated else ""
    if 0 < micros < 5_000:
        return f"{mark}<$0.01"
    return f"{mark}${micros / 1_000_000:,.2f}"


def count(number: int | None) -> str:
    """A count in at most four characters: `940`, `8.1k`, `412k`, `1.2M`."""
    if number is None:
        return UNKNOWN
    if number < 1_000:
        return str(number)
    for limit, unit in ((1_000_000, "k"), (1_000_000_000, "M"), (1_000_000_000_000, "G")):
        if number < limit * 0.9995:
            scaled = number * 1000 / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{number / 1e12:.0f}T"


def plural(number: int, noun: str) -> str:
    """A count with its noun: `1 issue`, `3 issues`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def linkable(url: str) -> bool:
    """Whether it is a web page's address without anything that a terminal would take for the end of it."""
    return url.startswith(("https://", "http://")) and url.isascii() and url.isprintable()
