"""`hive fleet`: the fleets of the configuration, and which of them is current."""

from __future__ import annotations

import shlex
from typing import Any

import click

from hive_tui.cli import cluster_options
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.config import DEFAULT_FLEET, edit
from hive_tui.core.errors import Refused, UsageError, unknown
from hive_tui.core.model import DispatcherState
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.worker_template import KubernetesSettings
from hive_tui.detached import elsewhere
from hive_tui.fleet import LOCAL


@click.group("fleet", cls=Group)
def fleet_command() -> None:
    """List, add, remove fleets and choose the current one."""


@fleet_command.command("list", epilog="Example: `hive fleet list -o json`.")
@global_options
@output_option
@pass_session
def list_command(session: Session) -> None:
    """The fleets, their backends and repositories."""
    rows: list[dict[str, Any]] = []
    for name in session.configuration.names():
        settings = session.configuration.fleet(name)
        rows.append(
            {
                "name": name,
                "current": name == session.fleet_name,
                "cluster": settings.cluster,
                "forge": settings.forge,
                "repos": [repo.name for repo in settings.repos],
                "agents": [agent.name for agent in settings.agents],
                "configured": name in session.settings.fleets,
                "context": settings.kubernetes.context,
                "namespace": settings.kubernetes.namespace,
            }
        )
    width = max((len(row["name"]) for row in rows), default=0)
    session.emit(
        {"fleets": rows},
        lambda: "\n".join(
            f"{'*' if row['current'] else ' '} {row['name']:<{width}}  {row['cluster']}/{row['forge']}"
            f"{_at(row)}  {', '.join(row['agents'])}  {', '.join(row['repos']) or 'no repository yet'}"
            for row in rows
        ),
    )


def _at(row: dict[str, Any]) -> str:
    """Where the cluster is, as far as the configuration says it."""
    place = ", ".join(filter(None, (row["context"], row["namespace"])))
    return f" ({place})" if place else ""


@fleet_command.command("use", epilog="Example: `hive fleet use work`.")
@click.argument("name")
@global_options
@pass_session
def use_command(session: Session, name: str) -> None:
    """Make a fleet the one that commands mean without --fleet."""
    session.require_writable()
    session.configuration.fleet(name)

    def change(document: edit.Document) -> None:
        document["current"] = name

    edit.edit(session.configuration, change)
    session.say(f"Fleet {name} is current now.")


@fleet_command.command(
    "add",
    epilog="Example: `hive fleet add work --cluster kubernetes --context prod --namespace hive"
    " --image registry.example/hive-agent:1`.",
)
@click.argument("name")
@click.option("--cluster", default=LOCAL, show_default=True, help="Where agents run: local or kubernetes.")
@click.option("--forge", help="Where issues live: local (default), or github (default on a cluster).")
@click.option("--slots", type=click.IntRange(min=0), help="Agents at work at once.")
@cluster_options.cluster_options
@global_options
@pass_session
def add_command(
    session: Session, /, name: str, cluster: str, forge: str | None, slots: int | None, **options: Any
) -> None:
    """Add a fleet; `hive --fleet NAME init` in a repository adds that to it.

    On a Kubernetes cluster the context and the namespace are written down as they are now, so that the
    fleet stays where it is whichever context is chosen later. No server is asked.
    """
    from hive_tui import plugins

    session.require_writable()
    wish = cluster_options.wish_of(options)
    forge = forge or (LOCAL if cluster == LOCAL else "github")
    for group, backend in (("hive.clusters", cluster), ("hive.forges", forge)):
        if backend not in plugins.BUILT_IN[group] and backend not in plugins.names(group):
            raise plugins.unknown_backend(group, backend)
    if (
        name in session.configuration.configured and name != DEFAULT_FLEET
    ) or name in session.settings.fleets:
        raise UsageError(f"There is a fleet {name!r} already.", "`hive config set` changes it.")
    settings = _settings(session, name, cluster, forge, wish)

    def change(document: edit.Document) -> None:
        if "fleets" not in document:
            # The fleet that was there without any configuration must not vanish with the first other one.
            edit.section(document, "fleets", DEFAULT_FLEET)
        fleet = edit.section(document, "fleets", name)
        fleet["cluster"] = cluster
        fleet["forge"] = forge
        if slots is not None:
            fleet["slots"] = slots
        if settings is not None:
            cluster_options.write(fleet, settings)

    edit.edit(session.configuration, change)
    if settings is None:
        session.say(f"Fleet {name} is there. Next: `hive --fleet {name} init` in a repository.")
        return
    where = settings.kubernetes
    session.say(f"Fleet {name} is there: {_where(where.context, where.namespace)}. Next:")
    for line in cluster_options.next_steps(name, repository=False):
        session.say(line)


