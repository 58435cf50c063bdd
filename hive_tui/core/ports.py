"""The protocols that backends implement, and what they may raise.

Every write is idempotent and safe to repeat: whoever lost an answer asks again. Every write that
competes (claims, slots, a run's registration) is compare-and-swap and raises when it lost.
Backends raise `SourceError` for "not now" and the other errors of `core.errors` where named.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as ThreadEvent
from typing import TYPE_CHECKING, Protocol

import msgspec

from hive_tui.core.ids import AgentName, IssueKey, PullKey, RepoName, RunId, WorkerName
from hive_tui.core.model import (
    Actor,
    Budget,
    Check,
    Claim,
    Comment,
    Control,
    ControlKind,
    Event,
    FleetClaim,
    Issue,
    Paused,
    PullRequest,
    Quota,
    RunSpec,
    RunStatus,
    Tokens,
    Verdict,
)
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import SourceEvent

if TYPE_CHECKING:
    from hive_tui.core.booked import Booked
    from hive_tui.core.events import AgentResult, AnyEvent, LogLine
    from hive_tui.core.ledger import Entry
    from hive_tui.core.spend import Bill

READ_SECONDS = 10.0
"""How long a one-shot look waits for slow sources, unless it is told otherwise."""

Emit = Callable[[SourceEvent], None]


class Capability(enum.Enum):
    """What a backend can do beyond the minimum; a key or command exists only where it is there."""

    KILL = "kill"
    MESSAGE = "message"
    LOGS = "logs"
    MERGE = "merge"
    LEASE = "lease"
    CREATE_ISSUE = "create-issue"
    EDIT_ISSUE = "edit-issue"
    COMMENT = "comment"
    ATTACH = "attach"
    DIFF = "diff"
    """A cluster shows what a run has changed so far, without a pull request."""
    PREVIOUS = "previous"
    """The log of a run's container before it was started again."""
    DESCRIBE = "describe"
    """A cluster has more to say of a run than hive keeps of it."""


class BackendContext(msgspec.Struct, frozen=True):
    """What a cluster or forge backend is made from."""

    fleet: str
    home: Path
    """The fleet's own data folder; it need not exist for reading."""
    settings: FleetSettings
    user: str
    """The login of the person on whose behalf this process acts."""


# Where agents run


class RepoJob(msgspec.Struct, frozen=True):
    """What a runner must know of the repository."""

    name: RepoName
    source: str
    """Where to fetch from and push to: a path (local) or a URL without any credential."""
    base: str
    test: str | None = None
    """The fleet's test command, for a repository whose own settings name none."""
    credential: tuple[str, ...] = ()
    """Argv of the git credential helper that hands git the right to fetch and push; holds no secret."""
    variables: tuple[str, ...] = ()
    """Names of the environment variables that the helper needs; the runner gets them, the agent never."""
    certificates: str | None = None
    """File of the server's certificate authority; None for the system's."""
    large: bool = False
    """What files were before is not worth fetching: old versions of them are left on the server."""
    portable: tuple[str, ...] = ()
    """`credential` as it is called on another machine that has hive: see `Remote.portable`."""


class AgentJob(msgspec.Struct, frozen=True):
    """How the agent is to be called."""

    name: AgentName
    backend: str
    """The entry point's name in `hive.agents`."""
    command: str | None = None
    """Path of the CLI, None for its usual name on PATH."""
    model: str | None = None
    permission_mode: str = "acceptEdits"
    allowed_tools: tuple[str, ...] = ()
    max_turns: int | None = None
    options: dict[str, str] = {}
    """Settings of this backend alone, such as the scripted agent's scenario folder and speed."""
    credentials: tuple[str, ...] = ()
    """`Agent.credentials` of the backend: the only secrets of the environment that reach the run."""


class Job(msgspec.Struct, frozen=True):
    """Everything a runner gets: the work order, the text it was given, and its limits."""

    fleet: str
    spec: RunSpec
    repo: RepoJob
    agent: AgentJob
    title: str
    body: str
    """The issue's text as it was when the run was created."""
    deadline_seconds: float = 3600.0
    max_rounds: int = 3
    stalled_after_seconds: float = 600.0
    resume: RunStatus | None = None
    """Set when the same run goes on after waiting: its session and usage so far."""


