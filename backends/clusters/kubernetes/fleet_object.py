"""The Fleet object: switches, slots and what tells one fleet from another.

Its spec is what people switch, its status what the dispatcher found and took. Only the fields that are
meant are changed, so that a newer hive's stay. Slots are swapped by resourceVersion, which a change of the
spec moves, too: no slot is taken of a fleet that was paused meanwhile.
"""

from __future__ import annotations

from typing import Any

import msgspec

from backends.clusters.kubernetes import camel, schema
from backends.clusters.kubernetes.api import FLEETS, Api
from backends.clusters.kubernetes.errors import AlreadyExists, NotFound
from backends.clusters.kubernetes.objects import (
    API_VERSION,
    FLEET_LABEL,
    AgentSwitch,
    FleetObject,
    FleetSpec,
    FleetStatus,
    slot_of,
)
from backends.clusters.kubernetes.swap import until_won
from hive_tui.core import spend
from hive_tui.core.cluster_facts import ClusterFacts, Denied
from hive_tui.core.errors import NoSlot, UsageError, unknown
from hive_tui.core.ids import AgentName, RunId, WorkerName
from hive_tui.core.model import AgentState, Budget, Dispatcher, Fleet, Paused, Quota, Slot
from hive_tui.core.ports import BackendContext


class FleetRecord(msgspec.Struct, frozen=True):
    """A Fleet object, or what it would be if somebody wrote it."""

    spec: FleetSpec
    status: FleetStatus = FleetStatus()
    uid: str = ""
    """Empty while there is none."""
    version: str = ""


def initial(context: BackendContext) -> FleetRecord:
    """What the configuration says before anybody switched anything."""
    settings = context.settings
    budget = spend.limits(settings.budget)
    return FleetRecord(FleetSpec(settings.slots, budget=budget, worker=settings.kubernetes.worker))


def of(found: FleetObject) -> FleetRecord:
    meta = found.metadata
    return FleetRecord(
        camel.decode(found.spec, FleetSpec),
        camel.decode(found.status, FleetStatus),
        meta.uid,
        meta.resource_version,
    )


def read(api: Api, context: BackendContext) -> FleetRecord:
    """The fleet as it is; one that was never written is as the configuration says."""
    try:
        return of(api.get(FLEETS, context.fleet, FleetObject))
    except NotFound:
        return initial(context)


def made(api: Api, context: BackendContext) -> FleetRecord:
    """The fleet's object, which is made now if there is none: from here on its own numbers count, not the
    configuration's."""
    found = read(api, context)
    if found.uid:
        return found
    body = {
        "apiVersion": API_VERSION,
        "kind": "Fleet",
        "metadata": {"name": context.fleet, "labels": {FLEET_LABEL: context.fleet}},
        "spec": schema.clipped(found.spec),
    }
    try:
        return of(api.create(FLEETS, body, FleetObject))
    except AlreadyExists:
        return of(api.get(FLEETS, context.fleet, FleetObject))


def identity(api: Api, context: BackendContext) -> str:
    """Sixteen digits of the uid that the cluster gave the fleet."""
    return made(api, context).uid.replace("-", "").lower()[:16]


def item(
    context: BackendContext,
    record: FleetRecord,
    dispatcher: Dispatcher,
    facts: ClusterFacts | None = None,
    denied: tuple[Denied, ...] = (),
) -> Fleet:
    """The fleet as people see it: every agent of the configuration and no other."""
    spec, status, settings = record.spec, record.status, context.settings
    agents = tuple(
        AgentState(
            agent.name,
            spec.agents.get(agent.name, AgentSwitch()).enabled,
            status.quotas.get(agent.name, Quota()),
        )
        for agent in settings.agents
    )
    slots = tuple(Slot(WorkerName(worker), RunId(run)) for worker, run in sorted(status.slots.items()))
    return Fleet(
        name=context.fleet,
        cluster=settings.cluster,
        forge=settings.forge,
        slots=spec.slots,
        slots_used=slots,
        paused=spec.paused,
        agents=agents,
        budget=spec.budget,
        dispatcher=dispatcher,
        facts=facts,
        denied=denied,
    )


# Switches


def set_paused(api: Api, context: BackendContext, paused: Paused | None) -> None:
    _switch(api, context, {"paused": None if paused is None else _whole(paused)})


def set_slots(api: Api, context: BackendContext, slots: int) -> None:
    if not 0 <= slots <= schema.MAX_SLOTS:
        raise UsageError(
            f"A fleet cannot have {slots} slots.", f"Give a number from 0 to {schema.MAX_SLOTS}."
        )
    _switch(api, context, {"slots": slots})


def set_budget(api: Api, context: BackendContext, budget: Budget) -> None:
    _switch(api, context, {"budget": _whole(budget)})


def set_agent_enabled(api: Api, context: BackendContext, agent: AgentName, enabled: bool) -> None:
    _look_up(context, agent)
    _switch(api, context, {"agents": {agent: {"enabled": enabled}}})


def set_quota(api: Api, context: BackendContext, agent: AgentName, quota: Quota) -> None:
    _look_up(context, agent)
    made(api, context)
    _patch(api, context, {"status": {"quotas": {agent: _whole(quota)}}}, sub="status")


# Slots


def take_slot(api: Api, context: BackendContext, worker: WorkerName, run: RunId) -> None:
    """Enter `run` into a free slot. Raises NoSlot."""

    def attempt() -> None:
        record = made(api, context)
        spec, slots = record.spec, record.status.slots
        if slot_of(slots, run) is not None:
            return
        if spec.paused is not None:
            raise NoSlot(f"The fleet is paused by {spec.paused.by}.", "`hive resume` lets it go on.")
        if len(slots) >= spec.slots:
            raise NoSlot(
                f"All {spec.slots} slots are used.", "Wait for a run to end, or `hive slots +1` adds one."
            )
        if worker in slots:
            raise NoSlot(f"The worker name {worker} is taken.", "Use the next free name.")
        _swap_slot(api, context, record, worker, run)

    until_won(attempt)


def release_slot(api: Api, context: BackendContext, run: RunId) -> None:
    """Take `run` out of its slot, if it has one."""

    def attempt() -> None:
        record = read(api, context)
        worker = slot_of(record.status.slots, run)
        if worker is not None:
            _swap_slot(api, context, record, worker, None)

    until_won(attempt)


def _swap_slot(
    api: Api, context: BackendContext, record: FleetRecord, worker: WorkerName, run: RunId | None
) -> None:
    meta = {"resourceVersion": record.version}
    _patch(api, context, {"metadata": meta, "status": {"slots": {worker: run}}}, sub="status")


def _switch(api: Api, context: BackendContext, spec: dict[str, Any]) -> None:
    made(api, context)
    _patch(api, context, {"spec": spec})


def _patch(api: Api, context: BackendContext, body: dict[str, Any], *, sub: str = "") -> None:
    api.patch(FLEETS, context.fleet, body, FleetObject, sub=sub)


def _whole(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as a merge patch that leaves nothing behind of what was there before."""
    names: dict[str, Any] = dict.fromkeys(
        field.encode_name for field in msgspec.structs.fields(camel.mirrored(type(value)))
    )
    names.update(schema.clipped(value))
    return names


def _look_up(context: BackendContext, name: AgentName) -> None:
    """Raises UsageError for an agent that the fleet does not have."""
    if context.settings.agent(name) is None:
        raise unknown("agent", name, (agent.name for agent in context.settings.agents))
