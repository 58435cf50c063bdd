"""What each key does here, made from the registry of actions and the lists' own bindings."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from hive_tui.app import keys

_MOVING = (
    ("↑ ↓  j k", "Move the selection, or scroll the log"),
    ("PgUp PgDn", "A page up or down"),
    ("Home End", "To the first or the last row"),
    ("Enter", "From an agent to its log"),
    ("End  F", "In the log: follow its end again"),
)

_KEY_WIDTH = 12


class HelpScreen(ModalScreen[None]):
    """Any of its keys closes it."""

    CSS_PATH = Path(__file__).with_name("help.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Close", id="help.close"),
    ]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(help_text(), id="help-text")


def help_text() -> Content:
    """The keys in groups, one to a line."""
    fleet = [(keys.shown(action), action.help) for action in keys.offered() if action in keys.orders()]
    console = [(keys.shown(action), action.help) for action in keys.offered() if action not in keys.orders()]
    groups = (("Fleet", fleet), ("Moving", _MOVING), ("Console", console))
    parts: list[Content | tuple[str, str]] = []
    for index, (title, lines) in enumerate(groups):
        parts.append(("\n" * min(index, 1) + f"{title}\n", "bold"))
        for key, words in lines:
            parts += [(f"{key:<{_KEY_WIDTH}}", "$accent"), (f"{words}\n", "")]
    parts.append(("\nEsc closes this.", "$foreground 55%"))
    return Content.assemble(*parts)
