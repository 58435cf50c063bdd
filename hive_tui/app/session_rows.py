"""How this machine's sessions are listed, filtered, sorted and headed; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hive_tui.app.filters import Facts, facts
from hive_tui.app.sorting import By
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs import session_words as words
from hive_tui.costs.periods import BLOCK
from hive_tui.costs.sessions import Overview, Session
from widgets.bars import bar
from widgets.cells import Cell, Column, Line, Row

WIDE = 120
"""Cells from which there is room for longer names, and for what was said."""

_FILL = 4
"""Cells of the bar that says how full a context is."""

_ELAPSED = 10
"""Cells of the bar that says how far a block is."""


def columns(width: int) -> tuple[Column, ...]:
    """For a list of `width` cells; at 80 all that counts has room."""
    wide = width >= WIDE
    return (
        Column("state", 9),
        Column("agent", 6, rank=5),
        Column("project", 24 if wide else 13),
        Column("model", 16 if wide else 11, rank=4),
        Column("last", 7, right=True, rank=1),
        Column("tokens", 6, right=True, rank=3),
        Column("cost", 8, right=True),
        Column("context", 9, right=True, rank=2),
        Column("session", 8, rank=7),
        Column("pid", 7, right=True, rank=8),
        Column("said", 16, flexible=True, rank=6, heading="last said or done"),
    )


def row(session: Session, age: str) -> Row:
    """A session's cells; one that ended stands back. `age` is how long it has said nothing."""
    mark = words.mark(session)
    live = session.process is not None
    tone = Tone.PLAIN if live else Tone.QUIET
    share, fill_tone = words.context(session)
    filled = "" if session.fill is None else f"{bar(session.fill * 100, 100, _FILL)} "
    return Row(
        (session.agent, session.id),
        (
            Cell(str(mark), mark.tone),
            Cell(session.agent, tone),
            Cell(words.project_name(session), Tone.TITLE if live else Tone.PLAIN),
            Cell(words.model(session), tone),
            Cell(age, tone),
            Cell(words.tokens(session), tone),
            Cell(words.cost(session)),
            Cell(f"{filled}{share:>4}", fill_tone if live or fill_tone is not Tone.PLAIN else tone),
            Cell(words.short_id(session), Tone.QUIET),
            Cell(str(session.process.pid) if session.process is not None else "", Tone.QUIET),
            Cell(session.words, tone),
        ),
    )


def details(session: Session, now: datetime, home: str) -> Sequence[Cell]:
    """All that is known of a session, a text for each line below its row."""
    use, process = session.use, session.process
    used = (
        f"{text.plural(use.calls, 'call')}: {text.count(use.input)} in, {text.count(use.output)} out, "
        f"{text.count(use.cache_read)} from cache, {text.count(use.cache_write)} to cache"
    )
    held = "" if session.context is None else f"context {session.context:,}"
    if session.context is not None and session.window is not None:
        held += f" of {session.window:,} tokens" if session.fill is not None else " tokens"
    ran = ""
    if process is not None:
        since = f", since {text.clock(process.started_at, now)}" if process.started_at is not None else ""
        ran = f"process {process.pid}{since}"
    folder = "" if session.run is None else text.clean_line(session.project or "")
    facts_of = [words.project(session, home), folder, text.clean_line(session.model or ""), held, ran]
    return (
        Cell(" · ".join(filter(None, facts_of))),
        Cell(used if use.calls else "", Tone.QUIET),
        Cell("" if session.transcript is None else session.transcript.path, Tone.QUIET),
        Cell(session.resume or "", Tone.QUIET),
        Cell(session.words),
    )


def session_facts(session: Session) -> Facts:
    """What a filter finds: folder, model, id, state, agent, and what was said last."""
    mark = words.mark(session)
    return facts(
        words.project(session, ""),
        words.project_name(session),
        words.model(session),
        session.id,
        session.words,
        repo=words.project(session, ""),
        state=(mark.word, "live" if session.process is not None else "ended"),
        agent=(session.agent,),
    )


SORTS: dict[str, By[Session]] = {
    "state": By(lambda session: (session.process is None, words.mark(session).word)),
    "agent": By(lambda session: session.agent),
    "project": By(lambda session: words.project_name(session).casefold()),
    "model": By(lambda session: session.model and words.model(session).casefold()),
    "last": By(lambda session: session.last, down=True),
    "tokens": By(lambda session: session.use.tokens if session.use.calls else None, down=True),
    "cost": By(lambda session: session.cost, down=True),
    "context": By(lambda session: session.fill, down=True),
    "pid": By(lambda session: None if session.process is None else session.process.pid),
}


def counts(overview: Overview) -> Line:
    """How many are at work, by what they say of themselves, and how many there are."""
    tally: dict[str, int] = {}
    tones: dict[str, Tone] = {}
    for session in overview.sessions[: overview.live]:
        mark = words.mark(session)
        tally[mark.word] = tally.get(mark.word, 0) + 1
        tones[mark.word] = mark.tone
    at_work = [Cell(f"{tally[word]} {word}", tones[word]) for word in sorted(tally)]
    return (*(at_work or [Cell("none at work", Tone.QUIET)]), Cell(f"{len(overview.sessions):,} in all"))


def block_line(overview: Overview, now: datetime) -> Line:
    """The five hours that run now, the limits that were recorded, else that there is none."""
    shares = [Cell(words.share(share), words.share_tone(share)) for share in overview.shares]
    running = overview.block
    if running is None:
        return (Cell("no block runs: the next call begins one", Tone.QUIET), *shares)
    elapsed = min(max(now - running.start, timedelta(0)), BLOCK)
    shape = Cell(bar(elapsed / BLOCK * 100, 100, _ELAPSED), Tone.QUIET)
    until, used, *rest = words.block(running, now)
    return (shape, Cell(until), Cell(used, Tone.TITLE), *map(Cell, rest), *shares)


def nothing(overview: Overview | None, error: str | None, folders: str) -> Sequence[Cell]:
    """What an empty list says, and what to do about it."""
    if error is not None:
        return (Cell("The transcripts cannot be read", Tone.BROKEN), Cell(error))
    if overview is None or not overview.whole:
        return (Cell("reading the transcripts …", Tone.QUIET),)
    if overview.problems:
        return tuple(Cell(text.clean_line(problem), Tone.BROKEN) for problem in overview.problems)
    message, hint = words.nothing(folders)
    return (Cell(message), Cell(hint, Tone.QUIET))
