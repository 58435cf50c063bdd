"""Playing a recorded agent stream again: bytes in, events and a summary out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from hive_tui import plugins
from hive_tui.core.errors import UsageError
from hive_tui.core.events import AgentResult, AnyEvent, Outcome
from hive_tui.core.model import Tokens

AGENTS = ("claude", "codex")
"""Whose streams can be told apart."""

HEAD_BYTES = 256 * 1024
"""So much of a recording is looked at to tell whose it is."""


class Summary(msgspec.Struct, frozen=True):
    """How a recorded stream ended and what it used, as far as it tells; what it does not tell is None."""

    outcome: str
    """`succeeded`, `failed` (also for want of quota or credit) or `unknown`."""
    why: str
    tokens: Tokens
    cost_micros: int | None
    session: str | None
    model: str | None
    events: int
    agent: str
    estimated: bool
    """The stream was cut: output tokens are missing, or are at least what is given."""
    until: datetime | None
    """When a limit that ended it is over, where that was said."""


class Replay:
    """One pass over a recording. For a resumed session it tells the session's totals, as the file does."""

    def __init__(self, chunks: Iterable[bytes], agent: str | None = None) -> None:
        """`agent` None finds out. Raises UsageError when it is no recording at all."""
        self._chunks = iter(chunks)
        self._head = _head(self._chunks)
        self.agent = agent or detect(self._head)
        self._parser = plugins.agent(self.agent).parser()
        self._events = 0

    def events(self) -> Iterator[AnyEvent]:
        """What was said and done, in order; to be read to its end before `summary`."""
        yield from self._feed(self._head)
        for chunk in self._chunks:
            yield from self._feed(chunk)
        yield from self._feed(b"\n")

    def _feed(self, chunk: bytes) -> list[AnyEvent]:
        found = self._parser.feed(chunk)
        self._events += len(found)
        return found

    def summary(self, exit_code: int | None = None) -> Summary:
        """`exit_code`: of the recorded process, where it is known."""
        result = self._parser.finish(exit_code)
        return Summary(
            outcome=_outcome(result),
            why=result.why,
            tokens=result.usage.tokens,
            cost_micros=result.usage.cost_micros,
            session=result.session,
            model=result.model,
            events=self._events,
            agent=self.agent,
            estimated=result.usage.estimated,
            until=result.until,
        )


def _head(chunks: Iterator[bytes]) -> bytes:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD_BYTES:
            break
    return head


def _outcome(result: AgentResult) -> str:
    match result.outcome:
        case Outcome.SUCCEEDED:
            return "succeeded"
        case Outcome.UNKNOWN:
            return "unknown"
        case _:
            return "failed"


class _Kind(msgspec.Struct):
    type: str | None = None


_CLAUDE = frozenset({"system", "assistant", "user", "result", "stream_event", "rate_limit_event"})
_CODEX = ("thread.", "turn.", "item.")


def detect(head: bytes) -> str:
    """Whose stream a recording begins like: by the first line that is known to either.

    Plain text counts as Claude Code's, which prints that without `--output-format`. Raises UsageError
    for what is no text.
    """
    kinds = msgspec.json.Decoder(_Kind)
    for line in head.split(b"\n"):
        if line.startswith(b'[{"type":'):
            return "claude"
        if not line.startswith(b"{"):
            continue
        try:
            kind = kinds.decode(line).type or ""
        except (ValueError, RecursionError):
            continue
        if kind.startswith(_CODEX):
            return "codex"
        if kind in _CLAUDE:
            return "claude"
        if kind in ("session_meta", "turn_context", "response_item", "event_msg"):
            raise UsageError(
                "This is a session file of Codex, not its output.",
                "Record `codex exec --json`, or say --agent codex to see its lines as they are.",
            )
    if b"\0" in head:
        raise UsageError(
            "This is no recorded agent stream but binary data.",
            "Give the output of `claude -p --output-format stream-json --verbose` or `codex exec --json`.",
        )
    return "claude"
