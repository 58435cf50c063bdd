"""The server of an agent's container as a process of this machine: PID 1 of a PID namespace, as in a pod."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from backends.clusters.kubernetes.job import HEARS_LATER
from tests.waiting import until

MODULE = "backends.clusters.kubernetes.box.server"


class Box:
    """A container's worth of processes: `work` is its work tree, `socket` where its server listens."""

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.socket = folder / "share" / "box.sock"
        self.work = folder / "the wörk" / "tree"
        self.said = folder / "server.log"
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work.parent), **(variables or {})}
        with self.said.open("ab") as said:
            # Whoever ends `unshare` ends all that is in the namespace.
            command = (*first_process(), *server(self.socket, self.work))
            self.process = subprocess.Popen(command, env=env, stderr=said)
        until(lambda: self.socket.exists() or self.process.poll() is not None, what="a listening server")
        assert self.process.poll() is None, self.said.read_text(encoding="utf-8")

    @property
    def server(self) -> int:
        """The server's process id, as this machine counts."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text(encoding="ascii").split()[0])

    def close(self) -> None:
        """Every process in there is gone after it."""
        with contextlib.suppress(OSError, IndexError):
            os.kill(self.server, signal.SIGKILL)
        self.process.wait()


def first_process() -> tuple[str, ...]:
    """What has the command behind it run as the first process of a PID namespace, as in a container."""
    own = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    return ("unshare", *own, "--pid", "--fork", "--kill-child", "--mount-proc", *HEARS_LATER)


def server(socket: Path, work: Path) -> tuple[str, ...]:
    """The server's own command."""
    return (sys.executable, "-P", "-m", MODULE, "--socket", str(socket), "--workdir", str(work))


@functools.cache
def why_not() -> str | None:
    """Why this machine cannot have one; None if it can."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "PID namespaces need Linux and unshare"
    tried = subprocess.run((*first_process(), "true"), capture_output=True, check=False)
    return f"no PID namespace here: {tried.stderr.decode().strip()}" if tried.returncode else None
