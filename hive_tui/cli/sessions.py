"""`hive sessions`: the conversations with Claude Code and Codex on this machine, those at work first."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hive_tui.cli import when
from hive_tui.cli.common import Session, global_options, output_option, pass_session
from hive_tui.cli.costs import BlockDoc, TokensDoc, block_doc
from hive_tui.cli.paint import paint, width
from hive_tui.core import text
from hive_tui.core.columns import Column, Line, Span, table
from hive_tui.core.errors import UsageError
from hive_tui.core.glyphs import Tone

if TYPE_CHECKING:
    from hive_tui.costs import sessions
    from hive_tui.costs.session_sources import Sources
    from hive_tui.costs.tails import Share

DAY = timedelta(days=1)
"""How far back ended sessions are listed, unless somebody asks for others."""

PAINT_SECONDS = 0.2
"""How long the ends of transcripts are read before what is known is painted."""

_INDENT = 2


class SessionDoc(msgspec.Struct, frozen=True):
    """One conversation with an agent."""

    session: str
    agent: str
    live: bool
    """A process works on it, or waits for somebody."""
    pid: int | None
    status: str | None
    """What that process says of itself: `busy`, `idle`."""
    project: str | None
    run: str | None
    """The run of a fleet that it belongs to, where it is one of hive's own."""
    model: str | None
    started_at: datetime | None
    last_activity: datetime | None
    calls: int
    tokens: TokensDoc
    cost_micros: int | None
    """At list prices; null where nothing of it has one."""
    unpriced_calls: int
    context_tokens: int | None
    """What its last call was given."""
    context_window: int | None
    """What its model takes; null where nobody knows."""
    transcript: str | None
    resume: str | None
    """The command that goes on with it."""
    last: str | None
    """The last that was said or done in it."""


class LimitDoc(msgspec.Struct, frozen=True):
    """How much of a subscription's limit is used, as the agent's CLI recorded it."""

    agent: str
    window_minutes: int
    used_percent: float
    resets_at: datetime | None
    recorded_at: datetime


class SessionsDoc(msgspec.Struct, frozen=True):
    sessions: tuple[SessionDoc, ...]
    block: BlockDoc | None
    limits: tuple[LimitDoc, ...]
    problems: tuple[str, ...]


@click.command("sessions", epilog="Example: `hive sessions`, or `hive sessions --once --since 7d -o json`.")
@click.option("--once", is_flag=True, help="Print the sessions and end.")
@click.option(
    "--since",
    callback=when.since,
    help="With --once: also ended sessions that said something after: 7d, 2h, an ISO time. Default: 1d.",
)
@global_options
@output_option
@pass_session
def sessions_command(session: Session, once: bool, since: datetime | None) -> None:
    """The Claude Code and Codex sessions of this machine, those at work first, live.

    Each with its project, model, last activity, tokens, cost at list prices and how full its context is,
    hive's own runs and yours alike. Enter reads a session's transcript, y copies the command that resumes it.
    With --once they are printed instead.
    """
    if not once:
        if since is not None or session.output_option != "text":
            raise UsageError("These options print the sessions.", "Add --once.")
        _console(session)
        return
    begin = since if since is not None else session.now() - DAY
    found = _sources(session, since=begin).look()
    listed = [each for each in found.sessions if each.process or (each.last and each.last >= begin)]
    doc = SessionsDoc(
        tuple(map(_session_doc, listed)),
        None if found.block is None else block_doc(found.block, session.now()),
        tuple(map(_limit_doc, found.shares)),
        found.problems,
    )
    session.emit(doc, lambda: _text(session, found, listed))
    for problem in found.problems:
        session.say(f"hive: {text.clean_line(problem)}")


def _sources(session: Session, *, since: datetime | None = None, seconds: float | None = None) -> Sources:
    from hive_tui.costs import files
    from hive_tui.costs.index import Index
    from hive_tui.costs.prices import Prices
    from hive_tui.costs.session_sources import Sources
    from hive_tui.transcripts import parsers

    index = Index(session.configuration.folders.cache, Prices(session.configuration.settings.prices))
    return Sources(
        index,
        files.roots(os.environ, Path.home()),
        parsers=parsers(),
        now=session.now,
        since=since,
        seconds=seconds,
    )


