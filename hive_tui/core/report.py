"""The document as text, for `hive top --once`: sections in a fixed order, columns that do not move.

Pure: lines of spans come out, and whoever prints them decides about colour.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from hive_tui.core import cluster_words, glyphs, spend, text, trouble
from hive_tui.core.columns import Cell, Column, Line, Span, plain
from hive_tui.core.document import AttentionDoc, Document, FleetDoc
from hive_tui.core.glyphs import Tone
from hive_tui.core.model import DispatcherState, Phase, PullState, QuotaState
from hive_tui.core.rows import (
    INDENT,
    Page,
    event_table,
    issue_order,
    issue_table,
    pull_table,
    run_mark,
    run_table,
    turn,
)
from hive_tui.core.sources import CLUSTER, FORGE, Health

DEFAULT_WIDTH = 100
"""Cells of a line where there is no terminal."""

MIN_WIDTH = 40

MAX_ISSUES = 40
MAX_PULLS = 40
MAX_ENDED = 8
MAX_EVENTS = 10
"""Lines of a section; its last line counts what is left out."""

_LABEL = 12


def lines(document: Document, *, width: int, sections: Collection[str] = ()) -> list[Line]:
    """The report in lines of at most `width` cells; `sections` picks some, in the fixed order."""
    page = page_of(document, width)
    found: list[Line] = []
    for name, (title, section) in SECTIONS.items():
        if sections and name not in sections:
            continue
        if found:
            found.append(())
        found.append((Span(title.upper(), Tone.TITLE), *_count(name, document)))
        found += list(section(document, page)) or [_nothing(name, document)]
    return found


def render(document: Document, *, width: int, sections: Collection[str] = ()) -> str:
    """The report without colour."""
    return "\n".join(plain(line) for line in lines(document, width=width, sections=sections))


def page_of(document: Document, width: int) -> Page:
    """How the document's tables are laid out in `width` cells."""
    repos = {issue.repo for issue in document.issues}
    repos.update(run.repo for run in document.runs)
    repos.update(pull.repo for pull in document.pull_requests)
    fleet = document.fleet
    now_for = turn(paused=fleet.paused is not None, used=fleet.slots.used, slots=fleet.slots.max)
    return Page(max(width, MIN_WIDTH), document.at, len(repos) > 1, now_for)


def _nothing(name: str, document: Document) -> Line:
    """What a section without rows says: none is a fact only where its source was ever read."""
    asked = _ASKED.get(name, (CLUSTER,))
    unread = [each.name for each in document.sources if each.name in asked and each.age_seconds is None]
    if not unread:
        return (Span(" " * INDENT), Span("none", Tone.QUIET))
    words = f"{text.UNKNOWN} not known: {' and '.join(unread)} cannot be read"
    return (Span(" " * INDENT), Span(words, Tone.SOON))


_ASKED = {
    "attention": (CLUSTER, FORGE),
    "issues": (FORGE,),
    "pull-requests": (FORGE,),
    "reservations": (FORGE,),
}
"""Whom a section's rows come from, where that is not the cluster alone."""


def _count(name: str, document: Document) -> Line:
    match name:
        case "attention":
            number, word = len(document.attention), "to look at"
        case "issues":
            number, word = sum(issue.open for issue in document.issues), "open"
        case "agents":
            return _at_work(document)
        case "pull-requests":
            number = sum(pull.state == PullState.OPEN.value for pull in document.pull_requests)
            word = "open"
        case _:
            return ()
    return (Span(f"  {number:,} {word}", Tone.QUIET),) if number else ()


def _at_work(document: Document) -> Line:
    """Runs that hold a slot, and those that gave theirs back to wait."""
    live = [run for run in document.runs if not Phase(run.phase).final]
    waiting = sum(run_mark(run) is glyphs.WAITING_FOR_QUOTA for run in live)
    found = ((len(live) - waiting, "at work"), (waiting, "waiting"))
    words = ", ".join(f"{number:,} {word}" for number, word in found if number)
    return (Span(f"  {words}", Tone.QUIET),) if words else ()


