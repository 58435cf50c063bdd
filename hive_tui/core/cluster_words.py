"""A cluster and a run's place in it, in words: the same in the console, the report and `hive describe`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hive_tui.core import text
from hive_tui.core.cluster_facts import ClusterFacts, Denied, Node, Place, Right, only_looks

_DOING = {
    Right.SWITCH: "switch the fleet",
    Right.ORDER: "give runs orders",
    Right.CLAIM: "fire, retry or reset",
    Right.LOGS: "read logs",
    Right.EXEC: "open a shell in a run",
    Right.DISPATCH: "dispatch",
}

_LOOKING = frozenset({Right.LOGS, Right.EXEC})


def where(facts: ClusterFacts) -> str:
    """`kind-dev · agents · v1.34.1`: context, namespace and version, as far as they are known."""
    return " · ".join(filter(None, (facts.context, facts.namespace, facts.version)))


def nodes(facts: ClusterFacts) -> str:
    """`3/4 nodes ready`."""
    if facts.nodes is None:
        return "nodes are not visible to you"
    ready, all_of_them = sum(node.ready for node in facts.nodes), len(facts.nodes)
    if ready == all_of_them:
        return f"{text.plural(ready, 'node')} ready"
    return f"{ready}/{text.plural(all_of_them, 'node')} ready"


def unready(facts: ClusterFacts) -> list[str]:
    """Each node that takes nothing new, and why."""
    return [f"{node.name}: {text.clean_line(node.why or 'not ready')}" for node in _lacking(facts)]


def _lacking(facts: ClusterFacts) -> list[Node]:
    return [node for node in facts.nodes or () if not node.ready or node.why]


def capacity(facts: ClusterFacts) -> str | None:
    """`12 cores · 47.1 GiB · 330 pods` of the nodes that are ready; None where nothing is known."""
    ready = [node for node in facts.nodes or () if node.ready]
    cores = _sum(node.cpu_millis for node in ready)
    memory = _sum(node.memory_bytes for node in ready)
    pods = _sum(node.pods for node in ready)
    parts = (
        f"{cores / 1000:.3g} core{'' if cores == 1000 else 's'}" if cores is not None else None,
        _gibibytes(memory) if memory is not None else None,
        text.plural(pods, "pod") if pods is not None else None,
    )
    return " · ".join(filter(None, parts)) or None


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _gibibytes(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB"


def place(place: Place) -> str:
    """Where a run is, on one line: `vm, started again 2 times`."""
    again = f"started again {_times(place.restarts)}" if place.restarts else ""
    return ", ".join(filter(None, (place.node or "no node yet", again)))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def denied(lacks: Sequence[Denied]) -> str | None:
    """What whoever looks may not do there, and why; None where everything is allowed."""
    if not lacks:
        return None
    if (why := only_looks(lacks)) is not None:
        return f"you may only look: {why}"
    steering = [lack for lack in lacks if lack.right not in _LOOKING] or list(lacks)
    doing = ", ".join(_DOING[lack.right] for lack in steering)
    return f"you may not {doing}: {steering[0].why}"
