"""The one screen of the console: pulse, five panes, keys. It shows snapshots and knows no backend."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Static

from hive_tui.app import fleet_lines, keys, lists, log_lines, rows
from hive_tui.app.tail import Tailed
from hive_tui.core import text
from hive_tui.core.dispatch import Plan
from hive_tui.core.events import LogLine
from hive_tui.core.glyphs import PHASES, Tone
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import PullState, Run
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, Kind
from hive_tui.core.store import Diff, Snapshot
from widgets.cells import Cell, Row
from widgets.log_view import LogView
from widgets.pane import Pane
from widgets.pane_tabs import PaneTabs
from widgets.pulse import Pulse
from widgets.table import Table

_NO_ISSUES = ("No issues yet", "`hive issue new` files the first one")
_NO_RUNS = ("No agent is at work", "They start when an issue is ready and a slot is free")
_NO_PULLS = ("No pull requests yet", "They appear here when a run has pushed its work")
_NO_LOG = (Cell("No agent selected", Tone.QUIET), Cell("Its log appears here, live", Tone.QUIET))

_ISSUE_KINDS = (Kind.ISSUE, Kind.RUN, Kind.CLAIM, Kind.PULL, Kind.FLEET)


class MainScreen(Screen[None]):
    """Fleet, issues, agents, the selected agent's log, pull requests."""

    AUTO_FOCUS = "#agents Table"
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - declared as an instance variable by Screen
        (0, "-tiny"),
        (44, "-narrow"),
        (100, "-normal"),
        (150, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-flat"),
        (10, "-short"),
        (28, "-tall"),
    ]

    BINDINGS: ClassVar[list[BindingType]] = [*keys.pane_bindings()]

    def __init__(self, name: str, settings: FleetSettings) -> None:
        super().__init__()
        self._fleet_name = name
        self._settings = settings
        many = len(settings.repos) > 1
        self._many = many
        self._snapshot = Snapshot()
        self._plan: Plan | None = None
        self._at_work: dict[IssueKey, Run] = {}
        self._now: datetime | None = None
        self.pulse = Pulse(id="pulse")
        self.fleet = Table(fleet_lines.COLUMNS, cursor=False)
        self.issues = Table(rows.issue_columns(many=many))
        self.agents = Table(rows.agent_columns(many=many))
        self.pulls = Table(rows.pull_columns(many=many))
        self.log_view: LogView[LogLine] = LogView(log_lines.COLUMNS, log_lines.log_line)
        self.log_run: RunId | None = None
        self._log_ended = False
        self._log_error: str | None = None
        self.panes = (
            Pane(1, "Fleet", self.fleet, id="fleet"),
            Pane(2, "Issues", self.issues, id="issues"),
            Pane(3, "Agents", self.agents, id="agents"),
            Pane(4, "Log", self.log_view, id="log"),
            Pane(5, "Pull requests", self.pulls, id="pulls"),
        )
        self.tabs = PaneTabs([(1, "fleet"), (2, "issues"), (3, "agents"), (4, "log"), (5, "prs")], id="tabs")

        self.panes[2].add_class("-current")
        self.tabs.current = 3

    def compose(self) -> ComposeResult:
        # Textual sets these with the first resize, which is after the first paint.
        width, height = self.app.size
        self.add_class(
            _breakpoint(width, self.HORIZONTAL_BREAKPOINTS), _breakpoint(height, self.VERTICAL_BREAKPOINTS)
        )
        fleet, issues, agents, log, pulls = self.panes
        yield self.pulse
        yield self.tabs
        with Horizontal(id="panes"):
            with Vertical(id="left", classes="column"):
                yield fleet
                yield issues
                yield pulls
            with Vertical(id="right", classes="column -here"):
                yield agents
                yield log
        yield Static(
            f"hive needs 44 x 10 characters to show fleet {self._fleet_name}.\nMake the terminal larger.",
            id="small",
            markup=False,
        )
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.log_view.clear(_NO_LOG)

    # What is shown

    def show(self, snapshot: Snapshot, diff: Diff | None, plan: Plan, now: datetime, pending: str) -> None:
        """Show a snapshot. `diff` says what changed since the last one; None is everything."""
        self._snapshot, self._plan, self._now = snapshot, plan, now
        if diff is None or diff.keys(Kind.RUN):
            self._at_work = lists.live_runs(snapshot)
        self._show_pulse(now, pending)
        issues: Sequence[IssueKey] = cast(Sequence[IssueKey], self.issues.keys)
        if diff is None or any(diff.keys(kind) for kind in _ISSUE_KINDS):
            issues = lists.issues(snapshot, self._settings.labels, plan.gate)
        runs: Sequence[RunId] = cast(Sequence[RunId], self.agents.keys)
        if diff is None or diff.keys(Kind.RUN):
            runs = lists.runs(snapshot)
        pulls: Sequence[PullKey] = cast(Sequence[PullKey], self.pulls.keys)
        if diff is None or diff.keys(Kind.PULL):
            pulls = lists.pulls(snapshot)
        cluster, forge = snapshot.sources.get(CLUSTER), snapshot.sources.get(FORGE)
        self.issues.show(issues, self._issue_row, placeholder=fleet_lines.placeholder(forge, now, _NO_ISSUES))
        self.agents.show(runs, self._run_row, placeholder=fleet_lines.placeholder(cluster, now, _NO_RUNS))
        self.pulls.show(pulls, self._pull_row, placeholder=fleet_lines.placeholder(forge, now, _NO_PULLS))
        self._describe()

    def tick(self, snapshot: Snapshot, now: datetime, pending: str) -> None:
        """Let time pass: ages and clocks; only lines that read differently are drawn."""
        if self._plan is not None:
            self.show(snapshot, Diff({}), self._plan, now, pending)
        else:
            self._now = now
            self._show_pulse(now, pending)

    def _show_pulse(self, now: datetime, pending: str) -> None:
        kind = self._settings.cluster
        self.pulse.parts = fleet_lines.pulse(self._snapshot, self._fleet_name, kind, now, pending=pending)
        fleet_rows = {row.key: row for row in fleet_lines.fleet_rows(self._snapshot, now)}
        self.fleet.show(list(fleet_rows), lambda key: fleet_rows.get(key) or Row(key, ()))

    def _run_row(self, key: Hashable) -> Row:
        run = self._snapshot.runs.get(cast(RunId, key))
        if run is None or self._now is None:
            return Row(key, ())
        return rows.agent_row(run, self._now, many=self._many)

    def _issue_row(self, key: Hashable) -> Row:
        issue_key = cast(IssueKey, key)
        issue = self._snapshot.issues.get(issue_key)
        if issue is None or self._now is None or self._plan is None:
            return Row(key, ())
        gate = self._plan.gate(issue_key) if issue.open else None
        run = self._at_work.get(issue_key)
        return rows.issue_row(issue, self._settings.labels, gate, run, self._now, many=self._many)

    def _pull_row(self, key: Hashable) -> Row:
        pull = self._snapshot.pulls.get(cast(PullKey, key))
        if pull is None or self._now is None:
            return Row(key, ())
        return rows.pull_row(pull, self._now, many=self._many)

    def _describe(self) -> None:
        """Counts, badges and hints on the frames."""
        if self._now is None:
            return
        snapshot, now = self._snapshot, self._now
        cluster = fleet_lines.badge(snapshot.sources.get(CLUSTER), now)
        forge = fleet_lines.badge(snapshot.sources.get(FORGE), now)
        fleet, issues, agents, _, pulls = self.panes
        kinds = f"{self._settings.cluster} + {self._settings.forge}"
        fleet.describe(detail=kinds, notes=_notes(cluster), hint=fleet_lines.retries(snapshot, now))
        known = snapshot.sources[FORGE].heard_at is not None if FORGE in snapshot.sources else False
        still_open = sum(issue.open for issue in snapshot.issues.values()) if known else None
        hint = fleet_lines.failure(snapshot.sources.get(FORGE)) or self._issue_hint()
        issues.describe(notes=_notes(forge, _count(still_open, "open")), hint=hint)
        counts = [Cell(f"{n} {phase.value}", PHASES[phase].tone) for phase, n in lists.count_runs(snapshot)]
        agents.describe(
            notes=_notes(cluster, *counts), hint=fleet_lines.failure(snapshot.sources.get(CLUSTER))
        )
        waiting = sum(pull.state is PullState.OPEN for pull in snapshot.pulls.values()) if known else None
        pulls.describe(notes=_notes(forge, _count(waiting, "open")))
        self._describe_log()

    def _issue_hint(self) -> Cell | None:
        """What to do about the gate of the selected issue."""
        key = cast("IssueKey | None", self.issues.selected)
        issue = self._snapshot.issues.get(key) if key is not None else None
        if key is None or issue is None or not issue.open or self._plan is None or key in self._at_work:
            return None
        gate = self._plan.gate(key)
        if gate is None:
            return None
        return Cell(f"{rows.number(key.repo, key.number, '#', many=self._many)}: {gate.detail}", Tone.QUIET)

    # The log

    def begin_log(self, run: RunId | None) -> None:
        """Empty the log pane for another run."""
        self.log_run, self._log_ended, self._log_error = run, False, None
        self.log_view.clear(_NO_LOG if run is None else (Cell("reading the log …", Tone.QUIET),))
        self._describe_log()

    def show_log(self, tailed: Tailed) -> None:
        """Append what came of the selected run's log."""
        if tailed.run != self.log_run:
            return
        self._log_ended, self._log_error = tailed.ended, tailed.error
        self.log_view.dropped += tailed.dropped
        self.log_view.extend(tailed.lines)
        if not self.log_view.lines:
            self.log_view.placeholder = self._log_placeholder()
            self.log_view.refresh()
        self._describe_log()

    def _log_placeholder(self) -> tuple[Cell, ...]:
        if self._log_error is not None:
            return (
                Cell("The log cannot be read", Tone.BROKEN),
                Cell(self._log_error),
                Cell("It is tried again", Tone.QUIET),
            )
        if self._log_ended:
            return (Cell("This run left no log", Tone.QUIET),)
        return (Cell("Nothing said yet", Tone.QUIET),)

    @on(LogView.Moved)
    def _describe_log(self) -> None:
        view, pane = self.log_view, self.panes[3]
        run = self._snapshot.runs.get(self.log_run) if self.log_run is not None else None
        if run is None:
            pane.describe()
            return
        where = rows.number(run.spec.repo, run.spec.issue, "#", many=self._many)
        state = "ended" if self._log_ended else "following" if view.following else "paused"
        counts = [Cell(state, Tone.QUIET), Cell(f"{len(view.lines):,} lines", Tone.QUIET)]
        if view.dropped:
            counts.append(Cell(f"{view.dropped:,} older dropped", Tone.QUIET))
        if self._log_error is not None:
            counts.append(Cell("cannot be read", Tone.BROKEN))
        unseen = (
            ""
            if view.following
            else f"▼ {view.unseen:,} new · End follows"
            if view.unseen
            else "▼ End follows"
        )
        detail = f"{run.spec.worker} {where} attempt {run.spec.attempt}"
        pane.describe(
            detail=detail, notes=counts, hint=Cell(run.spec.title[: rows.TITLE], Tone.QUIET), mark=unseen
        )

    @on(Table.Selected)
    def _selection_moved(self, message: Table.Selected) -> None:
        if message.table is self.issues:
            self._describe()

    @on(Table.Opened)
    def _opened(self, message: Table.Opened) -> None:
        if message.table is self.agents:
            self.action_pane(4)

    # Focus

    def action_pane(self, digit: int) -> None:
        """Focus a pane by its digit."""
        pane = self.panes[digit - 1]
        self._make_current(pane)
        pane.body.focus()

    def action_cycle(self, by: int) -> None:
        """Focus the next pane, in the order of their digits."""
        current = next((i for i, pane in enumerate(self.panes) if pane.has_class("-current")), 0)
        self.action_pane((current + by) % len(self.panes) + 1)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        for pane in self.panes:
            if pane.body is event.widget:
                self._make_current(pane)

    def _make_current(self, current: Pane) -> None:
        """The pane to show where there is room for one only."""
        if current.has_class("-current"):
            return
        self.tabs.current = current.digit
        for pane in self.panes:
            pane.set_class(pane is current, "-current")
            if pane is current and pane.parent is not None:
                for column in self.query(".column"):
                    column.set_class(column is pane.parent, "-here")


def _breakpoint(cells: int, points: Sequence[tuple[int, str]]) -> str:
    return [name for least, name in points if cells >= least][-1]


def _notes(*cells: Cell | None) -> list[Cell]:
    return [cell for cell in cells if cell is not None]


def _count(number: int | None, word: str) -> Cell | None:
    return None if number is None else Cell(f"{text.count(number)} {word}", Tone.QUIET)
