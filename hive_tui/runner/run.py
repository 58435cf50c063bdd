"""One run from its registration to its record: drives the steps and makes good on every way out."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from hive_tui import plugins
from hive_tui.core.errors import HiveError
from hive_tui.core.model import Phase, RunStatus, Step
from hive_tui.core.ports import Agent, Job, RunHost
from hive_tui.core.text import Redactor, clean, clean_line, secret_values
from hive_tui.runner import ladder, saving, session, steps, workspace
from hive_tui.runner.context import Context
from hive_tui.runner.flow import Over, Position, StepResult, advance
from hive_tui.runner.journal import Clock, Journal
from hive_tui.runner.no_agent import NoAgent
from hive_tui.runner.orders import Orders, Signals, Stopped

_STEPS: dict[Step, Callable[[Context, Position], StepResult]] = {
    Step.PREPARE: lambda ctx, position: workspace.prepare(ctx),
    Step.IMPLEMENT: steps.implement,
    Step.TEST: steps.test,
    Step.PUBLISH: steps.publish,
}

_TRACE = 10_000
"""Characters of where hive itself went wrong."""

LoadAgent = Callable[[str], Agent]


def utc_now() -> datetime:
    return datetime.now(UTC)


def execute(
    host: RunHost, signals: Signals, *, load_agent: LoadAgent = plugins.agent, clock: Clock = utc_now
) -> Over:
    """Do the whole run; returns how it ended, after that was recorded.

    Raises RunEnded when the run is not to be started, NoRoom when its end has to wait for space on the
    disk. Whatever else goes wrong becomes a record.
    """
    job = host.register()
    ctx = context(host, job, signals, load_agent, clock)
    over = _attempt(ctx)
    finish(ctx, over)
    return over


def context(host: RunHost, job: Job, signals: Signals, load_agent: LoadAgent, clock: Clock) -> Context:
    """The parts of a run. An agent backend that there is not fails when it is to work."""
    before = job.resume or RunStatus()
    started = before.started_at or clock()
    earlier = session.restore(host.home, before)
    status = msgspec.structs.replace(
        before, started_at=started, usage=earlier.run_used if earlier.processes else before.usage,
        used=earlier.parts if earlier.processes else before.used,
        until=None, agent_problem=None, evidence=None,
    )  # fmt: skip
    try:
        agent = load_agent(job.agent.backend)
    except HiveError as error:
        agent = NoAgent(error)
    secrets = secret_values(os.environ, (*agent.credentials, *job.repo.variables))
    journal = Journal(host, status, clock, Redactor(secrets))
    return Context(host, job, agent, journal, Orders(host, signals, job.deadline_seconds), secrets)


def _attempt(ctx: Context) -> Over:
    try:
        return _walk(ctx)
    except Stopped as stopped:
        return stopped.over
    except HiveError as error:
        return Over(Phase.FAILED, clean_line(error.message, limit=500), error.hint)
    except OSError as error:
        traceback.print_exc()
        where = f" ({error.filename})" if error.filename else ""
        return Over(
            Phase.FAILED, f"{error.strerror or error}{where}", "`hive doctor` looks at disk and permissions"
        )
    except Exception as error:
        # The edge of the process: the record says that hive is at fault. The trace goes where everybody can
        # read it: what a pod prints beside its log is shown nowhere, and goes with the pod.
        traceback.print_exc()
        ctx.journal.note(clean(traceback.format_exc()[-_TRACE:], limit=_TRACE), show=False)
        what = clean_line(f"hive's runner failed: {type(error).__name__}: {error}", limit=500)
        return Over(Phase.FAILED, what, f"`hive logs {ctx.job.spec.id}` says where")


def _walk(ctx: Context) -> Over:
    ctx.journal.phase(Phase.STARTING)
    position: Position | Over = Position(round=ctx.job.resume.round if ctx.job.resume else 1)
    while isinstance(position, Position):
        ctx.journal.step(position.step, position.round)
        if position.step is Step.PUBLISH:
            ctx.journal.phase(Phase.FINISHING)
        elif position.step is not Step.PREPARE:
            ctx.journal.phase(Phase.WORKING)
        ctx.journal.flush(now=True)
        ctx.orders.look()
        result = _STEPS[position.step](ctx, position)
        position = advance(position, result, max_rounds=ctx.job.max_rounds)
    return position


def finish(ctx: Context, over: Over) -> None:
    """End what is left, save what is not published, write the record."""
    wip = None
    try:
        ctx.sandbox.end_everything(grace=ladder.GRACE)
        if over.phase is not Phase.SUCCEEDED and ctx.base and ctx.sandbox.exists():
            wip = saving.save(ctx, over.keep_local)
    except saving.NoRoom:
        raise
    except HiveError as error:  # an agent's side that does not answer any more is no reason for no record
        ctx.journal.note(clean_line(error.message))
    final = over.phase.final
    ctx.journal.phase(
        over.phase,
        over.why,
        evidence=over.evidence,
        until=over.until,
        agent_problem=over.agent_problem,
        head=over.head,
        wip=wip or ctx.journal.status.wip,
        ended_at=ctx.journal.now() if final else None,
    )
    # Not shown as the last event: the phase says it already.
    ctx.journal.note(f"{over.phase.value}{f': {over.why}' if over.why else ''}", show=False)
    ctx.journal.flush(now=True)
