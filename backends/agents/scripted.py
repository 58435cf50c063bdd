"""The scripted agent: it plays a scenario file with real edits and commits, and uses no tokens.

Its output is hive's own event vocabulary as JSON lines, so the parser only decodes, cleans and
judges. Options (`AgentJob.options`): `scenarios`, the folder (needed); `speed`, by which times are
divided (1); `scenario`, a file's name without suffix (default: by prompt or issue, see
`backends.agents.scenario`); `state`, a folder outside the work tree (default: `<work tree>.scripted`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

import hive_tui
from hive_tui.core.errors import ConfigError
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    End,
    Limit,
    Outcome,
    Question,
    Raw,
    Said,
    Session,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.model import Tokens, Usage
from hive_tui.core.ports import AgentJob, AgentProbe, Launch
from hive_tui.core.text import Redactor, clean, clean_line

UNAVAILABLE = 69
"""Exit code of a player that cannot work at all (EX_UNAVAILABLE of sysexits.h)."""

MAX_BUFFER = 1 << 20
"""Bytes kept of a line that does not end; the rest of it is dropped."""


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line on the player's standard input: the prompt first, then messages."""

    prompt: str | None = None
    message: str | None = None


class ScriptedAgent:
    """An agent for the demo and for tests (core.ports.Agent)."""

    name = "scripted"
    can_message = True
    can_resume = True
    credentials: tuple[str, ...] = ()

    def probe(self, command: str | None) -> AgentProbe:
        return AgentProbe(found=True, version=hive_tui.__version__, logged_in=True)

    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> Launch:
        """Raises ConfigError when the agent's options are missing or malformed."""
        known = {"scenarios", "speed", "scenario", "state"}
        where = f"Agent {job.name!r}, options"
        if strange := sorted(set(job.options) - known):
            raise ConfigError(f"{where}.{strange[0]}: unknown key.", f"Known: {', '.join(sorted(known))}.")
        scenarios = job.options.get("scenarios")
        if not scenarios:
            raise ConfigError(f"{where}.scenarios: missing.", "Name the folder of scenario files.")
        state = job.options.get("state") or f"{workdir}.scripted"
        argv = [sys.executable, "-P", "-m", "backends.agents.scripted_player"]
        argv += ["--scenarios", scenarios, "--state", state, "--name", job.name]
        argv += ["--speed", str(_speed(job.options.get("speed", "1"), where))]
        for option, value in (
            ("--scenario", job.options.get("scenario")),
            ("--model", job.model),
            ("--session", session),
        ):
            if value:
                argv += [option, value]
        stdin = msgspec.json.encode(Input(prompt=prompt)) + b"\n"
        return Launch(argv=tuple(argv), env={"PYTHONUTF8": "1"}, stdin=stdin, keep_stdin=True)

    def message(self, text: str) -> bytes:
        return msgspec.json.encode(Input(message=text)) + b"\n"

    def parser(self, *, before: AgentResult | None = None) -> ScriptedParser:
        return ScriptedParser(before)


def _speed(text: str, where: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"{where}.speed: {text!r} is no pace.", "Give a number above 0; 1 is normal.")
    return speed


_decode = msgspec.json.Decoder(AnyEvent)


class ScriptedParser:
    """Decodes the player's lines; what it does not know becomes Raw (core.ports.StreamParser).

    The player's usage is cumulative for its session, over resumes too; here it is this process's own.
    """

    def __init__(self, before: AgentResult | None = None) -> None:
        self.wants_stdin_closed = False
        self._before = before
        self._tail = b""
        self._skipping = False
        self._redact = Redactor()
        self._session: Session | None = None
        self._usage = Usage()
        self._limit: Limit | None = None
        self._end: End | None = None
        self._error: AgentError | None = None
        self._said = ""

    def feed(self, data: bytes) -> list[AnyEvent]:
        *lines, self._tail = (self._tail + data).split(b"\n")
        events = []
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.strip():
                events.append(self._event(line))
        if len(self._tail) > MAX_BUFFER:
            if not self._skipping:
                events.append(self._raw(self._tail))
            self._tail, self._skipping = b"", True
        return events

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        if self._tail.strip() and not self._skipping:
            self._event(self._tail)
        outcome, why = self._judge(exit_code, self._clean(stderr, clean_line))
        before = self._before
        return AgentResult(
            outcome=outcome,
            why=why,
            usage=self._usage,
            session=self._session.id if self._session else (before.session if before else None),
            model=self._session.model if self._session else (before.model if before else None),
            until=self._limit.until if self._limit and outcome is Outcome.LIMITED else None,
            billing=bool(self._limit and self._limit.billing and outcome is Outcome.LIMITED),
            unavailable=exit_code == UNAVAILABLE,
            text=self._end.text if self._end and self._end.text else self._said,
        )

    def _judge(self, exit_code: int | None, stderr: str) -> tuple[Outcome, str]:
        if self._limit is not None:
            return Outcome.LIMITED, self._limit.text
        if self._end is not None and not self._end.ok:
            return Outcome.FAILED, self._end.text or "the agent gave up"
        if self._end is not None and exit_code in (0, None):
            return Outcome.SUCCEEDED, "completed"
        if exit_code is None or (exit_code == 0 and self._error is None):
            return Outcome.UNKNOWN, "the stream ended without a result"
        words = (self._error.text if self._error else "") or stderr
        without = "" if self._end else " without a result"
        ended = f"signal {-exit_code}" if exit_code < 0 else f"exit {exit_code}"
        return Outcome.FAILED, f"{ended}{without}" + (f": {words}" if words else "")

    def _event(self, line: bytes) -> AnyEvent:
        try:
            event: AnyEvent = _decode.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._raw(line)
        event = self._cleaned(event)
        match event:
            case Session():
                self._session = event
            case UsageReport(usage=usage):
                self._usage = self._since(usage)
                event = msgspec.structs.replace(event, usage=self._usage)
            case Limit():
                self._limit, self._end = event, None
            case AgentError(retrying=False):
                self._error = event
            case End():
                self._end, self._limit, self.wants_stdin_closed = event, None, True
            case Said(text=text):
                self._said = text
        return event

    def _since(self, usage: Usage) -> Usage:
        """What this process adds: a resumed session's totals include what was counted before."""
        before = self._before
        if before is None or self._session is None or self._session.id != before.session:
            return usage
        return _difference(usage, before.usage)

    def _raw(self, line: bytes) -> Raw:
        return Raw(text=self._clean(line[:16_384].decode("utf-8", "replace"), clean_line))

    def _clean(self, text: str, how: Callable[[str], str]) -> str:
        return self._redact(how(text))

    def _cleaned(self, event: AnyEvent) -> AnyEvent:
        changes: dict[str, str] = {}
        blocks = isinstance(event, Said | Thinking | ToolResult | Question)
        for name in ("text", "argument", "name", "id", "model", "agent"):
            value = getattr(event, name, None)
            if isinstance(value, str):
                changes[name] = self._clean(value, clean if blocks and name == "text" else clean_line)
        if isinstance(event, ToolCall):
            changes["name"] = changes["name"][:80] or "tool"
        return msgspec.structs.replace(event, **changes)


def _difference(total: Usage, counted: Usage) -> Usage:
    def less(x: int | None, y: int | None) -> int | None:
        return None if x is None else max(0, x - (y or 0))

    pairs = (
        (getattr(total.tokens, name), getattr(counted.tokens, name)) for name in Tokens.__struct_fields__
    )
    tokens = Tokens(*(less(x, y) for x, y in pairs))
    return Usage(tokens, less(total.cost_micros, counted.cost_micros), total.estimated)
