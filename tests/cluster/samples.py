"""Objects that hold every field of a schema, and what is one step too far for each of them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from backends.clusters.kubernetes import schema
from backends.clusters.kubernetes.objects import API_VERSION

Path = tuple[str | int, ...]

NAME = "app-1a2b3c4d-i42-a1"

_KEYS = {"agents": "claude", "workers": "claude", "quotas": "claude", "slots": "claude-a"}
"""Names in maps whose names are not free; letters and digits may follow."""

_PATTERNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "spec.work.spec.id": ((), ("", "-a", "a-", "A", "a.b", "a b", "ä")),  # its name decides
    "fleet": (("a", "a-b", "x" * 40), ("", "-a", "a-", "A", "x" * 41, "a.b")),
    "repo": (
        ("me/app", "a/b", "_me/.github", "a/..b", "A" * 100 + "/" + "b" * 100),
        ("", "app", "/app", "me/", "me/..", "me/.", "me/a/b", "-me/app", "me/a b", "a/" + "b" * 101),
    ),
    "worker": (("claude-a", "a", "x" * 40), ("", "-a", "a-", "A-a", "a_b")),
    "agent": (("claude", "a", "x" * 20), ("", "-a", "a-", "A", "a_b", "x" * 21)),
    "type": (("Finished", "hive.dev/Finished"), ("", "a b", "/Finished", "-")),
    "reason": (("Ended", "A"), ("", "1", "a b", "a-")),
    "object": (("hive-run", "a.b-c", "x" * 253), ("", "-a", "A", "a_b", "x" * 254)),
    "amount": (("500m", "2", "0.5", "4Gi", "1k"), ("", "Gi", "-1", "1.", "1 Gi", "1e3", "4gi")),
}
"""By what they are for: texts that fit, and texts that do not."""

_OBJECTS = ("serviceAccount", "agentSecret", "trackerSecret", "runtimeClass", "priorityClass")
_AMOUNTS = ("cpu", "memory", "storage")


class Node(NamedTuple):
    """A place in a schema."""

    path: Path
    schema: dict[str, Any]

    @property
    def name(self) -> str:
        """As the API server writes it, without the name of a map's entry or the number of a list's."""
        return ".".join(str(each) for each in self.path)


@functools.cache
def root(kind: str) -> dict[str, Any]:
    definition = next(each for each in schema.definitions().values() if each["spec"]["names"]["kind"] == kind)
    found: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def nodes(kind: str, part: str) -> Iterator[Node]:
    """Every place below `spec` or `status`, outermost first."""
    yield from _walk((part,), root(kind)["properties"][part])


def _walk(path: Path, node: dict[str, Any]) -> Iterator[Node]:
    yield Node(path, node)
    for name, inner in node.get("properties", {}).items():
        yield from _walk((*path, name), inner)
    if "items" in node:
        yield from _walk((*path, 0), node["items"])
    if "additionalProperties" in node:
        yield from _walk((*path, _key(path)), node["additionalProperties"])


def _key(path: Path) -> str:
    return _KEYS.get(str(path[-1]), "key")


@functools.cache
def full(kind: str) -> dict[str, Any]:
    """An object in which every field has a value; not to be changed."""
    spec, status = (_value(Node((part,), root(kind)["properties"][part])) for part in ("spec", "status"))
    name = NAME if kind == "AgentRun" else "main"
    if kind == "AgentRun":
        spec["work"]["spec"]["id"] = NAME
        status |= {"phase": "working", "settled": False}
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
        "status": status,
    }


def least(kind: str) -> dict[str, Any]:
    """An object with nothing but what is required."""
    body = copy.deepcopy(full(kind))
    for part in ("spec", "status"):
        body[part] = _required(body[part], root(kind)["properties"][part])
    return body


def _required(value: Any, node: dict[str, Any]) -> Any:
    if "properties" not in node:
        return value
    return {name: _required(value[name], node["properties"][name]) for name in node.get("required", ())}


def named(body: dict[str, Any], name: str) -> dict[str, Any]:
    """A copy of an object under another name, which a run's work order has too."""
    changed = put(body, ("metadata", "name"), name)
    return put(changed, ("spec", "work", "spec", "id"), name) if body["kind"] == "AgentRun" else changed


def _value(node: Node) -> Any:
    found = node.schema
    if "enum" in found:
        # A toleration's effect has to fit its other fields.
        return "NoExecute" if "NoExecute" in found["enum"] else found["enum"][0]
    match found["type"]:
        case "object" if "properties" in found:
            return {
                name: _value(Node((*node.path, name), inner)) for name, inner in found["properties"].items()
            }
        case "object":
            key = _key(node.path)
            return {key: _value(Node((*node.path, key), found["additionalProperties"]))}
        case "array":
            return [_value(Node((*node.path, 0), found["items"]))]
        case "boolean":
            return True
        case "integer":
            return max(found["minimum"], 3)
        case "number":
            return 3.5
    if found.get("format") == "date-time":
        return "2026-11-21T20:00:00.123456Z"
    return patterns(node)[0][0] if "pattern" in found and patterns(node)[0] else "text"


