"""The runner's side of the socket. Nothing that comes from the other end is trusted: an agent may have put
its own server there. Every frame, total and wait is bounded, and any surprise means that the agent's
container is lost; of what it says, only bytes of output and a number for the end are taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from backends import typed
from backends.clusters.kubernetes.box.wire import BEAT_SECONDS, WINDOW, Broken, Kind, Splitter, frame, frames
from hive_tui.core.errors import GitError, HiveError
from hive_tui.core.text import clean_line

PATIENCE = 90.0
"""Seconds for the agent's container to answer: one that was ended for lack of memory comes back after up to
44 s."""
SILENCE = 12 * BEAT_SECONDS
"""Seconds without a sign of life after which it counts as lost."""

_FROM_SERVER = frozenset(kind for kind in Kind if kind >= Kind.STARTED)


class Exit(msgspec.Struct, frozen=True):
    """How a process ended, as the agent's side says."""

    code: Annotated[int, msgspec.Meta(ge=-255, le=255)]
    late: bool = False
    oom: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)] = 0
    """How many processes of the container were killed for lack of memory meanwhile."""


class Refusal(msgspec.Struct, frozen=True):
    why: str
    folder: bool = False
    """Its folder is not there."""


class Answer(msgspec.Struct, frozen=True):
    ended: bool
    """Nothing but the server is left there."""


