"""What a cluster tells of itself and of a run's place in it; backends that have no such thing say nothing."""

import enum
from collections.abc import Collection, Sequence

import msgspec


class Place(msgspec.Struct, frozen=True):
    """Where a run's process is, or was last."""

    pod: str
    """Its pod's name."""
    node: str | None = None
    restarts: int = 0
    """How often a container of it was started again."""
    condition: str | None = None
    """What stands in its way or ended it, in the cluster's own words; None while all is well."""
    remedy: str | None = None
    """Where to mend that, if it does not go away by waiting and it is known where."""


class Node(msgspec.Struct, frozen=True):
    """A machine of the cluster."""

    name: str
    ready: bool
    why: str | None = None
    """Why it is not ready, or takes nothing new."""
    cpu_millis: int | None = None
    """Thousandths of a core that pods may use there."""
    memory_bytes: int | None = None
    pods: int | None = None
    """How many it takes."""


class ClusterFacts(msgspec.Struct, frozen=True):
    """A cluster, as far as whoever asks may look."""

    context: str | None = None
    """As the kubeconfig calls it."""
    namespace: str | None = None
    version: str | None = None
    nodes: tuple[Node, ...] | None = None
    """None where one may not see them."""


class Right(enum.Enum):
    """What a person's account in the cluster lets them do, as actions ask for it."""

    SWITCH = "switch"
    """Pause, slots, agents: change the Fleet."""
    ORDER = "order"
    """Kill, message: change AgentRuns."""
    CLAIM = "claim"
    """Retry, reset, fire, hold: change claims."""
    LOGS = "logs"
    """Read what runs say."""
    EXEC = "exec"
    """Open a shell in a run's pod."""
    DISPATCH = "dispatch"
    """Create AgentRuns and Jobs."""


class Denied(msgspec.Struct, frozen=True):
    """A right that whoever asks does not have."""

    right: Right
    why: str
    """In half a sentence, with the verb and the resource that are missing."""


STEERING = frozenset({Right.SWITCH, Right.ORDER, Right.CLAIM})
"""Who has none of these only looks on."""


def missing(denied: Sequence[Denied], rights: Collection[Right]) -> Denied | None:
    """The first of these rights that is denied."""
    return next((lack for lack in denied if lack.right in rights), None)


def only_looks(denied: Sequence[Denied]) -> str | None:
    """Why whoever asks can change nothing there at all, in half a sentence; None where something can be."""
    if not {lack.right for lack in denied} >= STEERING:
        return None
    why = missing(denied, STEERING)
    return None if why is None else why.why
