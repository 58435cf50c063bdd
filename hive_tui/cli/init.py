"""`hive init`: let a fleet work on the repository you are in. The checkout itself is not touched."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import click
import msgspec

from hive_tui import plugins
from hive_tui.cli import cluster_options
from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.config import edit
from hive_tui.config.discover import (
    PROJECT_FILE,
    Repository,
    guess_test,
    project_settings,
    repository,
)
from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.ids import AgentName
from hive_tui.core.settings import FleetSettings
from hive_tui.probing import WELL_KNOWN, AgentFound, probe


class Initialised(msgspec.Struct, frozen=True):
    """What `hive init` did and found; the JSON of `-o json`."""

    fleet: str
    repo: str
    path: str
    base: str
    user: str
    allowed_authors: tuple[str, ...]
    agents: tuple[AgentFound, ...]
    test: str | None
    test_from: str | None
    test_guess: str | None
    changed: bool
    config: str
    wrote: str | None


@click.command(
    "init",
    epilog="Example: `hive init`, `hive init --forge github --repo acme/app`, or"
    " `hive init --cluster kubernetes --repo acme/app --image registry.example/hive-agent:1`.",
)
@click.option("--forge", metavar="NAME", help="Where issues live: local (default) or github.")
@click.option("--cluster", metavar="NAME", help="Where agents run: local (default) or kubernetes.")
@click.option(
    "--repo",
    "names",
    multiple=True,
    metavar="OWNER/NAME",
    help="Its name; by default that of the remote origin. On github repeatable.",
)
@click.option(
    "--base", metavar="BRANCH", help="Where work starts and is merged; default: what is checked out."
)
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="NAME",
    help="Agents to use (repeatable); default: those on PATH.",
)
@click.option("--test", metavar="COMMAND", help="What must succeed before a pull request is opened.")
@click.option(
    "--write-project", is_flag=True, help=f"Also write {PROJECT_FILE} into the checkout, for everybody."
)
@click.option("--url", metavar="URL", help="github: of an Enterprise server.")
@click.option("--token-env", metavar="NAME", help="github: the environment variable that holds the token.")
@click.option("--token-file", metavar="FILE", help="github: the file that holds the token, yours alone.")
@click.option("--app", metavar="ID", help="github: act as this GitHub App.")
@click.option("--app-key", metavar="FILE", help="github: the App's private key.")
@click.option(
    "--author",
    "authors",
    multiple=True,
    metavar="LOGIN",
    help="github: whose issues are started; default: you.",
)
@cluster_options.cluster_options
@click.option("--labels/--no-labels", default=None, help="github: make the labels; default: ask.")
@global_options
@output_option
@pass_session
def init_command(
    session: Session,
    /,
    forge: str | None,
    cluster: str | None,
    names: tuple[str, ...],
    base: str | None,
    agents: tuple[str, ...],
    test: str | None,
    write_project: bool,
    **tracker: Any,
) -> None:
    """Add the repository you are in to the fleet, and yourself to those whose issues are started.

    Only hive's configuration is written, nothing in your checkout unless you say --write-project.
    Doing it again changes what you name and keeps the rest. With --forge github, issues and pull requests
    live there (docs/github.md); the fleet is the current one if it is on github, else one called so. With
    --cluster kubernetes its agents work in pods (docs/kubernetes.md).
    """
    session.require_writable()
    where = cluster_options.wish_of(tracker)
    forge = forge or ("github" if cluster not in (None, "local") else _forge_of(session))
    if forge != "local":
        _init_remote(session, forge, cluster, where, names, base, agents, test, tracker)
        return
    if cluster not in (None, "local"):
        raise UsageError(
            f"Pods of {cluster} do not get at a tracker on this machine.",
            "Leave out --forge, or say --forge github.",
        )
    cluster_options.refuse(where, "local")
    if len(names) > 1:
        raise UsageError("A local fleet gets one repository at a time.", "Go to each, and `hive init` there.")
    _refuse_tracker_options(tracker)
    name = names[0] if names else None
    settings = _fleet_settings(session)
    found = repository(_here(), name=name, base=base, user=session.user)
    project = project_settings(found)
    guess = None if test or (project and project.test) else guess_test(found.path)
    known_agents = _agents(settings, agents)
    before = session.settings
    after = edit.edit(
        session.configuration,
        lambda document: _add(document, session, found, known_agents, bool(agents), name, base, test),
    )
    fleet = after.fleets[session.fleet_name]
    repo = next(repo for repo in fleet.repos if _same(repo.path, found.path))
    command, origin = (
        (project.test, PROJECT_FILE) if project and project.test else (repo.test, "the fleet's configuration")
    )
    wrote = _write_project(found.path, command or guess) if write_project else None
    done = Initialised(
        fleet=session.fleet_name,
        repo=repo.name,
        path=str(found.path),
        base=repo.base or found.base,
        user=session.user,
        allowed_authors=fleet.allowed_authors,
        agents=tuple(probe(agent.name, agent.entry_point, agent.command) for agent in fleet.agents),
        test=command,
        test_from=origin if command else None,
        test_guess=guess,
        changed=after != before,
        config=str(session.configuration.path),
        wrote=wrote,
    )
    session.emit(done, lambda: _report(done))


def _forge_of(session: Session) -> str:
    settings = session.configuration.configured.get(session.fleet_name)
    return settings.forge if settings is not None else "local"


def _init_remote(
    session: Session,
    forge: str,
    cluster: str | None,
    where: cluster_options.ClusterWish,
    names: tuple[str, ...],
    base: str | None,
    agents: tuple[str, ...],
    test: str | None,
    tracker: dict[str, Any],
) -> None:
    from hive_tui.cli import init_remote

    name = init_remote.fleet_name(session, forge, cluster)
    before = session.configuration.configured.get(name) or FleetSettings()
    wish = init_remote.Wish(
        forge=forge,
        cluster=cluster,
        where=where,
        repos=names,
        base=base,
        test=test,
        agents=tuple(_agents(before, agents)),
        agents_asked=bool(agents),
        **tracker,
    )
    done = init_remote.initialise(session, wish, _here())
    session.emit(done, lambda: init_remote.report(done))


def _refuse_tracker_options(tracker: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in tracker.items() if value not in (None, ())]
    if given:
        raise UsageError(f"{given[0]} is for a tracker on a network.", "Add --forge github.")


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("The folder that you are in was removed.", "Go to your repository.") from error


def _fleet_settings(session: Session) -> FleetSettings:
    settings = session.configuration.configured.get(session.fleet_name)
    if settings is None:
        session.configuration.fleet(session.fleet_name)  # an unknown fleet is refused with the nearest names
        raise Refused(
            f"Fleet {session.fleet_name!r} is not in your configuration; it looks after itself.",
            "Choose another with --fleet, or `hive fleet add NAME`.",
        )
    if settings.forge != "local":
        raise Refused(
            f"Fleet {session.fleet_name!r} takes its issues from {settings.forge}, not from a checkout.",
            "Add the repository under its `repos` in the configuration.",
        )
    return settings


def _agents(settings: FleetSettings, wanted: tuple[str, ...]) -> list[str]:
    """The agents that the fleet should have: those asked for, else those on PATH, else Claude Code."""
    for name in wanted:
        agent = settings.agent(AgentName(name))
        plugins.agent(agent.entry_point if agent else name)  # raises for one that does not exist
    return list(wanted) or [name for name in WELL_KNOWN if shutil.which(name)] or ["claude"]


def _add(
    document: edit.Document,
    session: Session,
    found: Repository,
    agents: list[str],
    agents_asked: bool,
    name: str | None,
    base: str | None,
    test: str | None,
) -> None:
    document.setdefault("current", session.fleet_name)
    fleet = edit.section(document, "fleets", session.fleet_name)
    repos = edit.sequence(fleet, "repos")
    entry: Any = next((item for item in repos if _same(item.get("path"), found.path)), None)
    if entry is None:
        if any(item.get("name") == found.name for item in repos):
            raise UsageError(
                f"The fleet has another repository called {found.name}.",
                "Name this one with --repo OWNER/NAME.",
            )
        entry = edit.Document(name=found.name, path=str(found.path), base=found.base)
        repos.append(entry)
    elif name is not None and name != entry.get("name"):
        raise UsageError(
            f"This checkout is in fleet {session.fleet_name} as {entry.get('name')}; its issues and runs "
            "have that name.",
            "Leave out --repo.",
        )
    if base:
        entry["base"] = base
    if test:
        entry["test"] = test
    authors = edit.sequence(fleet, "allowed_authors")
    if session.user not in authors:
        authors.append(session.user)
    listed = edit.sequence(fleet, "agents") if agents_asked or "agents" not in fleet else None
    for agent in agents if listed is not None else ():
        if not any(item.get("name") == agent for item in listed or ()):
            (listed if listed is not None else []).append(edit.Document(name=agent))


def _same(path: object, other: Path) -> bool:
    return isinstance(path, str) and Path(path).expanduser() == other


def _write_project(top: Path, test: str | None) -> str:
    path = top / PROJECT_FILE
    if path.exists():
        raise Refused(f"{path} is there already.", "Change it yourself, and commit it.")
    path.parent.mkdir(exist_ok=True)
    command = f"test: {_quoted(test)}\n" if test else '# test: "make test"\n'
    path.write_text(f"# Read by hive from the base branch; commit it.\n{command}", encoding="utf-8")
    return str(path)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _report(done: Initialised) -> str:
    if done.test:
        tests = f"{done.test} (from {done.test_from})"
    elif done.test_guess:
        tests = f"none; `hive init --test {shlex.quote(done.test_guess)}` would use what the project has"
    else:
        tests = "none; `hive init --test COMMAND` sets the command that must succeed"
    lines = [
        f"{done.repo} {'is now' if done.changed else 'was already'} in fleet {done.fleet}.",
        "",
        f"  checkout   {done.path} (agents work in clones of it)",
        f"  base       {done.base}",
        f"  tests      {tests}",
        f"  authors    {', '.join(done.allowed_authors)} (whose issues are started)",
        *(f"  {'agents' if index == 0 else '':<9}  {agent}" for index, agent in enumerate(done.agents)),
        f"  config     {done.config}",
    ]
    if done.wrote:
        lines += ["", f"Wrote {done.wrote}: commit it on {done.base}; from there it counts."]
    return "\n".join(
        [
            *lines,
            "",
            "Next:",
            "  hive issue new    write an issue, with a Plan and a Definition of Done",
            "  hive top          watch the agents work on it",
            *_in_the_way(done.agents),
        ]
    )


def _in_the_way(agents: tuple[AgentFound, ...]) -> list[str]:
    """What keeps issues from being started, where no agent can work; at the end, where it is read."""
    if any(agent.found and not agent.problem and agent.logged_in is not False for agent in agents):
        return []
    told = "; ".join(map(str, agents)) or "there is none"
    return ["", f"No issue is started before an agent can work: {told}. `hive doctor` says the next step."]
