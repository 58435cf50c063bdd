"""What was used, on the whole screen, live: days by model, five-hour blocks, a table under any heading."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen

from hive_tui.app import cost_chart, cost_rows, keys
from hive_tui.app.costs_feed import CostLooks, CostsFeed
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.panes.cost_parts import ChartPane, CostTable
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.targets import Target
from hive_tui.costs.overview import DAYS, Question, Scope
from hive_tui.costs.summary import By
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.headline import Headline
from widgets.table import Table

WIDE = 110
"""Cells from which blocks stand beside the days; below that one line tells of the block of now."""

_OTHERS = 5
"""Lines of the screen that are neither charts nor rows: headlines, headings, keys."""

LEAST_ROWS = 8
"""Lines that the table has with its frame, before the charts get any."""

LEAST_CHART = 5


class CostsScreen(GuardedPump, Screen[None]):
    """Counts this fleet's runs, or everything on this machine."""

    CSS_PATH = Path(__file__).with_name("costs.tcss")
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*keys.costs_bindings()]

    class Seen(Message):
        """There is a newer answer, or a reason why there is none."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, CostsScreen.Seen)

    def __init__(
        self, looks: Callable[[], CostLooks], *, now: Callable[[], datetime], first: By = By.DAY
    ) -> None:
        """`looks` opens what answers, in a thread; `first` is the fleet's heading until one is chosen."""
        super().__init__()
        self.question = Question(by=first)
        self._first = first
        self._chosen = False
        """Somebody chose the heading."""
        self._feed = CostsFeed(looks, self.question, notify=lambda: self.post_message(self.Seen()))
        self._now = now
        self._sums = Headline(id="sums")
        self._block = Headline(id="block")
        self._tabs = Headline(id="tabs")
        self._charts = Horizontal(id="charts")
        self._days = ChartPane("Days", id="days")
        self._blocks = ChartPane("Blocks", id="blocks")
        self.uses = CostTable()

    def compose(self) -> ComposeResult:
        yield self._sums
        yield self._block
        with self._charts:
            yield self._days
            yield self._blocks
        yield self._tabs
        yield self.uses
        yield KeyHints(id="keys")

    async def on_mount(self) -> None:
        for pane in (self._days, self._blocks, self.uses):
            await pane.fill()
        self.uses.table.focus()
        self._show()
        self.set_interval(1.0, self._show)
        self._feed.start()

    def on_unmount(self) -> None:
        self._feed.close()

    def on_resize(self, event: events.Resize) -> None:
        self._show()

    def _arrange(self, width: int, height: int) -> None:
        wide = width >= WIDE
        self._blocks.display = wide
        self._block.display = not wide
        left = height - _OTHERS
        # The days never take more than they can have lines: those, what the shades mean, and the frame.
        lines = min(DAYS + 3, left * 2 // 5, left - LEAST_ROWS)
        self._charts.display = lines >= LEAST_CHART
        if self._feed.overview is not None:
            shown = [pane.sheet for pane in (self._days, self._blocks) if pane.display]
            lines = min(lines, max(LEAST_CHART, *(len(sheet.lines) + 2 for sheet in shown)))
        self._charts.styles.height = max(lines, 0)

    def ask(self, by: str | None = None, scope: str | None = None) -> None:
        """Show another heading, or count something else, by their names in `hive costs`."""
        self._chosen = self._chosen or by is not None
        self._put(
            msgspec.structs.replace(
                self.question,
                by=self.question.by if by is None else By(by),
                scope=self.question.scope if scope is None else Scope(scope),
            )
        )

    def _put(self, question: Question) -> None:
        if question != self.question:
            self.question = question
            self._feed.put(question)
            if self.is_mounted:
                self._show()

    @on(Seen)
    def _show(self) -> None:
        """Show what is known, for now."""
        if not self.uses.table.is_mounted:
            return
        view, error, now = self._feed.overview, self._feed.error, self._now()
        self._sums.left = cost_rows.sums_line(self.question, view, self.size.width)
        self._sums.right = (Cell("cannot be read", Tone.BROKEN),) if error is not None else ()
        self._tabs.left = cost_rows.tabs_line(self.question, self.size.width)
        of_scope = view if view is not None and view.question.scope is self.question.scope else None
        self._days.show(partial(cost_chart.day_lines, of_scope), f"{DAYS} days")
        self._blocks.show(partial(cost_chart.block_lines, view, now), "of 5 hours · this machine")
        self._block.left = cost_chart.block_line(view, now)
        self.uses.show(self.question, view, error, now)
        self._arrange(self.size.width, self.size.height)

    # What the keys do

    def action_heading(self, name: str) -> None:
        self.ask(by=name)

    def action_beside(self, step: int) -> None:
        self.ask(by=cost_rows.following(self.question.by, step).value)

    def action_scope(self) -> None:
        machine = self.question.scope is Scope.FLEET
        by = self.question.by if self._chosen else By.DAY if machine else self._first
        self._put(Question(Scope.MACHINE if machine else Scope.FLEET, by))

    async def action_in_list(self, name: str) -> None:
        """What a key does in the table."""
        await self.uses.do(name)

    def action_cycle(self, step: int) -> None:
        """Go to the next part that is there."""
        parts = [self.uses]
        charts = [pane for pane in (self._days, self._blocks) if pane.display and self._charts.display]
        bodies = [pane.body for pane in (*parts, *charts)]
        place = next((index for index, body in enumerate(bodies) if body.has_focus), 0)
        self.set_focus(bodies[(place + step) % len(bodies)])

    def action_look(self) -> None:
        """Look at once."""
        self._feed.wake()

    def action_back(self) -> None:
        """One step back: the filter, else the screen below."""
        if not self.uses.step_back():
            self.dismiss()

    @on(Table.Opened)
    def _open(self, message: Table.Opened) -> None:
        """An issue or a run opens; of anything else the row says all that is known."""
        message.stop()
        key = self.uses.selected
        target = None if not key else _target(self.question.by, key)
        if target is not None:
            self.post_message(self.Wanted(target))
        elif key is not None:
            self.uses.table.action_unfold()

    class Wanted(Message):
        """Somebody wants to look at an issue or a run."""

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target


def _target(by: By, key: str) -> Target | None:
    if by is By.RUN:
        return Target(run=RunId(key))
    repo, _, number = key.rpartition("#")
    if by is By.ISSUE and number.isdecimal():
        issue = IssueKey(RepoName(repo), int(number))
        return Target(repo=issue.repo, issue=issue.number)
    return None
