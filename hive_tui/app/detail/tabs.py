"""The tabs of the screen of one thing as widgets: each loads what it shows when it is first looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.worker import Worker, WorkerState

from hive_tui.app.detail import changes, cost, described, issue_text, transcript
from hive_tui.app.detail.changes import FileChange
from hive_tui.app.detail.subject import Subject
from hive_tui.app.live import Fleet
from hive_tui.app.run_log import RunLog
from hive_tui.app.tail import Logs, Tail, Tailed
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import Comment
from hive_tui.core.ports import Capability, DiffOf, RunDiff
from widgets.cells import Cell, Line
from widgets.reading import Reading

BATCH_SECONDS = 0.1
"""Lines of a log are taken in at most so often."""

AGAIN_SECONDS = 3.0
"""Between two looks at a work tree that changes all the time."""


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


class LoggedTab(TextTab):
    """A tab made from a run's log, which it follows."""

    needs_run = True

    class Grew(Message):
        """There are new lines; they are taken from the tail."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, LoggedTab.Grew)

    def __init__(self, name: str, logs: Logs) -> None:
        super().__init__(name)
        self.run: RunId | None = None
        self._tail = Tail(logs, notify=lambda: self.post_message(self.Grew()))
        self._due = False

    def present(self, view: View, subject: Subject) -> None:
        run = None if subject.run is None else subject.run.id
        if run != self.run:
            self.run = run
            self.begin()
            self._tail.follow(run)

    def begin(self) -> None:
        """Forget what was read: it is another run's log now."""
        raise NotImplementedError

    def take(self, tailed: Tailed) -> None:
        """Take in what came."""
        raise NotImplementedError

    def on_unmount(self) -> None:
        self._tail.stop()

    @on(Grew)
    def _grew(self, message: Grew) -> None:
        message.stop()
        if not self._due:
            self._due = True
            self.set_timer(BATCH_SECONDS, self._take)

    def _take(self) -> None:
        self._due = False
        tailed = self._tail.take()
        if tailed is not None and tailed.run == self.run:
            self.take(tailed)
            self.post_message(self.Changed())


class TranscriptTab(LoggedTab):
    """The conversation, to read."""

    label = "Transcript"

    def __init__(self, logs: Logs) -> None:
        super().__init__("transcript", logs)
        self._read = 0
        self._dropped = 0

    def begin(self) -> None:
        self._read, self._dropped = 0, 0
        self.reading.follows = True
        self.reading.show((), placeholder=(Cell("reading the log …", Tone.QUIET),))

    def take(self, tailed: Tailed) -> None:
        self._read += len(tailed.lines)
        self._dropped += tailed.dropped
        self.reading.extend(transcript.transcript_blocks(tailed.lines))
        if self.reading.empty:
            self.reading.show((), placeholder=_no_log(tailed))

    @property
    def notes(self) -> Line:
        lost = (Cell(f"{self._dropped:,} older lines left out", Tone.SOON),) if self._dropped else ()
        return (*lost, *super().notes)


def _no_log(tailed: Tailed) -> Line:
    if tailed.error is not None:
        return (
            Cell("The log cannot be read", Tone.BROKEN),
            Cell(tailed.error),
            Cell("It is tried again", Tone.QUIET),
        )
    return (Cell("This run left no log" if tailed.ended else "Nothing said yet", Tone.QUIET),)


class CostTab(LoggedTab):
    """Tokens and money."""

    label = "Cost"

    def __init__(self, logs: Logs) -> None:
        super().__init__("cost", logs)
        self._tally = cost.Tally()
        self._shown: tuple[View, Subject] | None = None

    def present(self, view: View, subject: Subject) -> None:
        super().present(view, subject)
        self._shown = (view, subject)
        self.reading.show(cost.cost_blocks(view, subject, self._tally))

    def begin(self) -> None:
        self._tally = cost.Tally()

    def take(self, tailed: Tailed) -> None:
        self._tally.feed(tailed.lines)
        if self._shown is not None:
            self.reading.show(cost.cost_blocks(*self._shown, self._tally))


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
    """Everything that is known."""

    label = "Describe"
    prose = False

    def __init__(self) -> None:
        super().__init__("describe")

    def present(self, view: View, subject: Subject) -> None:
        width = max(40, self.size.width - 6)
        self.reading.show(described.described(view, subject, width=width))


@dataclass(frozen=True)
class Loaded:
    """A diff, ready to be shown."""

    stamp: object
    files: tuple[FileChange, ...]
    said: Line
    cut: str
    of: DiffOf