class DiffOf(enum.Enum):
    """What a run's diff was made from."""

    WORK = "work"
    """The agent's work tree as it is now, with what is not committed yet."""
    SAVED = "saved"
    """Its unfinished work as it was saved last."""
    BRANCH = "branch"
    """The branch that it pushed."""
    NOTHING = "nothing"
    """There is nothing to compare yet, or not any more."""


class RunDiff(msgspec.Struct, frozen=True):
    """What a run changed since its base."""

    of: DiffOf
    text: str = ""
    """A unified diff, made harmless; hostile all the same: an agent chose its words."""
    sha: str | None = None
    """The commit that was compared; None for a work tree."""
    cut: str | None = None
    """What is missing in `text` and why, as a sentence."""


class Section(msgspec.Struct, frozen=True):
    """A part of a description, such as the Pod of a run."""

    title: str
    text: str


class Cluster(Protocol):
    """Where agents run, and where claims, slots and switches are true. Thread-safe."""

    name: str
    """The source name shown to people, such as `local`."""
    capabilities: frozenset[Capability]

    # Reading
    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        """The full state once (Fleet, Run, Claim, Event), for `--once` and one-shot commands. `seconds` is
        how long whoever asks waits: a server that is slow, or away, is given that time."""
        ...

    def watch(self, emit: Emit, stop: ThreadEvent) -> None:
        """Full state, then changes, until `stop` is set. Blocks; it never raises SourceError but
        emits SourceFailed and goes on. Says Alive at least every 15 s."""
        ...

    # Switches of the fleet
    def set_paused(self, paused: Paused | None) -> None: ...
    def set_slots(self, slots: int) -> None: ...
    def set_agent_enabled(self, agent: AgentName, enabled: bool) -> None: ...
    def set_quota(self, agent: AgentName, quota: Quota) -> None: ...
    def set_budget(self, budget: Budget) -> None: ...

    # Claims: compare-and-swap on `version`
    def get_claim(self, key: IssueKey) -> Claim | None: ...
    def put_claim(self, claim: Claim, *, expected: int | None) -> Claim:
        """Write `claim` if the stored version is `expected` (None: there is none yet).

        Returns it with its new version; raises ClaimLost when the stored version differs, or when the
        stored claim's run exists, has not ended, and would lose it.
        """
        ...

    def abandon_claim(self, claim: Claim) -> None:
        """Give back a claim whose run was never recorded: the number is used up, the attempt is not.

        Raises ClaimLost when the claim has changed or its run exists, both looked at in one step.
        """
        ...

    def identity(self) -> str:
        """What tells this fleet from all others, also of the same name: made up at the first call, and
        kept with its state. At most 16 lower-case letters and digits."""
        ...

    # Slots
    def take_slot(self, worker: WorkerName, run: RunId) -> None:
        """Take a slot for `run`; taking it again for the same run is no change.

        Raises NoSlot when the fleet is paused, all slots are used, or the worker name is taken.
        """
        ...

    def release_slot(self, run: RunId) -> None:
        """Give a slot back; no change while its run is queued or at work, since whoever asks may have
        looked at the run before it was taken up."""
        ...

    # Runs
    def check_ready(self, source: str = "", remote: Remote | None = None) -> None:
        """Raises HiveError, with the next step, when no run could work here now: git is missing, the
        disk is full, or the repository `source` (as in RepoJob) is gone. Asked before each round of
        starts, so that no issue's attempt is spent on it.

        For a URL, `remote` says how to get in: whether git does is tried when nothing was fetched from
        there lately, seldom while it fails.
        """
        ...

    def create_run(self, job: Job) -> None:
        """Record a run as queued; creating the same id again is no change.

        This is the fence of a start: raises ClaimLost unless the issue's claim names this run, and
        NoSlot unless the run has a slot, both looked at in the same step that writes.
        """
        ...

    def get_job(self, run: RunId) -> Job: ...

    def start_run(self, run: RunId) -> bool:
        """Start the runner of a queued or waiting run that holds a slot, unless it is alive. Whether a
        wait is over the dispatcher decides.

        Returns whether a process was started. The process refuses by itself to work twice.
        """
        ...

    def recover_run(self, run: RunId) -> bool:
        """Make good for a runner that died: end whatever carries its HIVE_RUN, push its work in
        progress, write its final record (`lost`). Returns at once; True if a recovery was started."""
        ...

    def settle_run(self, run: RunId) -> None:
        """Mark that the dispatcher has drawn all consequences of a run's end."""
        ...

    def control(self, run: RunId, kind: ControlKind, actor: Actor, text: str = "") -> None:
        """Append an order and wake the run. Raises RunEnded when it has ended."""
        ...

    def logs(
        self, run: RunId, *, after: int = 0, follow: bool = False, stop: ThreadEvent | None = None
    ) -> Iterator[LogLine]:
        """The run's event log from number `after` + 1 on, also of runs that ended long ago."""
        ...

    def previous_logs(self, run: RunId) -> Iterator[LogLine]:
        """What the run's container said before it was started again. Where PREVIOUS is a capability; raises
        UsageError when it was not."""
        ...

    def describe(self, run: RunId) -> tuple[Section, ...]:
        """What the cluster itself knows of a run: its objects and their events, as a person reads them, made
        harmless. Where DESCRIBE is a capability."""
        ...

    def shell(self, run: RunId, command: Sequence[str] = ()) -> tuple[str, ...]:
        """Argv of a program that opens a terminal where the agent of a run works, or runs `command` there.
        Where ATTACH is a capability; raises Refused, with the reason, where it cannot be done now."""
        ...

    def diff(self, run: RunId, *, limit: int) -> RunDiff:
        """What a run changed since its base, in at most about `limit` bytes: of its work tree while it is
        at work, else of the branch that it pushed. Where DIFF is a capability.

        Nothing that the agent's side names is executed, nothing there is written, and it is bounded in
        time. Raises GitError when it cannot be read now, UsageError for an unknown run.
        """
        ...

    def host(self, run: RunId) -> RunHost:
        """The runner's own link, made inside the runner's process."""
        ...

    # The fleet's log
    def record(self, event: Event) -> None:
        """Append to the event log; `seq` is given by the store."""
        ...

    # One dispatcher at a time
    def hold_dispatch(self, version: str) -> DispatchLease:
        """Become the fleet's dispatcher; raises Refused naming the one that is."""
        ...

    def gc(self, *, before: datetime, dry_run: bool) -> list[str]:
        """Remove what settled runs that ended before that moment left behind: clones, not logs; pods, and
        their logs with them. Returns a line for each thing removed."""
        ...

    def close(self) -> None: ...


