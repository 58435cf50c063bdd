"""GitHub's words about people and things, made harmless."""

from __future__ import annotations

import msgspec

from hive_tui.core.text import Redactor, clean, clean_line

GHOST = "ghost"
"""What GitHub shows in place of an account that was deleted."""

MAX_TITLE = 256
MAX_NAME = 100
MAX_DETAIL = 300

redact = Redactor()


class Who(msgspec.Struct, frozen=True):
    login: str = ""
    kind: str = msgspec.field(default="", name="__typename")


def login(who: Who | None) -> str:
    """An account's name; of one that was deleted `ghost`, as GitHub shows it."""
    return (clean_line(who.login, limit=MAX_NAME) if who is not None else "") or GHOST


def title(text: str) -> str:
    return redact(clean_line(text, limit=MAX_TITLE)) or "(no title)"


def body(text: str | None) -> str:
    return redact(clean(text or ""))


def name(text: str) -> str:
    return redact(clean_line(text, limit=MAX_NAME)) or "(no name)"


def line(text: str) -> str:
    return redact(clean_line(text, limit=MAX_DETAIL))