class DiffTab(TextTab):
    """What the branch changes."""

    label = "Diff"
    prose = False

    def __init__(self, fleet: Fleet) -> None:
        super().__init__("diff")
        self._fleet = fleet
        self._loaded: Loaded | None = None
        self._error: str | None = None
        self._loading: object = None
        self._subject: Subject | None = None
        self._view: View | None = None
        self._waits = False

    def present(self, view: View, subject: Subject) -> None:
        other = self._subject is None or _about(self._subject) != _about(subject)
        self._view, self._subject = view, subject
        if other:
            self._loaded = self._error = None
        stamp = _stamp(subject)
        if stamp is None:
            self._loaded = None
            self._show()
        elif other:
            self.reload()
        elif self._loading is None and not self._waits and self._stamp_shown != stamp:
            self._waits = True
            self.set_timer(AGAIN_SECONDS, self._again)

    @property
    def _stamp_shown(self) -> object:
        return self._loaded.stamp if self._loaded is not None else None

    def _again(self) -> None:
        self._waits = False
        if self._subject is not None and self._stamp_shown != _stamp(self._subject):
            self.reload()

    def reload(self) -> None:
        subject = self._subject
        stamp = None if subject is None else _stamp(subject)
        if subject is None or stamp is None:
            return
        load = _loader(self._fleet, subject, stamp)
        if load is None:
            self._error = "This fleet's cluster shows no diff before there is a pull request."
        else:
            self._loading = stamp
            self.run_worker(load, group="diff", thread=True, exclusive=True, exit_on_error=False)
        self._show()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state not in (WorkerState.SUCCESS, WorkerState.ERROR):
            return
        self._loading = None
        result = event.worker.result if event.state is WorkerState.SUCCESS else None
        if isinstance(result, Loaded):
            if self._subject is None or _about_stamp(result.stamp) != _about(self._subject):
                return
            self._loaded, self._error = result, None
        elif event.state is WorkerState.ERROR:
            self._error = words_of(event.worker.error)
        self._show()

    def _show(self) -> None:
        loaded = self._loaded
        if loaded is not None and loaded.files:
            self.reading.show(changes.diff_blocks(loaded.files, said=loaded.said, cut=loaded.cut))
        else:
            self.reading.show((), placeholder=self._placeholder())
        self.post_message(self.Changed())

    def _placeholder(self) -> Line:
        if self._error is not None:
            return (Cell("The diff cannot be read", Tone.BROKEN), Cell(self._error), _RELOAD)
        if self._loading is not None:
            return (Cell("reading the diff …", Tone.QUIET),)
        run = self._subject.run if self._subject is not None else None
        if run is None:
            return ()
        if self._loaded is None or self._loaded.of is DiffOf.NOTHING:
            changed = run.status.changed_files
            if not run.phase.final:
                first = f"{text.plural(changed, 'file')} changed" if changed else "Nothing changed yet"
                return (Cell(first), Cell("The diff comes with the first files it writes", Tone.QUIET))
            return (Cell("This run left no changes"), Cell("`hive retry` starts another attempt", Tone.QUIET))
        return (Cell("Nothing changed yet" if not run.phase.final else "It changed nothing"), _RELOAD)

    @property
    def notes(self) -> Line:
        extra: Line = ()
        if self._loading is not None and self._loaded is not None:
            extra = (Cell("reading it again …", Tone.QUIET),)
        elif self._error is not None and self._loaded is not None:
            extra = (Cell(f"{self._error} This is the last one.", Tone.BROKEN),)
        return (*extra, *super().notes)


_RELOAD = Cell("r reads it again", Tone.QUIET)


def _about(subject: Subject) -> object:
    """Whose diff it is."""
    pull, run = subject.pull, subject.run
    return (None if pull is None else pull.key, None if run is None else run.id)


def _about_stamp(stamp: object) -> object:
    return stamp[0] if isinstance(stamp, tuple) else None


def _stamp(subject: Subject) -> tuple[object, ...] | None:
    """Other where the diff is another one; None where there can be none."""
    pull, run = subject.pull, subject.run
    if pull is not None and _pull_counts(subject):
        return (_about(subject), pull.head, pull.merged_as)
    if run is None:
        return None
    status = run.status
    last = status.last_event.at if status.last_event is not None and not run.phase.final else None
    return (
        _about(subject),
        run.phase.final,
        status.base_sha,
        status.head,
        status.wip,
        status.changed_files,
        last,
    )


def _pull_counts(subject: Subject) -> bool:
    """Whether the pull request says what this attempt changed: not another attempt's, not one at work."""
    pull, run = subject.pull, subject.run
    if pull is None:
        return False
    return run is None or (pull.branch == run.spec.branch and run.phase.final)


def _loader(fleet: Fleet, subject: Subject, stamp: object) -> Callable[[], Loaded] | None:
    """What reads the diff, to be called in a thread."""
    pull, run = subject.pull, subject.run
    if pull is not None and _pull_counts(subject):
        key, head, base = pull.key, pull.head, pull.base
        return lambda: _pull_diff(fleet, key, head, base, stamp)
    if run is None:
        return None
    name, base = run.id, run.spec.base
    return lambda: _run_diff(fleet, name, base, stamp)


def _pull_diff(fleet: Fleet, key: PullKey, head: str, base: str, stamp: object) -> Loaded:
    diff = fleet.forge.diff(key)
    cut = ""
    if len(diff) > changes.LIMIT:
        cut = f"Cut here: the diff is longer than {changes.LIMIT:,} characters."
        diff = diff[: changes.LIMIT]
    said = (Cell(f"!{key.number} at {head[:10]} onto {base}", Tone.QUIET),)
    return Loaded(stamp, tuple(changes.parse(diff)), said, cut, DiffOf.BRANCH)


_SAID = {
    DiffOf.WORK: "its work tree now, with what is not committed yet",
    DiffOf.SAVED: "its unfinished work, saved as",
    DiffOf.BRANCH: "its branch at",
}


def _run_diff(fleet: Fleet, run: RunId, base: str, stamp: object) -> Loaded:
    if Capability.DIFF not in fleet.cluster.capabilities:
        raise HiveError(
            "This fleet's cluster cannot show what a run has changed.",
            "The diff comes with the pull request.",
        )
    found: RunDiff = fleet.cluster.diff(run, limit=changes.LIMIT)
    words = " ".join(filter(None, (_SAID.get(found.of, ""), (found.sha or "")[:10])))
    said = (Cell(f"{words}, against {base}", Tone.QUIET),)
    return Loaded(stamp, tuple(changes.parse(found.text)), said, found.cut or "", found.of)


def words_of(error: BaseException | None) -> str:
    """An error in a sentence, with the next step."""
    if isinstance(error, HiveError):
        return f"{error.message} {error.hint or ''}".strip()
    return f"{type(error).__name__}: {error}"
