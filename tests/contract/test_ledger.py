"""What every ledger keeps to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from backends.ledger import FleetLedger
from hive_tui.core.booked import Charge
from hive_tui.core.errors import StoreError
from hive_tui.core.ids import RunId
from hive_tui.core.ledger import Certainty, Entry, Source
from hive_tui.core.model import Step, Tokens
from hive_tui.core.ports import BackendContext, Ledger
from hive_tui.core.settings import FleetSettings
from tests.builders import CLAUDE, NOW, REPO


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
    assert (list(ledger.read()), ledger.charges()) == ([], [])
    assert not home.exists()


def test_rows_come_back_as_they_were_the_oldest_first(ledger: Ledger) -> None:
    late, early = rows("late"), rows("early", at=NOW - timedelta(days=1), cost=None)
    ledger.write(late)
    ledger.write(early)
    assert list(ledger.read()) == [*early, *late]


def test_a_second_write_changes_nothing_whatever_it_says(ledger: Ledger, home: Path) -> None:
    first = ledger.write(rows())
    again = tuple(msgspec.structs.replace(row, cost_micros=999, model="other") for row in rows())
    other = opened(home)
    assert other.write(again) == first == Charge(RunId("one"), REPO, 7, NOW, 20)
    other.close()
    assert list(ledger.read()) == list(rows())
    assert ledger.charges() == [first]


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
    assert len(ledger.charges()) == 20


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
    charge = ledger.write(old)
    ledger.write(rows("new"))
    assert ledger.prune(NOW - timedelta(days=1)) == 2
    assert ledger.prune(NOW - timedelta(days=1)) == 0
    assert ledger.write(old) == charge
    assert {row.run for row in ledger.read()} == {"new"}
    assert {each.run: each.micros for each in ledger.charges()} == {"old": 20, "new": 20}


def test_a_row_cannot_be_changed(ledger: Ledger, home: Path) -> None:
    ledger.write(rows())
    changing = pytest.raises(sqlite3.IntegrityError, match="append-only")
    with closing(sqlite3.connect(home / "fleet.db")) as connection, changing:
        connection.execute("UPDATE ledger SET at = 0")


def test_a_damaged_file_says_the_next_step(home: Path) -> None:
    home.mkdir()
    (home / "fleet.db").write_bytes(b"not a database, whatever its name says" * 200)
    with pytest.raises(StoreError) as caught:
        opened(home).charges()
    assert caught.value.hint
