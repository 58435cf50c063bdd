"""Carries decisions out, through the ports alone.

Every method may be cut off at any line and run again: the claim is swapped before any side effect,
each later step is idempotent or fenced by that claim, and what was left half-done is seen in the next
snapshot and decided anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta

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
    Renew,
    RestoreAgent,
    Settle,
    Show,
    Start,
)
from hive_tui.core.errors import ClaimLost, HiveError, NoSlot, Refused, RunEnded, UsageError
from hive_tui.core.ids import IssueKey, PullKey, RunId, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    Check,
    CheckState,
    Claim,
    ControlKind,
    Event,
    FleetClaim,
    Hold,
    Issue,
    Phase,
    PullRequest,
    Quota,
    QuotaState,
    Run,
    RunSpec,
)
from hive_tui.core.ports import AgentJob, Cluster, Forge, Job, NewPull, RepoJob
from hive_tui.core.rights import Rights
from hive_tui.core.settings import FleetSettings
from hive_tui.core.workflow import IssueState

REMEMBERED = 256
"""Decisions that were carried out of late; a snapshot is older than what was just done for a moment only."""

CLOCKS_DIFFER = timedelta(minutes=1)
"""By so much, at most, those of the machines of a fleet."""

AUTHOR = "hive"
"""The author of what hive itself writes into a tracker."""


_FINAL = (Settle, CloseIssue, LimitAgent, RestoreAgent)
"""Decisions that are done for good once they are done. The word of one source may come before that of the
other, and the same is then decided on the same old facts: what was done would be logged twice."""


class Executor:
    """The dispatcher's hands.

    `holder` names this dispatcher in the claims that it takes; `credentials` tells for an agent backend
    which variables of the environment its runs may see; `attempts` are all runs known of an issue,
    `pull` is a pull request as the tracker last said of it, None if it did not, and `account` enters what a
    run that has ended used in the ledger.
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
        attempts: Callable[[IssueKey], Sequence[Run]] = lambda _: (),
        pull: Callable[[PullKey], PullRequest | None] = lambda _: None,
        account: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._fleet = fleet
        self._cluster = cluster
        self._forge = forge
        self._settings = settings
        self._holder = holder
        self._credentials = credentials
        self._attempts = attempts
        self._pull = pull
        self._account = account
        self._rights = Rights(cluster, forge, fleet)
        self._drawn: dict[Hashable, None] = {}
        self._since: datetime | None = None
        self._proposed: set[RunId] = set()
        self._shown: set[RunId] = set()
        """Runs whose start the tracker shows."""

    def renewals(self, runs: Iterable[Run], now: datetime) -> list[Renew | Show]:
        """What runs at work need now: rights that are renewed, starts that the tracker is to show. Whoever
        starts anew does not know of either, so it looks at all of them."""
        at_work = [run for run in runs if run.live]
        self._shown &= {run.id for run in at_work}
        unshown = [Show(run) for run in at_work if run.id not in self._shown]
        return [*(Renew(run) for run in at_work if self._rights.due(run, now)), *unshown]

    def execute(self, decision: Decision, now: datetime) -> bool:
        """Carry one decision out; False if somebody or something else came first.

        Raises SourceError when a backend cannot be reached: the decision stays to be made.
        """
        self._since = self._since or now
        if not isinstance(decision, _FINAL):
            return self._carry_out(decision, now)
        # What else is seen of a run, such as its process, changes after its end.
        once = decision.run.id if isinstance(decision, Settle) else decision
        if once in self._drawn:
            return False
        done = self._carry_out(decision, now)
        if done:
            self._drawn[once] = None
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
            case Renew():
                return self._renew(decision.run, now)
            case Show():
                return self._show(decision.run)
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
            self._release_claim(claim)
            return False
        self._cluster.start_run(run)
        by = f", fired by {start.by}" if start.by is not None else ""
        self._record(now, "start", f"attempt {start.attempt} → {start.worker}{by}", key=key, run=run)
        self._show_start(claim, start.issue, job.spec, now)
        return True

    def _unchanged(self, issue: Issue) -> bool:
        """Whether the text that would be worked on is the one that passed the gates, to the letter."""
        found = self._forge.get_issue(issue.key)
        return found == msgspec.structs.replace(
            issue, updated_at=found.updated_at, comments=found.comments, url=found.url
        )

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

    def _record_other(
        self, found: FleetClaim | None, known: FleetClaim | None, start: Start, now: datetime
    ) -> None:
        """Say once that another fleet holds an issue."""
        if found is not None and (known is None or known.run != found.run):
            until = text.clock(found.until, now)
            self._record(now, "hold", f"claimed by fleet {found.fleet} until {until}", key=start.key)

    def _renew(self, run: Run, now: datetime) -> bool:
        """Keep the right to a run's issue; end the run if a later attempt of another fleet has it."""
        try:
            self._rights.take(run.key, run.id, run.spec.attempt, now)
            return True
        except ClaimLost:
            other = self._rights.overtaken(run)
            if other is None:
                raise
        if run.stop_requested or run.status.phase.final:
            return False
        why = f"fleet {other.fleet} took {run.key} over with attempt {other.attempt}"
        try:
            self._cluster.control(run.id, ControlKind.STOP, DISPATCHER, why)
        except RunEnded:
            return False
        self._record(now, "kill", f"{run.spec.worker} is ended: {why}", key=run.key, run=run.id)
        return True

    def _show_start(self, claim: Claim, issue: Issue, spec: RunSpec, now: datetime) -> None:
        """Mirror a start in the tracker. The run is at work all the same if that does not answer, and it is
        done as soon as it does."""
        try:
            self._mirror(claim, issue, spec)
        except HiveError as error:
            words = f"attempt {spec.attempt} is at work, but the tracker does not show it: {error.message}"
            self._record(now, "error", words, key=issue.key, run=spec.id)

    def _show(self, run: Run) -> bool:
        """Mirror a start, unless the issue's comment tells of it: then the labels were changed before it,
        and those that are there now are somebody's own."""
        if any(f"`{run.id}`" in comment.body for comment in self._forge.comments(run.key)):
            self._shown.add(run.id)
            return False
        claim = self._cluster.get_claim(run.key)
        if claim is None or claim.run != run.id:
            return False  # its end is being settled
        self._mirror(claim, self._forge.get_issue(run.key), run.spec)
        return True

    def _mirror(self, claim: Claim, issue: Issue, spec: RunSpec) -> None:
        self._mirror_start(claim, issue)
        self._comment(issue.key, messages.work_comment(spec, self._fleet, self._earlier(spec)))
        self._shown.add(spec.id)

    def _comment(self, key: IssueKey, body: str) -> None:
        """Write the one comment of an issue anew."""
        self._forge.comment(key, author=AUTHOR, body=body, marker=messages.STATUS)

    def _earlier(self, spec: RunSpec) -> list[Run]:
        return [run for run in self._attempts(spec.key) if run.spec.attempt < spec.attempt]

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
        # First, since a tracker that does not answer may delay the rest for long.
        self._cluster.release_slot(run.id)
        # Before anything that lets the next attempt start: budgets are to know of this one.
        self._account(run)
        claim = self._cluster.get_claim(key)
        if claim is not None and claim.attempt == run.spec.attempt:
            word = self._conclude(settle, claim)
            self._rights.let_go(key, run.id)
            # The log line comes before the mark: after a kill in between it is written twice, not never.
            self._record(now, run.status.phase.value, word, key=key, run=run.id)
        # Else a later attempt speaks for the issue now; what an older one reports is history.
        self._cluster.settle_run(run.id)
        self._proposed.discard(run.id)
        return True

    def _conclude(self, settle: Settle, claim: Claim) -> str:
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
            return self._propose(settle, claim, issue)
        claim = self._settle_claim(claim, run, settle)
        return self._hand_back(settle, issue, claim)

    def _propose(self, settle: Settle, claim: Claim, issue: Issue) -> str:
        """Put finished work up for review, or before a person where no pull request can be made of it:
        its base is gone, or somebody merged it already."""
        run = settle.run
        earlier = self._earlier(run.spec)
        try:
            pull = self._open_pull(run, issue)
            word, state = f"{run.spec.worker} opened !{pull.number}", IssueState.IN_REVIEW
            comment = messages.pull_comment(run, pull, earlier)
        except Refused as error:
            word, state = f"{run.spec.worker} finished, but: {error.message}", IssueState.NEEDS_HUMAN
            comment = messages.no_pull_comment(run, error, earlier)
        self._settle_claim(claim, run, settle)
        self._move(issue, state)
        self._comment(issue.key, comment)
        return word

    def _is_untried(self, run: Run) -> bool:
        """Whether this is the first try to open a run's pull request: it ended well within the time in which
        this dispatcher, of which a fleet has one, was at work."""
        ended = run.status.ended_at
        mine = self._since is not None and ended is not None and ended > self._since + CLOCKS_DIFFER
        first = mine and run.id not in self._proposed
        self._proposed.add(run.id)
        return first

    def _open_pull(self, run: Run, issue: Issue) -> PullRequest:
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
                untried=self._is_untried(run),
            )
        )
        if status.tests is not None and status.head is not None:
            state = CheckState.PASSED if status.tests.passed else CheckState.FAILED
            check = Check("hive/tests", state, status.head, status.tests.summary)
            pull = self._forge.set_check(pull.key, check)
        return pull

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
        self._move(issue, state)
        comment = messages.end_comment(run, self._earlier(run.spec), gives_up=settle.gives_up)
        self._comment(issue.key, comment)
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
        # A tracker on a network needs two steps: a dispatcher that died between them left both states.
        left = set(workflow.states(issue.labels, preset)) - {to}
        if not left or not left <= set(frm):
            return
        add, remove = workflow.transition(issue.labels, to, preset)
        self._forge.set_labels(issue.key, add=add, remove=remove, by=AUTHOR)

    def _release_claim(self, claim: Claim) -> bool:
        try:
            self._cluster.abandon_claim(claim)
        except ClaimLost:
            return False
        if claim.run is not None:
            self._rights.let_go(claim.key, claim.run)
        return True

    def _close_issue(self, close: CloseIssue, now: datetime) -> bool:
        try:
            issue = self._forge.get_issue(close.key)
        except UsageError:
            return True  # it is not there any more
        # The others are of a move that was cut off; what a person added stays theirs.
        before = (IssueState.IN_REVIEW, IssueState.IN_PROGRESS, IssueState.READY)
        found = workflow.states(issue.labels, self._settings.labels)
        if IssueState.IN_REVIEW not in found or not set(found) <= set(before):
            return True
        # Merged is for good: what was heard of it then needs no second look.
        merged = PullKey(issue.repo, close.pull)
        pull = self._pull(merged) or self._forge.get_pull(merged)
        if issue.open:
            self._forge.set_open(issue.key, False, by=AUTHOR)
        run = next((run for run in self._attempts(issue.key) if run.spec.branch == pull.branch), None)
        if run is not None:
            self._comment(issue.key, messages.pull_comment(run, pull, self._earlier(run.spec)))
        # The label last: while it says that the issue is in review, all of this is done again.
        self._move(issue, IssueState.DONE, frm=before)
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
