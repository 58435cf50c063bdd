"""The line at the bottom of a text in which is typed what to look for."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

from widgets.filter_line import LONGEST, HarmlessInput


class FindLine(Horizontal):
    """`/ words`: finds with every key; Enter goes back to the text with the matches still marked."""

    DEFAULT_CSS = """
    FindLine {
        height: 1;
        & > Static { width: 3; color: $accent; }
        & > Input, & > Input:focus {
            width: 1fr; background: transparent; background-tint: transparent; color: $foreground;
        }
    }
    """

    @dataclass
    class Typed(Message):
        """Something else is looked for now."""

        text: str

    class Left(Message):
        """Enter was pressed."""

    def __init__(
        self,
        text: str = "",
        *,
        label: str = "/",
        hint: str = "",
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._label = label
        self._input = HarmlessInput(text, placeholder=hint, compact=True, max_length=LONGEST)
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield Static(f"  {self._label}", markup=False)
        yield self._input

    def on_mount(self) -> None:
        # At once: who waits for the line to be mounted has the next key go to it.
        self.screen.set_focus(self._input)

    @on(Input.Changed)
    def _changed(self, message: Input.Changed) -> None:
        message.stop()
        self.post_message(self.Typed(message.value))

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.post_message(self.Left())
