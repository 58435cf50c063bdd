"""Stands in for an agent backend that cannot be loaded, so that its run gets a record all the same."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from hive_tui.core.errors import HiveError
from hive_tui.core.events import AgentResult, AnyEvent, Outcome
from hive_tui.core.ports import AgentJob, AgentProbe


class NoAgent:
    """Cannot be launched, for the reason it was made with (core.ports.Agent and StreamParser)."""

    name = "none"
    can_message = False
    can_resume = False
    credentials: tuple[str, ...] = ()
    wants_stdin_closed = False

    def __init__(self, error: HiveError) -> None:
        self._error = error

    def probe(self, command: str | None) -> AgentProbe:
        return AgentProbe(False, problem=self._error.message, hint=self._error.hint)

    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> NoReturn:
        raise self._error

    def message(self, text: str) -> bytes:
        return b""

    def parser(self, *, before: AgentResult | None = None) -> NoAgent:
        return self

    def feed(self, data: bytes) -> list[AnyEvent]:
        return []

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        return AgentResult(Outcome.UNKNOWN, self._error.message, unavailable=True)
