"""The local cluster beyond its contract: races of real processes, last words, logs on disk, secrets."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.clusters.event_log import LogReader, LogWriter
from backends.clusters.local import LocalCluster, exchange, launch, rows
from backends.clusters.local.host import LocalHost
from backends.clusters.local.places import place
from backends.clusters.local.watching import Observer
from backends.database import Database
from hive_tui.core.errors import ClaimLost, NoSlot, Refused, RunEnded, SourceError, StoreError
from hive_tui.core.events import LogLine, Raw, Said
from hive_tui.core.ids import AgentName, RunId, WorkerName
from hive_tui.core.model import (
    Actor,
    ActorKind,
    Claim,
    ControlKind,
    DispatcherState,
    Phase,
    Process,
    Run,
    RunStatus,
)
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import AgentSettings, FleetSettings
from hive_tui.core.sources import Changed, Item
from hive_tui.system import flock, processes
from tests.contract.conftest import REPO, fleet_of, get_run, job, key, start
from tests.fakes.offspring import offspring
from tests.waiting import until

ANNA = Actor(ActorKind.PERSON, "anna")
AT = datetime(2026, 3, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def context(tmp_path: Path) -> BackendContext:
    return BackendContext("test", tmp_path / "fleet", FleetSettings(), "me")


@pytest.fixture
def cluster(context: BackendContext) -> Iterator[LocalCluster]:
    cluster = LocalCluster(context)
    yield cluster
    cluster.close()


@contextmanager
def runner(home: Path, run: RunId) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is this run, until the end of the block at the latest."""
    command = [sys.executable, "-m", "tests.fakes.idle_runner", "local", str(home), run]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class TestRaces:
    def test_each_claim_has_one_winner_among_processes(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        wins = race(context.home, "claims")
        assert sorted(number for _, number in wins) == list(range(20))
        for name, number in wins:
            claim = cluster.get_claim(key(number))
            assert claim is not None
            assert claim.holder == str(name)

    def test_slots_are_never_more_than_there_are(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        cluster.set_slots(7)
        wins = race(context.home, "slots")
        assert len(wins) == 7
        assert len(fleet_of(cluster).slots_used) == 7

    def test_of_many_registrations_one_counts(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        wins = race(context.home, f"register {run}")
        assert len(wins) == 1

    def test_of_many_starts_one_makes_a_process(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        wins = race(context.home, f"start {run}")
        assert len(wins) == 1
        until(lambda: get_run(cluster, run).status.phase.final and not held(context, run))
        registered = [line for line in list(cluster.logs(run)) if line.n == 1]
        assert len(registered) <= 1


class TestStarting:
    def test_somebody_looking_at_the_lock_does_not_stop_a_start(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        path.touch()
        with offspring().Pool(2) as pool:
            looking = pool.map_async(_look, [path] * 2)
            for _ in range(200):
                fd = flock.hold(path)
                assert fd is not None
                os.close(fd)
            looking.wait(60)

    def test_a_runner_gets_no_secret_but_its_agents(
        self, cluster: LocalCluster, context: BackendContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        secrets = (
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "SSH_AUTH_SOCK",
            "KUBECONFIG",
            "AWS_SECRET_ACCESS_KEY",
            "OPENAI_API_KEY",
        )
        for name in (*secrets, "ANTHROPIC_API_KEY", "LC_TIME", "PYTHONPATH", "GIT_DIR"):
            monkeypatch.setenv(name, "x")
        work = job()
        agent = msgspec.structs.replace(work.agent, credentials=("ANTHROPIC_API_KEY",))
        run = start(cluster, msgspec.structs.replace(work, agent=agent))
        called: dict[str, Any] = {}

        class Child:
            pid = os.getpid()

            def poll(self) -> int:
                return 0

        def popen(command: list[str], **options: Any) -> Child:
            called.update(options, command=command)
            return Child()

        monkeypatch.setattr(subprocess, "Popen", popen)
        assert cluster.start_run(run)
        env = called["env"]
        assert not set(secrets) & set(env)
        assert not {"PYTHONPATH", "GIT_DIR"} & set(env)
        assert (env["ANTHROPIC_API_KEY"], env["LC_TIME"], env["PATH"]) == ("x", "x", os.environ["PATH"])
        assert called["cwd"] == place(context.home, run).folder
        assert called["start_new_session"]
        assert called["command"][1] == "-P", "the work tree's modules are not hive's"
        assert "x" not in called["command"]

    def test_a_runner_that_died_before_it_registered_is_gone_not_queued(
        self, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = start(cluster, job())
        monkeypatch.setattr(sys, "executable", "/bin/false")
        assert cluster.start_run(run)
        seen = until(lambda: found if (found := get_run(cluster, run)).process is Process.GONE else None)
        assert seen.phase is Phase.LOST
        launch.reap()

    def test_without_an_interpreter_the_run_stays_queued(
        self, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = start(cluster, job())
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(SourceError, match="cannot be started"):
            cluster.start_run(run)
        assert get_run(cluster, run).process is Process.NONE

    def test_without_the_lock_nobody_registers(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        with locked(context, run):
            assert race(context.home, f"register {run}", processes_count=1) == []
        assert get_run(cluster, run).status.phase is Phase.QUEUED


class TestWaiting:
    def parked(self, cluster: LocalCluster, until_when: datetime | None) -> RunId:
        run = start(cluster, job())
        status = RunStatus(
            Phase.WAITING,
            since=AT,
            why="quota",
            until=until_when,
            agent_problem="quota",
            session="s-1",
            started_at=AT,
        )
        cluster.host(run).report(status)
        return run

    def test_a_parked_run_has_no_process_and_is_not_lost(self, cluster: LocalCluster) -> None:
        run = get_run(cluster, self.parked(cluster, AT))
        assert (run.process, run.phase) == (Process.NONE, Phase.WAITING)

    def test_it_is_started_again_when_the_dispatcher_says_so(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        """Before its time too: a person who lifts an agent's limit knows more than its message did."""
        run = self.parked(cluster, datetime.now(UTC) + timedelta(hours=1))
        assert cluster.start_run(run)
        until(lambda: get_run(cluster, run).status.phase.final and not held(context, run))

    def test_it_goes_on_with_what_it_knew(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = self.parked(cluster, AT)
        resumed = cluster.host(run).register()
        assert resumed.resume is not None
        assert resumed.resume.session == "s-1"
        status = get_run(cluster, run).status
        assert (status.phase, status.session, status.until, status.agent_problem) == (
            Phase.STARTING,
            "s-1",
            None,
            None,
        )
        assert status.started_at == AT

    def test_it_needs_a_slot_again(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = self.parked(cluster, AT)
        cluster.release_slot(run)
        assert not cluster.start_run(run)
        cluster.take_slot(WorkerName("claude-a"), run)
        assert cluster.start_run(run)
        until(lambda: get_run(cluster, run).status.phase.final and not held(context, run))

    def test_a_stop_ends_it_at_once(self, cluster: LocalCluster) -> None:
        run = self.parked(cluster, AT)
        cluster.control(run, ControlKind.STOP, ANNA)
        assert get_run(cluster, run).status.phase is Phase.KILLED
        assert not cluster.start_run(run)

    def test_one_that_waited_for_an_answer_and_died_is_lost(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        run = start(cluster, job())
        with runner(context.home, run):
            LocalCluster(context).host(run).report(RunStatus(Phase.WAITING, why="asks: which one?"))
            assert get_run(cluster, run).phase is Phase.WAITING
        assert get_run(cluster, run).phase is Phase.LOST


class TestLastWord:
    def test_a_locked_database_does_not_lose_it(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        host = impatient(context, run)
        with sqlite3.connect(context.home / "fleet.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            host.report(RunStatus(Phase.SUCCEEDED, head="a" * 40))
            other.execute("ROLLBACK")
        other.close()
        with cluster._database.writing() as connection:
            connection.execute(
                "UPDATE runs SET process = ?", (rows.encode(processes.ProcessId(1, "gone", "x")),)
            )
        seen = get_run(cluster, run)
        assert (seen.status.phase, seen.status.head) == (Phase.SUCCEEDED, "a" * 40)
        assert not cluster.recover_run(run)
        cluster.settle_run(run)
        (place(context.home, run).folder / "record.json").unlink()
        assert get_run(cluster, run).status.phase is Phase.SUCCEEDED, "settling wrote it down"

    def test_its_issue_is_free_though_only_the_folder_knows(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        run = start(cluster, job())
        place(context.home, run).folder.mkdir(parents=True)
        place(context.home, run).write_record(RunStatus(Phase.FAILED, why="tests fail"))
        with cluster._database.writing() as connection:
            rows.write_status(connection, run, RunStatus(Phase.FINISHING))
            rows.write_process(connection, run, processes.ProcessId(1, "gone", "x"))
        claim = cluster.get_claim(key(1))
        assert claim is not None
        cluster.put_claim(msgspec.structs.replace(claim, run=None), expected=claim.version)
        cluster.release_slot(run)
        assert fleet_of(cluster).slots_used == ()
        assert get_run(cluster, run).status.phase is Phase.FAILED

    def test_a_late_one_is_written_with_the_next_look_at_orders(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        run = start(cluster, job())
        host = impatient(context, run)
        with sqlite3.connect(context.home / "fleet.db", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            host.report(RunStatus(Phase.WORKING, session="s-2"))
            other.execute("ROLLBACK")
        other.close()
        assert get_run(cluster, run).status.session is None
        host.controls(0)
        assert get_run(cluster, run).status.session == "s-2"

    def test_a_full_disk_does_not_fail_the_run(
        self, cluster: LocalCluster, context: BackendContext, monkeypatch: pytest.MonkeyPatch, capfd: Any
    ) -> None:
        run = start(cluster, job())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        host = impatient(context, run)
        monkeypatch.setattr(os, "replace", full)
        host.report(RunStatus(Phase.FAILED, why="tests fail"))
        assert get_run(cluster, run).status.why == "tests fail"
        assert "No space left" in capfd.readouterr().err

    def test_finished_work_is_pushed_though_the_database_cannot_be_read(
        self, cluster: LocalCluster, context: BackendContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = start(cluster, job())
        host = impatient(context, run)
        registered = host.register()
        pushed = []
        monkeypatch.setattr(exchange, "push", lambda *arguments: pushed.append(arguments))
        (context.home / "fleet.db").unlink()
        host.push(context.home, registered.repo, "a" * 40, registered.spec.branch)
        assert [arguments[-1] for arguments in pushed] == [registered.spec]

    def test_a_damaged_record_is_no_record(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        with runner(context.home, run):
            pass
        (place(context.home, run).folder / "record.json").write_bytes(b'{"phase": "succ')
        assert get_run(cluster, run).phase is Phase.LOST


class TestLogFile:
    def line(self, n: int, text: str = "hello") -> LogLine:
        return LogLine(n, AT, Said(text=text))

    def test_a_half_line_is_left_until_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        whole = msgspec.json.encode(self.line(1)) + b"\n"
        path.write_bytes(whole[:-5])
        reader = LogReader(path)
        assert list(reader.read()) == []
        path.write_bytes(whole)
        assert list(reader.read()) == [self.line(1)]
        assert list(reader.read()) == []

    def test_a_file_that_is_cut_off_replaced_or_gone_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"

        def write(first: int, last: int) -> None:
            lines = (msgspec.json.encode(self.line(n)) + b"\n" for n in range(first, last + 1))
            path.write_bytes(b"".join(lines))

        reader = LogReader(path)
        assert list(reader.read()) == []
        write(1, 5)
        assert [line.n for line in reader.read()] == [1, 2, 3, 4, 5]
        write(4, 6)
        assert [line.n for line in reader.read()] == [6]
        path.rename(tmp_path / "rotated")
        assert list(reader.read()) == []
        write(7, 30)
        assert [line.n for line in reader.read()] == list(range(7, 31))

    def test_why_a_log_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="cannot be read: Is a directory"):
            list(LogReader(tmp_path).read())

    def test_what_a_kill_left_is_cut_off_by_the_next_runner(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_bytes(msgspec.json.encode(self.line(1)) + b'\n{"n":2,"at":' + b"x" * 200_000)
        reader = LogReader(path)
        assert [line.n for line in reader.read()] == [1]
        writer = LogWriter(path)
        writer.append([self.line(2), self.line(3)])
        writer.close()
        assert [line.n for line in reader.read()] == [2, 3]
        assert [line.n for line in LogReader(path).read()] == [1, 2, 3]

    def test_a_file_that_is_only_a_half_line_becomes_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        path.write_bytes(b'{"n":1')
        writer = LogWriter(path)
        writer.append([self.line(1)])
        writer.close()
        assert list(LogReader(path).read()) == [self.line(1)]

    def test_rubbish_and_unknown_events_end_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "events.jsonl"
        newer = {"n": 2, "at": "2026-03-01T00:00:00Z", "event": {"kind": "dream", "text": "\x1b[2Jsheep"}}
        lines = [
            msgspec.json.encode(self.line(1)),
            json.dumps(newer).encode(),
            b"\xff\xfe not json",
            b"",
            b"[1, 2]",
            msgspec.json.encode(self.line(3)),
        ]
        path.write_bytes(b"\n".join(lines) + b"\n")
        first, second, third = LogReader(path).read()
        assert (first.n, second.n, third.n) == (1, 2, 3)
        assert isinstance(second.event, Raw)
        assert "sheep" in second.event.text
        assert "\x1b" not in second.event.text

    def test_a_full_disk_leaves_no_half_batch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "events.jsonl"
        writer = LogWriter(path)
        writer.append([self.line(1)])
        write = os.write
        calls: list[int] = []

        def filling(fd: int, data: Any) -> int:
            calls.append(fd)
            if len(calls) == 1:
                return write(fd, bytes(data)[:20])
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", filling)
            with pytest.raises(OSError, match="No space"):
                writer.append([self.line(2), self.line(3)])
        writer.append([self.line(2)])
        writer.close()
        assert [line.n for line in LogReader(path).read()] == [1, 2]

    def test_the_host_says_that_the_disk_is_full(
        self, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = cluster.host(start(cluster, job()))

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StoreError, match="No space"):
            host.append([self.line(1)])


class TestDispatcher:
    def test_one_that_was_killed_is_dead_and_can_be_replaced(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        code = (
            "import sys, time; from pathlib import Path;"
            "from backends.clusters.local import LocalCluster;"
            "from hive_tui.core.ports import BackendContext;"
            "from hive_tui.core.settings import FleetSettings;"
            "c = LocalCluster(BackendContext('test', Path(sys.argv[1]), FleetSettings(), 'me'));"
            "c.hold_dispatch('1'); print('ready', flush=True); time.sleep(600)"
        )
        command = [sys.executable, "-c", code, str(context.home)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            with pytest.raises(Refused, match=str(process.pid)):
                cluster.hold_dispatch("1")
            assert fleet_of(cluster).dispatcher.state is DispatcherState.RUNNING
            process.kill()
        assert fleet_of(cluster).dispatcher.state is DispatcherState.DEAD
        assert fleet_of(cluster).dispatcher.pid == process.pid
        cluster.hold_dispatch("1").release()
        assert fleet_of(cluster).dispatcher.state is DispatcherState.STOPPED

    def test_one_whose_lock_was_deleted_stops(self, cluster: LocalCluster, context: BackendContext) -> None:
        first = cluster.hold_dispatch("1")
        (context.home / "dispatcher.lock").unlink()
        second = cluster.hold_dispatch("2")
        second.beat()
        with pytest.raises(Refused, match="not the fleet's any more"):
            first.beat(decided_at=AT)
        first.release()
        assert fleet_of(cluster).dispatcher.version == "2"
        assert fleet_of(cluster).dispatcher.state is DispatcherState.RUNNING
        second.release()

    def test_one_whose_row_is_gone_writes_it_again(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        lease = cluster.hold_dispatch("1")
        with cluster._database.writing() as connection:
            connection.execute("DELETE FROM dispatcher")
        assert fleet_of(cluster).dispatcher.pid is None
        lease.beat()
        assert fleet_of(cluster).dispatcher.pid == os.getpid()
        lease.release()

    def test_a_lease_that_cannot_be_written_is_not_held(self, context: BackendContext) -> None:
        context.home.mkdir()
        (context.home / "fleet.db").write_bytes(b"nonsense" * 1000)
        with pytest.raises(StoreError):
            LocalCluster(context).hold_dispatch("1")
        assert not flock.held(context.home / "dispatcher.lock")


class TestSettings:
    def test_the_configuration_counts_until_the_fleet_has_worked(self, context: BackendContext) -> None:
        def slots(number: int) -> int:
            settings = FleetSettings(slots=number)
            return fleet_of(LocalCluster(msgspec.structs.replace(context, settings=settings))).slots

        assert (slots(2), slots(5)) == (2, 5)
        LocalCluster(context).take_slot(WorkerName("claude-a"), RunId("r"))
        assert slots(5) == 2

    def test_agents_are_those_of_the_configuration(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        cluster.set_agent_enabled(AgentName("claude"), False)
        more = FleetSettings(agents=(*context.settings.agents, AgentSettings(AgentName("codex"))))
        agents = fleet_of(LocalCluster(msgspec.structs.replace(context, settings=more))).agents
        assert [(agent.name, agent.enabled) for agent in agents] == [("claude", False), ("codex", True)]


class TestCost:
    def test_a_hundred_live_runs_cost_little_to_watch(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        cluster.set_slots(100)
        locks = []
        for number in range(1, 101):
            run = start(cluster, job(number, worker=f"claude-{number}"))
            locks.append(flock.hold(place(context.home, run).lock))
        observer = Observer("cluster", context)
        with cluster._database.reading() as connection:
            items = observer.source.items(connection)
        assert all(item.process is Process.ALIVE for item in items if isinstance(item, Run))
        used = min(timed(observer) for _ in range(5))
        for fd in locks:
            assert fd is not None
            os.close(fd)
        assert used / observer.source.tick_seconds < 0.01, (
            "a hundredth of a core, were the machine three times slower"
        )

    def test_deaths_show_without_a_write(self, cluster: LocalCluster, context: BackendContext) -> None:
        run = start(cluster, job())
        with runner(context.home, run):
            observer = Observer("cluster", context)
            with cluster._database.reading() as connection:
                observer.source.items(connection)
            assert looked(observer) == []
        [item] = looked(observer)
        assert isinstance(item, Run)
        assert item.process is Process.GONE
        assert looked(observer) == []


class TestGarbage:
    def test_read_only_folders_and_links_are_no_obstacle(self, cluster: LocalCluster, tmp_path: Path) -> None:
        run = start(cluster, job())
        work = cluster.host(run).home / "work"
        (work / "deep").mkdir(parents=True)
        (work / "deep" / "file").write_text("x")
        (tmp_path / "precious").mkdir()
        (tmp_path / "precious" / "file").write_text("mine")
        (work / "link").symlink_to(tmp_path / "precious")
        (work / "deep").chmod(0o500)
        cluster.control(run, ControlKind.STOP, ANNA)
        cluster.settle_run(run)
        assert len(cluster.gc(before=datetime.now(UTC) + timedelta(hours=1), dry_run=False)) == 1
        assert not work.exists()
        assert (tmp_path / "precious" / "file").read_text() == "mine"

    def test_a_run_whose_process_lives_is_left_alone(
        self, cluster: LocalCluster, context: BackendContext
    ) -> None:
        run = start(cluster, job())
        (cluster.host(run).home / "work").mkdir()
        cluster.control(run, ControlKind.STOP, ANNA)
        cluster.settle_run(run)
        with locked(context, run):
            assert cluster.gc(before=datetime.now(UTC) + timedelta(hours=1), dry_run=False) == []


def looked(observer: Observer) -> list[Item]:
    """What the locks say that they did not say before."""
    return [item for event in observer.source.tick() if isinstance(event, Changed) for item in event.items]


def timed(observer: Observer) -> float:
    before = time.thread_time()
    assert looked(observer) == []
    return time.thread_time() - before


def impatient(context: BackendContext, run: RunId) -> LocalHost:
    """A host that does not wait for a database that is locked."""
    return LocalHost(Database(context.home / "fleet.db", busy_seconds=0.05), context, run, patience=0.1)


def held(context: BackendContext, run: RunId) -> bool:
    return flock.held(place(context.home, run).lock)


@contextmanager
def locked(context: BackendContext, run: RunId) -> Iterator[None]:
    fd = flock.hold(place(context.home, run).lock)
    assert fd is not None
    try:
        yield
    finally:
        os.close(fd)


def race(home: Path, what: str, *, processes_count: int = 5) -> list[tuple[int, int]]:
    """Let processes compete; returns (process, number) of each win."""
    context = offspring()
    ready = context.Barrier(processes_count)
    wins: multiprocessing.queues.Queue[tuple[int, int] | None] = context.Queue()
    racers = [
        context.Process(target=_race, args=(home, what, n, ready, wins)) for n in range(processes_count)
    ]
    for racer in racers:
        racer.start()
    found: list[tuple[int, int]] = []
    ended = 0
    while ended < processes_count:
        win = wins.get(timeout=60)
        if win is None:
            ended += 1
        else:
            found.append(win)
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    return found


def _race(home: Path, what: str, name: int, ready: Any, wins: Any) -> None:
    cluster = LocalCluster(BackendContext("test", home, FleetSettings(), "me"))
    ready.wait()
    verb, _, run = what.partition(" ")
    for number in range(20 if verb in ("claims", "slots") else 1):
        try:
            if verb == "claims":
                cluster.put_claim(Claim(REPO, number, version=0, holder=str(name)), expected=None)
            elif verb == "slots":
                cluster.take_slot(WorkerName(f"claude-{name}-{number}"), RunId(f"r-{name}-{number}"))
            elif verb == "register":
                cluster.host(RunId(run)).register()
            elif not cluster.start_run(RunId(run)):
                continue
        except (ClaimLost, NoSlot, RunEnded):
            continue
        wins.put((name, number))
    if verb == "register":
        ready.wait()
    wins.put(None)


def _look(path: Path) -> None:
    for _ in range(20_000):
        flock.held(path)
