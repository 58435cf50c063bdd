"""What hive says below issues and pull requests: one comment for each marker, edited and never repeated.

A comment counts as hive's only if hive's own account wrote it: anybody may copy a marker.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

import msgspec

from backends.forges.github import decode
from backends.forges.github.decode import GHOST
from backends.forges.github.desk import RepoApi
from backends.forges.github.errors import AnswerLost, Gone, NotFound
from hive_tui.core.model import Comment
from hive_tui.core.text import MAX_BODY, Redactor, clean, clean_line

MAX_MARKER = 100

TRIES = 3
"""Of a comment whose answer is lost each time."""

_MARKER = r"\n*<!-- hive:([A-Za-z0-9 ._:/-]{1,100}) -->\s*\Z"

_redact = Redactor()


class _Who(msgspec.Struct, frozen=True):
    login: str = ""


class _Comment(msgspec.Struct, frozen=True):
    id: int
    created_at: datetime
    updated_at: datetime
    body: str | None = None
    user: _Who | None = None


class Said(NamedTuple):
    """A comment with what only hive reads in it."""

    id: int
    author: str
    at: datetime
    edited_at: datetime
    body: str
    marker: str | None


def read(api: RepoApi, number: int) -> list[Said]:
    """All of them, oldest first; texts are harmless, markers taken out."""
    path, what = f"/issues/{number}/comments", f"{api.repo}#{number}"
    return [_said(item) for page in api.pages(path, _Comment, what=what) for item in page]


def shown(found: list[Said]) -> list[Comment]:
    """For people."""
    return [Comment(item.author, item.at, item.body) for item in found]


def write(api: RepoApi, number: int, me: str, text: str, marker: str | None) -> None:
    """Add a comment, or with a marker edit the one of hive's that has it.

    Of several with the same marker (two dispatchers, a request that arrived late) the oldest stays.
    """
    body, what = worded(text, marker), f"a comment on {api.repo}#{number}"
    found = _mine(api, number, me)
    before = frozenset(item.id for item in found)
    for attempt in range(TRIES):
        marked = [item for item in found if marker is not None and item.marker == _name(marker)]
        if marked:
            _edit(api, marked, body, what)
            return
        try:
            api.post(f"/issues/{number}/comments", {"body": body}, what=what)
            return
        except AnswerLost:
            found = _mine(api, number, me)
            new = (item for item in found if item.id not in before)
            if any(worded(item.body, item.marker) == body for item in new):
                return
            if attempt == TRIES - 1:
                raise


def worded(text: str, marker: str | None) -> str:
    """A comment as it is sent: without a secret, within GitHub's limit, its marker at the end."""
    tail = f"\n\n<!-- hive:{_name(marker)} -->" if marker is not None else ""
    body = _redact(clean(text))
    # Nobody's words may end in a marker but hive's own.
    while (match := re.search(_MARKER, body)) is not None:
        body = body[: match.start()]
    room = MAX_BODY - len(tail)
    body = body if len(body) <= room else body[: room - 1] + "…"
    return (body.rstrip() or "–") + tail


def _edit(api: RepoApi, mine: list[Said], body: str, what: str) -> None:
    first, *more = sorted(mine, key=lambda item: item.id)
    said = worded(first.body, first.marker)
    if said != body:
        api.patch(f"/issues/comments/{first.id}", {"body": body}, what=what)
    for extra in more:
        try:
            api.delete(f"/issues/comments/{extra.id}", what=what)
        except (NotFound, Gone):
            continue


def _mine(api: RepoApi, number: int, me: str) -> list[Said]:
    return [item for item in read(api, number) if item.author.lower() == me.lower()]


def _name(marker: str | None) -> str:
    return re.sub(r"[^A-Za-z0-9 ._:/-]", "-", clean_line(marker or "", limit=MAX_MARKER))


def _said(item: _Comment) -> Said:
    raw = clean(item.body or "")
    match = re.search(_MARKER, raw)
    author = clean_line(item.user.login, limit=decode.MAX_NAME) if item.user is not None else ""
    return Said(
        item.id,
        author or GHOST,
        item.created_at,
        item.updated_at,
        _redact(raw[: match.start()] if match else raw),
        match[1] if match else None,
    )
