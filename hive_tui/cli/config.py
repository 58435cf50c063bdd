"""`hive config`: what the configuration says, and changing it with the comments kept."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click
import msgspec

from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.config import edit, load
from hive_tui.core import spend
from hive_tui.core.errors import HiveError, unknown
from hive_tui.core.model import Event
from hive_tui.core.settings import FleetSettings, Settings
from hive_tui.core.text import clean_line
from hive_tui.fleet import LOCAL, OpenFleet, open_fleet


@click.group("config", cls=Group)
def config_command() -> None:
    """Show and change the configuration."""


@config_command.command("path")
@global_options
@pass_session
def path_command(session: Session) -> None:
    """Where the configuration is; the file need not exist."""
    click.echo(session.configuration.path)


@config_command.command("show")
@global_options
@output_option
@pass_session
def show_command(session: Session) -> None:
    """Everything that is in force, defaults included."""
    plain = _plain(session)
    session.emit({"path": str(session.configuration.path), "settings": plain}, lambda: _yaml(plain))
    if session.settings.keys:
        from hive_tui.core import keymap

        for clash in keymap.build(session.settings.keys).clashes:
            session.say(f"hive: {clash}")


@config_command.command("get")
@click.argument("key")
@global_options
@output_option
@pass_session
def get_command(session: Session, key: str) -> None:
    """One value, such as `fleets.local.slots`; defaults included."""
    value: Any = _plain(session)
    walked: list[str] = []
    for part in edit.split_key(key):
        value = _inside(value, part, ".".join(walked))
        walked.append(part)
    session.emit({"key": key, "value": value}, lambda: _yaml(value))


@config_command.command("set")
@click.argument("key")
@click.argument("value")
@global_options
@pass_session
def set_command(session: Session, key: str, value: str) -> None:
    """Set one value, such as `fleets.local.slots 3`; the value is written as in YAML."""
    session.require_writable()
    before = session.settings
    after = edit.edit(session.configuration, lambda document: edit.assign(document, key, value))
    session.say(f"{key} is {value} now." if after != before else f"{key} was {value} already.")
    for name, fleet in after.fleets.items():
        old = before.fleets.get(name)
        if old is not None and (old.budget, old.slots) != (fleet.budget, fleet.slots):
            _apply(session, name, old, fleet)
        if old is not None and fleet.cluster != LOCAL and old.kubernetes.worker != fleet.kubernetes.worker:
            session.say(
                "Where the fleet is in its cluster already, that has pods of its own:"
                f" `kubectl edit fleet {name}` in its namespace changes them."
            )


def _apply(session: Session, name: str, old: FleetSettings, new: FleetSettings) -> None:
    """A fleet that exists keeps its slots and its budget itself: the file alone would change nothing."""
    with closing(open_fleet(load(session.configuration.path), name)) as fleet:
        if new.cluster == LOCAL:
            if fleet.home.is_dir():
                _switch(session, fleet, old, new)
            return
        try:
            _switch(session, fleet, old, new)
        except HiveError as error:
            session.say(f"The fleet in its cluster keeps what it has: {clean_line(error.words)}")


def _switch(session: Session, fleet: OpenFleet, old: FleetSettings, new: FleetSettings) -> None:
    said = []
    if old.slots != new.slots:
        fleet.cluster.set_slots(new.slots)
        said.append(("slots", f"set the slots to {new.slots}"))
    if old.budget != new.budget:
        budget = spend.limits(new.budget)
        fleet.cluster.set_budget(budget)
        said.append(("budget", f"set the budget: {spend.limits_text(budget)}"))
    for kind, words in said:
        fleet.cluster.record(Event(0, session.now(), session.actor, kind, words))


@config_command.command("schema")
@global_options
@output_option
@pass_session
def schema_command(session: Session) -> None:
    """Every key with its type, default and meaning; with -o json a JSON Schema for editors."""
    from hive_tui.config.reference import as_text

    session.emit(msgspec.json.schema(Settings), as_text)


def _plain(session: Session) -> Any:
    settings = msgspec.structs.replace(session.settings, fleets=dict(session.configuration.configured))
    return msgspec.to_builtins(settings)


def _inside(value: Any, part: str, where: str) -> Any:
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, (list, tuple)):
        named = {item["name"]: item for item in value if isinstance(item, dict) and "name" in item}
        if part in named:
            return named[part]
        if part.isdigit() and int(part) < len(value):
            return value[int(part)]
        raise unknown(f"entry in {where}", part, named or map(str, range(len(value))))
    raise unknown(f"key in {where}" if where else "key", part, value if isinstance(value, dict) else ())


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return value
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
