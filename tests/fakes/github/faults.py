"""What goes wrong, when and how often; by this object in process, or by `/_fake/faults` over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random

from tests.fakes.github.hooks import GraphError

KINDS = {
    "primary": "the hour's points are used up: 403 (or `status` 429); a GraphQL answer of 200",
    "secondary": "too much at once: 403 or `status` 429, with `retry_after` or without",
    "error": "`status` 500, 502 (default), 503 or 504, with `retry_after` or without",
    "hang": "no answer for `seconds`, then the connection ends",
    "slow": "the answer, after `seconds`",
    "reset": "the connection is reset before anything was done",
    "truncate": "the call takes place, half of its answer arrives",
    "lost": "the call takes place, the connection is reset instead of an answer",
    "moved": "301 (307 for a write) to `location`",
    "archived": "403 that the repository is read-only",
    "disabled": "403 that access to the repository is blocked",
    "unauthorized": "401 bad credentials",
    "forbidden": "403 that the token lacks `permission`",
    "missing": "404",
    "sso": "403 with the header that single sign-on is required",
    "skew": "the answer, its `Date` off by `seconds`",
    "graphql": "the answer, with `errors` in it",
    "html": "`status` (default 200) with a page of a proxy instead of JSON",
}


@dataclass
class Fault:
    """`method` and `path` are patterns of the shell (`*` matches slashes too); paths are those of the audit:
    `/repos/o/n/issues`, `/graphql`, `/o/n.git/info/refs`."""

    kind: str
    method: str = "*"
    path: str = "*"
    containing: str = ""
    """Only calls whose body has this text, such as a repository's name in a GraphQL query."""
    times: int | None = 1
    """How many calls it hits; None is every one until it is cleared."""
    skip: int = 0
    """Calls that match and are left alone before that."""
    chance: float = 1.0
    """Of each matching call."""
    status: int | None = None
    retry_after: int | None = None
    seconds: float = 0.0
    location: str = ""
    permission: str = "issues=write"
    errors: tuple[GraphError, ...] = ()
    hits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are: {', '.join(KINDS)}")


class Faults:
    """Those that are set; of several that match a call, the first one set hits it. Thread-safe."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.cleared = threading.Event()
        """Ends every hanging call when set; `clear` sets it and `add` arms it again."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self.cleared.clear()
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()
            self.cleared.set()

    def present(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def take(self, method: str, path: str, body: bytes) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if not self._matches(fault, method, path, body):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.chance < 1 and self.random.random() >= fault.chance:
                    continue
                fault.hits += 1
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    @staticmethod
    def _matches(fault: Fault, method: str, path: str, body: bytes) -> bool:
        return (
            fault.times != 0
            and fnmatchcase(method, fault.method)
            and fnmatchcase(path.lower(), fault.path.lower())
            and fault.containing.encode() in body
        )


def graph_errors(listed: Iterable[dict[str, object]]) -> tuple[GraphError, ...]:
    """From JSON: `[{"path": ["r0", "issues"], "kind": "NOT_FOUND", "message": "…"}]`."""
    made = []
    for one in listed:
        path = one.get("path", [])
        assert isinstance(path, list)
        made.append(GraphError(tuple(path), str(one["kind"]), str(one.get("message", "Something failed."))))
    return tuple(made)
