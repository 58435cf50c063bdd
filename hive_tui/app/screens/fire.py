"""The dialog before an issue is fired: how, by whom, for how much, and what it will probably cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from hive_tui.app import firing
from hive_tui.app.firing import FireForm
from hive_tui.app.screens.confirm import BREAKPOINTS
from hive_tui.core import text
from hive_tui.core.actions import FireIssue
from hive_tui.core.errors import HiveError
from hive_tui.core.ids import AgentName
from hive_tui.core.model import Mode
from widgets.choice import Choice, Option
from widgets.guarded import GuardedPump

Gates = Callable[[Sequence[FireIssue]], list[str]]
"""What holds these wishes, a line each; blocks, for a thread."""

NAMED = 5
"""Issues that are named, of several."""


class FireScreen(GuardedPump, ModalScreen[tuple[FireIssue, ...] | None]):
    """Enter fires with what the fields say; they say what the dispatcher would choose."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    AUTO_FOCUS = "#fire"
    VERTICAL_BREAKPOINTS = BREAKPOINTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="fire.cancel"),
        Binding("up,k", "app.focus_previous", "Up", show=False),
        Binding("down,j", "app.focus_next", "Down", show=False),
    ]

    def __init__(self, form: FireForm, gates: Gates) -> None:
        super().__init__(classes="-dialog")
        self._form = form
        self._gates = gates
        self.held: tuple[str, ...] | None = None
        """What holds it as it is filled in; None is not known yet."""

    def compose(self) -> ComposeResult:
        form = self._form
        with Vertical(classes="dialog -wide") as dialog:
            number = len(form.issues)
            dialog.border_title = Content("Fire" if number == 1 else f"Fire {number} issues")
            dialog.border_subtitle = Content("↑ ↓ field   ← → choose   Enter fires   Esc cancels")
            yield Static(_named(form), classes="dialog--lead")
            with Horizontal(classes="field"):
                yield Static(Content("type"), classes="field--label")
                yield Choice(_modes(form), value=form.mode, id="mode")
            with Horizontal(classes="field"):
                yield Static(Content("agent"), classes="field--label")
                yield Choice(_agents(form), value=form.agent, id="agent")
            with Horizontal(classes="field"):
                yield Static(Content("model"), classes="field--label")
                yield Input(id="model", compact=True, max_length=200)
            with Horizontal(classes="field"):
                yield Static(Content("budget $"), classes="field--label")
                yield Input(
                    firing.budget_text(form.run_limit),
                    placeholder="no limit of its own",
                    id="budget",
                    compact=True,
                    max_length=20,
                )
            with Horizontal(classes="field"):
                yield Static(Content("will cost"), classes="field--label")
                yield Static(id="estimate", classes="field--note")
            yield Static(id="against", classes="dialog--error")
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Fire", id="fire", compact=True)

    def on_mount(self) -> None:
        self._changed()

    @property
    def _agent(self) -> AgentName | None:
        return cast("AgentName | None", self.query_one("#agent", Choice).value)

    @property
    def _mode(self) -> Mode | None:
        return cast("Mode | None", self.query_one("#mode", Choice).value)

    def _wishes(self) -> tuple[FireIssue, ...]:
        """What is filled in. Raises UsageError."""
        return firing.requests(
            self._form,
            mode=self._mode,
            agent=self._agent,
            model=self.query_one("#model", Input).value,
            budget=self.query_one("#budget", Input).value,
        )

    @on(Choice.Changed)
    @on(Input.Changed)
    def _changed(self) -> None:
        """Say what it will cost and what holds it, as it is filled in."""
        form = self._form
        model = next((agent.model for agent in form.agents if agent.name == self._agent), None)
        self.query_one("#model", Input).placeholder = text.clean_line(model or "the agent's own")
        self.query_one("#estimate", Static).update(_estimate(form, self._agent, self._mode))
        try:
            wishes = self._wishes()
        except HiveError as error:
            # What is still being looked up is about what was filled in before.
            self.workers.cancel_group(self, "gates")
            self._tell((error.message,))
            self.query_one("#budget").set_class("budget" in error.message, "-invalid")
            return
        self.query_one("#budget").remove_class("-invalid")
        self.held = None
        self._look(wishes)

    @work(group="gates", exclusive=True, exit_on_error=False)
    async def _look(self, wishes: tuple[FireIssue, ...]) -> None:
        try:
            held = await asyncio.to_thread(self._gates, wishes)
        except HiveError as error:
            held = [error.words]
        self._tell(tuple(held))

    def _tell(self, held: tuple[str, ...]) -> None:
        self.held = held
        more = f"\n… and {len(held) - NAMED} more" if len(held) > NAMED else ""
        against = self.query_one("#against", Static)
        against.update(Content("\n".join(map(text.clean_line, held[:NAMED])) + more))
        against.set_class(not held, "-empty")
        self.call_after_refresh(self._keep_in_sight)

    def _keep_in_sight(self) -> None:
        """What Enter does is on the screen, however few lines it has."""
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)

    @on(Input.Submitted)
    @on(Button.Pressed, "#fire")
    def action_fire(self) -> None:
        """Fire; what nothing but a gate holds is refused by the gate, in its own words."""
        try:
            wishes = self._wishes()
        except HiveError as error:
            self._tell((error.message,))
            self.app.bell()
            return
        if self.held and len(self.held) >= len(wishes):
            self.app.bell()
            return
        self.dismiss(wishes)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(None)


def _named(form: FireForm) -> Content:
    lines = [text.clean_line(f"{key} {title}") for key, title in form.issues[:NAMED]]
    if len(form.issues) > NAMED:
        lines.append(f"… and {len(form.issues) - NAMED} more")
    return Content("\n".join(lines))


def _modes(form: FireForm) -> list[Option]:
    named = [Option(mode, word) for mode, word in firing.MODES.items()]
    return named if form.mode is not None else [Option(None, "as labelled"), *named]


def _agents(form: FireForm) -> list[Option]:
    named = [
        Option(agent.name, agent.name, f"{agent.mark.glyph} {agent.until or agent.mark.word}")
        for agent in form.agents
    ]
    return [Option(None, "whose turn it is"), *named]


def _estimate(form: FireForm, agent: AgentName | None, mode: Mode | None) -> Content:
    found = form.estimate(agent, mode)
    if found is None:
        return Content(f"{text.UNKNOWN}  no run of this fleet has succeeded yet")
    each = " each" if len(form.issues) > 1 else ""
    cost = text.money(found.micros, estimated=True)
    return Content(f"{cost}{each}  the median of {text.clean_line(found.of)}")
