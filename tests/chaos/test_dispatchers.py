"""At most one run at work on an issue, whoever dispatches, wherever they are cut off."""

from __future__ import annotations

import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive_tui.core.decisions import Start
from hive_tui.core.errors import HiveError
from hive_tui.core.ids import WorkerName, branch_name
from hive_tui.core.model import Phase, PullState
from hive_tui.core.settings import BackoffSettings, FleetSettings, RepoSettings
from tests import builders as b
from tests.builders import NOW, REPO
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context, forge_of, runs_of

ISSUES, SLOTS, MAX_ATTEMPTS = 4, 2, 2
SEEDS = 200


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every attempt that could be made has pushed its branch."""
    path = tmp_path_factory.mktemp("repository")

    def git(*args: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        subprocess.run(["git", "-C", str(path), *identity, *args], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "base")
    for issue in range(1, ISSUES + 1):
        for attempt in range(1, 13):
            git("checkout", "-q", "-b", branch_name(issue, attempt), "main")
            git("commit", "-q", "--allow-empty", "-m", f"work {issue} {attempt}")
    git("checkout", "-q", "main")
    return path


@pytest.fixture
def settings(repository: Path) -> FleetSettings:
    return b.settings(
        repos=(RepoSettings(REPO, path=str(repository), base="main"),),
        slots=SLOTS,
        max_attempts=MAX_ATTEMPTS,
        backoff=BackoffSettings(first=1, most=1),
    )


class Fleet:
    """A fleet with a few ready issues."""

    def __init__(self, home: Path, settings: FleetSettings, issues: int = ISSUES) -> None:
        self.issues = issues
        self.settings = settings
        self.context = context(home, settings)
        self.alive = Alive(SLOTS)
        self.cluster = SimulatedCluster(self.context, self.alive)
        self.forge = forge_of(self.context)
        for number in range(1, issues + 1):
            self.forge.create_issue(
                REPO, title=f"Issue {number}", body=b.BODY, author="me", labels=("status:ready",)
            )

    def play_all(self, now: datetime, phase: Callable[[str], dict[str, Any]]) -> bool:
        runs = sorted(self.alive.locks)
        for run in runs:
            self.cluster.play(run, now, **phase(run))
        return bool(runs)

    def check(self, now: datetime) -> None:
        """What must hold when all is at rest, whatever happened before."""
        snapshot = OneDispatcher(self.cluster, self.forge, self.settings, "check").snapshot(now)
        assert snapshot.fleet is not None
        assert snapshot.fleet.slots_used == ()
        assert all(claim.run is None for claim in snapshot.claims.values())
        for run in runs_of(snapshot):
            assert run.status.phase.final, run
            assert run.settled, run
        assert len(self.alive.started) == len(set(self.alive.started)), "a run was started twice"
        by_issue: dict[int, list[Phase]] = {}
        for run in runs_of(snapshot):
            by_issue.setdefault(run.spec.issue, []).append(run.status.phase)
        for number in range(1, self.issues + 1):
            phases = by_issue.get(number, [])
            assert phases, f"issue {number} was never worked on"
            failed = [phase for phase in phases if phase is not Phase.SUCCEEDED]
            pulls = [pull for pull in snapshot.pulls.values() if pull.issue == number]
            (issue,) = (issue for issue in snapshot.issues.values() if issue.number == number)
            if Phase.SUCCEEDED in phases:
                assert phases[-1] is Phase.SUCCEEDED
                assert phases.count(Phase.SUCCEEDED) == 1
                assert len(pulls) == 1
                assert pulls[0].state is PullState.OPEN
                assert issue.labels == ("status:in-review",)
                assert len(failed) < MAX_ATTEMPTS
            else:
                assert pulls == []
                assert len(failed) == MAX_ATTEMPTS
                assert issue.labels == ("status:needs-human",)


def ending(rng: random.Random) -> Callable[[str], dict[str, Any]]:
    """Ends at random: success, failure, or a process that is gone without a word."""

    def end(run: str) -> dict[str, Any]:
        kind = rng.choice(("good", "bad", "gone", "good"))
        if kind == "good":
            return {"phase": Phase.SUCCEEDED, "head": "f" * 40}
        if kind == "bad":
            return {"phase": Phase.FAILED, "why": "tests"}
        return {"phase": Phase.WORKING}

    return end


class Turns:
    """Lets one of several threads take one step at a time, in an order drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._waiting: list[threading.Event] = []
        self._changed = threading.Condition()
        self._busy = 0

    def step(self) -> None:
        """Wait for the next turn. Called by the threads before everything that others could see."""
        mine = threading.Event()
        with self._changed:
            self._waiting.append(mine)
            self._busy -= 1
            self._changed.notify_all()
        mine.wait()

    def run(self, *actors: Callable[[], None]) -> None:
        """Run the actors to their ends. Raises what the first of them raised."""
        errors: list[BaseException] = []

        def act(actor: Callable[[], None]) -> None:
            try:
                self.step()
                actor()
            except BaseException as error:  # handed to the test below
                errors.append(error)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

        threads = [threading.Thread(target=act, args=(actor,)) for actor in actors]
        self._busy = len(threads)
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            with self._changed:
                settled = self._changed.wait_for(lambda: self._busy == 0, timeout=60)
                assert settled, "a thread hangs"
                if not self._waiting:
                    break
                chosen = self._waiting.pop(self._rng.randrange(len(self._waiting)))
                self._busy += 1
                chosen.set()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]


