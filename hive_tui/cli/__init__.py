"""The command line's root: global options, and how every failure looks to the user and to a script."""

from __future__ import annotations

import errno
import os
import sys

import click

from hive_tui import __version__
from hive_tui.cli.commands import CommandTable
from hive_tui.cli.options import global_options

INTERRUPTED = 130
CLOSED_OUTPUT = 141
"""What a shell shows for a program that SIGPIPE ended, as `yes | head` does."""


MACHINE_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What the machine lacks, whatever hive does; anything else that nobody caught is a bug."""


@click.command(
    cls=CommandTable,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`hive COMMAND --help` tells the rest. Exit codes: 0 done, 1 failed (partly), 2 usage, 3 refused.",
)
@global_options
@click.version_option(__version__, message="hive %(version)s")
def root() -> None:
    """Show and steer a fleet of coding agents."""


def main() -> int:
    """The `hive` command: its exit code, after everything was written."""
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if "_HIVE_COMPLETE" in os.environ:
        root.main(prog_name="hive", complete_var="_HIVE_COMPLETE")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _abandon_output()
    except OSError as error:
        code = _fail(error)
        _abandon_output()
    return code


def _replace_closed_streams() -> None:
    """Put nothing where the caller closed a standard stream, before a file of ours gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            stream = open(number, "w" if number else "r", encoding="utf-8")  # noqa: SIM115 - lasts
            setattr(sys, name, stream)


def run(args: list[str]) -> int:
    """Carry out one command line; returns its exit code. Nothing but a bug in here raises."""
    try:
        with root.make_context("hive", args) as context:
            context.color = _color()
            root.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, EOFError):
        click.echo("Nothing was done.", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _abandon_output()
    except Exception as error:
        return _fail(error)
    return 0


def _color() -> bool | None:
    """What HIVE_COLOR (always, never) and NO_COLOR say; None leaves it to whether it is a terminal."""
    wish = os.environ.get("HIVE_COLOR", "").lower()
    if wish in ("always", "never"):
        return wish == "always"
    return False if os.environ.get("NO_COLOR") else None


def _fail(error: Exception) -> int:
    from hive_tui.core.errors import HiveError

    if isinstance(error, HiveError):
        _explain(error.message, error.hint)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in MACHINE_TROUBLE:
        where = f" ({error.filename})" if error.filename else ""
        _explain(f"{error.strerror}{where}.", "`hive doctor` looks at disk and permissions.")
        return 1
    return _unexpected(error)


def _explain(message: str, hint: str | None) -> None:
    from hive_tui.core.text import clean

    click.echo(clean(f"hive: {message}"), err=True)
    if hint:
        click.echo(clean(hint), err=True)


def _abandon_output() -> int:
    """Nobody reads standard output any more: let the interpreter flush the rest into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return CLOSED_OUTPUT


def _unexpected(error: Exception) -> int:
    from hive_tui.system import bugs

    text, summary = bugs.traceback_of(error), bugs.summary(error)
    if os.environ.get("HIVE_DEBUG"):
        _explain(f"unexpected {summary}", text)
    else:
        _explain(f"unexpected {summary}", _keep_traceback(text))
    return 1


def _keep_traceback(text: str) -> str:
    from hive_tui.system import bugs

    path = bugs.keep(text)
    if path is None:
        return text
    return f"This is a bug in hive. The traceback is in {path}; HIVE_DEBUG=1 shows it here."
