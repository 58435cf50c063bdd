"""`hive doctor`: what hive needs on this machine, and what to do about what is missing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from hive_tui import plugins
from hive_tui.cli import doctor_cluster
from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.core import text
from hive_tui.core.errors import HiveError
from hive_tui.core.findings import Finding, State, broken, failed, ok, warning
from hive_tui.core.model import DispatcherState
from hive_tui.core.settings import RepoSettings
from hive_tui.core.sources import CLUSTER, FORGE
from hive_tui.core.store import Snapshot
from hive_tui.core.text import age, plural
from hive_tui.detached import LOG, elsewhere, ensure_dispatcher
from hive_tui.fleet import LOCAL
from hive_tui.system import git

LITTLE_SPACE, NO_SPACE = 2_000_000_000, 200_000_000
"""Bytes free below which clones may fail soon, or will."""

CLOCK_TOLERANCE = timedelta(minutes=2)


_MARKS = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.BROKEN: ("✗", "red")}


@click.command("doctor", epilog="Example: `hive doctor`, or `hive --fleet work doctor -o json`.")
@click.option("--fix", is_flag=True, help="Repair what can be repaired without a decision of yours.")
@global_options
@output_option
@click.pass_context
@pass_session
def doctor_command(session: Session, ctx: click.Context, fix: bool) -> None:
    """Check git, the configuration, the agents, the data folder, the fleet and its dispatcher.

    On a Kubernetes fleet also the way to the cluster, what runs need there, and what you may do. Exits 1
    when something is broken; a warning is not.
    """
    if fix:
        session.require_writable()
        for line in _repair(session):
            session.say(line)
    findings = list(_examine(session))
    session.emit(
        {"fleet": _fleet_name(session), "checks": findings, "ok": not _any_broken(findings)},
        lambda: "\n".join(map(_line, findings)),
    )
    if _any_broken(findings):
        ctx.exit(1)


def _any_broken(findings: list[Finding]) -> bool:
    return any(finding.state is State.BROKEN for finding in findings)


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.state]
    line = f"{click.style(mark, fg=colour)} {finding.name:<14} {finding.detail}"
    return f"{line}\n{'':17}→ {finding.fix}" if finding.fix else line


def _fleet_name(session: Session) -> str | None:
    try:
        return session.fleet_name
    except HiveError:
        return None


def _examine(session: Session) -> Iterator[Finding]:
    found_git = _git()
    yield found_git
    configuration = _configuration(session)
    yield configuration
    if configuration.state is State.BROKEN:
        return
    yield from _keys(session)
    yield from _agents(session)
    yield from _data_folder(session)
    if found_git.state is State.OK:  # without it nothing true can be said of a repository
        yield from _repositories(session)
    yield from doctor_cluster.examine(session)
    yield from _fleet(session)


def _git() -> Finding:
    try:
        return ok("git", ".".join(map(str, git.version())))
    except HiveError as error:
        return failed("git", error)


def _configuration(session: Session) -> Finding:
    try:
        session.fleet_settings  # noqa: B018
    except HiveError as error:
        return failed("configuration", error)
    path = session.configuration.path
    if not path.exists():
        return ok("configuration", f"none; everything has its default ({path})")
    return ok("configuration", str(path))


def _keys(session: Session) -> Iterator[Finding]:
    """The console's keys, where the configuration has a say in them."""
    if not session.settings.keys:
        return
    from hive_tui.core import keymap

    found = keymap.build(session.settings.keys)
    for clash in found.clashes:
        yield warning("keys", clash.problem, clash.fix)
    if not found.clashes:
        yield ok("keys", f"{plural(len(session.settings.keys), 'action')} with keys of your own")


def _agents(session: Session) -> Iterator[Finding]:
    if session.fleet_settings.cluster != LOCAL:
        names = ", ".join(agent.name for agent in session.fleet_settings.agents)
        yield ok("agents", f"{names}: their CLIs are where the runs are, not looked for here")
        return
    usable = 0
    for agent in session.fleet_settings.agents:
        name = f"agent {agent.name}"
        try:
            probe = plugins.agent(agent.entry_point).probe(agent.command)
        except HiveError as error:
            yield failed(name, error)
            continue
        detail = " · ".join(filter(None, (probe.version, probe.problem))) or (
            "found" if probe.found else "not found"
        )
        if not probe.found:
            yield warning(
                name, detail, probe.hint or f"Install it, or set fleets.NAME.agents[{agent.name}].command."
            )
        elif probe.logged_in is False or probe.problem:
            yield warning(name, detail, probe.hint or "Log in with its own command.")
        else:
            usable += 1
            yield ok(name, detail)
    if not usable:
        yield broken(
            "agents",
            "none of the fleet's agents can work",
            "Install Claude Code or Codex and log in; `hive demo` needs neither.",
        )


def _data_folder(session: Session) -> Iterator[Finding]:
    folder = session.configuration.folders.data
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / ".doctor"
        trial.write_bytes(b"")
        trial.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield broken(
            "data folder",
            f"{folder}: {error.strerror}",
            "Make it writable, or set HIVE_HOME to a folder that is.",
        )
        return
    yield ok("data folder", str(folder))
    detail = f"{free / 1e9:.1f} GB free"
    if free < NO_SPACE:
        yield broken("disk", detail, "Free some space; `hive gc` removes the work trees of ended runs.")
    elif free < LITTLE_SPACE:
        yield warning("disk", detail, "`hive gc` removes the work trees of ended runs.")
    else:
        yield ok("disk", detail)