class DispatchLease(Protocol):
    """The right to dispatch; whoever holds it is the fleet's only dispatcher."""

    def beat(self, *, decided_at: datetime | None = None, held: str | None = None) -> None:
        """Say that it lives, when it last did something, and what keeps it from starting anything."""
        ...

    def release(self) -> None: ...


# What runs used


class Ledger(Protocol):
    """The rows of what a fleet's runs used, which outlast the runs, wherever those are. Thread-safe.

    Sums are kept as rows are written: asking for them takes no longer after years."""

    def write(self, rows: Sequence[Entry]) -> None:
        """Append the rows of one run, all or none; a run that is in the ledger stays as it is."""
        ...

    def read(self, *, since: datetime | None = None, until: datetime | None = None) -> Iterator[Entry]:
        """The rows of runs that ended from `since` to before `until`, oldest first, one at a time."""
        ...

    def known(self, runs: Iterable[RunId]) -> frozenset[RunId]:
        """Those of them that are or ever were in the ledger."""
        ...

    def bill(self, runs: Iterable[RunId], since: datetime, repo: RepoName | None = None) -> Bill:
        """What its rows come to, of a repository or of all; those of runs that ended from `since` on can be
        asked for by time. `runs` are those of which it says whether they are in there."""
        ...

    def booked(self, runs: Iterable[RunId], since: datetime) -> Booked:
        """The same for budgets, without what is only shown: of all runs that ever were in there."""
        ...

    def prune(self, before: datetime) -> int:
        """Remove the rows of runs that ended before, but not what budgets count of them; returns how many."""
        ...

    def close(self) -> None: ...


