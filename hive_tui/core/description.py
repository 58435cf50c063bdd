"""Everything that is known about one issue, run or pull request: for `hive describe` and the console alike.

Pure: lines of spans come out, and whoever shows them decides about colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from hive_tui.core import cluster_words, document, rows, text
from hive_tui.core.attention import AttentionItem
from hive_tui.core.columns import Line, Span
from hive_tui.core.dispatch import Plan
from hive_tui.core.document import EventDoc, IssueDoc, PullDoc, RunDoc
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import Claim, Event, PullRequest, Run
from hive_tui.core.ports import Section
from hive_tui.core.rows import Page
from hive_tui.core.settings import FleetSettings
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import pull_of_issue, runs_of_issue

_LABEL = 14
_EVENTS = 20


class Description(msgspec.Struct, frozen=True):
    """One issue with all its runs; `run` is the one that was asked for."""

    issue: IssueDoc | None
    run: RunDoc | None
    attempts: list[RunDoc]
    pull_request: PullDoc | None
    claim: Claim | None
    attention: list[str]
    events: list[EventDoc]
    sections: tuple[Section, ...] = ()
    """What the cluster itself knows of the run."""


def describe(
    snapshot: Snapshot,
    plan: Plan,
    settings: FleetSettings,
    *,
    key: IssueKey | None,
    run: Run | None,
    pull: PullRequest | None = None,
    attention: Iterable[AttentionItem],
    now: datetime,
) -> Description:
    """What a snapshot says of an issue, of one of its runs and of its pull request; without an issue
    (`key` is None) of a pull request alone."""
    issue = snapshot.issues.get(key) if key is not None else None
    if pull is None and key is not None:
        pull = pull_of_issue(snapshot, key)
    repo = key.repo if key is not None else pull.repo if pull is not None else None
    numbers = {known.number for known in (key, pull) if known is not None}

    def mine(event: Event) -> bool:
        return event.repo == repo and event.number in numbers

    def needs(item: AttentionItem) -> bool:
        target = item.target
        if key is not None and target.issue_key == key:
            return True
        return pull is not None and target.pull_key == pull.key

    return Description(
        issue=document.issue_doc(snapshot, issue, plan, settings) if issue is not None else None,
        run=document.run_doc(run) if run is not None else None,
        attempts=[document.run_doc(other) for other in runs_of_issue(snapshot, key)] if key else [],
        pull_request=document.pull_doc(pull, now) if pull is not None else None,
        claim=snapshot.claims.get(key) if key is not None else None,
        attention=[item.text for item in attention if needs(item)],
        events=[document.event_doc(event) for event in filter(mine, snapshot.events)][-_EVENTS:],
    )


def lines(found: Description, *, width: int, now: datetime) -> list[Line]:
    """The description in lines of at most about `width` cells; one line is empty between two parts."""
    page = Page(width, now)
    parts = [list(_issue(found, now)), list(_run(found, now)), list(_pull(found))]
    if len(found.attempts) > 1:
        parts.append([(Span("ATTEMPTS", Tone.TITLE),), *rows.run_table(page, found.attempts)])
    if found.events:
        parts.append([(Span("EVENTS", Tone.TITLE),), *rows.event_table(page, found.events)])
    parts += [list(section_lines(section)) for section in found.sections]
    written: list[Line] = []
    for part in filter(None, parts):
        written += [(), *part] if written else part
    return written


def section_lines(section: Section) -> Iterator[Line]:
    """A part that the cluster wrote, below its title in capitals as all of them have."""
    yield (Span(text.clean_line(section.title).upper(), Tone.TITLE),)
    for line in text.clean(section.text).splitlines():
        yield (Span(f"  {line}"),)


def _pair(name: str, value: object | None, tone: Tone = Tone.PLAIN) -> Iterator[Line]:
    if value not in (None, ""):
        yield (Span(f"  {name:<{_LABEL}}", Tone.QUIET), Span(text.clean_line(str(value)), tone))


def _page(url: str | None) -> Iterator[Line]:
    for name, page in _pair("url", url):
        yield name, msgspec.structs.replace(page, link=url)


def _issue(found: Description, now: datetime) -> Iterator[Line]:
    issue, claim = found.issue, found.claim
    if issue is not None:
        yield (Span(f"ISSUE {issue.repo}#{issue.number}", Tone.TITLE),)
        mark = rows.issue_mark(issue)
        yield from _pair("title", issue.title)
        yield from _pair("state", mark, mark.tone)
        yield from _pair("held by", f"{issue.gate.name}: {issue.gate.detail}" if issue.gate else None)
        yield from _pair("author", issue.author)
        yield from _pair("labels", ", ".join(issue.labels))
        yield from _page(issue.url)
        yield from _needs(found)
    if claim is not None:
        verb = "counts" if claim.attempts_used == 1 else "count"
        counted = f"{claim.attempt}, of which {claim.attempts_used} {verb}"
        yield from _pair("attempts", counted if claim.attempt else None)
        if claim.not_before is not None and now < claim.not_before:
            yield from _pair("not before", text.clock(claim.not_before, now))
        if claim.fire is not None:
            yield from _pair("fired", f"by {claim.fire.by}, {text.since(claim.fire.at, now)} ago")


def _needs(found: Description) -> Iterator[Line]:
    for words in found.attention:
        yield from _pair("needs you", words, Tone.SOON)


def _run(found: Description, now: datetime) -> Iterator[Line]:
    run = found.run
    if run is None:
        return
    mark = rows.run_mark(run)
    yield (Span(f"RUN {run.id}", Tone.TITLE),)
    yield from _pair("phase", f"{mark} for {text.since(run.since, now)}", mark.tone)
    yield from _pair("why", run.why)
    yield from _pair("evidence", run.evidence)
    turn = f", round {run.round}" if run.round > 1 else ""
    yield from _pair("step", f"{run.step}{turn}" if run.step else None)
    yield from _pair("worker", f"{run.worker} ({run.agent}{f', {run.model}' if run.model else ''})")
    yield from _pair("attempt", run.attempt)
    yield from _pair("branch", f"{run.branch}{f' at {run.head[:10]}' if run.head else ''}")
    yield from _pair("started", text.clock(run.started_at, now))
    yield from _pair("ended", text.clock(run.ended_at, now) if run.ended_at else None)
    if run.until is not None:
        over = run.until <= now
        yield from _pair("goes on", "when it gets a slot" if over else text.clock(run.until, now))
    tokens = run.tokens
    parts = (
        ("in", tokens.input),
        ("out", tokens.output),
        ("cache read", tokens.cache_read),
        ("cache write", tokens.cache_write),
    )
    known = [f"{text.count(number)} {name}" for name, number in parts if number is not None]
    yield from _pair("tokens", ", ".join(known) or text.UNKNOWN)
    yield from _pair("cost", text.money(run.cost_micros, estimated=run.estimated))
    yield from _pair("budget", text.money(run.budget_micros) if run.budget_micros is not None else None)
    changed = run.changed_files
    yield from _pair("changed", text.plural(changed, "file") if changed is not None else None)
    if run.tests is not None:
        tests = run.tests
        outcome = "passed" if tests.passed else "failed"
        words = f"{outcome} in round {tests.round}, {tests.seconds:.1f} s: {tests.command}"
        yield from _pair("tests", words, Tone.GOOD if tests.passed else Tone.BROKEN)
        yield from _pair("", tests.summary.strip().rpartition("\n")[2])
    yield from _pair("work saved", f"as {run.wip[:10]}" if run.wip else None)
    yield from _pair("session", run.session)
    if run.place is not None:
        yield from _pair("pod", run.place.pod)
        yield from _pair("node", cluster_words.place(run.place))
        yield from _pair("condition", run.place.condition, Tone.SOON)
        yield from _pair("remedy", run.place.remedy)
    yield from _pair("last event", run.last_event.text if run.last_event is not None else None)


def _pull(found: Description) -> Iterator[Line]:
    pull = found.pull_request
    if pull is None:
        return
    yield (Span(f"PULL REQUEST {pull.repo}!{pull.number}", Tone.TITLE),)
    yield from _pair("title", pull.title)
    yield from _pair("state", pull.state)
    if found.issue is None:
        yield from _needs(found)
    yield from _pair("branch", f"{pull.branch} at {pull.head[:10]} onto {pull.base}")
    yield from _pair("review", pull.verdict or ("of an older commit" if pull.verdict_sha else "none"))
    yield from _pair("checks", ", ".join(f"{check.name} {check.state}" for check in pull.checks) or "none")
    yield from _pair("mergeable", {None: "unknown", True: "yes", False: "conflict"}[pull.mergeable])
    yield from _pair("merged as", pull.merged_as)
    if pull.lease is not None:
        yield from _pair("reserved", f"{pull.lease.worker} until {text.clock(pull.lease.until)}")
    yield from _page(pull.url)
