"""The cluster's machines, as people and evidence need them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from backends.clusters.kubernetes import quantity
from backends.clusters.kubernetes.objects import NodeObject
from hive_tui.core.cluster_facts import Node
from hive_tui.core.text import clean_line


def node(found: NodeObject) -> Node:
    status = found.status
    ready = next((each for each in status.conditions if each.type == "Ready"), None)
    is_ready = ready is not None and ready.status == "True"
    if ready is None:
        why: str | None = "it says nothing of itself"
    elif not is_ready:
        why = clean_line(f"{ready.reason or ready.status}: {ready.message or ''}", limit=200).rstrip(": ")
    elif found.spec.unschedulable:
        why = "cordoned: it takes nothing new"
    else:
        pressed = [each.type for each in status.conditions if each.type != "Ready" and each.status == "True"]
        why = ", ".join(pressed) or None
    return Node(
        name=found.metadata.name,
        ready=is_ready,
        why=why,
        cpu_millis=quantity.millis(status.allocatable.get("cpu")),
        memory_bytes=quantity.whole(status.allocatable.get("memory")),
        pods=quantity.whole(status.allocatable.get("pods")),
    )


def nodes(found: Iterable[NodeObject]) -> tuple[Node, ...]:
    return tuple(sorted(map(node, found), key=lambda each: each.name))


def silent(found: Iterable[NodeObject]) -> frozenset[str]:
    """Machines that do not answer: what runs there may run or not."""
    return frozenset(
        each.metadata.name
        for each in found
        for condition in each.status.conditions
        if condition.type == "Ready" and condition.status == "Unknown"
    )
