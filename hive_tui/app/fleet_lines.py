"""What the fleet pane says: whether the fleet is alive, what it may use, how old what one sees is; pure.

The most important lines come first: where the pane is low only those are in sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from hive_tui.app import cluster_lines, freshness
from hive_tui.core import gates, glyphs, spend, text, trouble
from hive_tui.core.glyphs import Mark, Tone
from hive_tui.core.model import AgentState, Budget, DispatcherState, Fleet, QuotaState, RepoState
from hive_tui.core.sources import CLUSTER, Freshness, Health
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target
from widgets.bars import bar
from widgets.cells import Cell, Line
from widgets.lines import wrapped

if TYPE_CHECKING:
    from hive_tui.app.view import View
    from hive_tui.core.world import Scope

_LABEL = 11
"""Cells of a line's name, with the blank behind it."""

_WHY_LINES = 4
"""At most so many lines tell why something cannot be read, and what to do."""


def fleet_lines(view: View, width: int) -> list[Line]:
    """The pane's lines, for so many cells."""
    room = width - _LABEL
    fleet = view.snapshot.fleet
    lines: list[Line] = []
    if fleet is None:
        lines.append(_line("fleet", Cell(unknown(view.snapshot), Tone.QUIET)))
        return [*lines, *_sources(view, room)]
    lines.append(_dispatcher(fleet, view.now, room))
    lines += _paused(view, fleet, room)
    lines += [_line(label, cell) for label, cell in cluster_lines.troubles(fleet, room)]
    lines += _broken_sources(view, room)
    lines += _repositories(view, room)
    lines.append(_line("slots", *slots(view, fleet)))
    lines += [_agent(view, agent, room) for agent in fleet.agents]
    lines += _budgets(view, fleet.budget, room)
    lines += _api(view, room)
    lines += [_line(label, cell) for label, cell in cluster_lines.facts(fleet, room)]
    lines += _fresh_sources(view)
    return [*lines, *_details(view, fleet)]


def essential(view: View) -> int:
    """How many of the lines everybody wants to see."""
    fleet = view.snapshot.fleet
    if fleet is None:
        return 1 + len(view.snapshot.sources)
    budgets = sum(1 for _ in _limited_scopes(view, fleet.budget))
    tracker = len(_in_trouble(view)) + len(view.snapshot.api)
    troubles = sum(source.state is Health.FAILED for source in _broken(view)) + len(_in_trouble(view))
    told = _WHY_LINES * min(troubles, 2) + cluster_lines.count(fleet)
    return 3 + (fleet.paused is not None) + len(_broken(view)) + len(fleet.agents) + budgets + tracker + told


def unknown(snapshot: Snapshot) -> str:
    """Why nothing is known of the fleet."""
    source = snapshot.sources.get(CLUSTER)
    failed = source is not None and source.state is Health.FAILED
    return "the fleet's state cannot be read" if failed else "reading the fleet …"


def _line(label: str, *cells: Cell) -> Line:
    name = text.truncate(text.clean_line(label), _LABEL - 1)
    return (Cell(name + " " * (_LABEL - text.width(name)), Tone.QUIET), *cells)


def first_fitting(room: int, *candidates: str) -> str:
    """The first of the candidates that has room, else the last."""
    return next((words for words in candidates if text.width(words) <= room), candidates[-1])


def _dispatcher(fleet: Fleet, now: datetime, room: int) -> Line:
    dispatcher = fleet.dispatcher
    mark = glyphs.DISPATCHERS[dispatcher.state]
    since = f" {text.since(dispatcher.since, now)}" if dispatcher.since is not None else ""
    if dispatcher.state is DispatcherState.RUNNING:
        pid = f", pid {dispatcher.pid}" if dispatcher.pid is not None else ""
        on = f" on {text.clean_line(dispatcher.host)}" if dispatcher.host is not None else ""
        return _line(
            "dispatcher",
            Cell(mark.glyph, mark.tone),
            Cell(
                first_fitting(
                    room - 1, f" running{since}{on}{pid}", f" running{since}{on}", f" running{since}"
                )
            ),
        )
    if dispatcher.state is DispatcherState.UNKNOWN:
        return _line("dispatcher", Cell(str(mark), mark.tone))
    start = "`hive dispatcher start`"
    words = first_fitting(room, f"{mark}: {start}", f"{mark}: nothing starts", str(mark))
    return _line("dispatcher", Cell(words, mark.tone))