# Where issues and pull requests live


class NewPull(msgspec.Struct, frozen=True):
    repo: RepoName
    title: str
    body: str
    author: str
    branch: str
    base: str
    issue: int | None
    run: RunId | None
    untried: bool = False
    """Nobody can have opened it before, so that there is no need to look for it first."""


class Remote(msgspec.Struct, frozen=True):
    """How git reaches a repository of a forge."""

    source: str
    """A path, or a URL without any credential."""
    base: str
    """The branch that work starts from and is merged into."""
    credential: tuple[str, ...] = ()
    """Argv of a git credential helper, without a secret in it; empty where none is needed."""
    variables: tuple[str, ...] = ()
    """Names of the environment variables that the helper needs; the runner gets them, the agent never."""
    certificates: str | None = None
    """File of the server's certificate authority; None for the system's."""
    large: bool = False
    """What files were before is not worth fetching: old versions of them are left on the server."""
    portable: tuple[str, ...] = ()
    """Argv of the helper on another machine that has hive: its program is found on PATH, and the token in
    the environment variable `TRACKER_TOKEN`. Empty where no token is needed, or it could not leave here."""


TRACKER_TOKEN = "HIVE_TRACKER_TOKEN"
"""Where a `portable` helper finds the token."""


class Forge(Protocol):
    """Where issues and pull requests live. Thread-safe."""

    name: str
    identity: str
    """What tells equal repository names of two trackers apart: `local`, `github.com`."""
    capabilities: frozenset[Capability]

    def read(self, *, seconds: float = READ_SECONDS) -> Iterator[SourceEvent]:
        """The full state once (Issue, PullRequest); `seconds` as `Cluster.read` has them."""
        ...

    def watch(self, emit: Emit, stop: ThreadEvent, wake: ThreadEvent) -> None:
        """Full state, then changes, until `stop`. A set `wake` asks for a read at once (and is cleared)."""
        ...

    def poll(self, *, active: bool, wanted: bool) -> float:
        """Bring what is published of the tracker up to date, as far as it is due; returns the seconds
        after which to call again. Only the dispatcher calls it, from one thread.

        `active`: runs are at work, so changes are to be seen soon. `wanted`: a person asked for it, so
        it is due now. What cannot be read is said through `watch` and `read`, never raised.
        """
        ...

    def remote(self, repo: RepoName) -> Remote:
        """Where git fetches and pushes `repo`. Raises UsageError for one that the fleet does not serve."""
        ...

    def pull_template(self, repo: RepoName) -> str | None:
        """The repository's own template for pull requests (`core.messages.TEMPLATES`), as it is on the base
        branch; None where there is none."""
        ...

    # The right to work on an issue, among all fleets that serve the repository
    def hold_issue(self, key: IssueKey, claim: FleetClaim) -> None:
        """Take the right, or renew it for the same run, also after that run gave it back; repeating it is
        no change.

        Raises ClaimLost, with who holds it until when, when another run holds it or an attempt of at
        least this number was made already.
        """
        ...

    def held(self, key: IssueKey) -> FleetClaim | None:
        """The last claim that was ever taken, also when it is over; None when there was none."""
        ...

    def let_go(self, key: IssueKey, run: RunId) -> None:
        """Give the right back; no change unless `run` holds it. The attempts stay counted."""
        ...

    # Issues
    def create_issue(
        self, repo: RepoName, *, title: str, body: str, author: str, labels: Sequence[str] = ()
    ) -> Issue: ...
    def get_issue(self, key: IssueKey) -> Issue:
        """Raises UsageError naming the nearest when there is none."""
        ...

    def edit_issue(
        self, key: IssueKey, *, by: str, title: str | None = None, body: str | None = None
    ) -> Issue: ...
    def set_labels(
        self, key: IssueKey, *, add: Sequence[str] = (), remove: Sequence[str] = (), by: str
    ) -> Issue:
        """Add and remove in one step; the rest of the set is never touched."""
        ...

    def set_open(self, key: IssueKey, is_open: bool, *, by: str) -> Issue: ...
    def approve_issue(self, key: IssueKey, *, by: str) -> Issue: ...
    def comment(self, key: IssueKey, *, author: str, body: str, marker: str | None = None) -> None:
        """Add a comment; with a `marker`, replace the comment that carries the same marker."""
        ...

    def comments(self, key: IssueKey) -> list[Comment]: ...

    # Pull requests
    def open_pull(self, new: NewPull) -> PullRequest:
        """Open a pull request; one that is open for the same head branch is returned instead."""
        ...

    def get_pull(self, key: PullKey) -> PullRequest: ...
    def diff(self, key: PullKey) -> str: ...
    def set_check(self, key: PullKey, check: Check) -> PullRequest: ...
    def set_verdict(self, key: PullKey, verdict: Verdict) -> PullRequest: ...
    def set_lease(self, key: PullKey, worker: WorkerName | None, until: datetime | None) -> PullRequest:
        """Raises Refused when another worker's lease is still valid."""
        ...

    def close_pull(self, key: PullKey, *, by: str) -> PullRequest: ...
    def merge(self, key: PullKey, *, head: str, by: str, message: str) -> PullRequest:
        """Squash `head` onto the base and delete the branch.

        Raises Refused with the reason (conflict, moved head, dirty checkout). Merging again what is
        merged is no change.
        """
        ...

    def close(self) -> None: ...