def _fleet(document: Document, page: Page) -> Iterator[Line]:
    fleet, now = document.fleet, document.at
    yield _pair("name", f"{fleet.name} (cluster {fleet.cluster}, tracker {fleet.forge})", page)
    dispatcher = DispatcherState(fleet.dispatcher.state)
    state = glyphs.DISPATCHERS[dispatcher]
    since = fleet.dispatcher.since
    ago = "" if since is None else f" for {text.since(since, now)}"
    yield _pair("dispatcher", f"{state}{ago}", page, state.tone)
    used, most = fleet.slots.used, fleet.slots.max
    yield _pair("slots", f"{_number(used)}/{_number(most)} at work", page)
    paused = fleet.paused
    if paused is not None:
        why = f": {paused.why}" if paused.why else ""
        words = f"{glyphs.PAUSED} by {paused.by} for {text.since(paused.since, now)}{why}"
        yield _pair("starts", words, page, Tone.SOON)
    else:
        known = most is not None
        yield _pair("starts", str(glyphs.switch(dispatcher)) if known else text.UNKNOWN, page)
    yield _pair("budget", _budget(document), page)
    yield from _cluster(fleet, page)
    for source in document.sources:
        health = glyphs.HEALTHS[Health(source.state)]
        age = "never read" if source.age_seconds is None else f"{source.age_seconds:.0f}s ago"
        why = f": {source.why}" if source.why else ""
        retry = f", {trouble.next_try(source.retry_at, now)}" if source.retry_at is not None else ""
        yield _pair("source", f"{health} {source.name} {age}{retry}{why}", page, health.tone)
    for use in document.api:
        yield _pair("api", trouble.api(use, now), page, trouble.api_tone(use))
    for repo in document.repos:
        said = trouble.repository(repo, now)
        if said is not None:
            yield _pair("repository", f"{repo.name} {said}", page, Tone.BROKEN)


def _cluster(fleet: FleetDoc, page: Page) -> Iterator[Line]:
    facts = fleet.facts
    if facts is not None:
        at = cluster_words.where(facts)
        if at:
            yield _pair("cluster", at, page)
        size = " · ".join(filter(None, (cluster_words.nodes(facts), cluster_words.capacity(facts))))
        yield _pair("capacity", size, page)
        for words in cluster_words.unready(facts):
            yield _pair("node", f"! {words}", page, Tone.SOON)
    denied = cluster_words.denied(fleet.denied)
    if denied is not None:
        yield _pair("rights", denied, page, Tone.SOON)


def _budget(document: Document) -> str:
    budget = document.fleet.budget
    return text.UNKNOWN if budget is None else spend.limits_text(budget)


def _pair(name: str, value: str, page: Page, tone: Tone = Tone.PLAIN) -> Line:
    shown = text.truncate(text.clean_line(value), page.width - INDENT - _LABEL)
    return (Span(" " * INDENT), Span(name.ljust(_LABEL), Tone.QUIET), Span(shown, tone))


def _quota(document: Document, page: Page) -> Iterator[Line]:
    if not document.fleet.agents:
        return
    columns = (Column("agent", 12), Column("quota", 11), Column("until", 12), Column("why", share=1))
    rows: list[Sequence[Cell]] = []
    for agent in document.fleet.agents:
        quota = agent.quota
        limited = quota.state == QuotaState.LIMITED.value
        mark = glyphs.QUOTAS[QuotaState(quota.state)] if agent.enabled else glyphs.DISABLED
        until = text.clock(quota.until, document.at) if limited else ""
        rows.append((agent.name, mark, until, (quota.why or "") if limited else ""))
    yield from page.table(columns, rows)


def _attention(document: Document, page: Page) -> Iterator[Line]:
    if not document.attention:
        return
    columns = (
        Column("kind", 14),
        page.names("about"),
        Column("age", 7, right=True),
        Column("what", share=1),
    )
    rows: list[Sequence[Cell]] = [
        (
            Span(item.kind, _ATTENTION.get(item.kind, Tone.SOON)),
            _about(item, page),
            "" if item.since is None else text.since(item.since, page.now),
            item.text,
        )
        for item in document.attention
    ]
    yield from page.table(columns, rows)


_ATTENTION = {
    "failed": Tone.BROKEN,
    "dispatcher": Tone.BROKEN,
    "ready-to-merge": Tone.GOOD,
    "killed": Tone.QUIET,
}


