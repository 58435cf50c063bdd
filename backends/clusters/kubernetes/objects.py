"""The objects that hive keeps in a Kubernetes cluster, and those of the cluster's own that it reads.

`AgentRun` and `Fleet` are hive's (`hive.dev/v1alpha1`): the schema in `manifests/crds` is made from these
structs. Of the others only the fields that hive needs are read; they are decoded straight from the bytes.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from hive_tui.core.ids import AgentName, IssueKey, RunId, WorkerName
from hive_tui.core.model import Budget, Control, Paused, Quota, RunStatus
from hive_tui.core.ports import Job
from hive_tui.core.worker_template import WorkerTemplate

GROUP = "hive.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FLEET_LABEL = "hive.dev/fleet"
"""On everything that a fleet makes: its name."""
RUN_LABEL = "hive.dev/run"
"""On a run's Job and pod: its id."""
CLAIM_ANNOTATION = "hive.dev/claim"
"""On a claim's Lease: the whole Claim, as JSON."""
DISPATCHER_ANNOTATION = "hive.dev/dispatcher"
"""On the dispatcher's Lease: who it is, as JSON."""
EVENT_ANNOTATION = "hive.dev/event"
"""On an Event of the fleet's log: the whole core `Event`, as JSON."""

RUNNER, WORK, JUDGE = "runner", "work", "judge"
"""The containers of a run's pod."""

NOT_REGISTERED = 75
"""Exit status of a runner that an API server did not let become its run (EX_TEMPFAIL of sysexits.h)."""


# hive's own


class PodClaim(msgspec.Struct, frozen=True):
    """The one pod that is the run: registered before it does anything, so that a second one is refused."""

    name: str
    uid: str


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """As in all of Kubernetes; what `kubectl wait --for=condition=…` waits for."""

    type: str
    status: str
    """True, False or Unknown."""
    last_transition_time: datetime
    reason: str
    message: str = ""


class AgentRunStatus(RunStatus, frozen=True):
    """How far a run is, with what only this backend needs."""

    pod: PodClaim | None = None
    """Its pod, from its registration on."""
    starts: int = 0
    """How many pods were registered, one after the other: a run that waited goes on in a new one."""
    lines: int = 0
    """The number of its log's last line: a run that goes on in another pod counts on."""
    settled: bool = False
    """The dispatcher has drawn the consequences of its end."""
    conditions: tuple[Condition, ...] = ()
    """Registered, Finished and Succeeded."""


class AgentRunSpec(msgspec.Struct, frozen=True):
    """What a run is to do, and what it was told since."""

    work: Job
    """The work order; never changed."""
    control: tuple[Control, ...] = ()
    """Orders to the run; only ever appended to."""


class AgentSwitch(msgspec.Struct, frozen=True):
    enabled: bool = True


class FleetSpec(msgspec.Struct, frozen=True):
    """What people switch, and how pods are made."""

    slots: int
    """Agents at work at once."""
    paused: Paused | None = None
    agents: dict[str, AgentSwitch] = {}
    """By name; one that is not named is enabled."""
    budget: Budget = Budget()
    worker: WorkerTemplate = WorkerTemplate()
    workers: dict[str, WorkerTemplate] = {}
    """Those of single agents, by name, instead of `worker`."""


class FleetStatus(msgspec.Struct, frozen=True):
    """What the dispatcher found and took."""

    slots: dict[str, str] = {}
    """The run in each slot, by worker name."""
    quotas: dict[str, Quota] = {}
    """By agent."""
    conditions: tuple[Condition, ...] = ()


# Kubernetes' own, as far as hive reads them


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    name: str = ""
    uid: str = ""


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[Owner, ...] = ()


class KubeObject(msgspec.Struct, frozen=True):
    """Any object, as far as a watch has to know it."""

    metadata: Meta = Meta()


class AgentRunObject(KubeObject, frozen=True):
    """An AgentRun; its parts are decoded by `camel.decode`, each where it is needed."""

    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


class FleetObject(KubeObject, frozen=True):
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class LeaseObject(KubeObject, frozen=True):
    spec: LeaseSpec = LeaseSpec()


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int = 0
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Waiting(msgspec.Struct, frozen=True):
    reason: str | None = None
    message: str | None = None


class Running(msgspec.Struct, frozen=True, rename="camel"):
    started_at: datetime | None = None


class ContainerState(msgspec.Struct, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    restart_count: int = 0
    ready: bool = False
    image: str = ""


class KubeCondition(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    status: str
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = "Pending"
    reason: str | None = None
    message: str | None = None
    conditions: tuple[KubeCondition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str | None = None


class PodObject(KubeObject, frozen=True):
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class JobStatus(msgspec.Struct, frozen=True):
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    conditions: tuple[KubeCondition, ...] = ()


class JobObject(KubeObject, frozen=True):
    status: JobStatus = JobStatus()


class Reference(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""


class EventObject(KubeObject, frozen=True, rename="camel"):
    """A core/v1 Event: the cluster's own about Jobs and pods, and the lines of a fleet's log."""

    involved_object: Reference = Reference()
    type: str = ""
    reason: str = ""
    message: str = ""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    count: int | None = None

    @property
    def moment(self) -> datetime | None:
        """When it last happened; who wrote it decides which of the three is set."""
        return self.last_timestamp or self.event_time or self.first_timestamp


class NodeSpec(msgspec.Struct, frozen=True):
    unschedulable: bool = False


class NodeStatus(msgspec.Struct, frozen=True):
    allocatable: dict[str, str] = {}
    conditions: tuple[KubeCondition, ...] = ()


class NodeObject(KubeObject, frozen=True):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


# Names


def claim_name(fleet: str, key: IssueKey) -> str:
    """Of a claim's Lease: the same for whoever asks, whatever characters the repository's name has."""
    digest = hashlib.sha256(key.repo.encode()).hexdigest()[:8]
    return f"hive-{fleet}-{digest}-i{key.number}"


def dispatcher_name(fleet: str) -> str:
    """Of the Lease that the fleet's one dispatcher holds."""
    return f"hive-{fleet}-dispatcher"


def job_name(run: RunId, starts: int) -> str:
    """Of the Job of a run that had `starts` pods so far: a run that goes on after waiting gets another."""
    return run if starts == 0 else f"{run}-{starts + 1}"


def slot_of(slots: dict[str, str], run: RunId) -> WorkerName | None:
    """The worker name under which a run holds a slot."""
    return next((WorkerName(worker) for worker, holder in slots.items() if holder == run), None)


def template_of(spec: FleetSpec, agent: AgentName) -> WorkerTemplate:
    """How the pods of an agent's runs are made."""
    return spec.workers.get(agent, spec.worker)
