"""Pane 4: what the selected agent says and does, live."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on

from hive_tui.app import log_lines, rows
from hive_tui.app.panes.base import ViewPane
from hive_tui.app.tail import Tailed
from hive_tui.app.view import View
from hive_tui.core.events import LogLine
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell
from widgets.log_view import LogView

_NO_LOG = (Cell("No agent selected", Tone.QUIET), Cell("Its log appears here, live", Tone.QUIET))


class LogPane(ViewPane):
    """The event log of one run at a time."""

    tab = "log"
    source = CLUSTER

    def __init__(self) -> None:
        self.log_view: LogView[LogLine] = LogView(log_lines.COLUMNS, log_lines.log_line)
        super().__init__(4, "Log", self.log_view, id="log")
        self.run: RunId | None = None
        self._view: View | None = None
        self._ended = False
        self._error: str | None = None

    def on_mount(self) -> None:
        self.log_view.clear(_NO_LOG)

    def show(self, view: View, diff: Diff | None) -> None:
        self._view = view
        self._describe()

    @property
    def targets(self) -> Sequence[Target]:
        if self._view is None or self.run is None:
            return ()
        return (self._view.target_of_run(self.run),)

    def begin(self, run: RunId | None) -> None:
        """Empty it for another run."""
        self.run, self._ended, self._error = run, False, None
        self.log_view.clear(_NO_LOG if run is None else (Cell("reading the log …", Tone.QUIET),))
        self._describe()

    def extend(self, tailed: Tailed) -> None:
        """Append what came of the run's log."""
        if tailed.run != self.run:
            return
        self._ended, self._error = tailed.ended, tailed.error
        self.log_view.dropped += tailed.dropped
        self.log_view.extend(tailed.lines)
        if not self.log_view.lines:
            self.log_view.placeholder = self._placeholder()
            self.log_view.refresh()
        self._describe()

    def _placeholder(self) -> tuple[Cell, ...]:
        if self._error is not None:
            return (
                Cell("The log cannot be read", Tone.BROKEN),
                Cell(self._error),
                Cell("It is tried again", Tone.QUIET),
            )
        if self._ended:
            return (Cell("This run left no log", Tone.QUIET),)
        return (Cell("Nothing said yet", Tone.QUIET),)

    @on(LogView.Moved)
    def _describe(self) -> None:
        log, view = self.log_view, self._view
        run = view.snapshot.runs.get(self.run) if view is not None and self.run is not None else None
        if run is None or view is None:
            self.describe()
            return
        where = rows.number(run.spec.repo, run.spec.issue, "#", many=view.many)
        state = "ended" if self._ended else "following" if log.following else "paused"
        counts = [Cell(state, Tone.QUIET), Cell(f"{len(log.lines):,} lines", Tone.QUIET)]
        if log.dropped:
            counts.append(Cell(f"{log.dropped:,} older dropped", Tone.QUIET))
        if self._error is not None:
            counts.append(Cell("cannot be read", Tone.BROKEN))
        unseen = (
            "" if log.following else f"▼ {log.unseen:,} new · End follows" if log.unseen else "▼ End follows"
        )
        detail = f"{run.spec.worker} {where} attempt {run.spec.attempt}"
        self.describe(
            detail=detail, notes=counts, hint=Cell(run.spec.title[: rows.TITLE], Tone.QUIET), mark=unseen
        )