def _repositories(session: Session) -> Iterator[Finding]:
    settings = session.fleet_settings
    yield from _checkouts(settings.repos) if settings.forge == "local" else _tracker(session)
    if settings.repos and not settings.allowed_authors and not settings.allowed_roles:
        yield warning(
            "authors",
            "nobody's issues are started",
            "`hive init` puts you in, or set fleets.NAME.allowed_authors.",
        )


def _checkouts(repos: Sequence[RepoSettings]) -> Iterator[Finding]:
    if not repos:
        yield warning("repositories", "none in this fleet", "`hive init` in a repository adds it.")
    for repo in repos:
        name, path = f"repo {repo.name}", Path(repo.path or "").expanduser()
        if not repo.path or not path.is_dir():
            yield broken(
                name,
                f"{path} is not there",
                "`hive init` where it is now, or take it out of the configuration.",
            )
        elif repo.base and not _has_branch(path, repo.base):
            yield broken(name, f"has no branch {repo.base}", f"`hive init --base BRANCH` in {path}.")
        else:
            yield ok(name, str(path))


def _tracker(session: Session) -> Iterator[Finding]:
    """What a forge on a network says of its token, its limits and the fleet's repositories."""
    try:
        setup = plugins.forge_setup(session.fleet_settings.forge, session.fleet.context)
        if setup is not None:
            with closing(setup):
                session.say_asking(session.fleet_settings.forge)
                yield from setup.examine()
    except HiveError as error:
        yield failed("forge", error)


def _has_branch(path: Path, branch: str) -> bool:
    try:
        return git.ok("show-ref", "--verify", "--quiet", f"refs/heads/{branch}", cwd=path)
    except HiveError:
        return False


def _fleet(session: Session) -> Iterator[Finding]:
    database = session.fleet.home / "fleet.db"
    if session.fleet_settings.cluster == LOCAL:
        if database.exists():
            yield _database(database)
        elif session.fleet.read_cluster().sources[CLUSTER].ok:
            yield ok("database", "none yet: it is made when it is needed")
            return
    snapshot = session.snapshot()
    for source in snapshot.sources.values():
        if not source.ok:
            remote = source.name == CLUSTER and session.fleet_settings.cluster != LOCAL
            fix = "See above." if remote else f"See above, and {session.fleet.home / LOG}."
            if source.name == FORGE and session.fleet_settings.forge != "local":
                fix = f"`hive dispatch` tries again at once. {fix}"
            yield broken(source.name, source.why or source.state.value, fix)
    if snapshot.fleet is not None:
        yield from doctor_cluster.size(snapshot.fleet)
    yield from _dispatcher(session, snapshot)
    yield _clock(snapshot, datetime.now(UTC))


def _database(path: Path) -> Finding:
    """SQLite's own check, in a connection that cannot write."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        fix = "Stop hive, keep a copy of the folder, and move fleet.db and runs/ out of the way."
        # A full or read-only disk fails a sound file too, which must stay where it is.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            fix = "Free some disk space, make the folder writable, then look again; leave the file as it is."
        return broken("database", f"{path}: {error}", fix)
    if answer != "ok":
        return broken(
            "database", f"{path}: {answer}", "Stop hive, keep a copy, and run `sqlite3 fleet.db .recover`."
        )
    return ok("database", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def _dispatcher(session: Session, snapshot: Snapshot) -> Iterator[Finding]:
    if snapshot.fleet is None:
        return
    state = snapshot.fleet.dispatcher
    if state.state is DispatcherState.RUNNING:
        where = f" on {text.clean_line(state.host)}" if elsewhere(state) and state.host else ""
        yield ok("dispatcher", f"running{where}, pid {state.pid}")
    elif state.state is DispatcherState.DEAD:
        yield warning(
            "dispatcher", "ended without saying so", "`hive dispatcher start`; it goes on where it was."
        )
    elif session.fleet_settings.cluster != LOCAL:
        yield warning(
            "dispatcher",
            f"{state.state.value}: nothing is started",
            "`hive dispatcher start` on the machine that shall do it.",
        )
    else:
        yield ok("dispatcher", f"{state.state.value}; `hive dispatcher start` or `hive top` starts it")


def _clock(snapshot: Snapshot, now: datetime) -> Finding:
    newest = max((event.at for event in snapshot.events), default=None)
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        return warning(
            "clock",
            f"{age(newest - now)} behind what the fleet has recorded",
            "Set this machine's clock, then go on.",
        )
    return ok("clock", now.astimezone().strftime("%Y-%m-%d %H:%M %Z"))


def _repair(session: Session) -> Iterator[str]:
    """Do what needs no decision, and say so."""
    folders = session.configuration.folders
    cache = folders.cache / "config"
    if cache.is_dir():
        shutil.rmtree(cache, ignore_errors=True)
        yield "Emptied the cache of parsed configuration."
    if not folders.data.is_dir():
        try:
            folders.data.mkdir(parents=True)
            yield f"Made {folders.data}."
        except OSError:
            return  # reported by the check
    if session.fleet_settings.cluster != LOCAL:
        return  # on which machine its dispatcher runs, only a person can say
    snapshot = session.snapshot()
    if snapshot.fleet is not None and snapshot.fleet.dispatcher.state is DispatcherState.DEAD:
        config = Path(session.config_option) if session.config_option else None
        ensure_dispatcher(session.fleet, config)
        yield "Started the dispatcher again."
