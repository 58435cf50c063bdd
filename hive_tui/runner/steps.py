"""The steps that work: implement, test, publish. Each takes the context and says how it ended."""

from __future__ import annotations

import contextlib
import time

from hive_tui.core import prompt
from hive_tui.core.errors import HiveError, WorkRejected
from hive_tui.core.events import AgentResult, Outcome
from hive_tui.core.model import Phase, TestResult
from hive_tui.core.ports import ProcessHandle
from hive_tui.core.text import clean, clean_line
from hive_tui.runner import agent, ladder, policy, session, tail, takeover
from hive_tui.runner.context import Context
from hive_tui.runner.flow import Over, Passed, Position, Rejected, StepResult

LEFT = "Work left uncommitted"
"""Subject of the commit that hive makes of what an agent forgot to commit."""

PUBLISH = "publish"
"""Under `refs/hive/` of the runner's directory: the commit that passed everything and is to be pushed.
From then on the run has succeeded, whoever pushes it."""

LEAK = "a commit holds the agent's or the tracker's credential"

_SUMMARY_CHARACTERS = 1_000
_SUMMARY_LINES = 15

_RESTORE = 'git -c core.hooksPath=/dev/null reset -q --hard "$1" && git clean -fdq'
"""All work is committed by then: what a test leaves behind must not become part of the next round."""


def implement(ctx: Context, position: Position) -> StepResult:
    """One process of the agent, and its work as commits."""
    result = _work(ctx, position)
    if result.unavailable:
        return Over(Phase.FAILED, result.why, until=result.until, agent_problem=result.why)
    said = clean_line(result.text, limit=300) or None
    if result.outcome is Outcome.LIMITED:
        return _limited(result)
    if result.outcome is not Outcome.SUCCEEDED:
        return Over(Phase.FAILED, f"the agent did not finish: {result.why}", said)
    try:
        ctx.tip = takeover.commit_all(ctx.sandbox, LEFT, ctx.identity, move=True)
    except WorkRejected as error:
        return Rejected(error.words, error.message.rstrip("."))
    if ctx.tip == ctx.base:
        return Over(Phase.FAILED, "the agent changed nothing", said)
    return Passed()


def _work(ctx: Context, position: Position) -> AgentResult:
    notes = (*ctx.unheard, *(prompt.message(order.text) for order in ctx.orders.messages()))
    ctx.unheard.clear()
    earlier = session.load(ctx.home)
    if earlier.id is not None and ctx.agent.can_resume:
        findings = position.findings
        text = prompt.repair(findings, notes=notes) if findings else prompt.resume(notes=notes)
        return agent.work(ctx, text, afresh=False)
    if earlier.processes and not ctx.lost:
        notes = (*prompt.previous_work(position.findings), *notes)
    return agent.work(ctx, prompt.first(ctx.job, ctx.project, notes=notes), afresh=True)


def _limited(result: AgentResult) -> Over:
    if result.billing:
        return Over(Phase.WAITING, f"credit: {result.why}", agent_problem=result.why)
    until = result.until
    when = f"quota until {until:%Y-%m-%d %H:%M} UTC" if until else "quota"
    return Over(Phase.WAITING, when, result.why, until=until, agent_problem=result.why)


def test(ctx: Context, position: Position) -> StepResult:
    """The repository's own command on the committed tree."""
    command = ctx.project.test
    if not command:
        ctx.journal.note("no test command in .hive/config.yaml")
        return Passed()
    ctx.sandbox.end_everything(grace=ladder.GRACE)
    shown = clean_line(command, limit=300)
    ctx.journal.note(f"testing: {shown}")
    out = ctx.home / f"test-{position.round}.out"
    out.unlink(missing_ok=True)
    limit = ctx.project.test_timeout_minutes * 60
    started = time.monotonic()
    process = ctx.sandbox.start(("sh", "-c", command), env={}, stdout=out, stderr=out)
    try:
        code = _wait(ctx, process, limit)
        if code is None:
            ladder.climb(process)
    finally:
        ctx.sandbox.end_everything(grace=ladder.GRACE)
    seconds = time.monotonic() - started
    said = ctx.journal.mask(clean(tail.end_of(out, 4 * prompt.MAX_FINDINGS)))[-prompt.MAX_FINDINGS :].strip()
    how = f"no end after {limit:.0f} s" if code is None else f"exit {code}"
    lines = said.splitlines()[-_SUMMARY_LINES:]
    summary = clean("\n".join(lines)[-_SUMMARY_CHARACTERS:] or how)
    result = TestResult(code == 0, shown, summary, round(seconds, 3), position.round)
    ctx.journal.update(tests=result)
    ctx.journal.note(f"tests {'passed' if result.passed else 'failed'} ({how}, {seconds:.1f} s)")
    if result.passed:
        return Passed()
    with contextlib.suppress(HiveError):  # a tree that cannot be cleaned is the next round's to repair
        ctx.sandbox.stream(("sh", "-c", _RESTORE, "sh", ctx.tip), stdin=b"", limit=65_536, timeout=60.0)
    return Rejected(f"`{shown}` failed ({how}). The end of its output:\n\n{said}", "tests still fail")


def _wait(ctx: Context, process: ProcessHandle, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while (code := process.wait(agent.LOOK_SECONDS)) is None:
        ctx.orders.look()
        ctx.journal.flush()
        if time.monotonic() > deadline:
            return None
    return code


def publish(ctx: Context, position: Position) -> StepResult:
    """Take the tested commit over, look at what it changes, push it."""
    ctx.orders.look()
    try:
        taken = ctx.take_over(ctx.tip)
    except WorkRejected as error:
        return Over(Phase.NEEDS_HUMAN, error.message, error.hint, keep_local=error.message)
    if not taken.changes:
        return Over(Phase.FAILED, "the agent changed nothing", "its commits undo each other")
    ctx.journal.update(changed_files=len(taken.changes))
    if taken.leaks:
        return Over(Phase.NEEDS_HUMAN, LEAK, taken.tip, keep_local=LEAK)
    if found := policy.judge(taken.changes, taken.targets, ctx.project.protected):
        why = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        return Over(Phase.NEEDS_HUMAN, why, taken.tip, keep_local=why)
    takeover.mark(ctx.bare, PUBLISH, taken.tip)
    return push(ctx, taken.tip)


def push(ctx: Context, sha: str) -> Over:
    """Push what passed everything; again is no change."""
    branch = ctx.job.spec.branch
    ctx.journal.note(f"pushing {sha[:10]} to {branch}")
    ctx.journal.flush(now=True)
    ctx.host.push(ctx.bare, ctx.job.repo, sha, branch)
    return Over(Phase.SUCCEEDED, evidence=f"{branch} at {sha[:10]}", head=sha)