class Run(msgspec.Struct, frozen=True):
    """A process to start."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    inherit: tuple[str, ...] = ()
    """Variables of the container itself that it gets."""
    seconds: float | None = None
    stdin: bool = False
    merge: bool = False
    """Its standard error goes where its output goes."""


class Absent(GitError):
    """Nobody listens on the socket: the container is not running, so nothing runs in it."""


def lost(why: str) -> GitError:
    """Whatever surprise there was."""
    return GitError(
        f"The agent's container was lost: {clean_line(why, limit=300)}.",
        "`hive describe` shows what became of it.",
    )


def run_request(run: Run) -> bytes:
    """Raises HiveError for what no system could start."""
    body = json.dumps({"do": "run", **msgspec.structs.asdict(run)}).encode()
    return frame(Kind.REQUEST, body)


def connect(path: Path, patience: float) -> socket.socket:
    """A connection to the server, as soon as it answers within `patience` seconds. Raises Absent."""
    try:
        return _connect(path)
    except OSError:
        if patience <= 0:
            raise Absent(f"Nobody answers in the agent's container ({path.name}).") from None
    import tenacity  # only for somebody who has to wait

    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(OSError),
        stop=tenacity.stop_after_delay(patience),
        wait=tenacity.wait_exponential(multiplier=0.02, max=0.5),
        reraise=True,
    )
    try:
        return again(_connect, path)
    except OSError as error:
        raise Absent(
            f"The agent's container did not answer for {patience:.0f} s: {error.strerror or error}.",
            "`hive describe` shows what became of it.",
        ) from None


def _connect(path: Path) -> socket.socket:
    # By descriptor: what is found there is looked at and connected to in one, wherever a link may lead.
    found = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if not stat.S_ISSOCK(os.fstat(found).st_mode):
            raise OSError("what is there is no socket")
        line.setblocking(False)
        line.connect(f"/proc/self/fd/{found}")
    except OSError:
        line.close()
        raise
    finally:
        os.close(found)
    return line


class Call:
    """One request and what comes back. `turn` belongs to one thread; the rest may be called by any."""

    def __init__(self, line: socket.socket, request: bytes) -> None:
        self._line = line
        self._splitter = Splitter()
        self._lock = threading.Lock()
        self._out = bytearray(request)
        self._stdin = bytearray()
        self._broken: str | None = None
        self._on_the_way = 0
        self._ending = self._ended = self._over = self._deaf = False
        self._heard_at = time.monotonic()
        self._bell, self._bell_end = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_end.setblocking(False)

    @property
    def hungry(self) -> bool:
        """More standard input would be passed on now."""
        return len(self._stdin) < WINDOW and not self._ending

    def give(self, data: bytes) -> None:
        """Pass on standard input; never waits."""
        with self._lock:
            self._stdin += data
        self._ring()

    def close_stdin(self) -> None:
        with self._lock:
            self._ending = True
        self._ring()

    def forget_stdin(self) -> None:
        """Nobody is there any more to read what was given."""
        with self._lock:
            self._stdin.clear()

    def signal(self, number: int) -> None:
        with self._lock:
            self._out += frame(Kind.SIGNAL, bytes([number]))
        self._ring()

    def hang_up(self) -> None:
        """Want no more of it: the server then ends the process and its group."""
        self._over = True
        self._ring()

    def turn(self, wait: float, also: int | None = None) -> list[tuple[Kind, bytes]] | None:
        """What has come, waiting at most `wait` seconds for anything to happen, be it that the descriptor
        `also` can be read; None once either side has hung up. Raises GitError for any surprise."""
        if self._broken is not None:
            raise lost(self._broken)
        self._fill()
        reading: list[Any] = [self._line, self._bell, *([also] if also is not None else [])]
        ready, writable, _ = select.select(
            reading, [self._line] if self._out and not self._deaf else [], [], max(0.0, wait)
        )
        if self._bell in ready:
            with contextlib.suppress(BlockingIOError):
                self._bell.recv(4_096)
        if self._over:
            return None
        if writable:
            self._send()
        try:
            if self._line in ready:
                return self._hear()
        except (BlockingIOError, InterruptedError):
            pass
        except ConnectionError:
            return None
        except OSError as error:
            raise lost(str(error)) from None
        if time.monotonic() - self._heard_at > SILENCE:
            raise lost(f"it has said nothing for {SILENCE:.0f} s")
        return []

    def close(self) -> None:
        for each in (self._line, self._bell, self._bell_end):
            each.close()

    def _send(self) -> None:
        with self._lock:
            try:
                del self._out[: self._line.send(self._out[: 4 * 65_536])]
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                # Whoever has gone may have said its last word before: that is still to be read.
                self._deaf = True
                self._out.clear()
                self._stdin.clear()

    def _hear(self) -> list[tuple[Kind, bytes]] | None:
        data = self._line.recv(1 << 18)
        if not data:
            return None
        self._heard_at = time.monotonic()
        found: list[tuple[Kind, bytes]] = []
        try:
            for kind, payload in self._splitter.feed(data):
                if kind not in _FROM_SERVER:
                    raise Broken(f"a {kind.name}")
                if kind is Kind.TAKEN:
                    self._taken(payload)
                elif kind is not Kind.BEAT:
                    found.append((kind, payload))
        except Broken as error:
            self._broken = str(error)  # what came before it counts
        return found

    def _taken(self, payload: bytes) -> None:
        count = struct.unpack(">I", payload)[0] if len(payload) == 4 else WINDOW + 1
        if count > self._on_the_way:
            raise Broken("it took more than it was given")
        self._on_the_way -= count

    def _fill(self) -> None:
        """Put as much of standard input on its way as there is room for."""
        with self._lock:
            if self._deaf:
                return
            room = min(len(self._stdin), WINDOW - self._on_the_way)
            if room > 0:
                self._out += b"".join(frames(Kind.STDIN, bytes(self._stdin[:room])))
                del self._stdin[:room]
                self._on_the_way += room
            if self._ending and not self._ended and not self._stdin:
                self._out += frame(Kind.STDIN_END)
                self._ended = True

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it rings; closed: nobody listens
            self._bell_end.send(b"!")


def decoded(payload: bytes, shape: type[typed.T]) -> typed.T:
    """A server's JSON. Raises GitError where it is none."""
    try:
        return typed.decode(payload, shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise lost(f"what it says makes no sense ({error})") from None


class Attendance:
    """A connection that is there as long as the runner is, from before the agent's first process on.

    An agent can put a server of its own where others are found from then on; it cannot get into this one. So
    what has to be sure, that nothing of the agent is left, is asked for here.
    """

    def __init__(self) -> None:
        self._line: socket.socket | None = None

    def __del__(self) -> None:
        self._hang_up()

    def keep(self, path: Path, patience: float = 0.0) -> socket.socket:
        """Be there, again if the server was started anew: nothing of the agent has outlived that. Raises
        Absent."""
        if self._line is not None:
            gone, _, _ = select.select([self._line], [], [], 0)
            if not gone:
                return self._line
            self._hang_up()
        line = connect(path, patience)
        try:
            line.send(frame(Kind.REQUEST, json.dumps({"do": "attend"}).encode()))
        except OSError:
            line.close()
            raise Absent("The agent's container went away.", "`hive describe` shows why.") from None
        self._line = line
        return line

    def end(self, path: Path, *, grace: float, patience: float, seconds: float) -> Answer:
        """Have everything ended. Raises Absent, or GitError where no sensible answer comes in time."""
        body = json.dumps({"do": "end", "grace": grace}).encode()
        call = Call(self.keep(path, patience).dup(), frame(Kind.REQUEST, body))
        deadline = time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                said = call.turn(left)
                if said is None:
                    raise lost("it hung up")
                for kind, payload in said:
                    if kind is not Kind.ANSWER:
                        raise lost(f"a {kind.name} for an answer")
                    return decoded(payload, Answer)
            raise lost(f"no answer for {seconds:.0f} s")
        except GitError:
            self._hang_up()  # what was not understood now would be taken for an answer to the next
            raise
        finally:
            call.close()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def refused(payload: bytes, argv: Sequence[str], cwd: str) -> HiveError:
    """Why a process was not started."""
    refusal = decoded(payload, Refusal)
    if refusal.folder:
        return GitError(f"{cwd} is gone.", "Somebody removed it; `hive retry` starts afresh.")
    why = clean_line(refusal.why, limit=200)
    return HiveError(
        f"{clean_line(argv[0], limit=200)} cannot be started: {why}.",
        "Put it into the agent image, or set its path in config.yaml.",
    )
