"""`hive pause`, `resume`, `stop`, `slots`, `agents`, `kill`, `reset` and `gc`: steer the fleet."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from hive_tui.cli import when
from hive_tui.cli.acting import act, configured_repos, dry_run_option, read, yes_option
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session, repo_option
from hive_tui.cli.finding import find_issues
from hive_tui.cli.paint import paint, width
from hive_tui.core import document, text
from hive_tui.core.actions import (
    Collect,
    DisableAgent,
    EnableAgent,
    Kill,
    Pause,
    Reset,
    Resume,
    SetSlots,
    StopAll,
)
from hive_tui.core.errors import UsageError
from hive_tui.core.ids import AgentName
from hive_tui.core.sources import CLUSTER
from hive_tui.core.targets import find_run


@click.command("pause", epilog='Example: `hive pause --why "release day"`.')
@click.option("--why", metavar="TEXT", help="Shown to everybody until `hive resume`.")
@global_options
@pass_session
def pause_command(session: Session, why: str | None) -> None:
    """Start nothing new. Runs at work go on."""
    session.require_writable()
    act(session, read(session, CLUSTER), Pause(text.clean_line(why) if why else None))


@click.command("resume", epilog="Example: `hive resume`.")
@global_options
@pass_session
def resume_command(session: Session) -> None:
    """Start again what is ready."""
    session.require_writable()
    act(session, read(session, CLUSTER), Resume())


@click.command("stop", epilog='Example: `hive stop --why "out of budget"`.')
@click.option("--why", metavar="TEXT", help="Shown to everybody until `hive resume`.")
@yes_option
@dry_run_option
@global_options
@pass_session
def stop_command(session: Session, why: str | None, yes: bool, dry_run: bool) -> None:
    """Pause, and end every run with its work saved. After `hive resume` the issues are started anew."""
    if not dry_run:
        session.require_writable()
    request = StopAll(text.clean_line(why) if why else None)
    act(session, read(session, CLUSTER), request, yes=yes, dry_run=dry_run)


@click.command(
    "slots",
    context_settings={"ignore_unknown_options": True},
    epilog="Example: `hive slots`, `hive slots 4`, `hive slots +1`, `hive slots -1`.",
)
@click.argument("value", metavar="[N|+1|-1]", required=False)
@yes_option
@global_options
@output_option
@pass_session
def slots_command(session: Session, value: str | None, yes: bool) -> None:
    """How many agents work at once. Fewer slots end nobody: runs above that go on until they end.

    More than double, and more than ten more, is asked for first.
    """
    if value is not None:
        session.require_writable()
        if not re.fullmatch(r"[+-]?\d{1,6}", value):
            raise UsageError(f"{value!r} is no number of slots.", "Give N, +N or -N.")
        by = value[0] in "+-"
        request = SetSlots(by=int(value)) if by else SetSlots(to=int(value))
        act(session, read(session, CLUSTER), request, yes=yes)
    fleet = read(session, CLUSTER).fleet
    slots = document.SlotsDoc(
        None if fleet is None else fleet.slots, None if fleet is None else len(fleet.slots_used)
    )
    if value is None or session.output_option != "text":
        shown = [text.UNKNOWN if number is None else str(number) for number in (slots.used, slots.max)]
        session.emit(slots, "/".join(shown))


@click.group("agents", cls=Group, epilog="Example: `hive agents disable codex`.")
def agents_command() -> None:
    """List agents, enable or disable one."""


@agents_command.command("list", epilog="Example: `hive agents list -o json`.")
@global_options
@output_option
@pass_session
def agents_list_command(session: Session) -> None:
    """The fleet's agents, whether they may start, and their quota."""
    from hive_tui.core import report
    from hive_tui.core.dispatch import decide

    snapshot, now = read(session, CLUSTER), session.now()
    settings = session.fleet_settings
    plan = decide(snapshot, settings, now)
    whole = document.build(snapshot, plan, settings, now, fleet=session.fleet_name)

    def shown() -> str:
        lines = report.lines(whole, width=width(), sections=("quota",))
        return paint(lines[1:], color=session.color)

    session.emit({"agents": whole.fleet.agents}, shown)


@agents_command.command("enable", epilog="Example: `hive agents enable claude`.")
@click.argument("name")
@global_options
@pass_session
def agents_enable_command(session: Session, name: str) -> None:
    """Let an agent be started again, also one whose limit had no end."""
    session.require_writable()
    act(session, read(session, CLUSTER), EnableAgent(AgentName(name)))


@agents_command.command("disable", epilog="Example: `hive agents disable codex`.")
@click.argument("name")
@global_options
@pass_session
def agents_disable_command(session: Session, name: str) -> None:
    """Start nothing with an agent any more. Its runs go on."""
    session.require_writable()
    act(session, read(session, CLUSTER), DisableAgent(AgentName(name)))


@click.command("kill", epilog="Example: `hive kill 42`, `hive kill claude-a`, `hive kill -y 42 43`.")
@click.argument("names", metavar="RUN|ISSUE...", nargs=-1, required=True)
@yes_option
@dry_run_option
@global_options
@repo_option
@pass_session
def kill_command(session: Session, names: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """End runs with their work saved. Their issues are not started again until `hive retry`."""
    if not dry_run:
        session.require_writable()
    snapshot = read(session, CLUSTER)
    repos, repo = configured_repos(session), session.repo
    runs = dict.fromkeys(
        find_run(snapshot, name, repos=repos, repo=repo, here=session.here).id for name in names
    )
    act(session, snapshot, Kill(tuple(runs)), yes=yes, dry_run=dry_run)


@click.command("reset", epilog="Example: `hive reset 42`.")
@click.argument("issues", metavar="ISSUE...", nargs=-1, required=True)
@yes_option
@dry_run_option
@global_options
@repo_option
@pass_session
def reset_command(session: Session, issues: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Forget an issue's attempts and start afresh: its run ends, its pull request is closed."""
    if not dry_run:
        session.require_writable()
    snapshot, keys = find_issues(session, read(session), issues)
    act(session, snapshot, Reset(keys), yes=yes, dry_run=dry_run)


@click.command("gc", epilog="Example: `hive gc --dry-run`, or `hive gc --older-than 2d`.")
@click.option("--dry-run", is_flag=True, help="Only print what would be removed.")
@click.option(
    "--older-than",
    default="1h",
    show_default=True,
    metavar="DURATION",
    callback=when.duration,
    help="Only of runs that ended so long ago.",
)
@global_options
@output_option
@pass_session
def gc_command(session: Session, dry_run: bool, older_than: timedelta) -> None:
    """Remove what ended runs left behind: on a laptop their work trees, while logs stay; in a cluster their
    Jobs and pods, and with them their logs. Branches and records stay.
    """
    if not dry_run:
        session.require_writable()
    snapshot = read(session, CLUSTER)
    before = session.now() - older_than
    removed = act(session, snapshot, Collect(before, dry_run=dry_run), quiet=True).messages
    session.emit({"dry_run": dry_run, "removed": removed}, "\n".join(removed))
    if not removed:
        session.say("There is nothing to remove.")
