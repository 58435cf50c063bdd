"""What the panes show: a snapshot and everything derived from it, made in the store's thread.

Deriving (decisions, orders of lists, sums, attention) takes longer than a frame on a large fleet, so it
is done once for all panes, away from the screen's thread; the panes only look things up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from hive_tui.app import lists
from hive_tui.app.issue_index import IssueIndex
from hive_tui.app.lists import Tally
from hive_tui.core import cluster_facts
from hive_tui.core.attention import AttentionItem
from hive_tui.core.booked import Booked
from hive_tui.core.dispatch import Plan, Planner
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import PullRequest, Run
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import CLUSTER, Kind
from hive_tui.core.spend import NOT_KNOWN, Costs, Reader, costs, hourly
from hive_tui.core.store import Diff, Snapshot
from hive_tui.core.targets import Target, precedence

REVIEW_AFTER = timedelta(seconds=5)
"""How long what also depends on the time (gates, sums) may be old while nothing changes."""

_FLEET = Target()


class View(msgspec.Struct, frozen=True, eq=False):
    """One moment of a fleet, ready to be shown. Nothing in it ever changes."""

    name: str
    settings: FleetSettings
    now: datetime
    snapshot: Snapshot
    plan: Plan
    issues: Sequence[IssueKey] = ()
    """In the order of attention, as the other lists."""
    runs: Sequence[RunId] = ()
    pulls: Sequence[PullKey] = ()
    attention: tuple[AttentionItem, ...] = ()
    costs: Costs = NOT_KNOWN
    hourly: tuple[int | None, ...] = ()
    """What each of the last hours cost (`spend.hourly`)."""
    at_work: Mapping[IssueKey, Run] = MappingProxyType({})
    """The run at work on each issue."""
    pull_of: Mapping[IssueKey, PullRequest] = MappingProxyType({})
    """The open pull request of each issue, else its newest."""
    tally: Tally = Tally()
    """How many there are of what is in the lists."""
    pending: Mapping[Target, str] = MappingProxyType({})
    """What was ordered here and is not a fact yet (`killing`), by `Action.subject`; Target() is the
    fleet as a whole."""
    slots_wanted: int | None = None
    """The slots that were asked for and are not set yet."""
    read_only: bool = False

    @property
    def only_looks(self) -> bool:
        """Whether the cluster lets the person change nothing there."""
        fleet = self.snapshot.fleet
        return fleet is not None and cluster_facts.only_looks(fleet.denied) is not None

    @property
    def many(self) -> bool:
        """Several repositories: numbers stand with their repository's name."""
        return len(self.settings.repos) > 1

    def at(self, now: datetime) -> View:
        """The same, some time later."""
        return msgspec.structs.replace(self, now=now)

    def pending_of(self, target: Target) -> str | None:
        """What was ordered for a run, else for its issue, else for its pull request; of Target() for the
        fleet. Ask for a target with only one of them where only that one counts."""
        if not self.pending:
            return None
        if target == _FLEET:
            return self.pending.get(_FLEET)
        parts = (
            Target(run=target.run),
            Target(repo=target.repo, issue=target.issue),
            Target(repo=target.repo, pull_request=target.pull_request),
            Target(agent=target.agent),
        )
        found = (self.pending.get(part) for part in parts if part not in (_FLEET, Target(repo=target.repo)))
        return next((word for word in found if word is not None), None)

    def target_of_issue(self, key: IssueKey) -> Target:
        """An issue with the run at work on it and its pull request."""
        run, pull = self.at_work.get(key), self.pull_of.get(key)
        return Target(
            repo=key.repo,
            issue=key.number,
            run=None if run is None else run.id,
            pull_request=None if pull is None else pull.number,
        )

    def target_of_run(self, name: RunId) -> Target:
        """A run with its issue and that issue's pull request."""
        run = self.snapshot.runs.get(name)
        if run is None:
            return Target(run=name)
        return msgspec.structs.replace(self.target_of_issue(run.key), run=name)

    def target_of_pull(self, key: PullKey) -> Target:
        """A pull request with its issue, and the run at work on that or that made it."""
        pull = self.snapshot.pulls.get(key)
        if pull is None or pull.issue_key is None:
            return Target(repo=key.repo, pull_request=key.number, run=None if pull is None else pull.run)
        target = self.target_of_issue(pull.issue_key)
        return msgspec.structs.replace(target, pull_request=key.number, run=target.run or pull.run)


class Deriver:
    """Makes views, and remembers what a change did not touch. For one thread."""

    def __init__(self, name: str, settings: FleetSettings, now: datetime) -> None:
        self._planner = Planner(settings)
        self._rows = Reader()
        self._booked: Booked = Snapshot().booked
        self._index = IssueIndex(settings)
        self.view = View(name, settings, now, Snapshot(), self._planner.decide(Snapshot(), now))
        self._reviewed_at = now

    def derive(self, snapshot: Snapshot, diff: Diff, now: datetime) -> View:
        """The view of a snapshot; `diff` is what changed since the last one."""
        before, index = self.view, self._index
        aged = now - self._reviewed_at >= REVIEW_AFTER
        if aged:
            self._reviewed_at = now
            self._rows.forget(snapshot.runs)
        plan = self._planner.decide(snapshot, now)
        index.update(snapshot, diff, plan, now)
        booked = snapshot.booked
        billed, self._booked = booked is not self._booked, booked
        runs, pulls = bool(diff.keys(Kind.RUN)), bool(diff.keys(Kind.PULL))
        listed_runs = lists.runs(snapshot) if runs else before.runs
        listed_pulls = lists.pulls(snapshot) if pulls else before.pulls
        tally = lists.tally(
            snapshot,
            before.settings.labels,
            plan.gate,
            index.at_work,
            issues=index.issues,
            runs=listed_runs,
            pulls=listed_pulls,
        )
        self.view = View(
            before.name,
            before.settings,
            now,
            snapshot,
            plan,
            issues=index.issues,
            runs=listed_runs,
            pulls=listed_pulls,
            attention=index.attention,
            costs=costs(snapshot.runs.values(), now, booked.bill, self._rows)
            if (runs or aged or billed) and snapshot.heard(CLUSTER)
            else before.costs,
            hourly=hourly(snapshot.runs.values(), now) if runs or aged else before.hourly,
            at_work=index.at_work,
            pull_of=_pull_of(snapshot) if pulls else before.pull_of,
            tally=tally,
        )
        return self.view


def _pull_of(snapshot: Snapshot) -> dict[IssueKey, PullRequest]:
    found: dict[IssueKey, PullRequest] = {}
    for pull in sorted(snapshot.pulls.values(), key=precedence):
        if pull.issue_key is not None:
            found[pull.issue_key] = pull
    return found
