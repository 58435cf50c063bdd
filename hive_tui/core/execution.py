"""Carries decisions out, through the ports alone.

Every method may be cut off at any line and run again: the claim is swapped before any side effect,
each later step is idempotent or fenced by that claim, and what was left half-done is seen in the next
snapshot and decided anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from hive_tui.core import messages, text, workflow
from hive_tui.core.decisions import (
    CloseIssue,
    Decision,
    Launch,
    LimitAgent,
    Recover,
    ReleaseClaim,
    ReleaseSlot,
    RestoreAgent,
    Settle,
    Start,
)
from hive_tui.core.errors import ClaimLost, NoSlot, Refused
from hive_tui.core.ids import IssueKey, RunId, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    Check,
    CheckState,
    Claim,
    Event,
    Hold,
    Issue,
    Phase,
    Quota,
    QuotaState,
    Run,
    RunSpec,
)
from hive_tui.core.ports import AgentJob, Cluster, Forge, Job, NewPull, RepoJob
from hive_tui.core.settings import FleetSettings
from hive_tui.core.workflow import IssueState

REMEMBERED = 256
"""Decisions that were carried out of late; a snapshot is older than what was just done for a moment only."""

AUTHOR = "hive"
"""The author of what hive itself writes into a tracker."""


_FINAL = (Settle, CloseIssue, LimitAgent, RestoreAgent)
"""Decisions that are done for good once they are done. The word of one source may come before that of the
other, and the same is then decided on the same old facts: what was done would be logged twice."""


class Executor:
    """The dispatcher's hands.

    `holder` names this dispatcher in the claims that it takes; `credentials` tells for an agent backend
    which variables of the environment its runs may see.
    """

    def __init__(
        self,
        *,
        fleet: str,
        cluster: Cluster,
        forge: Forge,
        settings: FleetSettings,
        holder: str,
        credentials: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._fleet = fleet
        self._cluster = cluster
        self._forge = forge
        self._settings = settings
        self._holder = holder
        self._credentials = credentials
        self._drawn: dict[Decision, None] = {}

    def execute(self, decision: Decision, now: datetime) -> bool:
        """Carry one decision out; False if somebody or something else came first.

        Raises SourceError when a backend cannot be reached: the decision stays to be made.
        """
        if not isinstance(decision, _FINAL):
            return self._carry_out(decision, now)
        if decision in self._drawn:
            return False
        done = self._carry_out(decision, now)
        if done:
            self._drawn[decision] = None
            if len(self._drawn) > REMEMBERED:
                del self._drawn[next(iter(self._drawn))]
        return done

    def _carry_out(self, decision: Decision, now: datetime) -> bool:
        match decision:
            case Start():
                return self._start(decision, now)
            case Launch():
                return self._launch(decision, now)
            case Recover():
                return self._recover(decision.run, now)
            case Settle():
                return self._settle(decision, now)
            case ReleaseSlot():
                self._cluster.release_slot(decision.run)
                return True
            case ReleaseClaim():
                return self._release_claim(decision.claim)
            case LimitAgent():
                self._cluster.set_quota(decision.agent, decision.quota)
                until = f" until {text.clock(decision.quota.until, now)}" if decision.quota.until else ""
                self._record(now, "limit", f"{decision.agent} is limited{until}: {decision.quota.why}")
                return True
            case RestoreAgent():
                self._cluster.set_quota(decision.agent, Quota(QuotaState.OK, at=now))
                self._record(now, "limit", f"{decision.agent} may work again")
                return True
            case CloseIssue():
                return self._close_issue(decision, now)

    def _start(self, start: Start, now: datetime) -> bool:
        issue, key = start.issue, start.key
        # The text that is worked on is the text that passed the gates, to the letter.
        if self._forge.get_issue(key) != issue:
            return False
        run = run_id(self._forge.identity, key.repo, key.number, start.attempt)
        before = start.claim or Claim(repo=key.repo, number=key.number, version=0)
        wanted = msgspec.structs.replace(before, attempt=start.attempt, run=run, holder=self._holder)
        try:
            claim = self._cluster.put_claim(wanted, expected=start.claim.version if start.claim else None)
        except ClaimLost:
            return False
        try:
            self._cluster.take_slot(start.worker, run)
            self._cluster.create_run(self._job(start, run, now))
        except (NoSlot, ClaimLost):
            self._release_claim(claim)
            self._cluster.release_slot(run)
            return False
        self._cluster.start_run(run)
        self._mirror_start(claim, issue)
        by = f", fired by {start.by}" if start.by is not None else ""
        self._record(now, "start", f"attempt {start.attempt} → {start.worker}{by}", key=key, run=run)
        return True

    def _mirror_start(self, claim: Claim, issue: Issue) -> None:
        """Show that the issue is in progress, unless that is over by now.

        A dispatcher that was held up here for long may come after the run's end was settled by
        another one; then what it has just put over that settlement is taken back.
        """
        preset = self._settings.labels
        self._move(issue, IssueState.IN_PROGRESS, frm=(IssueState.READY,))
        now = self._cluster.get_claim(claim.key)
        if now is not None and now.run == claim.run:
            return
        settled = self._forge.get_issue(issue.key)
        found = workflow.states(settled.labels, preset)
        if IssueState.IN_PROGRESS in found:
            wanted = next((state for state in found if state is not IssueState.IN_PROGRESS), IssueState.READY)
            add, remove = workflow.transition(settled.labels, wanted, preset)
            self._forge.set_labels(issue.key, add=add, remove=remove, by=AUTHOR)

    def _job(self, start: Start, run: RunId, now: datetime) -> Job:
        settings, issue = self._settings, start.issue
        repo = settings.repo(issue.repo)
        agent = settings.agent(start.agent)
        assert repo is not None, "issues come from the fleet's own repositories"
        assert agent is not None, "agents come from the fleet's own settings"
        base = repo.base or "main"
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
                base=base,
                title=issue.title,
                created_at=now,
                created_by=start.by or DISPATCHER,
                model=start.model or agent.model,
                budget_micros=start.budget_micros,
            ),
            repo=RepoJob(name=repo.name, source=repo.path or "", base=base, test=repo.test),
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

    def _launch(self, launch: Launch, now: datetime) -> bool:
        run = launch.run
        try:
            self._cluster.take_slot(run.spec.worker, run.id)
        except NoSlot:
            return False
        if not self._cluster.start_run(run.id):
            return False
        self._record(now, "start", f"{run.spec.worker} goes on: {launch.why}", key=run.key, run=run.id)
        return True

    def _recover(self, run: Run, now: datetime) -> bool:
        if not self._cluster.recover_run(run.id):
            return False
        gone = f"{run.spec.worker}'s process is gone: its work is being saved"
        self._record(now, "lost", gone, key=run.key, run=run.id)
        return True

    def _settle(self, settle: Settle, now: datetime) -> bool:
        run, key = settle.run, settle.run.key
        claim = self._cluster.get_claim(key)
        if claim is None or claim.attempt != run.spec.attempt:
            # A later attempt speaks for the issue now; what an older one reports is history.
            self._cluster.release_slot(run.id)
            self._cluster.settle_run(run.id)
            return True
        # First, since a repository that was moved away may delay the rest for long.
        self._cluster.release_slot(run.id)
        issue = self._forge.get_issue(key)
        if run.status.phase is Phase.SUCCEEDED:
            word = self._propose(settle, claim, issue)
        else:
            claim = self._settle_claim(claim, run, settle)
            word = self._hand_back(settle, issue, claim)
        # The log line comes before the mark: after a kill in between it is written twice, not never.
        self._record(now, run.status.phase.value, word, key=key, run=run.id)
        self._cluster.settle_run(run.id)
        return True

    def _propose(self, settle: Settle, claim: Claim, issue: Issue) -> str:
        """Put finished work up for review, or before a person where no pull request can be made of it:
        its base is gone, or somebody merged it already."""
        run = settle.run
        try:
            word, state = self._open_pull(run, issue), IssueState.IN_REVIEW
        except Refused as error:
            word, state = f"{run.spec.worker} finished, but: {error.message}", IssueState.NEEDS_HUMAN
            self._forge.comment(
                issue.key,
                author=AUTHOR,
                body=messages.no_pull_comment(run, error),
                marker=f"attempt-{run.spec.attempt}",
            )
        self._settle_claim(claim, run, settle)
        self._move(issue, state)
        return word

    def _open_pull(self, run: Run, issue: Issue) -> str:
        status = run.status
        pull = self._forge.open_pull(
            NewPull(
                repo=run.spec.repo,
                title=messages.pull_title(issue),
                body=messages.pull_body(run, issue),
                author=run.spec.worker,
                branch=run.spec.branch,
                base=run.spec.base,
                issue=issue.number,
                run=run.id,
            )
        )
        if status.tests is not None and status.head is not None:
            state = CheckState.PASSED if status.tests.passed else CheckState.FAILED
            check = Check("hive/tests", state, status.head, status.tests.summary)
            self._forge.set_check(pull.key, check)
        return f"{run.spec.worker} opened !{pull.number}"

    def _settle_claim(self, claim: Claim, run: Run, settle: Settle) -> Claim:
        """Let go of the claim with what the end means for the next attempt; again is no change."""
        status, spec = run.status, run.spec
        forgiven = claim.forgiven
        if status.agent_problem is not None:
            forgiven = max(forgiven, spec.attempt)
        hold = claim.hold
        if status.phase is Phase.KILLED and forgiven < spec.attempt and hold is None:
            hold = Hold(DISPATCHER, status.ended_at or spec.created_at, status.why or "killed")
        fired_before = claim.fire is not None and claim.fire.at <= spec.created_at
        failed = status.phase in (Phase.FAILED, Phase.LOST) and forgiven < spec.attempt
        wanted = msgspec.structs.replace(
            claim,
            run=None,
            forgiven=forgiven,
            hold=hold,
            fire=None if fired_before else claim.fire,
            failed_at=status.ended_at if failed else None,
            not_before=settle.not_before if failed else None,
        )
        if wanted == claim:
            return claim
        return self._cluster.put_claim(wanted, expected=claim.version)

    def _hand_back(self, settle: Settle, issue: Issue, claim: Claim) -> str:
        run, phase = settle.run, settle.run.status.phase
        forgiven = claim.forgiven >= run.spec.attempt
        if phase is Phase.CHANGES_REQUESTED:
            state = IssueState.CHANGES_REQUESTED
        elif phase is Phase.NEEDS_HUMAN or settle.gives_up or (phase is Phase.KILLED and not forgiven):
            state = IssueState.NEEDS_HUMAN
        else:
            state = IssueState.READY
        self._move(issue, state)
        self._forge.comment(
            issue.key,
            author=AUTHOR,
            body=messages.end_comment(run, gives_up=settle.gives_up),
            marker=f"attempt-{run.spec.attempt}",
        )
        why = run.why or "no reason was recorded"
        return f"{run.spec.worker}: {why}" + (" (no attempt is left)" if settle.gives_up else "")

    def _move(
        self,
        issue: Issue,
        to: IssueState,
        # Ready, too: a dispatcher that died right after a start has not shown it.
        frm: tuple[IssueState, ...] = (IssueState.IN_PROGRESS, IssueState.READY),
    ) -> None:
        """Mirror a state in the labels, unless a person changed it meanwhile: theirs wins."""
        preset = self._settings.labels
        if workflow.state(issue.labels, preset) not in frm:
            return
        add, remove = workflow.transition(issue.labels, to, preset)
        self._forge.set_labels(issue.key, add=add, remove=remove, by=AUTHOR)

    def _release_claim(self, claim: Claim) -> bool:
        try:
            self._cluster.abandon_claim(claim)
        except ClaimLost:
            return False
        return True

    def _close_issue(self, close: CloseIssue, now: datetime) -> bool:
        issue = close.issue
        self._move(issue, IssueState.DONE, frm=(IssueState.IN_REVIEW,))
        self._forge.set_open(issue.key, False, by=AUTHOR)
        self._record(now, "done", f"!{close.pull} is merged", key=issue.key)
        return True

    def _record(
        self, now: datetime, kind: str, words: str, *, key: IssueKey | None = None, run: RunId | None = None
    ) -> None:
        self._cluster.record(
            Event(
                seq=0,
                at=now,
                actor=DISPATCHER,
                kind=kind,
                text=words,
                repo=key.repo if key is not None else None,
                number=key.number if key is not None else None,
                run=run,
            )
        )