class Stepping:
    """A backend whose every call is a step that others may come before."""

    def __init__(self, target: Any, step: Callable[[], None]) -> None:
        self._target, self._step = target, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self._step()
            result = found(*args, **kwargs)
            return list(result) if isinstance(result, Iterator) else result

        return call


@pytest.mark.parametrize("chunk", range(10))
def test_two_dispatchers_never_work_twice_on_one_issue(
    tmp_path: Path, settings: FleetSettings, chunk: int
) -> None:
    for seed in range(chunk * SEEDS // 10, (chunk + 1) * SEEDS // 10):
        fleet = Fleet(tmp_path / str(seed), settings)
        turns = Turns(seed)
        rng = random.Random(seed)
        clock = [NOW]

        def dispatcher(name: str, fleet: Fleet = fleet, turns: Turns = turns, clock: Any = clock) -> None:
            cluster, forge = Stepping(fleet.cluster, turns.step), Stepping(fleet.forge, turns.step)
            one = OneDispatcher(cluster, forge, fleet.settings, name)
            for _ in range(6):
                clock[0] += timedelta(seconds=7)
                try:
                    one.round(clock[0])
                except HiveError:
                    continue  # a loop would try again; so does this one

        def runners(fleet: Fleet = fleet, turns: Turns = turns, clock: Any = clock, rng: Any = rng) -> None:
            end = ending(rng)
            for _ in range(40):
                turns.step()
                if fleet.alive.locks:
                    run = rng.choice(sorted(fleet.alive.locks))
                    fleet.cluster.play(run, clock[0], **end(run))

        turns.run(lambda: dispatcher("a"), lambda: dispatcher("b"), runners)
        last = OneDispatcher(fleet.cluster, fleet.forge, settings, "c")
        fleet.check(last.settle_down(clock[0], play=partial(fleet.play_all, phase=ending(rng))))
        fleet.cluster.close()
        fleet.forge.close()


class Killed(BaseException):
    """kill -9, as far as the dispatcher's own code can tell."""


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("outcome", [Phase.SUCCEEDED, Phase.FAILED, Phase.WORKING])
def test_a_dispatcher_may_die_at_any_call(
    tmp_path: Path, settings: FleetSettings, after: bool, outcome: Phase
) -> None:
    """For every n: a dispatcher dies at its nth call of a backend, the next one goes on."""
    end = {"phase": outcome, "head": "f" * 40 if outcome is Phase.SUCCEEDED else None}
    deaths = 0
    for n in range(1, 400):
        fleet = Fleet(tmp_path / str(n), settings, issues=2)
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

        one = OneDispatcher(Mortal(fleet.cluster, count), Mortal(fleet.forge, count), settings, "a")
        now = NOW
        try:
            for _ in range(4):
                one.round(now)
                fleet.play_all(now, lambda _: end)
                now += timedelta(minutes=10)
            died = False
        except Killed:
            died = True
            deaths += 1
        follower = OneDispatcher(fleet.cluster, fleet.forge, settings, "b")
        play = partial(fleet.play_all, phase=lambda _: end)
        fleet.check(follower.settle_down(now, play=play))
        fleet.cluster.close()
        fleet.forge.close()
        if not died:
            break
    assert deaths > 20, "the test must have met the calls it is about"


def test_the_checks_can_fail(tmp_path: Path, settings: FleetSettings) -> None:
    """With claims that forget, two starts on one issue get through: the test would see it."""
    fleet = Fleet(tmp_path, settings)

    class Forgetful(Stepping):
        def put_claim(self, claim: Any, *, expected: int | None) -> Any:
            with fleet.cluster.database.writing() as connection:
                connection.execute("DELETE FROM claims")
            return self._target.put_claim(claim, expected=None)

    cluster = Forgetful(fleet.cluster, lambda: None)
    first = OneDispatcher(cluster, fleet.forge, settings, "a")
    plan = first.planner.decide(first.snapshot(NOW), NOW)
    start = plan.decisions[0]
    assert isinstance(start, Start)
    first.executor.execute(start, NOW)
    again = msgspec.structs.replace(start, attempt=2, worker=WorkerName("claude-z"))
    fleet.forge.set_labels(again.key, add=("status:ready",), remove=("status:in-progress",), by="me")
    again = msgspec.structs.replace(again, issue=fleet.forge.get_issue(again.key))
    with pytest.raises(AssertionError, match="at work on the same issue"):
        first.executor.execute(again, NOW)