def _paused(view: View, fleet: Fleet, room: int) -> Iterator[Line]:
    """Who paused it, when and why; an order that is not confirmed yet."""
    paused, wish = fleet.paused, view.pending_of(Target())
    if paused is None and wish is None:
        return
    if paused is None:
        yield _line("starts", Cell(f"{glyphs.switch(fleet.dispatcher.state)} → {wish}", Tone.SOON))
        return
    said = f"by {paused.by} {text.since(paused.since, view.now)}"
    why = f": {text.clean_line(paused.why)}" if paused.why else ""
    after = f" → {wish}" if wish is not None else ""
    words = f"{glyphs.PAUSED.glyph} {said}{why}"
    yield _line("paused", Cell(text.truncate(words, room - len(after)) + after, glyphs.PAUSED.tone))


def slots(view: View, fleet: Fleet, width: int = 8) -> Line:
    """How many slots are at work, and how many there are to be."""
    used, most = len(fleet.slots_used), fleet.slots
    tone = Tone.SOON if used > most or not most else Tone.PLAIN
    cells = [Cell(bar(used, most, width)), Cell(f"{' ' if most else ''}{used}/{most}", tone)]
    if view.slots_wanted is not None and view.slots_wanted != most:
        cells = [cells[0], Cell(f" {used}/{most}→{view.slots_wanted}", Tone.SOON)]
    return tuple(cells)


def agent_mark(agent: AgentState, now: datetime) -> Mark:
    """Whether an agent can be started now."""
    if not agent.enabled:
        return Mark("○", "off", Tone.QUIET)
    if gates.limited(agent.quota, now):
        limited = glyphs.QUOTAS[agent.quota.state]
        # No limit that passes: not logged in, or not there at all.
        return limited if agent.quota.until is not None else Mark(limited.glyph, "down", limited.tone)
    if agent.quota.state is QuotaState.UNKNOWN:
        unknown = glyphs.QUOTAS[QuotaState.UNKNOWN]
        return Mark(unknown.glyph, "no limit met yet", unknown.tone)
    return glyphs.QUOTAS[QuotaState.OK]


def _agent(view: View, agent: AgentState, room: int) -> Line:
    now, quota = view.now, agent.quota
    mark = agent_mark(agent, now)
    if (wish := view.pending_of(Target(agent=agent.name))) is not None:
        return _line(agent.name, Cell(f"◌ {wish}", Tone.SOON))
    if not agent.enabled:
        enable = f"off: `hive agents enable {agent.name}`"
        return _line(agent.name, Cell(f"{mark.glyph} {first_fitting(room - 2, enable, 'off')}", mark.tone))
    if mark.tone is not Tone.SOON:
        tone = Tone.PLAIN if mark.tone is Tone.GOOD else Tone.QUIET
        return _line(agent.name, Cell(f"{mark.glyph} ", mark.tone), Cell(mark.word, tone))
    why = text.clean_line(quota.why or "")
    if quota.until is None:
        words = f"cannot work{f': {why}' if why else ''}"
    else:
        at, left = text.clock(quota.until, now), text.age(quota.until - now)
        words = first_fitting(
            room - 2,
            *([f"limited until {at}, in {left}: {why}"] if why else []),
            f"limited until {at}, in {left}",
            f"until {at}, in {left}",
            f"until {at}",
        )
    return _line(agent.name, Cell(f"{mark.glyph} {words}", mark.tone))


def _limited_scopes(view: View, budget: Budget) -> Iterator[tuple[str, Scope, int]]:
    """Names, scopes and limits of the budgets of which one can say how much is left."""
    if budget.day_micros is not None:
        yield "today", "day", budget.day_micros
    if budget.repo_micros is not None:
        for repo in view.settings.repos:
            yield str(repo.name).rpartition("/")[2], repo.name, budget.repo_micros
    if budget.fleet_micros is not None:
        yield "fleet", "fleet", budget.fleet_micros


def _budgets(view: View, budget: Budget, room: int) -> Iterator[Line]:
    for name, scope, limit in _limited_scopes(view, budget):
        spent = view.plan.spending(scope)
        if spent.unknown is not None:
            words = first_fitting(room, f"! cost of {spent.unknown} unknown", "! a cost is unknown")
            yield _line(name, Cell(words, Tone.BROKEN))
            continue
        used = spent.micros + spent.reserved
        left = max(0, limit - used)
        tone = Tone.BROKEN if not left else Tone.SOON if left * 5 < limit else Tone.PLAIN
        money, of = text.money(left), text.money(limit)
        kept = f", {text.money(spent.reserved)} kept for runs" if spent.reserved else ""
        words = first_fitting(
            room - 9, f"{money} of {of} left{kept}", f"{money} of {of} left", f"{money} left"
        )
        yield _line(name, Cell(bar(used, limit) if limit else bar(1, 1, 8), tone), Cell(f" {words}", tone))


