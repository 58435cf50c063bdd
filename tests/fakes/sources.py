"""A fleet whose backends say what a test tells them to say, and do nothing else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from hive_tui.core.booked import Booked, charge
from hive_tui.core.errors import HiveError, RunEnded, SourceError
from hive_tui.core.events import LogLine
from hive_tui.core.ids import AgentName, IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.ledger import Entry
from hive_tui.core.model import (
    Actor,
    ApiUse,
    Approval,
    Claim,
    Comment,
    ControlKind,
    Event,
    Fleet,
    Issue,
    Lease,
    Paused,
    PullRequest,
    PullState,
    Quota,
    RepoState,
    Run,
    body_sha,
)
from hive_tui.core.ports import (
    READ_SECONDS,
    Capability,
    Cluster,
    DiffOf,
    Emit,
    Forge,
    Ledger,
    Remote,
    RunDiff,
    Section,
)
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, FORGE, KIND_OF, Changed, Item, Key, Kind, Listed, SourceEvent
from hive_tui.core.spend import Bill, bill
from hive_tui.core.store import key_of
from tests.builders import booked

_CLUSTER_KINDS = (Kind.FLEET, Kind.RUN, Kind.CLAIM, Kind.EVENT)
_TheirItem = Issue | PullRequest | RepoState | ApiUse
_FORGE_KINDS = (Kind.ISSUE, Kind.PULL, Kind.REPO, Kind.API)


def _by_key(items: Iterable[Item]) -> dict[tuple[Kind, Key], Item]:
    return {(KIND_OF[type(item)], key_of(item)): item for item in items}


class ScriptedSource:
    """Emits what `say` is given, in order; an exception among it is raised in the watching thread.

    Whatever it is ordered is in `told`. It becomes true when the test says so, or at once when it `obeys`.
    """

    source = ""
    capabilities: frozenset[Capability] = frozenset()
    heeds_within = 0.02
    """Seconds within which the watching thread heeds that it is to end."""

    def __init__(self) -> None:
        self._said: queue.Queue[SourceEvent | BaseException] = queue.Queue()
        self.known: dict[tuple[Kind, Key], Item] = {}
        self.told: list[tuple[object, ...]] = []
        """Each order as its name and what was given with it."""
        self.obeys = False
        self.refuses = False
        """Every order fails, as with a locked database."""
        self.blocked: threading.Event | None = None
        """Every order waits for it."""

    def say(self, *events: SourceEvent | BaseException) -> None:
        for event in events:
            if isinstance(event, Listed):
                self.known = _by_key(event.items)
            elif isinstance(event, Changed):
                self.known |= _by_key(event.items)
            self._said.put(event)

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event | None = None) -> None:
        while not stop.is_set():
            try:
                event = self._said.get(timeout=self.heeds_within)
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                raise event
            emit(event)

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        items = tuple(self.known.values())
        yield Listed(self.source, tuple({KIND_OF[type(item)] for item in items}), items)

    def order(self, name: str, *given: object) -> None:
        """Take an order, unless it is to fail."""
        if self.blocked is not None:
            self.blocked.wait(10)
        if self.refuses:
            raise SourceError("The database is locked.", "Try again.")
        self.told.append((name, *given))

    def becomes(self, item: Item) -> None:
        """An order leads to this."""
        if self.obeys:
            self.say(Changed(self.source, (item,)))


class ScriptedCluster(ScriptedSource):
    """A cluster that can be watched, told something and asked for logs."""

    source = CLUSTER
    capabilities = frozenset({Capability.KILL, Capability.MESSAGE, Capability.LOGS, Capability.DIFF})

    def __init__(self) -> None:
        super().__init__()
        self.diffs: dict[RunId, RunDiff | Exception] = {}
        self.logged: dict[RunId, list[LogLine]] = {}
        self.ended: set[RunId] = set()
        self.paused: list[Paused | None] = []
        self.recorded: list[Event] = []
        self.followers = 0
        self.before: dict[RunId, list[LogLine]] = {}
        """What a container said before it was started again."""
        self.described: dict[RunId, tuple[Section, ...] | Exception] = {}
        self.shells: list[tuple[RunId, tuple[str, ...]]] = []
        self.no_shell: HiveError | None = None

    @property
    def fleet(self) -> Fleet:
        return next(item for item in self.known.values() if isinstance(item, Fleet))

    def set_paused(self, paused: Paused | None) -> None:
        self.order("paused", paused)
        self.paused.append(paused)
        self._fleet_becomes(paused=paused)

    def set_slots(self, slots: int) -> None:
        self.order("slots", slots)
        self._fleet_becomes(slots=slots)

    def set_agent_enabled(self, agent: AgentName, enabled: bool) -> None:
        self.order("enabled", agent, enabled)
        self._agent_becomes(agent, enabled=enabled)

    def set_quota(self, agent: AgentName, quota: Quota) -> None:
        self.order("quota", agent, quota.state)
        self._agent_becomes(agent, quota=quota)

    def _agent_becomes(self, name: AgentName, **fields: Any) -> None:
        agents = tuple(
            msgspec.structs.replace(agent, **fields) if agent.name == name else agent
            for agent in self.fleet.agents
        )
        self._fleet_becomes(agents=agents)

    def _fleet_becomes(self, **fields: Any) -> None:
        if self.obeys:
            self.becomes(msgspec.structs.replace(self.fleet, **fields))

    def get_claim(self, key: IssueKey) -> Claim | None:
        return self._claims.get(key)

    @property
    def _claims(self) -> dict[IssueKey, Claim]:
        return {item.key: item for item in self.known.values() if isinstance(item, Claim)}

    def put_claim(self, claim: Claim, *, expected: int | None) -> Claim:
        self.order("claim", claim.key)
        written = msgspec.structs.replace(claim, version=claim.version + 1)
        self.becomes(written)
        return written

    def control(self, run: RunId, kind: ControlKind, actor: Actor, text: str = "") -> None:
        self.order("control", run, kind, text)
        known = self.known[Kind.RUN, run]
        assert isinstance(known, Run)
        if known.phase.final:
            raise RunEnded(f"Run {run} has ended ({known.phase.value}).")
        if kind is ControlKind.STOP:
            self.becomes(msgspec.structs.replace(known, stop_requested=True))

    def diff(self, run: RunId, *, limit: int) -> RunDiff:
        if self.blocked is not None:
            self.blocked.wait(10)
        found = self.diffs.get(run, RunDiff(DiffOf.NOTHING))
        if isinstance(found, Exception):
            raise found
        return found

    def previous_logs(self, run: RunId) -> Iterator[LogLine]:
        return iter(self.before.get(run, []))

    def describe(self, run: RunId) -> tuple[Section, ...]:
        if self.blocked is not None:
            self.blocked.wait(10)
        found = self.described.get(run, ())
        if isinstance(found, Exception):
            raise found
        return found

    def shell(self, run: RunId, command: Sequence[str] = ()) -> tuple[str, ...]:
        if self.no_shell is not None:
            raise self.no_shell
        self.shells.append((run, tuple(command)))
        return ("shell-of", run, *command)

    def gc(self, *, before: datetime, dry_run: bool) -> list[str]:
        self.order("gc", before)
        return ["removed 2 work trees"]

    def record(self, event: Event) -> None:
        self.recorded.append(event)
        seqs = (item.seq for item in self.known.values() if isinstance(item, Event))
        self.becomes(msgspec.structs.replace(event, seq=max(seqs, default=0) + 1))

    def logs(
        self,
        run: RunId,
        *,
        after: int = 0,
        follow: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[LogLine]:
        stop = stop or threading.Event()
        sent = after
        self.followers += 1
        try:
            while not stop.is_set():
                lines = self.logged.get(run, [])
                yield from lines[sent:]
                sent = max(sent, len(lines))
                if not follow or run in self.ended:
                    return
                stop.wait(0.01)
        finally:
            self.followers -= 1


class ScriptedTracker(ScriptedSource):
    """A forge that can be watched and told something."""

    source = FORGE
    capabilities = frozenset(
        {Capability.MERGE, Capability.LEASE, Capability.CREATE_ISSUE, Capability.EDIT_ISSUE}
    )

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[IssueKey, list[Comment]] = {}
        self.diffs: dict[PullKey, str] = {}

    def comments(self, key: IssueKey) -> list[Comment]:
        if self.refuses:
            raise SourceError("The tracker does not answer.", "r tries again.")
        return self.said.get(key, [])

    def diff(self, key: PullKey) -> str:
        return self.diffs.get(key, "")

    def remote(self, repo: RepoName) -> Remote:
        return Remote(f"https://git.example/{repo}", "main")

    def get_issue(self, key: IssueKey) -> Issue:
        return next(i for i in self.known.values() if isinstance(i, Issue) and i.key == key)

    def get_pull(self, key: PullKey) -> PullRequest:
        return next(i for i in self.known.values() if isinstance(i, PullRequest) and i.key == key)

    def set_labels(
        self, key: IssueKey, *, add: Sequence[str] = (), remove: Sequence[str] = (), by: str
    ) -> Issue:
        self.order("labels", key.number, tuple(add), tuple(remove))
        issue = self.get_issue(key)
        labels = tuple(label for label in issue.labels if label not in remove) + tuple(add)
        return self._issue_becomes(issue, labels=labels)

    def set_open(self, key: IssueKey, is_open: bool, *, by: str) -> Issue:
        self.order("open", key.number, is_open)
        return self._issue_becomes(self.get_issue(key), open=is_open)

    def approve_issue(self, key: IssueKey, *, by: str) -> Issue:
        self.order("approve", key.number)
        issue = self.get_issue(key)
        approval = Approval(by, issue.updated_at, body_sha(issue.body))
        return self._issue_becomes(issue, approval=approval)

    def _issue_becomes(self, issue: Issue, **fields: Any) -> Issue:
        changed = msgspec.structs.replace(issue, **fields)
        self.becomes(changed)
        return changed

    def set_lease(self, key: PullKey, worker: WorkerName | None, until: datetime | None) -> PullRequest:
        self.order("lease", key.number, worker)
        lease = None if worker is None or until is None else Lease(worker, until)
        return self._pull_becomes(key, lease=lease)

    def close_pull(self, key: PullKey, *, by: str) -> PullRequest:
        self.order("close", key.number)
        return self._pull_becomes(key, state=PullState.CLOSED)

    def merge(self, key: PullKey, *, head: str, by: str, message: str) -> PullRequest:
        self.order("merge", key.number, head)
        return self._pull_becomes(key, state=PullState.MERGED, merged_as="b" * 40)

    def _pull_becomes(self, key: PullKey, **fields: Any) -> PullRequest:
        changed = msgspec.structs.replace(self.get_pull(key), **fields)
        self.becomes(changed)
        return changed


class ScriptedLedger:
    """A ledger that has what it is given."""

    def __init__(self, rows: list[Entry]) -> None:
        self._rows = rows

    def booked(self, runs: Iterable[RunId], since: datetime) -> Booked:
        return booked(*(charge(rows) for rows in self._of_runs()))

    def bill(self, runs: Iterable[RunId], since: datetime) -> Bill:
        return bill(self._rows)

    def read(self) -> list[Entry]:
        return list(self._rows)

    def _of_runs(self) -> list[list[Entry]]:
        found: dict[RunId, list[Entry]] = {}
        for row in self._rows:
            found.setdefault(row.run, []).append(row)
        return list(found.values())


class ScriptedFleet:
    """What the console needs of a fleet."""

    def __init__(self, settings: FleetSettings | None = None, *, name: str = "trial") -> None:
        self.name = name
        self.settings = settings or FleetSettings(allowed_authors=("ann",))
        self.agents_side = ScriptedCluster()
        self.tracker = ScriptedTracker()
        self.rows: list[Entry] = []
        """What its ledger has."""

    @property
    def ledger(self) -> Ledger:
        return cast(Ledger, ScriptedLedger(self.rows))

    @property
    def cluster(self) -> Cluster:
        return cast(Cluster, self.agents_side)

    @property
    def forge(self) -> Forge:
        return cast(Forge, self.tracker)

    def list_all(self, *items: Item) -> None:
        """Both sources say their full state."""
        mine = tuple(item for item in items if isinstance(item, Fleet | Run | Claim | Event))
        theirs = tuple(item for item in items if isinstance(item, _TheirItem))
        self.agents_side.say(Listed(CLUSTER, _CLUSTER_KINDS, mine))
        self.tracker.say(Listed(FORGE, _FORGE_KINDS, theirs))

    def change(self, *items: Item) -> None:
        """Items that are new or different."""
        for item in items:
            if isinstance(item, _TheirItem):
                self.tracker.say(Changed(FORGE, (item,)))
            else:
                self.agents_side.say(Changed(CLUSTER, (item,)))
