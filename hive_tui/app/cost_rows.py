"""The table of what was used, under a heading that can be changed, and the lines above and below it; pure."""

from __future__ import annotations

from datetime import datetime

from hive_tui.app.cost_chart import aligned, money
from hive_tui.app.cost_lines import model_name
from hive_tui.app.filters import Facts, facts
from hive_tui.app.sorting import By as Sort
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.costs.clock import moment
from hive_tui.costs.overview import CostView, Question, Scope
from hive_tui.costs.periods import Use
from hive_tui.costs.summary import By
from widgets.bars import FULL
from widgets.cells import Cell, Column, Line, Row

HEADINGS = (
    By.DAY, By.WEEK, By.MONTH, By.SESSION, By.PROJECT, By.MODEL, By.AGENT, By.REPO, By.ISSUE, By.RUN,
)  # fmt: skip
"""In the order of their digits."""

TIMES = (By.DAY, By.WEEK, By.MONTH)

COUNTED = {Scope.FLEET: "this fleet's runs", Scope.MACHINE: "everything on this machine"}

_SHARE = 10

WIDE = 120
"""Cells of the table from which on bars are long everywhere."""

_ROOMY = 96
"""Cells of a line from which on tokens stand beside money."""


def columns(by: By, width: int) -> tuple[Column, ...]:
    """At 80 cells heading, share, tokens and cost have room. Where headings are short, the bars are long."""
    short = by in TIMES
    return (
        Column(by.value, 10 if short else 16, flexible=not short),
        Column("share", _SHARE if width < WIDE else 3 * _SHARE, flexible=short, rank=4, heading=""),
        *(() if short else (Column("last", 7, right=True, rank=6),)),
        Column("calls", 6, right=True, rank=2),
        Column("input", 6, right=True, rank=3),
        Column("output", 6, right=True, rank=3),
        Column("to cache", 8, right=True, rank=5),
        Column("from cache", 10, right=True, rank=5),
        Column("tokens", 6, right=True, rank=1),
        Column("cost", 11, right=True),
    )


def row(use: Use, by: By, most: int, cells: int, now: datetime) -> Row:
    """One heading's sums; `most` is the largest cost of those, in picodollars, which fills so many cells."""
    # What has no heading of that kind is compared with nothing: there may be a hundred times as much of it.
    full = min(cells, max(1, round(use.cost / most * cells))) if most and use.cost and use.key else 0
    tokens = use.counted
    last = text.UNKNOWN if use.last is None else text.since(moment(use.last), now)
    return Row(
        use.key,
        (
            Cell(name(use.key, by), Tone.PLAIN if use.key else Tone.QUIET),
            Cell(FULL * full, Tone.QUIET),
            *(() if by in TIMES else (Cell(last, Tone.QUIET),)),
            Cell(text.count(use.calls or None), Tone.QUIET),
            Cell(text.count(tokens.input), Tone.QUIET),
            Cell(text.count(tokens.output), Tone.QUIET),
            Cell(text.count(tokens.cache_write), Tone.QUIET),
            Cell(text.count(tokens.cache_read), Tone.QUIET),
            Cell(text.count(tokens.total)),
            Cell(aligned(use), Tone.TITLE if use.known else Tone.QUIET),
        ),
    )


def name(key: str, by: By) -> str:
    """How a heading reads: a model without its maker, and what has no heading of that kind."""
    if not key:
        return "other sessions" if by in (By.REPO, By.ISSUE, By.RUN) else text.UNKNOWN
    return model_name(key) if by is By.MODEL else key


SORTS: dict[str, Sort[Use]] = {
    "last": Sort(lambda use: use.last, down=True),
    "calls": Sort(lambda use: use.calls or None, down=True),
    "input": Sort(lambda use: use.counted.input, down=True),
    "output": Sort(lambda use: use.counted.output, down=True),
    "to cache": Sort(lambda use: use.counted.cache_write, down=True),
    "from cache": Sort(lambda use: use.counted.cache_read, down=True),
    "tokens": Sort(lambda use: use.counted.total, down=True),
    "cost": Sort(lambda use: use.cost if use.known else None, down=True),
    **{by.value: Sort(lambda use: use.key.casefold()) for by in HEADINGS},
}


def order(view: CostView) -> list[Use]:
    """Where nobody sorts: times the newest first, the others the costliest first."""
    return list(reversed(view.uses)) if view.question.by in TIMES else list(view.uses)


