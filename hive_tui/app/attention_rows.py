"""How the list of what needs a person reads: what it is, about what, since when, and what helps; pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from hive_tui.app import rows, standstill
from hive_tui.core import actions, text
from hive_tui.core.attention import AttentionItem, AttentionKind
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import Phase
from widgets.cells import Cell, Column, Row

if TYPE_CHECKING:
    from hive_tui.app.view import View

MARKS: dict[AttentionKind, Cell] = {
    AttentionKind.DISPATCHER: Cell("✗", Tone.BROKEN),
    AttentionKind.SOURCE: Cell("✗", Tone.BROKEN),
    AttentionKind.REPOSITORY: Cell("✗", Tone.BROKEN),
    AttentionKind.QUESTION: Cell("?", Tone.SOON),
    AttentionKind.STALLED: Cell("!", Tone.SOON),
    AttentionKind.NEEDS_HUMAN: Cell("!", Tone.SOON),
    AttentionKind.FAILED: Cell("✗", Tone.BROKEN),
    AttentionKind.BUDGET: Cell("$", Tone.SOON),
    AttentionKind.AGENT: Cell("◷", Tone.SOON),
    AttentionKind.CONFLICT: Cell("✗", Tone.SOON),
    AttentionKind.CHECKS: Cell("✗", Tone.SOON),
    AttentionKind.READY_TO_MERGE: Cell("✓", Tone.GOOD),
    AttentionKind.APPROVAL: Cell("?", Tone.SOON),
    AttentionKind.KILLED: Cell("■", Tone.QUIET),
}
"""The word that belongs to the glyph is the first of the item's text."""

_ABOUT_PULLS = (AttentionKind.READY_TO_MERGE, AttentionKind.CONFLICT, AttentionKind.CHECKS)


HELPS = 9
"""Cells of the word for what helps."""


def attention_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("kind", 1, heading=""),
        Column("about", rows.NAMED if many else rows.NUMBER),
        Column("text", 20, flexible=True, heading="what"),
        Column("since", 7, right=True, rank=2),
        Column("action", HELPS, rank=1, heading="helps"),
    )


def attention_row(
    item: AttentionItem, now: datetime, *, many: bool, pending: str | None = None, title: str = ""
) -> Row:
    """`title` is that of the issue, which follows where there is room; `pending` is what was ordered."""
    mark = MARKS[item.kind]
    words = item.text if not title or title in item.text else f"{item.text} · {title[: rows.TITLE]}"
    return Row(
        item.key,
        (
            mark,
            Cell(about(item, many=many)),
            Cell(words, Tone.QUIET if item.kind is AttentionKind.KILLED else Tone.PLAIN),
            Cell(text.since(item.since, now) if item.since is not None else "", Tone.QUIET),
            Cell(f"◌ {pending}", Tone.SOON) if pending is not None else Cell(_verb(item), Tone.QUIET),
        ),
    )


def about(item: AttentionItem, *, many: bool) -> str:
    """`#41`, `!52`, or nothing for the fleet."""
    target = item.target
    if target.repo is None:
        return ""
    if item.kind in _ABOUT_PULLS and target.pull_request is not None:
        return rows.number(target.repo, target.pull_request, "!", many=many)
    return rows.number(target.repo, target.issue, "#", many=many) if target.issue is not None else ""


def helps(item: AttentionItem) -> str:
    """The word for what helps."""
    if item.kind is AttentionKind.QUESTION:
        return "answer"
    return actions.get(item.action).hint if item.action is not None else ""


def _verb(item: AttentionItem) -> str:
    """What helps in a narrow column: of `approve the text` the verb is what counts."""
    words = helps(item)
    return words if text.width(words) <= HELPS else words.partition(" ")[0]


def sentence(item: AttentionItem, *, many: bool) -> str:
    """An item in words of its own, without a list around it."""
    return f"{about(item, many=many)} {item.text}".strip()


def calm(view: View) -> tuple[str, ...]:
    """What an empty list says: that nobody is needed, and what goes on instead."""
    tally = view.tally
    at_work = tally.of(Phase.STARTING, Phase.WORKING, Phase.FINISHING)
    waits = [run for name in view.runs if (run := view.snapshot.runs[name]).phase is Phase.WAITING]
    times = (run.status.until for run in waits)
    resume = min((time for time in times if time is not None and time > view.now), default=None)
    facts = [f"{at_work} at work"] if at_work else []
    if resume is not None:
        facts.append(f"{len(waits)} waiting, next at {text.clock(resume, view.now)}")
    if tally.ready:
        facts.append(f"{tally.ready:,} ready")
    if tally.pulls:
        facts.append(f"{text.plural(tally.pulls, 'pull request')} open")
    why = standstill.why(view)
    if why is not None:
        facts = [why, *facts]
    elif not facts:
        facts = [f"{text.plural(tally.held, 'issue')} held" if tally.held else "No open issue"]
    return ("Nothing needs you", " · ".join(facts))
