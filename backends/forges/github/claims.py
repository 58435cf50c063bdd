"""Which fleet works on an issue: `refs/hive/claims/issue-N`, one commit for each claim, renewal and release.

The commits are a chain, so whoever writes has seen all that was written before. Times in them are GitHub's:
two fleets whose clocks differ agree on when a claim is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from backends import typed
from backends.forges.github.desk import Desk
from backends.forges.github.refs import Entry, Register
from hive_tui.core.errors import ClaimLost, SourceError
from hive_tui.core.ids import IssueKey, RepoName, RunId
from hive_tui.core.model import FleetClaim
from hive_tui.core.text import clean_line

GRACE = timedelta(seconds=30)
"""After its end a claim still stands for so long: its holder may be renewing it."""

RACES = 8
"""Swaps that are lost before somebody is told to come again."""


class Record(msgspec.Struct, frozen=True):
    """What a claim's commit holds; times are GitHub's."""

    fleet: str
    run: RunId
    attempt: int
    until: datetime
    released: bool = False

    def stands(self, now: datetime) -> bool:
        return not self.released and now < self.until + GRACE


class Claims:
    """See `core.ports.Forge.hold_issue`. Thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._mine: dict[IssueKey, _Found] = {}
        """What was written here last: a renewal starts from it, and finds out if it is not the last word."""
        self._trees: dict[RepoName, str] = {}

    def hold(self, key: IssueKey, claim: FleetClaim) -> None:
        register = self._register(key)
        for race in range(RACES):
            remembered = self._remembered(key, claim.run)
            # Nobody has held an issue before its first attempt, most often: creating the ref finds out.
            unheard = race == 0 and claim.attempt == 1
            found = remembered or (None if unheard else _read(register))
            record = Record(claim.fleet, claim.run, claim.attempt, claim.until + self._skew)
            last = found.record if found is not None else None
            if not due(key, last, record, self._desk.client.now()):
                if remembered is None:
                    return
            elif self._write(register, key, found, record):
                return
        raise _busy(key)

    def held(self, key: IssueKey) -> FleetClaim | None:
        register = self._register(key)
        found = self._mine.get(key)
        if found is None or found.record.until <= self._desk.client.now():
            # While one's own claim stands nobody else writes there, so there is nothing to ask.
            found = _read(register)
        if found is None:
            return None
        record = found.record
        until = min(record.until, self._desk.client.now()) if record.released else record.until
        return FleetClaim(record.fleet, record.run, record.attempt, until - self._skew)

    def let_go(self, key: IssueKey, run: RunId) -> None:
        register = self._register(key)
        for _ in range(RACES):
            found = self._remembered(key, run) or _read(register)
            if found is None or found.record.run != run or found.record.released:
                return
            record = msgspec.structs.replace(found.record, released=True, until=self._desk.client.now())
            if self._write(register, key, found, record):
                return
        raise _busy(key)

    def _remembered(self, key: IssueKey, run: RunId) -> _Found | None:
        """Taken out: whatever is not written from it is read anew."""
        found = self._mine.pop(key, None)
        return found if found is not None and found.record.run == run else None

    def _write(self, register: Register, key: IssueKey, found: _Found | None, record: Record) -> bool:
        entry = register.move(found.entry if found is not None else None, text(key, record))
        if entry is None:
            return False
        if not record.released:
            self._mine[key] = _Found(entry, record)
        return True

    @property
    def _skew(self) -> timedelta:
        return self._desk.client.limits.skew

    def _register(self, key: IssueKey) -> Register:
        return Register(self._desk.api(key.repo), f"hive/claims/issue-{key.number}", self._trees)


class _Found(NamedTuple):
    entry: Entry
    record: Record


def due(key: IssueKey, last: Record | None, wanted: Record, now: datetime) -> bool:
    """Whether the claim is to be written. Raises ClaimLost when it must not be."""
    if last is None:
        return True
    if last.run == wanted.run:
        return last.released or wanted.until > last.until
    if last.stands(now):
        raise ClaimLost(
            f"{key} is held by fleet {clean_line(last.fleet, limit=100)} until {last.until:%H:%M:%S} UTC.",
            "It is free then, or when that fleet lets go of it.",
        )
    if wanted.attempt <= last.attempt:
        fleet = clean_line(last.fleet, limit=100)
        raise ClaimLost(
            f"Attempt {last.attempt} of {key} was made by fleet {fleet} already.",
            f"The next one is attempt {last.attempt + 1}.",
        )
    return True


def text(key: IssueKey, record: Record) -> str:
    """A commit's message: a line for people, then the record."""
    verb = "let go of" if record.released else "claim"
    document = msgspec.json.encode(record).decode()
    return f"hive: {verb} #{key.number}, attempt {record.attempt}\n\n{document}\n"


def record_of(message: str) -> Record | None:
    """What `text` wrote, None for anything else."""
    lines = message.strip().splitlines()
    try:
        record = typed.decode(lines[-1] if lines else "", Record)
    except msgspec.DecodeError:
        return None
    return record if record.until.tzinfo is not None and record.attempt > 0 else None


def _read(register: Register) -> _Found | None:
    entry = register.read()
    if entry is None:
        return None
    record = record_of(entry.text)
    if record is None:
        raise ClaimLost(
            f"{register.what} says nothing that hive can read.",
            "Look who wrote it; if nobody works on the issue, delete the ref with `git push`.",
        )
    return _Found(entry, record)


def _busy(key: IssueKey) -> SourceError:
    return SourceError(f"Others claim {key} at the same time.", "hive tries again by itself.")
