"""Calls a person who does not look: what is news of all that needs one, and how a terminal is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from hive_tui.app import attention_rows
from hive_tui.core import text
from hive_tui.core.attention import AttentionItem, AttentionKind
from hive_tui.core.targets import Target

COOLDOWN = timedelta(seconds=20)
"""From one call to the next; what comes in between is told together."""

AGAIN = timedelta(minutes=10)
"""How soon the same cause may call again after it was gone for a while."""

LONGEST = 160
"""Characters of a desktop notification."""

_Cause = tuple[AttentionKind, Target]


class Bell:
    """Knows what was there before and what was told. Pure but for that: the caller passes the time."""

    def __init__(self) -> None:
        self._there: frozenset[_Cause] | None = None
        self._told: dict[_Cause, datetime] = {}
        self._rang_at: datetime | None = None
        self._waiting: dict[_Cause, AttentionItem] = {}

    @property
    def waits(self) -> bool:
        """Something is to be told as soon as the cooldown is over."""
        return bool(self._waiting)

    def news(self, items: Iterable[AttentionItem]) -> list[AttentionItem]:
        """What newly needs a person. The first call only takes down what is there already."""
        now_there = {item.key: item for item in items}
        before, self._there = self._there, frozenset(now_there)
        self._waiting = {cause: item for cause, item in self._waiting.items() if cause in now_there}
        if before is None:
            return []
        # Somebody at a keyboard killed it.
        return [
            item
            for cause, item in now_there.items()
            if cause not in before and item.kind is not AttentionKind.KILLED
        ]

    def call(self, items: Iterable[AttentionItem], now: datetime) -> list[AttentionItem]:
        """Of news while nobody looks: what to call for now."""
        for item in items:
            told = self._told.get(item.key)
            if told is None or now - told >= AGAIN:
                self._waiting[item.key] = item
        if not self._waiting or (self._rang_at is not None and now - self._rang_at < COOLDOWN):
            return []
        due, self._waiting = list(self._waiting.values()), {}
        self._rang_at = now
        self._told = {cause: at for cause, at in self._told.items() if now - at < AGAIN}
        self._told.update((item.key, now) for item in due)
        return due

    def seen(self) -> None:
        """Somebody looks, or wants no calls: nothing waits to be told."""
        self._waiting = {}


def words(fleet: str, items: Sequence[AttentionItem], *, many: bool) -> str:
    """What a desktop notification says, harmless and on one line."""
    told = "; ".join(attention_rows.sentence(item, many=many) for item in items)
    number = f"{len(items)} need you: " if len(items) > 1 else ""
    return text.clean_line(f"hive {fleet}: {number}{told}", limit=LONGEST)


def sequences(words: str, environ: Mapping[str, str]) -> str:
    """A bell, and a desktop notification in the way that this terminal knows (OSC 9, else OSC 777).

    Never both: there are terminals that know both, and would notify twice.
    """
    # What ends or divides the sequence must not stand in it.
    safe = text.clean_line(words).replace(";", ",")
    term = environ.get("TERM", "")
    if term.startswith(("rxvt", "foot")) or "VTE_VERSION" in environ:
        return f"\a\x1b]777;notify;hive;{safe}\x1b\\"
    return f"\a\x1b]9;{safe}\x1b\\"