def use_facts(use: Use, by: By) -> Facts:
    """What a filter finds: the heading as it is and as it reads."""
    agent = (use.key,) if by is By.AGENT else ()
    repo = use.key.partition("#")[0] if by in (By.REPO, By.ISSUE) else ""
    return facts(use.key, name(use.key, by), repo=repo, agent=agent)


def sums_line(question: Question, view: CostView | None, width: int) -> Line:
    """What is counted, and what it comes to."""
    counted = Cell(COUNTED[question.scope], Tone.TITLE)
    if view is None or view.question.scope is not question.scope:
        return (counted, Cell("reading …", Tone.QUIET))
    cells = [counted]
    for label, use in (("today", view.today), ("7 days", view.week), ("all", view.total)):
        cells.append(Cell(f"{label} {money(use)}"))
    if width >= _ROOMY:
        cells.append(Cell(f"{text.count(view.total.counted.total)} tokens", Tone.QUIET))
    return (*cells, Cell("reading …", Tone.QUIET)) if not view.whole else tuple(cells)


def tabs_line(question: Question, width: int) -> Line:
    """The headings with their digits, that of now lit; where not all fit, the others are digits alone."""
    parts = [(f"{(number + 1) % 10}", by) for number, by in enumerate(HEADINGS)]
    named = sum(len(by.value) + 3 for _, by in parts)
    blank = " " if named + len(parts) <= width - 2 else ""
    cells: list[Cell] = []
    for digit, by in parts:
        lit = by is question.by
        label = f"{digit}{blank}{by.value}" if lit or named <= width - 2 else digit
        cells.append(Cell(f"[{label}]" if lit else label, Tone.TITLE if lit else Tone.QUIET))
    return tuple(cells)


def footnote(view: CostView | None) -> str:
    """What the figures leave out, and what is not certain of them."""
    if view is None:
        return ""
    total = view.total
    notes = [text.clean_line(problem) for problem in view.problems]
    lacking = []
    if total.unpriced:
        lacking.append(f"{text.plural(total.unpriced, 'call')} that nobody has a price for")
    if total.unaccounted:
        lacking.append(f"{text.plural(total.unaccounted, 'run')} of unknown cost")
    if lacking:
        notes.append(f"* without {' and '.join(lacking)}")
    if total.estimated:
        notes.append("~ with estimates")
    if view.question.scope is Scope.FLEET:
        notes.append("a run counts when it ended")
    return " · ".join(notes)


def nothing(question: Question, view: CostView | None, error: str | None) -> tuple[Cell, ...]:
    """What an empty table says, and what to do about it."""
    if error is not None:
        return (Cell("The transcripts cannot be read", Tone.BROKEN), Cell(text.clean_line(error)))
    if view is None or not view.whole or view.question != question:
        return (Cell("reading the transcripts …", Tone.QUIET),)
    if view.problems:
        return tuple(Cell(text.clean_line(each), Tone.BROKEN) for each in view.problems)
    if question.scope is Scope.FLEET:
        return (
            Cell("No run of this fleet has used anything yet"),
            Cell("w shows everything on this machine", Tone.QUIET),
        )
    return (
        Cell("Nothing was used on this machine, as far as transcripts tell"),
        Cell(
            "Start `claude` or `codex`, or name their folders in CLAUDE_CONFIG_DIR and CODEX_HOME.",
            Tone.QUIET,
        ),
    )


def details(use: Use, now: datetime) -> tuple[Cell, ...]:
    """All that is known of a row, a text for each line below it."""
    times = [text.clock(moment(at), now) for at in (use.first, use.last) if at is not None]
    span = "" if not times else f"from {times[0]} to {times[-1]}" if len(set(times)) > 1 else times[0]
    # How many calls a run made that left no transcript here, nobody knows.
    calls = f"{text.plural(use.calls, 'call')}: " if use.calls else ""
    kinds = (
        f"{calls}{use.input:,} in, {use.output:,} out, "
        f"{use.cache_write:,} to cache, {use.cache_read:,} from cache"
        if use.counted.total is not None
        else ""
    )
    lacking = []
    if use.unpriced:
        lacking.append(f"{text.plural(use.unpriced, 'call')} without a price")
    if use.unaccounted:
        lacking.append(f"{text.plural(use.unaccounted, 'run')} of unknown cost")
    return (
        Cell(use.key),
        Cell(span, Tone.QUIET),
        Cell(kinds, Tone.QUIET),
        Cell(", ".join(lacking), Tone.SOON),
    )


def following(by: By, step: int) -> By:
    """The heading beside this one."""
    return HEADINGS[(HEADINGS.index(by) + step) % len(HEADINGS)]
