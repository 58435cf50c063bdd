"""Draws the consequences of an end: of a run, and of an issue whose pull request is merged.

It may be cut off at any line and done again; what tells that it is done is written last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from hive_tui.core import messages, workflow
from hive_tui.core.decisions import CloseIssue, Settle
from hive_tui.core.errors import Refused, UsageError
from hive_tui.core.history import record
from hive_tui.core.ids import IssueKey, PullKey, RunId
from hive_tui.core.model import (
    DISPATCHER,
    Check,
    CheckState,
    Claim,
    FleetClaim,
    Hold,
    Issue,
    Phase,
    PullRequest,
    Run,
)
from hive_tui.core.ports import Cluster, Forge, NewPull
from hive_tui.core.rights import Rights
from hive_tui.core.settings import FleetSettings
from hive_tui.core.showing import AUTHOR, Showing
from hive_tui.core.workflow import IssueState

CLOCKS_DIFFER = timedelta(minutes=1)
"""By so much, at most, those of the machines of a fleet."""


class Settler:
    """Settles ends; `attempts`, `pull` and `account` are as the `Executor` has them."""

    def __init__(
        self,
        cluster: Cluster,
        forge: Forge,
        settings: FleetSettings,
        rights: Rights,
        showing: Showing,
        *,
        attempts: Callable[[IssueKey], Sequence[Run]],
        pull: Callable[[PullKey], PullRequest | None],
        account: Callable[[Run], None],
    ) -> None:
        self._cluster = cluster
        self._forge = forge
        self._settings = settings
        self._rights = rights
        self._showing = showing
        self._attempts = attempts
        self._pull = pull
        self._account = account
        self._proposed: set[RunId] = set()

    def settle(self, settle: Settle, now: datetime, since: datetime) -> None:
        """Settle a run's end; `since` is when this dispatcher began."""
        run, key = settle.run, settle.run.key
        # First, since a tracker that does not answer may delay the rest for long.
        self._cluster.release_slot(run.id)
        # Before anything that lets the next attempt start: budgets are to know of this one.
        self._account(run)
        claim = self._cluster.get_claim(key)
        if claim is not None and claim.attempt == run.spec.attempt:
            word = self._conclude(settle, claim, since)
            self._rights.let_go(key, run.id)
            # The log line comes before the mark: after a kill in between it is written twice, not never.
            record(self._cluster, now, run.status.phase.value, word, key=key, run=run.id)
        # Else a later attempt speaks for the issue now; what an older one reports is history.
        self._cluster.settle_run(run.id)
        self._proposed.discard(run.id)

    def _conclude(self, settle: Settle, claim: Claim, since: datetime) -> str:
        """Draw the consequences of a run's end, and say what became of it in a line of the log."""
        run = settle.run
        other = self._rights.overtaken(run)
        if other is not None:
            self._yield(claim, other)
            return f"{run.spec.worker} came too late: attempt {other.attempt} of fleet {other.fleet} has it"
        try:
            issue = self._forge.get_issue(run.key)
        except UsageError as error:
            self._settle_claim(claim, run, settle)
            return f"{run.spec.worker} {run.status.phase.value}, but: {error.message}"
        if run.status.phase is Phase.SUCCEEDED:
            return self._propose(settle, claim, issue, since)
        claim = self._settle_claim(claim, run, settle)
        return self._hand_back(settle, issue, claim)

    def _propose(self, settle: Settle, claim: Claim, issue: Issue, since: datetime) -> str:
        """Put finished work up for review, or before a person where no pull request can be made of it:
        its base is gone, or somebody merged it already."""
        run = settle.run
        earlier = self._showing.earlier(run.spec)
        try:
            pull = self._open_pull(run, issue, since)
            word, state = f"{run.spec.worker} opened !{pull.number}", IssueState.IN_REVIEW
            comment = messages.pull_comment(run, pull, earlier)
        except Refused as error:
            word, state = f"{run.spec.worker} finished, but: {error.message}", IssueState.NEEDS_HUMAN
            comment = messages.no_pull_comment(run, error, earlier)
        self._settle_claim(claim, run, settle)
        self._showing.move(issue, state)
        self._showing.comment(issue.key, comment)
        return word

    def _open_pull(self, run: Run, issue: Issue, since: datetime) -> PullRequest:
        status = run.status
        pull = self._forge.open_pull(
            NewPull(
                repo=run.spec.repo,
                title=messages.pull_title(issue),
                body=messages.pull_body(run, issue, self._forge.pull_template(run.spec.repo)),
                author=run.spec.worker,
                branch=run.spec.branch,
                base=run.spec.base,
                issue=issue.number,
                run=run.id,
                untried=self._is_untried(run, since),
            )
        )
        if status.tests is not None and status.head is not None:
            state = CheckState.PASSED if status.tests.passed else CheckState.FAILED
            check = Check("hive/tests", state, status.head, status.tests.summary)
            pull = self._forge.set_check(pull.key, check)
        return pull

    def _is_untried(self, run: Run, since: datetime) -> bool:
        """Whether this is the first try to open a run's pull request: it ended well within the time in which
        this dispatcher, of which a fleet has one, was at work."""
        ended = run.status.ended_at
        mine = ended is not None and ended > since + CLOCKS_DIFFER
        first = mine and run.id not in self._proposed
        self._proposed.add(run.id)
        return first

    def _yield(self, claim: Claim, other: FleetClaim) -> None:
        """Let go of the claim on an issue that another fleet took over; neither its attempts nor the one
        that it overtook count here."""
        forgiven = claim.forgiven + other.attempt - claim.attempt + 1
        wanted = msgspec.structs.replace(
            claim, run=None, attempt=other.attempt, forgiven=forgiven, elsewhere=other
        )
        self._cluster.put_claim(wanted, expected=claim.version)

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
        self._showing.move(issue, state)
        comment = messages.end_comment(run, self._showing.earlier(run.spec), gives_up=settle.gives_up)
        self._showing.comment(issue.key, comment)
        why = run.why or "no reason was recorded"
        return f"{run.spec.worker}: {why}" + (" (no attempt is left)" if settle.gives_up else "")

    def close(self, close: CloseIssue, now: datetime) -> None:
        """Close an issue whose pull request is merged, unless a person moved it elsewhere."""
        try:
            issue = self._forge.get_issue(close.key)
        except UsageError:
            return  # it is not there any more
        # The others are of a move that was cut off; what a person added stays theirs.
        before = (IssueState.IN_REVIEW, IssueState.IN_PROGRESS, IssueState.READY)
        found = workflow.states(issue.labels, self._settings.labels)
        if IssueState.IN_REVIEW not in found or not set(found) <= set(before):
            return
        # Merged is for good: what was heard of it then needs no second look.
        merged = PullKey(issue.repo, close.pull)
        pull = self._pull(merged) or self._forge.get_pull(merged)
        if issue.open:
            self._forge.set_open(issue.key, False, by=AUTHOR)
        run = next((run for run in self._attempts(issue.key) if run.spec.branch == pull.branch), None)
        if run is not None:
            self._showing.comment(
                issue.key, messages.pull_comment(run, pull, self._showing.earlier(run.spec))
            )
        # The label last: while it says that the issue is in review, all of this is done again.
        self._showing.move(issue, IssueState.DONE, frm=before)
        record(self._cluster, now, "done", f"!{close.pull} is merged", key=issue.key)
