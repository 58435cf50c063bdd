"""What to do next: `decide(snapshot, settings, now)`, pure.

Everything that a decision needs is in the snapshot; the gates of the issues that are not started
answer "why is nothing happening".
"""

from __future__ import annotations

import functools
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from hive_tui.core import gates, workflow, world
from hive_tui.core.decisions import Decision, Launch, Start
from hive_tui.core.gates import Gate
from hive_tui.core.ids import AgentName, IssueKey, WorkerName, worker_name
from hive_tui.core.model import Issue
from hive_tui.core.settings import FleetSettings, Preset
from hive_tui.core.store import Snapshot
from hive_tui.core.upkeep import quotas, upkeep, with_limits
from hive_tui.core.workflow import IssueState
from hive_tui.core.world import Scope, Spending, World


class Plan:
    """The decisions on a snapshot, and for every issue that is not started the reason."""

    def __init__(
        self, decisions: tuple[Decision, ...], planner: Planner, current: World, now: datetime
    ) -> None:
        self.decisions = decisions
        self._planner = planner
        self._now = now
        self.world = current
        """What the decisions were made on; the budgets of what is started are reserved in it."""
        self._issues = planner.issues
        self._started = {d.key for d in decisions if isinstance(d, Start)}

    def gate(self, key: IssueKey) -> Gate | None:
        """Why this issue is not started; None if it is being started, or is unknown."""
        issue = self._issues.get(key)
        if issue is None or key in self._started:
            return None
        gate = self._planner.gate(issue, self.world, self._now)
        # Nothing of its own holds it, yet it was not started: others took what was free.
        return gate or gates.fleet_gate(self.world, self._planner.settings) or _OTHERS_FIRST

    def spending(self, scope: Scope) -> Spending:
        """The money of a scope that has a limit, as its gate counts it."""
        return self.world.spending.of(scope)


_OTHERS_FIRST = Gate("slots", "others are before it: `hive slots +1` adds a slot, `hive fire` puts it first")


def decide(snapshot: Snapshot, settings: FleetSettings, now: datetime) -> Plan:
    """All decisions on a snapshot, from nothing. `Planner` does the same, remembering issues."""
    return Planner(settings).decide(snapshot, now)


class Planner:
    """`decide` for one that decides again and again: what only depends on an unchanged issue is kept.

    Pure all the same: equal snapshots and times give equal plans, whatever was asked before.
    """

    def __init__(self, settings: FleetSettings) -> None:
        self.settings = settings
        self.issues: Mapping[IssueKey, Issue] = {}
        self._text_gates: dict[IssueKey, Gate | None] = {}
        self._ranks: dict[IssueKey, _Rank] = {}
        self._queue: list[_Rank] = []
        """The ranks of all issues that nothing of their own holds, in order."""

    def decide(self, snapshot: Snapshot, now: datetime) -> Plan:
        """Upkeep first (it frees slots for the next round), then starts in order."""
        self._look_at(snapshot.issues)
        current = world.build(snapshot, now)
        decisions: list[Decision] = []
        # What a broken source says about runs and claims may be old; acting on it could do harm.
        if not current.broken_sources:
            decisions += quotas(snapshot, current, now)
            current = with_limits(current, decisions)
            decisions += upkeep(snapshot, current, self.settings, now)
            resumed = sum(isinstance(decision, Launch) for decision in decisions)
            decisions += self._starts(current, snapshot, now, resumed)
        return Plan(tuple(decisions), self, current, now)

    def gate(self, issue: Issue, current: World, now: datetime) -> Gate | None:
        """The first gate of the issue's own; the fleet's gates are asked by the callers."""
        return (
            self._text_gates.get(issue.key)
            or gates.unreadable_gate(current)
            or gates.world_gate(issue, current, self.settings, now)
        )

    def _look_at(self, issues: Mapping[IssueKey, Issue]) -> None:
        """Evaluate the issues that are new or different since the last time."""
        before = self.issues
        if issues is before:
            return
        touched, gone = _compare(before, issues)
        self.issues = issues
        for key in (*gone, *touched):
            self._text_gates.pop(key, None)
            rank = self._ranks.pop(key, None)
            if rank is not None:
                del self._queue[bisect_left(self._queue, rank)]
        added = []
        settings, text_gates = self.settings, self._text_gates
        for key in touched:
            issue = issues[key]
            gate = text_gates[key] = gates.text_gate(issue, settings)
            if gate is None:
                rank = self._ranks[key] = _rank(key, issue, settings)
                added.append(rank)
        if len(added) > 100:
            self._queue = sorted(self._queue + added)
        else:
            for rank in added:
                insort(self._queue, rank)

    def _starts(self, current: World, snapshot: Snapshot, now: datetime, resumed: int) -> list[Start]:
        fleet = current.fleet
        if fleet is None or gates.fleet_gate(current, self.settings) is not None:
            return []
        free = fleet.slots - len(fleet.slots_used) - resumed
        if self.settings.review_limit is not None:
            free = min(free, self.settings.review_limit - len(current.open_pulls))
        agents = [agent.name for agent in current.agents.values() if gates.available(agent, now)]
        if not agents:
            return []
        turns = _Turns(snapshot, agents)
        starts: list[Start] = []
        for issue in self._candidates(current):
            if len(starts) >= free:
                break
            if self.gate(issue, current, now) is not None:
                continue
            start = self._start(issue, current, turns)
            starts.append(start)
            self._reserve(start, current)
        return starts

    def _candidates(self, current: World) -> Iterator[Issue]:
        """Fired issues first, by when they were fired; then the queue in its order."""
        fired = sorted(
            (claim.fire.at, claim.key)
            for claim in current.claims.values()
            if claim.fire is not None and claim.key in self.issues
        )
        for _, key in fired:
            if self._text_gates[key] is None:
                yield self.issues[key]
        first = {key for _, key in fired}
        for *_, key in self._queue:
            if key not in first:
                yield self.issues[key]

    def _start(self, issue: Issue, current: World, turns: _Turns) -> Start:
        claim = current.claims.get(issue.key)
        fire = claim.fire if claim is not None else None
        agent = gates.wanted_agent(issue, current) or turns.next()
        budget = current.fleet.budget if current.fleet is not None else None
        limit = budget.run_micros if budget is not None else None
        return Start(
            issue=issue,
            claim=claim,
            attempt=(claim.attempt if claim is not None else 0) + 1,
            worker=turns.worker(agent),
            agent=agent,
            mode=(fire.mode if fire is not None else None) or workflow.mode(issue.labels),
            by=fire.by if fire is not None else None,
            model=fire.model if fire is not None else None,
            budget_micros=_least(fire.budget_micros if fire is not None else None, limit),
        )

    def _reserve(self, start: Start, current: World) -> None:
        """A start's own budget counts at once, so that a batch of starts cannot pass a limit together."""
        if start.budget_micros is None:
            return
        for scope in (start.key, start.key.repo, "day", "fleet"):
            current.spending.of(scope).reserved += start.budget_micros


