"""The screen of one thing: its summary, live, and below it the tabs that say everything about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static

from hive_tui.app import keys, pulse_lines
from hive_tui.app.detail import subject as subjects
from hive_tui.app.detail.diff_tab import DiffTab
from hive_tui.app.detail.logged import CostTab, TranscriptTab
from hive_tui.app.detail.subject import Subject, subject_of
from hive_tui.app.detail.tabs import DescribeTab, IssueTab, LogTab, Tab
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.live import Fleet
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell
from widgets.find_line import FindLine
from widgets.guarded import GuardedPump
from widgets.headline import Headline
from widgets.pane_tabs import PaneTabs
from widgets.pulse import Pulse

WIDE = 120
"""Cells from which on the summary has room for every figure."""

TABS = ("log", "transcript", "diff", "issue", "cost", "describe")


class DetailScreen(GuardedPump, Screen[None]):
    """Everything about one run, issue or pull request. Orders given here are about that."""

    CSS_PATH = Path(__file__).with_name("detail.tcss")
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*keys.detail_bindings()]

    def __init__(self, fleet: Fleet, logs: Logs, view: View, target: Target, tab: str | None = None) -> None:
        """`tab` is one of `TABS`; None is the first one that has something to show."""
        super().__init__()
        self._view = view
        self._target = target
        self._chosen: RunId | None = target.run
        self.subject = subject_of(view, target)
        self.tabs: dict[str, Tab] = {
            "log": LogTab(logs),
            "transcript": TranscriptTab(logs),
            "diff": DiffTab(fleet),
            "issue": IssueTab(fleet),
            "cost": CostTab(logs),
            "describe": DescribeTab(fleet),
        }
        self.current = tab or self._first_tab()
        self._pulse = Pulse(id="pulse")
        self._summary = Headline(id="summary")
        self._names = PaneTabs([(n, self.tabs[name].label) for n, name in enumerate(TABS, 1)], id="names")
        self._notes = Headline(id="notes")
        self._nothing = Static("", id="nothing", markup=False)
        self._find: FindLine | None = None

    def _first_tab(self) -> str:
        if self.subject.run is not None:
            return "log"
        return "issue" if self.subject.issue is not None else "diff"

    def compose(self) -> ComposeResult:
        yield self._pulse
        yield self._summary
        with Horizontal(id="line"):
            yield self._names
            yield self._notes
        with Vertical(id="body"):
            yield self._nothing
            yield from self.tabs.values()
        yield KeyHints(id="keys")

    def on_mount(self) -> None:
        self._go_to(self.current)

    # What is shown

    @property
    def targets(self) -> Sequence[Target]:
        """What an order is about now."""
        return (self.subject.orders,)

    @property
    def tab(self) -> Tab:
        """The tab that is looked at."""
        return self.tabs[self.current]

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        self._view = view
        before = self.subject
        self.subject = subject_of(view, self._target, self._chosen)
        if self.is_mounted:
            self._present()
            if before.run is not self.subject.run or before.pull is not self.subject.pull:
                self.refresh_bindings()

    def _present(self) -> None:
        view, subject = self._view, self.subject
        self._pulse.parts = pulse_lines.pulse(view)
        self._summary.left = self._summary_line()
        self._summary.right = subjects.figures(subject, wide=self.size.width >= WIDE)
        missing = self._missing()
        self._nothing.display = missing is not None
        for name, tab in self.tabs.items():
            tab.display = name == self.current and missing is None
        if missing is not None:
            self._nothing.update(missing)
        else:
            self.tab.present(view, subject)
        self._describe()

    def _summary_line(self) -> tuple[Cell, ...]:
        removed = subjects.removed(self.subject)
        said = (Cell(removed, Tone.SOON),) if removed is not None else ()
        return (*said, *subjects.summary(self._view, self.subject))

    def _missing(self) -> str | None:
        """Why a tab has nothing to show, and what to do next."""
        subject = self.subject
        if subject.gone:
            return "This is not there any more: it was removed.\n\nEsc goes back."
        if subject.run is not None or not (self.tab.needs_run or self.current == "diff"):
            return None
        if self.current == "diff" and subject.pull is not None:
            return None
        if subject.key is None:
            return "No agent works on this: it was not made for an issue.\n\n3 shows what it changes."
        gate = self._view.plan.gate(subject.key)
        why = (
            f"It is not started: {gate.detail}." if gate is not None else "It is ready, and starts by itself."
        )
        return f"Nobody has worked on this yet.\n\n{why}\n\nf starts it now; 4 shows the issue."

    def _describe(self) -> None:
        self._notes.right = self.tab.notes if self._missing() is None else ()

    @on(Tab.Changed)
    def _tab_changed(self, message: Tab.Changed) -> None:
        message.stop()
        self._describe()

    # Where one is

    def _go_to(self, name: str) -> None:
        if name != self.current:
            self._close_find()
        self.current = name
        self._names.current = TABS.index(name) + 1
        self._present()
        if self.tab.display:
            self.tab.focus()
        else:
            self.set_focus(None)
        self.refresh_bindings()

    def action_tab(self, name: str) -> None:
        """Go to a tab by its name."""
        self._go_to(name)

    def action_cycle(self, by: int) -> None:
        """Go to the next tab, or the one before."""
        self._go_to(TABS[(TABS.index(self.current) + by) % len(TABS)])

    def on_pane_tabs_chosen(self, message: PaneTabs.Chosen) -> None:
        self._go_to(TABS[message.digit - 1])

    def action_attempt(self, by: int) -> None:
        """Look at another attempt at the same issue."""
        attempts = self.subject.attempts
        at = self.subject.number - 1 + by
        if 0 <= at < len(attempts):
            self._chosen = attempts[at].id
            self.show(self._view, None)

    def action_back(self) -> None:
        """Esc: what was found is forgotten, then one is back where one was."""
        reading = self.tab.reading
        if self._find is not None or (reading is not None and reading.needle):
            self._close_find()
        else:
            self.dismiss()

    def action_reload(self) -> None:
        """Read everything again now."""
        self.tab.reload()
        self.app.call_later(self.app.run_action, "refresh_sources")

    def action_unfold(self) -> None:
        if self.tab.reading is not None:
            self.tab.reading.toggle_fold()

    def action_part(self, by: int) -> None:
        if self.tab.reading is not None:
            self.tab.reading.part(by)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key that would do nothing here is dimmed, or left to what else it means."""
        reading = self.tab.reading if self.tab.display else None
        match action:
            case "attempt":
                return True if self.why_dim(action, parameters) is None else None
            case "match":
                return reading is not None and bool(reading.needle)
            case "find" | "unfold":
                return reading is not None
            case "part":
                return reading is not None and reading.has_parts
        return True

    def why_dim(self, action: str, parameters: tuple[object, ...]) -> str | None:
        """Why a key that is dim would do nothing."""
        if action != "attempt":
            return None
        by, attempts = int(str(parameters[0])), self.subject.attempts
        if not attempts:
            return "nobody has worked on it yet"
        if 0 <= self.subject.number - 1 + by < len(attempts):
            return None
        return f"this is the {'newest' if by > 0 else 'first'} attempt"

    # Finding

    async def action_find(self) -> None:
        """Show the line in which is typed what to look for."""
        reading = self.tab.reading
        if reading is not None and self._find is None:
            self._find = FindLine(reading.needle)
            await self.mount(self._find, before="#keys")

    @on(FindLine.Typed)
    def _typed(self, message: FindLine.Typed) -> None:
        if self.tab.reading is not None:
            self.tab.reading.find(message.text)
            self.refresh_bindings()

    @on(FindLine.Left)
    def _left(self) -> None:
        self._take_find_away()
        self.tab.focus()

    def action_match(self, by: int) -> None:
        if self.tab.reading is not None:
            self.tab.reading.next_match(by)

    def _close_find(self) -> None:
        self._take_find_away()
        if self.tab.reading is not None:
            self.tab.reading.find("")
        self.tab.focus()
        self.refresh_bindings()

    def _take_find_away(self) -> None:
        if self._find is not None:
            self._find.remove()
            self._find = None

    # To be copied

    @property
    def thing(self) -> Subject:
        return self.subject

    @property
    def line(self) -> str:
        """The summary as text."""
        cells = (*subjects.summary(self._view, self.subject), *subjects.figures(self.subject, wide=True))
        return "  ".join(cell.text for cell in cells if cell.text)
