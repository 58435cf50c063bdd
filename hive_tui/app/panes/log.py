"""Pane 4: what the selected agent says and does, live."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on

from hive_tui.app import rows
from hive_tui.app.panes.base import ViewPane
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core.events import LogLine
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell
from widgets.log_view import LogView


class LogPane(ViewPane):
    """The event log of one run at a time."""

    tab = "log"
    source = CLUSTER

    def __init__(self, logs: Logs) -> None:
        self.run_log = RunLog(logs)
        super().__init__(4, "Log", self.run_log, id="log")
        self._view: View | None = None

    @property
    def log_view(self) -> LogView[LogLine]:
        return self.run_log.view

    @property
    def run(self) -> RunId | None:
        return self.run_log.run

    def follow(self, run: RunId | None) -> None:
        """Show another run's log."""
        self.run_log.follow(run)

    def show(self, view: View, diff: Diff | None) -> None:
        self._view = view
        self._describe()

    @property
    def targets(self) -> Sequence[Target]:
        if self._view is None or self.run is None:
            return ()
        return (self._view.target_of_run(self.run),)

    @on(RunLog.Described)
    def _describe(self) -> None:
        log, view = self.run_log.view, self._view
        run = view.snapshot.runs.get(self.run) if view is not None and self.run is not None else None
        if run is None or view is None:
            self.describe()
            return
        where = rows.number(run.spec.repo, run.spec.issue, "#", many=view.many)
        state = "ended" if self.run_log.ended else "following" if log.following else "paused"
        counts = [Cell(state, Tone.QUIET), Cell(f"{len(log.lines):,} lines", Tone.QUIET)]
        if log.dropped:
            counts.append(Cell(f"{log.dropped:,} older dropped", Tone.QUIET))
        if self.run_log.error is not None:
            counts.append(Cell("cannot be read", Tone.BROKEN))
        unseen = (
            "" if log.following else f"▼ {log.unseen:,} new · End follows" if log.unseen else "▼ End follows"
        )
        detail = f"{run.spec.worker} {where} attempt {run.spec.attempt}"
        self.describe(
            detail=detail, notes=counts, hint=Cell(run.spec.title[: rows.TITLE], Tone.QUIET), mark=unseen
        )
