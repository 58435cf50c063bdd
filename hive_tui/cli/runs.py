"""`hive ls`, `logs`, `events` and `describe`: what runs do and did."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from hive_tui.cli import when
from hive_tui.cli.acting import configured_repos, read, require
from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.paint import paint, width
from hive_tui.core import document, rows
from hive_tui.core.document import RunDoc
from hive_tui.core.errors import UsageError
from hive_tui.core.model import Event, Phase, Run
from hive_tui.core.ports import Capability
from hive_tui.core.rows import Page
from hive_tui.core.sources import CLUSTER
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import Target, find_run, runs_of_issue

if TYPE_CHECKING:
    from hive_tui.core.events import LogLine

RECENT = timedelta(days=1)
"""Ended runs that `ls` shows without --all."""

_Wanted = Callable[[Iterable[Event]], list[Event]]

_NEEDS_YOU = (Phase.WAITING, Phase.STALLED, Phase.NEEDS_HUMAN)


@click.command("ls", epilog="Example: `hive ls -o json`, or `hive ls --all --repo me/parser`.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also runs that ended more than a day ago.")
@global_options
@repo_option
@output_option
@pass_session
def ls_command(session: Session, everything: bool) -> None:
    """Runs, the ones that need you first, then those at work, then the ended ones."""
    snapshot = read(session, CLUSTER)
    now, repo = session.now(), session.repo
    runs = [
        run
        for run in snapshot.runs.values()
        if repo in (None, run.spec.repo) and (everything or _recent(run, now))
    ]
    docs = [document.run_doc(run) for run in sorted(runs, key=order)]
    page = Page(width(), now, len(configured_repos(session)) > 1, rows.turn_of(snapshot.fleet))
    session.emit({"runs": docs}, lambda: _runs_text(session, page, docs))


def _recent(run: Run, now: datetime) -> bool:
    ended = run.status.ended_at
    return not run.phase.final or ended is None or now - ended < RECENT


def order(run: Run) -> tuple[bool, bool, float]:
    """What needs you, what is at work, what has ended; within each the newest first."""
    needs_you = run.phase in _NEEDS_YOU and not run.status.parked
    return run.phase.final, not needs_you, -run.spec.created_at.timestamp()


def _runs_text(session: Session, page: Page, docs: list[RunDoc]) -> str:
    if not docs:
        session.say_empty("No runs. `hive next` says what is started next, and what holds the rest.")
        return ""
    return paint(rows.run_table(page, docs, ids=True), color=session.color)


@click.command(
    "logs", epilog="Example: `hive logs -f 42`, `hive logs claude-a --since 5m`, `hive logs 42 --previous`."
)
@click.argument("run", metavar="RUN|ISSUE")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--since", callback=when.since, help="Only what came after: 5m, 2h, or an ISO time.")
@click.option(
    "--previous",
    is_flag=True,
    help="What was said before the run's container was started again; else the attempt before.",
)
@click.option("--raw", is_flag=True, help="The recorded JSON lines.")
@global_options
@repo_option
@output_option
@pass_session
def logs_command(
    session: Session, run: str, follow: bool, since: datetime | None, previous: bool, raw: bool
) -> None:
    """What an agent said and did. RUN is a run, the start of its id, a worker or an issue.

    With -o json (or --raw) each line is one JSON object, as it was recorded.
    """
    import msgspec

    from hive_tui.cli.log_text import log_lines

    snapshot = read(session, CLUSTER)
    found = find_run(snapshot, run, repos=configured_repos(session), repo=session.repo, here=session.here)
    require(session, snapshot, "log", Target(run=found.id))
    raw = raw or session.output_option == "json"
    if found.status.phase is Phase.QUEUED and not previous:
        remedy = f"; {found.place.remedy}" if found.place is not None and found.place.remedy else ""
        session.say(f"{found.id} has not begun: {found.status.why or 'it is queued'}{remedy}.")
    for line in _previous(session, snapshot, found) if previous else _logs(session, found, follow):
        if since is not None and line.at < since:
            continue
        if session.output_option == "yaml":
            import yaml

            click.echo("---\n" + yaml.safe_dump(msgspec.to_builtins(line), sort_keys=False), nl=False)
        elif raw:
            click.echo(msgspec.json.encode(line).decode())
        else:
            click.echo(paint(log_lines(line), color=session.color))
        if follow:
            sys.stdout.flush()


def _logs(session: Session, run: Run, follow: bool) -> Iterator[LogLine]:
    return session.fleet.cluster.logs(run.id, follow=follow)


def _previous(session: Session, snapshot: Snapshot, run: Run) -> Iterator[LogLine]:
    """Of the container before where there is one, else of the attempt before."""
    cluster = session.fleet.cluster
    again = run.place is not None and run.place.restarts > 0
    if again and Capability.PREVIOUS in cluster.capabilities:
        return cluster.previous_logs(run.id)
    earlier = [other for other in runs_of_issue(snapshot, run.key) if other.spec.attempt < run.spec.attempt]
    if not earlier:
        raise UsageError(f"No attempt at {run.key} before {run.id} has a log.", "Leave out --previous.")
    return cluster.logs(earlier[-1].id)


@click.command("events", epilog="Example: `hive events -n 100`, or `hive events -f`.")
@click.option(
    "-n", "--last", type=click.IntRange(min=0), default=50, show_default=True, help="How many lines."
)
@click.option("-f", "--follow", is_flag=True, help="Go on as they come.")
@click.option("--since", callback=when.since, help="Only what came after: 5m, 2h, or an ISO time.")
@global_options
@repo_option
@output_option
@pass_session
def events_command(session: Session, last: int, follow: bool, since: datetime | None) -> None:
    """What the dispatcher and people decided, and why; the newest last.

    With -f and -o json each line is one JSON object.
    """
    snapshot = read(session, CLUSTER)
    repo = session.repo

    def wanted(events: Iterable[Event]) -> list[Event]:
        return [
            event for event in events if repo in (None, event.repo) and (since is None or event.at >= since)
        ]

    shown = wanted(snapshot.events)
    shown = shown[-last:] if last else []
    if not follow:
        docs = [document.event_doc(event) for event in shown]
        session.emit({"events": docs}, lambda: _events_text(session, shown, titles=True) if shown else "")
        return
    _show_events(session, shown, titles=True)
    follow_events(session, snapshot, wanted)


def follow_events(session: Session, seen: Snapshot, wanted: _Wanted = list) -> None:
    """Print what is added to the fleet's log after `seen`, until the process is interrupted."""
    from hive_tui.cli.live import snapshots

    last = seen.events[-1].seq if seen.events else 0
    for snapshot in snapshots(session.fleet):
        new = [event for event in snapshot.events if event.seq > last]
        last = max([last, *(event.seq for event in new)])
        _show_events(session, wanted(new), titles=False)


def _show_events(session: Session, events: list[Event], *, titles: bool) -> None:
    if not events:
        return
    if session.output_option == "text":
        click.echo(_events_text(session, events, titles=titles))
    else:
        import msgspec

        for event in events:
            click.echo(msgspec.json.encode(document.event_doc(event)).decode())
    sys.stdout.flush()


def _events_text(session: Session, events: list[Event], *, titles: bool) -> str:
    page = Page(width(), session.now(), len(configured_repos(session)) > 1)
    lines = rows.event_table(page, [document.event_doc(event) for event in events])
    return paint(lines if titles else lines[1:], color=session.color)
