"""`hive labels sync`: make the labels that hive works with, where a tracker keeps a list of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session, repo_option
from hive_tui.core.errors import HiveError, Refused
from hive_tui.core.ids import RepoName
from hive_tui.core.text import plural

if TYPE_CHECKING:
    from hive_tui.core.setup import ForgeSetup, LabelChange


class Synced(msgspec.Struct, frozen=True):
    """What was, or would be, done in one repository."""

    repo: str
    made: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    """Labels that were there in other letters."""
    why: str | None = None
    """Why it could not be done."""


@click.group("labels", cls=Group)
def labels_command() -> None:
    """The labels that hive works with: states, types and priorities."""


@labels_command.command("sync")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@repo_option
@global_options
@output_option
@click.pass_context
@pass_session
def sync_command(session: Session, ctx: click.Context, dry_run: bool) -> None:
    """Make the labels that are missing, with their colours and descriptions.

    Labels that are there keep theirs; one in other letters is renamed. Nothing is ever deleted.
    """
    from hive_tui import plugins

    if not dry_run:
        session.require_writable()
    wanted = session.repo
    setup = plugins.forge_setup(session.fleet_settings.forge, session.fleet.context)
    if setup is None:
        session.say("This fleet's tracker has no list of labels; every label can be set on an issue.")
        session.emit({"repos": [], "dry_run": dry_run}, "")
        return
    repos = [repo.name for repo in session.fleet_settings.repos if wanted is None or repo.name == wanted]
    if not repos:
        raise Refused("This fleet has no repository yet.", "`hive init --forge github --repo OWNER/NAME`.")
    with closing(setup):
        done = [sync(setup, RepoName(repo), dry_run=dry_run) for repo in repos]
    session.emit({"repos": done, "dry_run": dry_run}, lambda: "\n".join(_line(one, dry_run) for one in done))
    if any(one.why is not None for one in done):
        ctx.exit(1)


def sync(setup: ForgeSetup, repo: RepoName, *, dry_run: bool = False) -> Synced:
    """Bring one repository's labels in order; its trouble is in what is returned."""
    try:
        changes = setup.missing_labels(repo)
        if not dry_run:
            setup.make_labels(repo, changes)
    except HiveError as error:
        return Synced(repo, why=error.words)
    made, renamed = _split(changes)
    return Synced(repo, made, renamed)


def _split(changes: list[LabelChange]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    made = tuple(change.label.name for change in changes if change.spelt is None)
    return made, tuple(
        f"{change.spelt} → {change.label.name}" for change in changes if change.spelt is not None
    )


def _line(done: Synced, dry_run: bool) -> str:
    if done.why is not None:
        return f"{done.repo}: {done.why}"
    if not done.made and not done.renamed:
        return f"{done.repo}: all labels are there."
    would = "would be " if dry_run else ""
    lines = [f"{done.repo}: {plural(len(done.made), 'label')} {would}made"]
    lines += [f"  + {name}" for name in done.made]
    lines += [f"  ~ {name}" for name in done.renamed]
    return "\n".join(lines)
