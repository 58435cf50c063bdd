"""`hive costs`: what Claude Code and Codex used on this machine, from their own transcripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hive_tui.cli import when
from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.cli.paint import paint, width
from hive_tui.core import text
from hive_tui.core.columns import Cell, Column, Line, table

if TYPE_CHECKING:
    from hive_tui.costs.index import Dimension, Sum
    from hive_tui.costs.periods import Block, Use

BY = ("day", "week", "month", "session", "project", "model", "agent", "block")

_INDENT = 2


class TokensDoc(msgspec.Struct, frozen=True):
    input: int
    output: int
    cache_read: int
    cache_write: int


class UseDoc(msgspec.Struct, frozen=True):
    """What was used under one heading."""

    key: str
    calls: int
    tokens: TokensDoc
    cost_micros: int
    unpriced_calls: int
    """Calls of models that nobody has a price for; they are in no cost."""
    first: datetime | None
    last: datetime | None


class BlockDoc(UseDoc, frozen=True):
    """A five-hour block, which its first call begins."""

    ends: datetime
    active: bool
    gap: bool
    burn_tokens_per_minute: float | None
    projected_tokens: int | None
    projected_cost_micros: int | None


def _zone(ctx: click.Context, param: click.Parameter, value: str | None) -> tzinfo | None:
    if value is None:
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(
            f"there is no time zone {value!r}; give one such as Europe/Berlin or UTC.", ctx, param
        ) from None


@click.command(
    "costs", epilog="Example: `hive costs --by model --since 7d`, or `hive costs --by block -o json`."
)
@click.option("--by", type=click.Choice(BY), default="day", show_default=True, help="What is summed.")
@click.option("--since", callback=when.since, help="Only what was used after: 7d, 2h, or an ISO time.")
@click.option("--until", callback=when.since, help="Only what was used before.")
@click.option("--timezone", metavar="ZONE", callback=_zone, help="Whose days count; default: this machine's.")
@click.option(
    "--week-start",
    type=click.Choice(["monday", "saturday", "sunday"]),
    default="monday",
    show_default=True,
    help="With --by week.",
)
@global_options
@output_option
@pass_session
def costs_command(
    session: Session,
    by: str,
    since: datetime | None,
    until: datetime | None,
    timezone: tzinfo | None,
    week_start: str,
) -> None:
    """What agents used on this machine, and what that costs at list prices.

    Every Claude Code and Codex session counts, hive's own runs and yours alike, from the transcripts in
    ~/.claude and ~/.codex (CLAUDE_CONFIG_DIR, CODEX_HOME). Times are to the quarter of an hour.
    """
    from hive_tui.costs import files, periods
    from hive_tui.costs.index import Dimension, Index

    index = Index(session.configuration.folders.cache)
    roots = files.roots(os.environ, Path.home())
    index.refresh(roots)
    begin, end = _milliseconds(since), _milliseconds(until)
    if by == "block":
        quarters = index.sums([Dimension.QUARTER], since=begin, until=end)
        found = periods.blocks(quarters, session.now())
        blocks = [block_doc(block, session.now()) for block in found]
        session.emit({"costs": blocks}, lambda: _blocks_text(session, found))
        return
    dimension, key = _headings(by, timezone, week_start)
    uses = periods.grouped(index.sums([dimension], since=begin, until=end), key)
    if by in ("session", "project", "model", "agent"):
        uses.sort(key=lambda use: (-use.cost, -use.tokens, use.key))
    whole = _whole(uses)
    docs = {"costs": [_use_doc(use) for use in uses], "total": _use_doc(whole)}
    session.emit(docs, lambda: _uses_text(session, by, uses, whole, roots))


def _headings(by: str, zone: tzinfo | None, week_start: str) -> tuple[Dimension, Callable[[Sum], str]]:
    from hive_tui.costs import periods
    from hive_tui.costs.index import Dimension

    match by:
        case "day":
            return Dimension.QUARTER, periods.day(zone)
        case "week":
            return Dimension.QUARTER, periods.week(zone, periods.Weekday[week_start.upper()])
        case "month":
            return Dimension.QUARTER, periods.month(zone)
        case _:
            return Dimension(by), lambda one: str(getattr(one, by))


def _whole(uses: Sequence[Use]) -> Use:
    from hive_tui.costs.periods import Use

    firsts = [use.first for use in uses if use.first is not None]
    lasts = [use.last for use in uses if use.last is not None]
    numbers = ("calls", "unpriced", "input", "output", "cache_read", "cache_write", "cost")
    sums = {name: sum(getattr(use, name) for use in uses) for name in numbers}
    return Use("total", **sums, first=min(firsts, default=None), last=max(lasts, default=None))


def _use_doc(use: Use) -> UseDoc:
    from hive_tui.costs.clock import moment
    from hive_tui.costs.prices import micros

    return UseDoc(
        use.key,
        use.calls,
        TokensDoc(use.input, use.output, use.cache_read, use.cache_write),
        micros(use.cost),
        use.unpriced,
        None if use.first is None else moment(use.first),
        None if use.last is None else moment(use.last),
    )


def block_doc(block: Block, now: datetime) -> BlockDoc:
    from hive_tui.costs.prices import micros

    projected = block.projected(now)
    plain = msgspec.structs.asdict(_use_doc(block.use))
    return BlockDoc(
        **(plain | {"key": block.start.isoformat()}),
        ends=block.end,
        active=block.active,
        gap=block.gap,
        burn_tokens_per_minute=block.burn,
        projected_tokens=projected and projected[0],
        projected_cost_micros=projected and micros(projected[1]),
    )


_AMOUNTS = (
    Column("input", 8, right=True),
    Column("output", 8, right=True),
    Column("cache write", 11, right=True),
    Column("cache read", 10, right=True),
    Column("cost", 11, right=True),
)


def _amounts(use: Use) -> tuple[Cell, ...]:
    from hive_tui.costs.prices import micros

    cost = text.UNKNOWN if use.calls and use.unpriced == use.calls else text.money(micros(use.cost))
    return (
        *map(text.count, (use.input, use.output, use.cache_write, use.cache_read)),
        f"{cost}*" if 0 < use.unpriced < use.calls else cost,
    )


def _uses_text(session: Session, by: str, uses: Sequence[Use], whole: Use, roots: Sequence[object]) -> str:
    if not uses:
        session.say("Nothing was used in that time: no transcript of Claude Code or Codex has a call in it.")
        return ""
    columns = (Column(by, share=1), Column("calls", 6, right=True), *_AMOUNTS)
    rows = [(use.key or text.UNKNOWN, text.count(use.calls), *_amounts(use)) for use in (*uses, whole)]
    shown = paint(table(columns, rows, width(), _INDENT), color=session.color)
    return shown + _footnote(whole)


def _blocks_text(session: Session, blocks: Sequence[Block]) -> str:
    if not blocks:
        session.say("Nothing was used in that time.")
        return ""
    columns = (Column("block", 18), Column("", share=1), Column("calls", 6, right=True), *_AMOUNTS)
    rows = [_block_row(block, session.now()) for block in blocks]
    lines: list[Line] = table(columns, rows, width(), _INDENT)
    return paint(lines, color=session.color) + _footnote(_whole([block.use for block in blocks]))


def _block_row(block: Block, now: datetime) -> tuple[Cell, ...]:
    start = text.clock(block.start, now)
    if block.gap:
        return (start, f"nothing for {text.age(block.end - block.start)}", "", *("" for _ in _AMOUNTS))
    return (start, _block_words(block, now), text.count(block.use.calls), *_amounts(block.use))


def _block_words(block: Block, now: datetime) -> str:
    from hive_tui.costs.prices import micros

    projected = block.projected(now)
    if projected is None:
        return "active" if block.active else ""
    left = text.age(max(timedelta(0), block.end - now))
    return f"active, {left} left, ~{text.money(micros(projected[1]))} at its end"


def _footnote(whole: Use) -> str:
    if not whole.unpriced:
        return ""
    calls = text.plural(whole.unpriced, "call")
    return f"\n  * without {calls} of models that nobody has a price for"


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1_000)
