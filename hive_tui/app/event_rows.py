"""How the fleet's own log reads: when, what kind, about what, what happened, by whom; pure."""

from __future__ import annotations

from datetime import datetime

from hive_tui.app import rows
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.model import ActorKind, Event
from widgets.cells import Cell, Column, Row

_KINDS: dict[str, Mark] = {
    "start": Mark("▸", "start", Tone.TITLE),
    "fire": Mark("▸", "fire", Tone.TITLE),
    "hold": Mark("─", "hold", Tone.QUIET),
    "limit": Mark("◷", "limit", Tone.SOON),
    "agent": Mark("◷", "agent"),
    "succeeded": Mark("✓", "finished", Tone.GOOD),
    "merge": Mark("✓", "merge", Tone.GOOD),
    "done": Mark("✓", "done", Tone.GOOD),
    "failed": Mark("✗", "failed", Tone.BROKEN),
    "lost": Mark("✗", "lost", Tone.BROKEN),
    "error": Mark("✗", "error", Tone.BROKEN),
    "security": Mark("!", "security", Tone.BROKEN),
    "needs-human": Mark("!", "for you", Tone.SOON),
    "changes-requested": Mark("✗", "changes", Tone.SOON),
    "kill": Mark("■", "kill", Tone.SOON),
    "killed": Mark("■", "killed", Tone.QUIET),
    "pause": Mark("⏸", "pause", Tone.SOON),
    "resume": Mark("▶", "resume", Tone.GOOD),
    "slots": Mark("▰", "slots"),
}

_LOUD = (Tone.BROKEN, Tone.SOON)


def event_columns(*, many: bool) -> tuple[Column, ...]:
    return (
        Column("time", 8, rank=1),
        Column("kind", 10),
        Column("about", rows.NAMED if many else rows.NUMBER),
        Column("text", 24, flexible=True, heading="what"),
        Column("by", 10, rank=2),
    )


def event_mark(kind: str) -> Mark:
    """How a kind looks; one that is not known by its own word."""
    return _KINDS.get(kind, Mark("·", kind))


def event_row(event: Event, now: datetime, *, many: bool) -> Row:
    """Errors, and what is a matter of security, stand out as a whole; what only holds is quiet."""
    mark = event_mark(event.kind)
    at = event.at.astimezone()
    today = at.date() == now.astimezone().date()
    about = ""
    if event.repo is not None and event.number is not None:
        about = rows.number(event.repo, event.number, "#", many=many)
    by = "" if event.actor.kind is ActorKind.DISPATCHER else str(event.actor)
    tone = mark.tone if mark.tone in _LOUD or mark.tone is Tone.QUIET else Tone.PLAIN
    return Row(
        event.seq,
        (
            Cell(at.strftime("%H:%M:%S" if today else "%b %d"), Tone.QUIET),
            Cell(str(mark), mark.tone),
            Cell(about),
            Cell(event.text, tone),
            Cell(by, Tone.QUIET),
        ),
    )