def _api(view: View, room: int) -> Iterator[Line]:
    """What is left of the budgets of the tracker's API."""
    for index, (_, use) in enumerate(sorted(view.snapshot.api.items())):
        tone = trouble.api_tone(use)
        left = f"{use.name} {use.remaining:,} of {use.limit:,} left"
        reset = f"{left}, resets {trouble.resets(use, view.now)}"
        words = first_fitting(room, trouble.api(use, view.now), f"{reset}, {use.used_hour:,}/h", reset, left)
        yield _line("" if index else "api", Cell(words, tone))


def _in_trouble(view: View) -> list[RepoState]:
    return [
        state
        for _, state in sorted(view.snapshot.repos.items())
        if state.why is not None or state.closed_to_work is not None
    ]


def _repositories(view: View, room: int) -> Iterator[Line]:
    """Repositories that cannot be read or worked on: the others go on."""
    for state in _in_trouble(view):
        said = text.clean_line(trouble.repository(state, view.now) or "")
        short = said.removeprefix("cannot be read ")
        whole = [words for words in (f"✗ {said}", f"✗ {short}") if text.width(words) <= room]
        parts = ["✗ closed to work", said]
        if state.why is not None:
            why = text.clean_line(state.why)
            head = short.removesuffix(why).rstrip(": ")
            parts = [first_fitting(room, f"✗ {head}", f"✗ {head.removeprefix('since ')}"), why]
        label = str(state.name).rpartition("/")[2]
        yield from _told(label, whole[:1] or parts, room, Tone.BROKEN)


def _told(label: str, words: Sequence[str], room: int, tone: Tone) -> Iterator[Line]:
    """What is wrong on the first line; what does not fit there, and says what to do, on those below."""
    first, *rest = words
    yield _line(label, Cell(first, tone))
    for said in rest:
        for line in wrapped(said, room, lines=_WHY_LINES):
            yield _line("", Cell(line, Tone.QUIET))


def _broken(view: View) -> list[Freshness]:
    return [source for source in view.snapshot.sources.values() if not source.ok]


def _sources(view: View, room: int) -> Iterator[Line]:
    yield from _broken_sources(view, room)
    yield from _fresh_sources(view)


def _broken_sources(view: View, room: int) -> Iterator[Line]:
    for source in _broken(view):
        yield from _source(source, view.now, room)


def _source(source: Freshness, now: datetime, room: int) -> Iterator[Line]:
    mark = glyphs.HEALTHS[source.state]
    if source.state is Health.STALE:
        if source.heard_at is None:
            yield _line(source.name, Cell("◌ reading …", Tone.QUIET))
        else:
            yield _line(source.name, Cell(f"{mark} {text.since(source.heard_at, now)}", mark.tone))
        return
    retry = freshness.next_try(source, now)
    why = text.clean_line(source.why or "cannot be read")
    head = f"{mark}, {retry}" if retry else f"{mark}"
    whole = f"{head}: {why}"
    yield from _told(source.name, [whole] if text.width(whole) <= room else [head, why], room, mark.tone)


def _fresh_sources(view: View) -> Iterator[Line]:
    """All that are fresh on one line: there is nothing to do about them."""
    fresh = [source for source in view.snapshot.sources.values() if source.ok]
    if fresh:
        ages = " · ".join(f"{source.name} {text.since(source.heard_at, view.now)}" for source in fresh)
        mark = glyphs.HEALTHS[Health.FRESH]
        yield _line("data", Cell(f"{mark.glyph} ", mark.tone), Cell(ages))


def _details(view: View, fleet: Fleet) -> Iterator[Line]:
    """What a person looks up once in a while."""
    settings, dispatcher = view.settings, fleet.dispatcher
    each = [
        f"{name} {text.money(micros)}"
        for name, micros in (("run", fleet.budget.run_micros), ("issue", fleet.budget.issue_micros))
        if micros is not None
    ]
    if each:
        yield _line("at most", Cell(" · ".join(each)))
    elif fleet.budget == Budget():
        yield _line("budget", Cell(spend.limits_text(fleet.budget), Tone.QUIET))
    if dispatcher.last_decision_at is not None:
        yield _line("decided", Cell(f"{text.since(dispatcher.last_decision_at, view.now)} ago"))
    if dispatcher.version is not None:
        yield _line("version", Cell(dispatcher.version))
    yield _line("agents at", Cell(f"{settings.cluster}, issues at {settings.forge}"))
    for index, repo in enumerate(settings.repos):
        yield _line("" if index else "serves", Cell(str(repo.name)))
    authors = ", ".join((*settings.allowed_authors, *settings.allowed_roles))
    yield _line("authors", Cell(authors) if authors else Cell("nobody's issues are started", Tone.SOON))
    yield _line(
        "attempts", Cell(f"{settings.max_attempts} for an issue, {settings.deadline_minutes:g}m each")
    )
