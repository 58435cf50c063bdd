"""A fleet as hive's items, put together from what the cluster's resources say: each change touches one run.

No I/O and no clock here: whoever watches feeds it and asks what reads differently now.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from datetime import datetime
from typing import TypeVar

import msgspec

from backends.clusters.kubernetes import (
    camel,
    claims,
    dispatch_lease,
    evidence,
    facts,
    fleet_log,
    fleet_object,
    run_status,
)
from backends.clusters.kubernetes.evidence import Signs
from backends.clusters.kubernetes.harmless import harmless
from backends.clusters.kubernetes.objects import (
    RUN_LABEL,
    AgentRunObject,
    AgentRunStatus,
    EventObject,
    FleetObject,
    JobObject,
    KubeObject,
    LeaseObject,
    NodeObject,
    PodObject,
    dispatcher_name,
)
from backends.clusters.kubernetes.signs import WARNINGS
from hive_tui.core.cluster_facts import ClusterFacts, Denied
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import ControlKind, Event, Phase, Run, RunSpec
from hive_tui.core.ports import BackendContext
from hive_tui.core.sources import CLUSTER, KIND_OF, Changed, Item, Key, Kind, Listed

KINDS = (Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT)

EVENTS_SHOWN = 2_000
"""The newest lines of the fleet's log."""

_ABOUT = re.compile(r"^(.+-i\d+-a\d+)(?:-\d+)?(?:-[a-z0-9]{5})?$")
"""The name of a run's Job or pod, which all that an Event says of it may be heard before."""

T = TypeVar("T", bound=KubeObject)


class _Order(msgspec.Struct, frozen=True):
    kind: ControlKind


class _Work(msgspec.Struct, frozen=True):
    spec: RunSpec


class _Spec(msgspec.Struct, frozen=True):
    """Of an AgentRun's spec, what people see: not the issue's text."""

    work: _Work
    control: tuple[_Order, ...] = ()


class _Known(msgspec.Struct, frozen=True):
    """An AgentRun, decoded."""

    spec: RunSpec
    status: AgentRunStatus
    stop: bool
    uid: str
    generation: int


