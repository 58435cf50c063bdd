"""The runner's side of the socket, against servers that an agent might put there."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backends.clusters.kubernetes.box import client, sandbox
from backends.clusters.kubernetes.box.client import Absent
from backends.clusters.kubernetes.box.sandbox import PodSandbox
from backends.clusters.kubernetes.box.wire import HEADER, WINDOW, Kind, frame
from hive_tui.core.errors import GitError, HiveError, WorkRejected
from tests.waiting import until

pytestmark = pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="pods run on Linux")

NOW = timedelta(0)
STARTED = frame(Kind.STARTED)
EXIT = frame(Kind.EXIT, b'{"code": 0, "late": false, "oom": 0}')


class Liar:
    """Listens where the server should, and answers every request as it was told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answer: Callable[[socket.socket], None] = lambda line: None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._threads: list[threading.Thread] = []
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def says(self, *data: bytes, stay: bool = False) -> None:
        """Say that after the request, and hang up, or not."""

        def answer(line: socket.socket) -> None:
            for each in data:
                line.sendall(each)
            if stay:
                while line.recv(1 << 16):
                    pass

        self.answer = answer

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self._lines.append(line)
            thread = threading.Thread(target=self._converse, args=(line,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while asked := line.recv(1 << 20):
                if b'"end"' in asked or b'"run"' in asked:
                    self.answer(line)
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for line in self._lines:
            line.close()


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[Liar]:
    made = Liar(tmp_path / "box.sock")
    yield made
    made.close()


@pytest.fixture
def side(liar: Liar, tmp_path: Path) -> Iterator[PodSandbox]:
    made = PodSandbox(liar.path, Path("/hive/work/tree"), "run-1", patience=0.2)
    yield made
    liar.says(frame(Kind.ANSWER, b'{"ended": true}'))
    made.end_everything(grace=NOW)


def ask(side: PodSandbox, limit: int = 1_000, timeout: float = 10.0) -> bytes:
    return side.stream(("git", "log"), stdin=b"x", limit=limit, timeout=timeout)


SURPRISES = {
    "nothing": b"",
    "half a header": b"\x10\x00",
    "half a frame": HEADER.pack(Kind.OUT, 100) + b"x",
    "a frame of 4 GB": HEADER.pack(Kind.OUT, 0xFFFFFFFF),
    "an unknown kind": HEADER.pack(200, 1) + b"x",
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
    "a runner's frame": frame(Kind.SIGNAL, b"\x09"),
    "an answer": frame(Kind.ANSWER, b"{}"),
    "an end without a code": frame(Kind.EXIT, b"{}"),
    "an end that is no JSON": frame(Kind.EXIT, b"\xff\x00"),
    "an end with an endless number": frame(Kind.EXIT, b'{"code": ' + b"9" * 60_000 + b"}"),
    "an end of the wrong type": frame(Kind.EXIT, b'{"code": "0"}'),
    "an end out of range": frame(Kind.EXIT, b'{"code": 70000}'),
    "deep JSON": frame(Kind.EXIT, b'{"code": ' + b"[" * 30_000),
    "a refusal without a word": frame(Kind.REFUSED, b"[]"),
    "more taken than given": frame(Kind.TAKEN, b"\xff\xff\xff\xff"),
    "a crooked number": frame(Kind.TAKEN, b"\x01"),
}


@pytest.mark.parametrize("name", SURPRISES)
def test_any_surprise_means_that_the_container_is_lost(name: str, side: PodSandbox, liar: Liar) -> None:
    liar.says(STARTED, SURPRISES[name])
    with pytest.raises(GitError, match="container was lost"):
        ask(side)


@pytest.mark.parametrize("name", SURPRISES)
def test_also_for_a_process(name: str, side: PodSandbox, liar: Liar, tmp_path: Path) -> None:
    liar.says(STARTED, frame(Kind.OUT, b"so far\n"), SURPRISES[name])
    out = tmp_path / "out"
    process = side.start(("claude",), env={}, stdout=out, stderr=out)
    with pytest.raises(GitError, match="container was lost"):
        process.wait(10)
    with pytest.raises(GitError, match="container was lost"):
        process.poll()
    process.signal(9)
    process.write(b"x")
    process.close_stdin()
    assert out.read_bytes() == b"so far\n"


@pytest.mark.parametrize("said", [b"", frame(Kind.OUT, b"x"), EXIT])
def test_a_process_begins_before_anything_else(
    said: bytes, side: PodSandbox, liar: Liar, tmp_path: Path
) -> None:
    liar.says(said)
    with pytest.raises(GitError, match="container was lost"):
        side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "err")


@pytest.mark.parametrize("said", [STARTED, frame(Kind.REFUSED, b'{"why": "no"}'), frame(Kind.ANSWER, b"{}")])
def test_a_process_begins_once(said: bytes, side: PodSandbox, liar: Liar, tmp_path: Path) -> None:
    liar.says(STARTED, said)
    process = side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "err")
    with pytest.raises(GitError, match="container was lost"):
        process.wait(10)


