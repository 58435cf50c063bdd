"""How runs, issues and pull requests read as one line each; pure, the caller passes `now`.

A state is always a glyph, a word and a tone, so that no meaning rests on colour alone.
"""

from __future__ import annotations

from datetime import datetime

from hive_tui.core import glyphs, text, workflow
from hive_tui.core.gates import Gate
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.ids import RepoName
from hive_tui.core.model import CheckState, Issue, Phase, PullRequest, PullState, Run, VerdictValue
from hive_tui.core.rows import TURN
from hive_tui.core.settings import Preset
from hive_tui.core.workflow import IssueState
from widgets.cells import Cell, Column, Row

_SPIN = "◐◓◑◒"

TITLE = 300
"""Characters of a title that are worth handing to a screen."""

_STOPPING = Mark("■", "stopping", Tone.SOON)
_CHANGES = Mark("✗", "changes", Tone.SOON)
"""Shorter than in reports: the column is narrow."""


def cell(mark: Mark) -> Cell:
    """A state as the cell of a row."""
    return Cell(str(mark), mark.tone)


def number(repo: RepoName, value: int, sign: str, *, many: bool) -> str:
    """`#37`, or `name#37` where the fleet has several repositories."""
    return f"{repo.rpartition('/')[2]}{sign}{value}" if many else f"{sign}{value}"


def run_mark(run: Run, now: datetime) -> Mark:
    """The state of a run; the glyph of one at work turns once in four seconds."""
    if run.stop_requested and not run.phase.final:
        return _STOPPING
    if run.phase is Phase.WORKING:
        return glyphs.PHASES[Phase.WORKING]._replace(glyph=_SPIN[int(now.timestamp()) % len(_SPIN)])
    if run.phase is Phase.WAITING and run.status.until is not None:
        return glyphs.WAITING_FOR_QUOTA
    if run.phase is Phase.CHANGES_REQUESTED:
        return _CHANGES
    return glyphs.PHASES[run.phase]


def agent_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("worker", 10),
        Column("issue", 14 if many else 4),
        Column("state", 13),
        Column("step", 11, rank=3),
        Column("age", 7, right=True),
        Column("tokens", 6, right=True, rank=4),
        Column("cost", 7, right=True, rank=2),
        Column("now", 16, flexible=True, rank=1),
    )


def agent_row(run: Run, now: datetime, *, many: bool) -> Row:
    """Who, what, state, where, since when, how much, now."""
    spec, status, usage = run.spec, run.status, run.status.usage
    over = run.phase.final
    plain = Tone.QUIET if over else Tone.PLAIN
    step = status.step.value if status.step is not None and not over else ""
    if step and status.round > 1:
        step = f"{step} {status.round}"
    tokens = text.count(usage.tokens.total)
    if usage.estimated and usage.tokens.total is not None:
        tokens = f"~{tokens}"
    return Row(
        run.id,
        (
            Cell(spec.worker, Tone.QUIET if over else Tone.TITLE),
            Cell(number(spec.repo, spec.issue, "#", many=many), plain),
            cell(run_mark(run, now)),
            Cell(step, plain),
            Cell(text.since(status.since or spec.created_at, now), plain),
            Cell(tokens, plain),
            Cell(text.money(usage.cost_micros, estimated=usage.estimated), plain),
            _doing(run, now),
        ),
    )


def _doing(run: Run, now: datetime) -> Cell:
    """What a run is doing now, or why it does nothing."""
    status = run.status
    match run.phase:
        case Phase.LOST if not status.phase.final:
            return Cell("its process is gone", Tone.BROKEN)
        case Phase.WAITING if status.until is not None:
            why = (status.why or "waits").partition(" until ")[0]
            return Cell(f"{why}, resumes {text.clock(status.until, now)}", Tone.QUIET)
        case Phase.SUCCEEDED | Phase.KILLED:
            return Cell(status.why or run.spec.branch, Tone.QUIET)
        case Phase.WORKING | Phase.FINISHING:
            pass
        case _ if status.why:
            return Cell(status.why, glyphs.PHASES[run.phase].tone)
    return Cell(status.last_event.text if status.last_event is not None else "")


def issue_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("number", 14 if many else 4),
        Column("state", 13),
        Column("who", 11, rank=1),
        Column("title", 12, flexible=True),
    )


_GATE_WORDS = {
    "author": "author",
    "edited": "was edited",
    "definition-of-done": "no DoD",
    "plan": "no plan",
    "source": "no data",
    "review-limit": "review full",
}

