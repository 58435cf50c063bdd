"""How the pods of a fleet's runs are made: what a `worker` template says, wherever it is written.

It stands in the configuration for a fleet that is first made, and in the cluster's Fleet object after that.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$",
        description="a name of a Kubernetes object",
    ),
]
Amount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]+(?:\.[0-9]+)?(?:m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
        description="a quantity such as 500m, 2 or 4Gi",
    ),
]
PositiveSeconds = Annotated[int, Meta(ge=1, description="seconds, at least 1")]
UserId = Annotated[int, Meta(ge=1, le=2**31 - 1, description="a user id other than root's")]


class Toleration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A taint of nodes that a run's pod does not mind; as in Kubernetes."""

    key: str | None = None
    """Of the taint; none is every taint."""
    operator: str | None = None
    """Equal, the default, or Exists, for any value."""
    value: str | None = None
    """Of the taint."""
    effect: str | None = None
    """NoSchedule, PreferNoSchedule or NoExecute; none is all of them."""
    toleration_seconds: int | None = None
    """How long a pod stays after a NoExecute taint came; none is for good."""


class Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one container asks for and may use at most."""

    cpu: Amount | None = None
    """Requested; nothing is taken away above it."""
    memory: Amount | None = None
    """Requested, and the limit: what uses more is ended."""


class WorkerTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pods of a fleet's runs, in a Kubernetes cluster."""

    image: str | None = None
    """Built from `agent-image/`; without one no run is started."""
    image_pull_policy: str = "IfNotPresent"
    """When a node fetches it: Always, IfNotPresent, Never."""
    image_pull_secrets: tuple[Name, ...] = ()
    """Secrets with which it is fetched."""
    service_account: Name = "hive-run"
    """Whose rights a runner has: AgentRuns of the namespace and their status, nothing else."""
    agent_secret: Name | None = None
    """Secret whose keys are the agent's own environment variables, such as ANTHROPIC_API_KEY."""
    tracker_secret: Name | None = "hive-tracker"
    """Secret whose key `token` lets the runner fetch and push, and `ca.crt`, if there, is the tracker's
    certificate authority; none for a repository that anybody may write to."""
    runtime_class: Name | None = None
    """A sandboxed runtime, such as gvisor, where the cluster has one."""
    priority_class: Name | None = None
    """Which pods give way to which."""
    node_selector: dict[str, str] = {}
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints that a node may have."""
    runner: Amounts = Amounts("100m", "256Mi")
    """Of the container that holds the tokens: git works here, also when work is saved within the grace."""
    work: Amounts = Amounts("500m", "2Gi")
    """Of the container in which the agent and the tests work."""
    judge: Amounts = Amounts("10m", "128Mi")
    """Of the container that reviews."""
    storage: Amount = "10Gi"
    """Of the work tree and of the runner's own files, each, on the node's disk."""
    grace_seconds: PositiveSeconds = 60
    """From the order to end until a pod is killed: its work is saved meanwhile."""
    keep_seconds: PositiveSeconds = 3600
    """How long a finished pod stays, to be looked at."""
    user_id: UserId | None = 1000
    """Of the runner; agents have the next one. None: the cluster picks one (OpenShift)."""


class KubernetesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a Kubernetes cluster is reached, and what its runs' pods are like."""

    kubeconfig: str | None = None
    """Path of the file; default: KUBECONFIG, then ~/.kube/config, then the pod's own account."""
    context: str | None = None
    """Of that file; default: its current one."""
    namespace: Name | None = None
    """Where everything of the fleet is; default: the context's, else `default`."""
    worker: WorkerTemplate = WorkerTemplate()
    """Pods of runs, when the fleet is first made; later only `kubectl edit fleet` changes them, and can give
    single agents pods of their own."""
