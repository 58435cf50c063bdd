"""One connection to the server in the agent's container, and the process that it asked for."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backends.clusters.kubernetes.box.wire import (
    BEAT_SECONDS,
    MAX_FRAME,
    WINDOW,
    Broken,
    Kind,
    Splitter,
    frame,
    frames,
)

if TYPE_CHECKING:
    from backends.clusters.kubernetes.box.server import Server

MAX_WAITING = 1 << 18
"""Bytes that wait to be sent on one connection; above it a process has to wait with what it says."""
MAX_LAST_WORDS = 1 << 20
"""Bytes of one stream that are still read after the process has ended."""

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

_OOM_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")

Ready = Callable[[int, int], None]
"""Called with a descriptor and the events that it is ready for."""


class Child:
    """A process in a session of its own. Its pipes never make the server wait."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self.process = process
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.oom_before = oom_kills()
        self.late = False
        """It was ended because its time was over."""
        self.waiting = bytearray()
        """Of standard input."""
        self.input_ended = False
        self.empty = False
        """It has ended and left nobody behind in its group, whose number may be somebody else's by now."""
        pipes = ((process.stdout, Kind.OUT), (process.stderr, Kind.ERR))
        self.outputs = {pipe.fileno(): (pipe, kind) for pipe, kind in pipes if pipe is not None}
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)

    def signal(self, number: int) -> None:
        """To the whole group, also what is left of it after its leader."""
        if not self.empty:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def ended(self, status: int) -> None:
        self.process.returncode = os.waitstatus_to_exitcode(status)
        try:
            os.killpg(self.process.pid, 0)
        except OSError:
            self.empty = True


