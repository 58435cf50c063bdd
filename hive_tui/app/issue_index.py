"""What the console derives of every issue, kept up to date by what a change touches.

An issue's place in the list and what it needs somebody for depend on the issue, its runs, its claim and
its pull request, and beyond that on little that holds all issues alike: which agents may start, which
budgets are used up, whether the sources can be read. So one change costs the look at one issue, and
only when one of the latter changes all are looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import cast

from hive_tui.app import lists
from hive_tui.app.ordered import Ordered, Rank
from hive_tui.core import gates, world
from hive_tui.core.attention import AttentionItem, later, of_budget, of_fleet, of_issue, of_pull, urgency
from hive_tui.core.dispatch import Plan
from hive_tui.core.gates import Gate
from hive_tui.core.ids import IssueKey, PullKey, RepoName, RunId
from hive_tui.core.model import Claim, Run
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Kind
from hive_tui.core.store import Diff, Snapshot


class IssueIndex:
    """Issues in order, and everything that needs somebody. For one thread."""

    def __init__(self, settings: FleetSettings) -> None:
        self.issues: Sequence[IssueKey] = ()
        """Open issues in the order of attention, then the last ones done; as `lists.issues`."""
        self.attention: tuple[AttentionItem, ...] = ()
        """As `core.attention.attention`."""
        self.at_work: Mapping[IssueKey, Run] = {}
        """The run at work on each issue."""
        self._settings = settings
        self._open: Ordered[IssueKey] = Ordered()
        self._done: Ordered[IssueKey] = Ordered()
        self._runs_of: dict[IssueKey, dict[RunId, Run]] = {}
        self._repos: set[RepoName] = {RepoName(repo.name) for repo in settings.repos}
        self._items: dict[IssueKey | PullKey, list[AttentionItem]] = {}
        self._held: dict[IssueKey, Gate] = {}
        """Issues that a budget of their own holds."""
        self._held_with_all: dict[RepoName, set[IssueKey]] = defaultdict(set)
        """Issues that a budget holds together with all others of their repository."""
        self._first_held: dict[RepoName, IssueKey] = {}
        self._timed: set[IssueKey] = set()
        """Issues whose gate may be another once some time has passed."""
        self._snapshot = Snapshot()
        self._common: object = None
        self._now: datetime | None = None

    def update(self, snapshot: Snapshot, diff: Diff, plan: Plan, now: datetime) -> None:
        """Take in what changed since the last snapshot."""
        before, self._snapshot = self._snapshot, snapshot
        touched = self._touched(before, diff)
        self._repos.update(key.repo for key in touched)
        shared = {repo: gates.budget_gate(IssueKey(repo, 0), plan.world) for repo in self._repos}
        common = (
            not plan.world.broken_sources,
            tuple((name, gates.available(agent, now)) for name, agent in plan.world.agents.items()),
            snapshot.fleet.budget if snapshot.fleet is not None else None,
            frozenset(repo for repo, gate in shared.items() if gate is not None),
            gates.tracker_gate(plan.world, now) is None,
            frozenset(repo for repo in plan.world.repos if gates.repository_gate(repo, plan.world, now)),
        )
        if common != self._common or (self._now is not None and now < self._now):
            self._common = common
            touched = {*snapshot.issues, *touched}
        touched |= self._timed
        self._now = now
        self._runs(before, diff)
        if touched:
            self._place(touched, plan, shared, now)
        self._pulls(before, diff)
        self._collect(shared, now)

    def _touched(self, before: Snapshot, diff: Diff) -> set[IssueKey]:
        touched = set(cast(frozenset[IssueKey], diff.keys(Kind.ISSUE) | diff.keys(Kind.CLAIM)))
        for snapshot in (before, self._snapshot):
            for name in cast(frozenset[RunId], diff.keys(Kind.RUN)):
                run = snapshot.runs.get(name)
                if run is not None:
                    touched.add(run.key)
            for key in cast(frozenset[PullKey], diff.keys(Kind.PULL)):
                pull = snapshot.pulls.get(key)
                issue = world.issue_of(pull) if pull is not None else None
                if issue is not None:
                    touched.add(issue)
        return touched

    def _runs(self, before: Snapshot, diff: Diff) -> None:
        changed = cast(frozenset[RunId], diff.keys(Kind.RUN))
        if not changed:
            return
        at_work = dict(self.at_work)
        touched = set()
        for name in changed:
            old, new = (snapshot.runs.get(name) for snapshot in (before, self._snapshot))
            if old is not None:
                self._runs_of.get(old.key, {}).pop(old.id, None)
                touched.add(old.key)
            if new is not None:
                self._runs_of.setdefault(new.key, {})[new.id] = new
                touched.add(new.key)
        for key in touched:
            run = _latest(run for run in self._runs_of[key].values() if not run.status.phase.final)
            if run is not None:
                at_work[key] = run
            else:
                at_work.pop(key, None)
            if not self._runs_of[key]:
                del self._runs_of[key]
        self.at_work = at_work

    def _place(
        self, touched: Iterable[IssueKey], plan: Plan, shared: Mapping[RepoName, Gate | None], now: datetime
    ) -> None:
        preset = self._settings.labels
        opened: dict[IssueKey, Rank | None] = {}
        done: dict[IssueKey, Rank | None] = {}
        for key in touched:
            issue = self._snapshot.issues.get(key)
            opened[key] = done[key] = None
            self._held.pop(key, None)
            held_with_all = False
            self._timed.discard(key)
            if issue is not None:
                gate = plan.gate(key) if issue.open else None
                if gate is not None and gate.name == "budget":
                    held_with_all = gate == shared[key.repo]
                    if not held_with_all:
                        self._held[key] = gate
                if lists.is_open(issue, preset):
                    opened[key] = lists.issue_rank(issue, preset, gate, self.at_work.get(key))
                else:
                    done[key] = (issue.updated_at, key)
                claim = self._snapshot.claims.get(key)
                if claim is not None and max(filter(None, _moments(claim)), default=now) > now:
                    self._timed.add(key)
            self._hold_with_all(key, held_with_all)
            latest = _latest(self._runs_of.get(key, {}).values())
            self._keep(key, of_issue(key, latest, self._snapshot, self._settings))
        opened_differ, done_differ = self._open.update(opened), self._done.update(done)
        if opened_differ or done_differ:
            self.issues = [*self._open.keys(), *self._done.last(lists.DONE_ISSUES)]

    def _hold_with_all(self, key: IssueKey, held: bool) -> None:
        keys = self._held_with_all[key.repo]
        if held is not (key in keys):
            (keys.add if held else keys.remove)(key)
            self._first_held.pop(key.repo, None)

    def _budgets(self, shared: Mapping[RepoName, Gate | None]) -> Iterator[AttentionItem]:
        """One item for every budget, whatever the number of issues that it holds."""
        held: dict[str, tuple[int, IssueKey]] = {}

        def add(gate: Gate | None, number: int, first: IssueKey) -> None:
            assert gate is not None
            known, lowest = held.get(gate.detail, (0, first))
            held[gate.detail] = (known + number, min(first, lowest))

        for key, gate in self._held.items():
            add(gate, 1, key)
        for repo, keys in self._held_with_all.items():
            if keys:
                if repo not in self._first_held:
                    self._first_held[repo] = min(keys)
                add(shared[repo], len(keys), self._first_held[repo])
        for detail, (number, first) in held.items():
            yield of_budget(detail, number, first)

    def _pulls(self, before: Snapshot, diff: Diff) -> None:
        issues, changed = diff.keys(Kind.ISSUE), diff.keys(Kind.PULL)
        if not issues and not changed:
            return
        for key in before.pulls.keys() - self._snapshot.pulls.keys():
            self._items.pop(key, None)
        for key, pull in self._snapshot.pulls.items():
            if key in changed or pull.issue_key in issues:
                self._keep(key, of_pull(pull, self._snapshot, self._settings))

    def _keep(self, key: IssueKey | PullKey, items: list[AttentionItem]) -> None:
        if items:
            self._items[key] = items
        else:
            self._items.pop(key, None)

    def _collect(self, shared: Mapping[RepoName, Gate | None], now: datetime) -> None:
        items = [
            *of_fleet(self._snapshot, now),
            *self._budgets(shared),
            *(item for found in self._items.values() for item in found),
        ]
        found = tuple(sorted(items, key=lambda item: urgency(item, now)))
        if found != self.attention:
            self.attention = found


def _latest(runs: Iterable[Run]) -> Run | None:
    latest: Run | None = None
    for run in runs:
        latest = later(run, latest)
    return latest


def _moments(claim: Claim) -> tuple[datetime | None, ...]:
    """When what a claim says of an issue may be over."""
    return claim.not_before, claim.failed_at, claim.elsewhere.until if claim.elsewhere is not None else None
