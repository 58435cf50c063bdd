"""`hive fleet`: the fleets of the configuration, and which of them is current."""

from __future__ import annotations

from typing import Any

import click

from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.config import DEFAULT_FLEET, edit
from hive_tui.core.errors import Refused, UsageError, unknown
from hive_tui.core.model import DispatcherState


@click.group("fleet", cls=Group)
def fleet_command() -> None:
    """List, add, remove fleets and choose the current one."""


@fleet_command.command("list")
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
            }
        )
    width = max((len(row["name"]) for row in rows), default=0)
    session.emit(
        {"fleets": rows},
        lambda: "\n".join(
            f"{'*' if row['current'] else ' '} {row['name']:<{width}}  {row['cluster']}/{row['forge']}"
            f"  {', '.join(row['agents'])}  {', '.join(row['repos']) or 'no repository yet'}"
            for row in rows
        ),
    )


@fleet_command.command("use")
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


@fleet_command.command("add")
@click.argument("name")
@click.option("--cluster", default="local", show_default=True, help="Where agents run.")
@click.option("--forge", default="local", show_default=True, help="Where issues live.")
@click.option("--slots", type=click.IntRange(min=0), help="Agents at work at once.")
@global_options
@pass_session
def add_command(session: Session, name: str, cluster: str, forge: str, slots: int | None) -> None:
    """Add a fleet; `hive --fleet NAME init` in a repository adds that to it."""
    from hive_tui import plugins

    session.require_writable()
    for group, backend in (("hive.clusters", cluster), ("hive.forges", forge)):
        if backend not in plugins.BUILT_IN[group] and backend not in plugins.names(group):
            raise plugins.unknown_backend(group, backend)
    if (
        name in session.configuration.configured and name != DEFAULT_FLEET
    ) or name in session.settings.fleets:
        raise UsageError(f"There is a fleet {name!r} already.", "`hive config set` changes it.")

    def change(document: edit.Document) -> None:
        if "fleets" not in document:
            # The fleet that was there without any configuration must not vanish with the first other one.
            edit.section(document, "fleets", DEFAULT_FLEET)
        fleet = edit.section(document, "fleets", name)
        fleet["cluster"] = cluster
        fleet["forge"] = forge
        if slots is not None:
            fleet["slots"] = slots

    edit.edit(session.configuration, change)
    session.say(f"Fleet {name} is there. Next: `hive --fleet {name} init` in a repository.")


@fleet_command.command("remove")
@click.argument("name")
@global_options
@pass_session
def remove_command(session: Session, name: str) -> None:
    """Take a fleet out of the configuration. Its data folder stays."""
    session.require_writable()
    if name not in session.settings.fleets:
        raise unknown("fleet in the configuration", name, session.settings.fleets, listing="hive fleet list")
    from hive_tui.fleet import open_fleet

    fleet = open_fleet(session.configuration, name)
    try:
        state = fleet.read_snapshot().fleet
        if state is not None and state.dispatcher.state is DispatcherState.RUNNING:
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
    session.say(f"Fleet {name} is no longer configured. Its data is still in {fleet.home}.")
