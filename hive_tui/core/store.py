"""The store: backend events in, immutable snapshots and diffs out.

It knows how fresh each source is, and never forgets what a source said because a later read failed.
It has no clock: the caller passes `now`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

import msgspec

from hive_tui.core.booked import Booked
from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId
from hive_tui.core.model import ApiUse, Claim, Event, Fleet, Issue, PullRequest, RepoState, Run
from hive_tui.core.sources import (
    KIND_OF,
    Alive,
    Changed,
    Freshness,
    Health,
    Item,
    Key,
    Kind,
    Listed,
    SourceEvent,
    SourceFailed,
)

STALE_AFTER = timedelta(seconds=90)
"""A source that said nothing for this long is stale."""

MAX_EVENTS = 2_000
"""Lines of the fleet's log kept in a snapshot, newest last."""

_EMPTY: Mapping[Any, Any] = MappingProxyType({})
_NOTHING_BOOKED = Booked()


class Snapshot(msgspec.Struct, frozen=True, eq=False):
    """Everything known at one moment. `version` grows with every change of content."""

    version: int = 0
    fleet: Fleet | None = None
    issues: Mapping[IssueKey, Issue] = _EMPTY
    runs: Mapping[RunId, Run] = _EMPTY
    claims: Mapping[IssueKey, Claim] = _EMPTY
    pulls: Mapping[PullKey, PullRequest] = _EMPTY
    repos: Mapping[RepoName, RepoState] = _EMPTY
    """What the tracker says of its repositories; one that is not in here has nothing against it."""
    api: Mapping[str, ApiUse] = _EMPTY
    """The budgets of the tracker's API; empty where it has none."""
    events: tuple[Event, ...] = ()
    booked: Booked = _NOTHING_BOOKED
    """What the ledger has of money; nothing where neither a budget nor a screen asks for it."""
    sources: Mapping[str, Freshness] = _EMPTY

    @property
    def readable(self) -> bool:
        """Every source is fresh: something may be started on this."""
        return bool(self.sources) and all(source.ok for source in self.sources.values())

    def heard(self, source: str) -> bool:
        """Whether a source ever said what it has: else nothing of it is known, and that is not nothing."""
        known = self.sources.get(source)
        return known is not None and known.heard_at is not None

    def base(self, repo: RepoName) -> str | None:
        """The repository's base branch as its tracker names it; None where it does not."""
        state = self.repos.get(repo)
        return state.base if state is not None else None

    def of(self, repo: RepoName | None) -> Snapshot:
        """What it says of one repository, and of the fleet itself; None is all of it."""
        if repo is None:
            return self
        return msgspec.structs.replace(
            self,
            issues={key: issue for key, issue in self.issues.items() if key.repo == repo},
            runs={name: run for name, run in self.runs.items() if run.spec.repo == repo},
            claims={key: claim for key, claim in self.claims.items() if key.repo == repo},
            pulls={key: pull for key, pull in self.pulls.items() if key.repo == repo},
            repos={name: state for name, state in self.repos.items() if name == repo},
            events=tuple(event for event in self.events if event.repo in (None, repo)),
        )


class Diff(msgspec.Struct, frozen=True):
    """What a batch of events changed, by kind; keys of new, different and gone items alike."""

    changed: Mapping[Kind, frozenset[Key]]
    sources: bool = False
    """The health of a source changed."""

    def __bool__(self) -> bool:
        return self.sources or any(self.changed.values())

    def keys(self, kind: Kind) -> frozenset[Key]:
        return self.changed.get(kind, frozenset())


