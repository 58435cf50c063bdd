"""The command line on a fleet whose agents work on a cluster of several machines."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive_tui import config, detached
from hive_tui.cli import run
from hive_tui.core.cluster_facts import Place, Right
from hive_tui.core.errors import HiveError, Refused, SourceError
from hive_tui.core.events import LogLine, Said
from hive_tui.core.model import Dispatcher, DispatcherState, Phase
from hive_tui.core.ports import Section
from hive_tui.fleet import OpenFleet, open_fleet
from tests import builders as b
from tests.fakes import cluster_fleet as c
from tests.fakes import scene

Hive = Callable[..., Any]

STOPPED = Dispatcher(DispatcherState.STOPPED)


@pytest.fixture
def hive(hive_home: Path, capsys: pytest.CaptureFixture[str]) -> Hive:
    """Call `hive --fleet work` with an expected exit code; what it printed, JSON decoded."""
    path = config.load().path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("fleets:\n  work:\n    cluster: kubernetes\n", encoding="utf-8")

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run(["--fleet", "work", *arguments])
        shown = capsys.readouterr()
        assert ended == code, shown.err + shown.out
        return json.loads(shown.out) if "json" in arguments else shown.out + shown.err

    return call


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def hold(restarts: int = 0, **fleet: Any) -> None:
        runs = (c.placed(run, restarts=restarts) for run in scene.RUNS)
        c.holding(monkeypatch, c.fleet(name="work", **fleet), *runs)

    return hold


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the cluster says of runs, by the name of `Pods`' field."""
    said: dict[str, Any] = {}
    made = c.Pods.__init__

    def make(self: c.Pods, context: Any) -> None:
        made(self, context)
        for name, value in said.items():
            setattr(self, name, value)

    monkeypatch.setattr(c.Pods, "__init__", make)
    return said


# Reading


def test_the_fleet_and_its_runs_are_told_with_their_places(hive: Hive, holding: Any) -> None:
    holding(restarts=2)
    found = hive("top", "--once", "-o", "json")
    assert found["fleet"]["facts"]["version"] == "v1.34.1"
    assert found["runs"][0]["place"]["restarts"] == 2
    shown = hive("top", "--once", "--section", "fleet")
    assert "kind-dev · agents · v1.34.1" in shown
    assert "2/3 nodes ready" in shown
    assert {run["place"]["node"] for run in hive("ls", "-o", "json")["runs"]} == {"worker-1"}


def test_describe_adds_what_the_cluster_knows(hive: Hive, holding: Any, pods: dict[str, Any]) -> None:
    holding(restarts=1)
    pods["described"] = {scene.FIRST_RUN: (Section("Pod", "QoS: Burstable\n\x1b[2J"),)}
    shown = hive("describe", scene.FIRST_RUN)
    assert "POD\n  QoS: Burstable" in shown
    assert "\x1b" not in shown
    assert "worker-1, started again once" in shown
    assert hive("describe", scene.FIRST_RUN, "-o", "json")["sections"][0]["title"] == "Pod"


def test_describe_goes_on_without_a_cluster_that_does_not_answer(
    hive: Hive, holding: Any, pods: dict[str, Any]
) -> None:
    holding()
    pods["described"] = {scene.FIRST_RUN: SourceError("The API server does not answer.", "Wait.")}
    shown = hive("describe", scene.FIRST_RUN)
    assert f"RUN {scene.FIRST_RUN}" in shown
    assert "hive: The API server does not answer. Wait." in shown


@pytest.mark.parametrize(
    ("why", "remedy", "words"),
    [
        ("work: ErrImagePull: no", "see `image` there", "work: ErrImagePull: no; see `image` there"),
        ("0/1 nodes are available", None, "0/1 nodes are available"),
        (None, None, "it is queued"),
    ],
)
def test_logs_of_a_run_that_has_not_begun_say_why(
    hive: Hive,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    why: str | None,
    remedy: str | None,
    words: str,
) -> None:
    waiting = b.run(1, phase=Phase.QUEUED, why=why)
    place = Place("pod-1", condition=why, remedy=remedy)
    c.holding(monkeypatch, c.fleet(name="work"), msgspec.structs.replace(waiting, place=place))
    assert hive("logs", waiting.id) == f"{waiting.id} has not begun: {words}.\n"
    run(["--fleet", "work", "logs", waiting.id, "--raw"])
    assert capsys.readouterr().out == "", "it is no line of the log"
    assert remedy is None or remedy in hive("describe", waiting.id)


