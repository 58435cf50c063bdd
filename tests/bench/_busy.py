"""A large fleet at work, in the console in a terminal of its own: what the console's benchmarks measure.

`python -m tests.bench._busy REPORT` shows it until it is quit and then writes the report. The parent
sends the keys, so that they take the way that a person's keys take, and says when it sent each.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import json
import os
import pty
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.screen import Screen

from hive_tui.core.events import AnyEvent, LogLine, Said, ToolCall, ToolResult
from hive_tui.core.ids import RepoName, RunId, WorkerName
from hive_tui.core.model import Budget, LastEvent, Phase, Process, Run, Slot
from hive_tui.core.ports import Emit
from hive_tui.core.sources import CLUSTER, FORGE, Alive, Changed
from tests import builders as b
from tests.fakes.sources import ScriptedCluster, ScriptedFleet

SIZE = (48, 160)
REPOS = 10
WORDS = ("parser", "reader", "sorting", "locale", "dates", "schema", "field", "quote", "separator", "column")

EVENTS: tuple[AnyEvent, ...] = (
    Said(text="The CRLF case still fails; the splitter keeps the CR."),
    ToolCall(name="Bash", argument="pytest -q tests/test_crlf.py -x"),
    ToolResult(text="3 failed, 41 passed", failed=True, exit_code=1, size=4_200, seconds=5.1),
    ToolCall(name="Edit", argument="src/parse.py", added=2, removed=1),
)


class Load(msgspec.Struct, frozen=True):
    """How much there is, and how much happens in a second."""

    runs: int = 500
    issues: int = 10_000
    changes: int = 100
    lines: int = 10_000
    beat: float = 0.005
    """Seconds between looks at whether anything blocks; 0 for none, where the cost of that would count."""


class BusyCluster(ScriptedCluster):
    """Runs that report, and logs that grow."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self._load = load
        self.runs: list[Run] = []

    def watch(self, emit: Emit, stop: threading.Event, wake: threading.Event | None = None) -> None:
        pick, round_ = random.Random(1), 0
        threading.Thread(target=super().watch, args=(emit, stop), daemon=True).start()
        while not stop.wait(1.0):
            round_ += 1
            for index in pick.sample(range(len(self.runs)), min(self._load.changes, len(self.runs))):
                run = self.runs[index]
                usage = msgspec.structs.replace(run.status.usage, cost_micros=round_ * 1_000 + index)
                status = msgspec.structs.replace(
                    run.status,
                    usage=usage,
                    last_event=LastEvent(datetime.now(UTC), f"Edit src/{pick.choice(WORDS)}.py +{round_}"),
                )
                self.runs[index] = msgspec.structs.replace(run, status=status)
                emit(Changed(CLUSTER, (self.runs[index],)))
            emit(Alive(CLUSTER))

    def logs(
        self,
        run: RunId,
        *,
        after: int = 0,
        follow: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[LogLine]:
        stop = stop or threading.Event()
        n, began = after, time.monotonic()
        for _ in range(200):
            n += 1
            yield LogLine(n, datetime.now(UTC), EVENTS[n % len(EVENTS)])
        while follow and not stop.wait(0.01 if self._load.lines else 0.1):
            due = after + int((time.monotonic() - began) * self._load.lines)
            while n < due:
                n += 1
                yield LogLine(n, datetime.now(UTC), EVENTS[n % len(EVENTS)])


def fleet(load: Load) -> ScriptedFleet:
    """A fleet with that load, whose sources say their full state at once."""
    now, pick = datetime.now(UTC), random.Random(2)
    repos = [RepoName(f"me/r{n}") for n in range(REPOS)]
    runs = [
        b.run(
            n + 1,
            repo=repos[n % REPOS],
            worker=WorkerName(f"claude-{n}"),
            process=Process.ALIVE,
            phase=Phase.STALLED if n % 50 == 0 else Phase.WORKING,
            since=now - timedelta(seconds=37 * n % 3600),
            started_at=now - timedelta(minutes=n % 90),
        )
        for n in range(load.runs)
    ]
    issues = [
        b.issue(
            n + 1,
            repo=repos[n % REPOS],
            title=" ".join(pick.choices(WORDS, k=6)),
            created_at=now - timedelta(minutes=n),
            updated_at=now - timedelta(minutes=n),
            labels=("status:in-progress",) if n < load.runs else ("status:ready",),
        )
        for n in range(load.issues)
    ]
    slots = tuple(Slot(run.spec.worker, run.id) for run in runs)
    budget = Budget(day_micros=10**12)
    found = ScriptedFleet(b.settings(repos=()))
    found.agents_side = cluster = BusyCluster(load)
    # As often as real sources look: woken fifty times a second, they would cost a third of an idle console.
    cluster.heeds_within = found.tracker.heeds_within = 0.25
    cluster.runs = runs
    found.list_all(
        b.fleet(slots=load.runs + 4, slots_used=slots, budget=budget),
        *runs,
        *issues,
        *(b.pull(20_000 + n, repo=repos[n % REPOS], issue=n + 1) for n in range(100)),
    )
    found.tracker.say(Alive(FORGE))
    return found


class Watch:
    """Notes for every key when the first frame after it was on its way to the terminal."""

    def __init__(self) -> None:
        self.painted: list[float] = []
        self.longest = 0.0
        """The longest time in seconds for which nothing else could be done."""
        self._handled = 0

    def pressed(self, app: App[Any]) -> None:
        """The app was just given a key. It goes to the widget that has the focus, and from there up to
        the app again."""
        (app.focused or app.screen).call_later(app.call_later, self._count)

    def _count(self) -> None:
        self._handled += 1

    def wrote(self) -> None:
        """A frame went to the terminal."""
        now = time.monotonic()
        self.painted += [now] * (self._handled - len(self.painted))

    async def run(self, app: App[Any], every: float) -> None:
        """Run the app until it is left, and look `every` seconds whether it blocks."""

        def beat(due: float) -> None:
            now = time.monotonic()
            if len(self.painted) > 3 and not app._exit:
                self.longest = max(self.longest, now - due)
            asyncio.get_running_loop().call_later(every, beat, now + every)

        if every:
            beat(time.monotonic())
        await app.run_async()

    def report(self, path: str) -> None:
        Path(path).write_text(json.dumps({"painted": self.painted, "longest": self.longest}))


def main(path: str, load: Load) -> None:
    """Show the console; `path` is for the report."""
    from hive_tui.app.app import HiveApp

    gc.set_threshold(100_000, 20, 20)  # as `hive` does
    watch = Watch()

    class Watched(HiveApp):
        async def on_event(self, event: events.Event) -> None:
            fresh = isinstance(event, events.Key) and not event.is_forwarded
            await super().on_event(event)
            if fresh:
                watch.pressed(self)

        def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
            super()._display(screen, renderable)
            watch.wrote()

    asyncio.run(watch.run(Watched(fleet(load), user="me"), load.beat))
    watch.report(path)


class Terminal:
    """The parent's end of a console in a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.bytes = 0
        self._end = end
        self._pid = process.pid

    def read_for(self, seconds: float, mark: bytes | None = None) -> bool:
        """Take what it paints for so long, or until `mark` is in it; tells whether that came."""
        deadline, said = time.monotonic() + seconds, b""
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._end], [], [], left)[0]:
                try:
                    new = os.read(self._end, 65_536)
                except OSError:  # nobody is at the other end any more
                    return False
                self.bytes += len(new)
                if mark is not None:
                    said += new
                    if mark in said:
                        return True
        return False

    def press(self, keys: str) -> float:
        """Send keys; when that was."""
        at = time.monotonic()
        os.write(self._end, keys.encode())
        return at

    def cpu(self) -> float:
        """Seconds of a core that it has used."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Megabytes of memory that it uses."""
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000, 1)


@contextmanager
def console(load: Load, module: str = "tests.bench._busy") -> Iterator[tuple[Terminal, Path]]:
    """The console with that load in a terminal, and where its report will be when it has been quit."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory() as home:
        report = Path(home) / "report.json"
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        argv = [sys.executable, "-m", module, str(report), msgspec.json.encode(load).decode()]
        process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env | {"HIVE_HOME": home},
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours), report
        finally:
            process.kill()
            process.wait()
            os.close(ours)


if __name__ == "__main__":
    main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Load))
