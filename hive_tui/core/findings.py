"""What `hive doctor` found: one thing looked at, and the next step where it is not as it should be."""

from __future__ import annotations

import enum

import msgspec

from hive_tui.core.errors import HiveError


class State(enum.Enum):
    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at, and the next step where it is not as it should be."""

    name: str
    state: State
    detail: str
    fix: str | None = None


def ok(name: str, detail: str) -> Finding:
    return Finding(name, State.OK, detail)


def warning(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, State.WARNING, detail, fix)


def broken(name: str, detail: str, fix: str) -> Finding:
    return Finding(name, State.BROKEN, detail, fix)


def failed(name: str, error: HiveError) -> Finding:
    """What could not even be looked at."""
    return broken(name, error.message, error.hint or "See the message.")
