"""`hive replay`: a recorded agent stream as readable events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import click

from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.core.errors import HiveError

if TYPE_CHECKING:
    from hive_tui.core.events import AnyEvent
    from hive_tui.replay import Summary

_CHUNK = 1 << 20


@click.command("replay")
@click.argument("file", metavar="FILE")
@click.option(
    "--agent", type=click.Choice(["claude", "codex"]), help="Whose stream it is, if it cannot be told."
)
@click.option("--exit-code", type=int, metavar="N", help="What the recorded process ended with.")
@global_options
@output_option
@pass_session
def replay_command(session: Session, file: str, agent: str | None, exit_code: int | None) -> None:
    """Show a recorded agent stream as readable events.

    FILE is what `claude -p --output-format stream-json --verbose` or `codex exec --json` printed, or -
    for standard input. With -o json: how it ended and what it used, as one object. Of a resumed session
    it tells the totals of the session, as the stream does.
    """
    from hive_tui.replay import Replay

    replay = Replay(_chunks(file), agent)
    text = session.output_option == "text"
    for event in replay.events():
        if text and (line := _line(event)):
            click.echo(line)
    summary = replay.summary(exit_code)
    session.emit(summary, lambda: _ending(summary))


def _chunks(file: str) -> Iterator[bytes]:
    """The file in pieces; raises HiveError when it cannot be read."""
    try:
        if file == "-":
            yield from _read(sys.stdin.buffer)
        else:
            with open(file, "rb") as stream:
                yield from _read(stream)
    except OSError as error:
        raise HiveError(
            f"{file} cannot be read: {error.strerror}.",
            "Name a file with the recorded output of an agent, or - for standard input.",
        ) from error


def _read(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _line(event: AnyEvent) -> str:
    from hive_tui.core import events
    from hive_tui.core.text import count, money

    match event:
        case events.UsageReport():
            usage = event.usage
            mark = "~" if usage.estimated else ""
            cost = f" · {money(usage.cost_micros)}" if usage.cost_micros is not None else ""
            shown = f"Σ {mark}{count(usage.tokens.total)} tokens{cost}"
        case _:
            words = events.one_line(event)
            shown = f"{_GLYPHS[type(event).__name__]} {words}" if words else ""
    return f"  {event.agent}: {shown}" if event.agent and shown else shown


_GLYPHS = {
    "Session": "◆",
    "Said": "●",
    "Thinking": "✻",
    "ToolCall": "▸",
    "ToolResult": " ",
    "Question": "?",
    "Limit": "◷",
    "AgentError": "!",
    "End": "■",
    "Note": "·",
    "Prompt": "▷",
    "Raw": "≈",
}


def _ending(summary: Summary) -> str:
    from hive_tui.core.text import UNKNOWN, count, money

    tokens = summary.tokens
    mark = "~" if summary.estimated else ""
    used = (
        f"{mark}{count(tokens.input)} in, {count(tokens.output)} out, "
        f"{count(tokens.cache_read)} from cache, {count(tokens.cache_write)} to cache"
    )
    rows = (
        ("outcome", f"{summary.outcome}: {summary.why}"),
        ("tokens", used if tokens.total is not None else UNKNOWN),
        ("cost", money(summary.cost_micros, estimated=summary.estimated)),
        ("session", summary.session or UNKNOWN),
        ("model", summary.model or UNKNOWN),
        ("events", f"{summary.events} of {summary.agent}"),
    )
    return "\n" + "\n".join(f"{name:8} {value}" for name, value in rows)