class Picture:
    """What is known of a fleet. Belongs to one thread."""

    def __init__(self, context: BackendContext) -> None:
        self._context = context
        self._fleet = fleet_object.initial(context)
        self._facts = ClusterFacts()
        self._denied: tuple[Denied, ...] = ()
        self._nodes: dict[str, NodeObject] | None = None
        self._silent: frozenset[str] = frozenset()
        self._runs: dict[RunId, _Known] = {}
        self._jobs: dict[RunId, dict[str, JobObject]] = defaultdict(dict)
        self._pods: dict[RunId, dict[str, PodObject]] = defaultdict(dict)
        self._warnings: dict[RunId, dict[str, EventObject]] = defaultdict(dict)
        self._run_of: dict[tuple[str, str], RunId] = {}
        """The run of a Job, a pod or an Event, by its kind and name."""
        self._claims: dict[str, IssueKey] = {}
        """By the name of their Lease."""
        self._lease: LeaseObject | None = None
        self._leases_heard: datetime | None = None
        self._said: dict[tuple[Kind, Key], Item] = {}
        self._lines: deque[tuple[Kind, Key]] = deque()
        """Those of the fleet's log that were said, in that order."""
        self._again: dict[RunId, datetime] = {}
        """When a run has to be looked at although nothing has changed."""
        self._touched: set[RunId] = set()
        self._news: dict[tuple[Kind, Key], Item | None] = {}
        """Items but runs that were said to be new or different, or gone (None)."""
        self._fleet_touched = True

    # What the cluster says. A `None` is an object that is gone.

    def fleet(self, found: FleetObject | None) -> None:
        self._fleet = fleet_object.initial(self._context) if found is None else fleet_object.of(found)
        self._fleet_touched = True

    def facts(self, found: ClusterFacts) -> None:
        """Of the cluster, but for its nodes."""
        self._facts = found
        self._fleet_touched = True

    def denied(self, found: tuple[Denied, ...]) -> None:
        self._denied = found
        self._fleet_touched = True

    def node(self, name: str, found: NodeObject | None) -> None:
        if self._nodes is None:
            self._nodes = {}
        if found is None:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = found
        self._fleet_touched = True
        silent = facts.silent(self._nodes.values())
        if silent != self._silent:
            changed, self._silent = silent ^ self._silent, silent
            self._touched.update(
                run
                for run, pods in self._pods.items()
                if any(pod.spec.node_name in changed for pod in pods.values())
            )

    def no_nodes(self) -> None:
        """One may not see them."""
        self._nodes = None
        self._fleet_touched = True

    def run(self, name: str, found: AgentRunObject | None) -> None:
        run = RunId(name)
        self._touched.add(run)
        if found is None:
            self._runs.pop(run, None)
            return
        meta = found.metadata
        before = self._runs.get(run)
        status = harmless(camel.decode(found.status, AgentRunStatus))
        if before is not None and (before.uid, before.generation) == (meta.uid, meta.generation):
            self._runs[run] = msgspec.structs.replace(before, status=status)
            return
        spec = camel.decode(found.spec, _Spec)
        stop = any(order.kind is ControlKind.STOP for order in spec.control)
        self._runs[run] = _Known(harmless(spec.work.spec), status, stop, meta.uid, meta.generation)

    def job(self, name: str, found: JobObject | None) -> None:
        run = None if found is None else found.metadata.labels.get(RUN_LABEL)
        self._part("job", self._jobs, name, run, found)

    def pod(self, name: str, found: PodObject | None) -> None:
        run = None if found is None else found.metadata.labels.get(RUN_LABEL)
        self._part("pod", self._pods, name, run, found)

    def warning(self, name: str, found: EventObject | None) -> None:
        """One of the cluster's own about a Job or a pod."""
        if found is None:
            self._part("event", self._warnings, name, None, None)
        elif found.reason in WARNINGS:
            about = _ABOUT.match(found.involved_object.name)
            self._part("event", self._warnings, name, None if about is None else about[1], found)

    def lease(self, name: str, found: LeaseObject | None) -> None:
        """A claim's, or the dispatcher's."""
        if name == dispatcher_name(self._context.fleet):
            self._lease = found
            self._fleet_touched = True
            return
        claim = None if found is None else claims.of(found)
        if claim is not None:
            self._claims[name] = claim.key
            self._news[Kind.CLAIM, claim.key] = harmless(claim)
            return
        key = self._claims.pop(name, None)
        if key is not None:
            self._news[Kind.CLAIM, key] = None

    def leases_heard(self, now: datetime) -> None:
        """Something was heard of Leases, so what was not renewed by then was not renewed. Where only time has
        passed, it may be us who hear nothing. Without a call, everything is taken to be heard."""
        self._leases_heard = now

    def in_doubt(self, now: datetime) -> datetime | None:
        """When the dispatcher's Lease ran out, where nothing was heard since; None where all is known."""
        end = None if self._lease is None else dispatch_lease.expires(self._lease)
        return end if end is not None and self._as_heard(now) < end <= now else None

    def line(self, name: str, found: EventObject | None) -> None:
        """Of the fleet's log. That the cluster forgets it is no news."""
        event = None if found is None else fleet_log.of(found)
        if event is not None:
            self._news[Kind.EVENT, event.seq] = event

    def _part(
        self, kind: str, parts: dict[RunId, dict[str, T]], name: str, label: str | None, found: T | None
    ) -> None:
        run = RunId(label) if label else self._run_of.get((kind, name))
        if run is None:
            return
        self._touched.add(run)
        if found is not None:
            parts[run][name] = found
            self._run_of[kind, name] = run
            return
        self._run_of.pop((kind, name), None)
        if run in parts:
            parts[run].pop(name, None)
            if not parts[run]:
                del parts[run]

    # What follows from it

    def listed(self, now: datetime) -> Listed:
        """Everything."""
        self._touched.update(self._runs)
        self.changed(now)
        return Listed(CLUSTER, KINDS, tuple(sorted(self._said.values(), key=_order)))

    def changed(self, now: datetime) -> Changed | None:
        """What reads differently than it was said last; None when nothing does."""
        self._touched.update(run for run, moment in self._again.items() if moment <= now)
        items: list[Item] = []
        gone: list[tuple[Kind, Key]] = []
        news = self._news
        if self._fleet_touched or self._dispatcher_ages(now):
            news[Kind.FLEET, self._context.fleet] = self._fleet_item(now)
        for run in self._touched:
            news[Kind.RUN, run] = self._run_item(run, now)
        self._news, self._touched, self._fleet_touched = {}, set(), False
        for key, item in news.items():
            if item is None:
                if self._said.pop(key, None) is not None:
                    gone.append(key)
            elif self._said.get(key) != item:
                self._said[key] = item
                items.append(item)
                if key[0] is Kind.EVENT:
                    self._lines.append(key)
        while len(self._lines) > EVENTS_SHOWN:
            self._said.pop(self._lines.popleft(), None)
        return Changed(CLUSTER, tuple(items), tuple(gone)) if items or gone else None

    def _fleet_item(self, now: datetime) -> Item:
        nodes = None if self._nodes is None else facts.nodes(self._nodes.values())
        item = fleet_object.item(
            self._context,
            self._fleet,
            dispatch_lease.dispatcher(self._lease, self._as_heard(now)),
            msgspec.structs.replace(self._facts, nodes=nodes),
            self._denied,
        )
        return harmless(item)

    def _dispatcher_ages(self, now: datetime) -> bool:
        """Its Lease may have run out since its state was said."""
        end = None if self._lease is None else dispatch_lease.expires(self._lease)
        return end is not None and self._as_heard(now) >= end

    def _as_heard(self, now: datetime) -> datetime:
        return now if self._leases_heard is None else min(now, self._leases_heard)

    def _run_item(self, run: RunId, now: datetime) -> Run | None:
        known = self._runs.get(run)
        self._again.pop(run, None)
        if known is None:
            return None
        signs = Signs(
            tuple(self._jobs.get(run, {}).values()),
            tuple(self._pods.get(run, {}).values()),
            tuple(self._warnings.get(run, {}).values()),
            self._silent,
        )
        found = evidence.look(run, known.status, signs, now)
        if found.again is not None and found.again > now:
            self._again[run] = found.again
        status = run_status.plain(known.status)
        if found.why is not None and status.phase is Phase.QUEUED:
            status = msgspec.structs.replace(status, why=found.why)
        if (why := evidence.interrupted(run, known.status, signs)) is not None:
            status = msgspec.structs.replace(status, why=why)
        place = found.place
        if place is not None and found.no_image:
            place = msgspec.structs.replace(place, remedy=self._where_images_are_named())
        return Run(known.spec, status, found.process, known.status.settled, known.stop, place)

    def _where_images_are_named(self) -> str:
        """The Fleet: since it is there, the settings that it was made from no longer count."""
        of = f" -n {self._facts.namespace}" if self._facts.namespace else ""
        return f"see `image` in `kubectl{of} edit fleet {self._context.fleet}`"


def _order(item: Item) -> tuple[int, float, str]:
    """Runs in the order in which they were recorded, and the log in that of its lines."""
    kind = KINDS.index(KIND_OF[type(item)])
    if isinstance(item, Run):
        return kind, item.spec.created_at.timestamp(), item.id
    return kind, item.seq if isinstance(item, Event) else 0, ""
