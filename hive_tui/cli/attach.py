"""`hive attach`: a terminal where the agent of a run works."""

from __future__ import annotations

import os

import click

from hive_tui.cli.acting import configured_repos, read, require
from hive_tui.cli.common import Session, global_options, pass_session, repo_option
from hive_tui.core.errors import HiveError
from hive_tui.core.sources import CLUSTER
from hive_tui.core.targets import Target, find_run


@click.command("attach", epilog="Example: `hive attach claude-a`, or `hive attach 42 -- git status`.")
@click.argument("run", metavar="RUN|ISSUE")
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
@global_options
@repo_option
@pass_session
def attach_command(session: Session, run: str, command: tuple[str, ...]) -> None:
    """A shell where the agent of a run works, or COMMAND there. It ends neither the agent nor the run.

    What is in that container is the agent's: it may have changed every program that you call there.
    """
    snapshot = read(session, CLUSTER)
    found = find_run(snapshot, run, repos=configured_repos(session), repo=session.repo, here=session.here)
    require(session, snapshot, "attach", Target(run=found.id))
    argv = session.fleet.cluster.shell(found.id, command)
    session.fleet.close()
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise HiveError(f"{argv[0]} cannot be started: {error.strerror}.", "Is it installed?") from error
