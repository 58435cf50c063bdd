"""Whether what tests said to the fake, and what it answered, is what GitHub publishes of itself.

Every audit tells a `Recorder` of its calls. A server that runs as a program of its own writes them into the
folder that the environment names, where the recorder of the test that started it finds them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tests.fakes.github.audit import Audit, Entry

FOLDER = "HIVE_FAKE_GITHUB_CALLS"
"""Environment variable: where servers write their calls."""
_JSON = "application/json"
_AS_IT_IS = (None, "slow", "skew", "graphql")
"""Faults that leave the answer as it is, so that it is judged all the same."""


def violations(entries: Iterable[Entry]) -> list[str]:
    """A line for each kind of difference, the most frequent first. Raises published.Unavailable."""
    found = Counter(line for entry in entries for line in _of(entry))
    return [f"{line} ({count} times)" if count > 1 else line for line, count in found.most_common()]


def _of(entry: Entry) -> Iterator[str]:
    # What reads the descriptions is of weight, and most tests never talk to a server.
    from tests.fakes.github.openapi import Exchange, description

    kind = entry.answer_headers.get("Content-Type", "")
    page = kind.startswith("text/html") and entry.fault is None
    if page or ".git/" in entry.path:
        return
    if entry.status in (500, 501) and isinstance(entry.answer, dict) and entry.fault is None:
        yield f"{entry.method} {entry.path}: {entry.answer['message']}"
    elif entry.path == "/graphql":
        yield from _of_graphql(entry)
    else:
        # An answer without a body has no kind that matters; one of another kind was asked for as such.
        judged = entry.fault in _AS_IT_IS and (entry.answer is not None or kind.startswith(_JSON) or not kind)
        exchange = Exchange(
            entry.method,
            entry.path,
            entry.query,
            entry.request,
            entry.status,
            entry.answer,
            judge_answer=judged,
        )
        yield from description().violations(exchange)


def _of_graphql(entry: Entry) -> Iterator[str]:
    from tests.fakes.github.graphql_schema import problems

    query = entry.request.get("query") if isinstance(entry.request, dict) else None
    if not isinstance(query, str):
        yield "POST /graphql: there is no query"
        return
    for problem in problems(query):
        yield f"POST /graphql: {problem['message']}: {query}"


class Recorder:
    """Collects the calls of all servers of this process while it is open, and of those in other processes
    that write them into `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: list[Entry] = []

    def __enter__(self) -> Recorder:
        Audit.listeners.append(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        Audit.listeners.remove(self._note)

    def _note(self, entry: Entry) -> None:
        self._seen.append(entry)

    def look(self) -> list[Entry]:
        """All since the last `take`."""
        for file in sorted(self._folder.glob("*.jsonl")):
            # Whatever its server writes next goes into a new file of the old name.
            file = file.rename(file.with_suffix(".taken"))
            self._seen += [msgspec.json.decode(line, type=Entry) for line in file.read_bytes().splitlines()]
            file.unlink()
        return list(self._seen)

    def take(self) -> list[Entry]:
        taken = self.look()
        self._seen.clear()
        return taken


def write_calls() -> bool:
    """Let this process, a server of its own, write its calls where the environment says; whether it does."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return False
    path = Path(folder, f"{os.getpid()}.jsonl")

    def write(entry: Entry) -> None:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")

    Audit.listeners.append(write)
    return True
