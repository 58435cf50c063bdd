"""What the machine lacks, on whole hives: nothing is lost, no attempt is spent, the next step is said."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from backends.database import fleet_database
from hive_tui import config
from hive_tui.core.errors import SourceError, StoreError
from hive_tui.dispatcher import Dispatcher
from hive_tui.fleet import OpenFleet, open_fleet
from tests.fakes.workshop import Workshop
from tests.waiting import until

pytestmark = pytest.mark.e2e


def texts(shop: Workshop, kind: str) -> list[str]:
    return [event["text"] for event in shop.snapshot()["events"] if event["kind"] == kind]


def test_without_git_nothing_is_started_and_no_attempt_is_spent(shop: Workshop, tmp_path: Path) -> None:
    shop.init()
    shop.scenario("default", [{"write": {"path": "a.txt", "text": "1\n"}}, {"commit": "Add a"}])
    shop.issue("Add a")
    path = shop.env["PATH"]
    shop.env["PATH"] = str(tmp_path / "nothing here")
    shop.hive("dispatcher", "start")
    (said,) = shop.wait("the reason", lambda: texts(shop, "error"))
    assert said.startswith("nothing is started: git is not installed. Install git")
    shop.wait(
        "what needs somebody", lambda: [item["text"] for item in shop.snapshot()["attention"]] == [said]
    )
    assert said in shop.hive("dispatcher", "status")
    assert shop.runs() == []
    shop.hive("dispatcher", "stop")
    shop.env["PATH"] = path
    shop.hive("dispatcher", "start")
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    assert [run["attempt"] for run in shop.runs()] == [1]
    assert shop.snapshot()["fleet"]["dispatcher"]["held"] is None


class DeafLease:
    """A lease whose row cannot be written at first."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self, *, decided_at: datetime | None = None, held: str | None = None) -> None:
        self.beats += 1
        if self.beats < 3:
            raise StoreError("No space left.")

    def release(self) -> None:
        return


@pytest.fixture
def fleet(hive_home: Path) -> OpenFleet:
    return open_fleet(config.load(), "local")


def test_a_dispatcher_outlives_a_beat_that_cannot_be_written(
    fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = DeafLease()
    monkeypatch.setattr(fleet.cluster, "hold_dispatch", lambda version: lease)
    monkeypatch.setattr("hive_tui.dispatcher.TICK", 0.01)
    monkeypatch.setattr("hive_tui.dispatcher.BEAT", -datetime.resolution)
    dispatcher = Dispatcher(fleet)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        until(lambda: lease.beats > 3)
    finally:
        dispatcher.stop()
        thread.join(10)
        fleet.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to write to")
@pytest.mark.parametrize(
    "call",
    [
        ("hive_tui.dispatcher", "--fleet", "nobody"),
        ("hive_tui.runner", "--cluster", "local", "--fleet", "local", "--home", "{home}", "no-run-i1-a1"),
    ],
    ids=["dispatcher", "runner"],
)
def test_a_full_disk_behind_its_log_does_not_end_a_process(call: tuple[str, ...], hive_home: Path) -> None:
    with fleet_database(hive_home).writing():
        pass  # there is a fleet, which does not know the run
    with open("/dev/full", "w", encoding="utf-8") as full:
        arguments = [word.format(home=hive_home) for word in call]
        done = subprocess.run(
            [sys.executable, "-P", "-m", *arguments], stdout=full, stderr=full, timeout=60, check=False
        )
    assert done.returncode == 2, "the exit code of what it wanted to say"


def test_a_full_disk_stops_starts(fleet: OpenFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.home.mkdir(parents=True, exist_ok=True)
    fleet.cluster.check_ready()
    monkeypatch.setattr("hive_tui.system.disk.LEAST_FREE", 1 << 80)
    with pytest.raises(SourceError, match="MB are free") as caught:
        fleet.cluster.check_ready()
    assert "hive gc" in (caught.value.hint or "")
    fleet.close()


WORK: list[dict[str, Any]] = [
    {"write": {"path": "a.txt", "text": "1\n"}},
    {"commit": "Add a"},
    {"pause": 1.0},
    {"write": {"path": "b.txt", "text": "2\n"}},
]


def begin(shop: Workshop) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add a")
    shop.hive("dispatcher", "start")
    shop.wait("work", lambda: "Add a" in shop.call("logs", "1").stdout)


def test_a_base_that_is_gone_hands_the_finished_work_to_a_person(shop: Workshop) -> None:
    begin(shop)
    shop.git("checkout", "-q", "-b", "elsewhere")
    shop.git("branch", "-q", "-D", "main")
    shop.wait("the end", lambda: shop.snapshot()["issues"][0]["state"] == "needs-human")
    said = shop.hive("issue", "show", "1")
    assert "no pull request can be opened: `kay/shop has no branch main. Push it first.`" in said
    assert "hive/issue-1-a1" in said
    assert shop.git("show", "hive/issue-1-a1:b.txt") == "2"
    assert shop.snapshot()["fleet"]["slots"]["used"] == 0


def test_a_repository_that_was_moved_away_spends_no_attempt(shop: Workshop) -> None:
    shop.init()
    shop.scenario("default", WORK)
    shop.issue("Add a")
    away = shop.repository.with_name("away")
    here = shop.repository
    here.rename(away)
    shop.repository = away
    shop.hive("dispatcher", "start")
    said = shop.wait("the reason", lambda: [text for text in texts(shop, "error") if "nothing" in text])
    assert "does not exist" in said[0]
    assert "hive doctor" in said[0]
    assert shop.runs() == []
    away.rename(here)
    shop.repository = here
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    assert [run["attempt"] for run in shop.runs()] == [1]


def test_a_run_whose_folder_was_deleted_is_lost_and_tried_again(shop: Workshop) -> None:
    begin(shop)
    (folder,) = (shop.fleet_home() / "runs").iterdir()
    shutil.rmtree(folder, ignore_errors=True)
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    phases = [(run["attempt"], run["phase"]) for run in shop.runs()]
    assert phases[-1] == (2, "succeeded")
    assert phases[0][1] in ("lost", "failed")
    shop.wait("quiet", lambda: not shop.runner_pids())


def test_the_users_gc_takes_nothing_from_a_run(shop: Workshop) -> None:
    begin(shop)
    shop.git("commit", "-q", "--amend", "--allow-empty", "-m", "Begin anew")
    shop.git("gc", "-q", "--prune=now")
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    assert [run["phase"] for run in shop.runs()] == ["succeeded"]
    shop.git("fsck", "--strict")