FLEET_GATES = TURN | {"source", "in-work"}
"""Gates that do not lie in the issue: it is ready, and waits for its turn."""


def issue_mark(issue: Issue, preset: Preset, gate: Gate | None, run: Run | None, now: datetime) -> Mark:
    """An issue's state: its live run's, else its label's, else whether something holds it."""
    if run is not None:
        return run_mark(run, now)
    if not issue.open:
        return glyphs.CLOSED
    state = workflow.state(issue.labels, preset)
    if state is IssueState.CHANGES_REQUESTED:
        return _CHANGES
    if state is not None and state is not IssueState.READY:
        return glyphs.ISSUES[state]
    if state is None or (gate is not None and gate.name not in FLEET_GATES):
        return glyphs.HELD
    return glyphs.ISSUES[IssueState.READY]


def issue_row(
    issue: Issue, preset: Preset, gate: Gate | None, run: Run | None, now: datetime, *, many: bool
) -> Row:
    """Number, state, who works on it or what holds it, title."""
    mark = issue_mark(issue, preset, gate, run, now)
    who = ""
    if run is not None:
        who = run.spec.worker
    elif gate is not None and mark.word in (glyphs.HELD.word, "ready"):
        who = gate_word(gate)
    over = not issue.open or mark.word in (glyphs.HELD.word, "done")
    plain = Tone.QUIET if over else Tone.PLAIN
    return Row(
        issue.key,
        (
            Cell(number(issue.repo, issue.number, "#", many=many), plain),
            cell(mark) if issue.open else Cell(str(mark), Tone.QUIET),
            Cell(who, Tone.PLAIN if run is not None else Tone.QUIET),
            Cell(issue.title[:TITLE], plain),
        ),
    )


def gate_word(gate: Gate) -> str:
    """A gate in a word that fits a column; its sentence stands below the list."""
    return _GATE_WORDS.get(gate.name, gate.name)


def pull_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("number", 14 if many else 4),
        Column("state", 9),
        Column("checks", 5),
        Column("mergeable", 9, rank=2),
        Column("issue", 4, rank=1),
        Column("title", 10, flexible=True),
    )


def pull_row(pull: PullRequest, now: datetime, *, many: bool) -> Row:
    """Number, verdict, checks, whether it can be merged, issue, title."""
    over = pull.state is not PullState.OPEN
    plain = Tone.QUIET if over else Tone.PLAIN
    title = pull.title[:TITLE]
    if pull.lease is not None and not over and now < pull.lease.until:
        title = f"taken by {pull.lease.worker} · {title}"
    return Row(
        pull.key,
        (
            Cell(number(pull.repo, pull.number, "!", many=many), plain),
            Cell(str(glyphs.PULLS[pull.state]), Tone.QUIET) if over else cell(_verdict(pull)),
            _checks(pull),
            _mergeable(pull),
            Cell(f"#{pull.issue}" if pull.issue is not None else "", plain),
            Cell(title, plain),
        ),
    )


_IN_REVIEW = Mark("◐", "review")


def _verdict(pull: PullRequest) -> Mark:
    """The verdict on the head commit; what was said of an older one is void."""
    verdict = pull.verdict
    if verdict is None or verdict.sha != pull.head:
        return _IN_REVIEW
    if verdict.value is VerdictValue.CHANGES_REQUESTED:
        return _CHANGES
    return glyphs.VERDICTS[verdict.value]


def _checks(pull: PullRequest) -> Cell:
    """Checks of the head commit; those of older commits say nothing."""
    checks = [check.state for check in pull.checks if check.sha == pull.head]
    if not checks:
        return Cell(text.UNKNOWN, Tone.QUIET)
    passed = checks.count(CheckState.PASSED)
    worst = (
        CheckState.FAILED
        if CheckState.FAILED in checks
        else CheckState.PASSED
        if passed == len(checks)
        else CheckState.PENDING
    )
    mark = glyphs.CHECKS[worst]
    tone = mark.tone if pull.state is PullState.OPEN else Tone.QUIET
    return Cell(f"{mark.glyph} {passed}/{len(checks)}", tone)


def _mergeable(pull: PullRequest) -> Cell:
    if pull.state is not PullState.OPEN:
        return Cell("")
    if pull.mergeable is None:
        return Cell(text.UNKNOWN, Tone.QUIET)
    return Cell("mergeable") if pull.mergeable else Cell("conflict", Tone.BROKEN)
