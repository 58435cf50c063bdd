"""Tables of issues, runs, pull requests and events: the same in the report and in the lists of the CLI."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from hive_tui.core import glyphs, text
from hive_tui.core.columns import Cell, Column, Line, Span, table
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.model import CheckState, Fleet, Phase, PullState, VerdictValue
from hive_tui.core.workflow import IssueState

if TYPE_CHECKING:
    from hive_tui.core.document import EventDoc, IssueDoc, PullDoc, RunDoc

INDENT = 2

_NAME = 20
"""Cells of a number with its repository's name."""

_ID = 30
"""Most cells of a run's id."""

TURN = frozenset({"slots", "paused", "back-off", "review-limit"})
"""Gates that pass by themselves: the issue is ready and waits for its turn."""


WAIT_IS_OVER = "its wait is over"


def turn(*, paused: bool, used: int | None, slots: int | None) -> str:
    """What a run of the fleet that has waited long enough still waits for: it gave its slot back."""
    if paused:
        return "the fleet is paused"
    full = used is not None and slots is not None and used >= slots
    return "waits for a slot" if full else WAIT_IS_OVER


def turn_of(fleet: Fleet | None) -> str:
    """The same, as the fleet is now."""
    if fleet is None:
        return WAIT_IS_OVER
    return turn(paused=fleet.paused is not None, used=len(fleet.slots_used), slots=fleet.slots)


def waits_for(why: str | None) -> str:
    """Why a run waits, without the time until when."""
    return (why or "waits").partition(" until ")[0]


class Page(msgspec.Struct, frozen=True):
    """What tables are laid out for: so many cells, at this moment."""

    width: int
    now: datetime
    several_repos: bool = False
    """Numbers stand with their repository's own name."""
    turn: str = WAIT_IS_OVER
    """What a run whose wait is over still waits for, as `turn` says."""

    def name(self, repo: str | None, number: str) -> str:
        """`#42`, or `parser#42` where there are several repositories."""
        if repo is None or not self.several_repos:
            return number
        return text.truncate(repo.rpartition("/")[2], _NAME - len(number)) + number

    def names(self, title: str) -> Column:
        return Column(title, _NAME if self.several_repos else 6)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[Line]:
        return table(columns, rows, self.width, INDENT)


def issue_table(page: Page, issues: Sequence[IssueDoc]) -> list[Line]:
    """Issues with what holds them."""
    columns = (
        page.names("issue"),
        Column("state", 15),
        Column("worker", 10, least=80),
        Column("title", share=2),
        Column("why not started", share=3),
    )
    rows: list[Sequence[Cell]] = [
        (
            Span(page.name(issue.repo, f"#{issue.number}"), link=issue.url),
            issue_mark(issue),
            issue.worker or "",
            issue.title,
            Span(issue.gate.detail if issue.gate is not None else "", Tone.QUIET),
        )
        for issue in issues
    ]
    return page.table(columns, rows)


def issue_mark(issue: IssueDoc) -> Mark:
    """How an issue's state looks; one that a gate holds for longer than its turn is `held`."""
    if not issue.open:
        return glyphs.CLOSED
    if issue.state is None:
        return glyphs.NO_STATE
    state = IssueState(issue.state)
    if state is IssueState.READY and issue.gate is not None and issue.gate.name not in TURN:
        return glyphs.HELD
    return glyphs.ISSUES[state]


_ISSUE_ORDER = ("in-progress", "changes-requested", "needs-human", "in-review", "ready", "done")


def issue_order(issue: IssueDoc) -> tuple[bool, int, bool, str, int]:
    """Open before closed; at work, for a person, ready, held; then by number."""
    rank = _ISSUE_ORDER.index(issue.state) if issue.state in _ISSUE_ORDER else len(_ISSUE_ORDER)
    return not issue.open, rank, issue_mark(issue) is glyphs.HELD, issue.repo, issue.number


def run_table(page: Page, runs: Sequence[RunDoc], *, ids: bool = False) -> list[Line]:
    """Runs with the last line of each; with `ids` the run's id stands first.

    Names take what the longest of them needs then, and figures come where why a run waits has room beside
    them.
    """
    placed = any(run.place is not None for run in runs)
    names = [page.name(run.repo, f"#{run.issue}") for run in runs]
    issue = page.names("issue")
    if ids:
        issue = issue._replace(cells=min(issue.cells, _longest("issue", names)))
    columns = (
        *((Column("run", min(_ID, _longest("run", [run.id for run in runs]))),) if ids else ()),
        Column("worker", 10, least=90 if ids else 0),
        issue,
        Column("phase", 15),
        Column("step", 9, least=120 if ids else 80),
        Column("age", 7, right=True),
        Column("tokens", 6, right=True, least=130 if ids else 100),
        Column("cost", 9, right=True, least=110 if ids else 0),
        Column("model", 18, least=170 if ids else 130),
        *((Column("node", 18, least=150 if ids else 120),) if placed else ()),
        Column("last", share=1),
    )
    rows: list[Sequence[Cell]] = [
        (
            *((run.id,) if ids else ()),
            run.worker,
            name,
            run_mark(run),
            "" if Phase(run.phase).final else run.step or "",
            text.since(run.since, page.now),
            text.count(run.tokens.total),
            text.money(run.cost_micros, estimated=run.estimated),
            run.model or "",
            *((_node(run),) if placed else ()),
            last_line(run, page),
        )
        for run, name in zip(runs, names, strict=True)
    ]
    return page.table(columns, rows)


