"""Waits for a condition with a deadline, since no test sleeps and hopes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T | None], *, seconds: float = 30.0, what: str = "the condition") -> T:
    """The first true value of `condition`; fails after `seconds`.

    Looks take a third of the time at most: one that is costly, such as a process of kubectl, would else slow
    down what is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if value := condition():
            return value
        now = time.monotonic()
        assert now < deadline, f"{what} did not come true within {seconds:g} s"
        time.sleep(min(0.5, max(0.01, 2 * (now - begun))))
