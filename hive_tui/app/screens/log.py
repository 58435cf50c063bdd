"""One log on the whole screen. Keys belong to the log here, none to the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from hive_tui.app import clipboard, keys, log_file, rows
from hive_tui.app.key_hints import KeyHints
from hive_tui.app.log_file import Saved
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.errors import words_of
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import RunId
from hive_tui.core.store import Diff
from hive_tui.core.targets import runs_of_issue
from widgets.cells import Cell
from widgets.guarded import GuardedPump
from widgets.headline import Headline


class LogScreen(GuardedPump, Screen[None]):
    """What an agent says and does, with a line selected that can be opened, copied and seen as recorded."""

    CSS_PATH = Path(__file__).with_name("log.tcss")
    AUTO_FOCUS = "RunLog LogView"
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.log_bindings(),
        Binding("q", "leave", "Back", show=False, id="log.leave"),
    ]

    def __init__(
        self, logs: Logs, run: RunId, view: View, folder: Path, *, before: Logs | None = None
    ) -> None:
        """`folder` is where logs are saved; `before` reads what a container said before it was started
        again, where the cluster keeps that."""
        super().__init__()
        self._before = before
        self._looks_before = False
        self._logs = logs
        self._run = run
        self._view = view
        self._folder = folder
        self._title = Headline(id="title")
        self.log_of_run = RunLog(logs, cursor=True)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self.log_of_run
        yield KeyHints(id="keys")

    def on_mount(self) -> None:
        self.log_of_run.tick(self._view.now)
        self.log_of_run.follow(self._run)
        self._describe()

    # What is shown

    def show(self, view: View, diff: Diff | None) -> None:
        """Show a view; `diff` as in `ViewPane.show`."""
        again, self._view = self._started_again, view
        if self.is_mounted and again is not self._started_again:
            self.refresh_bindings()
        if self.is_mounted:
            self.log_of_run.tick(view.now)
            self._describe()

    @on(RunLog.Described)
    def _describe(self) -> None:
        view, log = self._view, self.log_of_run
        run = view.snapshot.runs.get(self._run)
        if run is None:
            self._title.left = (Cell(self._run, Tone.TITLE), Cell("not listed any more", Tone.QUIET))
        else:
            where = rows.number(run.spec.repo, run.spec.issue, "#", many=view.many)
            mark = rows.run_mark(run)
            self._title.left = (
                Cell(run.spec.worker, Tone.TITLE),
                Cell(where),
                Cell(f"attempt {run.spec.attempt}"),
                Cell(str(mark), mark.tone),
                *((Cell("container before", Tone.SOON),) if self._looks_before else ()),
                Cell(run.spec.title[: rows.TITLE], Tone.QUIET),
            )
        waiting = (Cell(log.mark, Tone.TITLE),) if log.mark else ()
        self._title.right = (*log.notes, *waiting)

    # What the keys do

    def action_in_log(self, name: str, *arguments: int) -> None:
        """What the log does by itself, wherever the focus is."""
        getattr(self.log_of_run, f"action_{name}")(*arguments)

    def action_back(self) -> None:
        """One step back: close the input, find nothing, show all lines, leave."""
        if not self.log_of_run.step_back():
            self.dismiss()

    def action_leave(self) -> None:
        self.dismiss()

    def action_attempt(self) -> None:
        """The log of the attempt before this one; before the first one is the last."""
        run = self._view.snapshot.runs.get(self._run)
        attempts = [] if run is None else [each.id for each in runs_of_issue(self._view.snapshot, run.key)]
        if len(attempts) < 2:
            self.notify("There is no other attempt at this issue.", severity="warning", markup=False)
            return
        self._run = attempts[attempts.index(self._run) - 1]
        self._looks_before = False
        self.log_of_run.follow(self._run)
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
        self.log_of_run.follow(self._run, self._before if self._looks_before else None)
        self._describe()

    def action_copy_line(self) -> None:
        """Copy what the selected line says."""
        entry = self.log_of_run.view.entry
        if entry is not None:
            clipboard.copy(self.app, entry.text)

    def action_save(self) -> None:
        """Save the log, or those lines of it that are shown only, to a new file."""
        lines = self.log_of_run.view.lines
        if lines:
            self._save(lines[-1].n)
        else:
            self.notify("There is nothing to save yet.", severity="warning", markup=False)

    @work(thread=True, group="save", exit_on_error=False)
    def _save(self, until: int) -> Saved:
        wanted = self.log_of_run.view.filter
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
