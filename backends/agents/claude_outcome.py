"""How a Claude Code process ended, by evidence.

The evidence is its last `result` (`is_error` and `terminal_reason`; `subtype` is `success` for a run
that ended for want of credit too), that no turn began after it, and only then the exit code. A stream
without a result proves nothing, whatever the exit code.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from backends.agents import said
from backends.agents.claude_wire import Line
from backends.agents.limits import Cause, another_try, cause, reset_time
from hive_tui.core.events import AgentError, AgentResult, AnyEvent, Limit, Outcome
from hive_tui.core.model import Usage

_SELF_EXPLAINING = frozenset({"max_turns", "budget_exhausted"})
_NOTHING_SAID = "completed"
"""A reason that explains no failure: a turn that ended for want of a login has it too."""


class Trouble(msgspec.Struct, frozen=True):
    """An error that the CLI told of."""

    cause: Cause
    text: str
    until: datetime | None = None

    def event(self, agent: str | None = None) -> AnyEvent:
        if self.limit:
            billing = self.cause is Cause.BILLING
            return Limit(text=self.text, until=self.until, billing=billing, agent=agent)
        return AgentError(text=self.text, agent=agent)

    @property
    def limit(self) -> bool:
        return self.cause in (Cause.LIMIT, Cause.BILLING)


class Turn(msgspec.Struct, frozen=True):
    """What a `result` said."""

    ok: bool
    reason: str
    text: str
    trouble: Trouble | None = None
    told: bool = True
    """The trouble was an event of its own already."""


def judge(line: Line, earlier: Trouble | None, now: datetime | None, until: datetime | None) -> Turn:
    """A `result` line. `earlier` is the error message before it, which says more; `until` is when a
    limit ends that was announced."""
    text = said.text(line.result or "\n".join(line.errors or ()))
    reason = said.line(
        line.terminal_reason or line.subtype or ("error" if line.is_error else "completed"), 60
    )
    if (
        not line.is_error
        and line.subtype in (None, "success")
        and line.terminal_reason in (None, "completed")
    ):
        return Turn(True, reason, text)
    if earlier is not None:
        return Turn(False, reason, text, earlier)
    if not text or reason in (*_SELF_EXPLAINING, _NOTHING_SAID):
        return Turn(False, reason, text)
    found = Cause.OTHER
    if line.is_error and (line.terminal_reason in (None, "api_error") or line.api_error_status):
        found = cause(text, status=line.api_error_status)
    return Turn(False, reason, text, Trouble(found, text, reset_time(text, now) or until), told=False)


class Ending(msgspec.Struct, frozen=True):
    """All that is known when the output ends."""

    usage: Usage
    models: dict[str, Usage]
    session: str | None
    model: str | None
    exit_code: int | None
    stderr: str
    turn: Turn | None
    """The last one that ended."""
    in_turn: bool
    """Another one had begun."""
    began: bool
    """The session had begun."""
    trouble: Trouble | None
    retrying: Trouble | None
    """What it was retrying, when nothing came of it."""
    last_words: str
    now: datetime | None

    def result(self) -> AgentResult:
        turn = self.turn
        if turn is not None and not self.in_turn:
            return self._turn_ended(turn)
        if self.trouble is not None and self.trouble.limit:
            return self._because(self.trouble, Outcome.LIMITED, f"limit: {_short(self.trouble.text)}")
        complaint = said.line(self.stderr, said.WHY)
        if not self.began and turn is None and complaint and 0 < (self.exit_code or 0) < 128:
            # Its options, its login or its installation are wrong; only a session may be wrong just once.
            return self._so(
                Outcome.FAILED,
                f"{_exit(self.exit_code)}: {complaint}",
                unavailable="session" not in complaint.lower(),
            )
        why = f"{_exit(self.exit_code)} {'in the middle of a turn' if turn else 'without a result'}"
        unavailable = False
        if self.retrying is not None:
            why += f", retrying after {self.retrying.text}"
            unavailable = self.retrying.cause is Cause.LOGIN
        return self._so(Outcome.UNKNOWN, why, unavailable=unavailable, text=self.last_words)

    def _turn_ended(self, turn: Turn) -> AgentResult:
        text = turn.text or self.last_words
        if turn.ok:
            odd = f" ({_exit(self.exit_code)})" if self.exit_code else ""
            return self._so(Outcome.SUCCEEDED, turn.reason + odd, text=text)
        words = _short(turn.text)
        if turn.trouble is not None and turn.trouble.limit:
            return self._because(turn.trouble, Outcome.LIMITED, f"limit: {words}", text)
        if turn.reason in _SELF_EXPLAINING or not words:
            why = turn.reason
        else:
            why = words if turn.reason == _NOTHING_SAID else f"{turn.reason}: {words}"
        return self._because(turn.trouble, Outcome.FAILED, why, text)

    def _because(self, trouble: Trouble | None, outcome: Outcome, why: str, text: str = "") -> AgentResult:
        if trouble is None:
            return self._so(outcome, why, text=text)
        return self._so(
            outcome,
            why,
            until=another_try(trouble.cause, trouble.until, self.now),
            billing=trouble.cause is Cause.BILLING,
            unavailable=trouble.cause in (Cause.LOGIN, Cause.OUTAGE),
            text=text,
        )

    def _so(
        self,
        outcome: Outcome,
        why: str,
        *,
        until: datetime | None = None,
        billing: bool = False,
        unavailable: bool = False,
        text: str = "",
    ) -> AgentResult:
        return AgentResult(
            outcome=outcome,
            why=why,
            usage=self.usage,
            models=self.models,
            session=self.session,
            model=self.model,
            until=until,
            billing=billing,
            unavailable=unavailable,
            text=text,
        )


def _short(text: str) -> str:
    return said.line(text, said.WHY)


def _exit(code: int | None) -> str:
    if code is None:
        return "the stream ends"
    return f"signal {-code}" if code < 0 else f"exit {code}"
