"""What the HTTP server hands to the GraphQL side, and gets back.

`server.py` calls `tests.fakes.github.graphql_execute.execute(GraphCall) -> dict` for `POST /graphql` (it
holds `world.lock` meanwhile) and sends the dict as JSON with status 200.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.fakes.github.state import Token, World


@dataclass(frozen=True)
class Bucket:
    """A rate limit as the headers say it."""

    name: str
    """`core` or `graphql`."""
    limit: int
    used: int
    reset_at: datetime

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


@dataclass(frozen=True)
class GraphError:
    """A part of an answer that is to fail: its value is null and `errors` names it."""

    path: tuple[str | int, ...]
    """Response keys (aliases) down to the field; empty is the first field of the query."""
    kind: str
    """`NOT_FOUND`, `FORBIDDEN`, `SERVICE_UNAVAILABLE`, `MAX_NODE_LIMIT_EXCEEDED` …"""
    message: str


@dataclass(frozen=True)
class GraphCall:
    world: World
    token: Token
    payload: dict[str, Any]
    """The request's body: `query`, `variables`, `operationName`."""
    base: str
    """The site's URL without a slash at the end, for `url` fields: `{base}/owner/name/issues/1`."""
    charge: Callable[[int], Bucket]
    """Spend the query's points, once and before it is executed; returns what is left, for `rateLimit`.
    It raises (let it through) when nothing is left."""
    errors: tuple[GraphError, ...] = ()
    """Injected faults."""
