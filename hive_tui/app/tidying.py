"""When the console looks for garbage that holds itself: in short steps while somebody types, wholly when
nobody does.

A closed screen is such garbage, thousands of objects. To find it Python looks through everything there is,
for a tenth of a second with a large fleet. Left to itself it would do that in the middle of a word, or, told
to do it seldom, leave all of it lying for hours.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from textual import strip

SHORT_PAUSES = (4_000, 40, 10)
"""Python's own thresholds. The first keeps it to what is new, which takes a millisecond; the others have it
look further for the case that somebody types without a pause for minutes. With those that `hive` starts
with, for commands that end soon, each step would be a tenth of a second."""

OLDER = 6
"""Looks at what is new after which it is worth to look at what was new then."""

ENOUGH = 6
"""Looks at that after which it is worth to look through everything."""

LOOK_SECONDS = 1.0
"""How often it is asked whether it is time for that."""

QUIET_SECONDS = 1.0
"""So long nobody has to have touched the console before."""


def spare() -> None:
    """Give every painted line seven plain dictionaries instead of as many bounded caches.

    To make the caches takes longer than to make the line, and they are most of what is looked through for
    garbage. A line is cut and coloured in a few ways only, wherever on the screen it is.
    """
    made: Any = strip
    made.FIFOCache = lambda _size: {}


def keep() -> None:
    """What is there now is never looked through again: modules, widgets of the first picture, issues."""
    gc.freeze()


class Tidying:
    """Looks for garbage while nobody waits for the screen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._touched_at = clock()
        self._settled = False

    def begin(self) -> None:
        """The first picture is there."""
        keep()
        spare()
        gc.set_threshold(*SHORT_PAUSES)

    def touched(self) -> None:
        """Somebody pressed a key, or moved the mouse."""
        self._touched_at = self._clock()

    def look(self) -> bool:
        """Look for garbage if it is time for that; whether it was. To be called every `LOOK_SECONDS`."""
        _, newer, older = gc.get_count()
        if self._clock() - self._touched_at < QUIET_SECONDS or (newer < OLDER and older < ENOUGH):
            return False
        if older < ENOUGH:
            gc.collect(1)
            return True
        gc.collect()
        if not self._settled:
            # The fleet has been read: from now on only what has changed since is looked through.
            self._settled = True
            keep()
        return True
