"""What the costs pane says: today, week, all, how fast, within which budget, and for what; pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from hive_tui.core import text
from hive_tui.core.glyphs import Tone
from hive_tui.core.ids import IssueKey, RepoName
from widgets.bars import bar, spark
from widgets.cells import Cell, Line

if TYPE_CHECKING:
    from hive_tui.app.view import View
    from hive_tui.core.world import Scope

_NAME, _MONEY, _SPACE = 6, 10, 3

_A_DAY = " a day"

LISTED = 40
"""Models and issues, each."""

_WIDEST = 60
"""Cells of a column at most: a figure stands near its name."""

_TITLED = 40
"""Cells of a column from which on an issue stands with its title."""


def cost_lines(view: View, width: int) -> list[Line]:
    """The pane's lines, for so many cells: the sums, then models and issues side by side."""
    return [*_sums(view, width), *_further_budgets(view, width), *_shares(view, width)]


def essential(view: View) -> int:
    """How many of the lines everybody wants to see."""
    budgets = max(0, len(budgets_of(view)) - 1)
    return 3 + min(2, budgets) + min(3, max(len(view.costs.by_model), len(view.costs.by_issue)))


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


class Limit(msgspec.Struct, frozen=True):
    """A budget of the fleet, and how much of it is used."""

    name: str
    used: int
    limit: int
    unknown: bool
    """Something of what was used is not known."""


def budgets_of(view: View) -> list[Limit]:
    """The day's first, then the fleet's, repositories' and those of issues that have used half of it."""
    fleet = view.snapshot.fleet
    if fleet is None:
        return []
    budget = fleet.budget
    scopes: list[tuple[str, Scope, int | None]] = [
        ("day", "day", budget.day_micros),
        ("fleet", "fleet", budget.fleet_micros),
        *((repo.name.rpartition("/")[2], repo.name, budget.repo_micros) for repo in view.settings.repos),
    ]
    found = [_limit(view, name, scope, limit) for name, scope, limit in scopes if limit is not None]
    if budget.issue_micros is not None:
        for name in itertools.islice(view.costs.by_issue, LISTED):
            repo, _, number = name.rpartition("#")
            key = IssueKey(RepoName(repo), int(number))
            one = _limit(view, f"#{number}", key, budget.issue_micros)
            if one.used * 2 >= one.limit:
                found.append(one)
    return found


def _limit(view: View, name: str, scope: Scope, limit: int) -> Limit:
    spent = view.plan.spending(scope)
    return Limit(name, spent.micros, limit, spent.unknown is not None)


def _budget(view: View, room: int) -> Line:
    """How much of today's budget is used; where there is none, of the next."""
    found = budgets_of(view)
    return _bar(found[0], room) if found else ()


def _further_budgets(view: View, width: int) -> Iterator[Line]:
    for one in budgets_of(view)[1:]:
        name = text.truncate(text.clean_line(one.name), _NAME - 1)
        money = text.money(one.used, estimated=one.unknown)
        cells = (Cell(f"{name:<{_NAME}}", Tone.QUIET), Cell(f"{money:>{_MONEY}}"), Cell(" " * _SPACE))
        yield (*cells, *_bar(one, max(0, width - _NAME - _MONEY - _SPACE)))


def _bar(one: Limit, room: int) -> Line:
    used, limit = one.used, one.limit
    percent = round(100 * used / limit) if limit else 100
    tone = Tone.BROKEN if used >= limit else Tone.SOON if used * 5 > limit * 4 else Tone.PLAIN
    words = f" {percent} % of {text.money(limit).removesuffix('.00')}"
    if one.name == "day" and room >= len(words) + 8 + len(_A_DAY):
        words += _A_DAY
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
