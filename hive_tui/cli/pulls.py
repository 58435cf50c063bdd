"""`hive pr`, `merge`, `take` and `release`: what came of it."""

from __future__ import annotations

from collections.abc import Iterable

import click
import msgspec

from hive_tui.cli.acting import act, configured_repos, dry_run_option, read, yes_option
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.paint import paint, width
from hive_tui.core import document, merging, rows, text
from hive_tui.core.actions import Merge, Release, Take
from hive_tui.core.columns import Line, Span
from hive_tui.core.document import PullDoc
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import PullKey
from hive_tui.core.model import PullState
from hive_tui.core.rows import Page
from hive_tui.core.store import Snapshot
from hive_tui.core.targets import find_pull, find_pull_to_merge, find_worker


@click.group("pr", cls=Group, epilog="Example: `hive pr diff 52`.")
def pr_command() -> None:
    """List and show pull requests and their diffs."""


@pr_command.command("list", epilog="Example: `hive pr list --all -o json`.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also merged and closed ones.")
@global_options
@repo_option
@output_option
@pass_session
def pr_list_command(session: Session, everything: bool) -> None:
    """Pull requests, with what a merge depends on."""
    snapshot, now, repo = read(session), session.now(), session.repo
    found = [
        document.pull_doc(pull, now)
        for _, pull in sorted(snapshot.pulls.items())
        if (everything or pull.state is PullState.OPEN) and repo in (None, pull.repo)
    ]
    session.emit({"pull_requests": found}, lambda: _pulls_text(session, found))


def _pulls_text(session: Session, found: list[PullDoc]) -> str:
    if not found:
        session.say("No pull requests.")
        return ""
    return paint(
        rows.pull_table(Page(width(), session.now(), len(configured_repos(session)) > 1), found),
        color=session.color,
    )


class PullDetail(msgspec.Struct, frozen=True):
    """One pull request with its text and what stands between it and a merge."""

    pull_request: PullDoc
    body: str
    obstacles: tuple[str, ...]


@pr_command.command("show", epilog="Example: `hive pr show 52`.")
@click.argument("pull", metavar="PULL")
@global_options
@repo_option
@output_option
@pass_session
def pr_show_command(session: Session, pull: str) -> None:
    """One pull request: its checks, its review, what stands between it and a merge."""
    snapshot = read(session)
    found = find_pull(snapshot, pull, repos=configured_repos(session), repo=session.repo, here=session.here)
    issue = snapshot.issues.get(found.issue_key) if found.issue_key is not None else None
    settings, base = session.fleet_settings, snapshot.base(found.repo)
    merged = found.state is PullState.MERGED
    against = () if merged else merging.obstacles(found, issue, settings, base=base)
    detail = PullDetail(document.pull_doc(found, session.now()), found.body, against)
    session.emit(detail, lambda: paint(_pull_lines(session, detail), color=session.color))


def _pull_lines(session: Session, detail: PullDetail) -> list[Line]:
    pull = detail.pull_request
    lines: list[Line] = [
        (Span(f"{pull.repo}!{pull.number}  {text.clean_line(pull.title)}", Tone.TITLE),),
        (Span(f"{pull.state}  {pull.branch} at {pull.head[:10]} onto {pull.base}", Tone.QUIET),),
    ]
    for check in pull.checks:
        lines.append((Span(f"check {check.name}: {check.state}"),))
    review = pull.verdict or ("of an older commit" if pull.verdict_sha else "none yet")
    lines.append((Span(f"review: {review}"),))
    lines += [(Span(f"not to be merged: {reason}", Tone.SOON),) for reason in detail.obstacles]
    if pull.state == PullState.OPEN.value and not detail.obstacles and pull.issue is not None:
        lines.append((Span(f"ready to merge: `hive merge {pull.issue}`", Tone.GOOD),))
    return [*lines, (), *((Span(line),) for line in text.clean(detail.body).splitlines())]


class PullDiff(msgspec.Struct, frozen=True):
    repo: str
    number: int
    head: str
    diff: str


