"""One process of an agent: started, listened to, told things, and ended; its evidence is the result."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from hive_tui.core import prompt
from hive_tui.core.errors import HiveError
from hive_tui.core.events import AgentResult, AnyEvent, End, Outcome, Session, UsageReport
from hive_tui.core.model import Phase, Usage
from hive_tui.core.ports import ProcessHandle, StreamParser
from hive_tui.core.text import clean, clean_line, money
from hive_tui.core.usage import add
from hive_tui.runner import ladder, progress, record, session, tail
from hive_tui.runner.context import Context
from hive_tui.runner.flow import Over
from hive_tui.runner.orders import Stopped
from hive_tui.runner.progress import Progress
from hive_tui.runner.tree import TreeWatch

LOOK_SECONDS = 0.05
"""Between two looks at the output."""

LINGER_SECONDS = 60.0
"""For an agent to exit after the end of its input; then it is ended and its last word counts."""

DRAIN_SECONDS = 2.0
"""For what an ended agent's file still holds: a flood must not delay the end of the run."""

MAX_OUTPUT = 1 << 30
"""Bytes of output of one process; a long session of a talkative agent has a few MB."""

_STDERR_BYTES = 16_384

STARTED = "agent process"
"""How the note begins after which a process's own events stand in the log."""


def output_files(home: Path, number: int) -> tuple[Path, Path]:
    """Where the kernel writes what the run's agent process `number` says."""
    return home / f"agent-{number}.out", home / f"agent-{number}.err"


def work(ctx: Context, text: str, *, afresh: bool) -> AgentResult:
    """Let the agent work on a prompt to its end, in a new session or the run's last one.

    Raises Stopped when it had to be ended.
    """
    state = session.load(ctx.home).begun(afresh=afresh)
    session.save(ctx.home, state)
    parser = ctx.agent.parser(before=state.before)
    ctx.journal.note(f"{STARTED} {state.processes}: {ctx.job.agent.name}{'' if afresh else ' continues'}")
    ctx.journal.flush(now=True)
    out, err = output_files(ctx.home, state.processes)
    try:
        launch = ctx.agent.launch(ctx.agent_job, text, session=state.id, workdir=ctx.sandbox.workdir)
        process = ctx.sandbox.start(
            launch.argv,
            env=launch.env,
            stdout=out,
            stderr=err,
            inherit=ctx.agent.credentials,
            stdin=bool(launch.stdin) or launch.keep_stdin,
        )
    except HiveError as error:
        why = error.words
        return AgentResult(Outcome.FAILED, why, session=state.id, unavailable=True)
    # From now on something may be used: until the agent says what, that is not known.
    status = ctx.journal.status
    ctx.journal.update(used=state.used_by(Usage(), status.round, status.model))
    if launch.stdin:
        process.write(launch.stdin)
    if not launch.keep_stdin:
        process.close_stdin()
    talk = _Talk(ctx, process, parser, state, tail.Tail(out), open_stdin=launch.keep_stdin)
    stopped: Stopped | None = None
    code: int | None = None
    try:
        code = talk.listen()
    except Stopped as stop:
        stopped = stop
        ctx.journal.note(f"ending the agent: {stop.over.why}")
        ctx.journal.flush()
        code = ladder.climb(process)
    finally:
        # Before the last read: nothing may write any more once the result is drawn.
        ctx.sandbox.end_everything(grace=ladder.GRACE)
    talk.drain()
    result = parser.finish(code, clean(tail.end_of(err, _STDERR_BYTES)))
    result = record.completed(ctx, talk.state, result)
    ctx.journal.flush()
    status = ctx.journal.status
    ended = talk.state.ended(result, status.round, status.model)
    session.save(ctx.home, ended)
    ctx.journal.update(
        usage=ended.run_used, used=ended.parts, session=ended.id, model=result.model or status.model
    )
    ctx.journal.note(f"{ctx.job.agent.name} ended: {result.outcome.value}, {clean_line(result.why)}")
    if stopped is not None:
        raise stopped
    return result