def patterns(node: Node) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a text of that place may be and may not be."""
    if node.name in _PATTERNS:
        return _PATTERNS[node.name]
    parent, last = node.path[-2], str(node.path[-1])
    if parent == "slots":
        return (NAME, "r1", "x" * 52), ("", "-a", "A", "x" * 53)
    if last in _OBJECTS or parent == "imagePullSecrets":
        return _PATTERNS["object"]
    if last in _AMOUNTS:
        return _PATTERNS["amount"]
    if node.path[-3:] == ("work", "repo", "name"):
        return _PATTERNS["repo"]
    if node.path[-3:] == ("work", "agent", "name"):
        return _PATTERNS["agent"]
    return _PATTERNS[last]


def put(base: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of an object with another value in one place."""
    changed = copy.deepcopy(base)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def get(base: dict[str, Any], path: Path) -> Any:
    place: Any = base
    for step in path:
        place = place[step]
    return place


def beside(body: dict[str, Any], node: Node, value: Any) -> dict[str, Any]:
    """The object with what a value asks of its neighbours, where rules tie them together."""
    if node.name == "spec.control.0.actor.name":
        return put(body, (*node.path[:-1], "kind"), "run")
    if value == "Exists":
        return without(body, (*node.path[:-1], "value"))
    if node.path[-1] == "effect" and value != "NoExecute":
        return without(body, (*node.path[:-1], "tolerationSeconds"))
    return body


def without(base: dict[str, Any], path: Path) -> dict[str, Any]:
    """A copy of an object without one field."""
    changed = copy.deepcopy(base)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    return changed


def fitting(node: Node) -> Iterator[Any]:
    """Values that the place takes, the outermost of each kind among them."""
    found = node.schema
    if found.get("nullable"):
        yield None
    if "enum" in found:
        yield from found["enum"]
        return
    match found["type"]:
        case "string" if found.get("format") == "date-time":
            yield from ("2026-11-21T20:00:00Z", "2026-11-21T20:00:00.123456Z", "2026-11-21T21:00:00+01:00")
        case "string" if "pattern" in found:
            yield from patterns(node)[0]
        case "string":
            yield from ("", "x" * found["maxLength"], "ü" * found["maxLength"])
        case "integer":
            yield from (found["minimum"], found["maximum"])
        case "number":
            yield from (found["minimum"], 0.25, found["maximum"])
        case "boolean":
            yield from (True, False)
        case "array":
            yield from ([], _items(node, found["maxItems"]))
        case "object" if "maxProperties" in found:
            yield from ({}, _entries(node, found["maxProperties"]))


def unfit(node: Node) -> Iterator[Any]:
    """Values that the place does not take: of another type, or one step too far."""
    found = node.schema
    match found["type"]:
        case "string":
            yield from (7, ["text"])
            if "enum" in found:
                yield from ("", "nonsense", found["enum"][0].swapcase())
            elif found.get("format") == "date-time":
                yield from ("", "1969-12-31T23:59:59Z", "yesterday", "2026-11-21", "2026-13-41T20:00:00Z")
            elif "pattern" in found:
                yield from patterns(node)[1]
            else:
                yield "x" * (found["maxLength"] + 1)
        case "integer":
            yield from ("3", 1.5, found["minimum"] - 1, found["maximum"] + 1, True)
        case "number":
            yield from ("3.5", found["minimum"] - 0.5, found["maximum"] * 2, True)
        case "boolean":
            yield from ("true", 1)
        case "array":
            yield from ("text", {"0": 1}, _items(node, found["maxItems"] + 1))
        case "object" if "maxProperties" in found:
            yield from ("text", [], _entries(node, found["maxProperties"] + 1))
        case "object":
            yield from ("text", [])


def _items(node: Node, count: int) -> list[Any]:
    keys = node.schema.get("x-kubernetes-list-map-keys", ())
    item = _value(Node((*node.path, 0), node.schema["items"]))
    items = [copy.deepcopy(item) for _ in range(count)]
    for number, each in enumerate(items):
        for key in keys:
            each[key] = number + 1 if isinstance(each[key], int) else f"{each[key]}{number}"
        if keys == ["seq"]:
            each |= {"kind": "stop", "text": ""}
    return items


def _entries(node: Node, count: int) -> dict[str, Any]:
    key = _key(node.path)
    value = _value(Node((*node.path, key), node.schema["additionalProperties"]))
    return {f"{key}{number}": copy.deepcopy(value) for number in range(count)}
