"""The server in the agent's container, as PID 1 of a namespace of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backends.clusters.kubernetes.box.sandbox import PodSandbox
from backends.clusters.kubernetes.box.wire import HEADER, WINDOW, Kind, Splitter, frame, frames
from hive_tui.core.errors import GitError
from tests.fakes import box
from tests.fakes.box import Box
from tests.fakes.run_host import running
from tests.waiting import until

pytestmark = pytest.mark.skipif(box.why_not() is not None, reason=str(box.why_not()))

NOW = timedelta(0)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    made.work.mkdir()
    yield made
    made.close()


@pytest.fixture
def side(there: Box) -> PodSandbox:
    return PodSandbox(there.socket, there.work, "run-1", patience=10.0)


class Runner:
    """A runner that says what it is told to, frame by frame."""

    def __init__(self, there: Box) -> None:
        self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.line.settimeout(10)
        self.line.connect(str(there.socket))
        self._there = there
        self._heard: list[tuple[Kind, bytes]] = []
        self._splitter = Splitter()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.line.close()

    def run(self, *argv: str, **fields: object) -> None:
        asked = {
            "do": "run", "argv": argv, "cwd": str(self._there.work), "env": {"PATH": os.environ["PATH"]},
            "inherit": [], "seconds": None, "stdin": False, "merge": False, **fields,
        }  # fmt: skip
        self.line.sendall(frame(Kind.REQUEST, json.dumps(asked).encode()))

    def hear(self) -> tuple[Kind, bytes] | None:
        """The next frame, None for the end."""
        while not self._heard:
            try:
                data = self.line.recv(65_536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._heard += self._splitter.feed(data)
        return self._heard.pop(0)

    def all(self) -> list[tuple[Kind, bytes]]:
        heard = []
        while (each := self.hear()) is not None:
            heard.append(each)
        return heard


def alive(side: PodSandbox) -> bool:
    return side.stream(("echo", "alive"), stdin=b"", limit=100, timeout=10) == b"alive\n"


def test_a_process_is_started_heard_and_ended(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("sh", "-c", "echo out; exit 3")
        heard = runner.all()
    assert [kind for kind, _ in heard] == [Kind.STARTED, Kind.OUT, Kind.EXIT]
    assert heard[1][1] == b"out\n"
    assert json.loads(heard[2][1]) == {"code": 3, "late": False, "oom": 0}


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEADER.pack(Kind.REQUEST, 1 << 30),
        frame(Kind.REQUEST, b"{"),
        frame(Kind.REQUEST, b"[]"),
        frame(Kind.REQUEST, b'{"do": "dance"}'),
        frame(Kind.REQUEST, b'{"do": "run", "argv": "x"}'),
        frame(Kind.REQUEST, b'{"do": "end", "grace": "never"}'),
        frame(Kind.REQUEST, b"[" * 50_000),
    ],
    ids=range(8),
)
def test_a_confused_runner_is_hung_up_on_and_the_next_one_served(
    said: bytes, there: Box, side: PodSandbox
) -> None:
    with Runner(there) as runner:
        runner.line.sendall(said)
        assert runner.hear() is None
    assert alive(side)


def test_one_connection_is_one_request(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("sleep", "4741")
        assert runner.hear() == (Kind.STARTED, b"{}")
        runner.run("true")
        assert runner.hear() is None
    until(lambda: not running("sleep\x004741"))


def test_more_input_than_there_is_room_for_is_refused(there: Box, side: PodSandbox) -> None:
    with Runner(there) as runner:
        runner.run("sleep", "4742", stdin=True)
        assert runner.hear() == (Kind.STARTED, b"{}")
        flood = b"".join(frames(Kind.STDIN, b"x" * 3 * WINDOW))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            runner.line.sendall(flood)
    until(lambda: not running("sleep\x004742"))
    assert alive(side)


def test_input_that_is_not_wanted_is_taken_and_dropped(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("sh", "-c", "exec <&-; sleep 0.2", stdin=True)
        assert runner.hear() == (Kind.STARTED, b"{}")
        sent = taken = 0
        for part in frames(Kind.STDIN, b"x" * WINDOW):
            runner.line.sendall(part)
            sent += len(part) - HEADER.size
        for kind, payload in runner.all():
            if kind is Kind.TAKEN:
                taken += struct.unpack(">I", payload)[0]
    assert sent == WINDOW
    assert 0 < taken <= sent


def test_whoever_hangs_up_ends_the_group(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("sh", "-c", "trap '' TERM HUP; sleep 4743 & sleep 4743")
        until(lambda: running("sleep\x004743"))
    until(lambda: not running("sleep\x004743"))


def test_what_nobody_reads_makes_a_process_wait(there: Box, side: PodSandbox) -> None:
    """The server keeps little of it, and serves others meanwhile."""
    with Runner(there) as runner:
        runner.run("sh", "-c", "echo $$; exec yes 4744")
        until(lambda: running("yes\x004744"))
        assert alive(side)
        size = Path(f"/proc/{there.server}/status").read_text(encoding="ascii")
        kilobytes = int(size.partition("VmRSS:")[2].split()[0])
        assert kilobytes < 60_000
    until(lambda: not running("yes\x004744"))


def test_a_process_that_takes_too_long_is_ended(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("sh", "-c", "trap '' TERM; sleep 4745 & sleep 4745", seconds=0.2)
        heard = runner.all()
    assert json.loads(heard[-1][1])["late"] is True
    assert json.loads(heard[-1][1])["code"] == -9
    until(lambda: not running("sleep\x004745"))


def test_orphans_are_reaped(there: Box, side: PodSandbox) -> None:
    side.stream(("sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.05 &) ; done"), stdin=b"", limit=9, timeout=9)
    count = ("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z '; true")
    until(lambda: side.stream(count, stdin=b"", limit=100, timeout=9).strip() == b"0")


def test_a_thousand_forks_are_ended_at_once(there: Box, side: PodSandbox, tmp_path: Path) -> None:
    fork = "import os, time\nfor _ in range(10):\n  if os.fork() == 0: os.setsid()\ntime.sleep(4746)"
    out = tmp_path / "out"
    process = side.start((sys.executable, "-c", fork), env={}, stdout=out, stderr=out)
    until(lambda: _count("4746") > 500, seconds=60)
    side.end_everything(grace=NOW)
    assert process.poll() == -9
    assert _count("4746") == 0
    assert alive(side)


def _count(marker: str) -> int:
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found += f"sleep({marker})".encode() in (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return found


def test_nobody_in_the_container_is_served(there: Box, side: PodSandbox) -> None:
    knock = "import socket as s, sys; x = s.socket(s.AF_UNIX); x.connect(sys.argv[1]); print(x.recv(100))"
    argv = (sys.executable, "-c", knock, str(there.socket))
    assert side.stream(argv, stdin=b"", limit=1_000, timeout=10) == b"b''\n"
    assert "was turned away" in there.said.read_text(encoding="utf-8")


def test_a_socket_that_was_removed_or_replaced_comes_back(there: Box, side: PodSandbox) -> None:
    there.socket.unlink()
    assert alive(side)
    there.socket.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as own:
        own.bind(str(there.socket))
        until(lambda: alive(side))
    assert there.socket.stat().st_mode & 0o777 == 0o660


IMPOSTOR = """
import os, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
path, number = sys.argv[1], 0
while True:
    own = socket.socket(socket.AF_UNIX)
    own.bind(f"{path}.mine")
    own.listen(9)
    own.settimeout(0.2)
    os.rename(f"{path}.mine", path)
    print("mine", flush=True)
    try:
        line, _ = own.accept()
        line.sendall(bytes([23, 0, 0, 0, 15]) + b'{"ended": true}')
    except OSError:
        pass
