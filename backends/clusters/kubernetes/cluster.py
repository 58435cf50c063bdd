"""The cluster as `core.ports` asks for it; each part is loaded when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from backends.clusters.kubernetes.errors import Forbidden
from hive_tui.core.errors import Refused
from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName
from hive_tui.core.model import Actor, Budget, Claim, ControlKind, Event, Paused, Quota
from hive_tui.core.ports import (
    READ_SECONDS,
    BackendContext,
    Capability,
    DispatchLease,
    Emit,
    Job,
    Remote,
    RunDiff,
    RunHost,
    Section,
)
from hive_tui.core.sources import SourceEvent

if TYPE_CHECKING:
    from backends.clusters.kubernetes.api import Api
    from backends.clusters.kubernetes.readiness import Readiness
    from hive_tui.core.events import LogLine
    from hive_tui.core.setup import ClusterSetup

# What is behind each method is loaded when it is called: nobody pays for what they do not use, and the
# `kubernetes` package is not loaded before the first call to a cluster.


class KubernetesCluster:
    """See `core.ports.Cluster`. Nothing is asked or created before the first call that needs it."""

    name = "kubernetes"
    capabilities = frozenset(
        {
            Capability.KILL,
            Capability.MESSAGE,
            Capability.LOGS,
            Capability.PREVIOUS,
            Capability.DESCRIBE,
            Capability.ATTACH,
        }
    )

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._fleet = context.fleet
        self._lock = threading.Lock()
        self._connected: Api | None = None
        self._readiness: Readiness | None = None
        self._forbidden = threading.Event()
        """Set when something was refused: rights may have changed."""
        self._identity: str | None = None

    @staticmethod
    def setup(context: BackendContext) -> ClusterSetup:
        from backends.clusters.kubernetes.deploy import KubernetesSetup

        return KubernetesSetup(context)

    def _api(self) -> Api:
        with self._lock:
            if self._connected is None:
                from backends.clusters.kubernetes import access

                self._connected = access.connect(self._context.settings.kubernetes)
            return self._connected

    @contextmanager
    def _acting(self) -> Iterator[Api]:
        """The cluster, for something that it may refuse."""
        try:
            yield self._api()
        except Forbidden:
            self._forbidden.set()
            raise

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        from backends.clusters.kubernetes import watching

        # A moment less than whoever asks waits: they are to hear why nothing came.
        yield watching.read(self._api().within(max(1.0, 0.9 * seconds - 0.5)), self._context)

    def watch(self, emit: Emit, stop: threading.Event) -> None:
        from backends.clusters.kubernetes.watching import Watcher

        Watcher(self._context, self._api, self._forbidden).watch(emit, stop)

    # Switches

    def set_paused(self, paused: Paused | None) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.set_paused(api, self._context, paused)

    def set_slots(self, slots: int) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.set_slots(api, self._context, slots)

    def set_budget(self, budget: Budget) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.set_budget(api, self._context, budget)

    def set_agent_enabled(self, agent: AgentName, enabled: bool) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.set_agent_enabled(api, self._context, agent, enabled)

    def set_quota(self, agent: AgentName, quota: Quota) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.set_quota(api, self._context, agent, quota)

    # Claims and slots

    def identity(self) -> str:
        from backends.clusters.kubernetes import fleet_object

        if self._identity is None:
            with self._acting() as api:
                self._identity = fleet_object.identity(api, self._context)
        return self._identity

    def get_claim(self, key: IssueKey) -> Claim | None:
        from backends.clusters.kubernetes import claims

        with self._acting() as api:
            return claims.get_claim(api, self._fleet, key)

    def put_claim(self, claim: Claim, *, expected: int | None) -> Claim:
        from backends.clusters.kubernetes import claims

        with self._acting() as api:
            return claims.put_claim(api, self._fleet, claim, expected=expected)

    def abandon_claim(self, claim: Claim) -> None:
        from backends.clusters.kubernetes import claims

        with self._acting() as api:
            claims.abandon_claim(api, self._fleet, claim)

    def take_slot(self, worker: WorkerName, run: RunId) -> None:
        from backends.clusters.kubernetes import fleet_object

        with self._acting() as api:
            fleet_object.take_slot(api, self._context, worker, run)

    def release_slot(self, run: RunId) -> None:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            runs.release_slot(api, self._context, run)

    # Runs

    def check_ready(self, source: str = "", remote: Remote | None = None) -> None:
        from backends.clusters.kubernetes.readiness import Readiness

        if self._readiness is None:
            self._readiness = Readiness(self._context)
        with self._acting() as api:
            self._readiness.check(api, source, remote)

    def create_run(self, job: Job) -> None:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            runs.create(api, self._context, job)

    def get_job(self, run: RunId) -> Job:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            return runs.get(api, self._fleet, run).spec.work

    def start_run(self, run: RunId) -> bool:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            return runs.start(api, self._context, run)

    def recover_run(self, run: RunId) -> bool:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            return runs.recover(api, self._context, run)

    def settle_run(self, run: RunId) -> None:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            runs.settle(api, self._context, run)

    def control(self, run: RunId, kind: ControlKind, actor: Actor, text: str = "") -> None:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            runs.control(api, self._context, run, kind, actor, text)

    def logs(
        self, run: RunId, *, after: int = 0, follow: bool = False, stop: threading.Event | None = None
    ) -> Iterator[LogLine]:
        from backends.clusters.kubernetes import logs

        with self._acting() as api:
            yield from logs.read(api, run, after=after, follow=follow, stop=stop)

    def previous_logs(self, run: RunId) -> Iterator[LogLine]:
        from backends.clusters.kubernetes import logs, runs

        with self._acting() as api:
            runs.get(api, self._fleet, run)
            return logs.previous(api, run)

    def describe(self, run: RunId) -> tuple[Section, ...]:
        from backends.clusters.kubernetes import describe

        with self._acting() as api:
            return describe.describe(api, self._fleet, run)

    def shell(self, run: RunId, command: Sequence[str] = ()) -> tuple[str, ...]:
        from backends.clusters.kubernetes import shell

        with self._acting() as api:
            return shell.argv(api, self._context, run, command)

    def diff(self, run: RunId, *, limit: int) -> RunDiff:
        raise Refused(
            "What a run in a pod has changed so far is not to be had from here.",
            "`hive attach` opens a shell where it works; its pull request shows what it pushed.",
        )

    def host(self, run: RunId) -> RunHost:
        from backends.clusters.kubernetes.host import KubernetesHost

        return KubernetesHost(self._api(), self._context, run)

    # The fleet's log, the dispatcher, the broom

    def record(self, event: Event) -> None:
        from backends.clusters.kubernetes import fleet_log

        with self._acting() as api:
            fleet_log.record(api, self._fleet, event)

    def hold_dispatch(self, version: str) -> DispatchLease:
        from backends.clusters.kubernetes import fleet_object
        from backends.clusters.kubernetes.dispatch_lease import KubernetesDispatchLease

        with self._acting() as api:
            # Whoever is told that nothing can start for want of an image is to find a Fleet to edit.
            fleet_object.made(api, self._context)
            return KubernetesDispatchLease(api, self._fleet, version)

    def gc(self, *, before: datetime, dry_run: bool) -> list[str]:
        from backends.clusters.kubernetes import runs

        with self._acting() as api:
            return runs.gc(api, self._fleet, before=before, dry_run=dry_run)

    def close(self) -> None:
        with self._lock:
            api, self._connected = self._connected, None
        if api is not None:
            api.close()
