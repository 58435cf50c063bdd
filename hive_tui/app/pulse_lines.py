"""The pulse on top of every screen: how the fleet is, in one line at any width; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from hive_tui.app import fleet_lines, freshness
from hive_tui.app.fleet_lines import agent_mark
from hive_tui.core import glyphs, text
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import AgentState, DispatcherState, Fleet
from hive_tui.core.sources import CLUSTER, FORGE, Freshness, Health
from hive_tui.core.targets import Target
from widgets.bars import spark
from widgets.cells import Cell, Line
from widgets.pulse import Form, Part

if TYPE_CHECKING:
    from hive_tui.app.view import View

_WHY = 48
"""Cells of who paused the fleet and why."""

_SPARK = 8
"""Hours in the sparkline."""


def pulse(view: View, *, muted: bool = False) -> tuple[Part, ...]:
    """The facts of the header, the clock last. What needs somebody outlives every other fact."""
    snapshot, name, kind, now = view.snapshot, view.name, view.settings.cluster, view.now
    fleet, local = snapshot.fleet, now.astimezone()
    title, short = Cell("hive", Tone.TITLE), Cell(f" {text.truncate(name, 20)}", Tone.QUIET)
    head: Part = (
        Form((title, Cell(f"  {name} · {kind}", Tone.QUIET)), 14),
        Form((title, short), 1),
        Form((title,)),
    )
    clock: Part = (
        Form((Cell(local.strftime("%H:%M:%S"), Tone.QUIET),), 16),
        Form((Cell(local.strftime("%H:%M"), Tone.QUIET),), 2),
        Form(),
    )
    badges = _badges(view, muted=muted)
    if fleet is None:
        return (head, (Form((Cell(fleet_lines.unknown(snapshot), Tone.QUIET),)),), *badges, clock)
    return (
        head,
        *_health(view, fleet),
        _slots(view, fleet),
        _switch(view, fleet),
        *_attention(view),
        *(_agent(agent, now) for agent in fleet.agents),
        *_money(view),
        *badges,
        clock,
    )


def _health(view: View, fleet: Fleet) -> Iterator[Part]:
    """The dispatcher, and sources that do not answer any more; without the cluster nobody knows what
    became of the dispatcher."""
    # A source that was never read is being read: its panes say so.
    silent = [source for source in view.snapshot.sources.values() if not source.ok and source.heard_at]
    if not any(source.name == CLUSTER for source in silent):
        yield _dispatcher(fleet, view.now)
    if silent:
        yield _silent(silent, view.now)
    behind = freshness.behind(view, view.snapshot.sources.get(FORGE))
    if behind is not None:
        words = f"✗ {behind.text}"
        yield (
            Form((behind._replace(text=words),), 8),
            Form((behind._replace(text=words.partition(",")[0]),), 3),
            Form((behind._replace(text="✗"),)),
        )


def _silent(sources: Sequence[Freshness], now: datetime) -> Part:
    state = Health.FAILED if any(source.state is Health.FAILED for source in sources) else Health.STALE
    mark = glyphs.HEALTHS[state]
    names = ", ".join(source.name for source in sources)
    since = text.since(min(source.heard_at for source in sources if source.heard_at is not None), now)
    return (
        Form((Cell(f"{mark.glyph} {names} {mark.word} {since}", mark.tone),), 8),
        Form((Cell(f"{mark} {since}", mark.tone),), 3),
        Form((Cell(str(mark), mark.tone),)),
    )


def _dispatcher(fleet: Fleet, now: datetime) -> Part:
    mark = glyphs.DISPATCHERS[fleet.dispatcher.state]
    if fleet.dispatcher.state is DispatcherState.RUNNING:
        glyph = Cell(mark.glyph, mark.tone)
        since = Cell(text.since(fleet.dispatcher.since, now))
        return (Form((glyph, Cell(" dispatcher ", Tone.QUIET), since), 15), Form((glyph,)))
    return (
        Form((Cell(f"{mark.glyph} dispatcher {mark.word}", mark.tone),), 6),
        Form((Cell(str(mark), mark.tone),)),
    )


def _slots(view: View, fleet: Fleet) -> Part:
    figures = fleet_lines.slots(view, fleet)
    shape, number = figures[0], figures[1]._replace(text=figures[1].text.strip())
    return (
        Form((Cell("slots ", Tone.QUIET), *figures), 12),
        Form((shape, Cell(" "), number) if shape.text else (number,), 9),
        Form((number,)),
    )


def _switch(view: View, fleet: Fleet) -> Part:
    """Whether the fleet is paused; a wish that is not confirmed yet stands beside the fact."""
    wish = view.pending_of(Target())
    after: Line = (Cell(f" → {wish}", Tone.SOON),) if wish is not None else ()
    paused = fleet.paused
    if paused is None:
        mark = glyphs.switch(fleet.dispatcher.state)
        glyph = Cell(mark.glyph, mark.tone)
        return (Form((glyph, Cell(f" {mark.word}"), *after), 11), Form((glyph, *after)))
    mark = glyphs.PAUSED
    by = f"{mark} by {paused.by} {text.since(paused.since, view.now)}"
    why = f": {text.clean_line(paused.why)}" if paused.why else ""
    return (
        Form((Cell(text.truncate(by + why, _WHY), mark.tone), *after), 8),
        Form((Cell(text.truncate(by, _WHY // 2), mark.tone), *after), 4),
        Form((Cell(str(mark), mark.tone), *after)),
    )


def _attention(view: View) -> list[Part]:
    number = len(view.attention)
    if not number:
        return []
    words = f"{number} need you" if number > 1 else "1 needs you"
    return [(Form((Cell(words, Tone.SOON),)),)]


def _agent(agent: AgentState, now: datetime) -> Part:
    mark = agent_mark(agent, now)
    word = "" if mark.tone is not Tone.SOON else mark.word
    if word and agent.quota.until is not None:
        word = text.clock(agent.quota.until, now)
    if not agent.enabled:
        word = "off"
    name = text.truncate(agent.name, 12)
    said = word or (mark.word if mark.tone is Tone.GOOD else "")
    full = Form((Cell(f"{name} ", Tone.QUIET), Cell(f"{mark.glyph} {said}".rstrip(), mark.tone)), 13)
    short = Form((Cell(f"{name} ", Tone.QUIET), Cell(f"{mark.glyph} {word}".rstrip(), mark.tone)), 10)
    # An agent that works is no news where room is short; one that does not work stays longer.
    if mark.tone is Tone.SOON:
        return (full, msgspec.structs.replace(short, rank=5), Form())
    return (full, short, Form())


def _money(view: View) -> list[Part]:
    cost = view.costs
    known = cost.today_micros is not None
    today = text.money(cost.today_micros, estimated=cost.estimated and known)
    parts: list[Part] = [
        (Form((Cell(today), Cell(" today", Tone.QUIET)), 9), Form((Cell(today),), 3), Form())
    ]
    shape = spark(view.hourly, _SPARK)
    burn = cost.burn_per_hour_micros
    if burn:
        rate: Line = (Cell(text.money(burn)), Cell("/h", Tone.QUIET))
        if shape:
            parts.append((Form((Cell(f"{shape} ", Tone.QUIET), *rate), 12), Form(rate, 4), Form()))
        else:
            parts.append((Form(rate, 4), Form()))
    elif shape:
        parts.append((Form((Cell(shape, Tone.QUIET),), 12), Form()))
    return parts


def _badges(view: View, *, muted: bool) -> list[Part]:
    parts: list[Part] = []
    if view.read_only or view.only_looks:
        badge = Form((Cell("[RO]", Tone.SOON),))
        seen_as = Form((Cell("[RO] viewer", Tone.SOON),), 7)
        parts.append((seen_as, badge) if view.only_looks else (badge,))
    if muted:
        parts.append((Form((Cell("muted", Tone.QUIET),), 7), Form()))
    return parts
