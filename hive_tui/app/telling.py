"""What the console tells a person: messages, which stay readable after they went, and calls while the
person looks elsewhere."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from textual.notifications import Notify, SeverityLevel

from hive_tui.app import attention_rows, bell
from hive_tui.app.bell import Bell
from hive_tui.app.shell import Shell
from hive_tui.core import text
from hive_tui.core.attention import AttentionItem
from hive_tui.core.glyphs import Tone

if TYPE_CHECKING:
    from hive_tui.app.view import View

KEPT = 500
"""Messages that can be read again."""

LONGEST = 2_000
"""Characters kept of a message."""

MOST_SHOWN = 5
"""Messages that stand over the panes at once; a held key is not to hide them all."""

REPEAT_SECONDS = 1.0
"""A message that is told again within this time goes on standing there as it is."""

NEEDS_YOU = "attention"


class Told(msgspec.Struct, frozen=True):
    """One message."""

    at: datetime
    severity: str
    """information, warning, error, or attention for what newly needed a person."""
    words: str
    times: int = 1
    """How often it was told in a row."""


TONES = {"warning": Tone.SOON, "error": Tone.BROKEN, NEEDS_YOU: Tone.SOON}


class Telling(Shell):
    """The part of the app that tells."""

    def __init__(
        self, *, now: Callable[[], datetime], wished_theme: str | None = None, memory: Path | None = None
    ) -> None:
        super().__init__(wished_theme=wished_theme, memory=memory)
        self.told: deque[Told] = deque(maxlen=KEPT)
        """The last messages, the newest last."""
        self.muted = False
        """Nobody is called while the terminal is not looked at."""
        self._moment = now
        self._bell = Bell()
        self._heeded: tuple[AttentionItem, ...] | None = None
        self._heard: frozenset[str] = frozenset()

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """As Textual's, and kept. For any thread."""
        self._keep(f"{title}: {message}" if title else message, severity)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def on_notify(self, event: Notify) -> None:
        """Show the same words once, and few at a time; errors stay longest."""
        new, shown = event.notification, list(self._notifications)
        same = [old for old in shown if (old.message, old.title) == (new.message, new.title)]
        if any(old.timeout - old.time_left < REPEAT_SECONDS for old in same):
            event.prevent_default()
            return
        others = sorted((old for old in shown if old not in same), key=lambda old: old.severity == "error")
        for old in (*same, *others[: max(0, len(others) + 1 - MOST_SHOWN)]):
            self._unnotify(old, refresh=False)

    def _keep(self, words: str, severity: str) -> None:
        words = text.clean(words, limit=LONGEST)
        last = self.told[-1] if self.told else None
        if last is not None and (last.words, last.severity) == (words, severity):
            self.told[-1] = msgspec.structs.replace(last, at=self._moment(), times=last.times + 1)
        else:
            self.told.append(Told(self._moment(), severity, words))

    def heed(self, view: View) -> None:
        """Note what newly needs a person, and call one who does not look."""
        if view.attention is self._heeded and not self._bell.waits:
            return
        sources = view.snapshot.sources.values()
        heard = frozenset(source.name for source in sources if source.heard_at is not None)
        self._heeded = view.attention
        news = self._bell.news(view.attention)
        if heard != self._heard:
            # What a source says first was there before anybody could look.
            self._heard, news = heard, []
        for item in news:
            self._keep(attention_rows.sentence(item, many=view.many), NEEDS_YOU)
        if self.app_focus or self.muted:
            self._bell.seen()
        elif due := self._bell.call(news, view.now):
            self._ring(bell.sequences(bell.words(view.name, due, many=view.many), os.environ))

    def _ring(self, sequences: str) -> None:
        """Through Textual's driver: whatever else writes to the terminal mixes with what is painted."""
        if self._driver is not None:
            self._driver.write(sequences)
            self._driver.flush()

    def action_notifications(self) -> None:
        """What was told before."""
        from hive_tui.app.screens.notifications import NotificationsScreen

        self.push_screen(NotificationsScreen(self.told))

    def action_mute(self) -> None:
        """Call nobody, and back."""
        self.muted = not self.muted
        self.notify(
            "Muted: no bell and no desktop notification."
            if self.muted
            else "Unmuted: new things that need you call you while you look elsewhere.",
            markup=False,
        )
