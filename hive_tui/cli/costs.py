"""`hive costs`: what agents used, from the transcripts of this machine and the fleet's ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hive_tui.cli import when
from hive_tui.cli.common import Group, Session, global_options, output_option, pass_session
from hive_tui.cli.costs_export import export_command
from hive_tui.cli.paint import paint, width
from hive_tui.core import text
from hive_tui.core.columns import FLEXIBLE, Cell, Column, Line, table
from hive_tui.core.errors import StoreError, UsageError
from hive_tui.core.sources import CLUSTER

if TYPE_CHECKING:
    from hive_tui.core.ledger import Entry
    from hive_tui.core.model import Run
    from hive_tui.costs.index import Index
    from hive_tui.costs.periods import Block, Use

BY = ("day", "week", "month", "issue", "repo", "run", "session", "project", "model", "agent", "block")

SCOPES = ("machine", "fleet")

CLUSTER_SECONDS = 5.0
"""How long the cluster is asked for runs that are not in the ledger yet."""

_INDENT = 2
_GAP = 2
"""Cells between two columns where there is room enough."""


class TokensDoc(msgspec.Struct, frozen=True):
    """Tokens by how they are billed; null where nobody counted them."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None


class UseDoc(msgspec.Struct, frozen=True):
    """What was used under one heading."""

    key: str
    calls: int
    """Of models, as transcripts have them; those of runs without one are not counted."""
    tokens: TokensDoc
    cost_micros: int | None
    """None where nothing of it is known."""
    unpriced_calls: int
    """Calls of models that nobody has a price for; they are in no cost."""
    first: datetime | None
    last: datetime | None
    unaccounted_runs: int
    """Runs whose cost is not known, at least in part; what is not known is in no cost."""
    estimated: bool
    """Something in the cost is an estimate."""


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


@click.group(
    "costs",
    cls=Group,
    invoke_without_command=True,
    epilog="Example: `hive costs --by issue --since 7d`, `hive costs --scope fleet --by day`, or "
    "`hive costs --by block -o json`.",
)
@click.option("--by", type=click.Choice(BY), default="day", show_default=True, help="What is summed.")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="machine",
    show_default=True,
    help="Everything on this machine, or only the runs of the fleet, as its ledger and they themselves have "
    "them: what the console and `hive top --once` sum.",
)
@click.option("--since", callback=when.since, help="Only what was used after: 7d, 2h, or an ISO time.")
@click.option("--until", callback=when.since, help="Only what was used before.")
@click.option(
    "--timezone",
    metavar="ZONE",
    callback=_zone,
    is_eager=True,  # what day `--since` means depends on it
    help="Whose days count, also in --since and --until; default: this machine's.",
)
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
    scope: str,
    since: datetime | None,
    until: datetime | None,
    timezone: tzinfo | None,
    week_start: str,
) -> None:
    """What agents used, and what that costs at list prices.

    Every Claude Code and Codex session of this machine counts, hive's own runs and yours alike, from the
    transcripts in ~/.claude and ~/.codex (CLAUDE_CONFIG_DIR, CODEX_HOME); then the runs of the fleet that
    worked elsewhere, from its ledger, and those at work. Times of transcripts are to the quarter of an
    hour; a run without one counts when it ended.
    """
    if click.get_current_context().invoked_subcommand is not None:
        if since is not None or until is not None:
            raise UsageError("Options stand behind the command.", "`hive costs export --since 7d`.")
        return
    if since is not None and until is not None and since >= until:
        raise UsageError("There is no time between --since and --until.", "Give --until a later one.")
    from hive_tui.costs import files, growing, periods, summary
    from hive_tui.costs.index import Dimension, Index
    from hive_tui.costs.prices import Prices

    prices = Prices(session.configuration.settings.prices)
    if prices.problem is not None:
        session.say(f"hive: {prices.problem}")
    index = Index(session.configuration.folders.cache, prices) if scope == "machine" else None
    if index is not None:
        roots = files.roots(os.environ, Path.home())
        index.refresh(roots)
        for problem in growing.problems(roots):
            session.say(f"hive: {text.clean_line(problem)}")
    if by == "block":
        if index is None:
            raise UsageError("Blocks are of this machine's transcripts.", "Leave out --scope fleet.")
        begin, end = _milliseconds(since), _milliseconds(until)
        quarters = index.sums([Dimension.QUARTER], since=begin, until=end)
        found = periods.blocks(quarters, session.now())
        whole = summary.whole([block.use for block in found])
        unpriced = _unpriced(index, since, until) if whole.unpriced else []
        docs = _report([block_doc(block, session.now()) for block in found], whole, unpriced)
        ever = since is None and until is None
        session.emit(docs, lambda: _blocks_text(session, found, whole, unpriced, timezone, ever=ever))
        return
    uses = summary.totals(
        summary.By(by),
        index=index,
        ledger=_ledger(session, since),
        runs=_runs(session),
        since=since,
        until=until,
        zone=timezone,
        week_begins=periods.Weekday[week_start.upper()],
        checkouts=summary.checkouts(session.fleet_settings.repos),
    )
    whole = summary.whole(uses)
    unpriced = _unpriced(index, since, until) if index is not None and whole.unpriced else []
    docs = _report([_use_doc(use) for use in uses], whole, unpriced)
    ever = since is None and until is None
    session.emit(docs, lambda: _uses_text(session, by, uses, whole, unpriced, ever=ever))


def _report(costs: Sequence[UseDoc], whole: Use, unpriced: Sequence[str]) -> dict[str, object]:
    return {"costs": costs, "total": _use_doc(whole), "unpriced_models": unpriced}


