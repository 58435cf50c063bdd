"""What is true about a fleet, as frozen structs that any backend can produce and any face can show.

Money is integer micro-dollars, times are aware UTC datetimes, and what is not known is None, never 0.
"""

import enum
from datetime import datetime

import msgspec

from hive_tui.core.cluster_facts import ClusterFacts, Denied, Place
from hive_tui.core.ids import AgentName, IssueKey, PullKey, RepoName, RunId, WorkerName

_FINAL = frozenset({"succeeded", "needs-human", "changes-requested", "failed", "killed", "lost"})


class Phase(enum.Enum):
    """Where a run is; the last six are final."""

    QUEUED = "queued"
    STARTING = "starting"
    WORKING = "working"
    WAITING = "waiting"
    STALLED = "stalled"
    FINISHING = "finishing"
    SUCCEEDED = "succeeded"
    NEEDS_HUMAN = "needs-human"
    CHANGES_REQUESTED = "changes-requested"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"

    def __init__(self, value: str) -> None:
        self.final = value in _FINAL
        """Nothing follows. An attribute, since it is asked of every run in every decision."""


class Process(enum.Enum):
    """What the backend sees of a run's process (local: its flock; Kubernetes: its pod)."""

    NONE = "none"
    """Never started, or ended on purpose while the run waits."""
    ALIVE = "alive"
    GONE = "gone"
    """It was started and is no more."""
    UNKNOWN = "unknown"


class Step(enum.Enum):
    """The steps of a run; review and plan join them in the full run flow."""

    PREPARE = "prepare"
    IMPLEMENT = "implement"
    TEST = "test"
    PUBLISH = "publish"


class Mode(enum.Enum):
    """How an agent is asked to work, derived from the issue's type."""

    FEATURE = "feature-implementation"
    BUG_FIX = "bug-fix"
    IMPROVEMENT = "improvement"
    RESEARCH = "research"


class ActorKind(enum.Enum):
    PERSON = "person"
    DISPATCHER = "dispatcher"
    RUN = "run"


class Actor(msgspec.Struct, frozen=True):
    """Who did it: a person by login, the dispatcher, or a run by its id."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is ActorKind.PERSON else f"{self.kind.value} {self.name}".strip()


DISPATCHER = Actor(ActorKind.DISPATCHER, "")


# Issues and pull requests


class IssueType(enum.Enum):
    FEATURE = "feature"
    BUG = "bug"
    IMPROVEMENT = "improvement"
    RESEARCH = "research"
    QA_FEEDBACK = "qa-feedback"


class Approval(msgspec.Struct, frozen=True):
    """A person's consent to exactly this text of an issue."""

    by: str
    at: datetime
    body_sha: str
    role: str | None = None
    """What they are to the repository, as `Issue.author_role`."""


class Issue(msgspec.Struct, frozen=True):
    """An issue of a tracker. Title and body were sanitised at the backend's boundary."""

    repo: RepoName
    number: int
    title: str
    body: str
    author: str
    open: bool
    created_at: datetime
    updated_at: datetime
    labels: tuple[str, ...] = ()
    edited_by: str | None = None
    """Who wrote the current body, where it is not the author."""
    approval: Approval | None = None
    comments: int = 0
    url: str | None = None
    author_role: str | None = None
    """What the author is to the repository, in the tracker's word (`OWNER`, `MEMBER`, `COLLABORATOR`,
    `CONTRIBUTOR`, `NONE` …); None where the tracker knows none."""
    author_is_bot: bool = False

    @property
    def key(self) -> IssueKey:
        return IssueKey(self.repo, self.number)


def body_sha(body: str) -> str:
    """The revision of an issue's text that an approval is bound to."""
    import hashlib  # reading a fleet seldom compares texts, and need not load OpenSSL

    return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()


class Comment(msgspec.Struct, frozen=True):
    author: str
    at: datetime
    body: str


class CheckState(enum.Enum):
    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"


class Check(msgspec.Struct, frozen=True):
    """One check of a head commit; `hive/tests` is the repository's own command, run by hive."""

    name: str
    state: CheckState
    sha: str
    detail: str = ""


class VerdictValue(enum.Enum):
    PASS = "PASS"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    UNKNOWN = "UNKNOWN"


