"""The server in the agent's container: starts processes there for the runner, and ends them.

    python3 -P -m backends.clusters.kubernetes.box.server --socket FILE --workdir FOLDER

It must be PID 1 of its container and not dumpable: then nothing in there can kill it, trace it or read its
memory, and one `kill -1` ends everything else. It serves only whoever is outside of its PID namespace, which
the agent is not. One thread and no process of its own, so that it goes on where an agent has used up all
there is of either. Standard library only; what it says of an agent's process is no more than a claim.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator

from backends.clusters.kubernetes.box.peer import READ, Child, Peer, Ready, say
from backends.clusters.kubernetes.box.wire import Kind

MAX_PEERS = 64
"""Connections at once; a run has a handful."""
END_SECONDS = 20.0
"""For what was killed to be gone: a busy machine needs a while for thousands."""

_PR_SET_DUMPABLE = 4


class Ending:
    """Somebody waits for everything to be ended."""

    def __init__(self, peer: Peer, grace: float) -> None:
        self.peer = peer
        self.kill_at = time.monotonic() + max(0.0, min(grace, 60.0))
        self.deadline = self.kill_at + END_SECONDS


class Server:
    def __init__(self, path: str) -> None:
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, tuple[int, Ready]] = {}
        self._peers: set[Peer] = set()
        self._endings: list[Ending] = []
        self.children: dict[int, tuple[Peer, Child]] = {}
        self._leaving = self._turned_away = False
        # Held open, since these are root's files once this process is not dumpable.
        try:
            self._oom_adjust = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
            self._own_adjust = os.pread(self._oom_adjust, 32, 0)
        except OSError:
            self._oom_adjust = -1
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
        self._bell, bell = socket.socketpair()
        for each in (self._bell, bell):
            each.setblocking(False)
        signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        self._bell_end = bell
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._asked_to_leave)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        self.watch(self._bell.fileno(), READ, self._rung)
        self._listener, self._here = self._listen()
        self._look_at = time.monotonic() + 1.0

    def serve(self) -> None:
        """Until SIGTERM has come and the runner has gone."""
        while not (self._leaving and not self._peers):
            for key, events in self._selector.select(self._patience()):
                # Something before it in this round may have closed it.
                if (watched := self._watched.get(key.fd)) is not None and watched[1] == key.data:
                    key.data(key.fd, events)
            self._reap()
            self._tick(time.monotonic())

    def watch(self, fd: int, events: int, callback: Ready | None) -> None:
        """Call `callback` when `fd` is ready for any of `events`; none of them forgets it."""
        before = self._watched.get(fd)
        if before == (events, callback):
            return
        self._watched.pop(fd, None)
        if callback is not None and events:
            self._watched[fd] = (events, callback)
            if before is None:
                self._selector.register(fd, events, callback)
            else:
                self._selector.modify(fd, events, callback)
        elif before is not None:
            self._selector.unregister(fd)

    def drop(self, peer: Peer) -> None:
        if peer in self._peers:
            self._peers.remove(peer)
            self._endings = [ending for ending in self._endings if ending.peer is not peer]
            peer.close()

    def end_all(self, peer: Peer, grace: float) -> None:
        """End everything in this PID namespace but this process."""
        self._endings.append(Ending(peer, grace))
        if grace > 0:
            _kill_all(signal.SIGTERM)

    @contextlib.contextmanager
    def first_to_go(self) -> Iterator[None]:
        """What is started in here is what the kernel ends when memory runs out, rather than this process."""
        if self._oom_adjust < 0:
            yield
            return
        with contextlib.suppress(OSError):
            os.pwrite(self._oom_adjust, b"1000", 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.pwrite(self._oom_adjust, self._own_adjust, 0)

    def _listen(self) -> tuple[socket.socket, tuple[int, int]]:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under another name and renamed: who finds it can use it.
        new = f"{self._path}.new"
        for path in (new, self._path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        before = os.umask(0o117)
        try:
            listener.bind(new)
        finally:
            os.umask(before)
        listener.listen(MAX_PEERS)
        listener.setblocking(False)
        os.rename(new, self._path)
        self.watch(listener.fileno(), READ, self._accept)
        found = os.lstat(self._path)
        return listener, (found.st_dev, found.st_ino)

    def _accept(self, _fd: int, _events: int) -> None:
        try:
            line, _address = self._listener.accept()
        except OSError:
            return
        pid, _uid, _gid = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        # Who is outside of this namespace has no number in it.
        if pid or len(self._peers) >= MAX_PEERS:
            line.close()
            if not self._turned_away:
                self._turned_away = True
                say(f"process {pid} in here was turned away" if pid else "too many connections")
            return
        peer = Peer(self, line)
        self._peers.add(peer)
        peer.watch()

    def _rung(self, _fd: int, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._bell.recv(4_096):
                pass

    def _asked_to_leave(self, *_: object) -> None:
        self._leaving = True

    def _reap(self) -> None:
        """Take note of every process that has ended, orphans too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if (found := self.children.pop(pid, None)) is not None:
                peer, child = found
                child.ended(status)
                if peer in self._peers:
                    peer.ended()

    def _patience(self) -> float:
        if self._endings:
            return 0.01
        now = time.monotonic()
        ends = [child.deadline - now for _, child in self.children.values() if child.deadline is not None]
        return max(0.0, min([1.0, *ends]))

    def _tick(self, now: float) -> None:
        for _, child in self.children.values():
            if child.deadline is not None and now >= child.deadline:
                child.deadline, child.late = None, True
                child.signal(signal.SIGKILL)
        for peer in tuple(self._peers):
            peer.beat(now)
        for ending in tuple(self._endings):
            self._end(ending, now)
        if now >= self._look_at:
            self._look_at = now + 1.0
            self._look_for_socket()

    def _end(self, ending: Ending, now: float) -> None:
        alone = _alone()
        if not alone and now >= ending.kill_at:
            _kill_all(signal.SIGKILL)
        if alone or now >= ending.deadline:
            self._endings.remove(ending)
            self._look_for_socket()
            ending.peer.say(Kind.ANSWER, ended=alone)
            ending.peer.leaving = not ending.peer.attending
            ending.peer.watch()

    def _look_for_socket(self) -> None:
        """An agent that removes everything it can removes the socket too."""
        try:
            found = os.lstat(self._path)
            if (found.st_dev, found.st_ino) == self._here:
                return
        except OSError:
            pass
        try:
            listener, here = self._listen()
        except OSError as error:
            say(f"the socket is gone and cannot be made again: {error}")
            return
        say("the socket was gone; it is there again")
        self.watch(self._listener.fileno(), 0, None)
        self._listener.close()
        self._listener, self._here = listener, here


def _kill_all(number: int) -> None:
    # Anywhere else it would reach every process of the machine.
    assert os.getpid() == 1
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(-1, number)


def _alone() -> bool:
    assert os.getpid() == 1
    try:
        os.kill(-1, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("box.server", description="Start processes for the runner of this pod.")
    parser.add_argument("--socket", required=True, help="where to listen")
    parser.add_argument("--workdir", required=True, help="where the work tree will be")
    options = parser.parse_args(arguments)
    if os.getpid() != 1:
        print("agentd has to be PID 1 of a container: it ends everything else there.", file=sys.stderr)
        return 2
    for folder in (os.path.dirname(options.workdir), os.environ.get("HOME", "")):
        if folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)
    server = Server(options.socket)
    say(f"listening on {options.socket}")
    server.serve()
    _kill_all(signal.SIGKILL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
