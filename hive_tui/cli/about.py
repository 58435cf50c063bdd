"""`hive version` and `hive completion`."""

from __future__ import annotations

import platform
import sys

import click

from hive_tui import __version__
from hive_tui.cli.common import Session, global_options, output_option, pass_session

_WHERE = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/hive.fish",
}


@click.command("version")
@global_options
@output_option
@pass_session
def version_command(session: Session) -> None:
    """Print the version of hive, Python and the platform."""
    python = platform.python_version()
    data = {"version": __version__, "python": python, "platform": platform.platform()}
    session.emit(data, f"hive {__version__} · Python {python} · {data['platform']}")


@click.command("completion")
@click.argument("shell", type=click.Choice(sorted(_WHERE)))
@global_options
@pass_session
def completion_command(session: Session, shell: str) -> None:
    """Print the completion script for a shell.

    For bash and zsh add `eval "$(hive completion bash)"` to your shell's start-up file; for fish save
    the output in its completions folder.
    """
    from click.shell_completion import get_completion_class

    from hive_tui.cli import root

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"click has no completion for {shell}.")
    click.echo(completer(root, {}, "hive", "_HIVE_COMPLETE").source())
    if sys.stdout.isatty():
        session.say(f"This belongs in {_WHERE[shell]}.")