# Which agent works


class AgentProbe(msgspec.Struct, frozen=True):
    """What `doctor` and `init` find out about an agent's CLI on this machine."""

    found: bool
    version: str | None = None
    logged_in: bool | None = None
    """None when it cannot be told without a call."""
    problem: str | None = None
    hint: str | None = None


class Launch(msgspec.Struct, frozen=True):
    """How to start an agent's process in its work tree."""

    argv: tuple[str, ...]
    env: dict[str, str]
    """Added to the scrubbed environment."""
    stdin: bytes = b""
    """Written at once after the start."""
    keep_stdin: bool = False
    """Leave standard input open for messages; the parser says when to close it."""


class StreamParser(Protocol):
    """Turns one agent process's output into events. Never raises on anything it is fed."""

    wants_stdin_closed: bool
    """The agent is done and waits for the end of its input."""

    def feed(self, data: bytes) -> list[AnyEvent]:
        """Events of all complete lines; an unterminated tail is kept for the next call."""
        ...

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """How it ended; `exit_code` None means not known (a replayed file). Negative is a signal."""
        ...


class Recorded(msgspec.Struct, frozen=True):
    """What a line of an agent's own transcript tells, and when that was; None where it does not say."""

    at: datetime | None
    event: AnyEvent


class TranscriptParser(Protocol):
    """Turns an agent's own record of a session into events, from any line on. Never raises on a line."""

    def line(self, data: bytes) -> list[Recorded]: ...


class UsageRecord(Protocol):
    """What an agent writes down of its use where it works: for a process whose stream told nothing of it."""

    variables: tuple[str, ...]
    """Names of the environment variables that say where that is."""

    def command(self, session: str) -> Sequence[str]:
        """Prints it, where the agent works."""
        ...

    def read(self, data: bytes) -> Mapping[str | None, Tokens]:
        """What the whole session used, by model, from what was printed; nothing where that tells nothing."""
        ...


class Agent(Protocol):
    """An agent CLI. One whose transcripts can be read has a `transcript()` besides, which makes a
    `TranscriptParser`; one whose stream tells its use only in the end a `usage_record()`, which makes a
    `UsageRecord`."""

    name: str
    can_message: bool
    can_resume: bool
    credentials: tuple[str, ...]
    """Names of the environment variables that this agent, and only it, may inherit."""

    def probe(self, command: str | None) -> AgentProbe: ...
    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> Launch:
        """`session` continues an earlier one."""
        ...

    def message(self, text: str) -> bytes:
        """What to write to standard input to tell the agent something while it works."""
        ...

    def parser(self, *, before: AgentResult | None = None) -> StreamParser:
        """`before.usage`: all that the resumed session had used. The parser leaves it out: its reports
        and its result are what this process used, and the runner adds processes up."""
        ...


