"""Looks at this machine's sessions in a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hive_tui.app.looks_feed import LooksFeed
from hive_tui.costs.sessions import Overview

PROCESSES_EVERY = 3
"""Looks after which processes are looked for again: they say little more than transcripts do."""


class Looks(Protocol):
    """What knows the sessions, as `costs.session_sources.Sources` does."""

    def look(self, *, processes: bool = True) -> Overview:
        """What there is now; the same object as before where nothing is new. Raises HiveError."""
        ...

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new; costs next to nothing."""
        ...


class SessionsFeed(LooksFeed[Overview]):
    """The newest overview of them."""

    def __init__(self, looks: Looks, *, notify: Callable[[], object]) -> None:
        super().__init__("sessions", notify=notify)
        self._looks = looks

    def ask(self, turn: int) -> Overview:
        return self._looks.look(processes=turn % PROCESSES_EVERY == 0)

    @property
    def stirred(self) -> bool:
        return self._looks.stirred
