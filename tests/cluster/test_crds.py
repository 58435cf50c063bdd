"""Every field of hive's custom resources, held against the API server: what it takes and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from backends.clusters.kubernetes import access, camel
from backends.clusters.kubernetes.api import AGENT_RUNS, FLEETS, Api
from backends.clusters.kubernetes.errors import Invalid, Unreachable
from backends.clusters.kubernetes.objects import AgentRunSpec, AgentRunStatus, FleetSpec, FleetStatus
from tests.cluster import samples
from tests.cluster.kube import OUTAGE, Namespace
from tests.cluster.samples import Node
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("impolite")]

RESOURCES = {"AgentRun": AGENT_RUNS, "Fleet": FLEETS}
STRUCTS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    "AgentRun": (AgentRunSpec, AgentRunStatus),
    "Fleet": (FleetSpec, FleetStatus),
}

PLACES = [
    pytest.param(kind, node, id=f"{kind}.{node.name}")
    for kind in RESOURCES
    for part in ("spec", "status")
    for node in samples.nodes(kind, part)
]

RULED = {
    "spec.work.spec.id": "the object's name has to be the same",
    "status.slots": "slots are taken one at a time",
    "status.settled": "only a run that ended is settled",
}
"""Places whose values rules tie to others; `test_rules.py` has them."""


class Trial:
    """Sends what a client might, without leaving anything behind."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._stored = {}
        for kind, resource in RESOURCES.items():
            body = samples.named(samples.full(kind), "stored")
            self._stored[kind] = api.create(resource, samples.without(body, ("status",)), dict[str, Any])

    def __call__(self, kind: str, body: dict[str, Any], part: str) -> dict[str, Any]:
        """What the server would store of a new spec, or of a status. Raises Invalid."""
        group, version, plural, _ = RESOURCES[kind]
        path = f"/apis/{group}/{version}/namespaces/{self.api.namespace}/{plural}"
        if part == "spec":
            return self._send("POST", path, body)
        return self._send("PUT", f"{path}/stored/status", {**self._stored[kind], "status": body["status"]})

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        data = msgspec.json.encode(body)

        def ask() -> bytes | None:
            try:
                return self.api.call(method, path, query={"dryRun": "All"}, body=data)
            except Unreachable:
                return None  # other tests take the cluster down

        answer: dict[str, Any] = json.loads(until(ask, seconds=OUTAGE, what="an answer"))
        return answer


@pytest.fixture(scope="module")
def trial(shared_namespace: Namespace) -> Iterator[Trial]:
    api = access.connect(shared_namespace.settings())
    yield Trial(api)
    api.close()


@pytest.mark.parametrize(("kind", "node"), PLACES)
class TestEveryField:
    def test_takes_what_fits(self, trial: Trial, kind: str, node: Node) -> None:
        for value in () if node.name in RULED else samples.fitting(node):
            body = samples.beside(samples.put(samples.full(kind), node.path, value), node, value)
            stored = trial(kind, body, str(node.path[0]))
            assert samples.get(stored, node.path) == value

    def test_refuses_what_does_not(self, trial: Trial, kind: str, node: Node) -> None:
        for value in samples.unfit(node):
            body = samples.put(samples.full(kind), node.path, value)
            with pytest.raises(Invalid) as caught:
                trial(kind, body, str(node.path[0]))
            # Rules write `[claude]` where schemas write `.claude`.
            assert node.name in re.sub(r"\[([\w-]+)\]", r".\1", caught.value.message), repr(value)[:80]

    def test_asks_for_what_is_required_and_drops_what_is_unknown(
        self, trial: Trial, kind: str, node: Node
    ) -> None:
        part, full = str(node.path[0]), samples.full(kind)
        for name in node.schema.get("required", ()):
            for missing in (
                samples.without(full, (*node.path, name)),
                samples.put(full, (*node.path, name), None),
            ):
                with pytest.raises(Invalid, match=r"(Required|Invalid) value"):
                    trial(kind, missing, part)
        if "properties" in node.schema:
            stored = trial(kind, samples.put(full, (*node.path, "unheardOf"), 1), part)
            assert samples.get(stored, node.path) == samples.get(full, node.path)


@pytest.mark.parametrize("kind", list(RESOURCES))
class TestWholeObjects:
    def test_with_every_field_comes_back_as_the_same_structs(self, trial: Trial, kind: str) -> None:
        full = samples.full(kind)
        for part, struct in zip(("spec", "status"), STRUCTS[kind], strict=True):
            stored = trial(kind, full, part)[part]
            read = camel.decode(json.dumps(stored).encode(), struct)
            assert camel.to_camel(read) == stored == full[part]

    def test_with_nothing_but_what_is_required_comes_back_too(self, trial: Trial, kind: str) -> None:
        body = samples.least(kind)
        for part, struct in zip(("spec", "status"), STRUCTS[kind], strict=True):
            stored = trial(kind, body, part)[part]
            assert stored == body[part]
            written = camel.to_camel(camel.decode(json.dumps(stored).encode(), struct))
            again = trial(kind, {**body, part: written}, part)[part]
            assert again == written

    def test_without_a_spec_is_refused(self, trial: Trial, kind: str) -> None:
        with pytest.raises(Invalid, match="spec"):
            trial(kind, samples.without(samples.full(kind), ("spec",)), "spec")


def test_a_status_is_not_taken_with_a_new_object(trial: Trial) -> None:
    assert "status" not in trial("AgentRun", samples.full("AgentRun"), "spec")