class _Talk:
    """The conversation with one process: its events into the journal, messages of people to it."""

    def __init__(
        self,
        ctx: Context,
        process: ProcessHandle,
        parser: StreamParser,
        state: session.Session,
        output: tail.Tail,
        *,
        open_stdin: bool,
    ) -> None:
        self._ctx, self._process, self._parser, self._output = ctx, process, parser, output
        self.state = state
        self._pace = Progress(ctx.journal.now())
        self._open = open_stdin
        self._told = False
        """Something was told after the agent's last word: it has another turn to come."""
        self._closed_at: float | None = None

    def listen(self) -> int | None:
        """Until the process has ended; returns its exit status, None when it had to be made to exit after
        its last word. Raises Stopped."""
        ctx = self._ctx
        watch = TreeWatch(ctx.sandbox, ctx.home, ctx.base)
        while True:
            code = self._process.poll()
            heard = self._hear()
            self._check_limits()
            if (files := watch.look()) is not None:
                self._pace = progress.changed_tree(self._pace, ctx.journal.now())
                ctx.journal.update(changed_files=files)
            ctx.orders.look()
            self._answer()
            self._show()
            ctx.journal.flush()
            if code is not None and not heard:
                return code
            if self._closed_at is not None and not self._parser.wants_stdin_closed:
                # Another turn began, such as one in which the agent hears of a background task's end.
                self._closed_at = time.monotonic()
            if self._closed_at is not None and time.monotonic() - self._closed_at > LINGER_SECONDS:
                ctx.journal.note("the agent does not exit after its last word")
                ladder.climb(self._process)
                return None
            if not heard:
                time.sleep(LOOK_SECONDS)

    def drain(self) -> None:
        """Read what the ended process has still said; when that takes long, only the last of it."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._hear():
            self._ctx.journal.flush()
            if time.monotonic() > deadline:
                self._output.skip_to_last()
                self._hear()
                break
        self._output.close()

    def _hear(self) -> bool:
        data = self._output.read()
        if data:
            for event in self._parser.feed(data):
                self._take(event)
        return bool(data)

    def _take(self, event: AnyEvent) -> None:
        journal = self._ctx.journal
        journal.event(event)
        self._pace = progress.observe(self._pace, event, journal.now())
        match event:
            case Session():
                self.state = msgspec.structs.replace(self.state, id=event.id)
                session.save(self._ctx.home, self.state)
                journal.update(session=event.id, model=event.model or journal.status.model)
            case UsageReport():
                model = event.model or journal.status.model
                used = add(self.state.run_used, event.usage)
                parts = self.state.used_by(event.usage, journal.status.round, model)
                journal.update(usage=used, used=parts, model=model)
            case End():
                self._told = False
            case _:
                pass

    def _check_limits(self) -> None:
        if self._output.total > MAX_OUTPUT:
            raise Stopped(Over(Phase.FAILED, f"the agent said more than {MAX_OUTPUT >> 20} MB"))
        limit, used = self._ctx.job.spec.budget_micros, self._ctx.journal.status.usage.cost_micros
        if limit is not None and used is not None and used >= limit:
            raise Stopped(Over(Phase.FAILED, f"budget of {money(limit)} used", f"used {money(used)}"))

    def _answer(self) -> None:
        for control in self._ctx.orders.messages():
            text = clean(control.text)
            if self._open and self._ctx.agent.can_message:
                self._process.write(self._ctx.agent.message(text))
                self._ctx.journal.note(f"{control.actor} says: {clean_line(text)}")
                self._pace = progress.answered(self._pace, self._ctx.journal.now())
                self._told = True
            else:
                self._ctx.unheard.append(prompt.message(text))
                self._ctx.journal.note(f"{control.actor} says (kept for the next prompt): {clean_line(text)}")
        if self._open and self._parser.wants_stdin_closed and not self._told:
            self._process.close_stdin()
            self._open = False
            self._closed_at = time.monotonic()

    def _show(self) -> None:
        journal, pace = self._ctx.journal, self._pace
        journal.update(progress_at=pace.at)
        if pace.asking is not None and self._open:
            journal.phase(Phase.WAITING, f"asks: {clean_line(pace.asking, limit=400)}")
        elif why := progress.stalled(pace, journal.now(), self._ctx.stalled_after):
            journal.phase(Phase.STALLED, why)
        else:
            journal.phase(Phase.WORKING)