def _about(item: AttentionDoc, page: Page) -> str:
    target = item.target
    if target.pull_request is not None:
        return page.name(target.repo, f"!{target.pull_request}")
    if target.issue is not None:
        return page.name(target.repo, f"#{target.issue}")
    return target.agent or ""


def _issues(document: Document, page: Page) -> Iterator[Line]:
    issues = sorted((issue for issue in document.issues if issue.open), key=issue_order)
    if issues:
        yield from issue_table(page, issues[:MAX_ISSUES])
        yield from _rest(len(issues) - MAX_ISSUES, "hive issue list")


def _agents(document: Document, page: Page) -> Iterator[Line]:
    live = [run for run in document.runs if not Phase(run.phase).final]
    ended = [run for run in document.runs if Phase(run.phase).final]
    if live or ended:
        yield from run_table(page, [*live, *ended[:MAX_ENDED]])
        yield from _rest(len(ended) - MAX_ENDED, "hive ls --all")


def _pulls(document: Document, page: Page) -> Iterator[Line]:
    newest_first = sorted(document.pull_requests, key=lambda pull: (pull.repo, -pull.number))
    live = [pull for pull in newest_first if pull.state == PullState.OPEN.value]
    ended = [pull for pull in newest_first if pull.state != PullState.OPEN.value]
    if newest_first:
        yield from pull_table(page, [*live[:MAX_PULLS], *ended[:MAX_ENDED]])
        left = max(0, len(live) - MAX_PULLS) + max(0, len(ended) - MAX_ENDED)
        yield from _rest(left, "hive pr list --all")


def _costs(document: Document, page: Page) -> Iterator[Line]:
    costs = document.costs
    sums = (
        ("today", costs.today_micros, ""),
        ("week", costs.week_micros, ""),
        ("all", costs.all_micros, ""),
        ("burn", costs.burn_per_hour_micros, "/h"),
    )
    words = [
        f"{name} {text.money(micros, estimated=costs.estimated)}{unit if micros is not None else ''}"
        for name, micros, unit in sums
    ]
    yield _pair("sums", " · ".join(words), page)
    for title, parts in (("by model", costs.by_model), ("by issue", costs.by_issue)):
        if parts:
            shown = [f"{name} {text.money(micros)}" for name, micros in list(parts.items())[:8]]
            yield _pair(title, " · ".join(shown), page)
    if costs.unaccounted_runs:
        yield _pair("not counted", f"{text.plural(costs.unaccounted_runs, 'run')} of unknown cost", page)


def _reservations(document: Document, page: Page) -> Iterator[Line]:
    columns = (
        page.names("pull"),
        Column("worker", 16),
        Column("until", 12),
        Column("title", share=1),
    )
    rows: list[Sequence[Cell]] = [
        (
            page.name(pull.repo, f"!{pull.number}"),
            pull.lease.worker,
            text.clock(pull.lease.until, page.now),
            pull.title,
        )
        for pull in document.pull_requests
        if pull.lease is not None and pull.state == PullState.OPEN.value
    ]
    if rows:
        yield from page.table(columns, rows)


def _events(document: Document, page: Page) -> Iterator[Line]:
    if document.events:
        yield from event_table(page, document.events[-MAX_EVENTS:])


def _number(number: int | None) -> str:
    return text.UNKNOWN if number is None else str(number)


def _rest(number: int, command: str) -> Iterator[Line]:
    if number > 0:
        yield (Span(" " * INDENT), Span(f"… {number:,} more: `{command}`", Tone.QUIET))


_Section = Callable[[Document, Page], Iterator[Line]]

SECTIONS: dict[str, tuple[str, _Section]] = {
    "fleet": ("Fleet", _fleet),
    "quota": ("Quota", _quota),
    "attention": ("Attention", _attention),
    "issues": ("Issues", _issues),
    "agents": ("Agents", _agents),
    "pull-requests": ("Pull requests", _pulls),
    "costs": ("Costs", _costs),
    "reservations": ("Reservations", _reservations),
    "events": ("Events", _events),
}
"""By the name that `--section` takes, in the order of the report."""
