"""`hive init` for a tracker on a network: its access is tried before anything is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from hive_tui import plugins
from hive_tui.cli import cluster_options, labels
from hive_tui.cli.cluster_options import ClusterWish
from hive_tui.cli.common import Session
from hive_tui.config import edit
from hive_tui.config.discover import checkout_of
from hive_tui.core.errors import HiveError, Refused, UsageError
from hive_tui.core.ids import RepoName
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import AppSettings, FleetSettings, GitHubSettings, RepoSettings
from hive_tui.core.setup import ForgeSetup, RepoAccess
from hive_tui.core.text import plural
from hive_tui.fleet import LOCAL
from hive_tui.probing import AgentFound, probe

_NAME = re.compile(r"(?!\.\.?/)[\w.-]+/(?!\.\.?$)[\w.-]+", re.ASCII)


class Wish(msgspec.Struct, frozen=True):
    """What the command line asks for."""

    forge: str
    cluster: str | None = None
    """None: as the fleet has it."""
    where: ClusterWish = ClusterWish()
    repos: tuple[str, ...] = ()
    url: str | None = None
    token_env: str | None = None
    token_file: str | None = None
    app: str | None = None
    app_key: str | None = None
    authors: tuple[str, ...] = ()
    base: str | None = None
    test: str | None = None
    agents: tuple[str, ...] = ()
    agents_asked: bool = False
    labels: bool | None = None
    """None: ask, where somebody is there."""


class RemoteInitialised(msgspec.Struct, frozen=True):
    """What `hive init` did and found; the JSON of `-o json`."""

    fleet: str
    forge: str
    repos: tuple[RepoAccess, ...]
    account: str | None
    allowed_authors: tuple[str, ...]
    agents: tuple[AgentFound, ...]
    labels: tuple[labels.Synced, ...]
    changed: bool
    config: str
    cluster: str
    context: str | None
    namespace: str | None


def fleet_name(session: Session, forge: str, cluster: str | None = None) -> str:
    """The fleet that is meant: the named one, the current one of that forge and cluster, else one called
    like the cluster or the forge."""
    configured = session.configuration.configured
    named = session.fleet_option is not None or session.fleet_name != session.settings.current
    if named:
        return session.fleet_name
    current = configured.get(session.fleet_name)
    fits = current is not None and current.forge == forge and cluster in (None, current.cluster)
    return session.fleet_name if fits else cluster if cluster not in (None, LOCAL) else forge


def initialise(session: Session, wish: Wish, here: Path) -> RemoteInitialised:
    """Try the access, write the configuration, make the labels if that is wanted."""
    name = fleet_name(session, wish.forge, wish.cluster)
    before = session.configuration.configured.get(name)
    if before is not None and before.forge != wish.forge and before.repos:
        raise Refused(
            f"Fleet {name!r} takes its issues from {before.forge}.",
            f"Choose another with --fleet; `hive fleet add NAME --forge {wish.forge}` makes one.",
        )
    settings = _placed(session, name, before, _wished(before, wish), wish)
    repos = wish.repos or _from_checkout(here, settings)
    for repo in repos:
        if not _NAME.fullmatch(repo):
            raise UsageError(f"{repo!r} is no OWNER/NAME.", "As in --repo acme/app.")
    context = BackendContext(name, session.configuration.folders.fleet(name), settings, session.user)
    setup = plugins.forge_setup(wish.forge, context)
    if setup is None:
        raise UsageError(f"{wish.forge} is no tracker on a network.", "Leave out --forge.")
    with closing(setup):
        session.say_asking(wish.forge)
        account = setup.account()
        access = tuple(_usable(setup, RepoName(repo)) for repo in repos)
        authors = wish.authors or ((account,) if account is not None else ())
        old = session.settings
        after = edit.edit(
            session.configuration,
            lambda document: _write(document, name, wish, settings, access, authors),
        )
        done = _make_labels(setup, access, wish.labels)
    fleet = after.fleets[name]
    return RemoteInitialised(
        fleet=name,
        forge=wish.forge,
        repos=access,
        account=account,
        allowed_authors=fleet.allowed_authors,
        agents=tuple(probe(agent.name, agent.entry_point, agent.command) for agent in fleet.agents),
        labels=done,
        changed=after != old,
        config=str(session.configuration.path),
        cluster=fleet.cluster,
        context=fleet.kubernetes.context if fleet.cluster != LOCAL else None,
        namespace=fleet.kubernetes.namespace if fleet.cluster != LOCAL else None,
    )


def _placed(
    session: Session, name: str, before: FleetSettings | None, settings: FleetSettings, wish: Wish
) -> FleetSettings:
    """With the cluster that is meant. Raises UsageError and Refused where it cannot be."""
    cluster = wish.cluster or settings.cluster
    if cluster == LOCAL:
        cluster_options.refuse(wish.where, cluster)
        return settings
    if before is not None and before.cluster != cluster and before.repos:
        raise Refused(
            f"Fleet {name!r} runs its agents on {before.cluster}.",
            f"Choose another with --fleet; `hive fleet add NAME --cluster {cluster}` makes one.",
        )
    new = before is None or before.cluster != cluster
    where = cluster_options.ask(wish.where) if new else wish.where
    settings = cluster_options.wished(msgspec.structs.replace(settings, cluster=cluster), where)
    if not new and not where.given:
        return settings
    home = session.configuration.folders.fleet(name)
    return cluster_options.pinned(BackendContext(name, home, settings, session.user))


def _wished(before: FleetSettings | None, wish: Wish) -> FleetSettings:
    """The fleet's settings with what the command line says of the tracker, for trying them out."""
    fleet = before or FleetSettings()
    github = fleet.github
    token = (wish.token_env, wish.token_file, wish.app)
    if sum(one is not None for one in token) > 1 or (wish.app is None) != (wish.app_key is None):
        raise UsageError(
            "Which token is meant?", "Give one of --token-env, --token-file, or --app with --app-key."
        )
    if any(one is not None for one in token):
        app = AppSettings(wish.app, _path(wish.app_key)) if wish.app and wish.app_key else None
        file = _path(wish.token_file) if wish.token_file else None
        github = msgspec.structs.replace(github, token_env=wish.token_env, token_file=file, app=app)
    if wish.url is not None:
        github = msgspec.structs.replace(github, url=wish.url.rstrip("/"))
    return msgspec.structs.replace(
        fleet,
        forge=wish.forge,
        github=github,
        repos=(*fleet.repos, *(RepoSettings(RepoName(repo)) for repo in wish.repos if not fleet.repo(repo))),
    )


