"""A runner's host and agent that need no cluster: a real repository, a real sandbox, scripts as agents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from backends.clusters.local.sandbox import LocalSandbox
from hive_tui.core.errors import RunEnded
from hive_tui.core.events import (
    AgentResult,
    AnyEvent,
    End,
    Limit,
    LogLine,
    Outcome,
    Raw,
    Session,
    UsageReport,
    one_line,
)
from hive_tui.core.ids import AgentName, RepoName, WorkerName, branch_name, run_id
from hive_tui.core.model import Actor, ActorKind, Control, ControlKind, Mode, Phase, RunSpec, RunStatus, Usage
from hive_tui.core.ports import AgentJob, AgentProbe, Job, Launch, RepoJob, Sandbox
from hive_tui.core.text import clean, clean_line
from hive_tui.system import git

ANNA = Actor(ActorKind.PERSON, "anna")

PRELUDE = """
import json, os, signal, subprocess, sys, time
def emit(kind, **fields): print(json.dumps({"kind": kind, **fields}), flush=True)
def git(*args): subprocess.run(["git", *args], check=True, stdout=subprocess.DEVNULL)
def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    open(path, "w").write(text)
def commit(path, text, message="Change it"):
    write(path, text); git("add", "-A"); git("commit", "-qm", message)
