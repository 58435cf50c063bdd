"""Claims: a Lease for each issue, whose annotation holds the Claim and whose resourceVersion is the fence.

A claim and its run are two objects, and no step writes both. So whoever records a run moves the claim's Lease
after that (`seal`): an abandonment that looked for the run before it was there then loses its swap, and one
that came first is seen by the seal, which has the run taken back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from backends import typed
from backends.clusters.kubernetes import camel
from backends.clusters.kubernetes.api import AGENT_RUNS, LEASES, Api
from backends.clusters.kubernetes.errors import AlreadyExists, NotFound
from backends.clusters.kubernetes.objects import (
    CLAIM_ANNOTATION,
    FLEET_LABEL,
    AgentRunObject,
    AgentRunStatus,
    LeaseObject,
    claim_name,
)
from backends.clusters.kubernetes.swap import until_won
from hive_tui.core.errors import ClaimLost
from hive_tui.core.ids import IssueKey, RunId
from hive_tui.core.model import Claim


def of(lease: LeaseObject) -> Claim | None:
    """The claim that a Lease is; None where it is none, or what somebody made of it cannot be read."""
    text = lease.metadata.annotations.get(CLAIM_ANNOTATION)
    if text is None:
        return None
    try:
        return typed.decode(text, Claim)
    except msgspec.DecodeError:
        return None


def get_claim(api: Api, fleet: str, key: IssueKey) -> Claim | None:
    lease = _find(api, fleet, key)
    return None if lease is None else of(lease)


def put_claim(api: Api, fleet: str, claim: Claim, *, expected: int | None) -> Claim:
    """Write the claim if the stored version is `expected` and no run at work loses it. Raises ClaimLost."""

    def attempt() -> Claim:
        lease = _find(api, fleet, claim.key)
        stored = None if lease is None else of(lease)
        found = None if stored is None else stored.version
        if found != expected:
            raise ClaimLost(
                f"The claim on {claim.key} has changed (version {found}, not {expected}).",
                "Somebody else acted on it; look again.",
            )
        if stored is not None and stored.run is not None and claim.run != stored.run:
            _look_at_run(api, fleet, stored.run, claim.key)
        written = msgspec.structs.replace(claim, version=(expected or 0) + 1)
        if lease is not None:
            _write(api, fleet, written, lease)
            return written
        try:
            _write(api, fleet, written, None)
        except AlreadyExists:
            raise ClaimLost(
                f"The claim on {claim.key} was taken just now.", "Somebody else acted on it; look again."
            ) from None
        return written

    return until_won(attempt)


def abandon_claim(api: Api, fleet: str, claim: Claim) -> None:
    """Free a claim whose run does not exist. Raises ClaimLost."""

    def attempt() -> None:
        lease = _find(api, fleet, claim.key)
        stored = None if lease is None else of(lease)
        if lease is None or stored is None or stored.version != claim.version:
            raise ClaimLost(
                f"The claim on {claim.key} has changed.", "Somebody else acted on it; look again."
            )
        if claim.run is not None and find_run(api, fleet, claim.run) is not None:
            raise ClaimLost(
                f"Run {claim.run} holds the claim on {claim.key}.", "It exists by now; look again."
            )
        free = msgspec.structs.replace(
            claim, run=None, forgiven=claim.forgiven + 1, version=claim.version + 1
        )
        _write(api, fleet, free, lease)

    until_won(attempt)


def seal(api: Api, fleet: str, key: IssueKey, run: RunId) -> None:
    """Move the Lease of the claim that `run` holds, without changing the claim. Raises ClaimLost when the
    claim names another run, or none."""

    def attempt() -> None:
        lease = _find(api, fleet, key)
        claim = None if lease is None else of(lease)
        if lease is None or claim is None or claim.run != run:
            holder = "nobody" if claim is None or claim.run is None else claim.run
            raise ClaimLost(
                f"The claim on {key} is held by {holder}, not by {run}.",
                "Somebody else acted on it; look again.",
            )
        _write(api, fleet, claim, lease)

    until_won(attempt)


def check_holder(api: Api, fleet: str, key: IssueKey, run: RunId) -> None:
    """Raises ClaimLost unless the claim names `run`."""
    claim = get_claim(api, fleet, key)
    if claim is None or claim.run != run:
        holder = "nobody" if claim is None or claim.run is None else claim.run
        raise ClaimLost(
            f"The claim on {key} is held by {holder}, not by {run}.",
            "Somebody else acted on it; look again.",
        )


def find_run(api: Api, fleet: str, run: RunId) -> AgentRunObject | None:
    """The fleet's own AgentRun of that name; another fleet's of the same name is none of its."""
    try:
        found = api.get(AGENT_RUNS, run, AgentRunObject)
    except NotFound:
        return None
    return found if found.metadata.labels.get(FLEET_LABEL) == fleet else None


def micro_time(moment: datetime) -> str:
    """As Leases write their times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _find(api: Api, fleet: str, key: IssueKey) -> LeaseObject | None:
    try:
        return api.get(LEASES, claim_name(fleet, key), LeaseObject)
    except NotFound:
        return None


def _look_at_run(api: Api, fleet: str, run: RunId, key: IssueKey) -> None:
    """Raises ClaimLost while a run is at work, which would lose its claim."""
    found = find_run(api, fleet, run)
    if found is not None and not camel.decode(found.status, AgentRunStatus).phase.final:
        raise ClaimLost(f"Run {run} holds the claim on {key}.", "End it first: `hive kill`.")


def _write(api: Api, fleet: str, claim: Claim, lease: LeaseObject | None) -> None:
    """A Lease as people know it: held by the run, moved to another one as often as there were attempts."""
    spec: dict[str, Any] = {"leaseTransitions": claim.attempt, "renewTime": micro_time(datetime.now(UTC))}
    if claim.run is not None:
        spec["holderIdentity"] = claim.run
    written = {CLAIM_ANNOTATION: msgspec.json.encode(claim).decode()}
    write_lease(api, fleet, claim_name(fleet, claim.key), spec, written, lease)


def write_lease(
    api: Api,
    fleet: str,
    name: str,
    spec: dict[str, Any],
    annotations: dict[str, str],
    lease: LeaseObject | None,
) -> None:
    """Make a Lease, or swap it for the one that was read. Raises AlreadyExists and Conflict."""
    meta: dict[str, Any] = {"name": name, "labels": {FLEET_LABEL: fleet}, "annotations": annotations}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
    if lease is None:
        api.create(LEASES, body, LeaseObject)
        return
    known = lease.metadata
    meta |= {
        "resourceVersion": known.resource_version,
        "labels": {**known.labels, **meta["labels"]},
        "annotations": {**known.annotations, **annotations},
    }
    api.replace(LEASES, name, body, LeaseObject)
