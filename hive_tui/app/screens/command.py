"""The line behind `:`, at the bottom of whatever screen one is on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from hive_tui.app.line import completion, grammar
from hive_tui.app.line.completion import Names
from hive_tui.app.line.history import Browsing
from hive_tui.core import text
from hive_tui.core.errors import UsageError
from widgets.guarded import GuardedPump

SHOWN = 12
"""Ways to go on that are named above the line."""


class Ghost(Suggester):
    """The first way the line could go on; → takes it, Tab as much of it as is sure."""

    def __init__(self, names: Names, lines: list[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names
        self._lines = lines

    async def get_suggestion(self, value: str) -> str | None:
        """What was given before comes first."""
        before = (line for line in reversed(self._lines) if line.startswith(value) and line != value)
        found = next(before, None)
        if found is None:
            found = next(iter(completion.candidates(value, self._names)), None)
        return found


class Line(Input):
    """An input of one line without a frame; Enter gives exactly what is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "screen.complete", "Complete", show=False),
        Binding("up,ctrl+p", "screen.step(-1)", "Before", show=False),
        Binding("down,ctrl+n", "screen.step(1)", "After", show=False),
    ]


class CommandScreen(GuardedPump, ModalScreen[str | None]):
    """Dismissed with the line, or None."""

    CSS_PATH = Path(__file__).with_name("command.tcss")
    AUTO_FOCUS = "Line"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave", show=False)]

    def __init__(self, names: Names, lines: list[str], check: Callable[[str], object]) -> None:
        """`check` raises UsageError for a line that cannot be carried out."""
        super().__init__()
        self._names = names
        self._browsing = Browsing(lines)
        self._lines = lines
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(id="command"):
            yield Static(id="command-hint", markup=False)
            with Horizontal(id="command-line"):
                yield Label(":", markup=False)
                yield Line(
                    suggester=Ghost(self._names, self._lines),
                    compact=True,
                    select_on_focus=False,
                    max_length=500,
                )

    def on_mount(self) -> None:
        self._explain()

    @property
    def line(self) -> Line:
        return self.query_one(Line)

    @on(Input.Changed)
    def _explain(self) -> None:
        """What the command does that is written, else how the line could go on."""
        written = self.line.value
        action = grammar.action_of(written.split()) if written.strip() else None
        ways = completion.candidates(written, self._names)
        said = Content("")
        if action is not None:
            said = Content.assemble((f"{action.command}  ", "bold $accent"), (action.help, "$foreground 75%"))
        elif ways and written:
            words = "  ".join(text.clean_line(way.rpartition(" ")[2]) for way in ways[:SHOWN])
            said = Content.styled(words + ("  …" if len(ways) > SHOWN else ""), "$foreground 75%")
        elif not written:
            said = Content.styled(
                "A command as behind `hive`, a pane with its filter, `fleet NAME`, `theme NAME`, `q`. "
                "Tab completes, ↑ has the lines before.",
                "$foreground 75%",
            )
        self._say(said)

    def _say(self, said: Content) -> None:
        self.query_one("#command-hint", Static).update(said)

    @on(Input.Submitted)
    def _submit(self, message: Input.Submitted) -> None:
        message.stop()
        try:
            self._check(message.value)
        except UsageError as error:
            words = text.clean_line(error.words)
            self._say(Content.styled(words, "$error"))
            return
        self.dismiss(message.value)

    def action_complete(self) -> None:
        """Tab: as much more as is sure; nothing is chosen for the person."""
        self._write(completion.longest(self.line.value, self._names))

    def action_step(self, by: int) -> None:
        """↑ and ↓: the lines that were given before."""
        self._write(self._browsing.step(by, self.line.value))

    def _write(self, line: str) -> None:
        self.line.value = line
        self.line.cursor_position = len(line)

    def action_leave(self) -> None:
        self.dismiss(None)