def use(cost, tokens=100): emit("usage", usage={"tokens": {"output": tokens}, "cost_micros": cost})
def listen(): return json.loads(sys.stdin.readline())
def done(text="done"): emit("end", ok=True, text=text); sys.exit(0)
PROMPT = listen()["prompt"]
SESSION = os.environ["TOY_SESSION"]
NEW = os.environ["TOY_NEW"] == "1"
emit("session", id=SESSION, model="toy-1")
"""


class ToyAgent:
    """Runs a Python script that prints events as JSON lines; its usage counts per process."""

    name = "toy"
    can_message = True
    credentials: tuple[str, ...] = ("TOY_KEY",)

    def __init__(self, script: str, *, can_resume: bool = True) -> None:
        self._script = PRELUDE + script
        self.can_resume = can_resume
        self.prompts: list[str] = []
        self.sessions: list[str | None] = []

    def probe(self, command: str | None) -> AgentProbe:
        return AgentProbe(True)

    def launch(self, job: AgentJob, prompt: str, *, session: str | None, workdir: Path) -> Launch:
        self.prompts.append(prompt)
        self.sessions.append(session)
        env = {"TOY_SESSION": session or f"s{len(self.prompts)}", "TOY_NEW": "0" if session else "1"}
        argv = (job.command or sys.executable, "-c", self._script)
        stdin = json.dumps({"prompt": prompt}).encode() + b"\n"
        return Launch(argv, env, stdin, keep_stdin=True)

    def message(self, text: str) -> bytes:
        return json.dumps({"message": text}).encode() + b"\n"

    def parser(self, *, before: AgentResult | None = None) -> ToyParser:
        return ToyParser(before)


_decoder = msgspec.json.Decoder(AnyEvent)


class ToyParser:
    """Decodes event lines; what it does not know becomes Raw."""

    def __init__(self, before: AgentResult | None) -> None:
        self.wants_stdin_closed = False
        self._tail = b""
        self._end: End | None = None
        self._limit: Limit | None = None
        self._usage = Usage()
        self._session = before.session if before else None

    def feed(self, data: bytes) -> list[AnyEvent]:
        *lines, self._tail = (self._tail + data).split(b"\n")
        return [self._event(line) for line in lines if line.strip()]

    def finish(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        outcome, why = Outcome.UNKNOWN, f"exit {exit_code} without a result"
        if self._limit:
            outcome, why = Outcome.LIMITED, self._limit.text
        elif self._end:
            outcome, why = (Outcome.SUCCEEDED if self._end.ok else Outcome.FAILED), self._end.text
        elif exit_code:
            outcome = Outcome.FAILED
        until = self._limit.until if self._limit else None
        billing = bool(self._limit and self._limit.billing)
        return AgentResult(outcome, why, self._usage, self._session, "toy-1", until, billing, exit_code == 69)

    def _event(self, line: bytes) -> AnyEvent:
        try:
            event: AnyEvent = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Raw(text=clean_line(line[:100_000].decode("utf-8", "replace")))
        match event:
            case Session():
                self._session = event.id
            case UsageReport():
                self._usage = event.usage
            case End():
                self._end, self.wants_stdin_closed = event, True
            case Limit():
                self._limit = event
            case _ if hasattr(event, "text"):
                event = msgspec.structs.replace(event, text=clean(event.text))
        return event


class FakeHost:
    """A run's place in a folder, with the user's repository beside it."""

    lasting = True

    def __init__(self, home: Path, job: Job) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.job = home, job
        self.sandbox: Sandbox = LocalSandbox(home / "work", job.spec.id)
        self.reports: list[RunStatus] = []
        self.orders: list[Control] = []
        self.pushed: list[tuple[str, str]] = []
        self._status = home / "status.json"

    @property
    def status(self) -> RunStatus:
        try:
            return msgspec.json.decode(self._status.read_bytes(), type=RunStatus)
        except FileNotFoundError:
            return RunStatus()

    @property
    def lines(self) -> list[LogLine]:
        try:
            text = (self.home / "events.jsonl").read_bytes()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=LogLine) for line in text.splitlines()]

    @property
    def log(self) -> list[str]:
        return [one_line(line.event) for line in self.lines]

    def order(self, kind: ControlKind, text: str = "") -> None:
        self.orders.append(Control(len(self.orders) + 1, kind, ANNA, datetime.now(UTC), text))

    def register(self, *, recover: bool = False) -> Job:
        before = self.status
        if before.phase.final or not (recover or before.phase in (Phase.QUEUED, Phase.WAITING)):
            raise RunEnded(f"{self.job.spec.id} is {before.phase.value}.")
        again = recover or before.phase is Phase.WAITING
        return msgspec.structs.replace(self.job, resume=before if again else None)

    def report(self, status: RunStatus) -> None:
        self.reports.append(status)
        half = self._status.with_suffix(".half")
        half.write_bytes(msgspec.json.encode(status))
        half.replace(self._status)

    def append(self, lines: Sequence[LogLine]) -> None:
        with (self.home / "events.jsonl").open("ab") as file:
            file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def controls(self, after: int) -> list[Control]:
        return [order for order in self.orders if order.seq > after]

    def fetch(
        self,
        bare: Path,
        repo: RepoJob,
        *,
        saved: str | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> str:
        if not (bare / "HEAD").is_file():
            git.run("init", "--quiet", "--bare", "--template=", bare)
        git.run(
            "fetch", "--quiet", "--no-tags", repo.source, f"+{repo.base}:refs/heads/{repo.base}", cwd=bare
        )
        if saved is not None:
            git.run("fetch", "--quiet", repo.source, saved, cwd=bare, check=False)
        return git.text("rev-parse", f"refs/heads/{repo.base}", cwd=bare)

    def push(self, bare: Path, repo: RepoJob, sha: str, branch: str) -> None:
        force = "+" if branch.startswith("hive/wip/") else ""
        git.run("push", "--quiet", repo.source, f"{force}{sha}:refs/heads/{branch}", cwd=bare)
        self.pushed.append((branch, sha))


def repository(path: Path, files: dict[str, str]) -> Path:
    """A repository with one commit on `main`."""
    path.mkdir(parents=True)
    git.run("init", "--quiet", "--template=", "--initial-branch=main", cwd=path)
    git.run("config", "user.name", "Änna", cwd=path)
    git.run("config", "user.email", "anna@example.com", cwd=path)
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    git.run("add", "-A", cwd=path)
    git.run("commit", "--quiet", "-m", "Begin", cwd=path)
    return path


def job(source: Path, **changes: Any) -> Job:
    """A job on issue 7 of a repository."""
    repo = RepoName("acme/tool")
    spec = RunSpec(
        id=run_id("local", repo, 7, 1), repo=repo, issue=7, attempt=1, worker=WorkerName("toy-a"),
        agent=AgentName("toy"), mode=Mode.IMPROVEMENT, branch=branch_name(7, 1), base="main",
        title="Do it", created_at=datetime.now(UTC), created_by=ANNA,
        budget_micros=changes.pop("budget_micros", None),
    )  # fmt: skip
    agent = AgentJob(AgentName("toy"), "toy", command=changes.pop("command", None))
    return Job("test", spec, RepoJob(repo, str(source), "main"), agent, "Do it", "Please.", **changes)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition; fails when it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def meanwhile(action: Callable[[], None]) -> threading.Thread:
    """Do something beside the test; join it to see that it came through."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def running(marker: str) -> bool:
    """Whether a process with this in its command line is there."""
    for folder in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                if marker.encode() in (folder / "cmdline").read_bytes():
                    return True
            except OSError:
                continue
    return bool(
        not Path("/proc").is_dir()
        and subprocess.run(["pgrep", "-f", marker.replace("\0", " ")], check=False).returncode == 0
    )