def _longest(title: str, texts: Sequence[str]) -> int:
    return max(len(title), *map(text.width, texts), 0)


def _node(run: RunDoc) -> Cell:
    """The node of a run at work, and how often it was started again."""
    place = run.place
    if place is None or Phase(run.phase).final:
        return ""
    node = text.truncate(text.clean_line(place.node or text.UNKNOWN), 14)
    return Span(
        f"{node} ↻{place.restarts}" if place.restarts else node, Tone.SOON if place.restarts else Tone.PLAIN
    )


def run_mark(run: RunDoc) -> Mark:
    """How a run's phase looks."""
    phase = Phase(run.phase)
    if phase is Phase.WAITING and not (run.why or "").startswith("asks"):
        return glyphs.WAITING_FOR_QUOTA
    return glyphs.PHASES[phase]


def last_line(run: RunDoc, page: Page) -> str:
    """What there is to say about a run in one line: why it is where it is, else what it did last."""
    phase = Phase(run.phase)
    if phase is Phase.WAITING and run.until is not None:
        # When comes first: where the column is narrow the rest is cut off.
        left = run.until - page.now
        return f"in {text.age(left)}: {waits_for(run.why)}" if left > timedelta() else page.turn
    if run.why and phase not in (Phase.WORKING, Phase.SUCCEEDED):
        return run.why
    if run.place is not None and run.place.condition and not phase.final:
        return run.place.condition
    if run.last_event is not None:
        return run.last_event.text
    return run.why or ""


def pull_table(page: Page, pulls: Sequence[PullDoc]) -> list[Line]:
    """Pull requests with what a merge depends on."""
    columns = (
        page.names("pull"),
        Column("issue", 6, least=80),
        Column("state", 8),
        Column("review", 15, least=70),
        Column("checks", 8),
        Column("merge", 10),
        Column("title", share=1),
    )
    rows: list[Sequence[Cell]] = [
        (
            Span(page.name(pull.repo, f"!{pull.number}"), link=pull.url),
            "" if pull.issue is None else f"#{pull.issue}",
            glyphs.PULLS[PullState(pull.state)],
            _review(pull),
            checks_mark(pull),
            _merge(pull),
            pull.title,
        )
        for pull in pulls
    ]
    return page.table(columns, rows)


def _review(pull: PullDoc) -> Cell:
    if pull.verdict is not None:
        return glyphs.VERDICTS[VerdictValue(pull.verdict)]
    return Span("– outdated" if pull.verdict_sha is not None else "– none", Tone.QUIET)


def checks_mark(pull: PullDoc) -> Mark:
    """The checks of the head commit in one mark: how many passed, and whether the rest failed."""
    states = [check.state for check in pull.checks]
    if not states:
        return Mark(text.UNKNOWN, "none", Tone.QUIET)
    passed = states.count(CheckState.PASSED.value)
    if CheckState.FAILED.value in states:
        mark = glyphs.CHECKS[CheckState.FAILED]
    elif passed < len(states):
        mark = glyphs.CHECKS[CheckState.PENDING]
    else:
        mark = glyphs.CHECKS[CheckState.PASSED]
    return Mark(mark.glyph, f"{passed}/{len(states)}", mark.tone)


def _merge(pull: PullDoc) -> Cell:
    if pull.state != PullState.OPEN.value:
        return ""
    if pull.mergeable is None:
        return Span(f"{text.UNKNOWN} unknown", Tone.QUIET)
    return Mark("✓", "clean", Tone.GOOD) if pull.mergeable else Mark("✗", "conflict", Tone.BROKEN)


def event_table(page: Page, events: Sequence[EventDoc]) -> list[Line]:
    """Lines of the fleet's log."""
    columns = (
        Column("time", 12),
        Column("kind", 11),
        page.names("about"),
        Column("by", 12, least=80),
        Column("what", share=1),
    )
    rows: list[Sequence[Cell]] = [
        (
            text.clock(event.at, page.now),
            Span(event.kind, _EVENTS.get(event.kind, Tone.PLAIN)),
            "" if event.number is None else page.name(event.repo, f"#{event.number}"),
            event.actor,
            event.text,
        )
        for event in events
    ]
    return page.table(columns, rows)


_EVENTS = {
    "error": Tone.BROKEN,
    "failed": Tone.BROKEN,
    "lost": Tone.BROKEN,
    "limit": Tone.SOON,
    "needs-human": Tone.SOON,
    "succeeded": Tone.GOOD,
    "merge": Tone.GOOD,
    "done": Tone.GOOD,
}
