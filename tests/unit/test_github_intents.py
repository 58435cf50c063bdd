"""An issue that was made though nobody heard of it is found again, not made twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backends.database import Database
from backends.forges.github.errors import AnswerLost, Invalid, ServerDown
from backends.forges.github.intents import KEPT, Intents
from hive_tui.core.ids import RepoName
from hive_tui.core.model import Issue
from tests.fakes.github.faults import Fault
from tests.fakes.github.server import GitHub
from tests.fakes.github.state import Repository
from tests.fakes.github_writer import Killed, Writer, repository

REPO = RepoName("me/proj")


class Bench:
    def __init__(self, github: GitHub, folder: Path) -> None:
        self.github = github
        self.repo: Repository = repository(github, REPO)
        self.folder = folder
        self.writers: list[Writer] = []

    def process(self) -> Writer:
        """Another process of the same fleet."""
        self.writers.append(Writer(self.github, REPO, self.folder / "fleet"))
        return self.writers[-1]

    def ask(self, writer: Writer, title: str = "Mend it") -> Issue:
        return writer.create_issue(REPO, title=title, body="Broken.", author="hive", labels=("status:ready",))


@pytest.fixture
def bench(tmp_path: Path, published_schema: None) -> Iterator[Bench]:
    with GitHub(tmp_path / "github") as github:
        made = Bench(github, tmp_path)
        yield made
        for writer in made.writers:
            writer.close()
    assert not github.crashes


def test_one_that_was_made_before_a_kill_is_found(bench: Bench) -> None:
    first = bench.process()
    first.client.dies_after = 1
    with pytest.raises(Killed):
        bench.ask(first)
    assert list(bench.repo.issues) == [1]
    assert bench.ask(bench.process()).number == 1
    assert list(bench.repo.issues) == [1]


def test_one_whose_answers_were_all_lost_is_found_by_the_next_call(bench: Bench) -> None:
    first, second, third = (bench.process() for _ in range(3))
    bench.github.faults.add(Fault("lost", method="POST", path="/repos/me/proj/issues"))
    bench.github.faults.add(Fault("reset", method="GET", path="/repos/me/proj/issues", times=None))
    with pytest.raises(AnswerLost):
        bench.ask(first)
    with pytest.raises(ServerDown):
        bench.ask(second)  # which cannot look either
    bench.github.faults.clear()
    assert bench.ask(third).number == 1
    assert list(bench.repo.issues) == [1]


def test_what_was_heard_of_may_be_made_again(bench: Bench) -> None:
    assert [bench.ask(bench.process()).number for _ in range(2)] == [1, 2]


def test_another_text_is_another_issue(bench: Bench) -> None:
    first = bench.process()
    first.client.dies_after = 1
    with pytest.raises(Killed):
        bench.ask(first)
    assert bench.ask(bench.process(), "Mend it all").number == 2


class TestIntents:
    @pytest.fixture
    def clock(self) -> list[datetime]:
        return [datetime(2026, 3, 1, tzinfo=UTC)]

    @pytest.fixture
    def intents(self, tmp_path: Path, clock: list[datetime]) -> Iterator[Intents]:
        database = Database(tmp_path / "fleet.db")
        yield Intents(database, lambda: clock[0])
        database.close()

    def cut(self, intents: Intents) -> None:
        with pytest.raises(KeyboardInterrupt), intents.of("x"):
            raise KeyboardInterrupt

    def test_it_is_known_since_the_first_time(self, intents: Intents, clock: list[datetime]) -> None:
        first = clock[0]
        self.cut(intents)
        clock[0] += timedelta(minutes=5)
        self.cut(intents)
        with intents.of("x") as since:
            assert since == first
        with intents.of("x") as since:
            assert since is None

    def test_after_a_while_it_is_forgotten(self, intents: Intents, clock: list[datetime]) -> None:
        self.cut(intents)
        clock[0] += KEPT
        with intents.of("x") as since:
            assert since is None

    def test_a_refusal_ends_it(self, intents: Intents) -> None:
        with pytest.raises(Invalid), intents.of("x"):
            raise Invalid("No.")
        with intents.of("x") as since:
            assert since is None

    def test_what_is_still_under_way_was_not_cut_off(self, intents: Intents) -> None:
        with intents.of("x"), intents.of("x") as since:
            assert since is None
