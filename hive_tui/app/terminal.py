"""The terminal that a console is drawn on, and the end of a console whose terminal is gone: a closed
window, a lost ssh connection, a killed tmux.

Textual cannot do that by itself: its writing thread dies of the first write that fails, after which the
event loop waits for it for ever, and with it the handlers of signals.
"""

from __future__ import annotations

import os
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

LOOK_SECONDS = 1.0

GRACE_SECONDS = 2.0
"""For leaving in order; nothing that matters is in the console's memory."""

HUNG_UP = 129
"""What a shell shows for a program that SIGHUP ended."""


@contextmanager
def drawn_on_standard_output() -> Iterator[None]:
    """Textual draws on standard error; where that goes elsewhere (`2>errors.txt`) or is closed, it draws
    on standard output meanwhile."""
    before = sys.__stderr__
    if before is None or not before.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]
    try:
        yield
    finally:
        sys.__stderr__ = before  # type: ignore[misc]


class TerminalWatch:
    """Looks at a terminal from a thread of its own; when it is gone asks to leave, then leaves.

    Does nothing where `keyboard` is no terminal.
    """

    def __init__(self, keyboard: TextIO, leave: Callable[[], object]) -> None:
        self._keyboard = keyboard
        self._leave = leave
        self._stop = threading.Event()

    def __enter__(self) -> None:
        if self._keyboard.isatty():
            threading.Thread(target=self._watch, name="terminal", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                termios.tcgetattr(self._keyboard)
            except (termios.error, OSError):
                self._leave()
                if not self._stop.wait(GRACE_SECONDS):
                    os._exit(HUNG_UP)
                return
