"""The fleet's file when something is wrong with it: each fault has a message, and nothing is overwritten."""

from __future__ import annotations

import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from backends import database as database_module
from backends import local_feed, local_schema
from backends.clusters.local import LocalCluster
from backends.database import Database, fleet_database
from hive_tui.core.errors import StoreError
from hive_tui.core.model import DISPATCHER, Event
from hive_tui.core.ports import BackendContext
from hive_tui.core.settings import FleetSettings
from hive_tui.core.sources import Changed, Listed, SourceEvent, SourceFailed
from tests.fakes.offspring import offspring

EVENT = Event(0, datetime(2026, 3, 1, tzinfo=UTC), DISPATCHER, "start", "hello")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a fleet % # ? ü" / "fleet.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path, busy_seconds=0.1)
    yield database
    database.close()


@pytest.fixture
def cluster(path: Path) -> Iterator[LocalCluster]:
    cluster = LocalCluster(BackendContext("test", path.parent, FleetSettings(), "me"))
    yield cluster
    cluster.close()


def write(database: Database, *repos: object) -> None:
    with database.writing() as connection:
        for repo in repos or ("me/proj",):
            if not isinstance(repo, str):
                raise TypeError
            connection.execute("INSERT INTO numbers (repo, last) VALUES (?, 1)", (repo,))


def repos(database: Database) -> list[str]:
    with database.reading() as connection:
        assert connection is not None
        return [row[0] for row in connection.execute("SELECT repo FROM numbers ORDER BY repo")]


