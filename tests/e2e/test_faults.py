"""What the machine lacks, on whole hives: nothing is lost, no attempt is spent, the next step is said."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest

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
    assert shop.runs() == []
    shop.hive("dispatcher", "stop")
    shop.env["PATH"] = path
    shop.hive("dispatcher", "start")
    shop.wait("a pull request", lambda: shop.snapshot()["pull_requests"])
    assert [run["attempt"] for run in shop.runs()] == [1]


class DeafLease:
    """A lease whose row cannot be written at first."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self, *, decided_at: datetime | None = None) -> None:
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
