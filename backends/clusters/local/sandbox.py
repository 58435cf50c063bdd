"""The agent's side on a laptop: processes of the same user, in sessions of their own, with a scrubbed
environment. The same protocol as in a pod, without the wall: what the user's account can read or
write, the agent can as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from backends.clusters.agent_side import (
    BY_PRODUCTS,
    CLONE_CONFIG,
    KEPT,
    NEVER,
    NOT_FETCHED,
    QUIET,
    submodules,
)
from hive_tui.core.errors import GitError, HiveError
from hive_tui.core.text import Redactor, clean, clean_line
from hive_tui.system import bounded, git, processes

RUN_HOME = "HIVE_RUN_HOME"
"""The run's folder: two fleets that serve a repository of the same name give their runs the same names."""

CHECKOUT_SECONDS = 600.0

_SAYS = 1 << 20
"""Bytes that a git without anything to say may say."""

_redact = Redactor()


class LocalProcess:
    """A process in a session of its own. Its standard input never blocks the writer: what the pipe
    does not take now goes out with later calls."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pending = bytearray()
        self._closing = False
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)

    def poll(self) -> int | None:
        """The exit status, negative for a signal, None while it runs."""
        self._push()
        if self._process.returncode is None and hasattr(os, "waitid"):
            # Left unreaped, so that the group's number stays its own until `end_group`.
            ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return code

    def signal(self, number: int) -> None:
        # Not after the leader was reaped: its group's number may belong to somebody else by then.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def end_group(self) -> None:
        """Kill what is left of the group, the leader too, and forget it."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._pending.clear()
        self.close_stdin()

    def write(self, data: bytes) -> None:
        self._pending += data
        self._push()

    def close_stdin(self) -> None:
        self._closing = True
        self._push()

    def _push(self) -> None:
        pipe = self._process.stdin
        if pipe is None or pipe.closed:
            return
        try:
            while self._pending:
                del self._pending[: os.write(pipe.fileno(), self._pending[:65_536])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._pending.clear()
            self._closing = True
        if self._closing:
            with contextlib.suppress(OSError):
                pipe.close()


class LocalSandbox:
    """One run's agent side: its clone and whatever runs in it."""

    def __init__(self, workdir: Path, run: str) -> None:
        self.workdir = workdir
        self._run = run
        self._started: list[LocalProcess] = []

    def environment(self, env: Mapping[str, str], inherit: Sequence[str] = ()) -> dict[str, str]:
        """What a process on this side sees: no variable of the runner's but the named ones."""
        names = {name for name in os.environ if name in KEPT or name.startswith("LC_") or name in inherit}
        kept = {name: os.environ[name] for name in names - NEVER}
        return {**kept, **QUIET, **env, "HIVE_RUN": self._run, RUN_HOME: str(self.workdir.parent)}

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        inherit: Sequence[str] = (),
        stdin: bool = False,
    ) -> LocalProcess:
        """Start in the work tree; raises HiveError when the program cannot be started."""
        if not self.workdir.is_dir():
            raise GitError(f"{self.workdir} is gone.", "Somebody removed it; `hive retry` starts afresh.")
        with open(stdout, "ab", opener=_private) as out, open(stderr, "ab", opener=_private) as err:
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=self.workdir,
                    env=self.environment(env, inherit),
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise HiveError(
                    f"{argv[0]} cannot be started: {reason}.", "Install it, or set its path in config.yaml."
                ) from error
        started = LocalProcess(process)
        self._started = [*self._unended(), started]
        return started

    def stream(
        self, argv: Sequence[str], *, stdin: bytes, limit: int, timeout: float, inherit: Sequence[str] = ()
    ) -> bytes:
        env = self.environment({}, inherit)
        done = bounded.run(argv, cwd=self.workdir, env=env, stdin=stdin, limit=limit, timeout=timeout)
        if done.code:
            words = _redact(clean(done.stderr.decode("utf-8", "replace"), limit=1_000)).strip()
            raise GitError(f"{argv[0]} failed in the agent's work tree (exit {done.code}): {words}")
        return done.stdout

    def exists(self) -> bool:
        return self.workdir.is_dir()

    def clone(self, bare: Path, sha: str, branch: str, *, stop: Callable[[], bool] | None = None) -> None:
        if self.workdir.exists():
            return
        half = self.workdir.with_name(f"{self.workdir.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        git.run("clone", "--quiet", "--shared", "--no-tags", "--no-checkout", "--template=", bare, half)
        git.run("remote", "remove", "origin", cwd=half)
        for key, value in CLONE_CONFIG:
            git.run("config", key, value, cwd=half)
        info = half / ".git" / "info"
        info.mkdir(exist_ok=True)
        (info / "exclude").write_text("".join(f"{name}\n" for name in BY_PRODUCTS), encoding="utf-8")
        if stop is not None and stop():
            raise GitError("git checkout was stopped.")
        done = bounded.run(
            git.command("checkout", "--quiet", "--no-track", "-B", branch, sha),
            cwd=half,
            env=git.environment(),
            limit=_SAYS,
            timeout=CHECKOUT_SECONDS,
            stop=stop,
        )
        if done.code:
            words = clean_line(done.stderr.decode("utf-8", "replace"), limit=500)
            raise GitError(f"git checkout failed: {words}")
        half.rename(self.workdir)

    def populate(self, bare: Path, sha: str, source: str) -> list[str]:
        missing = []
        for name, path in submodules(bare, sha):
            try:
                if "://" in source:
                    raise GitError(NOT_FETCHED)
                self._submodule(bare, sha, Path(source), name, path)
            except GitError as error:
                missing.append(f"submodule {name}: {error.message}")
        return missing

    def _submodule(self, bare: Path, sha: str, source: Path, name: str, path: str) -> None:
        words = git.text("ls-tree", sha, "--", path, cwd=bare).split()
        if len(words) < 3 or words[0] != "160000":
            return
        target = self.workdir / path
        if (target / ".git").exists():
            return
        # A symlink on the way would lead the clone out of the work tree.
        if not target.parent.resolve().is_relative_to(self.workdir.resolve()) or ".." in Path(name).parts:
            raise GitError("its path leads out of the work tree.")
        modules = Path(git.text("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=source))
        origin = modules / "modules" / name
        if not origin.is_dir():
            raise GitError("not checked out in your repository (`git submodule update --init` gets it).")
        shutil.rmtree(target, ignore_errors=True)
        git.run("clone", "--quiet", "--shared", "--no-tags", "--no-checkout", "--template=", origin, target)
        git.run("remote", "remove", "origin", cwd=target)
        git.run("checkout", "--quiet", "--detach", words[2], cwd=target)

    def end_everything(self, *, grace: timedelta) -> None:
        """Ends what carries HIVE_RUN, again until nothing is found: a process may fork while it is looked
        for. What emptied its environment and made a session of its own escapes."""
        deadline = time.monotonic() + grace.total_seconds() + 3.0
        patience = grace.total_seconds()
        while (found := self._others()) and time.monotonic() < deadline:
            processes.end(found, grace=patience)
            patience = 0.0
        while self._started:
            self._started.pop().end_group()

    def _unended(self) -> Iterator[LocalProcess]:
        for started in self._started:
            if started.poll() is None:
                yield started
            else:
                started.end_group()

    def _others(self) -> list[processes.ProcessId]:
        import psutil

        mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        found = processes.carrying("HIVE_RUN", self._run, but=(RUN_HOME, str(self.workdir.parent)))
        return [one for one in found if one.pid not in mine]


def _private(path: str, flags: int) -> int:
    # What an agent says is not masked in there.
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