class TestMaking:
    def test_reading_makes_nothing(self, database: Database, path: Path) -> None:
        with database.reading() as connection:
            assert connection is None
        assert not path.parent.exists()

    def test_the_first_write_makes_it_for_its_owner_only(self, database: Database, path: Path) -> None:
        write(database)
        assert repos(database) == ["me/proj"]
        assert path.parent.stat().st_mode & 0o077 == 0

    def test_what_was_committed_survives_the_process(self, database: Database, path: Path) -> None:
        write(database)
        context = offspring()
        child = context.Process(target=_write_and_die, args=(path,))
        child.start()
        child.join()
        assert child.exitcode == -9
        assert repos(database) == ["by/another", "me/proj"]

    def test_an_error_in_a_transaction_undoes_it(self, database: Database) -> None:
        with pytest.raises(TypeError):
            write(database, "first", object())
        assert repos(database) == []

    def test_eight_processes_make_it_together(self, database: Database, path: Path) -> None:
        context = offspring()
        children = [context.Process(target=_write_name, args=(path, str(n))) for n in range(8)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0] * 8
        assert repos(database) == [str(n) for n in range(8)]

    def test_it_appears_whole_or_not_at_all(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = (*local_schema.MIGRATIONS, ("NOT SQL AT ALL",))
        monkeypatch.setattr(database_module, "MIGRATIONS", broken)
        with pytest.raises(StoreError):
            write(database)
        assert list(path.parent.iterdir()) == []


class TestMigrating:
    def test_an_older_file_is_brought_up_to_date(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(database)
        database.close()
        more = (*local_schema.MIGRATIONS, ("ALTER TABLE numbers ADD COLUMN note TEXT DEFAULT 'new'",))
        monkeypatch.setattr(database_module, "MIGRATIONS", more)
        with Database(path).reading() as connection:
            assert connection is not None
            assert connection.execute("SELECT repo, note FROM numbers").fetchall() == [("me/proj", "new")]
            assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)

    def test_a_migration_that_fails_leaves_the_file_as_it_was(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(database)
        database.close()
        broken = (*local_schema.MIGRATIONS, ("CREATE TABLE extra (x)", "NOT SQL AT ALL"))
        monkeypatch.setattr(database_module, "MIGRATIONS", broken)
        with pytest.raises(StoreError):
            write(Database(path), "more")
        monkeypatch.undo()
        assert repos(database) == ["me/proj"]
        with database.reading() as connection:
            assert connection is not None
            assert connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'extra'").fetchone() is None

    def test_a_newer_file_is_refused_and_left(self, database: Database, path: Path) -> None:
        write(database)
        database.close()
        with closing(path) as raw:
            raw.execute("PRAGMA user_version = 99")
        before = path.read_bytes()
        for attempt in (lambda: write(Database(path)), lambda: repos(Database(path))):
            with pytest.raises(StoreError, match="newer hive") as caught:
                attempt()
            assert "Upgrade" in (caught.value.hint or "")
        assert path.read_bytes() == before

    def test_another_programs_database_is_refused_and_left(self, database: Database, path: Path) -> None:
        path.parent.mkdir()
        with closing(path) as raw:
            raw.execute("CREATE TABLE diary (day TEXT)")
        before = path.read_bytes()
        with pytest.raises(StoreError, match="not hive's"):
            write(database)
        assert path.read_bytes() == before


class TestFaults:
    @pytest.mark.parametrize(
        "content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
    )
    def test_a_damaged_file_is_refused_and_left(self, database: Database, path: Path, content: bytes) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        for attempt in (write, repos):
            with pytest.raises(StoreError, match="damaged") as caught:
                attempt(database)
            assert "Keep a copy" in (caught.value.hint or "")
        assert path.read_bytes() == content

    def test_a_file_that_lost_its_content_is_not_made_anew(self, database: Database, path: Path) -> None:
        write(database)
        database.close()
        os.truncate(path, 0)
        for attempt in (write, repos):
            with pytest.raises(StoreError, match="damaged: it is empty") as caught:
                attempt(Database(path))
            assert "Keep a copy" in (caught.value.hint or "")
        assert path.stat().st_size == 0

    def test_pages_damaged_later_are_noticed(self, database: Database, path: Path) -> None:
        for number in range(200):
            write(database, f"repo-{number}" + "x" * 200)
        database.close()
        whole = path.read_bytes()
        path.write_bytes(whole[:4096] + b"\x99" * (len(whole) - 4096))
        with pytest.raises(StoreError, match="damaged"):
            repos(database)
        assert path.stat().st_size == len(whole)

    def test_a_locked_file_says_so_after_a_while(self, database: Database, path: Path) -> None:
        write(database)
        with closing(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                write(database, "more")
            assert repos(database) == ["me/proj"], "readers do not wait"
        write(database, "more")

    def test_a_full_disk_undoes_the_write_and_says_so(self, database: Database, path: Path) -> None:
        write(database)
        with database.writing() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="No space left"):
            write(database, "small", "x" * 100_000)
        assert repos(database) == ["me/proj"]

    def test_a_file_that_cannot_be_written_says_so(self, database: Database, path: Path) -> None:
        # Permissions do not stop root, who runs tests in containers; SQLite's own switch does.
        write(database)
        with database.reading() as connection:
            assert connection is not None
            connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="read-only") as caught:
            write(database, "more")
        assert "HIVE_HOME" in (caught.value.hint or "")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_says_so(self, database: Database, path: Path) -> None:
        path.parent.mkdir(mode=0o500)
        with pytest.raises(StoreError) as caught:
            write(database)
        assert "HIVE_HOME" in (caught.value.hint or "")

    def test_a_disk_that_became_read_only_says_so(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path.parent.mkdir()
        monkeypatch.setattr(os, "access", lambda *_: False)
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        found = database_module.failure(path, error)
        assert found.message == f"{path.parent} is read-only."
        assert "HIVE_HOME" in (found.hint or "")

    @pytest.mark.parametrize(("least", "message"), [(1 << 80, "No space left"), (0, "disk I/O error")])
    def test_a_full_disk_fails_even_a_reader(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, least: int, message: str
    ) -> None:
        path.parent.mkdir()
        monkeypatch.setattr("hive_tui.system.disk.LEAST_FREE", least)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
        assert message in database_module.failure(path, error).message

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError) as caught:
            write(Database(tmp_path / "file" / "fleet.db"))
        assert caught.value.hint

    def test_a_folder_in_place_of_the_file(self, database: Database, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(StoreError):
            write(database)

    def test_a_deleted_file_is_not_made_again_by_who_knew_it(self, database: Database, path: Path) -> None:
        write(database)
        _delete(path)
        for attempt in (write, repos):
            with pytest.raises(StoreError, match="deleted"):
                attempt(database)
        assert not path.exists()
        write(Database(path), "of a new process")
        assert repos(database) == ["of a new process"]

    def test_a_file_that_vanished_from_beside_its_runs_is_no_new_fleet(
        self, database: Database, path: Path
    ) -> None:
        (path.parent / "runs" / "me-proj-1-1").mkdir(parents=True)
        for attempt in (write, repos, Database.connect):
            with pytest.raises(
                StoreError, match=r"not there any more, but runs/ beside it has 1 run\."
            ) as caught:
                attempt(database)
            assert caught.value.hint == "Put it back from a copy, or move runs/ away as well to start anew."
        assert not path.exists()
        (path.parent / "runs" / "me-proj-1-1").rmdir()
        write(database)
        assert repos(database) == ["me/proj"]

    def test_a_file_that_another_made_while_its_runs_were_looked_for_is_read(
        self, database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        look = database_module._runs_beside

        def made_meanwhile(path: Path) -> int:
            monkeypatch.undo()
            write(Database(path), "another's")
            (path.parent / "runs" / "me-proj-1-1").mkdir(parents=True)
            return look(path)

        monkeypatch.setattr(database_module, "_runs_beside", made_meanwhile)
        assert repos(database) == ["another's"]

    def test_a_replaced_file_is_used_from_then_on(
        self, database: Database, path: Path, tmp_path: Path
    ) -> None:
        write(database)
        other = Database(tmp_path / "other" / "fleet.db")
        write(other, "another")
        other.close()
        _delete(path)
        shutil.copy(tmp_path / "other" / "fleet.db", path)
        assert repos(database) == ["another"]


class TestWatching:
    def test_a_change_of_another_process_arrives(self, cluster: LocalCluster, path: Path) -> None:
        cluster.record(EVENT)
        with watching(cluster) as events:
            assert isinstance(events.get(timeout=10), Listed)
            context = offspring()
            child = context.Process(target=_record, args=(path,))
            child.start()
            changed = events.get(timeout=10)
            child.join()
        assert isinstance(changed, Changed)
        [item] = changed.items
        assert isinstance(item, Event)

    def test_deletion_is_reported_and_a_new_file_read(self, cluster: LocalCluster, path: Path) -> None:
        cluster.record(EVENT)
        with watching(cluster) as events:
            assert isinstance(events.get(timeout=10), Listed)
            _delete(path)
            failed = events.get(timeout=10)
            assert isinstance(failed, SourceFailed)
            assert "deleted" in failed.why
            assert failed.retry_at is not None
            still = events.get(timeout=10)
            assert isinstance(still, SourceFailed), "what was known is not taken for nothing"
            assert "deleted" in still.why
            again = LocalCluster(BackendContext("test", path.parent, FleetSettings(slots=9), "me"))
            again.record(EVENT)
            while not isinstance(event := events.get(timeout=10), Listed) or len(event.items) < 2:
                pass
            again.close()

    def test_damage_is_reported_and_tried_again(self, cluster: LocalCluster, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"nonsense" * 1000)
        with watching(cluster) as events:
            for _ in range(2):
                failed = events.get(timeout=10)
                assert isinstance(failed, SourceFailed)
                assert "damaged" in failed.why
            path.unlink()
            while not isinstance(events.get(timeout=10), Listed):
                pass

    def test_a_row_of_another_shape_is_reported_not_fatal(self, cluster: LocalCluster) -> None:
        cluster.record(EVENT)
        with cluster._database.writing() as connection:
            connection.execute("UPDATE events SET doc = ?", (b'{"seq": "from the future"}',))
        with watching(cluster) as events:
            for _ in range(2):
                failed = events.get(timeout=10)
                assert isinstance(failed, SourceFailed)
                assert "cannot read" in failed.why
            with cluster._database.writing() as connection:
                connection.execute("DELETE FROM events")
            while not isinstance(events.get(timeout=10), Listed):
                pass

    def test_a_watcher_far_behind_reads_everything_again(self, cluster: LocalCluster) -> None:
        cluster.record(EVENT)
        reached, go_on = threading.Event(), threading.Event()
        events: queue.Queue[SourceEvent] = queue.Queue()

        def slow(event: SourceEvent) -> None:
            events.put(event)
            if not reached.is_set():
                reached.set()
                go_on.wait(30)

        stop = threading.Event()
        thread = threading.Thread(target=cluster.watch, args=(slow, stop))
        thread.start()
        assert reached.wait(10)
        with cluster._database.writing() as connection:
            for number in range(local_schema.CHANGES_KEPT + 1024):
                connection.execute("INSERT INTO events (doc) VALUES (?)", (_document(number),))
            kept = connection.execute("SELECT count(*) FROM changes").fetchone()[0]
            stored = connection.execute("SELECT count(*) FROM events").fetchone()[0]
        go_on.set()
        first, second = events.get(timeout=10), events.get(timeout=30)
        stop.set()
        thread.join(10)
        assert kept <= local_schema.CHANGES_KEPT + 512
        assert stored <= local_schema.EVENTS_KEPT + 256
        assert isinstance(first, Listed)
        assert isinstance(second, Listed)

    def test_an_idle_watcher_costs_next_to_nothing(self, cluster: LocalCluster) -> None:
        cluster.record(EVENT)
        feed = local_feed._Feed(cluster._database)
        with feed:
            feed.listed(local_feed.Source("x", (), lambda _: (), lambda _, __: ()))
            used = -time.thread_time()
            for _ in range(1000):
                assert feed.changes() == frozenset()
            used += time.thread_time()
        assert used / 1000 * 10 < 0.003, "ten looks a second stay far below 0.3 % of a core"


def _document(number: int) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(EVENT, text=f"event {number}"))


@contextmanager
def closing(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def watching(cluster: LocalCluster) -> Iterator[queue.Queue[SourceEvent]]:
    events: queue.Queue[SourceEvent] = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(target=cluster.watch, args=(events.put, stop))
    thread.start()
    try:
        yield events
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def _delete(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        (path.parent / name).unlink(missing_ok=True)


def _write_and_die(path: Path) -> None:
    write(Database(path), "by/another")
    os.kill(os.getpid(), 9)


def _write_name(path: Path, name: str) -> None:
    write(Database(path), name)


def _record(path: Path) -> None:
    LocalCluster(BackendContext("test", path.parent, FleetSettings(), "me")).record(EVENT)


class TestOneForAll:
    """What reads one fleet in one process shares its database."""

    def test_each_fleet_has_its_own(self, tmp_path: Path) -> None:
        first, again, other = (fleet_database(tmp_path / name) for name in ("one", "one", "two"))
        assert first is again
        assert other is not first
        assert first.path == tmp_path / "one" / "fleet.db"

    def test_who_closes_it_leaves_it_usable_for_the_others(self, tmp_path: Path) -> None:
        first, second = fleet_database(tmp_path), fleet_database(tmp_path)
        with second.writing() as connection:
            first.close()
            connection.execute("SELECT 1")
        with second.reading() as found:
            assert found is not None
        second.close()

    def test_one_whose_file_was_deleted_is_not_given_to_who_begins_anew(self, tmp_path: Path) -> None:
        lost = fleet_database(tmp_path)
        with lost.writing():
            pass
        _delete(lost.path)
        begun = fleet_database(tmp_path)
        with begun.reading() as found:
            assert found is None, "as for any fleet that has no file yet"
        with pytest.raises(StoreError, match="deleted"), lost.reading():
            pass
        lost.close()
