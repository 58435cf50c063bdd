"""Starts a run: claim, slot, right, text, and only then the run itself.

It may be cut off at any line and done again. Whoever comes too late anywhere gives back what it took, and
no attempt is used up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from hive_tui.core import text
from hive_tui.core.decisions import Start
from hive_tui.core.errors import ClaimLost, HiveError, NoSlot
from hive_tui.core.history import record
from hive_tui.core.ids import RunId, branch_name, run_id
from hive_tui.core.model import DISPATCHER, Claim, FleetClaim, Issue, RunSpec
from hive_tui.core.ports import AgentJob, Cluster, Forge, Job, RepoJob
from hive_tui.core.rights import Rights
from hive_tui.core.settings import FleetSettings
from hive_tui.core.showing import Showing


class Starter:
    """Makes runs of decisions; `holder` and `credentials` are as the `Executor` has them."""

    def __init__(
        self,
        cluster: Cluster,
        forge: Forge,
        settings: FleetSettings,
        rights: Rights,
        showing: Showing,
        *,
        fleet: str,
        holder: str,
        credentials: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._cluster = cluster
        self._forge = forge
        self._settings = settings
        self._rights = rights
        self._showing = showing
        self._fleet = fleet
        self._holder = holder
        self._credentials = credentials

    def start(self, start: Start, now: datetime) -> bool:
        """Start it; False if somebody or something came first."""
        key = start.key
        run = run_id(self._forge.identity, key.repo, key.number, start.attempt)
        job = self._job(start, run, now)
        before = start.claim or Claim(repo=key.repo, number=key.number, version=0)
        wanted = msgspec.structs.replace(
            before, attempt=start.attempt, run=run, holder=self._holder, elsewhere=None
        )
        try:
            claim = self._cluster.put_claim(wanted, expected=start.claim.version if start.claim else None)
        except ClaimLost:
            return False
        try:
            if not self._take_slot(start, claim, before):
                return False
            if not self._take_right(start, claim, before, now):
                self._cluster.release_slot(run)
                return False
            self._cluster.create_run(job)
        except (NoSlot, ClaimLost):
            self._cluster.release_slot(run)
            self.abandon(claim)
            return False
        self._cluster.start_run(run)
        by = f", fired by {start.by}" if start.by is not None else ""
        record(self._cluster, now, "start", f"attempt {start.attempt} → {start.worker}{by}", key=key, run=run)
        self._show(claim, start.issue, job.spec, now)
        return True

    def abandon(self, claim: Claim) -> bool:
        """Give back what was claimed for a run that never began; False if it was claimed anew."""
        try:
            self._cluster.abandon_claim(claim)
        except ClaimLost:
            return False
        if claim.run is not None:
            self._rights.let_go(claim.key, claim.run)
        return True

    def _take_slot(self, start: Start, claim: Claim, before: Claim) -> bool:
        """Take a slot for a start. Without one, where slots were taken away or the fleet was paused just now,
        the claim is given back as it was, and no attempt is used up: nobody else may begin one under this
        version of the claim. Raises ClaimLost where somebody claimed the issue since."""
        assert claim.run is not None, "it was claimed for a run"
        try:
            self._cluster.take_slot(start.worker, claim.run)
        except NoSlot:
            free = msgspec.structs.replace(before, version=claim.version)
            self._cluster.put_claim(free, expected=claim.version)
            return False
        return True

    def _take_right(self, start: Start, claim: Claim, before: Claim, now: datetime) -> bool:
        """Take the issue among all fleets. Without it, or where the issue was changed in between, the claim
        is given back with what was learned, and no attempt is used up."""
        assert claim.run is not None, "it was claimed for a run"
        free = msgspec.structs.replace(before, version=claim.version)
        try:
            self._rights.take(claim.key, claim.run, claim.attempt, now)
        except ClaimLost:
            learned = self._rights.learn(free, claim.attempt, now)
            self._cluster.put_claim(learned, expected=claim.version)
            self._record_other(learned.elsewhere, before.elsewhere, start, now)
            return False
        except HiveError:
            # Nobody knows whether it was taken. If so, it was for this run: its number is asked for again.
            self._cluster.put_claim(free, expected=claim.version)
            self._cluster.release_slot(claim.run)
            raise
        # Looked at only now that nobody else may begin: another fleet may have done all of its work between
        # what was heard last and the claim, or a person changed their mind.
        if self._unchanged(start.issue):
            return True
        self._cluster.put_claim(free, expected=claim.version)
        self._rights.let_go(claim.key, claim.run)
        return False

    def _unchanged(self, issue: Issue) -> bool:
        """Whether the text that would be worked on is the one that passed the gates, to the letter."""
        found = self._forge.get_issue(issue.key)
        return found == msgspec.structs.replace(
            issue, updated_at=found.updated_at, comments=found.comments, url=found.url
        )

    def _record_other(
        self, found: FleetClaim | None, known: FleetClaim | None, start: Start, now: datetime
    ) -> None:
        """Say once that another fleet holds an issue."""
        if found is not None and (known is None or known.run != found.run):
            until = text.clock(found.until, now)
            record(self._cluster, now, "hold", f"claimed by fleet {found.fleet} until {until}", key=start.key)

    def _show(self, claim: Claim, issue: Issue, spec: RunSpec, now: datetime) -> None:
        """Let the tracker show a start. The run is at work all the same if that does not answer, and it is
        done as soon as it does."""
        try:
            self._showing.start(claim, issue, spec)
        except HiveError as error:
            words = f"attempt {spec.attempt} is at work, but the tracker does not show it: {error.message}"
            record(self._cluster, now, "error", words, key=issue.key, run=spec.id)

    def _job(self, start: Start, run: RunId, now: datetime) -> Job:
        settings, issue = self._settings, start.issue
        repo = settings.repo(issue.repo)
        agent = settings.agent(start.agent)
        assert repo is not None, "issues come from the fleet's own repositories"
        assert agent is not None, "agents come from the fleet's own settings"
        remote = self._forge.remote(issue.repo)
        return Job(
            fleet=self._fleet,
            spec=RunSpec(
                id=run,
                repo=issue.repo,
                issue=issue.number,
                attempt=start.attempt,
                worker=start.worker,
                agent=start.agent,
                mode=start.mode,
                branch=branch_name(issue.number, start.attempt),
                base=remote.base,
                title=issue.title,
                created_at=now,
                created_by=start.by or DISPATCHER,
                model=start.model or agent.model,
                budget_micros=start.budget_micros,
            ),
            repo=RepoJob(
                name=repo.name,
                source=remote.source,
                base=remote.base,
                test=repo.test,
                credential=remote.credential,
                variables=remote.variables,
                certificates=remote.certificates,
                large=remote.large,
                portable=remote.portable,
            ),
            agent=AgentJob(
                name=agent.name,
                backend=agent.entry_point,
                command=agent.command,
                model=start.model or agent.model,
                permission_mode=agent.permission_mode,
                allowed_tools=agent.allowed_tools,
                max_turns=agent.max_turns,
                options=agent.options,
                credentials=self._credentials(agent.entry_point),
            ),
            title=issue.title,
            body=issue.body,
            deadline_seconds=settings.deadline_minutes * 60,
            max_rounds=settings.max_rounds,
            stalled_after_seconds=settings.stalled_after_minutes * 60,
        )
