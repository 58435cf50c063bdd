"""A review's verdict as the commit status `hive/review`, and back."""

from __future__ import annotations

import re
from datetime import datetime

from hive_tui.core.model import Verdict, VerdictValue
from hive_tui.core.text import clean_line

CONTEXT = "hive/review"

STATES = {
    VerdictValue.PASS: "success",
    VerdictValue.CHANGES_REQUESTED: "failure",
    VerdictValue.UNKNOWN: "error",
}


def words(verdict: Verdict) -> str:
    """A verdict as a status describes it to people; `read` reads it again."""
    by = clean_line(verdict.by, limit=60)
    return f"{verdict.value.value} by {by} at {verdict.at.isoformat()}"


def read(state: str, description: str, sha: str, creator: str, created_at: datetime) -> Verdict | None:
    """The verdict that a status `hive/review` stands for, None while it is pending. Its state decides, since
    that is what GitHub holds a merge by; the words only tell by whom and when."""
    value = {state.upper(): value for value, state in STATES.items()}.get(state.upper())
    if value is None:
        return None
    match = re.fullmatch(r"\w+ by (.{1,60}) at (\S{10,40})", description)
    if match is not None:
        try:
            at = datetime.fromisoformat(match[2])
        except ValueError:
            at = created_at
        return Verdict(value, sha, match[1], at if at.tzinfo is not None else created_at)
    return Verdict(value, sha, creator, created_at)