# What a runner needs from the place where it runs


class ProcessHandle(Protocol):
    """A process on the agent's side, in a session of its own."""

    def poll(self) -> int | None: ...
    def wait(self, timeout: float) -> int | None: ...
    def signal(self, number: int) -> None:
        """To the whole group."""
        ...

    def write(self, data: bytes) -> None: ...
    def close_stdin(self) -> None: ...


class Sandbox(Protocol):
    """The agent's side: where its CLI, its tests and whatever it wrote run. On a laptop processes of
    the same user with a scrubbed environment; in a pod the container without tokens."""

    workdir: Path
    """The agent's clone, as that side sees it."""

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        inherit: Sequence[str] = (),
        stdin: bool = False,
    ) -> ProcessHandle:
        """Start in the work tree with output appended to files, all of it before `poll` says that it ended.

        The handle raises GitError when that side is lost while the process runs."""
        ...

    def stream(
        self, argv: Sequence[str], *, stdin: bytes, limit: int, timeout: float, inherit: Sequence[str] = ()
    ) -> bytes:
        """Run a short command there and return at most `limit` bytes of its output; raises
        WorkRejected when it is more, GitError when the command fails."""
        ...

    def exists(self) -> bool:
        """Whether the work tree is there. Raises GitError when that side does not answer."""
        ...

    def clone(self, bare: Path, sha: str, branch: str, *, stop: Callable[[], bool] | None = None) -> None:
        """Make the work tree, on `branch` at commit `sha`, from the runner's bare directory (on a
        laptop a clone that shares its objects, in a pod a pack through standard input). It is there
        wholly or not at all; one that is there already is kept as it is. When `stop` says so, which is
        asked now and then, it ends: GitError."""
        ...

    def populate(self, bare: Path, sha: str, source: str) -> list[str]:
        """Fill the submodules of commit `sha` from what `source` (a repository) has of them, before the
        agent starts. Returns a line for each that could not be had."""
        ...

    def end_everything(self, *, grace: timedelta) -> None:
        """End every process on that side that carries this run's HIVE_RUN, but the runner; in a pod every
        process in the agent's container. Raises GitError when that is not sure."""
        ...


ENDED_FROM_OUTSIDE = "ended from outside by"
"""How a runner's last word begins where a signal came without an order. A backend that knows who sent it, and
why, says that instead."""


class RunHost(Protocol):
    """The runner's link to its place: identity, record, log, orders, repository."""

    home: Path
    """The runner's own folder: its git directory, the log, its files."""
    lasting: bool
    """What is in `home`, and the agent's work tree, stays when the run has ended."""
    sandbox: Sandbox

    def register(self, *, recover: bool = False) -> Job:
        """Become this run's process, before any side effect. Raises RunEnded when the run is not
        startable: it has ended, or another process is it.

        With `recover`, take the place of a runner that died: any run without a final record will do,
        and `Job.resume` is then the last status that was reported.
        """
        ...

    def report(self, status: RunStatus) -> None:
        """Publish how far the run is. A store that is busy or full delays it, never fails the run."""
        ...

    def append(self, lines: Sequence[LogLine]) -> None:
        """Append to the event log (`home / "events.jsonl"`), durably enough that a kill of the runner
        loses nothing written; a half line that a kill left at the end is cut off first."""
        ...

    def controls(self, after: int) -> list[Control]:
        """Orders with a higher `seq` than `after`."""
        ...

    def fetch(
        self,
        bare: Path,
        repo: RepoJob,
        *,
        saved: str | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> str:
        """Bring the base branch into the runner's bare directory, which is made if need be (without
        templates), and the objects of the branch `saved` if it is there; returns the base branch's SHA.
        When `stop` says so, which is asked now and then, it ends: GitError."""
        ...

    def push(self, bare: Path, repo: RepoJob, sha: str, branch: str) -> None:
        """Push to a branch of this attempt; forced only for `hive/wip/…`, else it must not exist or
        be an ancestor."""
        ...