def _unpriced(index: Index, since: datetime | None, until: datetime | None) -> list[str]:
    """The models in the transcripts of which some calls have no price."""
    from hive_tui.costs.sums import Dimension

    sums = index.sums([Dimension.MODEL], since=_milliseconds(since), until=_milliseconds(until))
    return [one.model for one in sums if one.unpriced]


def _ledger(session: Session, since: datetime | None) -> list[Entry]:
    """The rows that count; without them the rest is shown all the same."""
    try:
        return list(session.fleet.ledger.read(since=since))
    except StoreError as error:
        session.say(f"Without the fleet's ledger: {error.words}")
        return []


def _runs(session: Session) -> list[Run]:
    snapshot = session.fleet.read_cluster(CLUSTER_SECONDS)
    source = snapshot.sources[CLUSTER]
    if not source.ok:
        session.say(f"Without the runs at work: {source.why}")
    return list(snapshot.runs.values())


def _use_doc(use: Use) -> UseDoc:
    from hive_tui.costs.clock import moment
    from hive_tui.costs.prices import micros

    tokens = use.counted
    return UseDoc(
        use.key,
        use.calls,
        TokensDoc(tokens.input, tokens.output, tokens.cache_read, tokens.cache_write),
        micros(use.cost) if use.known else None,
        use.unpriced,
        None if use.first is None else moment(use.first),
        None if use.last is None else moment(use.last),
        use.unaccounted,
        use.estimated,
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

    cost = text.money(micros(use.cost) if use.known else None, estimated=use.estimated)
    tokens = use.counted
    return (
        *map(text.count, (tokens.input, tokens.output, tokens.cache_write, tokens.cache_read)),
        f"{cost}*" if use.known and (use.unpriced or use.unaccounted) else cost,
    )


_OTHERS = "other sessions"
"""Those that are no runs of the fleet."""

_TIMES = ("day", "week", "month")

_ROOMY = 100
"""Cells from which a long heading leaves room for all amounts."""

_ROOMY_FOR_IDS = 101
"""Cells from which that of a session, which is nothing unless it is whole, does."""


def _nothing(*, ever: bool) -> str:
    return "Nothing was used yet" if ever else "Nothing was used in that time"


def _uses_text(
    session: Session, by: str, uses: Sequence[Use], whole: Use, unpriced: Sequence[str], *, ever: bool
) -> str:
    if not uses:
        session.say(f"{_nothing(ever=ever)}: it is in no transcript, and no run of the fleet says so.")
        return ""
    least = 0 if by in _TIMES else _ROOMY_FOR_IDS if by == "session" else _ROOMY
    amounts = [each._replace(least=least) if "cache" in each.title else each for each in _AMOUNTS]
    columns = (Column(by, share=1), Column("calls", 6, right=True), *amounts)
    rows = [(use.key or _OTHERS, text.count(use.calls or None), *_amounts(use)) for use in (*uses, whole)]
    shown = paint(table(columns, rows, width(), _INDENT), color=session.color)
    return shown + _footnote(whole, unpriced)


def _blocks_text(
    session: Session,
    blocks: Sequence[Block],
    whole: Use,
    unpriced: Sequence[str],
    zone: tzinfo | None,
    *,
    ever: bool,
) -> str:
    if not blocks:
        session.say(f"{_nothing(ever=ever)}.")
        return ""
    rows = [_block_row(block, session.now(), zone) for block in blocks]
    first, calls, cost = Column("block", 16), Column("calls", 6, right=True), _AMOUNTS[-1]
    words = max(FLEXIBLE, *(len(str(row[1])) for row in rows))
    # What a block comes to is said in words, which go before tokens where there is little room.
    least = _INDENT + words + sum(_GAP + each.cells for each in (first, calls, cost))
    tokens = []
    for kinds in (_AMOUNTS[:2], _AMOUNTS[2:-1]):
        least += sum(_GAP + each.cells for each in kinds)
        tokens += [each._replace(least=least) for each in kinds]
    columns = (first, Column("", share=1), calls, *tokens, cost)
    lines: list[Line] = table(columns, rows, width(), _INDENT)
    return paint(lines, color=session.color) + _footnote(whole, unpriced)


def _block_row(block: Block, now: datetime, zone: tzinfo | None) -> tuple[Cell, ...]:
    start = text.clock(block.start, now, zone)
    if block.gap:
        return (start, f"nothing for {text.age(block.end - block.start)}", "", *("" for _ in _AMOUNTS))
    return (start, _block_words(block, now), text.count(block.use.calls), *_amounts(block.use))


def _block_words(block: Block, now: datetime) -> str:
    from hive_tui.costs.prices import micros

    projected = block.projected(now)
    if projected is None:
        return "active" if block.active else ""
    left = text.age(max(timedelta(0), block.end - now))
    burn = text.money(micros(round((block.burn_cost or 0) * 60)))
    return f"active, {left} left, {burn}/h, ~{text.money(micros(projected[1]))} at its end"


def _footnote(whole: Use, unpriced: Sequence[str] = ()) -> str:
    lacking = []
    if whole.unpriced:
        calls = f"{text.plural(whole.unpriced, 'call')} that nobody has a price for"
        names = (
            f" ({', '.join(map(text.clean_line, unpriced))}; `prices:` in config.yaml)" if unpriced else ""
        )
        lacking.append(f"{calls}{names}")
    if whole.unaccounted:
        lacking.append(f"{text.plural(whole.unaccounted, 'run')} of which nobody knows all that they cost")
    return f"\n  * without {', and '.join(lacking)}" if lacking else ""


def _milliseconds(at: datetime | None) -> int | None:
    from hive_tui.costs.clock import stamp

    return None if at is None else stamp(at)


costs_command.add_command(export_command)
