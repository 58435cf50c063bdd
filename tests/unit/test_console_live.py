"""The threads between backends and screen: batches, coalescing, what breaks, what is never lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from hive_tui.app import live
from hive_tui.app.live import Live, merged
from hive_tui.app.tail import LARGEST_BACKLOG, Tail, Tailed
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.events import LogLine, Said
from hive_tui.core.ids import RunId
from hive_tui.core.ledger import entries
from hive_tui.core.model import Budget, Phase, Usage
from hive_tui.core.sources import CLUSTER, FORGE, Health, Kind
from hive_tui.core.store import Diff
from tests import builders
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.002)


class Watched:
    """A `Live` over a scripted fleet, and how often it told of something."""

    def __init__(self) -> None:
        self.fleet = ScriptedFleet()
        self.told = 0
        self.live = Live(self.fleet, notify=self._tell, now=lambda: datetime.now(UTC))

    def _tell(self) -> None:
        self.told += 1


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    watched.live.start()
    yield watched
    watched.live.close()


def test_what_is_said_arrives_with_its_difference(watched: Watched) -> None:
    watched.fleet.list_all(*scene.ITEMS)
    until(
        lambda: (
            len(watched.live.latest.snapshot.issues) == len(scene.ISSUES)
            and watched.live.latest.snapshot.runs
        )
    )
    update = watched.live.take()
    assert update is not None
    assert update.diff.keys(Kind.RUN) == {run.id for run in scene.RUNS}
    assert watched.live.take() is None


def test_one_word_for_many_changes_and_none_of_them_is_lost(watched: Watched) -> None:
    watched.fleet.list_all()
    until(lambda: watched.told == 1)
    for number in range(1, 200):
        watched.fleet.change(scene.issue(number, f"Title {number}"))
    until(lambda: len(watched.live.latest.snapshot.issues) == 199)
    assert watched.told == 1
    update = watched.live.take()
    assert update is not None
    assert len(update.diff.keys(Kind.ISSUE)) == 199
    watched.fleet.change(scene.issue(200, "One more"))
    until(lambda: watched.told == 2)


def test_budgets_count_what_the_ledger_has_of_runs_that_are_gone(watched: Watched) -> None:
    gone, ended = builders.run(8), builders.run(9, phase=Phase.FAILED, settled=True)
    watched.fleet.rows += [msgspec.structs.replace(row, cost_micros=5) for row in entries(gone)]
    watched.fleet.list_all(builders.fleet(budget=Budget(fleet_micros=100)))

    def spent() -> int:
        return watched.live.latest.plan.spending("fleet").micros

    until(lambda: spent() == 5)
    watched.fleet.rows += [msgspec.structs.replace(row, cost_micros=7) for row in entries(ended)]
    watched.fleet.change(ended)
    until(lambda: spent() == 12)


def test_sums_count_what_the_ledger_has_of_runs_that_are_gone(watched: Watched) -> None:
    gone = builders.run(8, usage=Usage(cost_micros=5), settled=True)
    ended = builders.run(9, phase=Phase.FAILED, settled=True, usage=Usage(cost_micros=7))
    watched.fleet.rows += entries(gone)
    watched.fleet.list_all(builders.fleet())

    def spent() -> int | None:
        return watched.live.latest.costs.all_micros

    until(lambda: spent() == 5)
    watched.fleet.rows += [msgspec.structs.replace(row, cost_micros=8) for row in entries(ended)]
    watched.fleet.change(ended)
    until(lambda: spent() == 13)
    assert watched.live.latest.costs.by_issue == {str(ended.key): 8, str(gone.key): 5}


def test_a_backend_that_cannot_be_opened_is_a_failed_source() -> None:
    class Broken(ScriptedFleet):
        @property
        def cluster(self):  # type: ignore[no-untyped-def]
            raise SourceError("The database is from a newer hive.", "Update hive.")

    told = threading.Event()
    live = Live(Broken(), notify=told.set, now=lambda: datetime.now(UTC))
    live.start()
    try:
        until(
            lambda: (
                CLUSTER in live.latest.snapshot.sources
                and live.latest.snapshot.sources[CLUSTER].state is Health.FAILED
            )
        )
        assert live.latest.snapshot.sources[CLUSTER].why == "The database is from a newer hive. Update hive."
        assert live.latest.snapshot.sources[FORGE].state is not Health.FAILED
    finally:
        live.close()


def test_a_store_that_breaks_marks_every_source_and_goes_on(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.fleet.list_all(*scene.ITEMS)
    until(lambda: watched.live.latest.snapshot.runs and watched.live.latest.snapshot.issues)
    with monkeypatch.context() as patch:
        patch.setattr(watched.live._store, "apply", lambda events, now: 1 / 0)
        watched.fleet.change(scene.RUNS[0])
        until(lambda: watched.live.latest.snapshot.sources[FORGE].state is Health.FAILED)
        assert len(watched.live.latest.snapshot.runs) == len(scene.RUNS)
    watched.fleet.change(scene.run(99, "claude-z", Phase.WORKING))
    until(lambda: len(watched.live.latest.snapshot.runs) == len(scene.RUNS) + 1)


def test_what_a_view_could_not_be_made_of_is_in_the_next_one(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sources() -> set[Health]:
        return {source.state for source in watched.live.latest.snapshot.sources.values()}

    watched.fleet.list_all()
    until(lambda: sources() == {Health.FRESH})
    before = watched.live.latest.now
    with monkeypatch.context() as patch:
        patch.setattr(watched.live._deriver, "derive", lambda snapshot, diff, now: 1 / 0)
        watched.fleet.list_all(*scene.ITEMS)
        until(lambda: sources() == {Health.FAILED})
        assert watched.live.latest.now > before, "the clock of the screen does not go back"
        watched.fleet.change(scene.issue(99, "One more"))
        until(lambda: len(watched.live._store.snapshot.issues) == len(scene.ISSUES) + 1)
        watched.live.take()
    watched.fleet.change(scene.issue(99, "Another title"))
    until(lambda: sources() == {Health.FRESH})
    view = watched.live.latest
    assert len(view.issues) == len(scene.ISSUES) + 1
    assert len(view.runs) == len(scene.RUNS)
    update = watched.live.take()
    assert update is not None
    assert update.diff.keys(Kind.RUN) == {run.id for run in scene.RUNS}


def test_closing_ends_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "AGEING_SECONDS", 0.05)
    watched = Watched()
    watched.live.start()
    watched.live.close()
    until(lambda: not watched.live._owner.is_alive())


def test_differences_add_up() -> None:
    first = Diff({Kind.RUN: frozenset({"a"})}, False)
    second = Diff({Kind.RUN: frozenset({"b"}), Kind.EVENT: frozenset({1})}, True)
    both = merged(first, second)
    assert both.keys(Kind.RUN) == {"a", "b"}
    assert both.keys(Kind.EVENT) == {1}
    assert both.sources


RUN = RunId("run-1")


def lines(first: int, last: int) -> list[LogLine]:
    return [LogLine(n, scene.NOW, Said(text=str(n))) for n in range(first, last + 1)]


class Reader:
    """Collects what a tail has to say."""

    def __init__(
        self,
        logs: Callable[[RunId, int, threading.Event], Iterator[LogLine]],
        left_to_key: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.tail = Tail(logs, notify=lambda: None, left_to_key=left_to_key)
        self.numbers: list[int] = []
        self.last: Tailed | None = None

    def look(self) -> Tailed | None:
        tailed = self.tail.take()
        if tailed is not None:
            self.numbers += [line.n for line in tailed.lines]
            self.last = tailed
        return self.last


def test_a_break_is_resumed_without_loss_or_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.app.tail.RETRY_SECONDS", 0.01)
    asked: list[int] = []

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        asked.append(after)
        if len(asked) == 1:
            yield from lines(1, 3)
            raise SourceError("The connection broke.", "It is tried again.")
        # A reader that starts a little too early must not show lines twice.
        yield from lines(max(1, after - 1), 6)

    reader = Reader(logs)
    reader.tail.follow(RUN)
    until(lambda: (found := reader.look()) is not None and found.ended)
    assert reader.numbers == [1, 2, 3, 4, 5, 6]
    assert asked == [0, 3]
    assert reader.last is not None
    assert reader.last.error is None


def test_a_log_that_grows_waits_for_a_key_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.app.tail.READING_SECONDS", 0.0)
    left = [0.0, 0.03, 0.03, 0.0]
    read: list[float] = []

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        for line in lines(1, 4):
            read.append(time.monotonic())
            yield line

    tail = Tail(logs, notify=lambda: None, left_to_key=lambda: left.pop(0))
    tail.follow(RUN)
    until(lambda: len(read) == 4 and not left)
    waited = [later - sooner for sooner, later in itertools.pairwise(read)]
    assert min(waited[1:]) >= 0.03


def test_a_key_that_is_held_down_does_not_stop_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.app.tail.READING_SECONDS", 60.0)
    reader = Reader(lambda run, after, stop: iter(lines(1, 100)), left_to_key=lambda: 60.0)
    reader.tail.follow(RUN)
    until(lambda: (found := reader.look()) is not None and found.ended)
    assert len(reader.numbers) == 100


def test_why_a_log_cannot_be_read_is_told() -> None:
    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        raise SourceError("Permission denied.", "Look at its owner.")

    reader = Reader(logs)
    reader.tail.follow(RUN)
    until(lambda: (found := reader.look()) is not None and found.error)
    assert reader.last is not None
    assert reader.last.error == "Permission denied. Look at its owner."
    reader.tail.stop()


def test_what_is_in_vain_is_tried_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hive_tui.app.tail.RETRY_SECONDS", 0.02)
    asked: list[float] = []

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        asked.append(time.monotonic())
        raise Refused("You may not get pods/log.")

    reader = Reader(logs)
    reader.tail.follow(RUN)
    until(lambda: len(asked) == 5)
    reader.tail.stop()
    waited = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert all(took >= least for took, least in zip(waited, (0.02, 0.04, 0.08, 0.16), strict=True))


def test_nothing_of_a_run_that_was_left_is_shown() -> None:
    release = threading.Event()

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        if run == RUN:
            release.wait(10)
            yield from lines(1, 5)
        else:
            yield from lines(7, 8)

    reader = Reader(logs)
    reader.tail.follow(RUN)
    reader.tail.follow(RunId("run-2"))
    release.set()
    until(lambda: (found := reader.look()) is not None and found.ended)
    assert reader.numbers == [7, 8]
    reader.tail.follow(None)
    assert reader.tail.take() is None


def test_a_screen_that_does_not_look_costs_bounded_memory() -> None:
    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        yield from lines(1, LARGEST_BACKLOG + 500)

    told = 0

    def tell() -> None:
        nonlocal told
        told += 1

    tail = Tail(logs, notify=tell)
    tail.follow(RUN)
    follower = tail._current
    assert follower is not None
    follower.join(20)
    tailed = tail.take()
    assert tailed is not None
    assert len(tailed.lines) == LARGEST_BACKLOG
    assert tailed.dropped == 500
    assert tailed.lines[-1].n == LARGEST_BACKLOG + 500
    assert told == 1


def test_a_closed_tail_follows_nothing_more() -> None:
    """As when a selection comes to rest while the console closes."""
    asked: list[RunId] = []

    def logs(run: RunId, after: int, stop: threading.Event) -> Iterator[LogLine]:
        asked.append(run)
        return iter(())

    tail = Tail(logs, notify=lambda: None)
    tail.close()
    tail.follow(RunId("r"))
    assert tail.take() is None
    assert asked == []
