"""How far what a pane shows can be trusted, in words: on its frame, and in place of its rows; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.sources import FORGE, Freshness, Health
from widgets.cells import Cell, Line

if TYPE_CHECKING:
    from hive_tui.app.view import View


def badge(source: Freshness | None, now: datetime) -> Cell | None:
    """What a pane says of its source on its frame when it is not fresh."""
    if source is None or source.ok:
        return None
    if source.state is Health.STALE:
        if source.heard_at is None:
            return Cell("reading …", Tone.QUIET)
        return Cell(f"stale {text.since(source.heard_at, now)}", Tone.SOON)
    since = f", as of {text.since(source.heard_at, now)} ago" if source.heard_at is not None else ""
    retry = next_try(source, now)
    return Cell(f"failed{since}{f', {retry}' if retry else ''}", Tone.BROKEN)


def behind(view: View, source: Freshness | None) -> Cell | None:
    """Which repositories' rows are older than the others', as a list of the tracker's says on its frame."""
    if source is None or source.name != FORGE or not source.ok:
        return None
    broken = [state for state in view.snapshot.repos.values() if state.why is not None]
    if len(broken) > 1:
        return Cell(f"{len(broken)} repositories failed", Tone.BROKEN)
    for state in broken:
        since = f", as of {text.since(state.heard_at, view.now)} ago" if state.heard_at is not None else ""
        return Cell(f"{state.name.rpartition('/')[2]} failed{since}", Tone.BROKEN)
    return None


def next_try(source: Freshness, now: datetime) -> str:
    """`next try in 12s`, or nothing where that is not known."""
    if source.retry_at is None:
        return ""
    return f"next try in {text.age(source.retry_at - now)}" if source.retry_at > now else "trying now"


def failure(source: Freshness | None) -> Cell | None:
    """Why a pane's source cannot be read, for the edge of its frame."""
    if source is None or source.state is not Health.FAILED:
        return None
    return Cell(f"{source.name}: {source.why or 'cannot be read'}", Tone.BROKEN)


def placeholder(source: Freshness | None, now: datetime, empty: Sequence[str]) -> Line:
    """What stands in a list without rows: why, and what to do next."""
    if source is not None and source.state is Health.FAILED:
        retry = next_try(source, now)
        return (
            Cell(f"{source.name} cannot be read", Tone.BROKEN),
            *([Cell(source.why)] if source.why else []),
            Cell(f"{retry[:1].upper()}{retry[1:]} · `hive doctor` says what is wrong", Tone.QUIET)
            if retry
            else Cell("`hive doctor` says what is wrong", Tone.QUIET),
        )
    if source is None or source.heard_at is None:
        return (Cell("reading …", Tone.QUIET),)
    first, *rest = empty
    return (Cell(first), *(Cell(line, Tone.QUIET) for line in rest))