def test_logs_of_the_container_before(hive: Hive, holding: Any, pods: dict[str, Any]) -> None:
    pods["before"] = {scene.FIRST_RUN: [LogLine(1, scene.NOW, Said(text="before it was killed"))]}
    holding(restarts=1)
    assert "before it was killed" in hive("logs", "--previous", scene.FIRST_RUN)
    holding()
    # Nothing was started again: the attempt before is meant, as on every fleet.
    assert "No attempt" in hive("logs", "--previous", scene.FIRST_RUN, code=2)


# Rights


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("pause",), Right.SWITCH),
        (("resume",), Right.SWITCH),
        (("slots", "3"), Right.SWITCH),
        (("agents", "disable", "claude"), Right.SWITCH),
        (("stop", "--yes"), Right.SWITCH),
        (("kill", "--yes", str(scene.FIRST_RUN)), Right.ORDER),
        (("send", str(scene.FIRST_RUN), "hello"), Right.ORDER),
        (("dispatch",), Right.CLAIM),
        (("gc",), Right.DISPATCH),
        (("logs", str(scene.FIRST_RUN)), Right.LOGS),
        (("attach", str(scene.FIRST_RUN)), Right.EXEC),
    ],
)
def test_what_one_may_not_is_refused_with_the_verb_and_the_resource(
    hive: Hive, holding: Any, arguments: tuple[str, ...], right: Right
) -> None:
    holding(denied=c.denied(right))
    shown = hive(*arguments, code=3)
    assert c.WHY[right][1:] in shown
    assert "docs/kubernetes.md" in shown


def test_a_viewer_reads_everything(hive: Hive, holding: Any) -> None:
    holding(denied=c.VIEWER)
    assert "you may only look" in hive("top", "--once", "--section", "fleet")
    assert hive("ls")
    hive("logs", str(scene.FIRST_RUN))
    assert "You may not" in hive("pause", code=3)


# Shells


