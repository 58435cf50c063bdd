"""The sums of the costs screen: those of `hive costs`, followed as transcripts and the fleet go on."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hive_tui.core.errors import SourceError
from hive_tui.core.ledger import entries
from hive_tui.core.model import Phase, Tokens, Usage
from hive_tui.costs import cost_sources, files, periods, summary
from hive_tui.costs.cost_sources import CostSources
from hive_tui.costs.growing import Growing
from hive_tui.costs.index import Index
from hive_tui.costs.overview import BLOCKS_SINCE, CostView, FleetRows, Question, Scope
from hive_tui.costs.prices import micros
from hive_tui.costs.summary import By
from hive_tui.costs.sums import Dimension
from tests import builders
from tests.corpus import HERE

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

NO_FLEET = FleetRows()

TRUTH = 83_302
"""Micro-dollars of the session in the corpus, as the CLI's own result says."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_sources, "PATIENCE_SECONDS", 30.0)


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    source = HERE / "claude" / "success" / "claude-home" / "projects"
    return Path(shutil.copytree(source, tmp_path / "projects"))


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "cache")


def sources(
    index: Index, projects: Path, told: Callable[[], FleetRows] = lambda: NO_FLEET, at: datetime = NOW
) -> CostSources:
    return CostSources(index, [files.Root("claude", projects)], told, now=lambda: at)


def cost(view: CostView) -> int:
    return micros(view.total.cost)


def append(projects: Path, **changes: object) -> None:
    """Another call in the transcript."""
    (path,) = projects.rglob("*.jsonl")
    line = json.loads(next(line for line in path.read_text().splitlines() if '"usage":{' in line))
    line["message"]["id"] = f"msg_{len(path.read_bytes())}"
    with path.open("a") as file:
        file.write(json.dumps({**line, **changes}, separators=(",", ":")) + "\n")


def test_a_new_line_is_in_the_next_answer_and_nothing_new_is_the_same(index: Index, projects: Path) -> None:
    looks = sources(index, projects)
    looks.question = Question(Scope.MACHINE, By.MODEL)
    first = looks.look()
    assert (cost(first), first.whole, looks.stirred) == (TRUTH, True, False)
    assert looks.look() is first
    append(projects)
    assert looks.stirred
    second = looks.look()
    assert cost(second) > TRUTH
    assert [use.key for use in second.uses] == ["claude-opus-5-5"]


def test_the_fleet_alone_is_without_transcripts_and_a_change_of_it_is_seen(
    index: Index, projects: Path
) -> None:
    ended = builders.run(1, usage=Usage(Tokens(5), 7), phase=Phase.SUCCEEDED, ended_at=NOW)
    live = builders.run(2, usage=Usage(Tokens(5), 70))
    told = [FleetRows(entries(ended), {live.id: live})]
    looks = sources(index, projects, lambda: told[0])
    looks.question = Question(Scope.FLEET, By.ISSUE)
    first = looks.look()
    assert [(use.key, micros(use.cost)) for use in first.uses] == [
        (str(live.key), 70),
        (str(ended.key), 7),
    ]
    told.append(FleetRows(told[0].rows, {}))
    told.pop(0)
    assert looks.stirred
    assert cost(looks.look()) == 7


def test_another_question_is_answered_by_the_same_sums_as_hive_costs(index: Index, projects: Path) -> None:
    index.refresh([files.Root("claude", projects)])
    (folder,) = {one.project for one in index.sums([Dimension.PROJECT])}
    checkouts = {folder: "me/app"}
    looks = sources(index, projects, lambda: FleetRows(checkouts=checkouts))
    for by in By:
        looks.question = Question(Scope.MACHINE, by)
        assert looks.stirred
        view = looks.look()
        assert view.question == looks.question
        assert list(view.uses) == summary.totals(by, index=index, checkouts=checkouts)
        assert view.total == summary.whole(view.uses)
        assert by is not By.REPO or [use.key for use in view.uses] == ["me/app"]


def test_days_are_all_there_and_the_sums_of_today_and_the_week_are_theirs(
    index: Index, projects: Path
) -> None:
    append(projects, timestamp=(NOW - timedelta(days=3)).isoformat())
    append(projects, timestamp=(NOW - timedelta(days=9)).isoformat())
    at = datetime(2026, 11, 21, 23, tzinfo=UTC)
    looks = sources(index, projects, at=at)
    looks.question = Question(Scope.MACHINE)
    view = looks.look()
    assert len(view.days) == 31
    assert view.days[-1][0] == at.astimezone().date()
    by_day = {use.key: use.cost for use in view.uses}
    assert {str(day): sum(use.cost for use in uses) for day, uses in view.days if uses} == by_day
    assert view.week.cost == view.total.cost - min(by_day.values())


def test_blocks_are_those_of_all_times(index: Index, projects: Path) -> None:
    for hours in (1, 4, 30, 100, 160, 170, 174, 400):
        append(projects, timestamp=(NOW - timedelta(hours=hours)).isoformat())
    view = sources(index, projects).look()
    every = periods.blocks(index.sums([Dimension.QUARTER]), NOW)
    assert view.blocks == tuple(each for each in every if each.end > NOW - BLOCKS_SINCE)
    assert sum(not each.gap for each in view.blocks) >= 5


def test_what_the_fleet_says_is_there_while_gigabytes_are_read(
    index: Index, projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost_sources, "PATIENCE_SECONDS", 0.0)
    read, go_on = Growing.read, threading.Event()

    def slowly(growing: Growing, found: list[files.Found]) -> None:
        assert go_on.wait(30)
        read(growing, found)

    monkeypatch.setattr(Growing, "read", slowly)
    live = builders.run(2, usage=Usage(Tokens(5), 70))
    told = FleetRows((), {live.id: live})
    looks = sources(index, projects, lambda: told)
    first = looks.look()
    assert (cost(first), first.whole, looks.stirred) == (70, False, True)
    go_on.set()
    monkeypatch.setattr(cost_sources, "PATIENCE_SECONDS", 30.0)
    looks.question = Question(Scope.MACHINE)
    second = looks.look()
    assert (cost(second), second.whole, looks.stirred) == (TRUTH + 70, True, False)


def test_what_cannot_be_read_says_why_and_is_tried_again(tmp_path: Path, projects: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    looks = sources(Index(tmp_path / "file" / "cache"), projects)
    for _ in range(2):
        with pytest.raises(SourceError, match="Not a directory"):
            looks.look()
    assert looks.stirred
