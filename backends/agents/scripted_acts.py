"""What the steps of a scenario do: each acts for real and tells of it in events."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import msgspec

from backends.agents.scenario import Ask, Fail, Hostile, Limit, Problem, Replace, Run, Step, Text, Use
from backends.agents.scripted import UNAVAILABLE, Input
from hive_tui.core import events
from hive_tui.core.events import (
    AgentError,
    AnyEvent,
    End,
    Question,
    Said,
    Thinking,
    ToolCall,
    ToolResult,
    UsageReport,
)
from hive_tui.core.model import Tokens, Usage
from hive_tui.system import git

SHOWN = 2_000
"""Characters of a tool's result that are told."""

_HOSTILE = {
    Hostile.ESCAPES: b"\x1b[2J\x1b[H\x1b[31;5mred alert\x1b[0m \x1b]0;owned\x07\x1b[?1049h\x1b(0lqqk\x9b6n",
    Hostile.OSC52: b"\x1b]52;c;cm0gLXJmIH4=\x07 look into your clipboard \x1bP$q\x1b\\",
    Hostile.BIDI: "access\u202egnirts\u202c \u2066level\u2069 zero\u200bwidth \ufeff".encode(),
    Hostile.MARKUP: b"[bold red]not markup[/] [@click=app.quit]press me[/] [/nothing] \\[x]",
    Hostile.NUL: b"before\x00after\x07\x08\x7f",
    Hostile.INVALID_UTF8: b"caf\xe9 \xff\xfe \xed\xa0\x80 \xf0\x9f\x92",
    Hostile.LONG_LINE: b"x" * (1 << 20),
    Hostile.SECRET: b"export TOKEN=ghp_" + b"A1b2C3d4E5" * 4,
}


class Interrupted(Exception):
    """A signal came in."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def leave(self, stage: Stage) -> int:
        """An interrupt is answered with a last word, any other signal is died of."""
        if self.number == signal.SIGINT:
            stage.emit(End(ok=False, text="interrupted"))
            return 130
        return -self.number


class Leave(Exception):
    """The process ends here; `final` means that a later call plays the next round."""

    def __init__(self, code: int, *, until: datetime | None = None, final: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.until = until
        self.final = final


class Usages(msgspec.Struct, frozen=True):
    """Totals of a session."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cost_micros: int = 0

    def plus(self, use: Use) -> Usages:
        return Usages(
            self.input + use.input,
            self.output + use.output,
            self.cache_read + use.cache_read,
            self.cache_write + use.cache_write,
            self.cost_micros + round(use.cost * 1_000_000),
        )


class Stage:
    """Where a scenario is played: the output, the inbox, the clock and the totals."""

    def __init__(self, *, inbox: queue.Queue[Input | None], speed: float, name: str) -> None:
        self.name = name
        self.usage = Usages()
        self.answer = ""
        self.said = ""
        self._model: str | None = None
        self._inbox = inbox
        self._closed = False
        self._speed = speed
        self._deaf_until = 0.0
        self._calls = 0

    def start(self, usage: Usages, model: str, answer: str) -> None:
        """Go on from an earlier process's totals."""
        self.usage, self._model, self.answer = usage, model, answer

    def obey_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() >= self._deaf_until:
            raise Interrupted(number)

    def ignore_signals(self, seconds: float) -> None:
        self._deaf_until = time.monotonic() + seconds

    # Output

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    def emit(self, event: AnyEvent) -> None:
        if isinstance(event, Said):
            self.said = event.text
        self.write(msgspec.json.encode(event) + b"\n")

    def call(self, name: str, argument: str, *, added: int | None = None, removed: int | None = None) -> str:
        """Tell of a tool's call; returns its id."""
        self._calls += 1
        key = f"call-{self._calls}"
        self.emit(ToolCall(name=name, argument=argument, id=key, added=added, removed=removed))
        return key

    def result(self, key: str, text: str, *, code: int | None = None, seconds: float | None = None) -> None:
        self.emit(
            ToolResult(
                text=text[-SHOWN:],
                failed=bool(code),
                exit_code=code,
                id=key,
                size=len(text),
                seconds=None if seconds is None else round(seconds, 2),
            )
        )

    def use(self, use: Use) -> None:
        """Add to the totals, and tell them if they changed."""
        usage = self.usage.plus(use)
        if usage == self.usage:
            return
        self.usage = usage
        tokens = Tokens(usage.input, usage.output, usage.cache_read, usage.cache_write)
        self.emit(UsageReport(usage=Usage(tokens, usage.cost_micros), model=self._model))

    # Time and messages

    def scaled(self, seconds: float) -> float:
        return seconds / self._speed

    def stall(self, seconds: float) -> None:
        time.sleep(self.scaled(seconds))

    def pause(self, seconds: float) -> None:
        """Wait, and answer the messages that come meanwhile."""
        deadline = time.monotonic() + self.scaled(seconds)
        while True:
            heard = self.hear(deadline - time.monotonic())
            if heard is None:
                break
            self.emit(Said(text=f"Noted: {heard}"))
        time.sleep(max(0.0, deadline - time.monotonic()))

    def hear(self, timeout: float) -> str | None:
        """The next message, or None after `timeout` seconds or when no more can come."""
        deadline = time.monotonic() + timeout
        while not self._closed:
            try:
                line = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if line is None:
                self._closed = True
            elif words := line.message or line.prompt:
                return words
        return None

    def linger(self, seconds: float) -> None:
        """Answer messages until the input is closed."""
        deadline = time.monotonic() + seconds
        while (heard := self.hear(deadline - time.monotonic())) is not None:
            self.emit(Said(text=f"Noted: {heard}"))
            self.emit(End(ok=True, text=self.said))