def test_attach_becomes_the_shell(hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    holding()
    called: list[tuple[str, tuple[str, ...]]] = []
    monkeypatch.setattr(os, "execvp", lambda file, argv: called.append((file, tuple(argv))))
    hive("attach", str(scene.FIRST_RUN), "--", "git", "log", "-1")
    assert called == [("shell-of", ("shell-of", str(scene.FIRST_RUN), "git", "log", "-1"))]


def test_a_shell_without_its_program_says_so(hive: Hive, holding: Any) -> None:
    holding()
    assert "shell-of cannot be started" in hive("attach", str(scene.FIRST_RUN), code=1)


def test_attach_refuses_what_has_no_place_for_a_shell(hive: Hive, holding: Any, pods: dict[str, Any]) -> None:
    holding()
    ended = next(run for run in scene.RUNS if run.phase.final)
    assert "it has ended" in hive("attach", str(ended.id), code=3)
    pods["no_shell"] = Refused("Its pod is not running yet.", "`hive describe` says why.")
    assert "Its pod is not running yet." in hive("attach", str(scene.FIRST_RUN), code=3)
    assert "read-only" in hive("--read-only", "attach", str(scene.FIRST_RUN), code=3)


def test_attach_is_not_for_a_laptop_s_own_processes(
    hive_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["attach", "claude-a"]) == 2
    assert "claude-a" in capsys.readouterr().err


# The dispatcher


def test_a_dispatcher_elsewhere_is_named_and_not_started_again(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding()
    monkeypatch.setattr(detached, "_spawn", lambda *_: pytest.fail("a second dispatcher"))
    assert "runs already on ci-7 (pid 4711)" in hive("dispatcher", "start")
    assert "running on ci-7 (pid 4711" in hive("dispatcher", "status")
    assert hive("dispatcher", "status", "-o", "json")["host"] == "ci-7"
    refused = hive("dispatcher", "stop", code=3)
    assert "runs on ci-7 (pid 4711), not on this machine" in refused
    assert "`hive dispatcher stop` there" in refused


def test_nothing_starts_a_cluster_s_dispatcher_but_a_person(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding(dispatcher=STOPPED)
    monkeypatch.setattr(detached, "_spawn", lambda *_: pytest.fail("started by itself"))
    assert "No dispatcher runs, so nothing is started" in hive("dispatch")
    assert "stopped; `hive dispatcher start` starts it" in hive("dispatcher", "status")


def test_one_that_vanished_here_is_not_waited_for(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Dispatcher(DispatcherState.RUNNING, 2**22 + 1, scene.NOW, None, "1", detached.this_host())
    holding(dispatcher=gone)
    monkeypatch.setattr(detached, "STOP_SECONDS", 0.0)
    assert "is not there any more" in hive("dispatcher", "stop", code=1)


@pytest.fixture
def slow_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """What is started as a dispatcher: it lives, and is in no hurry."""
    with subprocess.Popen(["sleep", "600"]) as process:
        monkeypatch.setattr(detached, "_spawn", lambda *_: process)
        monkeypatch.setattr(detached, "REMOTE_POLL_SECONDS", 0.01)
        yield process
        process.kill()


def test_a_cluster_that_is_slow_to_answer_keeps_none_from_beginning(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch, slow_one: subprocess.Popen[bytes]
) -> None:
    holding(dispatcher=STOPPED)
    begun = Dispatcher(DispatcherState.RUNNING, slow_one.pid, scene.NOW, None, "1", detached.this_host())
    answers: list[Dispatcher | HiveError] = [STOPPED, SourceError("no answer within 10 s"), STOPPED, begun]

    def state(fleet: OpenFleet) -> Dispatcher:
        answer = answers.pop(0)
        if isinstance(answer, HiveError):
            raise answer
        return answer

    monkeypatch.setattr("hive_tui.detached.dispatcher_state", state)
    assert f"The dispatcher started (pid {slow_one.pid})." in hive("dispatcher", "start")


def test_one_that_is_slow_to_begin_is_no_failure(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch, slow_one: subprocess.Popen[bytes]
) -> None:
    holding(dispatcher=STOPPED)
    monkeypatch.setattr(detached, "START_SECONDS", 0.05)
    said = hive("dispatcher", "start")
    assert f"The dispatcher started (pid {slow_one.pid}). It takes long to begin" in said
    assert "dispatcher.log" in said
    assert hive("dispatcher", "start", "-o", "json")["state"] == "unknown"


def test_its_state_is_read_without_the_tracker(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding()
    fleet = open_fleet(config.load(), "work")
    monkeypatch.setattr(type(fleet), "_read_forge", lambda *_: pytest.fail("the tracker was asked"))
    assert detached.dispatcher_state(fleet).host == "ci-7"
    assert msgspec.structs.asdict(STOPPED)["host"] is None


# The configuration


def test_slots_are_set_in_the_cluster_too(hive: Hive, holding: Any) -> None:
    holding()
    hive("config", "set", "fleets.work.slots", "7")
    assert c.Pods.last is not None
    assert ("slots", 7) in c.Pods.last.told


def test_a_cluster_that_does_not_take_them_keeps_its_own(
    hive: Hive, holding: Any, pods: dict[str, Any]
) -> None:
    holding()
    pods["refuses"] = True
    said = hive("config", "set", "fleets.work.slots", "7")
    assert "keeps what it has: The database is locked." in said
    assert config.load().fleet("work").slots == 7


def test_pods_of_a_fleet_that_is_there_are_not_changed_by_the_file(hive: Hive, holding: Any) -> None:
    holding()
    said = hive("config", "set", "fleets.work.kubernetes.worker.image", "hive-agent:2")
    assert "`kubectl edit fleet work`" in said


def test_the_patience_that_is_asked_for_is_the_cluster_s(
    hive: Hive, holding: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding()
    asked: list[float] = []
    read = c.Pods.read

    def look(self: c.Pods, *, seconds: float) -> Any:
        asked.append(seconds)
        return read(self, seconds=seconds)

    monkeypatch.setattr(c.Pods, "read", look)
    hive("top", "--once", "--timeout", "60")
    hive("top", "--once")
    assert asked == [60.0, 10.0]
