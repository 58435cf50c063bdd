"""A snapshot turned round for questions about one issue: who works on it, what it cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

import msgspec

from hive_tui.core.booked import Booked, Spent
from hive_tui.core.ids import AgentName, IssueKey, RepoName, RunId
from hive_tui.core.model import AgentState, ApiUse, Claim, Fleet, PullRequest, PullState, RepoState, Run
from hive_tui.core.sources import Freshness
from hive_tui.core.store import Snapshot

Scope = IssueKey | RepoName | str
"""Whose money: an issue, a repository, `day` or `fleet`."""

_NOTHING = Booked()

_HIVE_BRANCH = r"hive/issue-(\d+)-a\d+"


class Spending(msgspec.Struct):
    """Money of one scope, in micro-dollars."""

    micros: int = 0
    reserved: int = 0
    """What runs at work may still spend of their own budgets."""
    unknown: RunId | None = None
    """A run that ended without anybody knowing what it cost."""


class Account:
    """The money of every scope: what the ledger has of it, and what is added to that."""

    def __init__(self, booked: Booked = _NOTHING, midnight: datetime | None = None) -> None:
        self._booked, self._midnight = booked, midnight
        self._scopes: dict[Scope, Spending] = {}

    def of(self, scope: Scope) -> Spending:
        """The money of a scope, to be changed in place."""
        found = self._scopes.get(scope)
        if found is None:
            spent = self._spent(scope)
            found = self._scopes[scope] = Spending(spent.micros, unknown=spent.unknown)
        return found

    def _spent(self, scope: Scope) -> Spent:
        if scope == "fleet":
            return self._booked.fleet
        if scope == "day":
            return Spent() if self._midnight is None else self._booked.since(self._midnight)
        return self._booked.of(scope if isinstance(scope, IssueKey) else RepoName(scope))


class World(msgspec.Struct, frozen=True, eq=False):
    """What gates ask about. Built once per decision."""

    fleet: Fleet | None
    claims: Mapping[IssueKey, Claim]
    live_runs: Mapping[IssueKey, Run]
    open_pulls: Mapping[IssueKey, PullRequest]
    agents: Mapping[AgentName, AgentState]
    spending: Account
    """Grows while starts are decided: each one reserves its own budget."""
    broken_sources: tuple[Freshness, ...]
    repos: Mapping[RepoName, RepoState]
    api: Mapping[str, ApiUse]

    def limit(self, scope: str) -> int | None:
        """The budget of `issue`, `repo`, `day` or `fleet` in micro-dollars, None for no limit."""
        if self.fleet is None:
            return None
        budget = self.fleet.budget
        match scope:
            case "issue":
                return budget.issue_micros
            case "repo":
                return budget.repo_micros
            case "day":
                return budget.day_micros
            case _:
                return budget.fleet_micros


def build(snapshot: Snapshot, now: datetime) -> World:
    """The world of a snapshot. Linear in runs and pull requests, independent of the issues."""
    fleet = snapshot.fleet
    return World(
        fleet=fleet,
        claims=snapshot.claims,
        live_runs={run.spec.key: run for run in snapshot.runs.values() if run.live},
        open_pulls=_open_pulls(snapshot),
        agents={agent.name: agent for agent in fleet.agents} if fleet else {},
        spending=_spending(snapshot, now),
        broken_sources=tuple(source for source in snapshot.sources.values() if not source.ok),
        repos=snapshot.repos,
        api=snapshot.api,
    )


def _open_pulls(snapshot: Snapshot) -> dict[IssueKey, PullRequest]:
    """Open pull requests by the issue that they are for."""
    found = {}
    for pull in snapshot.pulls.values():
        key = issue_of(pull) if pull.state is PullState.OPEN else None
        if key is not None:
            found[key] = pull
    return found


def issue_of(pull: PullRequest) -> IssueKey | None:
    """The issue that a pull request is for: as recorded, else by hive's head branch."""
    if pull.issue is not None:
        return IssueKey(pull.repo, pull.issue)
    match = re.fullmatch(_HIVE_BRANCH, pull.branch)
    return IssueKey(pull.repo, int(match[1])) if match is not None else None


def _spending(snapshot: Snapshot, now: datetime) -> Account:
    """Money by scope, for the scopes that have a limit: the ledger's, and that of runs which are not in
    there yet."""
    if snapshot.fleet is None or not snapshot.fleet.budget.kept_by_ledger:
        return Account()
    budget, booked = snapshot.fleet.budget, snapshot.booked.runs
    by_issue, by_repo = budget.issue_micros is not None, budget.repo_micros is not None
    by_day, by_fleet = budget.day_micros is not None, budget.fleet_micros is not None
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    account = Account(snapshot.booked, midnight)
    for run in snapshot.runs.values():
        if run.id in booked:
            continue
        status, spec = run.status, run.spec
        scopes: list[Scope] = []
        if by_issue:
            scopes.append(spec.key)
        if by_repo:
            scopes.append(spec.repo)
        if by_fleet:
            scopes.append("fleet")
        if by_day and (status.ended_at is None or status.ended_at >= midnight):
            scopes.append("day")
        if not scopes:
            continue
        final = status.phase.final
        cost = status.usage.cost_micros
        reserved = 0 if final else max(0, (spec.budget_micros or 0) - (cost or 0))
        lost = cost is None and final and status.started_at is not None
        if lost and spec.budget_micros is not None:
            cost, lost = spec.budget_micros, False
        for scope in scopes:
            entry = account.of(scope)
            entry.micros += cost or 0
            entry.reserved += reserved
            if lost:
                entry.unknown = run.id
    return account
