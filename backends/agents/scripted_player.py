"""The program that plays a scenario in a work tree: `python -P -m backends.agents.scripted_player`.

Standard input: the prompt as one JSON line, then messages as JSON lines until it is closed. Standard
output: events of `hive_tui.core.events` as JSON lines; usage is cumulative for the session. How far a
session is, is kept in `<state>/<session>.json`, saved after every step, so that it can go on after a
limit, an interrupt or a kill; every step may be repeated without harm.

Exit codes: 0 played to its end · 1 a limit, or what the scenario says · 69 cannot work at all ·
130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import resource
import signal
import sys
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from backends.agents.scenario import Scenario, find, load
from backends.agents.scripted import UNAVAILABLE, Input
from backends.agents.scripted_acts import Interrupted, Leave, Stage, Usages, play
from hive_tui.core.errors import HiveError
from hive_tui.core.events import AgentError, End, Limit, Session

AFTERWARDS_SECONDS = 600.0
"""How long a finished player waits for its input to be closed."""


class Memory(msgspec.Struct):
    """How far a session is."""

    session: str
    scenario: str
    round: int = 1
    step: int = 0
    """Index of the next step."""
    ended: bool = False
    """The round was played to its end; the next call plays the next round."""
    limited_until: float | None = None
    """Seconds since the epoch; a call before that meets the limit again."""
    answer: str = ""
    usage: Usages = msgspec.field(default_factory=Usages)


def main(argv: list[str] | None = None) -> int:
    """Play; returns the exit code."""
    options = _options(argv)
    inbox: queue.Queue[Input | None] = queue.Queue()
    threading.Thread(target=_listen, args=(inbox,), daemon=True).start()
    stage = Stage(inbox=inbox, speed=options.speed, name=options.name)
    stage.obey_signals()
    try:
        first = inbox.get()
        memory, scenario = _prepare(options, (first and first.prompt) or "")
    except Interrupted as signalled:
        return signalled.leave(stage)
    except HiveError as error:
        stage.emit(AgentError(text=error.words))
        return UNAVAILABLE
    try:
        return _perform(stage, memory, scenario, options)
    except Interrupted as signalled:
        return signalled.leave(stage)
    except (HiveError, OSError) as error:
        with contextlib.suppress(OSError):
            stage.emit(AgentError(text=str(error)))
        return 1


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripted_player", description="Plays a scenario.")
    parser.add_argument("--scenarios", type=Path, required=True, help="folder of scenario files")
    parser.add_argument("--state", type=Path, required=True, help="folder that remembers sessions")
    parser.add_argument("--scenario", help="name of a file in the folder, without suffix")
    parser.add_argument("--name", default="scripted", help="author of commits")
    parser.add_argument("--model", default="scripted-1", help="model that is reported")
    parser.add_argument("--session", help="continue this session")
    parser.add_argument("--speed", type=float, default=1.0, help="times are divided by this")
    return parser.parse_args(argv)


def _listen(inbox: queue.Queue[Input | None]) -> None:
    for line in sys.stdin.buffer:
        try:
            inbox.put(msgspec.json.decode(line, type=Input))
        except msgspec.MsgspecError:
            inbox.put(Input(message=line.decode("utf-8", "replace").strip()))
    inbox.put(None)


def _prepare(options: argparse.Namespace, prompt: str) -> tuple[Memory, Scenario]:
    if options.session:
        memory = _remember(options.state, options.session)
        if memory is None:
            raise HiveError(f"No session {options.session} to continue.", "Start a new one.")
        if memory.ended:
            memory.round, memory.step, memory.ended = memory.round + 1, 0, False
    else:
        issue, attempt = _whereabouts(prompt)
        path = find(options.scenarios, name=options.scenario, prompt=prompt, issue=issue, attempt=attempt)
        last = _latest(options.state)
        repeated = last is not None and last.ended and last.scenario == str(path)
        memory = Memory(
            session=str(uuid.uuid4()),
            scenario=str(path),
            round=last.round + 1 if last is not None and repeated else 1,
        )
    return memory, load(Path(memory.scenario))


def _whereabouts(prompt: str) -> tuple[int | None, int | None]:
    """Issue and attempt: by the run's name, else the checked out branch, else the prompt's first #N."""
    if found := re.search(r"-i(\d+)-a(\d+)$", os.environ.get("HIVE_RUN", "")):
        return int(found[1]), int(found[2])
    try:
        head = Path(".git/HEAD").read_text(encoding="utf-8", errors="replace")
    except OSError:
        head = ""
    if found := re.search(r"hive/issue-(\d+)-a(\d+)\s*$", head):
        return int(found[1]), int(found[2])
    found = re.search(r"#(\d+)\b", prompt)
    return (int(found[1]), 1) if found else (None, None)


def _remember(folder: Path, session: str) -> Memory | None:
    try:
        return msgspec.json.decode((folder / f"{Path(session).name}.json").read_bytes(), type=Memory)
    except (OSError, msgspec.MsgspecError):
        return None


def _latest(folder: Path) -> Memory | None:
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return _remember(folder, files[-1].stem) if files else None


def _save(folder: Path, memory: Memory) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{memory.session}.json"
    partial = target.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(memory))
    partial.replace(target)


def _perform(stage: Stage, memory: Memory, scenario: Scenario, options: argparse.Namespace) -> int:
    model = scenario.model or options.model
    _save(options.state, memory)
    stage.emit(Session(id=memory.session, model=model))
    stage.start(memory.usage, model, memory.answer)
    now = datetime.now(UTC).timestamp()
    if memory.limited_until is not None and now < memory.limited_until:
        until = datetime.fromtimestamp(memory.limited_until, UTC)
        stage.emit(Limit(text="The usage limit has not been reset yet.", until=until))
        return 1
    memory.limited_until = None
    steps = scenario.round(memory.round)
    while memory.step < len(steps):
        step = steps[memory.step]
        stage.pause(scenario.pace)
        leave = None
        try:
            play(step, stage)
        except Leave as left:
            leave = left
        memory.step += 1
        stage.use(scenario.each_step)
        memory.usage, memory.answer = stage.usage, stage.answer
        if leave is not None:
            memory.limited_until = leave.until.timestamp() if leave.until else None
            memory.ended = leave.final
        _save(options.state, memory)
        if leave is not None:
            return leave.code
    memory.ended = True
    _save(options.state, memory)
    stage.emit(End(ok=True, text=stage.said or "There is nothing left to do."))
    stage.linger(AFTERWARDS_SECONDS)
    return 0


def _die(number: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # SIGKILL has no handler to reset
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    code = main()
    if code < 0:
        _die(-code)
    # The listening thread may sit in a read of standard input; leaving must not wait for it.
    os._exit(code)
