"""A log on the whole screen, whosesoever it is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual._callback import invoke
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from hive_tui.app import clipboard
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.core.glyphs import Tone
from widgets.cells import Cell, Line
from widgets.guarded import GuardedPump
from widgets.headline import Headline


class OneLogScreen(GuardedPump, Screen[None]):
    """Has a line selected that can be opened, copied and seen as recorded."""

    CSS_PATH = Path(__file__).with_name("one_log.tcss")
    AUTO_FOCUS = "RunLog LogView"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "leave", "Back", show=False, id="log.leave")]

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._title = Headline(id="title")
        self.run_log = RunLog(logs, cursor=True)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.run_log
        yield KeyHints(id="keys")

    # What is said of it

    def _about(self) -> Line:
        """Whose log it is."""
        raise NotImplementedError

    def _place(self) -> Line:
        """Which part of it is shown, where it has several."""
        return ()

    @on(RunLog.Described)
    def _describe(self) -> None:
        log = self.run_log
        waiting = (Cell(log.mark, Tone.TITLE),) if log.mark else ()
        self._title.left = self._about()
        self._title.right = (*self._place(), *log.notes, *waiting)

    # What the keys do

    async def action_in_log(self, name: str, *arguments: int) -> None:
        """What the log does by itself, wherever the focus is."""
        await invoke(getattr(self.run_log, f"action_{name}"), *arguments)

    def action_copy_line(self) -> None:
        """Copy what the selected line says."""
        entry = self.run_log.view.entry
        if entry is not None:
            clipboard.copy(self.app, entry.text)

    def action_back(self) -> None:
        """One step back: close the input, find nothing, show all lines, leave."""
        if not self.run_log.step_back():
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()
