"""Looks at this machine's sessions in a thread, as often as a new line must be seen soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from hive_tui.core.errors import HiveError
from hive_tui.costs.sessions import Overview

PEEK_SECONDS = 0.3
"""Between two looks at the transcripts that grew last: a new line is on the screen within a second."""

LOOK_SECONDS = 0.9
"""Between two looks at all of them."""

LONGEST_SECONDS = 5.0

SHARE = 20
"""How many times as long as a look took it is waited for the next one at least: thousands of files must not
keep a core busy."""

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


class SessionsFeed:
    """The newest overview, and why there is no newer one. `notify` is called from its thread."""

    def __init__(self, looks: Looks, *, notify: Callable[[], object]) -> None:
        self._looks = looks
        self._notify = notify
        self._woken = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self.overview: Overview | None = None
        """None until the first look is done."""
        self.error: str | None = None
        """Why the last look failed; what was known before stays."""

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look again at once."""
        self._woken.set()

    def close(self) -> None:
        """Look no more. What the thread still reads is not shown."""
        self._closed = True
        self._woken.set()

    def _run(self) -> None:
        turn, before = 0, 0.0
        while not self._closed:
            began = time.monotonic()
            overview, error = self._look(processes=turn % PROCESSES_EVERY == 0)
            changed = error != self.error or (overview is not None and overview is not self.overview)
            self.overview, self.error = overview or self.overview, error
            if changed and not self._closed:
                self._notify()
            # A single slow look, as the first one is, says nothing of the next.
            before, took = time.monotonic() - began, min(before, time.monotonic() - began)
            turn += 1
            if self._rest(took):
                turn = 0

    def _rest(self, took: float) -> bool:
        """Wait until it is time for another look, of which one takes so many seconds; whether somebody asked
        for it."""
        until = time.monotonic() + min(max(LOOK_SECONDS, SHARE * took), LONGEST_SECONDS)
        # Agents that write all the time are looked at as often as it is cheap.
        pause = max(PEEK_SECONDS, SHARE * took / 2)
        while (left := until - time.monotonic()) > 0:
            if self._woken.wait(min(pause, left)):
                self._woken.clear()
                return True
            if self._looks.stirred:
                return False
        return False

    def _look(self, *, processes: bool) -> tuple[Overview | None, str | None]:
        try:
            return self._looks.look(processes=processes), None
        except HiveError as error:
            return None, error.words
        except Exception as error:  # a thread's edge: shown on the screen
            return None, f"{type(error).__name__}: {error}"
