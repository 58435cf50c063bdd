"""How the fleet as a whole reads: the pulse on top, the fleet pane, and how fresh a pane is; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hive_tui.app.view import View
from hive_tui.core import gates, glyphs, text
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.model import AgentState, DispatcherState, Fleet, QuotaState
from hive_tui.core.sources import CLUSTER, Freshness, Health
from hive_tui.core.store import Snapshot
from widgets.cells import Cell, Column, Line, Row
from widgets.pulse import Part

COLUMNS = (Column("name", 10), Column("state", 11), Column("detail", 8, flexible=True))

BAR = 8
"""Cells of a bar at most."""


def bar(used: int, most: int, width: int = BAR) -> str:
    """`▰▰▰▱▱`: one cell each up to `width`, else in proportion."""
    cells = min(most, width)
    full = used if most <= width else round(used * width / most)
    full = max(0, min(cells, full))
    return "▰" * full + "▱" * (cells - full)


def pulse(view: View, *, pending: str = "") -> tuple[Part, ...]:
    """The facts of the header, the clock last."""
    snapshot, name, kind, now = view.snapshot, view.name, view.settings.cluster, view.now
    fleet = snapshot.fleet
    head = Part((Cell("hive", Tone.TITLE), Cell(f"  {name} · {kind}", Tone.QUIET)))
    clock = Part((Cell(now.astimezone().strftime("%H:%M:%S"), Tone.QUIET),), rank=7)
    if fleet is None:
        return (head, Part((Cell(_unknown(snapshot), Tone.QUIET),)), clock)
    cost = view.costs
    today = text.money(cost.today_micros or 0, estimated=cost.estimated)
    if cost.today_micros is None:
        today = text.UNKNOWN
    parts = [
        head,
        Part(_dispatcher(fleet, now), rank=3),
        Part((Cell("slots ", Tone.QUIET), *_slots(fleet)), rank=1),
        Part(_switch(fleet, now, pending)),
        *(Part(_agent(agent, now), rank=5) for agent in fleet.agents),
        Part((Cell(today), Cell(" today", Tone.QUIET)), rank=2),
    ]
    if cost.burn_per_hour_micros:
        parts.append(Part((Cell(text.money(cost.burn_per_hour_micros)), Cell("/h", Tone.QUIET)), rank=6))
    return (*parts, clock)


def _unknown(snapshot: Snapshot) -> str:
    source = snapshot.sources.get(CLUSTER)
    failed = source is not None and source.state is Health.FAILED
    return "the fleet's state cannot be read" if failed else "reading the fleet …"


def _dispatcher(fleet: Fleet, now: datetime) -> Line:
    mark = glyphs.DISPATCHERS[fleet.dispatcher.state]
    if fleet.dispatcher.state is DispatcherState.RUNNING:
        return (
            Cell(mark.glyph, mark.tone),
            Cell(" dispatcher ", Tone.QUIET),
            Cell(text.since(fleet.dispatcher.since, now)),
        )
    return (Cell(f"{mark.glyph} dispatcher {mark.word}", mark.tone),)


def _slots(fleet: Fleet) -> Line:
    used = len(fleet.slots_used)
    return (Cell(bar(used, fleet.slots)), Cell(f" {used}/{fleet.slots}"))


def _switch(fleet: Fleet, now: datetime, pending: str) -> Line:
    """Whether the fleet is paused; a wish that is not confirmed yet stands beside the fact."""
    wish = (Cell(f" → {pending}", Tone.SOON),) if pending else ()
    paused = fleet.paused
    if paused is None:
        return (Cell(glyphs.RUNNING.glyph, glyphs.RUNNING.tone), Cell(" running"), *wish)
    why = f": {paused.why}" if paused.why else ""
    said = f"{glyphs.PAUSED} by {paused.by} {text.since(paused.since, now)}{why}"
    return (Cell(text.truncate(said, 48), glyphs.PAUSED.tone), *wish)


def agent_mark(agent: AgentState, now: datetime) -> Mark:
    """Whether an agent can be started now."""
    if not agent.enabled:
        return Mark("○", "off", Tone.QUIET)
    if gates.limited(agent.quota, now):
        return glyphs.QUOTAS[agent.quota.state]
    known = agent.quota.state is not QuotaState.UNKNOWN
    return glyphs.QUOTAS[QuotaState.OK if known else QuotaState.UNKNOWN]


def _agent(agent: AgentState, now: datetime) -> Line:
    mark = agent_mark(agent, now)
    word = mark.word if mark.word != "unknown" else ""
    if mark.word == "limited" and agent.quota.until is not None:
        word = text.clock(agent.quota.until, now)
    return (Cell(f"{agent.name} ", Tone.QUIET), Cell(f"{mark.glyph} {word}".rstrip(), mark.tone))


def fleet_rows(view: View) -> list[Row]:
    """The fleet pane: dispatcher, slots, agents, budget, sources."""
    snapshot, now = view.snapshot, view.now
    fleet = snapshot.fleet
    rows: list[Row] = []
    if fleet is not None:
        mark, dispatcher = glyphs.DISPATCHERS[fleet.dispatcher.state], fleet.dispatcher
        detail = f"for {text.since(dispatcher.since, now)}" if dispatcher.since is not None else ""
        if dispatcher.state in (DispatcherState.STOPPED, DispatcherState.DEAD):
            detail = "`hive dispatcher start`"
        rows.append(_row("dispatcher", mark, detail))
        rows.append(
            Row(
                "slots",
                (
                    Cell("slots", Tone.QUIET),
                    Cell(bar(len(fleet.slots_used), fleet.slots)),
                    Cell(f"{len(fleet.slots_used)} of {fleet.slots} at work"),
                ),
            )
        )
        rows += [_row(agent.name, agent_mark(agent, now), _quota(agent, now)) for agent in fleet.agents]
        rows += _budget(view, fleet)
    rows += [_source(source, now) for source in snapshot.sources.values()]
    return rows


def _row(name: str, mark: Mark, detail: str) -> Row:
    return Row(name, (Cell(name, Tone.QUIET), Cell(str(mark), mark.tone), Cell(detail)))


def _quota(agent: AgentState, now: datetime) -> str:
    if not agent.enabled:
        return f"`hive agents enable {agent.name}`"
    if not gates.limited(agent.quota, now):
        return ""
    until = agent.quota.until
    when = f"until {text.clock(until, now)}, in {text.age(until - now)}" if until is not None else ""
    return " ".join(filter(None, (when, agent.quota.why)))


def _budget(view: View, fleet: Fleet) -> list[Row]:
    limit = fleet.budget.day_micros
    if limit is None:
        return []
    spent = view.costs.today_micros or 0
    left = max(0, limit - spent)
    tone = Tone.BROKEN if not left else Tone.SOON if left * 5 < limit else Tone.PLAIN
    shown = Cell(bar(round(spent * BAR / limit) if limit else BAR, BAR), tone)
    return [Row("budget", (Cell("budget", Tone.QUIET), shown, Cell(f"{text.money(left)} left today", tone)))]


def _source(source: Freshness, now: datetime) -> Row:
    if source.state is Health.STALE and source.heard_at is None:
        return Row(
            f"source {source.name}", (Cell(source.name, Tone.QUIET), Cell("◌ reading", Tone.QUIET), Cell(""))
        )
    heard = text.since(source.heard_at, now)
    detail = f"heard {heard} ago" if source.heard_at is not None else ""
    if source.state is Health.FAILED:
        detail = source.why or "cannot be read"
    row = _row(source.name, glyphs.HEALTHS[source.state], detail)
    return row._replace(key=f"source {source.name}")


def retries(snapshot: Snapshot, now: datetime) -> Cell | None:
    """When the sources that failed are tried again."""
    words = [
        f"{source.name} is tried again in {text.age(source.retry_at - now)}"
        for source in snapshot.sources.values()
        if source.state is Health.FAILED and source.retry_at is not None
    ]
    return Cell(", ".join(words), Tone.SOON) if words else None


def failure(source: Freshness | None) -> Cell | None:
    """Why a pane's source cannot be read, for the edge of its frame."""
    if source is None or source.state is not Health.FAILED:
        return None
    return Cell(f"{source.name}: {source.why or 'cannot be read'}", Tone.BROKEN)


