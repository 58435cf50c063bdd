"""The cluster as a source: one watch for each resource, put together into one picture of the fleet.

Everything that hive cannot do without must be in sync before anything is said. While one of those watches
fails, the source fails, and what was said stays. Nodes and the cluster's own warnings are shown where one may
see them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from backends.clusters.kubernetes import rights
from backends.clusters.kubernetes.api import (
    AGENT_RUNS,
    EVENTS,
    FLEETS,
    JOBS,
    LEASES,
    NODES,
    PODS,
    Api,
    Resource,
)
from backends.clusters.kubernetes.errors import Forbidden, NotFound
from backends.clusters.kubernetes.objects import (
    FLEET_LABEL,
    AgentRunObject,
    EventObject,
    FleetObject,
    JobObject,
    KubeObject,
    LeaseObject,
    NodeObject,
    PodObject,
)
from backends.clusters.kubernetes.picture import Picture
from backends.clusters.kubernetes.reflector import (
    Added,
    Changed,
    Deleted,
    Failed,
    News,
    Reflector,
    Synced,
)
from hive_tui.core.cluster_facts import ClusterFacts, Denied
from hive_tui.core.errors import HiveError
from hive_tui.core.ports import BackendContext, Emit
from hive_tui.core.sources import CLUSTER, Alive, Listed, SourceFailed

ALIVE_SECONDS = 5.0
"""Between two signs of life, while nothing else is said."""

LOOK_SECONDS = 0.5
"""Between two looks whether time alone has changed something."""

OPTIONAL_SECONDS = 2.0
"""How long the first picture waits for what it can do without."""

OPTIONAL_AGAIN_SECONDS = 900.0
"""Until what can be done without is asked for again where one may not see it: few may see nodes."""

REVIEW_SECONDS = 60.0
"""Between two reviews of one's rights, at least."""

RETRY_SECONDS = (2.0, 30.0)
"""Until a kubeconfig that cannot be used is looked at again: first, and at most."""

T = TypeVar("T", bound=KubeObject)


class _Part(NamedTuple):
    """A resource as far as the picture needs it."""

    resource: Resource
    kind: type[Any]
    feed: Callable[[str, Any], None]
    labels: str = ""
    fields: str = ""
    required: bool = True


def _parts(context: BackendContext, picture: Picture) -> tuple[_Part, ...]:
    own = f"{FLEET_LABEL}={context.fleet}"
    name = f"metadata.name={context.fleet}"
    return (
        _Part(FLEETS, FleetObject, lambda _, found: picture.fleet(found), fields=name),
        _Part(AGENT_RUNS, AgentRunObject, picture.run, own),
        _Part(LEASES, LeaseObject, picture.lease, own),
        _Part(JOBS, JobObject, picture.job, own),
        _Part(PODS, PodObject, picture.pod, own),
        _Part(EVENTS, EventObject, picture.line, own),
        _Part(EVENTS, EventObject, picture.warning, fields="type=Warning", required=False),
        _Part(NODES, NodeObject, picture.node, required=False),
    )


# Once


def read(api: Api, context: BackendContext) -> Listed:
    """The full state, each resource listed beside the others, within the Api's time. Raises HiveError."""
    picture = Picture(context)
    parts = _parts(context, picture)
    # None waits for another one, so that all of them are given up when the first one is.
    with ThreadPoolExecutor(len(parts) + 2, thread_name_prefix="read") as pool:
        denied = pool.submit(_review, api)
        version = pool.submit(api.version)
        lists = [pool.submit(_list, api, part) for part in parts]
        for part, found in zip(parts, lists, strict=True):
            items = found.result()
            for each in items or ():
                part.feed(each.metadata.name, each)
            if items is None and part.resource is NODES:
                picture.no_nodes()
        picture.facts(_facts(api, version.result()))
        picture.denied(denied.result())
    return picture.listed(datetime.now(UTC))


def _list(api: Api, part: _Part) -> Iterable[KubeObject] | None:
    """None where one may not see what can be done without."""
    if part.resource is FLEETS:
        try:
            return (api.get(FLEETS, part.fields.rpartition("=")[2], FleetObject),)
        except NotFound:
            return ()
    try:
        found: Iterable[KubeObject] = api.list(
            part.resource, part.kind, labels=part.labels, fields=part.fields
        ).items
    except Forbidden:
        if part.required:
            raise
        return None
    return found


def _review(api: Api) -> tuple[Denied, ...]:
    """What cannot be found out is not forbidden yet: each action finds out by itself."""
    try:
        return rights.review(api)
    except HiveError:
        return ()


def _facts(api: Api, version: str) -> ClusterFacts:
    return ClusterFacts(api.context, api.namespace, version)


# For as long as it takes


class _Mirror:
    """A part of the picture, as its reflector says it is."""

    def __init__(self, part: _Part) -> None:
        self.part = part
        self.synced = False
        self.failed: Failed | None = None
        self._names: set[str] = set()

    @property
    def settled(self) -> bool:
        """It is known whether it can be read."""
        return self.synced or self.failed is not None

    def take(self, news: News[KubeObject]) -> None:
        if isinstance(news, Failed):
            self.failed = news
            return
        self.failed = None
        match news:
            case Synced(items=items):
                self._replace(items)
                self.synced = True
            case Added(object=found) | Changed(object=found):
                self._names.add(found.metadata.name)
                self.part.feed(found.metadata.name, found)
            case Deleted(object=found):
                self._names.discard(found.metadata.name)
                self.part.feed(found.metadata.name, None)

    def _replace(self, items: Iterable[KubeObject]) -> None:
        before, self._names = self._names, {each.metadata.name for each in items}
        for name in before - self._names:
            self.part.feed(name, None)
        for each in items:
            self.part.feed(each.metadata.name, each)