def _compare(
    before: Mapping[IssueKey, Issue], after: Mapping[IssueKey, Issue]
) -> tuple[list[IssueKey], list[IssueKey]]:
    """Keys that are new or different, and keys that are gone.

    The store keeps an unchanged issue as the same object in the same place, so the usual case, some
    of many changed, is one pass by identity.
    """
    if len(before) == len(after):
        pairs = [
            (old, new) for old, new in zip(before.values(), after.values(), strict=True) if old is not new
        ]
        if all(old.key == new.key for old, new in pairs):
            return [new.key for _, new in pairs], []
    return (
        [key for key, issue in after.items() if before.get(key) is not issue],
        [key for key in before if key not in after],
    )


_Rank = tuple[bool, int, float, IssueKey]


def _rank(key: IssueKey, issue: Issue, settings: FleetSettings) -> _Rank:
    """Review before ready, then priority, then the oldest; the key makes the order total."""
    return (*_urgency(issue.labels, settings.labels), issue.created_at.timestamp(), key)


@functools.lru_cache(maxsize=4_096)  # of few different sets of labels
def _urgency(labels: tuple[str, ...], preset: Preset) -> tuple[bool, int]:
    in_review = workflow.state(labels, preset) is IssueState.IN_REVIEW
    return not in_review, workflow.priority(labels)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Turns:
    """Whose turn it is among the agents that may start, and the worker names they get."""

    def __init__(self, snapshot: Snapshot, agents: list[AgentName]) -> None:
        fleet = snapshot.fleet
        assert fleet is not None
        at_work = {slot.worker for slot in fleet.slots_used}
        self._taken = at_work | {
            run.spec.worker for run in snapshot.runs.values() if not run.status.phase.final
        }
        self._agents = agents
        self._load = dict.fromkeys(agents, 0)
        self._last = dict.fromkeys(agents, _LONG_AGO)
        for run in snapshot.runs.values():
            agent = run.spec.agent
            if agent in self._load:
                self._load[agent] += not run.status.phase.final
                if run.spec.created_at > self._last[agent]:
                    self._last[agent] = run.spec.created_at

    def next(self) -> AgentName:
        """The agent with the fewest runs; among equals the one that had no turn for longest."""
        return min(self._agents, key=lambda name: (self._load[name], self._last[name]))

    def worker(self, agent: AgentName) -> WorkerName:
        """The lowest free name, counted as taken from now on."""
        name = worker_name(agent, frozenset(self._taken))
        self._taken.add(name)
        if agent in self._load:
            self._load[agent] += 1
        return name


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