def badge(source: Freshness | None, now: datetime) -> Cell | None:
    """What a pane says of its source on its frame when it is not fresh."""
    if source is None or source.ok:
        return None
    if source.state is Health.STALE:
        if source.heard_at is None:
            return Cell("reading …", Tone.QUIET)
        return Cell(f"stale {text.since(source.heard_at, now)}", Tone.SOON)
    since = f", as of {text.since(source.heard_at, now)} ago" if source.heard_at is not None else ""
    return Cell(f"failed{since}", Tone.BROKEN)


def placeholder(source: Freshness | None, now: datetime, empty: Sequence[str]) -> Line:
    """What stands in a list without rows: why, and what to do next."""
    if source is not None and source.state is Health.FAILED:
        retry = f"Next try in {text.age(source.retry_at - now)}." if source.retry_at is not None else ""
        return (
            Cell(f"{source.name} cannot be read", Tone.BROKEN),
            Cell(source.why or "", Tone.PLAIN),
            Cell(retry, Tone.QUIET),
            Cell("`hive doctor` says what is wrong", Tone.QUIET),
        )
    if source is None or source.heard_at is None:
        return (Cell("reading …", Tone.QUIET),)
    first, *rest = empty
    return (Cell(first), *(Cell(line, Tone.QUIET) for line in rest))