class Watcher:
    """One watch of a fleet. `forbidden` is set by whoever was refused something: one's rights are then
    looked at again."""

    def __init__(
        self, context: BackendContext, connect: Callable[[], Api], forbidden: threading.Event
    ) -> None:
        self._context = context
        self._connect = connect
        self._forbidden = forbidden
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        """What to do in the watching thread, which alone has the picture."""
        self._picture = Picture(context)
        self._mirrors = [_Mirror(part) for part in _parts(context, self._picture)]
        self._heard_at = datetime.now(UTC)
        self._said = self._started = time.monotonic()
        self._broken: Failed | None = None
        """As it was said last."""
        self._doubted: datetime | None = None
        """When the Lease ran out about which it was asked."""
        self._leases: Reflector[KubeObject] | None = None
        self._listed = False
        self._reviewed = False

    def watch(self, emit: Emit, stop: threading.Event) -> None:
        """See `core.ports.Cluster.watch`."""
        api = self._connected(emit, stop)
        if api is None:
            return
        over = threading.Event()
        threads = [self._thread(self._review, api, over)]
        for mirror in self._mirrors:
            part = mirror.part
            reflector: Reflector[KubeObject] = Reflector(
                api,
                part.resource,
                part.kind,
                labels=part.labels,
                fields=part.fields,
                refused=0.0 if part.required else OPTIONAL_AGAIN_SECONDS,
                say=self._hearing(mirror),
            )
            if part.resource is LEASES:
                self._leases = reflector
            threads.append(self._thread(reflector.run, over))
        try:
            self._started = time.monotonic()
            while not stop.is_set():
                self._take()
                self._tell(emit)
        finally:
            over.set()
            for thread in threads:
                thread.join(2.0)

    def _connected(self, emit: Emit, stop: threading.Event) -> Api | None:
        """The cluster, once its kubeconfig can be used; None when stopped before that."""
        from random import uniform

        wait, longest = RETRY_SECONDS
        while not stop.is_set():
            try:
                return self._connect()
            except HiveError as error:
                pause = wait * uniform(0.5, 1.0)
                emit(SourceFailed(CLUSTER, error.words, datetime.now(UTC) + timedelta(seconds=pause)))
                stop.wait(pause)
                wait = min(2 * wait, longest)
        return None

    def _thread(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except BaseException as error:
                found = error

                def rethrow() -> None:
                    raise found

                self._inbox.put(rethrow)  # the edge of this thread: it is seen in the watching one

        thread = threading.Thread(target=run, name="mirror", daemon=True)
        thread.start()
        return thread

    def _hearing(self, mirror: _Mirror) -> Callable[[News[KubeObject]], None]:
        def hear(news: News[KubeObject]) -> None:
            self._inbox.put(lambda: self._hear(mirror, news))

        return hear

    def _hear(self, mirror: _Mirror, news: News[KubeObject]) -> None:
        mirror.take(news)
        if not isinstance(news, Failed):
            self._heard_at = datetime.now(UTC)
            # A watch that has just begun may have much to bring yet.
            if mirror.part.resource is LEASES and isinstance(news, Synced | Added | Changed | Deleted):
                self._picture.leases_heard(self._heard_at)
        elif isinstance(news.error, Forbidden):
            if mirror.part.required:
                self._forbidden.set()
            if mirror.part.resource is NODES:
                self._picture.no_nodes()

    def _review(self, api: Api, over: threading.Event) -> None:
        """Ask for the cluster's version once, and for one's rights whenever they may have changed."""
        version: str | None = None
        while not over.is_set():
            self._forbidden.clear()
            try:
                if version is None:
                    version = api.version()
                    found = _facts(api, version)
                    self._inbox.put(partial(self._picture.facts, found))
                denied = rights.review(api)
                self._inbox.put(partial(self._take_rights, denied))
            except HiveError:
                self._forbidden.set()  # asked again, and the watches say what is wrong
            over.wait(REVIEW_SECONDS)
            while not over.is_set() and not self._forbidden.wait(LOOK_SECONDS):
                pass

    def _take_rights(self, denied: tuple[Denied, ...]) -> None:
        self._picture.denied(denied)
        self._reviewed = True

    def _take(self) -> None:
        """Whatever has come; waits a moment for something to come."""
        try:
            self._inbox.get(timeout=LOOK_SECONDS)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            return

    def _tell(self, emit: Emit) -> None:
        """Say what there is to say now."""
        required = [mirror for mirror in self._mirrors if mirror.part.required]
        broken = next((mirror.failed for mirror in required if mirror.failed is not None), None)
        now = datetime.now(UTC)
        if broken is not None:
            if broken is not self._broken:
                heard_at = self._heard_at if self._listed else None
                emit(SourceFailed(CLUSTER, broken.error.words, broken.retry_at, heard_at))
            self._broken = broken
            return
        if not all(mirror.synced for mirror in required):
            return
        ended = self._picture.in_doubt(now)
        if self._leases is not None and ended not in (None, self._doubted):
            # Has the dispatcher died, or do we hear nothing?
            self._doubted = ended
            self._leases.doubt()
        if not self._listed or self._broken is not None:
            patient = time.monotonic() < self._started + OPTIONAL_SECONDS
            if patient and not (self._reviewed and all(mirror.settled for mirror in self._mirrors)):
                return
            emit(self._picture.listed(now))
            self._listed, self._broken = True, None
            self._said = time.monotonic()
            return
        changed = self._picture.changed(now)
        if changed is not None:
            emit(changed)
            self._said = time.monotonic()
        elif time.monotonic() - self._said >= ALIVE_SECONDS:
            emit(Alive(CLUSTER, self._heard_at))
            self._said = time.monotonic()
