"""A fleet in the middle of its work, at a fixed moment: what console tests and pictures show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    LogLine,
    Note,
    Question,
    Said,
    Session,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.ids import AgentName, RepoName, RunId, WorkerName, branch_name, run_id
from hive_tui.core.model import (
    DISPATCHER,
    AgentState,
    Budget,
    Check,
    CheckState,
    Dispatcher,
    DispatcherState,
    Event,
    Fleet,
    Issue,
    LastEvent,
    Mode,
    Phase,
    Process,
    PullRequest,
    PullState,
    Quota,
    QuotaState,
    Run,
    RunSpec,
    RunStatus,
    Slot,
    Step,
    Tokens,
    Usage,
    Verdict,
    VerdictValue,
)
from hive_tui.core.sources import Item

NOW = datetime(2026, 3, 4, 14, 2, 11, tzinfo=UTC)
REPO = RepoName("acme/parser")
SHA = "a" * 40

READY_BODY = "## Plan\nDo it.\n\n## Definition of Done\n- [ ] it is done\n"


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def issue(
    number: int, title: str, *labels: str, body: str = READY_BODY, author: str = "ann", is_open: bool = True
) -> Issue:
    return Issue(
        repo=REPO,
        number=number,
        title=title,
        body=body,
        author=author,
        open=is_open,
        created_at=ago(hours=100 - number),
        updated_at=ago(minutes=number),
        labels=labels or ("status:ready",),
    )


def run(
    number: int,
    worker: str,
    phase: Phase,
    *,
    title: str = "",
    attempt: int = 1,
    step: Step | None = Step.IMPLEMENT,
    minutes: float = 1.0,
    tokens: int | None = None,
    micros: int | None = None,
    estimated: bool = False,
    why: str | None = None,
    until: datetime | None = None,
    last: str | None = None,
    round_: int = 1,
) -> Run:
    since = ago(minutes=minutes)
    spec = RunSpec(
        id=run_id("local", REPO, number, attempt),
        repo=REPO,
        issue=number,
        attempt=attempt,
        worker=WorkerName(worker),
        agent=AgentName(worker.rpartition("-")[0]),
        mode=Mode.IMPROVEMENT,
        branch=branch_name(number, attempt),
        base="main",
        title=title,
        created_at=ago(minutes=minutes + 2),
        created_by=DISPATCHER,
    )
    status = RunStatus(
        phase=phase,
        since=since,
        why=why,
        step=step,
        round=round_,
        started_at=ago(minutes=minutes + 1),
        ended_at=since if phase.final else None,
        until=until,
        usage=Usage(Tokens(input=tokens), micros, estimated),
        last_event=LastEvent(ago(seconds=2), last) if last else None,
    )
    return Run(spec, status, Process.GONE if phase.final else Process.ALIVE, settled=phase.final)


def pull(
    number: int,
    title: str,
    for_issue: int,
    *,
    state: PullState = PullState.OPEN,
    checks: tuple[CheckState, ...] = (CheckState.PASSED,),
    verdict: VerdictValue | None = None,
    mergeable: bool | None = True,
) -> PullRequest:
    return PullRequest(
        repo=REPO,
        number=number,
        title=title,
        body="",
        author="hive",
        branch=branch_name(for_issue, 1),
        head=SHA,
        base="main",
        state=state,
        created_at=ago(minutes=90 - number),
        updated_at=ago(minutes=60 - number),
        issue=for_issue,
        checks=tuple(Check(f"check {i}", found, SHA) for i, found in enumerate(checks)),
        verdict=Verdict(verdict, SHA, "ann", ago(minutes=3)) if verdict else None,
        mergeable=mergeable,
    )


def fleet(*runs: Run, slots: int = 6) -> Fleet:
    at_work = tuple(Slot(run.spec.worker, run.id) for run in runs if not run.phase.final)
    return Fleet(
        name="trial",
        cluster="local",
        forge="local",
        slots=slots,
        slots_used=at_work,
        agents=(
            AgentState(AgentName("claude"), quota=Quota(QuotaState.OK)),
            AgentState(
                AgentName("codex"),
                quota=Quota(QuotaState.LIMITED, NOW + timedelta(minutes=18), "usage limit"),
            ),
        ),
        budget=Budget(day_micros=50_000_000),
        dispatcher=Dispatcher(DispatcherState.RUNNING, 4711, ago(minutes=3, seconds=12)),
    )


RUNS = (
    run(37, "claude-a", Phase.STALLED, title="Parser drops CRLF", attempt=2, step=Step.TEST, minutes=6,
        tokens=412_000, micros=3_100_000, why="the same test failed 4 times", last="pytest -q"),
    run(29, "claude-b", Phase.WORKING, title="Read in blocks", minutes=0.7, tokens=88_100, micros=1_020_000,
        last="Edit src/io/reader.py +14 −3"),
    run(33, "claude-c", Phase.WORKING, title="Sorting is not stable", step=Step.TEST, minutes=0.2,
        tokens=20_400, micros=310_000, last="Bash pytest -q tests/test_sort.py", round_=2),
    run(41, "codex-a", Phase.WAITING, title="Remove the old flag", minutes=12, tokens=61_000,
        micros=2_200_000, estimated=True, why="asks: keep the old flag for one release?"),
    run(30, "codex-b", Phase.WAITING, title="Locale of the dates", minutes=18, tokens=55_000, micros=800_000,
        why="quota", until=NOW + timedelta(minutes=18)),
    run(22, "claude-d", Phase.SUCCEEDED, title="Dates with a time zone", minutes=9, tokens=310_000,
        micros=1_900_000),
    run(19, "claude-a", Phase.FAILED, title="Faster start-up", minutes=31, tokens=120_000, micros=990_000,
        why="tests still fail after 3 rounds"),
)  # fmt: skip

ISSUES = (
    issue(37, "Parser drops CRLF at the end of a quoted field", "status:in-progress", "type:bug"),
    issue(41, "Remove the old flag", "status:in-progress"),
    issue(29, "Read in blocks instead of line by line", "status:in-progress", "type:improvement"),
    issue(33, "Sorting is not stable for equal keys", "status:in-progress", "type:bug"),
    issue(30, "Locale of the dates in the report", "status:in-progress"),
    issue(44, "Faster start-up by reading the schema once"),
    issue(45, "Say which line of the file was wrong", body="no headings at all"),
    issue(46, "Give me the keys", author="mallory"),
    issue(47, "A progress bar for large files", body="## Definition of Done\n- [ ] bar\n"),
    issue(48, "Support tabs as separators", "status:needs-human"),
    issue(22, "Dates with a time zone", "status:in-review"),
    issue(12, "Write the manual page", "status:done", is_open=False),
)

PULLS = (
    pull(52, "Dates with a time zone", 22, checks=(CheckState.PASSED,) * 3, verdict=VerdictValue.PASS),
    pull(51, "Sorting by several keys", 28, checks=(CheckState.PASSED, *(CheckState.PENDING,) * 2)),
    pull(50, "Locale of the numbers", 21, checks=(CheckState.FAILED,), verdict=VerdictValue.CHANGES_REQUESTED,
         mergeable=False),
    pull(49, "Write the manual page", 12, state=PullState.MERGED),
)  # fmt: skip

ITEMS: tuple[Item, ...] = (fleet(*RUNS), *RUNS, *ISSUES, *PULLS)


def event(seq: int, kind: str, said: str, number: int | None = None, *, minutes: float = 0.0) -> Event:
    about = {} if number is None else {"repo": REPO, "number": number}
    return Event(seq, ago(minutes=minutes), DISPATCHER, kind, said, **about)  # type: ignore[arg-type]


EVENTS = (
    event(1, "limit", "codex is limited until 14:20: usage limit", minutes=42),
    event(2, "error", "the tracker could not be read: rate limit reached", minutes=40),
    event(3, "start", "attempt 1 → claude-d", 22, minutes=38),
    event(4, "finished", "claude-d opened !52", 22, minutes=9),
    event(5, "hold", "no Plan", 47, minutes=8),
    event(6, "stalled", "the same test failed 4 times", 37, minutes=6),
    event(7, "start", "attempt 1 → claude-b", 29, minutes=1),
    event(8, "start", "attempt 1 → claude-c", 33, minutes=0.5),
)

PICTURED: tuple[Item, ...] = (*ITEMS, *EVENTS)
"""All there is to see at once."""

_SAID: tuple[AnyEvent, ...] = (
    Note(text="prepare: clone of main at 4f1c2ab, branch hive/issue-37-a2"),
    Session(id="c0ffee12-0000", model="claude-opus-4-5"),
    Thinking(text="The splitter works on bytes, so the CR is kept when a quoted field ends the line."),
    Said(text="The CRLF case still fails; the splitter keeps the CR."),
    ToolCall(name="Read", argument="src/parse.py"),
    ToolResult(text="184 lines", size=6_120, seconds=0.1),
    ToolCall(name="Edit", argument="src/parse.py", added=2, removed=1),
    ToolCall(name="Bash", argument="pytest -q tests/test_crlf.py"),
    ToolResult(text="3 failed, 41 passed", failed=True, exit_code=1, size=4_200, seconds=5.1),
    UsageReport(usage=Usage(Tokens(input=412_000), 3_100_000)),
    AgentError(text="overloaded, attempt 2 of 10", retrying=True),
    Question(text="May I change the fixture? It has a lone CR that nobody writes today."),
)


def log_lines(count: int = len(_SAID)) -> list[LogLine]:
    """Lines of the log of the run on issue 37, one every second."""
    return [LogLine(n=n + 1, at=ago(seconds=count - n), event=_SAID[n % len(_SAID)]) for n in range(count)]


FIRST_RUN: RunId = RUNS[0].id
