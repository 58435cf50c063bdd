"""`hive describe`: everything that is known about one run or issue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
import msgspec

from hive_tui.cli.acting import configured_repos, read
from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.paint import paint, width
from hive_tui.core import document, rows, text
from hive_tui.core.attention import attention
from hive_tui.core.columns import Line, Span
from hive_tui.core.dispatch import Plan, decide
from hive_tui.core.document import EventDoc, IssueDoc, PullDoc, RunDoc
from hive_tui.core.errors import UsageError
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import Claim, Run
from hive_tui.core.rows import Page
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import find_issue, find_run, pull_of_issue, runs_of_issue

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


@click.command("describe", epilog="Example: `hive describe 42`, or `hive describe claude-a -o json`.")
@click.argument("what", metavar="RUN|ISSUE")
@global_options
@repo_option
@output_option
@pass_session
def describe_command(session: Session, what: str) -> None:
    """Everything about one run or issue: state, evidence, attempts, pull request, events."""
    snapshot = read(session)
    key, run = _find(session, snapshot, what)
    now = session.now()
    plan = decide(snapshot, session.fleet_settings, now)
    found = _description(session, snapshot, plan, key, run, now)
    session.emit(found, lambda: _text(session, found, now))


def _find(session: Session, snapshot: Snapshot, what: str) -> tuple[IssueKey, Run | None]:
    repos, repo = configured_repos(session), session.repo
    try:
        key = find_issue(snapshot, what, repos=repos, repo=repo, here=session.here)
    except UsageError:
        if what.strip("#").isdigit() or "#" in what:
            raise
        run = find_run(snapshot, what, repos=repos, repo=repo, here=session.here)
        return run.key, run
    attempts = runs_of_issue(snapshot, key)
    return key, attempts[-1] if attempts else None


def _description(
    session: Session, snapshot: Snapshot, plan: Plan, key: IssueKey, run: Run | None, now: datetime
) -> Description:
    settings = session.fleet_settings
    issue = snapshot.issues.get(key)
    pull = pull_of_issue(snapshot, key)
    about = {key.number} | ({pull.number} if pull is not None else set())
    events = [event for event in snapshot.events if event.repo == key.repo and event.number in about]
    return Description(
        issue=document.issue_doc(snapshot, issue, plan, settings) if issue is not None else None,
        run=document.run_doc(run) if run is not None else None,
        attempts=[document.run_doc(other) for other in runs_of_issue(snapshot, key)],
        pull_request=document.pull_doc(pull, now) if pull is not None else None,
        claim=snapshot.claims.get(key),
        attention=[
            item.text for item in attention(snapshot, plan, settings, now) if item.target.issue_key == key
        ],
        events=[document.event_doc(event) for event in events[-_EVENTS:]],
    )


def _text(session: Session, found: Description, now: datetime) -> str:
    page = Page(width(), now)
    lines = [*_issue(found, now), *_run(found, now), *_pull(found)]
    if len(found.attempts) > 1:
        lines += [(), (Span("ATTEMPTS", Tone.TITLE),), *rows.run_table(page, found.attempts)]
    if found.events:
        lines += [(), (Span("EVENTS", Tone.TITLE),), *rows.event_table(page, found.events)]
    return paint(lines, color=session.color)


def _pair(name: str, value: object | None, tone: Tone = Tone.PLAIN) -> Iterator[Line]:
    if value not in (None, ""):
        yield (Span(f"  {name:<{_LABEL}}", Tone.QUIET), Span(text.clean_line(str(value)), tone))


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
        yield from _pair("url", issue.url)
    for words in found.attention:
        yield from _pair("needs you", words, Tone.SOON)
    if claim is not None:
        counted = f"{claim.attempt}, of which {claim.attempts_used} count"
        yield from _pair("attempts", counted if claim.attempt else None)
        if claim.not_before is not None and now < claim.not_before:
            yield from _pair("not before", text.clock(claim.not_before, now))
        if claim.fire is not None:
            yield from _pair("fired", f"by {claim.fire.by}, {text.since(claim.fire.at, now)} ago")


def _run(found: Description, now: datetime) -> Iterator[Line]:
    run = found.run
    if run is None:
        return
    mark = rows.run_mark(run)
    yield ()
    yield (Span(f"RUN {run.id}", Tone.TITLE),)
    yield from _pair("phase", f"{mark} for {text.since(run.since, now)}", mark.tone)
    yield from _pair("why", run.why)
    yield from _pair("evidence", run.evidence)
    yield from _pair("step", run.step)
    yield from _pair("worker", f"{run.worker} ({run.agent}{f', {run.model}' if run.model else ''})")
    yield from _pair("attempt", run.attempt)
    yield from _pair("branch", f"{run.branch}{f' at {run.head[:10]}' if run.head else ''}")
    yield from _pair("started", text.clock(run.started_at, now))
    yield from _pair("ended", text.clock(run.ended_at, now) if run.ended_at else None)
    yield from _pair("goes on", text.clock(run.until, now) if run.until else None)
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
    yield from _pair("last event", run.last_event.text if run.last_event is not None else None)


def _pull(found: Description) -> Iterator[Line]:
    pull = found.pull_request
    if pull is None:
        return
    yield ()
    yield (Span(f"PULL REQUEST {pull.repo}!{pull.number}", Tone.TITLE),)
    yield from _pair("title", pull.title)
    yield from _pair("state", pull.state)
    yield from _pair("branch", f"{pull.branch} at {pull.head[:10]} onto {pull.base}")
    yield from _pair("review", pull.verdict or ("of an older commit" if pull.verdict_sha else "none"))
    yield from _pair("checks", ", ".join(f"{check.name} {check.state}" for check in pull.checks) or "none")
    yield from _pair("mergeable", {None: text.UNKNOWN, True: "yes", False: "conflict"}[pull.mergeable])
    yield from _pair("merged as", pull.merged_as)
    if pull.lease is not None:
        yield from _pair("reserved", f"{pull.lease.worker} until {text.clock(pull.lease.until)}")
    yield from _pair("url", pull.url)
