"""The dispatcher as a detached process, through the commands that start, ask and stop it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hive_tui import config
from hive_tui.core.errors import HiveError
from hive_tui.core.model import DispatcherState
from hive_tui.detached import dispatcher_state, ensure_dispatcher, stop_dispatcher
from hive_tui.fleet import OpenFleet, open_fleet
from hive_tui.system import flock, processes
from tests.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture
def fleet(hive_home: Path) -> Iterator[OpenFleet]:
    opened = open_fleet(config.load(), "local")
    yield opened
    stop_dispatcher(opened)
    opened.close()


def hive(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hive_tui", *arguments, "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("fleet")
def test_it_outlives_the_command_and_there_is_only_one() -> None:
    assert hive("dispatcher", "status")["state"] == "stopped"
    first = hive("dispatcher", "start")
    assert first["state"] == "running"
    assert hive("dispatcher", "start")["pid"] == first["pid"]
    status = hive("dispatcher", "status")
    assert {"state", "pid", "since", "last_decision_at"} <= set(status)
    assert os.getsid(first["pid"]) == first["pid"], "it has a session of its own"
    assert hive("dispatcher", "stop")["state"] == "stopped"
    assert processes.identify(first["pid"]) is None
    assert hive("dispatcher", "stop")["state"] == "stopped"


def test_a_changed_configuration_is_taken_in_while_it_runs(fleet: OpenFleet) -> None:
    first = hive("dispatcher", "start")
    path = config.load().path
    path.parent.mkdir(exist_ok=True)
    path.write_text("fleets:\n  local:\n    sluts: 3\n")

    def errors() -> list[str]:
        return [event.text for event in fleet.read_snapshot().events if event.kind == "error"]

    def kinds() -> list[str]:
        return [event.kind for event in fleet.read_snapshot().events]

    until(lambda: any("sluts" in text for text in errors()), what="the mistake in the log")
    path.write_text("fleets:\n  local:\n    agents: [{name: robin, backend: scripted}]\n")
    until(lambda: "config" in kinds(), what="the change in the log")
    until(lambda: dispatcher_state(fleet).state is DispatcherState.RUNNING, what="the dispatcher again")
    assert hive("dispatcher", "status")["pid"] == first["pid"]
    assert len(errors()) == 1


def test_one_that_was_killed_is_seen_and_replaced(fleet: OpenFleet) -> None:
    state, started = ensure_dispatcher(fleet)
    assert started
    killed = processes.identify(state.pid)
    assert processes.send(killed, signal.SIGKILL)
    # Its threads may hold the lock a moment longer than its pid is alive.
    until(lambda: dispatcher_state(fleet).state is DispatcherState.DEAD, what="the dispatcher to be dead")
    assert not processes.alive(killed)
    replaced, started = ensure_dispatcher(fleet)
    assert started
    assert replaced.pid != state.pid


def test_several_starts_at_once_end_with_one(fleet: OpenFleet) -> None:
    command = [sys.executable, "-P", "-m", "hive_tui", "dispatcher", "start", "-o", "json"]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    answers = [start.communicate(timeout=60) for start in starts]
    assert [start.returncode for start in starts] == [0] * 4, answers
    assert len({json.loads(out)["pid"] for out, _ in answers}) == 1
    assert dispatcher_state(fleet).state is DispatcherState.RUNNING


def test_one_that_does_not_say_who_it_is_is_not_called_stopped(
    fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_tui.detached.STOP_SECONDS", 0.1)
    held = flock.hold(fleet.home / "dispatcher.lock")
    assert held is not None
    try:
        with pytest.raises(HiveError, match="does not say who it is") as caught:
            stop_dispatcher(fleet)
        assert "fuser" in (caught.value.hint or "")
    finally:
        os.close(held)


def test_one_that_cannot_begin_says_why(fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    from hive_tui import detached

    monkeypatch.setattr(
        detached, "_command", lambda *_: [sys.executable, "-c", "raise SystemExit('no luck today')"]
    )
    with pytest.raises(HiveError, match="no luck today") as caught:
        ensure_dispatcher(fleet)
    assert str(fleet.home) in (caught.value.hint or "")


def test_one_that_gave_way_to_another_that_left_is_started_again(
    fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hive_tui import detached

    command = detached._command
    refused = iter([[sys.executable, "-c", "raise SystemExit(3)"]])
    monkeypatch.setattr(detached, "_command", lambda *of: next(refused, None) or command(*of))
    state, started = ensure_dispatcher(fleet)
    assert started
    assert state.state is DispatcherState.RUNNING
