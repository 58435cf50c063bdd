"""Pane 4: what the selected agent says and does, live."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from hive_tui.app import rows
from hive_tui.app.panes.base import ViewPane
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Diff
from hive_tui.core.targets import Target
from widgets.cells import Cell

if TYPE_CHECKING:
    from hive_tui.app.run_log import RunLog
    from hive_tui.app.tail import Logs
    from hive_tui.app.view import View
    from widgets.log_view import LogView


class LogPane(ViewPane):
    """The event log of one run at a time."""

    tab = "log"
    source = CLUSTER

    def __init__(self, logs: Logs) -> None:
        super().__init__(4, "Log", id="log")
        self._logs = logs
        self._view: View | None = None

    @cached_property
    def run_log(self) -> RunLog:
        """The log itself."""
        # The first picture has a frame only, and all that reads a log takes long to import.
        from hive_tui.app.run_log import RunLog

        return RunLog(self._logs)

    @property
    def body(self) -> RunLog:
        return self.run_log

    @property
    def log_view(self) -> LogView:
        return self.run_log.view

    @property
    def run(self) -> RunId | None:
        return self.run_log.run

    def follow(self, run: RunId | None) -> None:
        """Show another run's log."""
        self.run_log.follow(run)

    def show(self, view: View, diff: Diff | None) -> None:
        self._view = view
        self.run_log.tick(view.now)
        self._describe()

    def step_back(self) -> bool:
        return self.run_log.step_back()

    @property
    def targets(self) -> Sequence[Target]:
        if self._view is None or self.run is None:
            return ()
        return (self._view.target_of_run(self.run),)

    def on_run_log_described(self) -> None:
        self._describe()

    def _describe(self) -> None:
        view, log = self._view, self.run_log
        run = view.snapshot.runs.get(self.run) if view is not None and self.run is not None else None
        if run is None or view is None:
            self.describe()
            return
        where = rows.number(run.spec.repo, run.spec.issue, "#", many=view.many)
        self.describe(
            detail=f"{run.spec.worker} {where} attempt {run.spec.attempt}",
            notes=log.notes,
            hint=Cell(run.spec.title[: rows.TITLE], Tone.QUIET),
            mark=log.mark,
        )