def _session_doc(one: sessions.Session) -> SessionDoc:
    from hive_tui.costs.prices import micros

    use, process = one.use, one.process
    return SessionDoc(
        session=one.id,
        agent=one.agent,
        live=process is not None,
        pid=None if process is None else process.pid,
        status=None if process is None else process.status,
        project=one.project,
        run=one.run,
        model=one.model,
        started_at=None if process is None else process.started_at,
        last_activity=one.last,
        calls=use.calls,
        tokens=TokensDoc(use.input, use.output, use.cache_read, use.cache_write),
        cost_micros=None if one.cost is None else micros(one.cost),
        unpriced_calls=use.unpriced,
        context_tokens=one.context,
        context_window=one.window,
        transcript=one.transcript and one.transcript.path,
        resume=one.resume,
        last=one.words or None,
    )


def _limit_doc(share: Share) -> LimitDoc:
    from hive_tui.costs.clock import moment

    return LimitDoc(
        "codex",
        share.minutes,
        share.percent,
        None if share.resets is None else moment(share.resets),
        moment(share.at),
    )


_COLUMNS = (
    Column("state", 9),
    Column("agent", 6),
    Column("project", share=2),
    Column("last", 7, right=True),
    Column("cost", 8, right=True),
    Column("tokens", 6, right=True),
    Column("context", 7, right=True),
    Column("model", 12),
    Column("session", 8, least=110),
    Column("pid", 7, right=True, least=120),
    Column("last words", share=3, least=140),
)


def _text(session: Session, found: sessions.Overview, listed: list[sessions.Session]) -> str:
    from hive_tui.costs import session_words as words

    now, home = session.now(), str(Path.home())
    lines: list[Line] = []
    facts = [*(() if found.block is None else words.block(found.block, now)), *map(words.share, found.shares)]
    if facts:
        lines += [(Span(" " * _INDENT), Span(" · ".join(facts), Tone.QUIET)), ()]
    if not found.sessions:
        message, hint = words.nothing(_folders())
        session.say(f"{message}\n{hint}")
    elif not listed:
        session.say(f"No session is at work, and none said anything in that time; {_older(found, listed)}.")
    else:
        rows = [
            (
                words.mark(each),
                each.agent,
                words.project(each, home),
                words.age(each, now),
                words.cost(each),
                words.tokens(each),
                Span(*words.context(each)),
                words.model(each),
                words.short_id(each),
                str(each.process.pid) if each.process else "",
                Span(each.words, Tone.QUIET),
            )
            for each in listed
        ]
        lines += table(_COLUMNS, rows, width(), _INDENT)
        if any(each.use.unpriced for each in listed):
            lines.append((Span("  * without calls of models that nobody has a price for", Tone.QUIET),))
        if len(found.sessions) > len(listed):
            lines.append((Span(f"  {_older(found, listed)}", Tone.QUIET),))
    return paint(lines, color=session.color)


def _older(found: sessions.Overview, listed: list[sessions.Session]) -> str:
    return f"{text.plural(len(found.sessions) - len(listed), 'older session')}: --since 30d lists more"


def _folders() -> str:
    from hive_tui.costs import files

    return ", ".join(str(root.folder) for root in files.roots(os.environ, Path.home()))


def _console(session: Session) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "This is not a terminal, so there is no console.", "`hive sessions --once` prints the sessions."
        )
    from hive_tui.app.sessions import run_sessions
    from hive_tui.transcripts import parsers

    settings = session.settings
    code = run_sessions(
        _sources(session, seconds=PAINT_SECONDS),
        parsers=parsers(),
        folders=_folders(),
        keys_wanted=settings.keys,
        theme=settings.theme,
        memory=session.configuration.folders.data / "sessions.json",
    )
    click.get_current_context().exit(code)
