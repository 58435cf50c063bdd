"""What the costs pane says: today, week, all, how fast, within which budget, and for what; pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from hive_tui.app.view import View
from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, RepoName
from widgets.bars import bar, spark
from widgets.cells import Cell, Line

_NAME, _MONEY, _SPACE = 6, 10, 3

LISTED = 40
"""Models and issues, each."""

_WIDEST = 60
"""Cells of a column at most: a figure stands near its name."""

_TITLED = 40
"""Cells of a column from which on an issue stands with its title."""


def cost_lines(view: View, width: int) -> list[Line]:
    """The pane's lines, for so many cells: the sums, then models and issues side by side."""
    return [*_sums(view, width), *_shares(view, width)]


def essential(view: View) -> int:
    """How many of the lines everybody wants to see."""
    return 3 + min(3, max(len(view.costs.by_model), len(view.costs.by_issue)))


def footnote(view: View) -> Cell | None:
    """What the figures leave out."""
    costs = view.costs
    notes = ["~ with estimates"] if costs.estimated else []
    if costs.unaccounted_runs:
        notes.append(f"{text.plural(costs.unaccounted_runs, 'run')} not counted: cost unknown")
    return Cell(" · ".join(notes), Tone.QUIET) if notes else None


def _sums(view: View, width: int) -> Iterator[Line]:
    costs = view.costs
    left = max(0, width - _NAME - _MONEY - _SPACE)
    shape = spark(view.hourly, left)
    yield _sum(view, "today", costs.today_micros, Tone.TITLE, (Cell(shape),) if shape else ())
    burn = costs.burn_per_hour_micros
    rate = (Cell(text.money(burn)), Cell(" an hour" if left >= 18 else "/h", Tone.QUIET)) if burn else ()
    yield _sum(view, "week", costs.week_micros, Tone.PLAIN, rate)
    yield _sum(view, "all", costs.all_micros, Tone.PLAIN, _budget(view, left))


def _sum(view: View, name: str, micros: int | None, tone: Tone, more: Line) -> Line:
    money = text.money(micros, estimated=view.costs.estimated and micros is not None)
    cells = (Cell(f"{name:<{_NAME}}", Tone.QUIET), Cell(f"{money:>{_MONEY}}", tone))
    return (*cells, Cell(" " * _SPACE), *more) if more else cells


def _budget(view: View, room: int) -> Line:
    """How much of today's budget is used; where there is none, of the fleet's."""
    fleet = view.snapshot.fleet
    if fleet is None:
        return ()
    scope = "day" if fleet.budget.day_micros is not None else "fleet"
    limit = fleet.budget.day_micros if scope == "day" else fleet.budget.fleet_micros
    if limit is None:
        return ()
    used = view.plan.spending(scope).micros
    percent = round(100 * used / limit) if limit else 100
    tone = Tone.BROKEN if used >= limit else Tone.SOON if used * 5 > limit * 4 else Tone.PLAIN
    words = f" {percent} % of {text.money(limit).removesuffix('.00')}"
    cells = min(8, room - len(words))
    if cells < 3:
        return (Cell(words.strip(), tone),)
    return (Cell(bar(used, limit, cells) if limit else bar(1, 1, cells), tone), Cell(words, tone))


def _shares(view: View, width: int) -> Iterator[Line]:
    models = [
        (model_name(name), micros) for name, micros in itertools.islice(view.costs.by_model.items(), LISTED)
    ]
    issues = list(itertools.islice(view.costs.by_issue.items(), LISTED))
    # Models have longer names than issues, unless those stand with their titles.
    room = width - _SPACE
    column = min(_WIDEST, room // 2)
    wide = column >= _TITLED
    first, second = (column, column) if wide else (room * 3 // 5, room - room * 3 // 5)
    named = _issue_names(view, issues, column)
    if width < 2 * 15 + _SPACE:
        for one in (*named, *models):
            yield _share(one, width)
        return
    for left, right in itertools.zip_longest(models, named):
        cells = _share(left, first) if left is not None else (Cell(" " * first),)
        yield (*cells, Cell(" " * _SPACE), *_share(right, second)) if right is not None else cells


def _share(one: tuple[str, int], width: int) -> Line:
    name, money = one[0], text.money(one[1])
    name = text.truncate(text.clean_line(name), width - len(money) - 1)
    blank = max(1, width - text.width(name) - len(money))
    return (Cell(name + " " * blank, Tone.QUIET), Cell(money))


def _issue_names(view: View, issues: list[tuple[str, int]], column: int) -> list[tuple[str, int]]:
    titles: Mapping[IssueKey, object] = view.snapshot.issues
    found = []
    for name, micros in issues:
        repo, _, number = name.rpartition("#")
        short = f"{repo.rpartition('/')[2]}#{number}" if view.many else f"#{number}"
        if column >= _TITLED and number.isdecimal():
            key = IssueKey(RepoName(repo), int(number))
            if key in titles:
                short = f"{short}  {view.snapshot.issues[key].title[:column]}"
        found.append((short, micros))
    return found


def model_name(name: str) -> str:
    """A model without its maker and its date: `opus-4-5` for `claude-opus-4-5-20251101`."""
    return re.sub(r"^claude-(?=.)|-\d{8}$", "", name)