def test_the_first_end_counts(side: PodSandbox, liar: Liar, tmp_path: Path) -> None:
    liar.says(STARTED, frame(Kind.EXIT, b'{"code": 1}'), EXIT)
    process = side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "err")
    assert process.wait(10) == 1
    assert process.heard_out(10)
    assert process.poll() == 1


def test_output_is_bounded(side: PodSandbox, liar: Liar) -> None:
    liar.says(STARTED, *[frame(Kind.OUT, b"x" * 60_000)] * 1_000, stay=True)
    with pytest.raises(WorkRejected, match=r"more than 100,000 bytes"):
        ask(side, limit=100_000)


def test_an_endless_process_fills_no_disk(
    side: PodSandbox, liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "MOST_OUTPUT", 100_000)
    signals: list[bytes] = []

    def answer(line: socket.socket) -> None:
        line.sendall(STARTED + frame(Kind.OUT, b"x" * 60_000) * 10)
        signals.append(line.recv(100))
        line.sendall(frame(Kind.OUT, b"x" * 60_000) + frame(Kind.EXIT, b'{"code": -9}'))

    liar.answer = answer
    process = side.start(("yes",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "out")
    assert process.wait(10) == -9
    assert frame(Kind.SIGNAL, b"\x09") in signals[0]
    assert 100_000 < (tmp_path / "out").stat().st_size < 100_200


def test_silence_has_an_end(
    side: PodSandbox, liar: Liar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE", 0.2)
    monkeypatch.setattr(sandbox, "START_SECONDS", 0.2)
    liar.says(STARTED, stay=True)
    process = side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "out")
    with pytest.raises(GitError, match="said nothing"):
        process.wait(10)
    with pytest.raises(GitError, match="said nothing"):
        ask(side)
    liar.says(stay=True)
    with pytest.raises(GitError, match="container was lost"):
        side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "out")


def test_signs_of_life_are_no_answer(side: PodSandbox, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "LATE_SECONDS", 0.2)
    over = threading.Event()

    def answer(line: socket.socket) -> None:
        line.sendall(STARTED)
        while not over.wait(0.02):
            line.sendall(frame(Kind.BEAT))

    liar.answer = answer
    begun = time.monotonic()
    with pytest.raises(GitError, match="took longer"):
        ask(side, timeout=0.2)
    over.set()
    assert time.monotonic() - begun < 5


def test_descriptors_that_are_sent_along_are_not_taken(side: PodSandbox, liar: Liar) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def answer(line: socket.socket) -> None:
        with open(os.devnull, "rb") as file:
            sent = array.array("i", [file.fileno()] * 50)
            line.sendmsg([STARTED + EXIT], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)])
            while line.recv(100):
                pass

    liar.answer = answer
    assert ask(side) == b""
    assert len(os.listdir("/proc/self/fd")) < before + 20


def test_standard_input_is_not_poured_into_whoever_does_not_take_it(side: PodSandbox, liar: Liar) -> None:
    got = bytearray()

    def answer(line: socket.socket) -> None:
        line.sendall(STARTED)
        line.settimeout(0.5)
        try:
            while data := line.recv(1 << 20):
                got.extend(data)
        except TimeoutError:
            pass
        line.sendall(EXIT)

    liar.answer = answer
    side.stream(("cat",), stdin=b"x" * (4 * WINDOW), limit=10, timeout=20)
    assert got.count(b"x") <= WINDOW + 1_000


