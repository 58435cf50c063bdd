"""What every ledger keeps to."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.database import Database
from backends.ledger import FleetLedger
from backends.local_schema import MIGRATIONS
from hive_tui.core.booked import Spent, charge
from hive_tui.core.errors import StoreError
from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.ledger import Certainty, Entry, Source
from hive_tui.core.model import Step, Tokens
from hive_tui.core.ports import BackendContext, Ledger
from hive_tui.core.settings import FleetSettings
from hive_tui.core.spend import Bill, bill
from tests.builders import CLAUDE, NOW, REPO, booked

AGES = datetime(1970, 1, 2, tzinfo=UTC)


def rows(run: str = "one", *, at: datetime = NOW, cost: int | None = 10) -> tuple[Entry, ...]:
    """Two rows of a run, of two rounds."""
    begun = at - timedelta(minutes=5)
    certainty = Certainty.EXACT if cost is not None else Certainty.UNACCOUNTED
    return tuple(
        Entry(
            run=RunId(run),
            attempt=1,
            repo=REPO,
            issue=7,
            agent=CLAUDE,
            step=Step.IMPLEMENT,
            round=number,
            at=at,
            model="opus",
            session="s",
            tokens=Tokens(1, 2, 3, 4),
            cost_micros=cost,
            started_at=begun,
            source=Source.REPORTED,
            certainty=certainty,
        )
        for number in (1, 2)
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "fleet"


def opened(home: Path) -> FleetLedger:
    return FleetLedger(BackendContext("test", home, FleetSettings(), "me"))


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    made = opened(home)
    yield made
    made.close()


def test_one_that_was_never_written_is_empty_and_makes_no_file(ledger: Ledger, home: Path) -> None:
    assert list(ledger.read()) == []
    assert ledger.booked([RunId("one")], NOW).fleet == Spent()
    assert ledger.bill([RunId("one")], NOW).whole.value == 0
    assert ledger.known([RunId("one")]) == frozenset()
    assert not home.exists()


def test_rows_come_back_as_they_were_the_oldest_first(ledger: Ledger) -> None:
    late, early = rows("late"), rows("early", at=NOW - timedelta(days=1), cost=None)
    ledger.write(late)
    ledger.write(early)
    assert list(ledger.read()) == [*early, *late]


def test_a_second_write_changes_nothing_whatever_it_says(ledger: Ledger, home: Path) -> None:
    ledger.write(rows())
    again = tuple(msgspec.structs.replace(row, cost_micros=999, model="other") for row in rows())
    other = opened(home)
    other.write(again)
    other.close()
    assert list(ledger.read()) == list(rows())
    assert ledger.booked([RunId("one")], AGES).fleet == Spent(20)
    assert ledger.bill([RunId("one")], AGES).by_model == {"opus": 20}


def test_two_who_write_at_once_write_once(ledger: Ledger, home: Path) -> None:
    ledgers = [opened(home) for _ in range(4)]
    barrier = threading.Barrier(len(ledgers))

    def write(one: Ledger) -> None:
        barrier.wait()
        for number in range(20):
            one.write(rows(f"run-{number}"))

    threads = [threading.Thread(target=write, args=(one,)) for one in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in ledgers:
        one.close()
    assert len(list(ledger.read())) == 40
    assert ledger.booked([], AGES).fleet.micros == 400


def test_a_time_has_its_rows_the_end_not_among_them(ledger: Ledger) -> None:
    for day in range(4):
        ledger.write(rows(f"day-{day}", at=NOW + timedelta(days=day)))
    found = ledger.read(since=NOW + timedelta(days=1), until=NOW + timedelta(days=3))
    assert [row.run for row in found] == ["day-1", "day-1", "day-2", "day-2"]


def test_many_rows_are_read_a_page_at_a_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.ledger._AT_ONCE", 3)
    for number in range(5):
        ledger.write(rows(f"run-{number}"))  # all at the same moment
    reading = ledger.read()
    assert next(reading).run == "run-0"
    ledger.write(rows("meanwhile", at=NOW + timedelta(days=1)))
    assert [row.run for row in reading][-2:] == ["meanwhile"] * 2


def test_what_is_pruned_is_not_written_again_and_still_counts(ledger: Ledger) -> None:
    old = rows("old", at=NOW - timedelta(days=9))
    ledger.write(old)
    ledger.write(rows("new"))
    assert ledger.prune(NOW - timedelta(days=1)) == 2
    assert ledger.prune(NOW - timedelta(days=1)) == 0
    ledger.write(old)
    assert {row.run for row in ledger.read()} == {"new"}
    both = [RunId("old"), RunId("new")]
    assert ledger.known(both) == ledger.booked(both, AGES).runs == set(both)
    assert ledger.booked(both, AGES).fleet.micros == 40
    assert ledger.bill(both, AGES).whole.micros == 20


def test_a_row_cannot_be_changed(ledger: Ledger, home: Path) -> None:
    ledger.write(rows())
    changing = pytest.raises(sqlite3.IntegrityError, match="append-only")
    with closing(sqlite3.connect(home / "fleet.db")) as connection, changing:
        connection.execute("UPDATE ledger SET at = 0")


def test_a_damaged_file_says_the_next_step(home: Path) -> None:
    home.mkdir()
    (home / "fleet.db").write_bytes(b"not a database, whatever its name says" * 200)
    with pytest.raises(StoreError) as caught:
        opened(home).booked([], AGES)
    assert caught.value.hint


_RUNS = st.lists(
    st.tuples(
        st.sampled_from([RepoName("a/b"), RepoName("c/d")]),
        st.integers(1, 3),
        st.integers(0, 50),
        st.lists(
            st.tuples(
                st.none() | st.integers(0, 9),
                st.sampled_from([None, "opus", "haiku"]),
                st.sampled_from(Certainty),
            ),
            min_size=1,
            max_size=3,
        ),
        st.none() | st.integers(0, 9),
    ),
    max_size=8,
)
"""Repository, issue, when in hours, cost, model and certainty of its rows, and its own budget."""


@settings(max_examples=25)
@given(_RUNS, st.integers(0, 50), st.booleans())
def test_its_sums_are_those_of_its_rows(runs: list[Any], first: int, prune: bool) -> None:
    moment = NOW + timedelta(hours=first)
    made = [
        [
            msgspec.structs.replace(
                rows(f"run-{number}", at=NOW + timedelta(hours=hours))[0],
                repo=repo,
                issue=issue,
                round=round_,
                model=model,
                cost_micros=cost,
                certainty=certainty,
                limit_micros=limit,
            )
            for round_, (cost, model, certainty) in enumerate(parts)
        ]
        for number, (repo, issue, hours, parts, limit) in enumerate(runs)
    ]
    with tempfile.TemporaryDirectory() as folder, closing(opened(Path(folder))) as ledger:
        for each in made:
            ledger.write(each)
        names = [each[0].run for each in made]
        summed, plain = ledger.booked([*names, RunId("none")], moment), booked(*map(charge, made))
        assert summed.runs == plain.runs
        assert (summed.issues.keys(), summed.repos.keys()) == (plain.issues.keys(), plain.repos.keys())
        for spent, expected in (
            (summed.fleet, plain.fleet),
            (summed.since(moment), plain.since(moment)),
            *((summed.of(each[0].key), plain.of(each[0].key)) for each in made),
            *((summed.of(repo), plain.of(repo)) for repo in plain.repos),
        ):
            assert (spent.micros, spent.unknown is None) == (expected.micros, expected.unknown is None)
        assert summed.of(IssueKey(RepoName("a/b"), 99)) == Spent()
        if prune:
            ledger.prune(moment)
            made = [each for each in made if each[0].at >= moment]
        for repo in (None, RepoName("a/b")):
            mine = [row for each in made for row in each if repo in (None, row.repo)]
            _same(ledger.bill(names, moment, repo), bill(mine), moment)
        assert ledger.bill(names, moment).runs == {each[0].run for each in made}


def _same(found: Bill, plain: Bill, moment: datetime) -> None:
    for name in ("whole", "by_model", "by_issue", "unaccounted", "estimated"):
        assert getattr(found, name) == getattr(plain, name), name
    assert found.since(moment) == plain.since(moment)


def test_a_file_of_before_has_its_sums_when_it_is_first_opened(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("backends.database.MIGRATIONS", MIGRATIONS[:4])
        with closing(Database(home / "fleet.db")) as database, database.writing() as connection:
            for number, cost in ((1, 10), (2, None), (3, 7)):
                mine = rows(f"run-{number}", cost=cost)
                connection.execute(
                    "INSERT INTO charges VALUES (?, 0, ?)", (mine[0].run, msgspec.json.encode(charge(mine)))
                )
                for row in mine:
                    connection.execute(
                        "INSERT INTO ledger VALUES (NULL, 0, ?, 'implement', ?, '', '', ?)",
                        (row.run, row.round, msgspec.json.encode(row)),
                    )
            connection.execute("INSERT INTO charges VALUES ('damaged', 0, 'rubbish')")
            connection.execute(
                "INSERT INTO ledger VALUES (NULL, 0, 'damaged', 'implement', 1, '', '', 'rubbish')"
            )
    with closing(opened(home)) as ledger:
        found = ledger.bill([], NOW)
        assert (found.by_model, found.unaccounted, found.whole.known) == ({"opus": 34}, 1, True)
        # Nothing starts under a limit that what cannot be read might exceed.
        spent = ledger.booked([], NOW)
        assert spent.fleet == Spent(34, RunId("run-2"))
        assert spent.of(RepoName("")) == Spent(0, RunId("damaged"))


ABSURD = (1 << 63) - 1


def test_absurd_costs_stop_no_sum(ledger: Ledger) -> None:
    for number, cost in enumerate((ABSURD, ABSURD, ABSURD * 1_000, -ABSURD, 5)):
        ledger.write(rows(f"run-{number}", cost=cost))
    names = [RunId(f"run-{number}") for number in range(5)]
    for since in (AGES, NOW + timedelta(days=1)):
        assert ledger.booked(names, since).fleet.micros >= 10**12
        assert ledger.booked(names, since).since(NOW).micros >= 0
        assert ledger.bill(names, since).whole.micros >= 10**12
        assert ledger.bill(names, since).since(NOW).micros >= 0
    assert len(list(ledger.read())) == 10
    assert ledger.prune(NOW - timedelta(days=1)) == 0
    assert ledger.prune(NOW + timedelta(days=1)) == 10
    assert ledger.bill(names, AGES).whole.micros == 0
    assert ledger.booked(names, AGES).fleet.micros >= 10**12
