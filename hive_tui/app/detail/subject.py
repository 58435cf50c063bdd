"""What the screen of one thing is about, worked out anew from each view: issue, attempts, pull request."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hive_tui.app import rows
from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import CLOSED, Tone
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import Issue, PullRequest, Run
from hive_tui.core.targets import Target, runs_of_issue
from widgets.cells import Cell, Line


class Subject(NamedTuple):
    """One thing with everything that belongs to it; None is what there is not, or not any more."""

    target: Target
    key: IssueKey | None = None
    issue: Issue | None = None
    attempts: tuple[Run, ...] = ()
    run: Run | None = None
    """The attempt that is looked at."""
    pull: PullRequest | None = None

    @property
    def number(self) -> int:
        """Which of the attempts is looked at, from 1."""
        return next((i for i, run in enumerate(self.attempts, 1) if run is self.run), 0)

    @property
    def gone(self) -> bool:
        """Nothing is known of it any more."""
        return self.issue is None and self.run is None and self.pull is None

    @property
    def orders(self) -> Target:
        """What an order given here is about."""
        return msgspec.structs.replace(
            self.target,
            repo=self.target.repo if self.key is None else self.key.repo,
            issue=None if self.key is None else self.key.number,
            run=None if self.run is None else self.run.id,
            pull_request=self.target.pull_request if self.pull is None else self.pull.number,
        )


def subject_of(view: View, target: Target, chosen: RunId | None = None) -> Subject:
    """What a target is about now; `chosen` is the attempt to look at, else the target's own, else the
    newest."""
    snapshot = view.snapshot
    named = target.run
    wanted = chosen or named
    run = snapshot.runs.get(wanted) if wanted is not None else None
    pull = snapshot.pulls.get(target.pull_key) if target.pull_key is not None else None
    key = target.issue_key
    if key is None and run is not None:
        key = run.key
    if key is None and pull is not None:
        key = pull.issue_key
    attempts = tuple(runs_of_issue(snapshot, key)) if key is not None else ()
    if run is None and attempts and named is None:
        run = attempts[-1]
    pull = _pull(view, key, run, pull)
    return Subject(target, key, snapshot.issues.get(key) if key else None, attempts, run, pull)


def _pull(view: View, key: IssueKey | None, run: Run | None, pull: PullRequest | None) -> PullRequest | None:
    """The pull request of this attempt, else the one that was asked for, else the issue's."""
    if run is not None and (pull is None or pull.branch != run.spec.branch):
        mine = [p for p in view.snapshot.pulls.values() if p.run == run.id and p.repo == run.spec.repo]
        if mine:
            return max(mine, key=lambda p: p.number)
    if pull is not None or key is None:
        return pull
    return view.pull_of.get(key)


def summary(view: View, subject: Subject) -> Line:
    """Who, what, in which state and for how long; the title last, which may be cut."""
    run, issue, pull = subject.run, subject.issue, subject.pull
    many = view.many
    cells: list[Cell] = []
    if run is not None:
        cells.append(Cell(run.spec.worker, Tone.TITLE))
    if subject.key is not None:
        cells.append(Cell(rows.number(subject.key.repo, subject.key.number, "#", many=many), Tone.TITLE))
    elif pull is not None:
        cells.append(Cell(rows.number(pull.repo, pull.number, "!", many=many), Tone.TITLE))
    if run is not None:
        cells += _run(view, run)
    elif issue is not None:
        gate = view.plan.gate(issue.key) if issue.open else None
        mark = rows.issue_mark(issue, view.settings.labels, gate, None) if issue.open else CLOSED
        pending = view.pending_of(Target(repo=issue.repo, issue=issue.number))
        cells.append(rows.cell(mark) if pending is None else Cell(f"◌ {pending}", Tone.SOON))
    if pull is not None and subject.key is not None:
        cells.append(Cell(f"!{pull.number}", Tone.QUIET))
    title = issue.title if issue is not None else pull.title if pull is not None else ""
    if not title and run is not None:
        title = run.spec.title
    cells.append(Cell(title[: rows.TITLE]))
    return tuple(cell for cell in cells if cell.text)


def _run(view: View, run: Run) -> list[Cell]:
    status = run.status
    step = status.step.value if status.step is not None and not run.phase.final else ""
    if step and status.round > 1:
        step = f"{step}, round {status.round}"
    since = text.since(status.since or run.spec.created_at, view.now)
    return [_state(view, run), Cell(step), Cell(since, Tone.QUIET)]


def _state(view: View, run: Run) -> Cell:
    """The state, or what was ordered and is not a fact yet."""
    pending = view.pending_of(Target(run=run.id))
    return rows.cell(rows.run_mark(run)) if pending is None else Cell(f"◌ {pending}", Tone.SOON)


def figures(subject: Subject, *, wide: bool) -> Line:
    """How much, where, which attempt: what stands at the right of the summary."""
    run = subject.run
    if run is None:
        return ()
    usage = run.status.usage
    tokens = f"{text.count(usage.tokens.total)} tokens" if usage.tokens.total is not None else ""
    if tokens and usage.estimated:
        tokens = f"~{tokens}"
    money = Cell(text.money(usage.cost_micros, estimated=usage.estimated), Tone.QUIET)
    many = len(subject.attempts) > 1
    last = subject.attempts[-1].spec.attempt if subject.attempts else run.spec.attempt
    attempt = Cell(f"attempt {run.spec.attempt} of {last}", Tone.TITLE if many else Tone.QUIET)
    if not wide:
        return (money, attempt)
    return (Cell(tokens, Tone.QUIET), money, Cell(run.spec.branch, Tone.QUIET), attempt)


def removed(subject: Subject) -> str | None:
    """What to say of a thing that is not there any more."""
    target = subject.target
    if target.run is not None and subject.run is None:
        return f"Run {target.run} was removed; its issue is still there." if subject.issue else None
    return None


def name(subject: Subject, tab: str = "") -> str | None:
    """What this is called, to be pasted: on the diff the branch, on the issue its number, else the run."""
    run, key, pull = subject.run, subject.key, subject.pull
    if tab == "diff" and (run is not None or pull is not None):
        return pull.branch if pull is not None else run.spec.branch if run is not None else None
    if run is not None and tab != "issue":
        return run.id
    if key is not None:
        return str(key)
    if pull is not None:
        return str(PullKey(pull.repo, pull.number))
    return run.id if run is not None else None
