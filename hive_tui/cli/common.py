"""What commands share: the session that the global options describe, and how data is printed.

A command takes the session with `@pass_session`:

    @click.command("ls")
    @global_options
    @repo_option
    @output_option
    @pass_session
    def ls_command(session: Session) -> None: ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

from hive_tui.cli.commands import Group
from hive_tui.cli.options import global_options, output_option, repo_option
from hive_tui.config import Configuration, load
from hive_tui.core.errors import Refused, UsageError, unknown
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Actor, ActorKind
from hive_tui.core.settings import FleetSettings, RepoSettings, Settings

if TYPE_CHECKING:
    from hive_tui.core.store import Snapshot
    from hive_tui.fleet import OpenFleet

__all__ = ["Group", "Session", "global_options", "output_option", "pass_session", "repo_option"]

SCHEMA = "hive/v1"

P = ParamSpec("P")
R = TypeVar("R")


class Session:
    """One call of `hive`: the options given, and what is opened because of them, when it is needed."""

    def __init__(self) -> None:
        self.fleet_option: str | None = None
        self.config_option: str | None = None
        self.read_only_option: bool = False
        self.repo_option: str | None = None
        self.output_option: str = "text"

    @cached_property
    def configuration(self) -> Configuration:
        """The configuration and where it came from. Raises ConfigError."""
        return load(Path(self.config_option) if self.config_option else None)

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @property
    def fleet_name(self) -> str:
        """The fleet that is meant: `--fleet`, HIVE_FLEET, else the current one. It may not exist."""
        return self.fleet_option or os.environ.get("HIVE_FLEET") or self.settings.current

    @property
    def fleet_settings(self) -> FleetSettings:
        """Raises UsageError for an unknown fleet."""
        return self.configuration.fleet(self.fleet_name)

    @cached_property
    def fleet(self) -> OpenFleet:
        """The fleet that is meant, with its backends, made when they are used."""
        from hive_tui.fleet import open_fleet

        fleet = open_fleet(self.configuration, self.fleet_name)
        click.get_current_context().find_root().call_on_close(fleet.close)
        return fleet

    def snapshot(self, timeout: float = 10.0) -> Snapshot:
        """The fleet's state now; a source that failed is marked in it, never raised. `timeout` in seconds."""
        return self.fleet.read_snapshot(timeout)

    @property
    def user(self) -> str:
        return self.configuration.user

    @property
    def actor(self) -> Actor:
        """The person who gives this command, as events name them."""
        return Actor(ActorKind.PERSON, self.user)

    @property
    def read_only(self) -> bool:
        return self.read_only_option or self.settings.read_only

    def require_writable(self) -> None:
        """Raises Refused in read-only mode; every command that changes something calls it first."""
        if self.read_only:
            raise Refused("hive is in read-only mode.", "Leave out --read-only, or set read_only: false.")

    @property
    def repo(self) -> RepoName | None:
        """What `--repo` names; raises UsageError when the fleet has no such repository."""
        if self.repo_option is None:
            return None
        known = {repo.name for repo in self.fleet_settings.repos}
        if self.repo_option not in known:
            raise unknown("repository", self.repo_option, known, listing="hive fleet list")
        return RepoName(self.repo_option)

    @cached_property
    def here(self) -> RepoName | None:
        """The fleet's repository whose checkout this process is in."""
        try:
            here = Path.cwd()
        except FileNotFoundError:
            return None
        inside = [
            repo.name
            for repo in self.fleet_settings.repos
            if repo.path and here.is_relative_to(Path(repo.path).expanduser())
        ]
        return RepoName(inside[0]) if len(inside) == 1 else None

    def one_repo(self) -> RepoSettings:
        """The repository that is meant: `--repo`, the one you are in, or the only one of the fleet."""
        repos = self.fleet_settings.repos
        wanted = self.repo
        if wanted is not None:
            return next(repo for repo in repos if repo.name == wanted)
        if len(repos) == 1:
            return repos[0]
        if not repos:
            raise UsageError(
                f"Fleet {self.fleet_name!r} has no repository yet.", "`hive init` in a repository adds it."
            )
        here = self.here
        if here is not None:
            return next(repo for repo in repos if repo.name == here)
        names = ", ".join(repo.name for repo in repos[:10])
        raise UsageError("Which repository is meant?", f"Add --repo OWNER/NAME; the fleet has {names}.")

    @staticmethod
    def now() -> datetime:
        return datetime.now(UTC)

    def emit(self, data: object, text: str | Callable[[], str]) -> None:
        """Print data as `-o` says. `data` is a struct or a mapping (it gets `"schema": "hive/v1"`)."""
        match self.output_option:
            case "json":
                import msgspec

                click.echo(msgspec.json.format(msgspec.json.encode(_with_schema(data)), indent=2).decode())
            case "yaml":
                import msgspec
                import yaml

                plain = msgspec.to_builtins(_with_schema(data))
                click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
            case _:
                shown = text if isinstance(text, str) else text()
                if shown:
                    click.echo(shown)

    @staticmethod
    def say(message: str) -> None:
        """A message to the person, on standard error, out of the way of data."""
        click.echo(message, err=True)

    def say_asking(self, whom: str) -> None:
        """Say who is asked, before seconds of silence: to a person only, a script learns nothing from it."""
        if sys.stderr.isatty():
            self.say(f"Asking {whom} …")

    def say_empty(self, message: str) -> None:
        """Say why a list is empty; where no repository is, the first step is another."""
        if not self.fleet_settings.repos:
            message = f"Fleet {self.fleet_name!r} has no repository yet: `hive init` in a repository adds it."
        self.say(message)

    @property
    def color(self) -> bool:
        """Whether what is printed to standard output may carry colour."""
        wish = click.get_current_context().find_root().color
        return sys.stdout.isatty() if wish is None else wish


def _with_schema(data: object) -> object:
    import msgspec

    if not isinstance(data, Mapping):
        data = msgspec.to_builtins(data)
    if isinstance(data, Mapping) and "schema" not in data:
        return {"schema": SCHEMA, **data}
    return data


def pass_session(command: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Call a command with the session: one for the whole command line, whatever group it is in."""

    @wraps(command)
    def with_session(*args: P.args, **kwargs: P.kwargs) -> R:
        session = click.get_current_context().find_root().ensure_object(Session)
        return command(session, *args, **kwargs)

    return with_session