class Store:
    """Merges the events of a fixed set of sources. Not thread-safe: one owner applies batches."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._tables: dict[Kind, dict[Key, Item]] = {kind: {} for kind in Kind}
        self._sources: dict[str, Freshness] = {
            name: Freshness(name, Health.STALE, None, "not read yet") for name in sources
        }
        self._alive: dict[str, datetime] = {}
        """When each source said anything: one that mirrors a tracker lives, though what it has is older."""
        self._snapshot = Snapshot(sources=MappingProxyType(dict(self._sources)))

    @property
    def snapshot(self) -> Snapshot:
        """The last snapshot; `refresh` brings the age of its sources up to date."""
        return self._snapshot

    @property
    def complete(self) -> bool:
        """Every source has answered at least once, or failed."""
        return all(
            source.heard_at is not None or source.state is Health.FAILED for source in self._sources.values()
        )

    def apply(self, events: Iterable[SourceEvent], now: datetime) -> Diff:
        """Take in a batch; the new snapshot shares every table that did not change."""
        changed: dict[Kind, set[Key]] = {}
        health_before = {name: source.state for name, source in self._sources.items()}
        for event in events:
            match event:
                case Listed():
                    self._list(event, changed)
                case Changed():
                    self._change(event, changed)
                case Alive() | SourceFailed():
                    pass
            self._hear(event, now)
        self._age(now)
        health = any(health_before.get(name) is not source.state for name, source in self._sources.items())
        diff = Diff({kind: frozenset(keys) for kind, keys in changed.items() if keys}, health)
        self._publish(diff)
        return diff

    def book(self, booked: Booked) -> None:
        """From now on this is what the ledger has."""
        if booked is not self._snapshot.booked:
            version = self._snapshot.version + 1
            self._snapshot = msgspec.structs.replace(self._snapshot, version=version, booked=booked)

    def refresh(self, now: datetime) -> Diff:
        """Let time pass: a source that was silent for too long becomes stale."""
        return self.apply((), now)

    def _list(self, event: Listed, changed: dict[Kind, set[Key]]) -> None:
        fresh: dict[Kind, dict[Key, Item]] = {kind: {} for kind in event.kinds}
        for item in event.items:
            fresh[KIND_OF[type(item)]][key_of(item)] = item
        for kind, table in fresh.items():
            old = self._tables[kind]
            different = {key for key, item in table.items() if old.get(key) != item}
            different |= old.keys() - table.keys()
            if different:
                changed.setdefault(kind, set()).update(different)
                # Items that are equal stay the same object, so that caches by identity hold.
                self._tables[kind] = {
                    key: item if key in different else old[key] for key, item in table.items()
                }

    def _change(self, event: Changed, changed: dict[Kind, set[Key]]) -> None:
        for item in event.items:
            kind, key = KIND_OF[type(item)], key_of(item)
            if self._tables[kind].get(key) != item:
                self._own(kind, changed)[key] = item
                changed[kind].add(key)
        for kind, key in event.gone:
            if key in self._tables[kind]:
                del self._own(kind, changed)[key]
                changed[kind].add(key)

    def _own(self, kind: Kind, changed: dict[Kind, set[Key]]) -> dict[Key, Item]:
        """The table of `kind`, copied once per batch, since the snapshot out there shares the old one."""
        if kind not in changed:
            changed[kind] = set()
            self._tables[kind] = dict(self._tables[kind])
        return self._tables[kind]

    def _hear(self, event: SourceEvent, now: datetime) -> None:
        known = self._sources.get(event.source)
        heard_at = known.heard_at if known else None
        if isinstance(event, SourceFailed):
            self._sources[event.source] = Freshness(
                event.source, Health.FAILED, event.heard_at or heard_at, event.why, event.retry_at
            )
        elif isinstance(event, Alive) and known is not None and heard_at is None:
            return  # it lives, but has not said anything that could be shown as the full state
        else:
            read_at = event.heard_at if isinstance(event, Alive) else None
            self._sources[event.source] = Freshness(event.source, Health.FRESH, read_at or now)
            self._alive[event.source] = now

    def _age(self, now: datetime) -> None:
        for name, source in self._sources.items():
            if source.state is not Health.FRESH or source.heard_at is None:
                continue
            # The clock was set back: silence is measured from here, not from a time yet to come.
            alive = self._alive[name] = min(self._alive[name], now)
            heard_at = min(source.heard_at, now)
            if now - alive > STALE_AFTER:
                self._sources[name] = Freshness(name, Health.STALE, heard_at, "silent")
            elif heard_at != source.heard_at:
                self._sources[name] = Freshness(name, Health.FRESH, heard_at)

    def _publish(self, diff: Diff) -> None:
        old, tables = self._snapshot, self._tables
        if Kind.EVENT in diff.changed and len(tables[Kind.EVENT]) > MAX_EVENTS:
            newest = sorted(tables[Kind.EVENT].items(), key=_first)[-MAX_EVENTS:]
            tables[Kind.EVENT] = dict(newest)

        def table(kind: Kind, before: Mapping[Any, Any]) -> Mapping[Any, Any]:
            return MappingProxyType(tables[kind]) if kind in diff.changed else before

        events = old.events
        if Kind.EVENT in diff.changed:
            events = tuple(cast(Event, item) for _, item in sorted(tables[Kind.EVENT].items(), key=_first))
        fleets = tables[Kind.FLEET]
        self._snapshot = Snapshot(
            version=old.version + 1 if diff else old.version,
            fleet=cast(Fleet, next(iter(fleets.values()))) if fleets else None,
            issues=table(Kind.ISSUE, old.issues),
            runs=table(Kind.RUN, old.runs),
            claims=table(Kind.CLAIM, old.claims),
            pulls=table(Kind.PULL, old.pulls),
            repos=table(Kind.REPO, old.repos),
            api=table(Kind.API, old.api),
            events=events,
            booked=old.booked,
            sources=MappingProxyType(dict(self._sources)),
        )


def key_of(item: Item) -> Key:
    """The key under which a snapshot keeps an item."""
    match item:
        case Fleet() | RepoState() | ApiUse():
            return item.name
        case Run():
            return item.id
        case Event():
            return item.seq
        case Issue() | Claim() | PullRequest():
            return item.key


def _first(pair: tuple[Key, Item]) -> int:
    return cast(int, pair[0])
