"""The tabs of the screen of one thing as widgets: each loads what it shows when it is first looked at."""

from __future__ import annotations

from typing import Self

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.worker import Worker, WorkerState

from hive_tui.app.detail import described, issue_text
from hive_tui.app.detail.subject import Subject
from hive_tui.app.live import Fleet
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs
from hive_tui.app.view import View
from hive_tui.core.errors import words_of
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import Comment, Run
from hive_tui.core.ports import Capability, Section
from widgets.cells import Cell, Line
from widgets.reading import Reading


class Tab(Vertical):
    """One of the ways to look at a thing. It is given each view, and looks nothing up before that."""

    label = ""
    needs_run = False

    class Changed(Message):
        """What stands beside the tabs changed."""

    def __init__(self, name: str) -> None:
        super().__init__(id=f"tab-{name}")
        self.reading: Reading | None = None

    def present(self, view: View, subject: Subject) -> None:
        """Show the thing as it is in this view."""
        raise NotImplementedError

    def reload(self) -> None:
        """Read again what is not part of a view."""

    @property
    def notes(self) -> Line:
        """What stands beside the tabs: how far one is, what is found, what is loading."""
        reading = self.reading
        if reading is None:
            return ()
        if reading.needle:
            here, found = reading.found
            return (
                Cell(f"{here:,}/{found:,}" if found else "not found", Tone.TITLE if found else Tone.SOON),
            )
        return (Cell(reading.position, Tone.QUIET),)

    def focus(self, scroll_visible: bool = True) -> Self:
        if self.reading is not None:
            self.reading.focus(scroll_visible)
        return self

    @on(Reading.Moved)
    def _moved(self, message: Reading.Moved) -> None:
        message.stop()
        self.post_message(self.Changed())


class LogTab(Tab):
    """What the agent says and does, line by line."""

    label = "Log"
    needs_run = True

    def __init__(self, logs: Logs) -> None:
        super().__init__("log")
        self.log_of_run = RunLog(logs)

    def compose(self) -> ComposeResult:
        yield self.log_of_run

    def present(self, view: View, subject: Subject) -> None:
        self.log_of_run.follow(None if subject.run is None else subject.run.id)
        self.log_of_run.tick(view.now)

    def focus(self, scroll_visible: bool = True) -> Self:
        self.log_of_run.focus(scroll_visible)
        return self

    @property
    def notes(self) -> Line:
        mark = self.log_of_run.mark
        return (*((Cell(mark, Tone.SOON),) if mark else ()), *self.log_of_run.notes)

    @on(RunLog.Described)
    def _described(self, message: RunLog.Described) -> None:
        message.stop()
        self.post_message(self.Changed())


class TextTab(Tab):
    """A tab that is text to read."""

    prose = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.reading: Reading = Reading(prose=self.prose)

    def compose(self) -> ComposeResult:
        yield self.reading


class IssueTab(TextTab):
    """The issue's text and comments."""

    label = "Issue"

    def __init__(self, fleet: Fleet) -> None:
        super().__init__("issue")
        self._fleet = fleet
        self._comments: list[Comment] | None = None
        self._error: str | None = None
        self._stamp: tuple[object, ...] | None = None
        self._shown: tuple[View, Subject] | None = None

    def present(self, view: View, subject: Subject) -> None:
        self._shown = (view, subject)
        issue = subject.issue
        stamp = (issue.key, issue.comments, issue.updated_at) if issue is not None else None
        if stamp != self._stamp:
            if stamp is None or self._stamp is None or stamp[0] != self._stamp[0]:
                self._comments = None
            self._stamp = stamp
            self.reload()
        self._write()

    def reload(self) -> None:
        issue = self._shown[1].issue if self._shown is not None else None
        if issue is None:
            return
        key, forge = issue.key, self._fleet
        if not issue.comments:
            self._comments = []
        else:
            self.run_worker(
                lambda: _comments(forge, key),
                group="comments",
                thread=True,
                exclusive=True,
                exit_on_error=False,
            )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.SUCCESS and event.worker.result is not None:
            _, self._comments = event.worker.result
            self._error = None
        elif event.state is WorkerState.ERROR:
            self._error = words_of(event.worker.error)
        self._write()
        self.post_message(self.Changed())

    def _write(self) -> None:
        if self._shown is None:
            return
        view, subject = self._shown
        blocks = issue_text.issue_blocks(view, subject, self._comments)
        if not blocks:
            gone = (
                Cell("The tracker has no such issue", Tone.SOON),
                Cell("It may have been removed", Tone.QUIET),
            )
            self.reading.show((), placeholder=gone)
        else:
            self.reading.show(blocks)

    @property
    def notes(self) -> Line:
        if self._error is not None:
            return (Cell(f"comments: {self._error}", Tone.BROKEN),)
        return super().notes


def _comments(fleet: Fleet, key: IssueKey) -> tuple[IssueKey, list[Comment]]:
    return key, fleet.forge.comments(key)


class DescribeTab(TextTab):
    """Everything that is known, by the cluster itself too."""

    label = "Describe"
    prose = False

    def __init__(self, fleet: Fleet) -> None:
        super().__init__("describe")
        self._fleet = fleet
        self._run: Run | None = None
        self._sections: tuple[Section, ...] = ()
        self._asking = False
        self._error: str | None = None
        self._shown: tuple[View, Subject] | None = None

    def present(self, view: View, subject: Subject) -> None:
        self._shown = (view, subject)
        before, self._run = self._run, subject.run
        if _looks_of(before) != _looks_of(self._run):
            if before is None or self._run is None or before.id != self._run.id:
                self._sections = ()
            self.reload()
        self._write()

    def reload(self) -> None:
        if self._run is None:
            return
        run, fleet = self._run.id, self._fleet
        self._asking = True
        self.run_worker(
            lambda: _sections(fleet, run), group="describe", thread=True, exclusive=True, exit_on_error=False
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.SUCCESS and event.worker.result is not None:
            run, sections = event.worker.result
            if self._run is not None and self._run.id == run:
                self._asking, self._sections, self._error = False, sections, None
        elif event.state is WorkerState.ERROR:
            self._asking, self._error = False, words_of(event.worker.error)
        else:
            return
        self._write()
        self.post_message(self.Changed())

    def _write(self) -> None:
        if self._shown is not None:
            width = max(40, self.size.width - 6)
            view, subject = self._shown
            self.reading.show(described.described(view, subject, width=width, sections=self._sections))

    @property
    def notes(self) -> Line:
        if self._error is not None:
            return (Cell(f"cluster: {self._error}", Tone.BROKEN),)
        if self._asking and not self._sections:
            return (Cell("asking the cluster …", Tone.QUIET), *super().notes)
        return super().notes


def _looks_of(run: Run | None) -> tuple[object, ...] | None:
    """What the cluster's own description hangs on, as far as it is known here."""
    return None if run is None else (run.id, run.status.phase, run.process, run.place)


def _sections(fleet: Fleet, run: RunId) -> tuple[RunId, tuple[Section, ...]]:
    able = Capability.DESCRIBE in fleet.cluster.capabilities
    return run, fleet.cluster.describe(run) if able else ()