def _path(name: str) -> str:
    return str(Path(name).expanduser().absolute())


def _from_checkout(here: Path, settings: FleetSettings) -> tuple[str, ...]:
    """The repository that the checkout's remote `origin` is, if it is on this site."""
    host = (urlsplit(settings.github.url).hostname or "").lower()
    found = checkout_of(here)
    if found is None:
        raise UsageError(
            "Which repository is meant?", "Say it with --repo OWNER/NAME, or go to a clone of it."
        )
    place, _, name = found.partition("/")
    if place.partition(":")[0].lower() not in (host, f"ssh.{host}"):
        raise UsageError(
            f"The remote origin of this checkout is on {place}, not on {host}.",
            "Say the repository with --repo OWNER/NAME, and another server with --url.",
        )
    return (name,)


def _usable(setup: ForgeSetup, repo: RepoName) -> RepoAccess:
    found = setup.access(repo)
    if found.trouble is not None:
        raise Refused(f"hive cannot work in {repo}: {found.trouble}", "Nothing was written.")
    return found


def _write(
    document: edit.Document,
    name: str,
    wish: Wish,
    settings: FleetSettings,
    access: Sequence[RepoAccess],
    authors: Sequence[str],
) -> None:
    if "fleets" not in document and name != "local":
        # The fleet that was there without any configuration must not vanish with the first other one.
        edit.section(document, "fleets", "local")
    document["current"] = name
    fleet = edit.section(document, "fleets", name)
    fleet["forge"] = wish.forge
    _write_tracker(fleet, settings.github)
    if settings.cluster != LOCAL:
        fleet["cluster"] = settings.cluster
        cluster_options.write(fleet, settings)
    repos = edit.sequence(fleet, "repos")
    for found in access:
        entry: Any = next(
            (item for item in repos if str(item.get("name")).lower() == found.name.lower()), None
        )
        if entry is None:
            entry = edit.Document(name=str(found.name))
            repos.append(entry)
        if wish.base is not None:
            entry["base"] = wish.base
        if wish.test is not None:
            entry["test"] = wish.test
    listed = edit.sequence(fleet, "allowed_authors")
    for author in authors:
        if author not in listed:
            listed.append(author)
    if wish.agents_asked or "agents" not in fleet:
        agents = edit.sequence(fleet, "agents")
        for agent in wish.agents:
            if not any(item.get("name") == agent for item in agents):
                agents.append(edit.Document(name=agent))


