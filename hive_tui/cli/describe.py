"""`hive describe`: everything that is known about one run or issue."""

from __future__ import annotations

import click
import msgspec

from hive_tui.cli.acting import configured_repos, read
from hive_tui.cli.common import Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.paint import paint, width
from hive_tui.core import description, text
from hive_tui.core.attention import attention
from hive_tui.core.dispatch import decide
from hive_tui.core.errors import HiveError, UsageError
from hive_tui.core.ids import IssueKey
from hive_tui.core.model import Run
from hive_tui.core.ports import Capability, Section
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import find_issue, find_run, runs_of_issue


@click.command("describe", epilog="Example: `hive describe 42`, or `hive describe claude-a -o json`.")
@click.argument("what", metavar="RUN|ISSUE")
@global_options
@repo_option
@output_option
@pass_session
def describe_command(session: Session, what: str) -> None:
    """Everything about one run or issue: state, evidence, attempts, pull request, events.

    On a cluster of several machines also what that itself knows of the run: its objects and their events.
    """
    snapshot = read(session)
    key, run = _find(session, snapshot, what)
    now, settings = session.now(), session.fleet_settings
    plan = decide(snapshot, settings, now)
    needs = attention(snapshot, plan, settings, now)
    found = description.describe(snapshot, plan, settings, key=key, run=run, attention=needs, now=now)
    if run is not None and Capability.DESCRIBE in session.fleet.cluster.capabilities:
        found = msgspec.structs.replace(found, sections=_sections(session, run))
    session.emit(
        found,
        lambda: paint(description.lines(found, width=width(), now=now), color=session.color),
    )


def _sections(session: Session, run: Run) -> tuple[Section, ...]:
    """What the cluster itself knows; where it cannot be had the rest is printed all the same."""
    try:
        return session.fleet.cluster.describe(run.id)
    except HiveError as error:
        session.say(f"hive: {text.clean_line(error.words)}")
        return ()


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
