"""The right of a fleet to an issue: when it is due, and that it ends with its run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from hive_tui.core.model import Phase
from hive_tui.core.rights import RENEW, Rights
from tests import builders as b
from tests.builders import NOW
from tests.fakes.shared_tracker import Refs, SharedTracker
from tests.fakes.simulated import Alive, SimulatedCluster, context, forge_of


def test_a_right_that_was_let_go_is_not_taken_again_for_a_run_that_still_seems_to_live(
    tmp_path: Path,
) -> None:
    made = context(tmp_path / "fleet", b.settings())
    cluster, refs = SimulatedCluster(made, Alive(1)), Refs(lambda: NOW)
    forge = SharedTracker(forge_of(made), refs)
    try:
        rights = Rights(cluster, forge, "trial")
        run = msgspec.structs.replace(b.run(1, phase=Phase.FAILED), settled=False)
        assert run.live
        rights.take(run.key, run.id, 1, NOW)
        assert not rights.due(run, NOW)
        assert rights.due(run, NOW + RENEW)
        rights.let_go(run.key, run.id)
        assert not rights.due(run, NOW + timedelta(seconds=1)), "a snapshot is older than what was just done"
    finally:
        cluster.close()
        forge.close()
