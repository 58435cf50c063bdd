"""Looks at something again and again, so often that a new line of a transcript is seen soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from hive_tui.core.errors import HiveError

PEEK_SECONDS = 0.3
"""Between two looks at the transcripts that grew last: a new line is on the screen within a second."""

LOOK_SECONDS = 0.9
"""Between two looks at all of them."""

LONGEST_SECONDS = 5.0

SHARE = 20
"""How many times as long as a look took it is waited for the next one at least: thousands of files must not
keep a core busy."""

T = TypeVar("T")


class LooksFeed(Generic[T]):
    """The newest overview, and why there is no newer one. `notify` is called from its thread."""

    def __init__(self, name: str, *, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._woken = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.overview: T | None = None
        """None until the first look is done."""
        self.error: str | None = None
        """Why the last look failed; what was known before stays."""

    def ask(self, turn: int) -> T:
        """Look, for the `turn`-th time since somebody asked; the same object as before where nothing is new.
        Raises HiveError."""
        raise NotImplementedError

    @property
    def stirred(self) -> bool:
        """Whether a look would certainly find something new; costs next to nothing."""
        raise NotImplementedError

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
            overview, error = self._look(turn)
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
            if self.stirred:
                return False
        return False

    def _look(self, turn: int) -> tuple[T | None, str | None]:
        try:
            return self.ask(turn), None
        except HiveError as error:
            return None, error.words
        except Exception as error:  # a thread's edge: shown on the screen
            return None, f"{type(error).__name__}: {error}"
