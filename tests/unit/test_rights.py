"""The right of a fleet to an issue: when it is due, and that it ends with its run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hive_tui.core.model import Phase
from hive_tui.core.rights import RENEW, Rights
from tests import builders as b
from tests.builders import NOW
from tests.fakes.shared_tracker import Refs, SharedTracker
from tests.fakes.simulated import Alive, SimulatedCluster, context, forge_of


@pytest.fixture
def rights(tmp_path: Path) -> Iterator[Rights]:
    made = context(tmp_path / "fleet", b.settings())
    cluster, refs = SimulatedCluster(made, Alive(1)), Refs(lambda: NOW)
    forge = SharedTracker(forge_of(made), refs)
    yield Rights(cluster, forge, "trial")
    cluster.close()
    forge.close()


def test_a_right_that_was_let_go_is_not_taken_again_for_a_run_that_still_seems_to_live(
    rights: Rights,
) -> None:
    run = msgspec.structs.replace(b.run(1, phase=Phase.FAILED), settled=False)
    assert run.live
    rights.take(run.key, run.id, 1, NOW)
    assert not rights.due(run, NOW)
    assert rights.due(run, NOW + RENEW)
    rights.let_go(run.key, run.id)
    assert not rights.due(run, NOW + timedelta(seconds=1)), "a snapshot is older than what was just done"


def test_a_start_that_was_called_off_and_made_again_is_renewed(rights: Rights) -> None:
    """The issue was changed while it was claimed: its right was let go, and the attempt is made after all."""
    run = b.run(1)
    rights.take(run.key, run.id, 1, NOW)
    rights.let_go(run.key, run.id)
    rights.take(run.key, run.id, 1, NOW)
    assert rights.due(run, NOW + RENEW)
