"""The right to dispatch: a Lease that is renewed while its holder lives, as all controllers have one."""

from __future__ import annotations

import contextlib
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from backends import typed
from backends.clusters.kubernetes.api import LEASES, Api
from backends.clusters.kubernetes.claims import micro_time, write_lease
from backends.clusters.kubernetes.errors import AlreadyExists, Conflict, Forbidden, NotFound
from backends.clusters.kubernetes.objects import (
    DISPATCHER_ANNOTATION,
    LeaseObject,
    dispatcher_name,
)
from backends.clusters.kubernetes.swap import until_won
from hive_tui.core.errors import Refused, SourceError
from hive_tui.core.model import Dispatcher, DispatcherState
from hive_tui.core.text import clean_line, clock
from hive_tui.system import processes
from hive_tui.system.processes import ProcessId

LASTS = timedelta(seconds=15)
"""Without a renewal for so long, another dispatcher may take over."""

RENEWED = timedelta(seconds=4)
"""A beat that comes earlier, and has nothing new to say, is not worth a call."""


class Holder(msgspec.Struct, frozen=True):
    """Who dispatches, as the Lease's annotation says it."""

    pid: int
    host: str
    since: datetime
    version: str
    last_decision_at: datetime | None = None
    process: ProcessId | None = None
    space: str | None = None
    """Where its process can be told from others: one that died there needs no time to be given up."""
    held: str | None = None

    @property
    def identity(self) -> str:
        return f"{self.pid}@{self.host}"


def holder_of(lease: LeaseObject) -> Holder | None:
    """Who holds it, or held it last."""
    try:
        return typed.decode(lease.metadata.annotations.get(DISPATCHER_ANNOTATION, ""), Holder)
    except msgspec.DecodeError:
        return None


def expires(lease: LeaseObject) -> datetime | None:
    """When it may be taken over; None while nobody holds it."""
    if not lease.spec.holder_identity or lease.spec.renew_time is None:
        return None
    seconds = lease.spec.lease_duration_seconds
    return lease.spec.renew_time + (LASTS if seconds is None else timedelta(seconds=seconds))


def dispatcher(lease: LeaseObject | None, now: datetime) -> Dispatcher:
    """Who dispatches, as people see it."""
    if lease is None:
        return Dispatcher(DispatcherState.STOPPED)
    end = expires(lease)
    if end is None:
        state = DispatcherState.STOPPED
    else:
        state = DispatcherState.RUNNING if now < end else DispatcherState.DEAD
    who = holder_of(lease)
    if who is None:
        return Dispatcher(state)
    host, version = clean_line(who.host, limit=100), clean_line(who.version, limit=50)
    held = clean_line(who.held, limit=500) if who.held and state is DispatcherState.RUNNING else None
    return Dispatcher(state, who.pid, who.since, who.last_decision_at, version, host, held)


def died(holder: Holder) -> bool:
    """Whether a dispatcher is known to be dead, since it was a process that would be seen from here."""
    process = holder.process
    if process is None or process.boot != processes.boot_id() or holder.space != _space():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, which may be hidden from us otherwise
    return not processes.alive(process)


def _space() -> str:
    """The pid namespace: containers of one machine have the same pids for different processes."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return socket.gethostname()


class KubernetesDispatchLease:
    """Held until `release`, or until it was not renewed for LASTS."""

    def __init__(self, api: Api, fleet: str, version: str) -> None:
        """Raises Refused naming the dispatcher that runs."""
        self._api = api
        self._fleet = fleet
        self._name = dispatcher_name(fleet)
        now = datetime.now(UTC)
        host, me = socket.gethostname()[:200], processes.identify()
        self._me = Holder(os.getpid(), host, now, version, process=me, space=_space())
        self._renewed = now
        self._held = True
        until_won(self._take)

    def beat(self, *, decided_at: datetime | None = None, held: str | None = None) -> None:
        """Say that decisions are made, or why nothing is started.

        Raises Refused when the Lease is another's by now, SourceError while that cannot be found out."""
        if not self._held:
            raise self._lost(None)
        decided_at = decided_at or self._me.last_decision_at
        news = (decided_at, held) != (self._me.last_decision_at, self._me.held)
        early = timedelta(0) <= datetime.now(UTC) - self._renewed < RENEWED
        if early and not news:
            return
        if news:
            self._me = msgspec.structs.replace(self._me, last_decision_at=decided_at, held=held)
        try:
            until_won(self._renew)
        except Forbidden as error:
            # Somebody took the right away and may give it back; who has none can start nothing either.
            raise SourceError(error.message, error.hint) from error

    def release(self) -> None:
        """Leave and say so; what cannot be said now is seen when the Lease expires."""
        if not self._held:
            return
        self._held = False

        def leave() -> None:
            lease = self._read()
            if lease is not None and self._is_mine(lease):
                self._write({}, lease)

        with contextlib.suppress(SourceError, Forbidden):
            until_won(leave)

    def _take(self) -> None:
        lease = self._read()
        if lease is None:
            self._create()
            return
        end = expires(lease)
        holder = holder_of(lease)
        dead = holder is not None and died(holder)
        if end is not None and datetime.now(UTC) < end and not dead:
            raise self._taken(lease)
        self._write(self._spec(now := datetime.now(UTC), acquired=now), lease)

    def _renew(self) -> None:
        lease = self._read()
        if lease is None:
            # Somebody deleted it. Whoever makes it first has it.
            self._create()
        elif self._is_mine(lease):
            self._write(self._spec(datetime.now(UTC), acquired=lease.spec.acquire_time), lease)
        else:
            raise self._lost(lease)

    def _read(self) -> LeaseObject | None:
        try:
            return self._api.get(LEASES, self._name, LeaseObject)
        except NotFound:
            return None

    def _create(self) -> None:
        try:
            self._write(self._spec(now := datetime.now(UTC), acquired=now), None)
        except AlreadyExists as error:
            raise Conflict(error.message) from None

    def _write(self, spec: dict[str, Any], lease: LeaseObject | None) -> None:
        words = {DISPATCHER_ANNOTATION: msgspec.json.encode(self._me).decode()}
        write_lease(self._api, self._fleet, self._name, spec, words, lease)

    def _spec(self, now: datetime, *, acquired: datetime | None) -> dict[str, Any]:
        self._renewed = now
        spec: dict[str, Any] = {
            "holderIdentity": self._me.identity,
            "leaseDurationSeconds": int(LASTS.total_seconds()),
            "renewTime": micro_time(now),
        }
        return spec if acquired is None else {**spec, "acquireTime": micro_time(acquired)}

    def _is_mine(self, lease: LeaseObject) -> bool:
        holder = holder_of(lease)
        same = holder is not None and holder.since == self._me.since
        return same and lease.spec.holder_identity == self._me.identity

    def _taken(self, lease: LeaseObject) -> Refused:
        holder = holder_of(lease)
        who = f": {_named(holder)}, since {clock(holder.since)}" if holder is not None else ""
        return Refused(
            f"Another dispatcher runs{who}.", "`hive dispatcher status` shows it; stop it where it runs."
        )

    def _lost(self, lease: LeaseObject | None) -> Refused:
        holder = None if lease is None else holder_of(lease)
        who = f" ({_named(holder)} is)" if holder is not None else ""
        return Refused(
            f"This dispatcher is not the fleet's any more{who}: it was not heard of for"
            f" {LASTS.total_seconds():g} seconds.",
            "It ends now; `hive dispatcher start` starts a new one.",
        )


def _named(holder: Holder) -> str:
    return f"pid {holder.pid} on {clean_line(holder.host, limit=100)}"
