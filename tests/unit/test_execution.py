"""What the dispatcher's hands do, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hive_tui.core.decisions import LimitAgent, RestoreAgent, Settle
from hive_tui.core.model import Phase, Quota, QuotaState
from hive_tui.core.settings import FleetSettings
from tests import builders as b
from tests.builders import NOW, REPO
from tests.fakes.simulated import Alive, OneDispatcher, SimulatedCluster, context, forge_of


class Fleet:
    """A fleet with one ready issue, a dispatcher, and runs that are played."""

    def __init__(self, home: Path, settings: FleetSettings) -> None:
        made = context(home, settings)
        self.alive = Alive(settings.slots)
        self.cluster = SimulatedCluster(made, self.alive)
        self.forge = forge_of(made)
        self.one = OneDispatcher(self.cluster, self.forge, settings, "a")
        self.key = self.forge.create_issue(
            REPO, title="Mend it", body=b.BODY, author="me", labels=("status:ready",)
        ).key

    def kinds(self) -> list[str]:
        return [event.kind for event in self.one.snapshot(NOW).events]

    def close(self) -> None:
        self.cluster.close()
        self.forge.close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "fleet", b.settings())
    yield made
    made.close()


class TestOldFacts:
    """One source may be heard before the other: then the same is decided again on what was true before."""

    def test_the_end_of_a_run_is_recorded_once(self, fleet: Fleet) -> None:
        assert fleet.one.round(NOW) == 1
        (run,) = fleet.alive.locks
        fleet.cluster.play(run, NOW, phase=Phase.FAILED, why="tests")
        plan = fleet.one.planner.decide(fleet.one.snapshot(NOW), NOW)
        (settle,) = [decision for decision in plan.decisions if isinstance(decision, Settle)]
        assert fleet.one.executor.execute(settle, NOW)
        assert not fleet.one.executor.execute(settle, NOW + timedelta(seconds=0.1))
        assert fleet.kinds() == ["start", "failed"]

    def test_a_limit_and_its_end_are_recorded_once_each(self, fleet: Fleet) -> None:
        quota = Quota(QuotaState.LIMITED, NOW, "the week is over", NOW)
        for decision in (LimitAgent(b.CLAUDE, quota), RestoreAgent(b.CLAUDE, quota)):
            assert fleet.one.executor.execute(decision, NOW)
            assert not fleet.one.executor.execute(decision, NOW)
        assert fleet.kinds() == ["limit", "limit"]

    def test_the_next_limit_is_another_one(self, fleet: Fleet) -> None:
        quota = Quota(QuotaState.LIMITED, NOW, "the week is over", NOW)
        later = msgspec.structs.replace(quota, at=NOW + timedelta(days=7))
        for limit in (quota, later):
            assert fleet.one.executor.execute(LimitAgent(b.CLAUDE, limit), NOW)
            assert fleet.one.executor.execute(RestoreAgent(b.CLAUDE, limit), NOW)
        assert fleet.kinds() == ["limit"] * 4
