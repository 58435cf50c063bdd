"""The agent's side of a pod, as the runner uses it: a container that shares no file and no process with it.

The runner hands over a pack of objects and commands, and takes back bytes; see `client` for what it believes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO

from backends.clusters.agent_side import (
    BY_PRODUCTS,
    CLONE_CONFIG,
    KEPT,
    NEVER,
    NOT_FETCHED,
    QUIET,
    submodules,
)
from backends.clusters.kubernetes.box import client
from backends.clusters.kubernetes.box.client import Absent, Call, Exit, Run, lost
from backends.clusters.kubernetes.box.wire import Kind
from hive_tui.core.errors import GitError, HiveError, WorkRejected
from hive_tui.core.text import Redactor, clean
from hive_tui.system import git

MOST_OUTPUT = (1 << 30) + (1 << 24)
"""Bytes of one process that are kept in a file; a little more than what an agent is ended for."""

SHORT_PATIENCE = 20.0
"""Seconds for the container to answer where that is about saving work: a pod that is to end has no more."""

START_SECONDS = 60.0
"""For a process to be started by a server that answered."""

CLONE_SECONDS = 1_800.0
"""For all of a repository to be handed over and checked out."""

END_PATIENCE = 3.0
"""Seconds after which a container that does not answer is taken to be down, and all in it ended."""

END_SECONDS = 30.0
"""For everything to be ended, which takes as long as thousands of processes on a busy machine need."""

LOOK_SECONDS = 0.5
"""Between two questions whether to stop."""

LATE_SECONDS = 5.0
"""After which a command that should have been ended over there is given up here."""

_LOCALE = ("LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LC_COLLATE")
_TAIL = 4_000
_LAST_SECONDS = 5.0
_OUT_OF_MEMORY = b"\nhive: ended for lack of memory; `work.memory` of the worker template is what there is\n"

_CLONE = r"""
set -eu
work=$1 sha=$2 branch=$3 format=$4 shallow=$5 names=$6
shift 6
rm -rf "$work.half"
if [ -d "$work" ]; then exec cat >/dev/null; fi
git init --quiet --template= --object-format="$format" "$work.half"
cd "$work.half"
if [ -n "$shallow" ]; then printf '%s' "$shallow" >.git/shallow; fi
git index-pack --stdin >/dev/null
while [ $# -gt 0 ]; do git config "$1" "$2"; shift 2; done
mkdir -p .git/info
printf '%s' "$names" >.git/info/exclude
git -c advice.detachedHead=false checkout --quiet --no-track -B "$branch" "$sha"
cd ..
mv "$work.half" "$work"
"""
"""Runs on the agent's side, with a pack as its input."""

_redact = Redactor()


class PodProcess:
    """A process in the agent's container. What it says goes to the runner's files from a thread, no faster
    than they are written."""

    def __init__(self, call: Call, argv: Sequence[str], cwd: str, stdout: Path, stderr: Path) -> None:
        self._call = call
        self._state = threading.Condition()
        self._started = False
        self._code: int | None = None
        self._lost: HiveError | None = None
        self._kept = 0
        self._thread = threading.Thread(
            target=self._listen, args=(tuple(argv), cwd, stdout, stderr), name="agent output", daemon=True
        )
        self._thread.start()

    def begun(self, seconds: float) -> None:
        """Wait until it has started. Raises HiveError when it cannot, or when nobody says whether."""
        with self._state:
            self._state.wait_for(lambda: self._started or self._lost is not None, seconds)
            if self._started:
                return
            if self._lost is None:
                self._lost = lost(f"it did not start a process within {seconds:g} s")
                self._call.hang_up()
            raise self._lost

    def poll(self) -> int | None:
        """The exit status, negative for a signal, None while it runs. Raises GitError when its container is
        lost, and HiveError when its output cannot be kept."""
        with self._state:
            if self._code is None and self._lost is not None:
                raise self._lost
            return self._code

    def wait(self, timeout: float) -> int | None:
        with self._state:
            self._state.wait_for(lambda: self._code is not None or self._lost is not None, timeout)
        return self.poll()

    def signal(self, number: int) -> None:
        if self._code is None:
            self._call.signal(number)

    def write(self, data: bytes) -> None:
        self._call.give(data)

    def close_stdin(self) -> None:
        self._call.close_stdin()

    def hang_up(self) -> None:
        """Listen no more: what is left of its group is ended."""
        self._call.hang_up()

    def heard_out(self, seconds: float) -> bool:
        """Whether all that it and its children said has been written, waiting at most so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _listen(self, argv: tuple[str, ...], cwd: str, stdout: Path, stderr: Path) -> None:
        try:
            with open(stdout, "ab", 0, opener=_private) as out, open(stderr, "ab", 0, opener=_private) as err:
                while (said := self._call.turn(client.SILENCE)) is not None:
                    for kind, payload in said:
                        self._take(kind, payload, argv, cwd, out, err)
            if self._code is None:
                raise lost("it hung up")
        except HiveError as error:
            self._give_up(error)
        except OSError as error:
            words = f"{error.filename or stdout} cannot be written: {error.strerror}."
            self._give_up(HiveError(words, "Is there space left for the runner's files?"))
        finally:
            self._call.close()

    def _take(
        self, kind: Kind, payload: bytes, argv: tuple[str, ...], cwd: str, out: IO[bytes], err: IO[bytes]
    ) -> None:
        match kind:
            case Kind.STARTED if not self._started:
                self._set(started=True)
            case Kind.REFUSED if not self._started:
                raise client.refused(payload, argv, cwd)
            case Kind.OUT | Kind.ERR if self._started:
                self._keep(payload, out if kind is Kind.OUT else err)
            case Kind.EXIT if self._started and self._code is None:
                ended = client.decoded(payload, Exit)
                if ended.code == -signal.SIGKILL and ended.oom:
                    err.write(_OUT_OF_MEMORY)
                self._call.forget_stdin()
                self._set(code=ended.code)
            case _:
                raise lost(f"an unexpected {kind.name}")

    def _keep(self, payload: bytes, file: IO[bytes]) -> None:
        room = MOST_OUTPUT - self._kept
        if room <= 0:
            return
        self._kept += len(payload)
        data = memoryview(payload)[:room]
        while data:
            data = data[file.write(data) or 0 :]
        if self._kept >= MOST_OUTPUT:
            file.write(f"\nhive: ended after {MOST_OUTPUT >> 20} MB of output\n".encode())
            self._call.signal(signal.SIGKILL)

    def _set(self, *, started: bool = False, code: int | None = None) -> None:
        with self._state:
            self._started = self._started or started
            self._code = code if self._code is None else self._code
            self._state.notify_all()

    def _give_up(self, error: HiveError) -> None:
        with self._state:
            self._lost = error
            self._state.notify_all()


class PodSandbox:
    """One run's agent side: what listens on `socket`, with the work tree at `workdir` as it sees it."""

    def __init__(self, socket: Path, workdir: Path, run: str, *, patience: float = client.PATIENCE) -> None:
        self.workdir = workdir
        self._socket, self._run, self._patience = socket, run, patience
        self._started: list[PodProcess] = []
        self._attendance = client.Attendance()

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        inherit: Sequence[str] = (),
        stdin: bool = False,
    ) -> PodProcess:
        run = self._asked(argv, env, inherit, stdin=stdin, merge=stdout == stderr)
        process = PodProcess(self._call(run, self._patience), argv, run.cwd, stdout, stderr)
        process.begun(START_SECONDS)
        self._started = [*(each for each in self._started if not each.heard_out(0)), process]
        return process

    def stream(
        self, argv: Sequence[str], *, stdin: bytes, limit: int, timeout: float, inherit: Sequence[str] = ()
    ) -> bytes:
        run = self._asked(argv, {}, inherit, stdin=bool(stdin), seconds=timeout)
        code, out, err = self._talk(run, stdin, limit, timeout, min(self._patience, SHORT_PATIENCE))
        if code:
            raise GitError(f"{argv[0]} failed in the agent's work tree (exit {code}): {_words(err)}")
        return out

    def exists(self) -> bool:
        return self._there(min(self._patience, SHORT_PATIENCE))

    def clone(self, bare: Path, sha: str, branch: str, *, stop: Callable[[], bool] | None = None) -> None:
        if self._there(self._patience):
            return
        kind = "sha256" if len(sha) == 64 else "sha1"
        shallow = bare / "shallow"
        roots = shallow.read_text(encoding="ascii") if shallow.is_file() else ""
        names = "".join(f"{name}\n" for name in BY_PRODUCTS)
        settings = [word for pair in CLONE_CONFIG for word in pair]
        script = ("sh", "-c", _CLONE, "sh", str(self.workdir), sha, branch, kind, roots, names, *settings)
        run = self._asked(script, {}, (), stdin=True, seconds=CLONE_SECONDS, cwd=str(self.workdir.parent))
        code, err = 0, b""
        with _pack(bare, sha) as pack:
            code, _, err = self._talk(run, pack, 1_000, CLONE_SECONDS, self._patience, stop)
        if code:
            raise GitError(f"The work tree could not be made (exit {code}): {_words(err)}")

    def populate(self, bare: Path, sha: str, source: str) -> list[str]:
        """Nothing of a submodule can be handed over: the runner has no checkout of anybody's."""
        return [f"submodule {name}: {NOT_FETCHED}" for name, _ in submodules(bare, sha)]

    def end_everything(self, *, grace: timedelta) -> None:
        """Ends every process in the agent's container but the server. Raises GitError if that is not sure."""
        seconds = grace.total_seconds()
        with contextlib.suppress(Absent):  # with its first process, the kernel ends a whole container
            answer = self._attendance.end(
                self._socket, grace=seconds, patience=END_PATIENCE, seconds=seconds + END_SECONDS
            )
            if not answer.ended:
                raise GitError("Something in the agent's container cannot be ended.")
        deadline = time.monotonic() + 10.0
        while self._started:
            process = self._started.pop()
            if not process.heard_out(max(0.0, deadline - time.monotonic())):
                process.hang_up()

    def _there(self, patience: float) -> bool:
        run = self._asked(("test", "-d", str(self.workdir)), {}, (), cwd="/")
        return self._talk(run, b"", 0, 30.0, patience)[0] == 0

    def _asked(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        inherit: Sequence[str],
        *,
        stdin: bool = False,
        merge: bool = False,
        seconds: float | None = None,
        cwd: str | None = None,
    ) -> Run:
        passed = tuple(sorted({*KEPT, *_LOCALE, *inherit} - NEVER))
        given = {**QUIET, **env, "HIVE_RUN": self._run}
        where = cwd or str(self.workdir)
        return Run(tuple(argv), where, given, passed, seconds=seconds, stdin=stdin, merge=merge)

    def _call(self, run: Run, patience: float) -> Call:
        self._attendance.keep(self._socket, patience)
        return Call(client.connect(self._socket, patience), client.run_request(run))

    def _talk(
        self,
        run: Run,
        given: bytes | IO[bytes],
        limit: int,
        timeout: float,
        patience: float,
        stop: Callable[[], bool] | None = None,
    ) -> tuple[int, bytes, bytes]:
        """Exit status, output and the end of standard error of a short command.

        Raises WorkRejected when it says more than `limit`, GitError when it takes too long or `stop` says so.
        """
        call = self._call(run, patience)
        deadline = time.monotonic() + timeout + LATE_SECONDS
        looked, out, err = 0.0, bytearray(), b""
        source = None if isinstance(given, bytes) else given.fileno()
        if isinstance(given, bytes):
            call.give(given)
            call.close_stdin()
        try:
            while (left := deadline - time.monotonic()) > 0:
                also = source if source is not None and call.hungry else None
                if stop is not None and time.monotonic() >= looked + LOOK_SECONDS:
                    looked = time.monotonic()
                    if stop():
                        raise GitError(f"{run.argv[0]} was stopped.")
                said = call.turn(min(left, client.SILENCE if stop is None else LOOK_SECONDS), also)
                if said is None:
                    raise lost("it hung up")
                if also is not None and (data := _read_now(also)) is not None:
                    call.give(data)
                    if not data:
                        call.close_stdin()
                        source = None
                for kind, payload in said:
                    match kind:
                        case Kind.OUT:
                            out += payload
                        case Kind.ERR:
                            err = (err + payload)[-_TAIL:]
                        case Kind.REFUSED:
                            raise client.refused(payload, run.argv, run.cwd)
                        case Kind.EXIT:
                            ended = client.decoded(payload, Exit)
                            if ended.late:
                                raise _too_long(run, timeout)
                            return ended.code, bytes(out), err
                        case Kind.STARTED:
                            pass
                        case _:
                            raise lost(f"an unexpected {kind.name}")
                if len(out) > limit:
                    raise WorkRejected(f"A command on the agent's work said more than {limit:,} bytes.")
            raise _too_long(run, timeout)
        finally:
            call.close()


