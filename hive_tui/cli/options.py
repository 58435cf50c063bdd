"""Options that many commands share. The global ones work before and after the command's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep a given option in the session; one given after the command's name wins."""
    if value is None or value is False or ctx.resilient_parsing:
        return
    from hive_tui.cli.common import Session

    setattr(ctx.find_root().ensure_object(Session), f"{param.name}_option", value)


def global_options(command: Command) -> Command:
    """`--fleet`, `--config`, `--read-only`: for the root, and for every command."""
    for option in (
        click.option(
            "--read-only", is_flag=True, expose_value=False, callback=_remember, help="Change nothing."
        ),
        click.option(
            "--config",
            type=click.Path(dir_okay=False),
            metavar="FILE",
            expose_value=False,
            callback=_remember,
            help="Another config.yaml.",
        ),
        click.option(
            "--fleet",
            metavar="NAME",
            expose_value=False,
            callback=_remember,
            help="Another fleet than the current one (HIVE_FLEET).",
        ),
    ):
        command = option(command)
    return command


def repo_option(command: Command) -> Command:
    """`--repo owner/name`, read by `Session.repo` and `Session.one_repo`."""
    return click.option(
        "--repo",
        metavar="OWNER/NAME",
        expose_value=False,
        callback=_remember,
        help="One repository of the fleet, exactly.",
    )(command)


def output_option(command: Command) -> Command:
    """`-o text|json|yaml`, obeyed by `Session.emit`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json", "yaml"]),
        expose_value=False,
        callback=_remember,
        help="How to print; text by default.",
    )(command)
