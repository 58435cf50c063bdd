"""What the cluster itself refuses of hive's objects, whoever asks: one write that is allowed, and one that is
not, for every rule."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from backends.clusters.kubernetes import access, rules
from backends.clusters.kubernetes.api import AGENT_RUNS, FLEETS, Api, Resource
from backends.clusters.kubernetes.errors import Invalid
from hive_tui.core.model import Phase
from tests.cluster import samples
from tests.cluster.kube import Namespace

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("impolite")]

Body = dict[str, Any]

AT = "2026-11-21T20:00:00Z"
FINAL = [phase.value for phase in Phase if phase.final]
AT_WORK = [phase.value for phase in Phase if not phase.final]
POD, OTHER = {"name": "r-1", "uid": "u1"}, {"name": "r-2", "uid": "u2"}


@pytest.fixture(scope="module")
def api(shared_namespace: Namespace) -> Iterator[Api]:
    api = access.connect(shared_namespace.settings())
    yield api
    api.close()


class Stored:
    """An object in the cluster, changed as a client would."""

    def __init__(self, api: Api, resource: Resource, body: Body) -> None:
        self.api, self.resource, self.name = api, resource, body["metadata"]["name"]
        api.create(resource, body, dict[str, Any])

    def write(self, part: str, value: Body, *, sub: str = "") -> Body:
        body = {**self.api.get(self.resource, self.name, dict[str, Any]), part: value}
        written: Body = self.api.replace(self.resource, self.name, body, dict[str, Any], sub=sub)[part]
        return written

    def spec(self, **changes: Any) -> Body:
        return self.write("spec", {**self.now()["spec"], **changes})

    def status(self, status: Body) -> Body:
        return self.write("status", status, sub="status")

    def refuses_to_lose_its_status(self) -> None:
        body = samples.without(self.now(), ("status",))
        with pytest.raises(Invalid, match="a status is never taken away"):
            self.api.replace(self.resource, self.name, body, dict[str, Any], sub="status")

    def now(self) -> Body:
        return self.api.get(self.resource, self.name, dict[str, Any])


@pytest.fixture
def run(api: Api) -> Stored:
    name = f"app-{uuid.uuid4().hex[:8]}-i1-a1"
    return Stored(api, AGENT_RUNS, samples.named(samples.least("AgentRun"), name))


@pytest.fixture
def fleet(api: Api) -> Stored:
    return Stored(api, FLEETS, samples.named(samples.least("Fleet"), f"f-{uuid.uuid4().hex[:8]}"))


def order(seq: int, text: str = "", kind: str = "message", person: str = "ann") -> Body:
    return {"seq": seq, "kind": kind, "actor": {"kind": "person", "name": person}, "at": AT, "text": text}


class TestNames:
    def test_a_run_is_called_as_its_work_order_says(self, api: Api) -> None:
        body = samples.put(samples.least("AgentRun"), ("metadata", "name"), "another")
        with pytest.raises(Invalid, match=r"metadata\.name is the run's id"):
            api.create(AGENT_RUNS, body, dict[str, Any])

    @pytest.mark.parametrize("name", ["a.b", "x" * 41])
    def test_a_fleet_has_a_name_of_which_others_can_be_made(self, api: Api, name: str) -> None:
        with pytest.raises(Invalid, match=r"metadata\.name is a fleet's"):
            api.create(FLEETS, samples.named(samples.least("Fleet"), name), dict[str, Any])


class TestWorkOrder:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("title",), "Another"),
            (("spec", "attempt"), 7),
            (("repo", "source"), "https://evil.example"),
            (("agent", "command"), "/bin/sh"),
            (("body",), ""),
        ],
    )
    def test_it_is_never_changed(self, run: Stored, path: samples.Path, value: Any) -> None:
        work = run.now()["spec"]["work"]
        with pytest.raises(Invalid, match="a work order is never changed"):
            run.spec(work=samples.put(work, path, value))
        assert run.spec(work=work)["work"] == work

    def test_it_is_not_taken_away(self, run: Stored) -> None:
        with pytest.raises(Invalid, match=r"spec\.work: Required"):
            run.write("spec", {})


class TestOrders:
    def test_they_are_appended(self, run: Stored) -> None:
        first = [order(1, "hello"), order(5, "there")]
        assert run.spec(control=first)["control"] == first
        more = [*first, order(6, kind="stop")]
        assert run.spec(control=more)["control"] == more
        assert run.spec(control=more)["control"] == more

    @pytest.mark.parametrize(
        ("orders", "words"),
        [
            ([order(1, "hello")], "only appended"),
            ([order(2, "there")], "only appended"),
            ([], "only appended"),
            ([order(1, "other"), order(2, "there")], "never changed"),
            ([order(1, "hello", person="bob"), order(2, "there")], "never changed"),
            ([order(2, "there"), order(1, "hello")], "only appended"),
            ([order(1, "hello"), order(2, "there"), order(2, "twice")], "Duplicate value"),
        ],
        ids=["last lost", "first lost", "all lost", "changed", "another's", "turned round", "twice"],
    )
    def test_they_are_neither_lost_nor_changed(self, run: Stored, orders: list[Body], words: str) -> None:
        run.spec(control=[order(1, "hello"), order(2, "there")])
        with pytest.raises(Invalid, match=words):
            run.spec(control=orders)

    def test_none_is_put_before_another(self, run: Stored) -> None:
        run.spec(control=[order(2), order(4)])
        for seq in (1, 3):
            orders = sorted([order(seq), order(2), order(4)], key=lambda each: int(each["seq"]))
            with pytest.raises(Invalid, match="only appended"):
                run.spec(control=orders)

    def test_they_stand_in_the_order_of_their_numbers(self, run: Stored) -> None:
        with pytest.raises(Invalid, match="order of their numbers"):
            run.spec(control=[order(2), order(1)])

    def test_they_are_not_taken_away_as_a_whole(self, run: Stored) -> None:
        run.spec(control=[order(1)])
        with pytest.raises(Invalid, match="only appended"):
            run.write("spec", {"work": run.now()["spec"]["work"]})

    def test_somebody_gives_them(self, run: Stored) -> None:
        with pytest.raises(Invalid, match="has their login"):
            run.spec(control=[order(1, person="")])
        with pytest.raises(Invalid, match="actor: Required"):
            run.spec(control=[samples.without(order(1), ("actor",))])
        dispatcher = {**order(1), "actor": {"kind": "dispatcher", "name": ""}}
        assert run.spec(control=[dispatcher])["control"] == [dispatcher]

    def test_there_is_always_room_for_the_order_to_stop(self, run: Stored) -> None:
        messages = [order(seq) for seq in range(1, rules.MAX_MESSAGES + 2)]
        with pytest.raises(Invalid, match="400 messages"):
            run.spec(control=messages)
        run.spec(control=messages[:-1])
        with pytest.raises(Invalid, match="400 messages"):
            run.spec(control=messages)
        stop = order(rules.MAX_MESSAGES + 1, kind="stop")
        assert run.spec(control=[*messages[:-1], stop])["control"][-1] == stop

    def test_they_say_no_more_than_can_be_stored(self, run: Stored) -> None:
        long = [order(seq, "x" * 16_384) for seq in range(1, 10)]
        with pytest.raises(Invalid, match="131,072 characters together"):
            run.spec(control=long)
        run.spec(control=long[:-1])
        run.spec(control=[*long[:-1], order(9, kind="stop")])


class TestPhases:
    @pytest.mark.parametrize("final", FINAL)
    def test_a_final_one_stays(self, run: Stored, final: str) -> None:
        run.status({"phase": "working"})
        ended = {"phase": final, "endedAt": AT}
        run.status(ended)
        for phase in Phase:
            if phase.value != final:
                with pytest.raises(Invalid, match="the run has ended"):
                    run.status({**ended, "phase": phase.value})
        assert run.status({**ended, "settled": True, "why": "words"})["settled"]

    def test_all_others_may_follow_each_other(self, run: Stored) -> None:
        for phase in (*AT_WORK, *reversed(AT_WORK)):
            assert run.status({"phase": phase})["phase"] == phase

    @pytest.mark.parametrize("final", FINAL)
    def test_what_ended_says_when(self, run: Stored, final: str) -> None:
        with pytest.raises(Invalid, match="has endedAt"):
            run.status({"phase": final})

    def test_a_status_is_not_taken_away(self, run: Stored) -> None:
        run.status({"phase": "working"})
        run.refuses_to_lose_its_status()
        with pytest.raises(Invalid, match="phase: Required"):
            run.status({})


class TestRegistration:
    @pytest.mark.parametrize("before", [{}, {"pod": POD}], ids=["first", "next"])
    @pytest.mark.parametrize(
        "phase",
        [{"phase": "queued"}, {"phase": "waiting", "agentProblem": "quota"}],
        ids=["queued", "parked"],
    )
    def test_a_pod_registers_while_nothing_runs(self, run: Stored, phase: Body, before: Body) -> None:
        run.status({**phase, **before})
        assert run.status({"phase": "starting", "pod": OTHER})["pod"] == OTHER

    def test_a_pod_registers_before_anybody_has_said_anything(self, run: Stored) -> None:
        assert run.status({"phase": "starting", "pod": POD})["pod"] == POD

    @pytest.mark.parametrize("phase", [each for each in AT_WORK if each != "queued"])
    @pytest.mark.parametrize("pod", [OTHER, {**POD, "uid": "u2"}, {**POD, "name": "r-2"}, None])
    def test_no_second_one_does_while_one_is_at_work(self, run: Stored, phase: str, pod: Body | None) -> None:
        run.status({"phase": phase, "pod": POD})
        with pytest.raises(Invalid, match="another pod is this run"):
            run.status({"phase": phase, **({} if pod is None else {"pod": pod})})
        assert run.status({"phase": "finishing", "pod": POD})["pod"] == POD

    @pytest.mark.parametrize("final", FINAL)
    def test_none_does_when_it_has_ended(self, run: Stored, final: str) -> None:
        run.status({"phase": final, "endedAt": AT})
        with pytest.raises(Invalid, match="another pod is this run"):
            run.status({"phase": final, "endedAt": AT, "pod": POD})

    def test_starts_are_only_counted_up(self, run: Stored) -> None:
        run.status({"phase": "queued", "starts": 2})
        for fewer in ({"starts": 1}, {}):
            with pytest.raises(Invalid, match="starts never decreases"):
                run.status({"phase": "queued", **fewer})
        assert run.status({"phase": "queued", "starts": 3})["starts"] == 3


class TestSettling:
    @pytest.mark.parametrize("phase", AT_WORK)
    def test_only_what_ended_is_settled(self, run: Stored, phase: str) -> None:
        with pytest.raises(Invalid, match="only a run that ended can be settled"):
            run.status({"phase": phase, "settled": True})

    def test_it_stays_so(self, run: Stored) -> None:
        ended = {"phase": "failed", "endedAt": AT}
        run.status({**ended, "settled": False})
        run.status({**ended, "settled": True})
        for back in ({"settled": False}, {}):
            with pytest.raises(Invalid, match="a run that is settled stays so"):
                run.status({**ended, **back})


class TestConditions:
    def test_there_is_one_of_each_type(self, run: Stored) -> None:
        one = {"type": "Finished", "status": "True", "lastTransitionTime": AT, "reason": "Ended"}
        with pytest.raises(Invalid, match="Duplicate value"):
            run.status({"phase": "working", "conditions": [one, {**one, "status": "False"}]})
        run.status({"phase": "working", "conditions": [one]})


class TestSlots:
    def test_a_run_has_one(self, fleet: Stored) -> None:
        fleet.status({"slots": {"claude-a": "r1"}})
        with pytest.raises(Invalid, match="a run has one"):
            fleet.status({"slots": {"claude-a": "r1", "claude-b": "r1"}})
        assert fleet.status({"slots": {"claude-b": "r1"}})["slots"] == {"claude-b": "r1"}

    def test_they_are_taken_one_at_a_time(self, fleet: Stored) -> None:
        with pytest.raises(Invalid, match="one at a time"):
            fleet.status({"slots": {"a": "r1", "b": "r2"}})
        fleet.status({"slots": {"a": "r1"}})
        fleet.status({"slots": {"a": "r1", "b": "r2"}})
        with pytest.raises(Invalid, match="one at a time"):
            fleet.status({"slots": {"a": "r2", "b": "r1"}})
        assert fleet.status({"slots": {}}) == {"slots": {}}

    def test_they_are_not_taken_away_with_the_whole_status(self, fleet: Stored) -> None:
        fleet.status({"slots": {"a": "r1"}})
        fleet.refuses_to_lose_its_status()

    def test_hundreds_of_them_cost_no_more_than_a_server_allows(self, fleet: Stored) -> None:
        slots = {f"w-{number}": f"run-{number}" for number in range(300)}
        for worker, run in slots.items():
            fleet.api.patch(FLEETS, fleet.name, {"status": {"slots": {worker: run}}}, object, sub="status")
        with pytest.raises(Invalid, match="a run has one"):
            fleet.status({"slots": {**slots, "w-7": "run-8"}})
        assert fleet.status({"slots": {**slots, "w-7": "run-7b"}})["slots"]["w-7"] == "run-7b"

    @pytest.mark.parametrize("name", ["-a", "A", "a b", "x" * 41, ""])
    def test_worker_names_are_names(self, fleet: Stored, name: str) -> None:
        with pytest.raises(Invalid, match="each name is a worker's"):
            fleet.status({"slots": {name: "r1"}})


@pytest.mark.parametrize("name", ["-a", "A", "a b", "a_b", "x" * 21, ""])
@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("spec", "agents", {}), ("spec", "workers", {}), ("status", "quotas", {"state": "ok"})],
)
def test_agents_have_agents_names(fleet: Stored, part: str, field: str, value: Body, name: str) -> None:
    write = fleet.status if part == "status" else lambda changed: fleet.spec(**changed)
    with pytest.raises(Invalid, match="each name is an agent's"):
        write({field: {name: value}})


@pytest.mark.parametrize(
    ("toleration", "words"),
    [
        ({"value": "v"}, "every taint has the operator Exists"),
        ({"operator": "Equal"}, "every taint has the operator Exists"),
        ({"key": "k", "operator": "Exists", "value": "v"}, "Exists has no value"),
        ({"key": "k", "tolerationSeconds": 5}, "needs the effect NoExecute"),
        ({"key": "k", "effect": "NoSchedule", "tolerationSeconds": 5}, "needs the effect NoExecute"),
    ],
)
def test_a_toleration_is_one_that_pods_can_have(fleet: Stored, toleration: Body, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        fleet.spec(worker={"tolerations": [toleration]})
    fleet.spec(worker={"tolerations": [{"operator": "Exists"}, {"key": "k"}]})
