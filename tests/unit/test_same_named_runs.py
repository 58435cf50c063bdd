"""Two fleets may serve repositories of one name, so their runs are called the same: neither ends the
other's processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backends.clusters.local.sandbox import LocalProcess, LocalSandbox
from hive_tui.system import processes

RUN = f"pocket-test{os.getpid()}-i1-a1"
SLEEP = (sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(60)")


def until_up(out: Path) -> None:
    """Until it runs: the environment of a process that is only about to cannot be read."""
    deadline = time.monotonic() + 20
    while out.read_bytes() != b"up\n":
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.005)


class Side:
    """A run's agent side with one process that sleeps."""

    def __init__(self, folder: Path) -> None:
        work = folder / "runs" / RUN / "work"
        work.mkdir(parents=True)
        self.sandbox = LocalSandbox(work, RUN)
        out = folder / "out"
        self.process: LocalProcess = self.sandbox.start(SLEEP, env={}, stdout=out, stderr=out)
        until_up(out)


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    both = Side(tmp_path / "one"), Side(tmp_path / "two")
    yield both
    for side in both:
        side.process.end_group()


def test_a_run_ends_its_own_processes_only(sides: tuple[Side, Side]) -> None:
    one, two = sides
    assert len(processes.carrying("HIVE_RUN", RUN)) == 2
    LocalSandbox(one.sandbox.workdir, RUN).end_everything(grace=timedelta(seconds=1))
    assert one.process.wait(10) is not None
    assert two.process.poll() is None
    assert len(processes.carrying("HIVE_RUN", RUN)) == 1


def test_a_process_that_dropped_the_folder_is_found_by_the_run(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    sandbox = LocalSandbox(work, f"{RUN}-bare")
    command = ["/usr/bin/env", "-u", "HIVE_RUN_HOME", *SLEEP]
    process = sandbox.start(command, env={}, stdout=tmp_path / "out", stderr=tmp_path / "out")
    try:
        until_up(tmp_path / "out")
        LocalSandbox(work, f"{RUN}-bare").end_everything(grace=timedelta(seconds=1))
        assert process.wait(10) is not None
    finally:
        process.end_group()