@pr_command.command("diff", epilog="Example: `hive pr diff 52 | less`.")
@click.argument("pull", metavar="PULL")
@global_options
@repo_option
@output_option
@pass_session
def pr_diff_command(session: Session, pull: str) -> None:
    """What a pull request changes, as a patch."""
    found = find_pull(
        read(session), pull, repos=configured_repos(session), repo=session.repo, here=session.here
    )
    patch = session.fleet.forge.diff(found.key)
    session.emit(
        PullDiff(found.repo, found.number, found.head, patch),
        lambda: text.clean(patch, limit=len(patch) + 1).rstrip("\n"),
    )


@click.command("merge", epilog="Example: `hive merge 42`, or `hive merge -y 42 43`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@yes_option
@dry_run_option
@global_options
@repo_option
@output_option
@pass_session
def merge_command(session: Session, issues: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Squash an issue's pull request onto its base branch, delete its branch, close the issue.

    ISSUE may also be a pull request, such as !52. It has to be open, in review, with the right base, every
    check passed on its head commit and no conflict; exit code 3 says which of these does not hold.
    """
    if not dry_run:
        session.require_writable()
    snapshot = read(session)
    repos, repo = configured_repos(session), session.repo
    pulls = [
        find_pull_to_merge(snapshot, name, repos=repos, repo=repo, here=session.here).key for name in issues
    ]
    snapshot = _as_they_are(session, snapshot, pulls)
    act(session, snapshot, Merge(tuple(dict.fromkeys(pulls))), yes=yes, dry_run=dry_run)
    if dry_run:
        return
    if session.output_option != "text":
        after, now = read(session), session.now()
        merged = [document.pull_doc(after.pulls[key], now) for key in dict.fromkeys(pulls)]
        session.emit({"pull_requests": merged}, "")


def _as_they_are(session: Session, snapshot: Snapshot, keys: Iterable[PullKey]) -> Snapshot:
    """With those that may not be merged by what was read last as the tracker has them now: a check may have
    passed since, or a conflict gone."""
    pulls, issues = dict(snapshot.pulls), dict(snapshot.issues)
    for key in keys:
        pull = pulls[key]
        issue = issues.get(pull.issue_key) if pull.issue_key is not None else None
        if merging.obstacles(pull, issue, session.fleet_settings, base=snapshot.base(pull.repo)):
            pulls[key] = pull = session.fleet.forge.get_pull(key)
            if pull.issue_key is not None:
                issues[pull.issue_key] = session.fleet.forge.get_issue(pull.issue_key)
    return msgspec.structs.replace(snapshot, pulls=pulls, issues=issues)


def _pull_key(session: Session, snapshot: Snapshot, name: str | None) -> PullKey | None:
    if name is None:
        return None
    return find_pull(
        snapshot, name, repos=configured_repos(session), repo=session.repo, here=session.here
    ).key


_worker_option = click.option("--worker", metavar="W", help="In whose name; by default yours.")


@click.command("take", epilog="Example: `hive take --worker claude-a`, or `hive take '!52'`.")
@click.argument("pull", metavar="[PULL]", required=False)
@_worker_option
@global_options
@repo_option
@output_option
@pass_session
def take_command(session: Session, pull: str | None, worker: str | None) -> None:
    """Reserve the next pull request that waits for review (or PULL), for 12 hours."""
    session.require_writable()
    snapshot = read(session)
    key = _pull_key(session, snapshot, pull)
    name = find_worker(worker or session.user)
    result = act(session, snapshot, Take(name, key), quiet=session.output_option != "text")
    if session.output_option != "text" and result.messages:
        after, now = read(session), session.now()
        mine = [
            document.pull_doc(found, now)
            for found in after.pulls.values()
            if found.lease is not None and found.lease.worker == name and key in (None, found.key)
        ]
        session.emit({"pull_requests": mine}, "")


@click.command("release", epilog="Example: `hive release --worker claude-a`, or `hive release '!52'`.")
@click.argument("pull", metavar="[PULL]", required=False)
@_worker_option
@global_options
@repo_option
@pass_session
def release_command(session: Session, pull: str | None, worker: str | None) -> None:
    """Give a reserved pull request back: PULL, or all that the worker has."""
    session.require_writable()
    snapshot = read(session)
    key = _pull_key(session, snapshot, pull)
    act(session, snapshot, Release(find_worker(worker or session.user), key))
