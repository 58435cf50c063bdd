"""When a screen is painted: at once after a key, otherwise at Textual's pace.

Textual's timer is at rest while nothing changes. It paints the first change at once, and lets the next one
wait for up to two of its periods: a key that is pressed right after the clock has moved is seen 30 ms later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, cast

from textual.screen import Screen, ScreenResultType
from textual.timer import Timer

PERIOD = 1 / 60
"""Seconds from one frame to the next."""

KEY_PERIOD = 0.004
"""The same for what a key does: it is seldom done in one step."""

KEY_SECONDS = 0.05
"""How long that is after a key."""


class Frames:
    """Has `paint` called soon after it was resumed, once for each time. For one event loop."""

    def __init__(
        self,
        paint: Callable[[], object],
        since_key: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`since_key` is how many seconds ago somebody pressed a key."""
        self._paint = paint
        self._since_key = since_key
        self._clock = clock
        self._painted_at = 0.0
        self._handle: asyncio.Handle | None = None

    @property
    def wait(self) -> float:
        """Seconds until it may be painted."""
        period = KEY_PERIOD if self._since_key() < KEY_SECONDS else PERIOD
        return max(0.0, self._painted_at + period - self._clock())

    def resume(self) -> None:
        """There is something to paint."""
        if self._handle is not None and isinstance(self._handle, asyncio.TimerHandle):
            self.pause()  # since then a key may have come
        if self._handle is None:
            loop, wait = asyncio.get_running_loop(), self.wait
            self._handle = loop.call_later(wait, self._now) if wait else loop.call_soon(self._now)

    def pause(self) -> None:
        """It was painted by the way, or there is nothing to paint after all."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _now(self) -> None:
        self._handle = None
        self._paint()
        self._painted_at = self._clock()


class Typed(Protocol):
    """An app that knows when somebody typed."""

    @property
    def since_key(self) -> float: ...


class PromptScreen(Screen[ScreenResultType]):
    """A screen that is painted at once after a key.

    It leans on what Textual does not promise: should another version paint in another way, its timer is not
    asked for, and it is only slower.
    """

    _frames: Frames | None = None

    @property
    def _update_timer(self) -> Timer:
        if self._frames is None:
            app = cast(Typed, self.app)
            self._frames = Frames(self._paint_frame, lambda: app.since_key)
        return cast(Timer, self._frames)

    def _paint_frame(self) -> None:
        try:
            self._on_timer_update()
        except Exception as error:  # as of any handler: it is told, and the console lives on
            self.app._handle_exception(error)
