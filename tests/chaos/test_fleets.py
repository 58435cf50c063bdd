"""At most one run at work on an issue, and no attempt made twice, whichever fleets serve a repository."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hive_tui.core.errors import HiveError
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, PullState
from hive_tui.core.settings import FleetSettings
from tests import builders as b
from tests.builders import NOW, REPO
from tests.chaos.test_dispatchers import ISSUES, SLOTS, Killed, Stepping, Turns, ending, repository, settings
from tests.fakes.shared_tracker import Refs, SharedTracker
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context, forge_of, runs_of

__all__ = ["repository", "settings"]

SEEDS = 40


class Watched(Alive):
    """The runs of one fleet, of which nobody else may have any."""

    def __init__(self, everybody: list[Alive]) -> None:
        super().__init__(SLOTS)
        self._everybody = everybody
        everybody.append(self)

    def begin(self, run: RunId, lock: int) -> None:
        issue = run.rpartition("-a")[0]
        for other in self._everybody:
            assert run not in other.started, f"{run} was made before"
            at_work = [one for one in other.locks if one.rpartition("-a")[0] == issue]
            assert not at_work, f"{run} was started while {at_work} is at work on the same issue"
        super().begin(run, lock)


class Fleets:
    """Two fleets over one tracker with a few ready issues."""

    def __init__(self, home: Path, settings: FleetSettings, issues: int = ISSUES) -> None:
        self.settings = settings
        self.now = NOW
        self.refs = Refs(lambda: self.now)
        self.everybody: list[Alive] = []
        self.tracker = forge_of(context(home / "tracker", settings))
        self.alive = [Watched(self.everybody) for _ in range(2)]
        self.clusters = [
            SimulatedCluster(context(home / str(number), settings), alive)
            for number, alive in enumerate(self.alive)
        ]
        self.forges = [SharedTracker(self.tracker, self.refs) for _ in range(2)]
        self.issues = [
            self.tracker.create_issue(
                REPO, title=f"Issue {number}", body=b.BODY, author="me", labels=("status:ready",)
            ).key
            for number in range(1, issues + 1)
        ]

    def dispatcher(self, fleet: int, step: Any = None) -> OneDispatcher:
        cluster: Any = self.clusters[fleet]
        forge: Any = self.forges[fleet]
        if step is not None:
            cluster, forge = Stepping(cluster, step), Stepping(forge, step)
        return OneDispatcher(cluster, forge, self.settings, f"dispatcher of {fleet}")

    def play(self, rng: random.Random, *, all_of_them: bool) -> bool:
        at_work = [(fleet, run) for fleet in range(2) for run in sorted(self.alive[fleet].locks)]
        chosen = at_work if all_of_them else at_work and [rng.choice(at_work)]
        for fleet, run in chosen:
            self.clusters[fleet].play(run, self.now, **ending(rng)(run))
        return bool(chosen)

    def settle_down(self, rng: random.Random) -> None:
        both = [self.dispatcher(fleet) for fleet in range(2)]
        quiet = 0
        for _ in range(200):
            done = sum([one.round(self.now) for one in both])
            played = self.play(rng, all_of_them=True)
            self.now += timedelta(minutes=10)
            # A fleet that comes too late only learns by what number to go on.
            quiet = 0 if done or played else quiet + 1
            if quiet == 8:
                return
        raise AssertionError("it never comes to rest")

    def check(self) -> None:
        """What must hold when all is at rest, whatever happened before."""
        phases: dict[int, list[Phase]] = {}
        snapshots = [self.dispatcher(fleet).snapshot(self.now) for fleet in range(2)]
        for snapshot in snapshots:
            assert snapshot.fleet is not None
            assert snapshot.fleet.slots_used == ()
            assert all(claim.run is None for claim in snapshot.claims.values())
            for run in runs_of(snapshot):
                assert run.status.phase.final
                assert run.settled, run
                phases.setdefault(run.spec.issue, []).append(run.status.phase)
        for key in self.issues:
            issue, found = self.tracker.get_issue(key), phases.get(key.number, [])
            pulls = [pull for pull in snapshots[0].pulls.values() if pull.issue == key.number]
            assert found, f"{key} was never worked on"
            if Phase.SUCCEEDED in found:
                assert found.count(Phase.SUCCEEDED) == 1
                assert [pull.state for pull in pulls] == [PullState.OPEN]
                assert issue.labels == ("status:in-review",)
            else:
                assert pulls == []
                assert issue.labels == ("status:needs-human",)
            last = self.refs.last.get(key)
            assert last is None or last.until <= self.now, "a right outlived its run"

    def close(self) -> None:
        backends: list[Any] = [*self.clusters, self.tracker]
        for backend in backends:
            backend.close()


@pytest.mark.parametrize("chunk", range(4))
def test_two_fleets_never_work_twice_on_one_issue(
    tmp_path: Path, settings: FleetSettings, chunk: int
) -> None:
    for seed in range(chunk * SEEDS // 4, (chunk + 1) * SEEDS // 4):
        fleets, turns, rng = Fleets(tmp_path / str(seed), settings), Turns(seed), random.Random(seed)

        def dispatch(number: int, fleets: Fleets = fleets, turns: Turns = turns) -> None:
            one = fleets.dispatcher(number, turns.step)
            for _ in range(6):
                fleets.now += timedelta(seconds=7)
                try:
                    one.round(fleets.now)
                except HiveError:
                    continue  # a loop would try again; so does this one

        def runners(fleets: Fleets = fleets, turns: Turns = turns, rng: random.Random = rng) -> None:
            for _ in range(40):
                turns.step()
                fleets.play(rng, all_of_them=False)

        turns.run(lambda: dispatch(0), lambda: dispatch(1), runners)
        fleets.settle_down(rng)
        fleets.check()
        fleets.close()


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
def test_a_fleet_may_die_at_any_call(tmp_path: Path, settings: FleetSettings, after: bool) -> None:
    """For every n: one fleet's dispatcher dies at its nth call of a backend; then another goes on."""
    deaths = 0
    for n in range(1, 400):
        fleets, rng = Fleets(tmp_path / str(n), settings, issues=2), random.Random(n)
        left = [n]

        def count(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        class Mortal(Stepping):
            def __getattr__(self, name: str) -> Any:
                found = getattr(self._target, name)

                def call(*args: Any, **kwargs: Any) -> Any:
                    if not after:
                        self._step()
                    result = found(*args, **kwargs)
                    if after:
                        self._step()
                    return result

                return call if callable(found) else found

        one = OneDispatcher(Mortal(fleets.clusters[0], count), Mortal(fleets.forges[0], count), settings, "a")
        other = fleets.dispatcher(1)
        died = False
        try:
            for _ in range(4):
                one.round(fleets.now)
                other.round(fleets.now)
                fleets.play(rng, all_of_them=True)
                fleets.now += timedelta(minutes=1)
        except Killed:
            died = True
            deaths += 1
        fleets.settle_down(rng)
        fleets.check()
        fleets.close()
        if not died:
            break
    assert deaths > 20, "the test must have met the calls it is about"


def test_the_checks_can_fail(tmp_path: Path, settings: FleetSettings) -> None:
    """Where nobody keeps rights, two fleets start the same attempt: the test would see it."""
    fleets = Fleets(tmp_path, settings)
    fleets.forges = [fleets.tracker, fleets.tracker]  # type: ignore[list-item]
    first, second = (fleets.dispatcher(fleet) for fleet in range(2))
    plans = [one.planner.decide(one.snapshot(NOW), NOW) for one in (first, second)]
    first.executor._showing.start = lambda *_: None  # type: ignore[method-assign]
    first.executor.execute(plans[0].decisions[0], NOW)
    with pytest.raises(AssertionError, match="was made before"):
        second.executor.execute(plans[1].decisions[0], NOW)
