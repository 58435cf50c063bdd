"""What the console told before: messages go after some seconds, and with them what went wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from hive_tui.app.clipboard import copy
from hive_tui.app.telling import NEEDS_YOU, TONES, Told
from hive_tui.core import text
from hive_tui.core.glyphs import Mark, Tone
from widgets.cells import Cell, Line
from widgets.guarded import GuardedPump
from widgets.lines import wrapped
from widgets.sheet import Sheet

LONGEST = 8
"""Lines of one message."""

_MARKS = {
    "information": Mark("·", "said", Tone.QUIET),
    "warning": Mark("!", "warning", Tone.SOON),
    "error": Mark("✗", "error", Tone.BROKEN),
    NEEDS_YOU: Mark("▸", "for you", Tone.SOON),
}

_TIME, _KIND = 10, 11


class NotificationsScreen(GuardedPump, ModalScreen[None]):
    """The newest first, while it is open also what is told meanwhile."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    DEFAULT_CSS = "NotificationsScreen Sheet { height: 1fr; } NotificationsScreen .dialog { height: 80%; }"
    AUTO_FOCUS = "Sheet"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,exclamation_mark", "dismiss", "Close", id="notifications.close"),
        Binding("y", "copy", "Copy", id="notifications.copy"),
    ]

    def __init__(self, told: Iterable[Told]) -> None:
        """`told` may grow meanwhile."""
        super().__init__(classes="-dialog")
        self._told = told

    def compose(self) -> ComposeResult:
        dialog = Vertical(classes="dialog -wide")
        dialog.border_title = Content("What was said")
        dialog.border_subtitle = Content("y copies · Esc closes")
        with dialog:
            yield Sheet()

    def on_mount(self) -> None:
        self._show()
        self.set_interval(1.0, self._show)

    def _show(self) -> None:
        told = list(self._told)
        self.query_one(Sheet).show(lambda width: told_lines(told, width))

    def action_copy(self) -> None:
        """Everything, the oldest first."""
        lines = [f"{_when(each.at, None)} {each.severity}: {each.words}" for each in self._told]
        copy(self.app, "\n".join(lines), text.plural(len(lines), "message"))


def told_lines(told: Iterable[Told], width: int) -> list[Line]:
    """Messages as lines of a sheet, the newest first, each wrapped below itself."""
    messages = list(told)
    if not messages:
        return [(Cell("Nothing was said yet. Messages and what newly needs you are kept here.", Tone.QUIET),)]
    lines: list[Line] = []
    for each in reversed(messages):
        mark = _MARKS.get(each.severity, _MARKS["information"])
        times = f" (×{each.times})" if each.times > 1 else ""
        first, *rest = wrapped(each.words + times, max(8, width - _TIME - _KIND), lines=LONGEST) or [""]
        tone = TONES.get(each.severity, Tone.PLAIN)
        lines.append(
            (
                Cell(f"{_when(each.at, messages[-1].at):<{_TIME}}", Tone.QUIET),
                Cell(f"{mark!s:<{_KIND}}", mark.tone),
                Cell(first, tone),
            )
        )
        lines += [(Cell(" " * (_TIME + _KIND)), Cell(line, tone)) for line in rest]
    return lines


def _when(at: datetime, newest: datetime | None) -> str:
    """A time of the newest message's day as a clock shows it, an older one by its day."""
    local = at.astimezone()
    if newest is None:
        return local.strftime("%Y-%m-%d %H:%M:%S")
    same = local.date() == newest.astimezone().date()
    return local.strftime("%H:%M:%S" if same else "%b %d")
