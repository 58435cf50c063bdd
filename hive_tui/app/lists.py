"""Which items the panes list and in what order, and what their titles count; pure."""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from hive_tui.app.rows import FLEET_GATES
from hive_tui.core import workflow
from hive_tui.core.attention import later
from hive_tui.core.gates import Gate
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import Issue, Phase, PullRequest, PullState, Run
from hive_tui.core.settings import Preset
from hive_tui.core.store import Snapshot
from hive_tui.core.workflow import IssueState

GateOf = Callable[[IssueKey], Gate | None]

ENDED_RUNS = 20
"""Ended runs that stay in sight below those at work."""

DONE_ISSUES = 20
MERGED_PULLS = 20

_READY, _HELD = 3, 4
"""Places of issues in their list."""

_URGENCY = {
    Phase.STALLED: 0,
    Phase.NEEDS_HUMAN: 0,
    Phase.LOST: 0,
    Phase.WAITING: 1,
    Phase.WORKING: 2,
    Phase.FINISHING: 2,
    Phase.STARTING: 3,
    Phase.QUEUED: 4,
}


def runs(snapshot: Snapshot) -> list[RunId]:
    """Runs at work, those that need somebody first; then the last ones that ended."""
    live: list[Run] = []
    ended: list[Run] = []
    for run in snapshot.runs.values():
        at_work = not run.phase.final or (run.phase is Phase.LOST and run.live)
        (live if at_work else ended).append(run)
    live.sort(key=lambda run: (_urgency(run), run.spec.worker, run.spec.created_at, run.id))
    return [run.id for run in (*live, *heapq.nlargest(ENDED_RUNS, ended, key=_ended_at))]


def _urgency(run: Run) -> int:
    waits_for_time = run.phase is Phase.WAITING and run.status.until is not None
    return 3 if waits_for_time else _URGENCY.get(run.phase, 5)


def _ended_at(run: Run) -> tuple[datetime, str]:
    return (run.status.ended_at or run.status.since or run.spec.created_at, run.id)


def live_runs(snapshot: Snapshot) -> dict[IssueKey, Run]:
    """The run at work on each issue."""
    found: dict[IssueKey, Run] = {}
    for run in snapshot.runs.values():
        if not run.status.phase.final:
            found[run.key] = later(run, found.get(run.key))
    return found


def issues(snapshot: Snapshot, preset: Preset, gate: GateOf) -> list[IssueKey]:
    """Open issues: what needs somebody, what is worked on, what is ready, in review, held; then the
    last ones done."""
    at_work = live_runs(snapshot)
    still_open = [issue for issue in snapshot.issues.values() if is_open(issue, preset)]
    still_open.sort(key=lambda issue: issue_rank(issue, preset, gate(issue.key), at_work.get(issue.key)))
    done = [issue for issue in snapshot.issues.values() if not is_open(issue, preset)]
    done.sort(key=lambda issue: (issue.updated_at, issue.key), reverse=True)
    return [issue.key for issue in (*still_open, *done[:DONE_ISSUES])]


def is_open(issue: Issue, preset: Preset) -> bool:
    """Neither closed nor done."""
    return issue.open and workflow.state(issue.labels, preset) is not IssueState.DONE


def issue_rank(
    issue: Issue, preset: Preset, gate: Gate | None, run: Run | None
) -> tuple[int, int, datetime, IssueKey]:
    """An open issue's place among the others, by what holds it and the run at work on it."""
    return (
        _place(issue, preset, gate, run),
        workflow.priority(issue.labels),
        issue.created_at,
        issue.key,
    )


def _place(issue: Issue, preset: Preset, gate: Gate | None, run: Run | None) -> int:
    state = workflow.state(issue.labels, preset)
    if run is not None:
        return 1 if _urgency(run) > 1 else 0
    if state in (IssueState.NEEDS_HUMAN, IssueState.CHANGES_REQUESTED):
        return 0
    if state is IssueState.IN_PROGRESS:
        return 1
    if state is IssueState.IN_REVIEW:
        return 2
    return _READY if gate is None or gate.name in FLEET_GATES else _HELD


def pulls(snapshot: Snapshot) -> list[PullKey]:
    """Open pull requests, the oldest first, then the last ones merged or closed."""
    is_open = [pull for pull in snapshot.pulls.values() if pull.state is PullState.OPEN]
    over = [pull for pull in snapshot.pulls.values() if pull.state is not PullState.OPEN]
    is_open.sort(key=_pull_age)
    over.sort(key=lambda pull: (pull.updated_at, pull.key), reverse=True)
    return [pull.key for pull in (*is_open, *over[:MERGED_PULLS])]


def _pull_age(pull: PullRequest) -> tuple[datetime, PullKey]:
    return (pull.created_at, pull.key)


class Tally(NamedTuple):
    """How many there are of what, for titles and the words in place of empty lists."""

    phases: tuple[tuple[Phase, int], ...] = ()
    """Of the runs that have not ended, in the order of the phases."""
    issues: int = 0
    """Open ones."""
    ready: int = 0
    """Open issues that wait for nothing but their turn."""
    held: int = 0
    """Open issues that something of their own holds."""
    pulls: int = 0
    """Open ones."""

    def of(self, *phases: Phase) -> int:
        """Runs in one of these phases."""
        return sum(number for phase, number in self.phases if phase in phases)


def tally(
    snapshot: Snapshot,
    preset: Preset,
    gate: GateOf,
    at_work: Mapping[IssueKey, Run],
    *,
    issues: Sequence[IssueKey],
    runs: Iterable[RunId],
    pulls: Sequence[PullKey],
) -> Tally:
    """Counted in the lists, as they are ordered here: it takes a few looks at the issues, not one at each."""
    phases: Counter[Phase] = Counter()
    for name in runs:
        run = snapshot.runs[name]
        if not run.phase.final or not run.status.phase.final:
            phases[run.phase] += 1
    done = itertools.takewhile(lambda key: not is_open(snapshot.issues[key], preset), reversed(issues))
    still_open = len(issues) - sum(1 for _ in done)

    def place(index: int) -> int:
        key = issues[index]
        return _place(snapshot.issues[key], preset, gate(key), at_work.get(key))

    positions = range(still_open)
    ready_from = bisect_left(positions, _READY, key=place)
    held_from = bisect_left(positions, _HELD, key=place)
    over = itertools.takewhile(lambda key: snapshot.pulls[key].state is not PullState.OPEN, reversed(pulls))
    return Tally(
        phases=tuple((phase, phases[phase]) for phase in Phase if phases[phase]),
        issues=still_open,
        ready=held_from - ready_from,
        held=still_open - held_from,
        pulls=len(pulls) - sum(1 for _ in over),
    )
