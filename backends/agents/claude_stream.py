"""Claude Code's stream (`--output-format stream-json --verbose`, and `json`), turned into events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from backends.agents import said
from backends.agents.claude_blocks import Blocks, flat, moment
from backends.agents.claude_outcome import Ending, Trouble, Turn, judge
from backends.agents.claude_usage import UsageCounter
from backends.agents.claude_wire import DECODER, Block, Line, Message
from backends.agents.limits import cause, from_epoch, reset_time
from backends.agents.lines import LineBuffer
from hive_tui.core.events import (
    AgentError,
    AgentResult,
    AnyEvent,
    End,
    Limit,
    Note,
    Question,
    Raw,
    Said,
    Session,
    UsageReport,
)
from hive_tui.core.lenient import convert, decode, elements
from hive_tui.core.model import Usage
from hive_tui.core.text import count

_SYNTHETIC = "<synthetic>"
"""The model of messages that the CLI makes up itself."""

_SHELLS = frozenset({"local_bash", "bash", "shell"})
"""Background tasks that the CLI ends by itself once its input has ended; it waits for sub-agents."""

_TASK_ENDED = frozenset({"completed", "failed", "killed", "stopped"})

_QUIET = frozenset(
    {
        "thinking_tokens",
        "status",
        "hook_started",
        "hook_progress",
        "hook_response",
        "task_progress",
        "session_state_changed",
        "commands_changed",
        "files_persisted",
        "notification",
        "turn_starting",
        "turn_duration",
    }
)
"""System lines that say nothing about the work."""


class ClaudeStream:
    """A `StreamParser` for one Claude Code process."""

    def __init__(
        self, *, before: AgentResult | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`before.usage` is all that the session used before this process. `clock` tells when a limit
        was hit on lines that carry no time themselves; without it relative reset times stay unknown."""
        self.wants_stdin_closed = False
        self._clock = clock
        self._lines = LineBuffer()
        self._blocks = Blocks()
        self._usage = UsageCounter(before.usage if before else None)
        self._reported: Usage | None = None
        self._session = before.session if before else None
        self._model: str | None = None
        self._announced: tuple[str, str | None] | None = None
        self._streaming: dict[str | None, str] = {}
        self._nameless = 0
        self._tasks: set[str] = set()
        self._spoke = False
        self._last_words = ""
        self._in_turn = False
        self._turn: Turn | None = None
        self._trouble: Trouble | None = None
        self._retrying: Trouble | None = None
        self._limited_until: datetime | None = None

    def feed(self, data: bytes) -> list[AnyEvent]:
        return [event for line in self._lines.feed(data) for event in self._line(line)]

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        tail = self._lines.rest()
        if tail.strip():
            for _ in self._line(tail):
                pass
        return Ending(
            usage=self._usage.usage,
            models={said.name(name): usage for name, usage in self._usage.models.items()},
            session=self._session,
            model=self._model,
            exit_code=exit_code,
            stderr=stderr,
            turn=self._turn,
            in_turn=self._in_turn,
            began=self._announced is not None or self._spoke,
            trouble=self._trouble,
            retrying=self._retrying,
            last_words=self._last_words,
            now=self._clock() if self._clock else None,
        ).result()

    def _line(self, data: bytes) -> Iterator[AnyEvent]:
        start = data.lstrip()[:1]
        if start == b"{":
            line = decode(data, DECODER)
            if line is not None and line.type:
                yield from self._known(line, data)
                return
        elif start == b"[" and (found := elements(data)):
            # `--output-format json --verbose`: all lines as one array.
            for element in found:
                yield from self._known(convert(element, Line), b"")
            return
        if text := said.raw(data):
            yield Raw(text=text)

    def _known(self, line: Line, data: bytes) -> Iterator[AnyEvent]:
        if line.session_id:
            self._session = said.name(line.session_id)
        match line.type:
            case "assistant":
                yield from self._assistant(line)
            case "user":
                yield from self._user(line)
            case "result":
                yield from self._result(line)
            case "stream_event":
                yield from self._partial(line)
            case "system":
                yield from self._system(line, data)
            case "rate_limit_event":
                yield from self._rate_limit(line)
            case "control_response":
                if line.response is not None and line.response.error:
                    yield AgentError(text=said.line(line.response.error), retrying=True)
            case "control_request":
                if line.request is not None and line.request.subtype == "can_use_tool":
                    yield Question(text=f"may it use {said.line(line.request.tool_name or 'a tool')}?")
            case "control_cancel_request" | "keep_alive" | "tool_progress" | "prompt_suggestion":
                pass
            case _:
                if text := said.raw(data):
                    yield Raw(text=text)

    # Messages

    def _assistant(self, line: Line) -> Iterator[AnyEvent]:
        message, agent = line.message, self._blocks.sub_agent(line)
        if not isinstance(message, Message):
            return
        if line.is_api_error or message.model == _SYNTHETIC:
            yield from self._made_up(line, message, agent)
            return
        self._spoke = True
        self._retrying = None
        if agent is None:
            self._turn_goes_on()
            self._trouble = None
            self._model = said.name(message.model) if message.model else self._model
        for block in _blocks(message):
            for event in self._blocks.events(block, agent, line.timestamp):
                if agent is None and isinstance(event, Said):
                    self._last_words = event.text
                yield event
        if line.aborted:
            yield AgentError(text="interrupted", agent=agent)
        yield from self._count(message, final=message.stop_reason is not None)

    def _made_up(self, line: Line, message: Message, agent: str | None) -> Iterator[AnyEvent]:
        """A message of the CLI itself: most say that the model could not be reached."""
        text = said.text(flat(message.content), said.RESULT)
        if not line.is_api_error and line.error is None:
            if text and text != "No response requested.":
                yield Note(text=text, agent=agent)
            return
        trouble = Trouble(
            cause(text, kind=line.error, status=line.api_error_status),
            text,
            reset_time(text, self._now(line)) or self._limited_until,
        )
        if agent is None:
            self._turn_goes_on()
            self._trouble = trouble
        yield trouble.event(agent)

    def _user(self, line: Line) -> Iterator[AnyEvent]:
        message, agent = line.message, self._blocks.sub_agent(line)
        if not isinstance(message, Message):
            return
        for block in _blocks(message):
            if block.tool_use_id is not None:
                if agent is None:
                    self._turn_goes_on()
                yield self._blocks.result(block, agent, line.timestamp)
            elif block.text and block.text.startswith("[Request interrupted"):
                yield AgentError(text=said.line(block.text.strip("[]")), agent=agent)
        if line.is_replay and self._spoke and (text := said.line(flat(message.content), 200)):
            # The prompt itself is echoed too, before anything was said; it is no news.
            yield Note(text=f"heard: {text}")

    def _result(self, line: Line) -> Iterator[AnyEvent]:
        self._usage.result(line.model_usage, line.since_last_result, line.usage, line.total_cost_usd)
        if self._model is None and line.model_usage:
            self._model = said.line(max(line.model_usage.items(), key=lambda used: used[1].output)[0], 128)
        self._turn = turn = judge(line, self._trouble, self._now(line), self._limited_until)
        self._trouble = self._retrying = None
        self._in_turn = False
        self.wants_stdin_closed = not line.queued_turn_count and not self._tasks
        yield from self._report()
        yield from self._blocks.denials(line.permission_denials or [])
        if turn.trouble is not None and not turn.told:
            yield turn.trouble.event()
        yield End(ok=turn.ok, text=turn.text)

    # Usage

    def _count(self, message: Message, *, final: bool) -> Iterator[AnyEvent]:
        if message.usage is None:
            return
        if message.id is None:
            self._nameless += 1
        key = message.id or f"#{self._nameless}"
        changed = self._usage.message(key, message.usage, final=final)
        if changed and (final or not self._streaming):
            # With partial messages the figures that matter follow at once; one report a message is enough.
            yield from self._report()

    def _report(self) -> Iterator[AnyEvent]:
        usage = self._usage.usage
        if usage != self._reported:
            self._reported = usage
            yield UsageReport(usage=usage, model=self._model)

    def _partial(self, line: Line) -> Iterator[AnyEvent]:
        """Of the API's own stream only the true output tokens are new: the words come as messages."""
        event, parent = line.event, line.parent_tool_use_id
        if event is None:
            return
        if event.type == "message_start" and event.message is not None and event.message.id:
            if parent is None:
                self._turn_goes_on()
            self._streaming[parent] = event.message.id
        elif event.type == "message_delta" and event.usage is not None:
            id_ = line.api_message_id or self._streaming.get(parent)
            if id_ is not None:
                yield from self._count(Message(id=id_, usage=event.usage), final=True)

    # The harness

    def _system(self, line: Line, data: bytes) -> Iterator[AnyEvent]:
        match line.subtype:
            case "init":
                yield from self._init(line)
            case "api_retry":
                yield self._retry(line)
            case "permission_denied":
                yield self._blocks.refused(line)
            case "model_fallback" | "model_refusal_fallback" | "model_consent_fallback":
                told = line.content or f"fell back from {line.original_model} to {line.fallback_model}"
                yield AgentError(text=said.line(told), retrying=True)
            case "compact_boundary":
                yield Note(text=_compacted(line))
            case "background_tasks_changed":
                self._tasks = {t.task_id for t in line.tasks or () if t.task_type not in _SHELLS}
                self._tasks_changed()
            case "task_started":
                if line.task_id and line.task_type not in _SHELLS and line.is_backgrounded is not False:
                    self._tasks.add(line.task_id)
                yield Note(text=f"started {said.line(line.description or 'a task', 120)}")
            case "task_updated":
                if line.patch is not None and line.patch.status in _TASK_ENDED:
                    self._task_ended(line.task_id)
            case "task_notification":
                self._task_ended(line.task_id)
                told = f"task {line.status or 'ended'}: {line.summary or ''}"
                yield Note(text=said.line(told, 200).rstrip(": "))
            case "api_error" | "error" | "mirror_error":
                yield AgentError(text=said.line(line.content or line.error or "error"), retrying=True)
            case subtype if subtype in _QUIET:
                pass
            case _:
                if text := said.raw(data):
                    yield Raw(text=text)

    def _init(self, line: Line) -> Iterator[AnyEvent]:
        """Printed at the start of every turn, so it is news only when something in it is."""
        self._turn_goes_on()
        self._blocks.workdir = line.cwd or self._blocks.workdir
        self._model = said.name(line.model) if line.model else self._model
        if self._session and self._announced != (self._session, self._model):
            self._announced = (self._session, self._model)
            yield Session(id=self._session, model=self._model)

    def _retry(self, line: Line) -> AgentError:
        kind = said.line(line.error or "error", 60)
        what = f"{line.error_status} {kind}" if line.error_status else kind
        self._retrying = Trouble(cause("", kind=line.error, status=line.error_status), what)
        of = f" of {line.max_retries}" if line.max_retries else ""
        seconds = (line.retry_delay_ms or 0) / 1000
        wait = f", again in {seconds:.1f}s" if 0 < seconds < 1e6 else ""
        return AgentError(text=f"{what}, attempt {line.attempt or '?'}{of}{wait}", retrying=True)

    def _rate_limit(self, line: Line) -> Iterator[AnyEvent]:
        info = line.rate_limit_info
        if info is None or info.status not in ("rejected", "allowed_warning"):
            return
        name = said.line(info.kind or "usage", 60).replace("_", " ")
        if info.status == "rejected" and not info.using_overage:
            self._limited_until = from_epoch(info.resets_at)
            yield Limit(text=f"{name} limit reached", until=self._limited_until)
            return
        share = info.utilization
        used = f", {share:.0%} used" if share is not None and 0 <= share <= 1 else ""
        yield AgentError(text=f"{name} limit is near{used}", retrying=True)

    def _turn_goes_on(self) -> None:
        """Only the main agent's words and deeds: a sub-agent may outlive a turn, and end with none."""
        self._in_turn = True
        self.wants_stdin_closed = False

    def _task_ended(self, task: str | None) -> None:
        if task in self._tasks:
            self._tasks.discard(task)
            self._tasks_changed()

    def _tasks_changed(self) -> None:
        """The end of input does not cut the turn in which the agent hears of its task's end."""
        if self._turn is not None and not self._in_turn and not self._tasks:
            self.wants_stdin_closed = True

    def _now(self, line: Line) -> datetime | None:
        return moment(line.timestamp) or (self._clock() if self._clock else None)


def _blocks(message: Message) -> list[Block]:
    if isinstance(message.content, str):
        return [Block(type="text", text=message.content)]
    return message.content or []


def _compacted(line: Line) -> str:
    sizes = line.compact_metadata
    if sizes is None or sizes.pre_tokens is None:
        return "context compacted"
    after = f" to {count(sizes.post_tokens)}" if sizes.post_tokens is not None else ""
    return f"context compacted from {count(sizes.pre_tokens)}{after} tokens"
