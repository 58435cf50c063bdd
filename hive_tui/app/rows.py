"""How runs, issues and pull requests read as one line each; pure, the caller passes `now`.

A state is always a glyph, a word and a tone, so that no meaning rests on colour alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from hive_tui.core import actions, glyphs, text, workflow
from hive_tui.core.gates import Gate
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.ids import RepoName
from hive_tui.core.model import CheckState, Issue, Phase, PullRequest, PullState, Run, VerdictValue
from hive_tui.core.rows import TURN, WAIT_IS_OVER, waits_for
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


NUMBER, NAMED = 6, 14
"""Cells of a number, and of one with its repository's name."""


def number(repo: RepoName, value: int, sign: str, *, many: bool) -> str:
    """`#37`, or `name#37` where the fleet has several repositories; the figures are never cut off."""
    figures = f"{sign}{value}"
    if many:
        return text.truncate(repo.rpartition("/")[2], NAMED - len(figures)) + figures
    return figures if len(figures) <= NUMBER else f"…{figures[1 - NUMBER :]}"


WORKER = 10
"""Cells of a worker's name."""


def worker_name(worker: str, cells: int = WORKER) -> str:
    """A worker's name of at most so many cells: which of its agent's workers it is stays readable."""
    if text.width(worker) <= cells:
        return worker
    agent, _, letters = worker.rpartition("-")
    end = f"-{letters}"
    return text.truncate(agent, cells - len(end)) + end if agent and len(end) < cells - 2 else worker


def run_mark(run: Run) -> Mark:
    """The state of a run; the glyph of one at work turns when it says something, at most once a second."""
    if run.stop_requested and not run.phase.final:
        return _STOPPING
    if run.phase is Phase.WORKING:
        said = run.status.last_event
        turn = int(said.at.timestamp()) % len(_SPIN) if said is not None else 0
        working = glyphs.PHASES[Phase.WORKING]
        return Mark(_SPIN[turn], working.word, working.tone)
    if run.phase is Phase.WAITING and run.status.until is not None:
        return glyphs.WAITING_FOR_QUOTA
    if run.phase is Phase.CHANGES_REQUESTED:
        return _CHANGES
    return glyphs.PHASES[run.phase]


NODE = 12
"""Cells of a node's name, with how often the run was started again there."""


def agent_columns(*, many: bool, placed: bool = False) -> tuple[Column, ...]:
    """`placed`: runs are on the machines of a cluster, which are named where there is room."""
    node = (Column("node", NODE, rank=5, leaves=18),) if placed else ()
    return (
        Column("worker", WORKER),
        Column("issue", NAMED if many else NUMBER),
        Column("state", 13),
        Column("step", 11, rank=3),
        Column("age", 7, right=True, rank=1),
        Column("tokens", 6, right=True, rank=4),
        Column("cost", 7, right=True, rank=2),
        *node,
        Column("now", 12, flexible=True),
    )


NEWS = timedelta(seconds=5)
"""How long a state that has just changed stands out."""

SILENT = timedelta(minutes=2)
"""From when on an agent's last words stand with their age."""


def agent_row(
    run: Run,
    now: datetime,
    *,
    many: bool,
    placed: bool = False,
    pending: str | None = None,
    pull: PullRequest | None = None,
    turn: str = WAIT_IS_OVER,
) -> Row:
    """Who, what, state, where, since when, how much, now. `pending` is what was ordered and is not a
    fact yet, `pull` the run's pull request, `turn` what it waits for once its wait is over; `placed` as in
    `agent_columns`."""
    spec, status, usage = run.spec, run.status, run.status.usage
    over = run.phase.final
    plain = Tone.QUIET if over else Tone.PLAIN
    step = status.step.value if status.step is not None and not over else ""
    if step and status.round > 1:
        step = f"{step} {status.round}"
    tokens = text.count(usage.tokens.total)
    if usage.estimated and usage.tokens.total is not None:
        tokens = f"~{tokens}"
    since = status.since or spec.created_at
    news = timedelta() <= now - since < NEWS
    state = cell(run_mark(run)) if pending is None else Cell(f"◌ {pending}", Tone.SOON)
    if news and state.tone is Tone.PLAIN:
        state = state._replace(tone=Tone.TITLE)
    return Row(
        run.id,
        (
            Cell(worker_name(spec.worker), Tone.QUIET if over else Tone.TITLE),
            Cell(number(spec.repo, spec.issue, "#", many=many), plain),
            state,
            Cell(step, plain),
            Cell(text.since(since, now), Tone.TITLE if news else plain),
            Cell(tokens, plain),
            Cell(text.money(usage.cost_micros, estimated=usage.estimated), plain),
            *((_node(run),) if placed else ()),
            _doing(run, now, pull, turn),
        ),
    )


