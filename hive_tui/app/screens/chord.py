"""The keys that may follow a first one, at the bottom of the screen until one is pressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from hive_tui.core.actions import key_label
from widgets.guarded import GuardedPump

Follower = tuple[str, str, str | None]
"""An action's id, its title, and why it cannot be done now."""


class ChordScreen(GuardedPump, ModalScreen[str | None]):
    """Dismissed with the id of the action that the second key means; Esc and any other key leave."""

    CSS_PATH = Path(__file__).with_name("chord.tcss")

    def __init__(self, first: str, followers: Mapping[str, Sequence[Follower]]) -> None:
        """`followers`: second key -> the actions it could mean, the first that can be done is meant."""
        super().__init__()
        self._first = first
        self._followers = {key: _meant(found) for key, found in followers.items() if found}

    def compose(self) -> ComposeResult:
        yield Static(self._words(), id="chord")

    def _words(self) -> Content:
        parts: list[Content | tuple[str, str]] = []
        for key, (_, title, why) in self._followers.items():
            tone = "$foreground 50%" if why else "$foreground"
            parts.append((f"{key_label(self._first)} {key_label(key)}", "bold $accent"))
            parts.append((f"  {title}", tone))
            parts.append((f"  {why}\n" if why else "\n", "$foreground 50%"))
        parts.append(("Esc leaves", "$foreground 60%"))
        return Content.assemble(*parts)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        found = self._followers.get(event.key)
        self.dismiss(None if found is None else found[0])

    def on_click(self) -> None:
        self.dismiss(None)


def _meant(found: Sequence[Follower]) -> Follower:
    return next((follower for follower in found if follower[2] is None), found[0])