@contextlib.contextmanager
def _pack(bare: Path, sha: str) -> Iterator[IO[bytes]]:
    """A commit with all of its history that `bare` has, as git writes it. Raises GitError when it cannot."""
    # Deltas are taken as they are and none is looked for: that is quick and needs little memory.
    argv = git.command(
        "-c", "core.packedGitWindowSize=16m", "-c", "core.packedGitLimit=64m",
        "-c", "core.bigFileThreshold=16m",
        "pack-objects", "--revs", "--stdout", "--missing=allow-any", "--window=0", "--threads=1", "-q",
    )  # fmt: skip
    with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as errors:
        wanted.write(f"{sha}\n".encode())
        wanted.seek(0)
        process = subprocess.Popen(
            argv, cwd=bare, env=git.environment(), stdin=wanted, stdout=subprocess.PIPE, stderr=errors
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        try:
            yield process.stdout
            # Where the other side did not want all of it, this ends git.
            process.stdout.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_SECONDS)
        finally:
            process.kill()
            code = process.wait()
            process.stdout.close()
        if code > 0:
            errors.seek(0)
            raise GitError(f"The repository could not be handed over: {_words(errors.read(_TAIL))}")


def _read_now(fd: int) -> bytes | None:
    """What can be read now, empty at the end, None for nothing yet."""
    try:
        return os.read(fd, 65_536)
    except BlockingIOError:
        return None


def _too_long(run: Run, seconds: float) -> GitError:
    return GitError(f"{run.argv[0]} took longer than {seconds:g} s.")


def _words(said: bytes) -> str:
    return _redact(clean(said.decode("utf-8", "replace"), limit=1_000)).strip()


def _private(path: str, flags: int) -> int:
    # What an agent says is not masked in there.
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
