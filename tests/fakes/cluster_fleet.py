"""A fleet on a cluster of several machines, as a person sees it who may do everything, or only look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from hive_tui import plugins
from hive_tui.core.cluster_facts import ClusterFacts, Denied, Node, Place, Right
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Dispatcher, DispatcherState, Fleet, Run
from hive_tui.core.ports import READ_SECONDS, BackendContext, Capability
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, Item, Kind, Listed, SourceEvent
from tests.fakes import scene
from tests.fakes.sources import ScriptedCluster

FACTS = ClusterFacts(
    "kind-dev",
    "agents",
    "v1.34.1",
    (
        Node("worker-1", True, None, 4_000, 16 * 2**30, 110),
        Node("worker-2", True, None, 4_000, 16 * 2**30, 110),
        Node("worker-3", False, "kubelet stopped posting node status", 4_000, 16 * 2**30, 110),
    ),
)

WHY = {
    Right.SWITCH: "you may not patch fleets.hive.dev in agents",
    Right.ORDER: "you may not patch agentruns.hive.dev in agents",
    Right.CLAIM: "you may not update leases in agents",
    Right.LOGS: "you may not get pods/log in agents",
    Right.EXEC: "you may not create pods/exec in agents",
    Right.DISPATCH: "you may not create jobs in agents",
}

VIEWER = tuple(Denied(right, why) for right, why in WHY.items() if right is not Right.LOGS)
"""What somebody may not who may only look, logs too."""

SETTINGS = FleetSettings(cluster="kubernetes", forge="github", allowed_authors=("ann",))

PLACE = Place("trial-app-i41-a1-x2x4z", "worker-1", restarts=2)


def denied(*rights: Right) -> tuple[Denied, ...]:
    return tuple(Denied(right, WHY[right]) for right in rights)


def fleet(**changes: Any) -> Fleet:
    """The scene's fleet on a cluster; its dispatcher is on another machine."""
    running = Dispatcher(
        DispatcherState.RUNNING, 4711, scene.ago(minutes=9), scene.ago(seconds=3), "0.4", "ci-7"
    )
    base = msgspec.structs.replace(
        scene.fleet(*scene.RUNS), cluster="kubernetes", forge="github", facts=FACTS, dispatcher=running
    )
    return msgspec.structs.replace(base, **changes)


def placed(run: Run, **changes: Any) -> Run:
    return msgspec.structs.replace(run, place=msgspec.structs.replace(PLACE, **changes))


class Pods(ScriptedCluster):
    """A cluster backend as `plugins` loads it: it says what `holding` was given last."""

    capabilities = ScriptedCluster.capabilities | {
        Capability.ATTACH,
        Capability.PREVIOUS,
        Capability.DESCRIBE,
    }
    items: ClassVar[tuple[Item, ...]] = ()
    failed: ClassVar[HiveError | None] = None
    last: ClassVar[Pods | None] = None

    def __init__(self, context: BackendContext) -> None:
        super().__init__()
        self.say(Listed(CLUSTER, (Kind.FLEET, Kind.RUN), self.items))
        type(self).last = self

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        if self.failed is not None:
            raise self.failed
        return super().read(seconds=seconds)

    def close(self) -> None:
        pass


def holding(patch: pytest.MonkeyPatch, *items: Item) -> None:
    """Fleets whose cluster is `kubernetes` have these items."""
    patch.setitem(plugins.BUILT_IN["hive.clusters"], "kubernetes", f"{__name__}:Pods")
    patch.setattr(Pods, "items", items)