class Peer:
    """One connection, and the process that it asked for."""

    def __init__(self, server: Server, line: socket.socket) -> None:
        self.server, self.line = server, line
        self.splitter = Splitter()
        self.out = bytearray()
        self.child: Child | None = None
        self.leaving = False
        """Nothing more will be said; it is closed once all has been sent."""
        self.attending = False
        """It stays, so that the runner is known to be there."""
        self.beat_at = time.monotonic() + BEAT_SECONDS
        line.setblocking(False)

    # What the selector is to watch

    def watch(self) -> None:
        """Say what this connection waits for now."""
        if self.leaving and not self.out:
            self.server.drop(self)
            return
        self.server.watch(self.line.fileno(), READ | (WRITE if self.out else 0), self.ready)
        if self.child is None:
            return
        room = len(self.out) < MAX_WAITING
        for fd in self.child.outputs:
            self.server.watch(fd, READ if room else 0, self.hear)
        pipe = self.child.process.stdin
        if pipe is not None and not pipe.closed:
            wanted = bool(self.child.waiting) or self.child.input_ended
            self.server.watch(pipe.fileno(), WRITE if wanted else 0, self.pass_on)

    def ready(self, _: int, events: int) -> None:
        try:
            if events & WRITE and self.out:
                del self.out[: self.line.send(self.out[:MAX_WAITING])]
            if events & READ:
                data = self.line.recv(65_536)
                if not data:
                    self.server.drop(self)
                    return
                for kind, payload in self.splitter.feed(data):
                    self.take(kind, payload)
        except (BlockingIOError, InterruptedError):
            pass
        except (OSError, Broken, ValueError, KeyError, TypeError, RecursionError) as error:
            say(f"a connection was given up: {type(error).__name__}: {error}")
            self.server.drop(self)
            return
        self.watch()

    # What the runner says

    def take(self, kind: Kind, payload: bytes) -> None:
        child = self.child
        if kind is Kind.REQUEST:
            if child is not None:
                raise Broken("a second request")
            self.request(json.loads(payload))
        elif child is None:
            # Whoever asked for a process that could not be started has not read that yet.
            return
        elif kind is Kind.STDIN:
            child.waiting += payload
            if len(child.waiting) > WINDOW:
                raise Broken("more input than there is room for")
            if child.process.stdin is None or child.process.stdin.closed:
                self.taken(len(child.waiting))
                child.waiting.clear()
        elif kind is Kind.STDIN_END:
            child.input_ended = True
        elif kind is Kind.SIGNAL and child.process.returncode is None:
            child.signal(payload[0])

    def request(self, asked: dict[str, Any]) -> None:
        match asked["do"]:
            case "run":
                self.run(asked)
            case "end":
                self.server.end_all(self, float(asked["grace"]))
            case "attend":
                self.attending = True
            case other:
                raise Broken(f"a request to {other!r}")

    def run(self, asked: dict[str, Any]) -> None:
        inherited = {name: os.environ[name] for name in asked["inherit"] if name in os.environ}
        if "PATH" in inherited:
            inherited["PATH"] = _without_hive(inherited["PATH"])
        seconds = asked["seconds"]
        try:
            with self.server.first_to_go():
                process = subprocess.Popen(
                    asked["argv"],
                    cwd=asked["cwd"],
                    env={**inherited, **asked["env"]},
                    stdin=subprocess.PIPE if asked["stdin"] else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT if asked["merge"] else subprocess.PIPE,
                    start_new_session=True,
                    bufsize=0,
                )
        except (OSError, ValueError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            self.say(Kind.REFUSED, why=reason, folder=not os.path.isdir(asked["cwd"]))
            self.leaving = True
            return
        self.child = Child(process, None if seconds is None else float(seconds))
        self.server.children[process.pid] = (self, self.child)
        self.say(Kind.STARTED)

    # What the process says

    def hear(self, fd: int, _: int) -> None:
        assert self.child is not None
        self._read(fd)
        self._leave_if_done()
        self.watch()

    def _read(self, fd: int) -> int:
        """Pass on what a pipe has; returns how much that was, 0 for nothing now or its end."""
        assert self.child is not None
        pipe, kind = self.child.outputs[fd]
        try:
            data = os.read(fd, MAX_FRAME)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            data = b""
        if data:
            self.out += frame(kind, data)
        else:
            self.server.watch(fd, 0, None)
            del self.child.outputs[fd]
            pipe.close()
        return len(data)

    def pass_on(self, _fd: int, _events: int) -> None:
        """Give the process what it takes of its input now."""
        assert self.child is not None
        child, pipe = self.child, self.child.process.stdin
        assert pipe is not None
        try:
            if child.waiting:
                count = os.write(pipe.fileno(), child.waiting[:65_536])
                del child.waiting[:count]
                self.taken(count)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # it reads no more; what still comes is taken as read
            self.taken(len(child.waiting))
            child.waiting.clear()
            child.input_ended = True
        if child.input_ended and not child.waiting:
            self.server.watch(pipe.fileno(), 0, None)
            pipe.close()
        self.watch()

    def taken(self, count: int) -> None:
        self.out += frame(Kind.TAKEN, struct.pack(">I", count))

    def ended(self) -> None:
        """The process has ended: what it said before goes first."""
        assert self.child is not None
        for fd in tuple(self.child.outputs):
            heard = 0
            while heard < MAX_LAST_WORDS and (count := self._read(fd)):
                heard += count
        child = self.child
        oom = oom_kills() - child.oom_before
        self.say(Kind.EXIT, code=child.process.returncode, late=child.late, oom=max(0, oom))
        self._leave_if_done()
        self.watch()

    def _leave_if_done(self) -> None:
        child = self.child
        if child is not None and not child.outputs and child.process.returncode is not None:
            self.leaving = True

    def say(self, kind: Kind, **fields: object) -> None:
        for part in frames(kind, json.dumps(fields).encode()):
            self.out += part

    def beat(self, now: float) -> None:
        """A sign of life where nothing else was said for a while."""
        if now >= self.beat_at:
            self.beat_at = now + BEAT_SECONDS
            if not self.out and self.child is not None:
                self.out += frame(Kind.BEAT)
                self.watch()

    def close(self) -> None:
        """Whoever has gone wants nothing more of the process: its group is ended."""
        self.server.watch(self.line.fileno(), 0, None)
        self.line.close()
        if self.child is None:
            return
        if not self.leaving:
            self.child.signal(signal.SIGKILL)
        for fd, (pipe, _) in self.child.outputs.items():
            self.server.watch(fd, 0, None)
            pipe.close()
        stdin = self.child.process.stdin
        if stdin is not None and not stdin.closed:
            self.server.watch(stdin.fileno(), 0, None)
            stdin.close()


def _without_hive(path: str) -> str:
    """PATH for an agent: hive's Python and its packages are not those of the work."""
    own = os.path.join(sys.prefix, "bin")
    return os.pathsep.join(
        each for each in path.split(os.pathsep) if sys.prefix == sys.base_prefix or each != own
    )


def oom_kills() -> int:
    """How many processes of this container were killed for lack of memory so far, if it can be read."""
    for path in _OOM_COUNTS:
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return 0


def say(words: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"agentd: {words}\n".encode("utf-8", "replace"))
