"""Which processes count as sessions at work: those that run, and are the ones that said so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive_tui.costs import live
from hive_tui.costs.files import Root
from hive_tui.system import processes

THREAD = "01a1fbb6-1327-71e0-8e33-f18e1a49a7a1"


@pytest.fixture
def claude(tmp_path: Path) -> Path:
    (tmp_path / "sessions").mkdir()
    return tmp_path


def roots(claude: Path) -> tuple[Root, ...]:
    return (Root("claude", claude / "projects"),)


def write(claude: Path, name: str = "1.json", **changes: Any) -> None:
    own = processes.identify()
    assert own is not None
    facts = {
        "pid": own.pid,
        "sessionId": "s1",
        "cwd": "/src/app",
        "startedAt": 1_795_304_032_458,
        "procStart": own.start,
        "status": "idle",
        "updatedAt": 1_795_304_036_081,
        "peerProtocol": {"of": "a later version"},
    }
    (claude / "sessions" / name).write_bytes(msgspec.json.encode({**facts, **changes}))


def test_a_process_of_claude_code_that_runs_is_found(claude: Path) -> None:
    write(claude)
    (found,) = live.find(roots(claude))
    assert (found.agent, found.pid, found.session, found.project) == ("claude", os.getpid(), "s1", "/src/app")
    assert found.status == "idle"
    assert found.started_at is not None
    assert found.started_at.year == 2026


@pytest.mark.parametrize(
    "changes",
    [{"procStart": "1"}, {"pid": 0}, {"pid": -1}, {"pid": 1 << 40}, {"pid": "x"}, {"sessionId": None}],
    ids=str,
)
def test_what_is_no_such_process_any_more_is_not(claude: Path, changes: dict[str, Any]) -> None:
    write(claude, **changes)
    assert live.find(roots(claude)) == ()


def test_a_pid_that_is_another_process_by_now_does_not_count_without_the_kernel_s_start(claude: Path) -> None:
    write(claude, procStart=None, startedAt=1_600_000_000_001)  # long before this process began
    assert live.find(roots(claude)) == ()
    write(claude, procStart=None, startedAt=4_000_000_000_000)
    assert len(live.find(roots(claude))) == 1


def test_a_process_that_was_killed_leaves_its_file_and_is_not_at_work(claude: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = processes.identify(child.pid)
    assert started is not None
    write(claude, pid=child.pid, procStart=started.start)
    assert len(live.find(roots(claude))) == 1
    child.kill()
    child.communicate()
    assert live.find(roots(claude)) == ()


def test_a_session_in_two_processes_is_one(claude: Path) -> None:
    write(claude, "1.json", status="idle", updatedAt=1_795_304_036_081)
    write(claude, "2.json", status="busy", updatedAt=1_795_304_036_999)
    (found,) = live.find(roots(claude))
    assert found.status == "busy"


def test_what_is_no_process_s_file_is_left_out(claude: Path) -> None:
    folder = claude / "sessions"
    (folder / "broken.json").write_bytes(b'{"pid":')
    (folder / "long.json").write_bytes(b" " * 100_000 + b"{}")
    (folder / "list.json").write_bytes(b"[]")
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "1.key").write_text("secret")
    os.mkfifo(folder / "pipe.json")
    assert live.find(roots(claude)) == ()


def test_hostile_words_of_a_status_are_harmless(claude: Path) -> None:
    write(claude, status="\x1b]0;owned\x07busy")
    (found,) = live.find(roots(claude))
    assert found.status == "busy"


def test_without_any_folder_nothing_is_found(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert live.find((Root("claude", nowhere / "projects"), Root("codex", nowhere / "sessions"))) == ()


@contextmanager
def holding(tmp_path: Path, path: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called codex and has a file open."""
    program = tmp_path / "codex"
    if not program.exists():
        program.symlink_to(os.path.realpath(sys.executable))
    path.parent.mkdir(parents=True, exist_ok=True)
    code = "import sys; held = open(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [program, "-c", code, path, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        yield child
    finally:
        child.communicate()


@pytest.mark.parametrize(
    "name",
    [f"sessions/2026/11/21/rollout-2026-11-21T01-26-16-{THREAD}.jsonl", f"thread-writer-locks/{THREAD}.lock"],
)
def test_a_process_of_codex_is_found_by_what_it_keeps_open(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    where = (Root("codex", home / "sessions"),)
    with holding(tmp_path, home / name) as child:
        (found,) = live.find(where)
        assert found.status is None
        assert (found.agent, found.pid, found.session) == ("codex", child.pid, THREAD)
        assert found.project == str(tmp_path)
    assert live.find(where) == ()


def test_a_thread_of_codex_s_server_is_loaded_whoever_looks_at_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with holding(tmp_path, home / "sessions" / f"rollout-1-{THREAD}.jsonl", "app-server"):
        (found,) = live.find((Root("codex", home / "sessions"),))
        assert found.status == live.LOADED


def test_a_codex_of_another_home_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    where = (Root("codex", tmp_path / "home" / "sessions"),)
    with holding(tmp_path, tmp_path / "other" / "sessions" / f"rollout-1-{THREAD}.jsonl"):
        assert live.find(where) == ()