class Verdict(msgspec.Struct, frozen=True):
    """A review's result, good for exactly one head commit."""

    value: VerdictValue
    sha: str
    by: str
    at: datetime


class PullState(enum.Enum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Lease(msgspec.Struct, frozen=True):
    """A pull request reserved for one person's review."""

    worker: WorkerName
    until: datetime


class PullRequest(msgspec.Struct, frozen=True):
    repo: RepoName
    number: int
    title: str
    body: str
    author: str
    branch: str
    """The head branch."""
    head: str
    """SHA of the head commit."""
    base: str
    """The branch it is to be merged into."""
    state: PullState
    created_at: datetime
    updated_at: datetime
    issue: int | None = None
    run: RunId | None = None
    checks: tuple[Check, ...] = ()
    verdict: Verdict | None = None
    mergeable: bool | None = None
    """None until the tracker has worked it out for the current head and base."""
    lease: Lease | None = None
    merged_by: str | None = None
    merged_as: str | None = None
    """SHA of the commit on the base branch."""
    url: str | None = None
    labels: tuple[str, ...] = ()
    draft: bool = False
    """Its author says that it is not ready."""
    review: str | None = None
    """What its people's reviews come to, in the tracker's word: `APPROVED`, `CHANGES_REQUESTED`, or
    `REVIEW_REQUIRED` where the base branch wants one; None where nobody has to say anything."""

    @property
    def key(self) -> PullKey:
        return PullKey(self.repo, self.number)

    @property
    def issue_key(self) -> IssueKey | None:
        return None if self.issue is None else IssueKey(self.repo, self.issue)

    @property
    def from_fork(self) -> bool:
        """Its head is in somebody's copy of the repository: `owner:branch`, as no branch is called."""
        return ":" in self.branch


# The tracker itself


class RepoState(msgspec.Struct, frozen=True):
    """How far one repository of a tracker can be read and worked on now.

    A repository that fails says so here, and the others go on; its issues and pull requests stay as they
    were heard last.
    """

    name: RepoName
    heard_at: datetime | None = None
    """When it last answered."""
    why: str | None = None
    """Why it cannot be read, with the next step; None while it can."""
    since: datetime | None = None
    """Since when it cannot be read."""
    retry_at: datetime | None = None
    """When it is tried again; None where only a person can mend it."""
    closed_to_work: str | None = None
    """Why nothing may be started or written (archived, disabled, no right to push); None where it may."""
    base: str | None = None
    """Its default branch."""
    url: str | None = None
    """Its page."""
    size_kb: int | None = None
    """Kilobytes of its history, as the tracker counts them."""


class ApiUse(msgspec.Struct, frozen=True):
    """One of the budgets of a tracker's API, as its last answer said."""

    name: str
    """`graphql` or `core`, in GitHub's words."""
    limit: int
    """Points an hour."""
    remaining: int
    reset_at: datetime
    used_hour: int = 0
    """Points that this fleet spent in the last hour."""
    reserve: int = 0
    """Points kept back for writes."""


class FleetClaim(msgspec.Struct, frozen=True):
    """The right of one fleet, among all that serve the same repository, to work on an issue."""

    fleet: str
    """The fleet's name and what tells it from others of the same name."""
    run: RunId
    """Whose attempt it is: the run's id and its fleet, since fleets give equal attempts equal ids."""
    attempt: int
    """Counted over all fleets, never lower than before."""
    until: datetime
    """It may be taken over after this, unless it was renewed."""


# Runs


class Tokens(msgspec.Struct, frozen=True):
    """Tokens by how they are billed; `input` excludes what came from or went into the cache."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None

    @property
    def total(self) -> int | None:
        known = [n for n in (self.input, self.output, self.cache_read, self.cache_write) if n is not None]
        return sum(known) if known else None


class Usage(msgspec.Struct, frozen=True):
    """What a run has used so far, as its agent reported it."""

    tokens: Tokens = Tokens()
    cost_micros: int | None = None
    estimated: bool = False
    """The figure is incomplete or worked out by us; shown with `~`."""


class StepUse(msgspec.Struct, frozen=True):
    """What a run used of one model in one round of a step, in one session of its agent."""

    step: Step
    round: int
    usage: Usage = Usage()
    """Unknown where an agent was started and has not said anything of it."""
    model: str | None = None
    session: str | None = None


USES_KEPT = 64
"""Entries of a run's `used`."""


class LastEvent(msgspec.Struct, frozen=True):
    at: datetime
    text: str


class TestResult(msgspec.Struct, frozen=True):
    """How the repository's own test command ended on the last commit of a round."""

    passed: bool
    command: str
    summary: str
    seconds: float
    round: int = 1

    __test__ = False  # not a test class, whatever pytest makes of its name


class RunSpec(msgspec.Struct, frozen=True):
    """What a run is to do: written once, by the dispatcher, before anything else exists."""

    id: RunId
    repo: RepoName
    issue: int
    attempt: int
    worker: WorkerName
    agent: AgentName
    mode: Mode
    branch: str
    base: str
    title: str
    created_at: datetime
    created_by: Actor
    model: str | None = None
    budget_micros: int | None = None

    @property
    def key(self) -> IssueKey:
        return IssueKey(self.repo, self.issue)


class RunStatus(msgspec.Struct, frozen=True):
    """How far a run is: written by its runner while it lives, by the dispatcher after that."""

    phase: Phase = Phase.QUEUED
    since: datetime | None = None
    why: str | None = None
    """waiting for what, stalled how, failed why, killed by whom."""
    evidence: str | None = None
    """What the phase rests on: an event, an exit status, a commit."""
    step: Step | None = None
    step_since: datetime | None = None
    round: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    progress_at: datetime | None = None
    """The last sign of progress: a tool call, new tokens, a changed tree."""
    until: datetime | None = None
    """When a waiting run may go on; None while it waits is until a person acts."""
    agent_problem: str | None = None
    """The agent's account or installation stopped the run (quota, credit, login, no CLI): new starts
    of this agent stop, and the attempt does not count."""
    base_sha: str | None = None
    head: str | None = None
    """SHA that was pushed to the run's branch."""
    wip: str | None = None
    """SHA that was pushed to the run's work-in-progress branch."""
    session: str | None = None
    model: str | None = None
    usage: Usage = Usage()
    used: tuple[StepUse, ...] = ()
    """The same by step, round, model and session, oldest first, at most USES_KEPT."""
    tests: TestResult | None = None
    last_event: LastEvent | None = None
    last_words: str | None = None
    """What the agent itself said last, on one line."""
    changed_files: int | None = None
    """Files that differ from the base in the agent's work tree, committed or not."""

    @property
    def parked(self) -> bool:
        """It waits without a process, on purpose: for a quota, or for a person to mend the agent."""
        return self.phase is Phase.WAITING and self.agent_problem is not None


class Run(msgspec.Struct, frozen=True):
    """One attempt of one agent at one issue."""

    spec: RunSpec
    status: RunStatus = RunStatus()
    process: Process = Process.UNKNOWN
    settled: bool = False
    """The dispatcher has drawn the consequences of the run's end; nothing more will happen."""
    stop_requested: bool = False
    place: Place | None = None
    """Where its process is, on a cluster of several machines."""

    @property
    def id(self) -> RunId:
        return self.spec.id

    @property
    def key(self) -> IssueKey:
        return self.spec.key

    @property
    def phase(self) -> Phase:
        """The phase to show: a run whose process is gone without a final record is lost."""
        if self.process is Process.GONE and not self.status.phase.final:
            return Phase.LOST
        return self.status.phase

    @property
    def why(self) -> str | None:
        """Why it is in the phase that is shown."""
        if self.phase is not self.status.phase:
            return f"its process is gone; it was {self.status.phase.value}"
        return self.status.why

    @property
    def live(self) -> bool:
        """It still holds its issue: no final record yet, or its end is not settled."""
        return not self.status.phase.final or not self.settled


# Claims and the fleet


class Hold(msgspec.Struct, frozen=True):
    """An issue that is not started again until somebody retries it."""

    by: Actor
    at: datetime
    why: str


class Fire(msgspec.Struct, frozen=True):
    """A person's wish to start an issue ahead of its turn; gone once a run was made from it."""

    by: Actor
    at: datetime
    agent: AgentName | None = None
    model: str | None = None
    budget_micros: int | None = None
    mode: Mode | None = None


class Claim(msgspec.Struct, frozen=True):
    """The exclusive right to work on an issue; never deleted while the issue is open.

    `version` grows with every change and is what compare-and-swap compares.
    """

    repo: RepoName
    number: int
    version: int
    attempt: int = 0
    """The number of the last attempt: monotone, it survives restarts and resets."""
    forgiven: int = 0
    """Attempts up to this one do not count any more: somebody retried or reset the issue."""
    run: RunId | None = None
    """The run that holds the claim now."""
    holder: str | None = None
    """The dispatcher that took it, for people."""
    failed_at: datetime | None = None
    not_before: datetime | None = None
    """Back-off: the next attempt starts no earlier."""
    hold: Hold | None = None
    fire: Fire | None = None
    elsewhere: FleetClaim | None = None
    """Another fleet that was found to hold the issue; nothing is tried before its time is over."""

    @property
    def key(self) -> IssueKey:
        return IssueKey(self.repo, self.number)

    @property
    def attempts_used(self) -> int:
        return self.attempt - self.forgiven


class Paused(msgspec.Struct, frozen=True):
    by: Actor
    since: datetime
    why: str | None = None


class QuotaState(enum.Enum):
    OK = "ok"
    LIMITED = "limited"
    UNKNOWN = "unknown"


class Quota(msgspec.Struct, frozen=True):
    state: QuotaState = QuotaState.UNKNOWN
    until: datetime | None = None
    """When it comes back; None for a limit that lasts until a person lifts it."""
    why: str | None = None
    at: datetime | None = None
    """When this was found or set: an older limit of a run says nothing against it."""


class AgentState(msgspec.Struct, frozen=True):
    name: AgentName
    enabled: bool = True
    quota: Quota = Quota()


class Slot(msgspec.Struct, frozen=True):
    worker: WorkerName
    run: RunId


class Budget(msgspec.Struct, frozen=True):
    """Limits in micro-dollars; None is no limit."""

    run_micros: int | None = None
    issue_micros: int | None = None
    repo_micros: int | None = None
    day_micros: int | None = None
    fleet_micros: int | None = None

    @property
    def kept_by_ledger(self) -> bool:
        """Whether a limit is on more than one run, so that what earlier ones cost counts."""
        limits = (self.issue_micros, self.repo_micros, self.day_micros, self.fleet_micros)
        return any(limit is not None for limit in limits)


class DispatcherState(enum.Enum):
    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"
    """It left without saying so."""
    UNKNOWN = "unknown"


class Dispatcher(msgspec.Struct, frozen=True):
    state: DispatcherState = DispatcherState.UNKNOWN
    pid: int | None = None
    since: datetime | None = None
    last_decision_at: datetime | None = None
    version: str | None = None
    host: str | None = None
    """The machine that it runs on, as that calls itself; None where it can only be this one."""
    held: str | None = None
    """Why it starts nothing that could be started, and what helps; None where nothing is in its way."""


class Fleet(msgspec.Struct, frozen=True):
    """A fleet's switches and slots: the one place where they are true."""

    name: str
    cluster: str
    forge: str
    slots: int
    slots_used: tuple[Slot, ...] = ()
    paused: Paused | None = None
    agents: tuple[AgentState, ...] = ()
    budget: Budget = Budget()
    dispatcher: Dispatcher = Dispatcher()
    facts: ClusterFacts | None = None
    """Of the cluster itself, where it is one."""
    denied: tuple[Denied, ...] = ()
    """What whoever reads this may not do there."""


class Event(msgspec.Struct, frozen=True):
    """One line of the fleet's own log: decisions, actions, errors."""

    seq: int
    at: datetime
    actor: Actor
    kind: str
    """start, hold, limit, kill, merge, error …: a word that stands in the kind column."""
    text: str
    repo: RepoName | None = None
    number: int | None = None
    run: RunId | None = None


class ControlKind(enum.Enum):
    STOP = "stop"
    """End now, save the work; the run becomes killed(by)."""
    MESSAGE = "message"


class Control(msgspec.Struct, frozen=True):
    """An order to a run: appended by a person or the dispatcher, read by the runner."""

    seq: int
    kind: ControlKind
    actor: Actor
    at: datetime
    text: str = ""
