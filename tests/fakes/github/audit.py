"""The list of every call that was made, for tests that count points or validate what was said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass
class Entry:
    """One call. `path` is without the prefix `/api/v3` or `/api`: `/repos/o/n/issues`, `/graphql`,
    `/o/n.git/info/refs`, with the repository's name also where the redirect of a renamed one gave its id;
    `query` is the rest of the URL, as it was sent."""

    at: datetime
    method: str
    path: str
    query: str
    token: str | None
    """`Token.id`, or `app-ID` for an app's own; None without authorization."""
    points: int = 0
    """Spent of the hour's: 0 for a 304, git, and what was refused."""
    status: int = 0
    """0 where no answer was sent."""
    fault: str | None = None
    request: Any = None
    """The body as JSON, None without one. Bodies are kept only where `Audit.keep_bodies`."""
    answer: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    """Of the request, in lower case, without `authorization`."""
    answer_headers: dict[str, str] = field(default_factory=dict)


class Audit:
    """Thread-safe."""

    listeners: ClassVar[list[Callable[[Entry], None]]] = []
    """Told of every call of every audit that keeps bodies; `honesty.py` judges what they said."""

    def __init__(self, *, keep_bodies: bool = True) -> None:
        self.keep_bodies = keep_bodies
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            if self.keep_bodies:
                for listener in self.listeners:
                    listener(entry)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    @property
    def entries(self) -> list[Entry]:
        with self._lock:
            return list(self._entries)

    def points(self, bucket: str | None = None) -> int:
        """Spent of `core` or `graphql`, or of both."""
        found = self.entries
        if bucket is not None:
            found = [entry for entry in found if (entry.path == "/graphql") == (bucket == "graphql")]
        return sum(entry.points for entry in found)

    def calls(self, method: str = "", path: str = "") -> list[Entry]:
        """Those of a method, with a text in their path."""
        return [entry for entry in self.entries if method in ("", entry.method) and path in entry.path]


def as_json(entries: list[Entry]) -> bytes:
    """Without bodies."""
    rows = [
        {key: value for key, value in asdict(entry).items() if key not in ("request", "answer")}
        for entry in entries
    ]
    return json.dumps(rows, default=str).encode()
