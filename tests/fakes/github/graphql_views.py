"""What the GraphQL types have in common: views of the fake's records, pages of them, and errors.

A view is a class with the name of a type of the published schema; its attributes and methods are the
fields, methods those with arguments. What a view lacks is not served, and the answer says so (501).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from graphql import FieldNode, GraphQLResolveInfo

from tests.fakes.github import state
from tests.fakes.github.graphql_cost import Cost
from tests.fakes.github.hooks import Bucket, GraphCall

PAGE_LIMIT = 100

Info: TypeAlias = "GraphQLResolveInfo[Asked]"
Kind: TypeAlias = "Callable[[Asked, state.Repository | None, Any], View]"


@dataclass
class Trouble(Exception):
    """A field's value cannot be had; it is null, and `errors` says why."""

    kind: str
    message: str
    saml: bool | None = None


class NotServed(Exception):
    """GitHub has this field, the fake does not."""


@dataclass
class Asked:
    """One query while it is answered; the context of every field."""

    call: GraphCall
    cost: Cost
    bucket: Bucket
    kinds: Mapping[type, Kind]
    """How the records of a class are viewed."""

    @property
    def world(self) -> state.World:
        return self.call.world

    def view(self, repo: state.Repository | None, record: object) -> View:
        return self.kinds[type(record)](self, repo, record)

    def actor(self, login: str | None) -> View | None:
        """None is also what a user that was deleted has become."""
        user = self.world.users.get(login.lower()) if login else None
        return None if user is None else self.view(None, user)

    def demand(self, repo: state.Repository, permission: str) -> None:
        """Raises what GitHub says to a token that may not read that of a repository."""
        token = self.call.token
        if repo.owner.lower() in {name.lower() for name in token.sso_missing}:
            words = "Resource protected by organization SAML enforcement. "
            words += "You must grant your Personal Access token access to this organization."
            raise Trouble("FORBIDDEN", words, saml=True)
        if not self.world.may(token, repo, permission, "read"):
            whose = "integration" if token.kind == "installation" else "personal access token"
            raise Trouble("FORBIDDEN", f"Resource not accessible by {whose}", saml=False)


class View:
    """Of one record."""

    def __init__(self, asked: Asked, repo: state.Repository | None, record: Any) -> None:
        self.asked = asked
        self._repo = repo
        self.record = record

    @property
    def id(self) -> str:
        return str(self.record.node_id)

    @property
    def url(self) -> str:
        return f"{self.asked.call.base}{self.resourcePath}"

    @property
    def resourcePath(self) -> str:
        raise NotServed(f"{type(self).__name__}.resourcePath")

    @property
    def databaseId(self) -> int:
        return int(self.record.id)

    @property
    def fullDatabaseId(self) -> str:
        return str(self.record.id)


class Part(View):
    """Something in a repository."""

    @property
    def repo(self) -> state.Repository:
        assert self._repo is not None
        return self._repo

    @property
    def repository(self) -> View:
        return self.asked.view(self.repo, self.repo)

    def views(self, records: Iterable[object]) -> list[View]:
        return [self.asked.view(self.repo, record) for record in records]


class Page:
    """A connection: the part of a list that `first` and `after`, or `last` and `before`, ask for."""

    def __init__(
        self,
        info: Info,
        items: Sequence[Any],
        *,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        key: Callable[[Any], datetime | int | str] | None = None,
        descending: bool = False,
        **others: Any,
    ) -> None:
        """`key` sorts the items, which are views; a cursor is then a place in that order and stays valid
        while items come and go. Without one it is a position in the list."""
        if others:
            raise NotServed(f"{info.parent_type.name}.{info.field_name}({min(others)}:)")
        _check_bounds(info, first, last)
        self.all = items
        self.totalCount = len(items)
        if key is None:
            placed: list[tuple[list[int | str], Any]] = [([at], item) for at, item in enumerate(items)]
        else:
            placed = [([_plain(key(item)), item.record.id], item) for item in items]
            placed.sort(key=lambda pair: pair[0], reverse=descending)
        sign = -1 if descending and key is not None else 1
        if after is not None:
            mark = _place(after)
            placed = [pair for pair in placed if _compare(pair[0], mark) * sign > 0]
        if before is not None:
            mark = _place(before)
            placed = [pair for pair in placed if _compare(pair[0], mark) * sign < 0]
        there = len(placed)
        if first is not None:
            placed = placed[:first]
        if last is not None:
            placed = placed[max(0, len(placed) - last) :]
        self._placed = placed
        self._more_after = first is not None and there > first
        self._more_before = last is not None and there > len(placed) if first is None else after is not None

    @property
    def nodes(self) -> list[Any]:
        return [item for _, item in self._placed]

    @property
    def edges(self) -> list[Edge]:
        return [Edge(_cursor(place), item) for place, item in self._placed]

    @property
    def pageInfo(self) -> PageInfo:
        ends = (self._placed[0], self._placed[-1]) if self._placed else (None, None)
        start, end = (None if pair is None else _cursor(pair[0]) for pair in ends)
        return PageInfo(self._more_after, self._more_before, start, end)


@dataclass(frozen=True)
class Edge:
    cursor: str
    node: Any


@dataclass(frozen=True)
class PageInfo:
    hasNextPage: bool
    hasPreviousPage: bool
    startCursor: str | None
    endCursor: str | None


def ordered(order: dict[str, str] | None, keys: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """How `orderBy` sorts, as arguments of a Page; by the first of `keys`, ascending, without."""
    field, direction = (order["field"], order["direction"]) if order else (next(iter(keys)), "ASC")
    return {"key": keys[field], "descending": direction == "DESC"}


def _check_bounds(info: Info, first: int | None, last: int | None) -> None:
    name = info.field_name
    if first is None and last is None and _asked_for(info) - {"totalCount", "__typename"}:
        words = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise Trouble("MISSING_PAGINATION_BOUNDARIES", words)
    for which, value in (("first", first), ("last", last)):
        if value is not None and value > PAGE_LIMIT:
            words = f"Requesting {value} records on the `{name}` connection exceeds the `{which}` limit of"
            raise Trouble("EXCESSIVE_PAGINATION", f"{words} {PAGE_LIMIT} records.")
        if value is not None and value < 0:
            raise Trouble(
                "INVALID_PAGINATION", f"`{which}` on the `{name}` connection cannot be less than zero"
            )


def _asked_for(info: Info) -> set[str]:
    """Fields that the query wants of the connection; of a fragment, that there is one."""
    found = set()
    for node in info.field_nodes:
        for selection in node.selection_set.selections if node.selection_set else ():
            found.add(selection.name.value if isinstance(selection, FieldNode) else "...")
    return found


def _plain(value: datetime | int | str) -> int | str:
    return int(value.timestamp()) if isinstance(value, datetime) else value


def _compare(one: list[Any], other: list[Any]) -> int:
    return (one > other) - (one < other)


def _cursor(place: list[Any]) -> str:
    return base64.b64encode(b"cursor:v2:" + json.dumps(place).encode()).decode()


def _place(cursor: str) -> list[Any]:
    try:
        place = json.loads(base64.b64decode(cursor).removeprefix(b"cursor:v2:"))
    except ValueError:
        place = None
    if not isinstance(place, list):
        raise Trouble("INVALID_CURSOR_ARGUMENTS", f"`{cursor}` does not appear to be a valid cursor.")
    return place
