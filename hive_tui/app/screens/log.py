"""One log on the whole screen. Keys belong to the log here, none to the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType
from textual.worker import Worker, WorkerState

from hive_tui.app import clipboard, keys, log_file, rows
from hive_tui.app.log_file import Saved
from hive_tui.app.screens.one_log import OneLogScreen
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.errors import words_of
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.store import Diff
from hive_tui.core.targets import runs_of_issue
from widgets.cells import Cell, Line


class LogScreen(OneLogScreen):
    """What an agent says and does."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.log_bindings()]

    def __init__(
        self, logs: Logs, run: RunId, view: View, folder: Path, *, before: Logs | None = None
    ) -> None:
        """`folder` is where logs are saved; `before` reads what a container said before it was started
        again, where the cluster keeps that."""
        super().__init__(logs)
        self._before = before
        self._looks_before = False
        self._logs = logs
        self._run = run
        self._view = view
        self._folder = folder

    def on_mount(self) -> None:
        self.run_log.tick(self._view.now)
        self.run_log.follow(self._run)
        self._describe()

    # What is shown

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        again, self._view = self._started_again, view
        if self.is_mounted and again is not self._started_again:
            self.refresh_bindings()
        if self.is_mounted:
            self.run_log.tick(view.now)
            self._describe()

    def _about(self) -> Line:
        run = self._view.snapshot.runs.get(self._run)
        if run is None:
            return (Cell(self._run, Tone.TITLE), Cell("not listed any more", Tone.QUIET))
        mark = rows.run_mark(run)
        return (
            Cell(run.spec.worker, Tone.TITLE),
            Cell(rows.number(run.spec.repo, run.spec.issue, "#", many=self._view.many)),
            Cell(f"attempt {run.spec.attempt}"),
            Cell(str(mark), mark.tone),
            *((Cell("container before", Tone.SOON),) if self._looks_before else ()),
            Cell(run.spec.title[: rows.TITLE], Tone.QUIET),
        )

    # What the keys do

    def action_attempt(self) -> None:
        """The log of the attempt before this one; before the first one is the last."""
        run = self._view.snapshot.runs.get(self._run)
        attempts = [] if run is None else [each.id for each in runs_of_issue(self._view.snapshot, run.key)]
        if len(attempts) < 2:
            self.notify("There is no other attempt at this issue.", severity="warning", markup=False)
            return
        self._run = attempts[attempts.index(self._run) - 1]
        self._looks_before = False
        self.run_log.follow(self._run)
        self._describe()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """One key looks at what was before: the container where it was started again, else the attempt."""
        if action in ("container", "attempt"):
            return self._started_again is (action == "container")
        return True

    @property
    def _started_again(self) -> bool:
        run = self._view.snapshot.runs.get(self._run)
        again = run is not None and run.place is not None and run.place.restarts > 0
        return again and self._before is not None

    def action_container(self) -> None:
        """What was said before the container was started again, and back."""
        self._looks_before = not self._looks_before
        self.run_log.follow(self._run, self._before if self._looks_before else None)
        self._describe()

    def action_save(self) -> None:
        """Save the log, or those lines of it that are shown only, to a new file."""
        lines = self.run_log.view.lines
        if lines:
            self._save(lines[-1].n)
        else:
            self.notify("There is nothing to save yet.", severity="warning", markup=False)

    @work(thread=True, group="save", exit_on_error=False)
    def _save(self, until: int) -> Saved:
        wanted = self.run_log.view.filter
        logs = self._before if self._looks_before and self._before is not None else self._logs
        return log_file.save(logs, self._run, until, self._folder, now=self._view.now, wanted=wanted)

    @on(Worker.StateChanged)
    def _saved(self, event: Worker.StateChanged) -> None:
        if event.worker.group != "save":
            return
        error = event.worker.error
        if event.state is WorkerState.SUCCESS and isinstance(event.worker.result, Saved):
            saved = event.worker.result
            self.notify(f"Saved {text.plural(saved.lines, 'line')} to {saved.path}", markup=False)
            # A message breaks a long path over lines, from which nobody can copy it.
            clipboard.copy(self.app, str(saved.path), "the file's path")
        elif event.state is WorkerState.ERROR:
            self.notify(words_of(error), severity="error", markup=False)
