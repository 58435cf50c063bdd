"""The dialog before something ends or is thrown away: it names what and Cancel is what Enter does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from hive_tui.app.questions import Question, QuestionLine, Weight
from hive_tui.core import text
from widgets.guarded import GuardedPump

_STYLES = {Weight.TARGET: "bold", Weight.DETAIL: "", Weight.OUT: "$foreground 60%", Weight.NEWS: "$warning"}

AROUND = 10
"""Rows of the dialog besides what there is to read."""

LOW = 16
"""Lines of a terminal below which a dialog has no blank ones."""

AROUND_LOW = 5
"""Rows besides what there is to read, there."""

BREAKPOINTS = [(0, "-low"), (LOW, "-roomy")]
"""What every dialog's screen is called by its height."""

READ_SECONDS = 1.0
"""How long what came to a question has to be on the screen before somebody can agree to it."""


class ConfirmScreen(GuardedPump, ModalScreen[bool]):
    """Asks a question; True only when the person said yes to what was on the screen then."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    AUTO_FOCUS = "#cancel"
    VERTICAL_BREAKPOINTS = BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "accept", "Yes", id="confirm.accept"),
        Binding("n,escape", "cancel", "No", id="confirm.cancel"),
        Binding("left,up,h,k", "app.focus_previous", "Back", show=False),
        Binding("right,down,l,j", "app.focus_next", "On", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__(classes="-dialog")
        self._question = question
        self._read = True
        """There was time to read what is asked."""

    @property
    def question(self) -> Question:
        """What is asked now."""
        return self._question

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(classes="dialog -danger" if question.danger else "dialog"):
            with VerticalScroll(classes="dialog--scroll", can_focus=False):
                yield Static(classes="dialog--body", id="question")
            yield Static(classes="dialog--error", id="refused")
            with Horizontal(classes="field", id="number"):
                yield Static(classes="field--label", id="number-label")
                yield Input(max_length=9, compact=True, select_on_focus=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                danger = "-danger" if question.danger else None
                yield Button(Content(question.accept), id="accept", compact=True, classes=danger)

    def on_mount(self) -> None:
        self.on_resize()
        self.ask(self._question)
        if self._question.number is not None:
            self.query_one(Input).focus()

    def on_resize(self) -> None:
        # The buttons stay in sight, however much there is to read.
        height = self.app.size.height
        room = height - AROUND_LOW if height < LOW else int(height * 0.9) - AROUND
        for scroll in self.query(VerticalScroll):  # a size can arrive before what is in the dialog
            scroll.styles.max_height = max(2, room)

    def action_page(self, by: int) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_relative(y=by * max(1, scroll.size.height - 1), animate=False)

    def ask(self, question: Question, *, wait: bool = False) -> None:
        """Ask something else: what the question is about changed. With `wait` nobody can say yes before
        it could be read."""
        self._question = question
        if not self.query("#accept"):
            return
        if wait:
            self._read = False
            self.set_timer(READ_SECONDS, self._was_read)
        dialog = self.query_one(".dialog")
        dialog.border_title = Content(text.clean_line(question.title))
        asked = question.refusal is None and question.number is None
        dialog.border_subtitle = Content("y does it, Esc cancels" if asked else "Esc cancels")
        self.query_one("#question", Static).update(_body(question.lines))
        refused = self.query_one("#refused", Static)
        refused.update(Content(text.clean_line(question.refusal or "")))
        refused.set_class(question.refusal is None, "-empty")
        self.query_one("#number").display = question.number is not None
        self.query_one("#number-label", Static).update(Content(f"Type {question.number}"))
        self._settle_button()

    @on(Input.Changed)
    def _settle_button(self) -> None:
        self.query_one("#accept", Button).disabled = not self._possible

    def _was_read(self) -> None:
        self._read = True
        self._settle_button()

    @property
    def _possible(self) -> bool:
        return self._read and self._question.refusal is None and self._typed

    @property
    def _typed(self) -> bool:
        """The number was typed, where one has to be."""
        number = self._question.number
        if number is None:
            return True
        return self.query_one(Input).value.strip().replace(",", "") == str(number)

    @on(Input.Submitted)
    @on(Button.Pressed, "#accept")
    def action_accept(self) -> None:
        """Yes, where that is possible and the number was typed."""
        if self._possible:
            self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(False)


def _body(lines: tuple[QuestionLine, ...]) -> Content:
    return Content("\n").join(Content.styled(_clean(line.text), _STYLES[line.weight]) for line in lines)


def _clean(line: str) -> str:
    """One harmless line; its blanks stay."""
    return text.clean(line, limit=text.MAX_LINE).replace("\n", " ").replace("\t", " ")
