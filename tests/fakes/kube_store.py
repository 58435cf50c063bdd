"""An API server's objects in memory, with their versions: for what a real one cannot be made to do on time.

It answers as `backends.clusters.kubernetes.api.Api` does. A hook runs before a call, so that somebody else
acts between two steps of whoever is looked at; a refused verb is one that the account may not use.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from backends.clusters.kubernetes.api import Api, Listing, Resource
from backends.clusters.kubernetes.errors import AlreadyExists, Conflict, Forbidden, NotFound

T = TypeVar("T")

_STATUS_APART = ("agentruns", "fleets")


class KubeStore(Api):
    def __init__(self) -> None:
        self.context: str | None = "test"
        self.namespace = "ns"
        self.server = "https://test"
        self.asked: list[tuple[str, str, str]] = []
        """Verb, resource and name of each call."""
        self.refused: set[tuple[str, str]] = set()
        self._hooks: dict[tuple[str, str], list[Callable[[], None]]] = {}
        self._objects: dict[tuple[str, str], dict[str, Any]] = {}
        self._version = 0
        self._lock_of_store = threading.RLock()

    def before(self, verb: str, what: str, act: Callable[[], None]) -> None:
        """Run `act` once, before the next such call; `what` is `plural` or `plural/status`."""
        self._hooks.setdefault((verb, what), []).append(act)

    def put(self, plural: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Store an object as somebody else might, with whatever status."""
        with self._lock_of_store:
            return self._store(plural, copy.deepcopy(dict(body)))

    def find(self, plural: str, name: str) -> dict[str, Any] | None:
        return self._objects.get((plural, name))

    def names(self, plural: str) -> list[str]:
        return sorted(name for kind, name in self._objects if kind == plural)

    # As the client has them

    def get(self, resource: Resource, name: str, kind: type[T], *, version: str | None = None) -> T:
        self._ask("get", resource.plural, name)
        with self._lock_of_store:
            return _as(self._existing(resource.plural, name), kind)

    def list(
        self, resource: Resource, kind: type[T], *, labels: str = "", fields: str = "", patient: bool = True
    ) -> Listing[T]:
        self._ask("list", resource.plural)
        with self._lock_of_store:
            every = [body for (plural, _), body in self._objects.items() if plural == resource.plural]
            found = [body for body in every if _selected(body, labels, fields)]
            return Listing(tuple(_as(body, kind) for body in found), str(self._version))

    def create(self, resource: Resource, body: Mapping[str, Any], kind: type[T]) -> T:
        name = body["metadata"]["name"]
        self._ask("create", resource.plural, name)
        with self._lock_of_store:
            if (resource.plural, name) in self._objects:
                raise AlreadyExists(f"{name} is there.")
            stored = copy.deepcopy(dict(body))
            if resource.plural in _STATUS_APART:
                stored.pop("status", None)
            return _as(self._store(resource.plural, stored), kind)

    def replace(
        self, resource: Resource, name: str, body: Mapping[str, Any], kind: type[T], *, sub: str = ""
    ) -> T:
        self._ask("update", _what(resource, sub), name)
        with self._lock_of_store:
            before = self._existing(resource.plural, name)
            _compare(before, body)
            after = copy.deepcopy(before)
            if sub:
                after["status"] = copy.deepcopy(body["status"])
            else:
                after |= {key: copy.deepcopy(value) for key, value in body.items() if key != "status"}
                after["metadata"] = {**before["metadata"], **after["metadata"]}
            return _as(self._store(resource.plural, after), kind)

    def patch(
        self, resource: Resource, name: str, body: Mapping[str, Any], kind: type[T], *, sub: str = ""
    ) -> T:
        self._ask("patch", _what(resource, sub), name)
        with self._lock_of_store:
            before = self._existing(resource.plural, name)
            _compare(before, body)
            return _as(self._store(resource.plural, _merged(before, body)), kind)

    def delete(
        self,
        resource: Resource,
        name: str,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: str = "Background",
    ) -> bool:
        self._ask("delete", resource.plural, name)
        with self._lock_of_store:
            found = self._objects.get((resource.plural, name))
            if found is None:
                return False
            if uid is not None and found["metadata"]["uid"] != uid:
                raise Conflict(f"{name} is another one.")
            self._remove(resource.plural, name)
            return True

    def version(self) -> str:
        return "v1.34.0"

    def close(self) -> None:
        """There is nothing to close."""

    def _ask(self, verb: str, what: str, name: str = "") -> None:
        waiting = self._hooks.get((verb, what))
        if waiting:
            waiting.pop(0)()
        self.asked.append((verb, what, name))
        if (verb, what) in self.refused:
            raise Forbidden(f"No right to {verb} {what}.", verb=verb, resource=what)

    def _existing(self, plural: str, name: str) -> dict[str, Any]:
        found = self._objects.get((plural, name))
        if found is None:
            raise NotFound(f"There is no {plural} {name}.")
        return found

    def _store(self, plural: str, body: dict[str, Any]) -> dict[str, Any]:
        meta = body.setdefault("metadata", {})
        before = self._objects.get((plural, meta["name"]))
        self._version += 1
        meta.setdefault("uid", str(uuid.uuid4()))
        meta.setdefault("creationTimestamp", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        changed = before is None or before.get("spec") != body.get("spec")
        meta["generation"] = meta.get("generation", 0) + changed
        meta["resourceVersion"] = str(self._version)
        self._objects[plural, meta["name"]] = body
        return body

    def _remove(self, plural: str, name: str) -> None:
        """With all that it owns."""
        uid = self._objects.pop((plural, name))["metadata"]["uid"]
        for kind, other in list(self._objects):
            body = self._objects.get((kind, other), {})
            owners = body.get("metadata", {}).get("ownerReferences", ())
            if any(owner["uid"] == uid for owner in owners):
                self._remove(kind, other)


def _as(body: dict[str, Any], kind: type[T]) -> T:
    return msgspec.json.decode(msgspec.json.encode(body), type=kind)


def _what(resource: Resource, sub: str) -> str:
    return f"{resource.plural}/{sub}" if sub else resource.plural


def _compare(before: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    wanted = body.get("metadata", {}).get("resourceVersion")
    if wanted is not None and wanted != before["metadata"]["resourceVersion"]:
        raise Conflict("It has changed.")


def _merged(before: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    after = dict(before) if isinstance(before, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = _merged(after.get(key), value)
    return after


def _selected(body: Mapping[str, Any], labels: str, fields: str) -> bool:
    meta = body["metadata"]
    wanted = [part.split("=", 1) for part in labels.split(",") if part]
    if any(meta.get("labels", {}).get(name) != value for name, value in wanted):
        return False
    for part in filter(None, fields.split(",")):
        path, _, value = part.partition("=")
        found: Any = body
        for step in path.split("."):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        if found != value:
            return False
    return True