"""


def test_an_impostor_on_the_socket_is_ended_like_everything_else(
    there: Box, side: PodSandbox, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    side.start((sys.executable, "-c", IMPOSTOR, str(there.socket), "4747"), env={}, stdout=out, stderr=out)
    until(lambda: b"mine" in out.read_bytes())
    assert running("4747")
    side.end_everything(grace=timedelta(seconds=0.3))
    assert not running("4747")
    assert there.socket.exists()
    assert alive(side)


def test_it_stays_until_the_runner_has_gone(there: Box) -> None:
    side = PodSandbox(there.socket, there.work, "run-1", patience=10.0)
    assert alive(side)
    os.kill(there.server, signal.SIGTERM)
    assert alive(side)
    assert there.process.poll() is None
    del side
    assert there.process.wait(10) == 0


def test_without_a_runner_it_goes_at_once(there: Box) -> None:
    os.kill(there.server, signal.SIGTERM)
    assert there.process.wait(10) == 0


def test_an_order_to_leave_that_came_before_it_could_hear_is_obeyed(tmp_path: Path) -> None:
    ordered = ("sh", "-c", 'kill -TERM $$ && exec "$@"', "sh")
    command = (*box.first_process(), *ordered, *box.server(tmp_path / "box.sock", tmp_path / "work"))
    assert subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def test_what_it_starts_hears_of_every_signal(there: Box) -> None:
    with Runner(there) as runner:
        runner.run("grep", "SigBlk", "/proc/self/status")
        heard = runner.all()
    assert int(heard[1][1].split()[1], 16) == 0


def test_a_runner_is_there_again_for_a_server_that_was_started_again(tmp_path: Path) -> None:
    with contextlib.closing(Box(tmp_path)) as first:
        side = PodSandbox(first.socket, first.work, "run-1", patience=10.0)
        assert not side.exists()
    with contextlib.closing(Box(tmp_path)) as second:
        assert not side.exists()
        os.kill(second.server, signal.SIGTERM)
        assert not side.exists()


def test_a_server_that_dies_takes_everything_along_and_is_missed_at_once(
    there: Box, side: PodSandbox, tmp_path: Path
) -> None:
    """As when memory runs out where the kernel ends a whole container."""
    out = tmp_path / "out"
    process = side.start(("sh", "-c", "echo begun; sleep 4748"), env={}, stdout=out, stderr=out)
    until(lambda: out.read_bytes() == b"begun\n")
    there.close()
    with pytest.raises(GitError, match="container was lost"):
        process.wait(10)
    assert not running("sleep\x004748")
    side.end_everything(grace=NOW)
    with contextlib.closing(Box(tmp_path)):
        assert alive(side)


def test_hives_own_python_is_not_the_agents(there: Box, side: PodSandbox) -> None:
    path = side.stream(("sh", "-c", "echo $PATH"), stdin=b"", limit=10_000, timeout=10).decode().strip()
    own = str(Path(sys.prefix) / "bin")
    expected = [each for each in os.environ["PATH"].split(os.pathsep) if each != own]
    assert path.split(os.pathsep) == expected


def test_what_the_agent_starts_goes_first_when_memory_runs_out(
    there: Box, side: PodSandbox, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = side.start(("cat", "/proc/self/oom_score_adj"), env={}, stdout=out, stderr=out)
    assert process.wait(10) == 0
    assert int(out.read_text(encoding="ascii")) == 1000
    assert int(Path(f"/proc/{there.server}/oom_score_adj").read_text(encoding="ascii")) < 1000


def test_it_is_only_ever_pid_1(tmp_path: Path) -> None:
    """It ends every other process that it can see."""
    command = (
        sys.executable,
        "-P",
        "-m",
        box.MODULE,
        "--socket",
        str(tmp_path / "s"),
        "--workdir",
        "/nowhere/w",
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PID 1" in done.stderr


def test_it_loads_the_standard_library_alone() -> None:
    program = f"import sys, {box.MODULE}; print(*sys.modules)"
    done = subprocess.run((sys.executable, "-P", "-c", program), capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if not name.startswith("backends")}
    # An environment's own start-up files may load more.
    assert {
        name for name in loaded if name.partition(".")[0] in ("hive_tui", "msgspec", "kubernetes")
    } == set()
    assert not loaded & {"asyncio", "logging", "ssl", "email", "multiprocessing"}
