"""A runner's link to its AgentRun: who may be the run, what is written of it and when, and its orders."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from backends.clusters.event_log import LogReader
from backends.clusters.kubernetes import host as hosts
from backends.clusters.kubernetes import reporting, run_status
from backends.clusters.kubernetes.errors import Forbidden
from backends.clusters.kubernetes.host import KubernetesHost
from backends.clusters.kubernetes.objects import NOT_REGISTERED, AgentRunStatus, PodClaim
from backends.clusters.kubernetes.reporting import Reporting
from hive_tui.core.errors import GitError, Refused, RunEnded, SourceError
from hive_tui.core.events import LogLine, Note
from hive_tui.core.model import ControlKind, Phase, RunStatus, Step, Tokens, Usage
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.system import git
from tests.fakes import run_host
from tests.fakes.one_run import OneRun
from tests.fakes.run_host import meanwhile
from tests.waiting import until

FORBIDDEN = Forbidden("The cluster forbids to get agentruns.hive.dev.", verb="get", resource="agentruns")
WORK = run_host.job(Path("/nowhere"))
RUN = WORK.spec.id


@pytest.fixture
def store() -> OneRun:
    return OneRun(WORK)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reporting, "RETRY_SECONDS", (0.01, 0.05))
    monkeypatch.setattr(hosts, "TERMINATION_LOG", tmp_path / "termination-log")
    (tmp_path / "termination-log").touch()


def host(store: OneRun, folder: Path, *, pod: str = "pod-1") -> KubernetesHost:
    environ = {"HIVE_OWN": str(folder / pod), "HIVE_POD_NAME": pod, "HIVE_POD_UID": f"uid-{pod}"}
    context = BackendContext("test", folder, FleetSettings(cluster="kubernetes"), "hive")
    return KubernetesHost(store.api, context, RUN, environ=environ)


def line(n: int) -> LogLine:
    return LogLine(n, datetime.now(UTC), Note(text=f"line {n}"))


class TestRegistration:
    def test_the_first_pod_is_the_run(self, store: OneRun, tmp_path: Path) -> None:
        assert host(store, tmp_path).register() == WORK
        assert (store.status.phase, store.status.pod, store.status.starts) == (
            Phase.STARTING,
            PodClaim("pod-1", "uid-pod-1"),
            1,
        )
        assert store.status.started_at is not None
        for pod in ("pod-1", "pod-2"):
            with pytest.raises(RunEnded, match="it is starting"):
                host(store, tmp_path, pod=pod).register()
        assert store.status.pod == PodClaim("pod-1", "uid-pod-1")

    def test_of_many_at_once_one_wins(self, store: OneRun, tmp_path: Path) -> None:
        hosts_ = [host(store, tmp_path, pod=f"pod-{number}") for number in range(8)]
        outcomes: list[bool] = []

        def register(one: KubernetesHost) -> None:
            try:
                one.register()
                outcomes.append(True)
            except RunEnded:
                outcomes.append(False)

        threads = [meanwhile(lambda one=one: register(one)) for one in hosts_]  # type: ignore[misc]
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 7 + [True]
        assert store.status.starts == 1

    def test_an_answer_that_was_lost_is_no_refusal(self, store: OneRun, tmp_path: Path) -> None:
        store.losing = 1
        assert host(store, tmp_path).register() == WORK
        assert store.status.starts == 1

    def test_an_api_server_that_is_away_is_waited_for(self, store: OneRun, tmp_path: Path) -> None:
        store.down.set()
        threading.Timer(0.3, store.down.clear).start()
        assert host(store, tmp_path).register() == WORK

    def test_a_right_that_is_missing_is_named_once_and_waited_for(
        self, store: OneRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store.refusing = FORBIDDEN

        def grant() -> None:
            store.refusing = None

        threading.Timer(0.8, grant).start()
        assert host(store, tmp_path).register() == WORK
        assert capsys.readouterr().err.count("not registered yet: The cluster forbids to get agentruns") == 1

    def test_one_that_is_not_let_in_says_so_and_leaves(
        self, store: OneRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hosts, "REGISTER_SECONDS", 0.2)
        store.refusing = FORBIDDEN
        with pytest.raises(SourceError, match="forbids to get agentruns") as caught:
            host(store, tmp_path).register()
        assert caught.value.exit_code == NOT_REGISTERED

    def test_a_run_that_waited_goes_on_with_its_numbers(self, store: OneRun, tmp_path: Path) -> None:
        first = host(store, tmp_path)
        first.register()
        first.append([line(1), line(2)])
        parked = RunStatus(Phase.WAITING, agent_problem="usage limit", wip="a" * 40, session="s1")
        first.report(parked)
        second = host(store, tmp_path, pod="pod-2")
        job = second.register()
        assert job.resume == parked
        assert (store.status.phase, store.status.starts, store.status.lines) == (Phase.STARTING, 2, 2)
        (said,) = LogReader(second.home / "events.jsonl").read()
        assert (said.n, said.event) == (3, Note(text="goes on in pod pod-2"))

    @pytest.mark.parametrize("phase", [Phase.KILLED, Phase.LOST, Phase.WORKING])
    def test_what_ended_or_is_at_work_is_not_started(
        self, store: OneRun, tmp_path: Path, phase: Phase
    ) -> None:
        store.write(AgentRunStatus(phase))
        with pytest.raises(RunEnded, match=f"it is {phase.value}"):
            host(store, tmp_path).register()

    def test_what_was_deleted_is_not_started(self, store: OneRun, tmp_path: Path) -> None:
        store.remove()
        with pytest.raises(RunEnded):
            host(store, tmp_path).register()

    def test_nobody_recovers_in_a_pod(self, store: OneRun, tmp_path: Path) -> None:
        with pytest.raises(Refused):
            host(store, tmp_path).register(recover=True)


class TestReports:
    def test_what_people_look_out_for_is_there_at_once(self, store: OneRun, tmp_path: Path) -> None:
        one = host(store, tmp_path)
        one.register()
        for status in (
            RunStatus(Phase.WORKING),
            RunStatus(Phase.WORKING, step=Step.TEST),
            RunStatus(Phase.WORKING, step=Step.TEST, why="looking"),
        ):
            one.report(status)
            assert run_status.plain(store.status) == status

    def test_figures_come_seldom(
        self, store: OneRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reporting, "FIGURES_SECONDS", 0.5)
        one = host(store, tmp_path)
        one.register()
        one.report(RunStatus(Phase.WORKING))
        begun = len(store.writes)
        end = time.monotonic() + 1.2
        count = 0
        while time.monotonic() < end:
            count += 1
            one.report(RunStatus(Phase.WORKING, usage=Usage(Tokens(output=count))))
            time.sleep(0.01)
        until(lambda: store.status.usage.tokens.output == count)
        assert len(store.writes) - begun <= 4

    def test_an_outage_costs_the_run_no_time(self, store: OneRun, tmp_path: Path) -> None:
        one = host(store, tmp_path)
        one.register()
        store.down.set()
        one.report(RunStatus(Phase.WORKING))
        started = time.monotonic()
        for number in range(20):
            one.report(RunStatus(Phase.WORKING, why=f"{number}"))
        assert time.monotonic() - started < 0.5
        store.down.clear()
        until(lambda: store.status.why == "19")

    def test_a_last_word_is_offered_until_it_is_taken(self, store: OneRun, tmp_path: Path) -> None:
        one = host(store, tmp_path)
        one.register()
        store.down.set()
        over = RunStatus(Phase.SUCCEEDED, head="a" * 40, ended_at=datetime.now(UTC))
        word = tmp_path / "termination-log"

        def heal() -> None:
            until(lambda: run_status.adopted(word.read_text()) == over, what="the kubelet has it first")
            assert not store.status.phase.final
            store.down.clear()

        healer = meanwhile(heal)
        one.report(over)
        healer.join()
        assert run_status.plain(store.status) == over
        assert [each.type for each in store.status.conditions] == ["Registered", "Finished", "Succeeded"]

    def test_a_last_word_whose_answer_was_lost_is_written_once(self, store: OneRun, tmp_path: Path) -> None:
        one = host(store, tmp_path)
        one.register()
        store.losing = 1
        before = len(store.writes)
        one.report(RunStatus(Phase.FAILED, why="no"))
        assert (store.status.phase, len(store.writes) - before) == (Phase.FAILED, 1)
        one.report(RunStatus(Phase.WORKING))
        assert store.status.phase is Phase.FAILED

    def test_in_the_end_it_gives_up(self, store: OneRun, tmp_path: Path) -> None:
        store.down.set()
        Reporting(store.api, RUN, tmp_path / "termination-log", patience=0.2).report(RunStatus(Phase.FAILED))
        assert run_status.adopted((tmp_path / "termination-log").read_text()) == RunStatus(Phase.FAILED)

    def test_another_pods_run_is_left_alone(self, store: OneRun, tmp_path: Path) -> None:
        one = host(store, tmp_path)
        one.register()
        theirs = AgentRunStatus(Phase.WORKING, pod=PodClaim("pod-2", "uid-pod-2"), why="theirs")
        store.write(theirs)
        one.report(RunStatus(Phase.SUCCEEDED, head="a" * 40))
        assert store.status == theirs
        with pytest.raises(RunEnded, match="another pod"):
            one.controls(0)


class TestOrders:
    def test_they_come_by_themselves(self, store: OneRun, tmp_path: Path) -> None:
        store.order(ControlKind.MESSAGE, "before")
        one = host(store, tmp_path)
        one.register()
        assert [order.text for order in one.controls(0)] == ["before"]
        store.order(ControlKind.STOP)
        (stop,) = until(lambda: one.controls(1), seconds=5)
        assert (stop.kind, stop.actor.name) == (ControlKind.STOP, "anna")

    def test_who_is_not_registered_asks(self, store: OneRun, tmp_path: Path) -> None:
        store.order(ControlKind.MESSAGE, "hello")
        assert [order.text for order in host(store, tmp_path).controls(0)] == ["hello"]

    @pytest.mark.parametrize("how", ["deleted", "ended"])
    def test_a_run_that_was_ended_from_outside_hears_of_it(
        self, store: OneRun, tmp_path: Path, how: str
    ) -> None:
        one = host(store, tmp_path)
        one.register()
        if how == "deleted":
            store.remove()
        else:
            store.write(msgspec.structs.replace(store.status, phase=Phase.LOST))

        def ended() -> bool:
            try:
                one.controls(0)
            except RunEnded:
                return True
            return False

        until(ended, seconds=5)


class TestLog:
    def test_lines_are_in_the_file_and_on_standard_output(
        self, store: OneRun, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        one = host(store, tmp_path)
        one.append([line(1), line(2)])
        said = [msgspec.json.decode(each, type=LogLine) for each in capfdbinary.readouterr().out.splitlines()]
        assert said == list(LogReader(one.home / "events.jsonl").read())
        assert [each.n for each in said] == [1, 2]


class TestRepository:
    def test_only_a_registered_pod_pushes(self, store: OneRun, tmp_path: Path) -> None:
        with pytest.raises(GitError, match="is not run"):
            host(store, tmp_path).push(tmp_path, WORK.repo, "a" * 40, WORK.spec.branch)

    def test_a_certificate_that_is_not_there_is_not_asked_for(self, store: OneRun, tmp_path: Path) -> None:
        source = run_host.repository(tmp_path / "source", {"a.txt": "1\n"})
        git.run("config", "uploadpack.allowFilter", "true", cwd=source)
        repo = msgspec.structs.replace(
            WORK.repo, source="https://127.0.0.1:9/o/n.git", certificates=str(tmp_path / "absent.crt")
        )
        with pytest.raises(GitError, match="cannot reach"):
            host(store, tmp_path).fetch(tmp_path / "own.git", repo, stop=lambda: True)
