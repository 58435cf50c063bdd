"""Catches up with what an agent said after its dead runner's last word: the kernel has it on file."""

from __future__ import annotations

import msgspec

from hive_tui.core.events import AnyEvent, LogLine, Note, UsageReport
from hive_tui.core.text import clean
from hive_tui.runner import agent, session, tail
from hive_tui.runner.context import Context

_MOST_BYTES = 64 << 20


def catch_up(ctx: Context) -> None:
    """Append the events of the last agent process that the log lacks, and count what it used.

    Parsing is deterministic, so the events that stand after the process's own note in the log are
    the first ones of its output; what the runner said itself in between are notes.
    """
    state = session.load(ctx.home)
    out, err = agent.output_files(ctx.home, state.processes)
    logged = _logged(ctx, state.processes)
    if not state.running or logged is None or not out.is_file():
        return
    parser = ctx.agent.parser(before=state.before)
    events: list[AnyEvent] = []
    with out.open("rb") as file:
        left = _MOST_BYTES
        while left > 0 and (chunk := file.read(min(left, 1 << 20))):
            left -= len(chunk)
            events += parser.feed(chunk)
    for event in events[logged:]:
        ctx.journal.event(event)
    result = parser.finish(None, clean(tail.end_of(err, 16_384)))
    reports = [event.usage for event in events if isinstance(event, UsageReport)]
    used = result.usage if result.usage.tokens.total is not None or not reports else reports[-1]
    status = ctx.journal.status
    ended = state.ended(msgspec.structs.replace(result, usage=used), status.round, status.model)
    ctx.journal.flush()
    session.save(ctx.home, ended)
    ctx.journal.update(usage=ended.run_used, used=ended.parts, session=ended.id)


def _logged(ctx: Context, number: int) -> int | None:
    """How many events of agent process `number` the log has; None when its start is not in there."""
    begins = f"{agent.STARTED} {number}:"
    count: int | None = None
    decoder = msgspec.json.Decoder(LogLine)
    try:
        with (ctx.home / "events.jsonl").open("rb") as file:
            for line in file:
                try:
                    event = decoder.decode(line).event
                except msgspec.DecodeError:
                    continue
                if isinstance(event, Note):
                    count = 0 if event.text.startswith(begins) else count
                elif count is not None:
                    count += 1
    except OSError:
        return None
    return count