def _write_tracker(fleet: edit.Document, github: GitHubSettings) -> None:
    """Where the tracker and its token are, as far as that is not the default. Never a token."""
    wanted: dict[str, Any] = {
        "url": github.url if github.url != GitHubSettings().url else None,
        "token_env": github.token_env,
        "token_file": github.token_file,
    }
    if wanted != dict.fromkeys(wanted) or github.app is not None or "github" in fleet:
        section = edit.section(fleet, "github")
        for key, value in wanted.items():
            if value is not None:
                section[key] = value
            else:
                section.pop(key, None)
        if github.app is None:
            section.pop("app", None)
        else:
            app = edit.section(section, "app")
            app["id"], app["key_file"] = github.app.id, github.app.key_file
        if not section:
            del fleet["github"]


def _make_labels(
    setup: ForgeSetup, access: Sequence[RepoAccess], wanted: bool | None
) -> tuple[labels.Synced, ...]:
    try:
        lacking = {found.name: setup.missing_labels(found.name) for found in access}
    except HiveError:
        return ()  # `hive doctor` and `hive labels sync` say why
    count = sum(map(len, lacking.values()))
    if count and wanted is None and sys.stdin.isatty():
        wanted = click.confirm(
            f"Make the {plural(count, 'label')} that hive works with?", default=True, err=True
        )
    return tuple(
        labels.sync(setup, found.name, dry_run=not wanted)
        for found in access
        if lacking[found.name] and wanted
    )


def _agents(done: RemoteInitialised) -> list[str]:
    """The agents' CLIs on this machine, or where else they are."""
    if done.cluster == LOCAL:
        return [f"  {'agents' if index == 0 else '':<9}  {agent}" for index, agent in enumerate(done.agents)]
    named = (("context", done.context), ("namespace", done.namespace))
    place = ", ".join(f"{label} {value}" for label, value in named if value)
    return [
        f"  cluster    {done.cluster}{f' ({place})' if place else ''}",
        f"  agents     {', '.join(agent.name for agent in done.agents)}, in pods of the fleet's image",
    ]


def report(done: RemoteInitialised) -> str:
    """What a person reads."""
    names = ", ".join(repo.name for repo in done.repos)
    one = len(done.repos) == 1
    state = ("is" if one else "are") if done.changed else ("was already" if one else "were already")
    authors = (
        ", ".join(done.allowed_authors) or "nobody yet; say whose issues are started with --author LOGIN"
    )
    lines = [
        f"{names} {state} in fleet {done.fleet}.",
        "",
        *(
            f"  {'pages' if index == 0 else '':<9}  {repo.url} ({repo.base})"
            for index, repo in enumerate(done.repos)
        ),
        f"  acts as    {done.account or 'a GitHub App'}",
        f"  authors    {authors}",
        *_agents(done),
        f"  config     {done.config}",
    ]
    made = sum(len(one.made) for one in done.labels)
    if made:
        lines.append(f"  labels     {made} made")
    lines += [f"  labels     {one.repo}: {one.why}" for one in done.labels if one.why is not None]
    if done.cluster != LOCAL:
        return "\n".join([*lines, "", "Next:", *cluster_options.next_steps(done.fleet, repository=True)])
    return "\n".join(
        [
            *lines,
            "",
            "Next:",
            "  hive labels sync --dry-run   the labels that hive works with",
            "  hive doctor                  what is missing",
            "  hive top                     watch the agents work",
        ]
    )
