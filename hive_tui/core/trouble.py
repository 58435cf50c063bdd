"""How a tracker's troubles and budgets read: what, since when, and when it is tried again. Pure."""

from __future__ import annotations

from datetime import datetime

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import ApiUse, RepoState

API_OF_A_RUN = 30
"""Points of the tracker's API that a run takes at most, from its claim to its pull request."""


def next_try(at: datetime | None, now: datetime) -> str:
    """When something is tried again; what has no time waits for a person."""
    if at is None:
        return "not tried again by itself"
    return f"next try in {text.age(at - now)}" if at > now else "trying now"


def repository(state: RepoState, now: datetime) -> str | None:
    """What is wrong with a repository, to be read after its name; None where nothing is."""
    if state.why is not None:
        since = f" since {text.clock(state.since, now)}" if state.since is not None else ""
        return f"cannot be read{since}, {next_try(state.retry_at, now)}: {state.why}"
    if state.closed_to_work is None:
        return None
    said = state.closed_to_work.removeprefix(f"{state.name} ")
    return said if said != state.closed_to_work else f"is closed to work: {said}"


def api(use: ApiUse, now: datetime) -> str:
    """What is left of a budget, until when, and what of that is for whom."""
    kept = f", {use.reserve:,} kept for writes" if use.reserve else ""
    left = f"{use.remaining:,} of {use.limit:,} left, resets {resets(use, now)}"
    return f"{use.name} {left}, {use.used_hour:,} spent in 1 h{kept}"


def resets(use: ApiUse, now: datetime) -> str:
    """When a budget is whole again."""
    return text.clock(use.reset_at, now) if now < use.reset_at else "now"


def api_tone(use: ApiUse) -> Tone:
    """Whether a budget has come to what is kept for writes, or to nothing."""
    if use.remaining < API_OF_A_RUN:
        return Tone.BROKEN
    return Tone.SOON if use.remaining <= use.reserve else Tone.PLAIN
