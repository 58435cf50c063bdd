"""The tab Diff: read in a thread, again when its branch or work tree is another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.worker import Worker, WorkerState

from hive_tui.app.detail import changes
from hive_tui.app.detail.subject import Subject
from hive_tui.app.detail.tabs import TextTab
from hive_tui.app.live import Fleet
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.errors import HiveError, words_of
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import PullKey, RunId
from hive_tui.core.ports import Capability, DiffOf, RunDiff
from widgets.cells import Cell, Line
from widgets.prose import Block

AGAIN_SECONDS = 3.0
"""Between two looks at a work tree that changes all the time."""


@dataclass(frozen=True)
class Loaded:
    """A diff, ready to be shown."""

    stamp: object
    blocks: tuple[Block, ...]
    """Empty where nothing changed."""
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
        if loaded is not None and loaded.blocks:
            self.reading.show(loaded.blocks)
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
    return Loaded(stamp, _blocks(diff, said, cut), DiffOf.BRANCH)


def _blocks(diff: str, said: Line, cut: str) -> tuple[Block, ...]:
    files = changes.parse(diff)
    return tuple(changes.diff_blocks(files, said=said, cut=cut)) if files else ()


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
    return Loaded(stamp, _blocks(found.text, said, found.cut or ""), found.of)