def play(step: Step, stage: Stage) -> None:
    """Do one step. Raises Leave when the process is to end, Interrupted when a signal comes in."""
    match step:
        case Step(think=str(text)):
            stage.emit(Thinking(text=text))
        case Step(say=str(text)):
            stage.emit(Said(text=_filled(text, stage)))
        case Step(read=str(path)):
            _read(path, stage)
        case Step(write=Text() as text):
            _write(text, stage)
        case Step(append=Text() as text):
            _append(text, stage)
        case Step(replace=Replace() as change):
            _replace(change, stage)
        case Step(delete=str(path)):
            key = stage.call("Delete", path)
            Path(path).unlink(missing_ok=True)
            stage.result(key, f"{path} is gone")
        case Step(run=str(command)):
            _run(Run(command), stage)
        case Step(run=Run() as command):
            _run(command, stage)
        case Step(commit=str(message)):
            _commit(_filled(message, stage), stage)
        case Step(pause=float(seconds)):
            stage.pause(seconds)
        case Step(use=Use() as use):
            stage.use(use)
        case Step(ask=Ask() as ask):
            _ask(ask, stage)
        case Step(limit=Limit() as limit):
            _limit(limit, stage)
        case Step(stall=float(seconds)):
            stage.stall(seconds)
        case Step(error=Problem(text=text, retrying=retrying)):
            stage.emit(AgentError(text=text, retrying=retrying))
        case Step(fail=Fail(text=text, exit_code=code)):
            stage.emit(End(ok=False, text=text))
            raise Leave(code, final=True)
        case Step(unavailable=str(text)):
            stage.emit(AgentError(text=text))
            raise Leave(UNAVAILABLE)
        case Step(hostile=tuple(kinds)):
            _hostile(kinds or tuple(Hostile), stage)
        case Step(ignore_signals=float(seconds)):
            stage.ignore_signals(seconds)
        case Step(crash=int(number)):
            raise Leave(-number)
        case Step(raw=str(text)):
            stage.write(text.encode("utf-8", "surrogatepass") + b"\n")


def _filled(text: str, stage: Stage) -> str:
    return text.replace("{answer}", stage.answer) if stage.answer else text


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and text != "")


def _content(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _store(path: str, text: str) -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")


def _read(path: str, stage: Stage) -> None:
    key = stage.call("Read", path)
    text = _content(path)
    if text is None:
        stage.result(key, f"{path} does not exist", code=1)
    else:
        stage.result(key, f"{_lines(text)} lines")


def _write(step: Text, stage: Stage) -> None:
    before, text = _content(step.path), _filled(step.text, stage)
    key = stage.call(
        "Write", step.path, added=_lines(text), removed=None if before is None else _lines(before)
    )
    _store(step.path, text)
    stage.result(key, f"{step.path} written")


def _append(step: Text, stage: Stage) -> None:
    before, text = _content(step.path) or "", _filled(step.text, stage)
    key = stage.call("Edit", step.path, added=_lines(text))
    if not before.endswith(text):
        _store(step.path, before + text)
    stage.result(key, f"{step.path} changed")


def _replace(step: Replace, stage: Stage) -> None:
    before = _content(step.path) or ""
    key = stage.call("Edit", step.path, added=_lines(step.new), removed=_lines(step.old))
    if step.new in before and (step.old in step.new or step.old not in before):
        stage.result(key, f"{step.path} has it already")
    elif step.old in before:
        _store(step.path, before.replace(step.old, step.new, 1))
        stage.result(key, f"{step.path} changed")
    else:
        stage.result(key, f"{step.path} does not contain the text to replace", code=1)


def _run(step: Run, stage: Stage) -> None:
    key, started = stage.call("Bash", step.command), time.monotonic()
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", step.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=step.timeout,
            check=False,
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, code = (error.stdout or b"") + b"\ntook too long", 124
    text = output.decode("utf-8", "replace").strip()
    stage.result(key, text, code=code, seconds=time.monotonic() - started)


def _commit(message: str, stage: Stage) -> None:
    key = stage.call("Bash", f"git commit -m {message.partition(chr(10))[0]!r}")
    git.run("add", "--all")
    if git.ok("diff", "--cached", "--quiet"):
        stage.result(key, "nothing to commit")
        return
    author = ("-c", f"user.name={stage.name}", "-c", f"user.email={stage.name}@scripted.invalid")
    git.run(*author, "commit", "--quiet", "--message", message)
    stage.result(key, git.text("log", "-1", "--format=%h %s"), code=0)


def _ask(ask: Ask, stage: Stage) -> None:
    stage.emit(Question(text=ask.question))
    heard = stage.hear(stage.scaled(ask.wait))
    stage.answer = heard or ask.default
    words = "Thank you" if heard else "Nobody answered, so I decide"
    stage.emit(Said(text=f"{words}: {stage.answer}"))


def _limit(limit: Limit, stage: Stage) -> None:
    until = None
    if limit.reset_after is not None:
        until = datetime.now(UTC) + timedelta(seconds=stage.scaled(limit.reset_after))
    stage.emit(events.Limit(text=limit.text, until=until, billing=limit.billing))
    raise Leave(1, until=until)


def _hostile(kinds: tuple[Hostile, ...], stage: Stage) -> None:
    for kind in kinds:
        text = _HOSTILE[kind]
        stage.write(text + b"\n")
        stage.emit(Said(text=text[:5_000].decode("utf-8", "replace")))