def test_a_last_word_is_heard_also_by_who_was_still_talking(
    side: PodSandbox, liar: Liar, tmp_path: Path
) -> None:
    """What was not read when the other side hung up makes writing fail before the rest has been read."""

    def answer(line: socket.socket) -> None:
        line.sendall(STARTED)
        line.recv(10)
        line.sendall(frame(Kind.OUT, b"bye\n") + frame(Kind.EXIT, b'{"code": -9}'))
        line.close()

    liar.answer = answer
    out = tmp_path / "out"
    process = side.start(("sleep",), env={}, stdout=out, stderr=out, stdin=True)
    process.write(b"x" * 4 * WINDOW)
    assert process.wait(10) == -9
    assert out.read_bytes() == b"bye\n"
    process.write(b"x" * 4 * WINDOW)
    assert process.heard_out(10)


def test_a_full_disk_ends_the_process_and_says_why(side: PodSandbox, liar: Liar) -> None:
    liar.says(STARTED, frame(Kind.OUT, b"x" * 1_000), stay=True)
    full = Path("/dev/full")
    process = side.start(("claude",), env={}, stdout=full, stderr=full)
    with pytest.raises(HiveError, match="cannot be written: No space left"):
        process.wait(10)


def test_a_process_that_was_killed_for_memory_says_so(side: PodSandbox, liar: Liar, tmp_path: Path) -> None:
    liar.says(STARTED, frame(Kind.EXIT, b'{"code": -9, "oom": 1}'))
    err = tmp_path / "err"
    assert side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=err).wait(10) == -9
    assert "lack of memory" in err.read_text(encoding="utf-8")


def test_a_refusal_is_made_harmless(side: PodSandbox, liar: Liar, tmp_path: Path) -> None:
    why = json.dumps({"why": "\x1b[2J no\nsuch " + "x" * 10_000}).encode()
    liar.says(frame(Kind.REFUSED, why))
    with pytest.raises(HiveError, match="cannot be started") as caught:
        side.start(("claude",), env={}, stdout=tmp_path / "out", stderr=tmp_path / "out")
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 500


def test_what_cannot_be_ended_is_no_silent_success(side: PodSandbox, liar: Liar) -> None:
    liar.says(frame(Kind.ANSWER, b'{"ended": false}'))
    with pytest.raises(GitError, match="cannot be ended"):
        side.end_everything(grace=NOW)
    for said in (
        b"",
        b"GET /",
        frame(Kind.OUT, b"x"),
        frame(Kind.ANSWER, b"{}"),
        frame(Kind.ANSWER, b"[" * 9),
    ):
        liar.says(said)
        with pytest.raises(GitError, match="container was lost"):
            side.end_everything(grace=NOW)


def test_a_container_that_is_gone_has_nothing_left_in_it(tmp_path: Path) -> None:
    nobody = PodSandbox(tmp_path / "box.sock", Path("/hive/work/tree"), "run-1", patience=0.1)
    nobody.end_everything(grace=NOW)
    with pytest.raises(Absent, match="did not answer"):
        ask(nobody)


@pytest.mark.parametrize("what", ["file", "link", "fifo", "folder", "deaf"])
def test_what_is_no_socket_is_not_touched(what: str, liar: Liar, tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    if what == "file":
        path.write_text("secret", encoding="ascii")
    elif what == "link":
        path.symlink_to(liar.path)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
            deaf.bind(str(path))
    liar.says(STARTED, EXIT)
    with pytest.raises(Absent):
        ask(PodSandbox(path, Path("/hive/work/tree"), "run-1", patience=0.1))


def test_a_server_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    side = PodSandbox(tmp_path / "box.sock", Path("/hive/work/tree"), "run-1", patience=10.0)
    said: list[bytes] = []
    thread = threading.Thread(target=lambda: said.append(ask(side)))
    thread.start()
    liar = Liar(tmp_path / "box.sock")
    liar.says(STARTED, frame(Kind.OUT, b"hello"), EXIT)
    until(lambda: said == [b"hello"])
    thread.join()
    liar.close()
