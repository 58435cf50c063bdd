"""What hive says below issues and pull requests: one comment for each marker, edited and never repeated.

A comment counts as hive's only if hive's own account wrote it: anybody may copy a marker.
"""

from __future__ import annotations

import re
import threading
from datetime import datetime
from typing import NamedTuple

import msgspec

from backends.forges.github import decode
from backends.forges.github.decode import GHOST
from backends.forges.github.desk import RepoApi
from backends.forges.github.errors import AnswerLost, Gone, NotFound
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Comment
from hive_tui.core.text import MAX_BODY, Redactor, clean, clean_line

MAX_MARKER = 100

MOST_KNOWN = 1_000

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


class _Made(msgspec.Struct, frozen=True):
    id: int


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


class Known:
    """hive's comments that were written here, so that the next edit of one needs no look. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[tuple[RepoName, int, str], tuple[int, str]] = {}

    def get(self, api: RepoApi, number: int, marker: str | None) -> tuple[int, str] | None:
        """Its id and its text, as it was sent."""
        with self._lock:
            return None if marker is None else self._said.get((api.repo, number, _name(marker)))

    def put(self, api: RepoApi, number: int, marker: str | None, said: tuple[int, str] | None) -> None:
        """Remember it, or forget it with None."""
        if marker is None:
            return
        key = (api.repo, number, _name(marker))
        with self._lock:
            self._said.pop(key, None)
            if said is not None:
                self._said[key] = said
            if len(self._said) > MOST_KNOWN:
                del self._said[next(iter(self._said))]


def write(
    api: RepoApi,
    number: int,
    me: str,
    text: str,
    marker: str | None,
    *,
    known: Known | None = None,
    bare: bool = False,
) -> None:
    """Add a comment, or with a marker edit the one of hive's that has it. `bare`: there is none at all.

    Of several with the same marker (two dispatchers, a request that arrived late) the oldest stays.
    """
    known = known or Known()
    body, what = worded(text, marker), f"a comment on {api.repo}#{number}"
    if _edited(api, number, marker, body, known, what):
        return
    found = [] if bare else _mine(api, number, me)
    before = frozenset(item.id for item in found)
    for attempt in range(TRIES):
        marked = [item for item in found if marker is not None and item.marker == _name(marker)]
        if marked:
            known.put(api, number, marker, (_edit(api, marked, body, what), body))
            return
        try:
            made = api.post(f"/issues/{number}/comments", {"body": body}, what=what).decode(_Made)
            # One whose first request was lost may yet turn up beside it: that is looked for the next time.
            known.put(api, number, marker, (made.id, body) if attempt == 0 else None)
            return
        except AnswerLost:
            found = _mine(api, number, me)
            new = (item for item in found if item.id not in before)
            if any(worded(item.body, item.marker) == body for item in new):
                return
            if attempt == TRIES - 1:
                raise


def _edited(api: RepoApi, number: int, marker: str | None, body: str, known: Known, what: str) -> bool:
    """Edit the comment that was written here before; False if there is none."""
    said = known.get(api, number, marker)
    if said is None:
        return False
    try:
        if said[1] != body:
            api.patch(f"/issues/comments/{said[0]}", {"body": body}, what=what)
    except (NotFound, Gone):
        known.put(api, number, marker, None)  # somebody deleted it
        return False
    known.put(api, number, marker, (said[0], body))
    return True


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


def _edit(api: RepoApi, mine: list[Said], body: str, what: str) -> int:
    """Returns the id of the one that stays."""
    first, *more = sorted(mine, key=lambda item: item.id)
    said = worded(first.body, first.marker)
    if said != body:
        api.patch(f"/issues/comments/{first.id}", {"body": body}, what=what)
    for extra in more:
        try:
            api.delete(f"/issues/comments/{extra.id}", what=what)
        except (NotFound, Gone):
            continue
    return first.id


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