def _node(run: Run) -> Cell:
    """On which node a run works, and how often it was started again there."""
    place = run.place
    if place is None or run.phase.final:
        return Cell("")
    again = f" ↻{place.restarts}" if place.restarts else ""
    node = text.truncate(text.clean_line(place.node or text.UNKNOWN), NODE - len(again))
    return Cell(f"{node}{again}", Tone.SOON if place.restarts or place.condition else Tone.QUIET)


def _doing(run: Run, now: datetime, pull: PullRequest | None, turn: str) -> Cell:
    """What a run is doing now, or why it does nothing."""
    status = run.status
    match run.phase:
        case Phase.LOST if not status.phase.final:
            return Cell("its process is gone", Tone.BROKEN)
        case Phase.WAITING if status.until is not None:
            resumes = f"{waits_for(status.why)}, resumes {text.clock(status.until, now)}"
            return Cell(resumes if now < status.until else turn, Tone.QUIET)
        case Phase.SUCCEEDED if pull is not None and pull.run == run.id:
            return Cell(f"!{pull.number} {pull.state.value}: {pull.title[:TITLE]}", Tone.QUIET)
        case Phase.SUCCEEDED | Phase.KILLED:
            return Cell(status.why or run.spec.branch, Tone.QUIET)
        case Phase.WORKING | Phase.FINISHING:
            pass
        case _ if status.why:
            return Cell(status.why, glyphs.PHASES[run.phase].tone)
    if run.place is not None and run.place.condition and not run.phase.final:
        return Cell(text.clean_line(run.place.condition), Tone.SOON)
    last = status.last_event
    if last is None:
        return Cell("")
    if now - last.at < SILENT or run.phase.final:
        return Cell(last.text)
    return Cell(f"{text.since(last.at, now)} ago: {last.text}")


def issue_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("number", NAMED if many else NUMBER, heading="#"),
        Column("state", 13),
        Column("who", 11, rank=1, heading="who, why"),
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


def issue_mark(issue: Issue, preset: Preset, gate: Gate | None, run: Run | None) -> Mark:
    """An issue's state: its live run's, else its label's, else whether something holds it."""
    if run is not None:
        return run_mark(run)
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


class IssueAbout(msgspec.Struct, frozen=True):
    """What else there is to an issue."""

    gate: Gate | None = None
    run: Run | None = None
    """The one at work on it."""
    pull: PullRequest | None = None
    mergeable: bool = False
    """Nothing stands between its pull request and the merge."""
    fired: bool = False
    pending: str | None = None
    """What was ordered and is not a fact yet."""


