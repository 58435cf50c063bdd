"""What runs used comes into the ledger, once, however the dispatcher or the run ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backends.ledger import FleetLedger
from hive_tui.bookkeeping import Bookkeeper
from hive_tui.core.booked import Booked
from hive_tui.core.errors import SourceError, StoreError
from hive_tui.core.ledger import Certainty, Entry, Heard, Source
from hive_tui.core.model import Phase, Run, Step, StepUse, Tokens, Usage
from tests import builders as b
from tests.builders import NOW, REPO
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context, forge_of, runs_of


class Fleet:
    """A fleet with one ready issue whose runs are played, and its ledger."""

    def __init__(self, home: Path) -> None:
        self.context = context(home, b.settings())
        self.alive = Alive(2)
        self.cluster = SimulatedCluster(self.context, self.alive)
        self.forge = forge_of(self.context)
        self.ledger = FleetLedger(self.context)
        self.heard: dict[str, list[Heard]] = {}
        self.forge.create_issue(REPO, title="Mend it", body=b.BODY, author="me", labels=("status:ready",))
        self.now = NOW
        self.start()

    def start(self) -> None:
        """Another dispatcher, which remembers nothing."""
        self.books = Bookkeeper(self.ledger, self.listen)
        self.one = OneDispatcher(self.cluster, self.forge, b.settings(), "a", self.books)

    def listen(self, sessions: frozenset[str]) -> Mapping[str, Sequence[Heard]]:
        return {session: heard for session, heard in self.heard.items() if session in sessions}

    def round(self) -> None:
        self.now += timedelta(minutes=30)
        self.one.round(self.now)

    def end(self, phase: Phase, *costs: int | None, **status: Any) -> None:
        """The run at work ends; `costs` are those of its rounds."""
        (run,) = self.alive.locks
        used = tuple(
            StepUse(Step.IMPLEMENT, number, Usage(Tokens(output=5), cost), "opus", f"s-{run[-2:]}")
            for number, cost in enumerate(costs, 1)
        )
        self.cluster.play(run, self.now, phase=phase, used=used, **status)

    @property
    def booked(self) -> Booked:
        return self.books.booked([run.id for run in self.runs()], self.now)

    def rows(self) -> list[Entry]:
        return list(self.ledger.read())

    def runs(self) -> list[Run]:
        return runs_of(self.one.snapshot(self.now))

    def close(self) -> None:
        for each in (self.cluster, self.forge, self.ledger):
            each.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "fleet")
    yield made
    made.close()


def test_a_run_is_in_the_ledger_when_it_is_settled(fleet: Fleet) -> None:
    fleet.round()
    assert fleet.rows() == []
    fleet.end(Phase.NEEDS_HUMAN, 100, 50)
    fleet.round()
    assert [(row.round, row.cost_micros, row.certainty) for row in fleet.rows()] == [
        (1, 100, Certainty.EXACT),
        (2, 50, Certainty.EXACT),
    ]
    (run,) = fleet.runs()
    assert run.settled
    assert fleet.booked.runs == {run.id}
    assert fleet.booked.of(run.key).micros == 150


def test_every_attempt_has_its_rows(fleet: Fleet) -> None:
    for cost in (1, 2, 4):
        fleet.round()
        fleet.end(Phase.FAILED, cost)
        fleet.round()
    assert [(row.attempt, row.cost_micros) for row in fleet.rows()] == [(1, 1), (2, 2), (3, 4)]
    assert fleet.booked.fleet.micros == 7


@pytest.mark.parametrize("call", ["get_claim", "put_claim", "settle_run", "record"])
def test_a_dispatcher_that_dies_around_the_settlement_writes_rows_once(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    fleet.round()
    fleet.end(Phase.NEEDS_HUMAN, 100)

    def die(*_: object, **__: object) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(fleet.cluster, call, die)
        with pytest.raises(SystemExit):
            fleet.round()
    assert len(fleet.rows()) == 1
    assert not fleet.runs()[0].settled
    fleet.start()
    fleet.round()
    assert len(fleet.rows()) == 1
    assert fleet.runs()[0].settled


def test_one_that_dies_before_the_row_settles_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.round()
    fleet.end(Phase.NEEDS_HUMAN, 100)

    def full(rows: Sequence[Entry]) -> None:
        raise StoreError("No space left.", "Free some.")

    with monkeypatch.context() as patch:
        patch.setattr(fleet.ledger, "write", full)
        with pytest.raises(StoreError):
            fleet.round()
    assert (fleet.rows(), fleet.runs()[0].settled) == ([], False)
    fleet.round()
    assert (len(fleet.rows()), fleet.runs()[0].settled) == (1, True)


def test_a_killed_run_is_what_its_transcript_says(fleet: Fleet) -> None:
    fleet.round()
    fleet.end(Phase.KILLED, 100, None)
    fleet.heard["s-a1"] = [Heard("opus", Tokens(output=30), 400)]
    fleet.round()
    first, second = fleet.rows()
    assert (first.cost_micros, first.source) == (100, Source.REPORTED)
    assert (second.cost_micros, second.source, second.certainty, second.tokens.output) == (
        300,
        Source.TRANSCRIPT,
        Certainty.ESTIMATED,
        25,
    )


def test_without_a_transcript_it_is_unaccounted(fleet: Fleet) -> None:
    fleet.round()
    fleet.end(Phase.KILLED, None)
    fleet.round()
    (row,) = fleet.rows()
    assert (row.cost_micros, row.certainty) == (None, Certainty.UNACCOUNTED)
    assert fleet.booked.fleet.unknown == row.run


def test_transcripts_that_cannot_be_read_hold_nothing_up(
    fleet: Fleet, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(sessions: frozenset[str]) -> Mapping[str, Sequence[Heard]]:
        raise SourceError("The index is locked.", "Try again.")

    fleet.listen = refuse  # type: ignore[method-assign]
    fleet.start()
    fleet.round()
    fleet.end(Phase.KILLED, None)
    fleet.round()
    assert [row.certainty for row in fleet.rows()] == [Certainty.UNACCOUNTED]
    assert "The index is locked." in capfd.readouterr().err


def test_a_lost_run_has_what_it_had_said(fleet: Fleet) -> None:
    fleet.round()
    (run,) = fleet.alive.locks
    fleet.cluster.play(run, fleet.now, phase=Phase.WORKING, usage=Usage(Tokens(output=9), 70), session="s")
    fleet.round()  # its process is gone: it is made good for, as lost
    fleet.round()
    assert [(each.phase, each.settled) for each in fleet.runs()][:1] == [(Phase.LOST, True)]
    assert [(row.cost_micros, row.session) for row in fleet.rows()] == [(70, "s")]


def test_what_was_settled_without_a_ledger_is_made_good_for(fleet: Fleet) -> None:
    fleet.one = OneDispatcher(fleet.cluster, fleet.forge, b.settings(), "old")
    fleet.round()
    fleet.end(Phase.NEEDS_HUMAN, 100)
    fleet.round()
    assert fleet.runs()[0].settled
    fleet.start()
    fleet.books.catch_up(fleet.runs())
    fleet.books.catch_up(fleet.runs())
    assert [row.cost_micros for row in fleet.rows()] == [100]


def test_old_rows_are_removed_once_a_day(fleet: Fleet) -> None:
    fleet.round()
    fleet.end(Phase.NEEDS_HUMAN, 100)
    fleet.round()
    fleet.books.prune(30, fleet.now + timedelta(days=10))
    assert len(fleet.rows()) == 1
    fleet.books.prune(5, fleet.now + timedelta(days=10, hours=1))
    assert len(fleet.rows()) == 1
    fleet.books.prune(5, fleet.now + timedelta(days=11))
    assert fleet.rows() == []
    fleet.start()
    assert fleet.booked.fleet.micros == 100


def test_a_clock_that_was_set_back_asks_for_the_day_again(fleet: Fleet) -> None:
    fleet.round()
    fleet.end(Phase.NEEDS_HUMAN, 100)
    fleet.round()
    ended = fleet.now
    for days in (60, 0, -60):
        now = ended + timedelta(days=days)
        spent = fleet.books.booked([], now).since(now - timedelta(days=1))
        assert spent.micros == (0 if days > 0 else 100)
