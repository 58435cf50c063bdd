"""`hive costs export`: the rows of the fleet's ledger, for a spreadsheet or another program."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from hive_tui.cli import when
from hive_tui.cli.common import SCHEMA, Session, global_options, pass_session

if TYPE_CHECKING:
    from hive_tui.core.ledger import Entry


class RowDoc(msgspec.Struct, frozen=True):
    """A row of the ledger; what is not known is null, or empty."""

    run: str
    attempt: int
    repo: str
    issue: int
    agent: str
    step: str
    round: int
    model: str | None
    session: str | None
    started_at: datetime | None
    at: datetime
    """When the run ended."""
    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    cost_micros: int | None
    source: str
    certainty: str


@click.command(
    "export", epilog="Example: `hive costs export --format csv --since 30d > costs.csv`, or `--format json`."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="A table, or one object with all rows.",
)
@click.option("--since", callback=when.since, help="Only runs that ended after: 7d, 2h, or an ISO time.")
@click.option("--until", callback=when.since, help="Only runs that ended before.")
@global_options
@pass_session
def export_command(session: Session, format_: str, since: datetime | None, until: datetime | None) -> None:
    """The rows of the ledger: what runs used by step, round, model and session, the oldest first.

    Money is in millionths of a dollar. A run is in there when it has ended and was settled.
    """
    rows = map(_row, session.fleet.ledger.read(since=since, until=until))
    _print_csv(rows) if format_ == "csv" else _print_json(rows)


def _row(entry: Entry) -> RowDoc:
    tokens = entry.tokens
    return RowDoc(
        entry.run,
        entry.attempt,
        entry.repo,
        entry.issue,
        entry.agent,
        entry.step.value,
        entry.round,
        entry.model,
        entry.session,
        entry.started_at,
        entry.at,
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write,
        entry.cost_micros,
        entry.source.value,
        entry.certainty.value,
    )


def _print_csv(rows: Iterable[RowDoc]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(RowDoc.__struct_fields__)
    for row in rows:
        writer.writerow(map(_cell, msgspec.structs.astuple(row)))


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    # A spreadsheet would take it for a formula, and names of models are what an agent says.
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t")) else value


def _print_json(rows: Iterable[RowDoc]) -> None:
    encode = msgspec.json.Encoder().encode
    click.echo(f'{{"schema": "{SCHEMA}", "rows": [', nl=False)
    lead = "\n"
    for row in rows:
        click.echo(lead + encode(row).decode(), nl=False)
        lead = ",\n"
    click.echo("\n]}")
