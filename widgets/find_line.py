"""The line at the bottom of a text in which is typed what to look for."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Size
from textual.message import Message
from textual.reactive import Reactive
from textual.widgets import Input, Static

from widgets.lines import harmless

LONGEST = 200
"""Characters that it takes."""


class HarmlessInput(Input):
    """An input that takes nothing from the clipboard that a terminal would act on."""

    # One of Textual's own has no scroll bar to be seen, but all is laid out twice for it.
    DEFAULT_CSS = "HarmlessInput { overflow: hidden hidden; }"

    # Textual's own lays out the whole screen anew with every key.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def validate_value(self, value: str) -> str:
        return harmless(value, limit=LONGEST)


class FindLine(Horizontal):
    """`/ words`: finds with every key; Enter goes back to the text with the matches still marked."""

    DEFAULT_CSS = """
    FindLine {
        height: 1;
        & > Static { width: auto; padding-left: 2; color: $accent; }
        & > Input, & > Input:focus {
            width: 1fr; background: transparent; background-tint: transparent; color: $foreground;
            & > .input--placeholder { color: $foreground 40%; }
        }
        &:ansi > Input > .input--placeholder { color: ansi_bright_black; }
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
        select: bool = True,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """With `select` the first letter replaces the `text`, else it is added to it."""
        super().__init__(id=id)
        self._label = label
        self._input = HarmlessInput(
            text, placeholder=hint, compact=True, max_length=LONGEST, select_on_focus=select
        )
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield Static(self._label, markup=False)
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