def _settings(
    session: Session, name: str, cluster: str, forge: str, wish: cluster_options.ClusterWish
) -> FleetSettings | None:
    """What a fleet on a cluster of several machines is to have; None for one that has none. Raises UsageError
    for what cannot be."""
    if cluster == LOCAL:
        cluster_options.refuse(wish, cluster)
        return None
    if forge == LOCAL:
        raise UsageError(
            f"A fleet on {cluster} cannot have a local tracker: pods do not get at what is on this machine.",
            "Leave out --forge, or say --forge github.",
        )
    settings = cluster_options.wished(FleetSettings(cluster=cluster, forge=forge), wish)
    home = session.configuration.folders.fleet(name)
    return cluster_options.pinned(BackendContext(name, home, settings, session.user))


def _where(context: str | None, namespace: str | None) -> str:
    named = (("context", context), ("namespace", namespace))
    return ", ".join(f"{label} {value}" for label, value in named if value) or "as the pod's own account"


@fleet_command.command("remove", epilog="Example: `hive fleet remove work`.")
@click.argument("name")
@global_options
@pass_session
def remove_command(session: Session, name: str) -> None:
    """Take a fleet out of the configuration. Its data folder stays, and so does what is in its cluster."""
    session.require_writable()
    if name not in session.settings.fleets:
        raise unknown("fleet in the configuration", name, session.settings.fleets, listing="hive fleet list")
    from hive_tui.fleet import open_fleet

    fleet = open_fleet(session.configuration, name)
    try:
        state = fleet.read_cluster().fleet
        runs = state is not None and state.dispatcher.state is DispatcherState.RUNNING
        if state is not None and runs and elsewhere(state.dispatcher) is None:
            raise Refused(
                f"The dispatcher of fleet {name!r} is running.",
                f"`hive --fleet {name} dispatcher stop` first.",
            )
    finally:
        fleet.close()

    def change(document: edit.Document) -> None:
        del document["fleets"][name]
        if document.get("current") == name:
            del document["current"]

    edit.edit(session.configuration, change)
    rest = "" if fleet.settings.cluster == LOCAL else " What it has in its cluster stays there."
    session.say(f"Fleet {name} is no longer configured. Its data is still in {fleet.home}.{rest}")
    if fleet.settings.cluster == "kubernetes":
        removal = _removal(name, fleet.settings.kubernetes)
        session.say(f"Once no dispatcher of it runs, this removes that and ends its runs: `{removal}`")


def _removal(name: str, settings: KubernetesSettings) -> str:
    """The command for what is the fleet's alone: others may be in its namespace."""
    named = (
        ("kubeconfig", settings.kubeconfig),
        ("context", settings.context),
        ("namespace", settings.namespace),
    )
    where = [f"--{option}={value}" for option, value in named if value]
    kinds = "fleets.hive.dev,agentruns.hive.dev,jobs,leases,events"
    return shlex.join(["kubectl", *where, "delete", kinds, f"--selector=hive.dev/fleet={name}"])