def issue_row(
    issue: Issue, preset: Preset, about: IssueAbout, now: datetime, *, many: bool, compact: bool = False
) -> Row:
    """Number, state, who works on it, what holds it or what comes next, title. `compact` is without a
    column of its own for the third: what holds an issue then stands in place of `held`."""
    mark = issue_mark(issue, preset, about.gate, about.run)
    over = not issue.open or mark.word in (glyphs.HELD.word, "done")
    plain = Tone.QUIET if over else Tone.PLAIN
    who = _who(issue, mark, about)
    state = cell(mark) if issue.open else Cell(str(mark), Tone.QUIET)
    if about.pending is not None:
        state = Cell(f"◌ {about.pending}", Tone.SOON)
    elif compact and mark.word == glyphs.HELD.word and who.text:
        state = Cell(f"{mark.glyph} {who.text}", mark.tone)
    return Row(
        issue.key,
        (
            Cell(number(issue.repo, issue.number, "#", many=many), plain),
            state,
            who,
            Cell(issue.title[:TITLE], plain),
        ),
        issue.url,
    )


def _who(issue: Issue, mark: Mark, about: IssueAbout) -> Cell:
    """Who works on it; else what holds it, or what a person does next."""
    pull = about.pull
    if about.run is not None:
        return Cell(worker_name(about.run.spec.worker, 11))
    if not issue.open:
        return Cell("")
    if about.fired:
        return Cell("fired", Tone.SOON)
    if mark.word == glyphs.ISSUES[IssueState.IN_REVIEW].word and pull is not None:
        if about.mergeable:
            return Cell(f"!{pull.number} {actions.get('merge').hint}", Tone.GOOD)
        return Cell(f"!{pull.number} {'conflict' if pull.mergeable is False else 'review'}", Tone.QUIET)
    if mark.tone is Tone.SOON and mark.word in (_CHANGES.word, glyphs.ISSUES[IssueState.NEEDS_HUMAN].word):
        return Cell(actions.get("retry").hint, Tone.QUIET)
    if about.gate is not None and mark.word in (glyphs.HELD.word, "ready"):
        return Cell(gate_word(about.gate), Tone.QUIET)
    return Cell("")


def gate_word(gate: Gate) -> str:
    """A gate in a word that fits a column; its sentence stands below the list."""
    return _GATE_WORDS.get(gate.name, gate.name)


def pull_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("number", NAMED if many else NUMBER, heading="#"),
        Column("state", 9),
        Column("checks", 5),
        Column("mergeable", 9, rank=2, heading="merge"),
        Column("issue", NUMBER, rank=1),
        Column("title", 10, flexible=True),
    )


def pull_row(
    pull: PullRequest,
    now: datetime,
    *,
    many: bool,
    ready: bool = False,
    pending: str | None = None,
    compact: bool = False,
) -> Row:
    """Number, verdict, checks, whether it can be merged, issue, title. `ready` is: nothing stands
    against its merge; `compact` is without a column that says so."""
    over = pull.state is not PullState.OPEN
    plain = Tone.QUIET if over else Tone.PLAIN
    merge = Cell("") if over else _merge(pull, now, ready=ready)
    state = Cell(str(glyphs.PULLS[pull.state]), Tone.QUIET) if over else cell(_verdict(pull))
    if pending is not None:
        state = Cell(f"◌ {pending}", Tone.SOON)
    elif compact and merge.tone is not Tone.PLAIN:
        state = merge
    return Row(
        pull.key,
        (
            Cell(number(pull.repo, pull.number, "!", many=many), plain),
            state,
            _checks(pull),
            merge,
            Cell(f"#{pull.issue}" if pull.issue is not None else "", plain),
            Cell(pull.title[:TITLE], plain),
        ),
        pull.url,
    )


def _merge(pull: PullRequest, now: datetime, *, ready: bool) -> Cell:
    """Whether it can be merged; who has reserved it comes before that."""
    if pull.mergeable is False:
        return Cell("conflict", Tone.BROKEN)
    if pull.lease is not None and now < pull.lease.until:
        hours, rest = divmod(int((pull.lease.until - now).total_seconds()) // 60, 60)
        return Cell(f"taken {hours}h" if hours else f"taken {rest}m", Tone.SOON)
    if ready:
        return Cell("✓ ready", Tone.GOOD)
    if pull.mergeable is None:
        return Cell("unknown", Tone.QUIET)
    return Cell("mergeable")


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
