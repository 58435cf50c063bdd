"""What pods of a real cluster said, as hive reads it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from backends.clusters.kubernetes import logs
from hive_tui.core.errors import HiveError, UsageError
from hive_tui.core.events import LogLine, Note, Raw
from hive_tui.core.ids import RunId
from hive_tui.core.model import Phase, RunStatus
from tests.cluster.kube import Namespace
from tests.cluster.speaking import Speaking, work
from tests.fakes.run_host import meanwhile
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def speaking(shared_namespace: Namespace, image: str) -> Speaking:
    return Speaking(shared_namespace, image)


def over(phase: Phase = Phase.SUCCEEDED) -> RunStatus:
    return RunStatus(phase, ended_at=datetime.now(UTC))


class Follower:
    """Somebody who follows a log."""

    def __init__(self, speaking: Speaking, run: RunId, *, after: int = 0) -> None:
        self.lines: list[LogLine] = []
        self.stop = threading.Event()
        self._log = logs.read(speaking.api, run, after=after, follow=True, stop=self.stop)
        self.thread = meanwhile(self._read)

    def _read(self) -> None:
        for line in self._log:
            self.lines.append(line)

    @property
    def numbers(self) -> list[int]:
        return [line.n for line in self.lines]

    def join(self, seconds: float) -> None:
        self.thread.join(seconds)
        assert not self.thread.is_alive()


def test_a_log_goes_on_in_the_next_pod(speaking: Speaking) -> None:
    run = speaking.record(work(1))
    assert list(logs.read(speaking.api, run)) == []
    follower = Follower(speaking, run)
    speaking.pod(run, "one-a", "print('no line of the log'); say(1, 3)")
    speaking.write(run, RunStatus(Phase.STARTING))
    until(lambda: follower.numbers == [1, 2, 3], seconds=60)
    speaking.write(run, RunStatus(Phase.WAITING, agent_problem="usage limit"), lines=3)
    until(lambda: speaking.ended("one-a"), seconds=60)
    assert [line.n for line in logs.read(speaking.api, run)] == [1, 2, 3]
    speaking.pod(run, "one-b", "say(4, 6, rate=2)")
    speaking.write(run, RunStatus(Phase.WORKING))
    until(lambda: 5 in follower.numbers, seconds=60)
    speaking.write(run, over(), lines=6)
    follower.join(30)
    assert follower.numbers == [1, 2, 3, 4, 5, 6]
    assert list(logs.read(speaking.api, run)) == follower.lines
    assert [line.n for line in logs.read(speaking.api, run, after=3)] == [4, 5, 6]
    assert [line.n for line in logs.read(speaking.api, run, after=6, follow=True)] == []


def test_it_stops_when_told_in_whatever_it_waits_for(speaking: Speaking) -> None:
    for issue, script in ((2, None), (3, "say(1, 1); time.sleep(600)"), (4, "time.sleep(600)")):
        run = speaking.record(work(issue))
        if script is not None:
            speaking.pod(run, f"stop-{issue}", script)
            until(lambda issue=issue: speaking.phase(f"stop-{issue}") == "Running", seconds=60)  # type: ignore[misc]
        follower = Follower(speaking, run)
        if issue == 3:
            until(lambda follower=follower: follower.numbers == [1], seconds=30)  # type: ignore[misc]
        began = time.monotonic()
        follower.stop.set()
        follower.join(5)
        assert time.monotonic() - began < 0.5


def test_a_runner_that_broke_at_its_start_is_heard(speaking: Speaking) -> None:
    run = speaking.record(work(5))
    follower = Follower(speaking, run)
    speaking.pod(run, "broken", "raise SystemExit('no such module \\x1b[31m')")
    until(lambda: speaking.ended("broken"), seconds=60)
    speaking.write(run, over(Phase.LOST))
    follower.join(30)
    assert [line.event for line in follower.lines] == [Raw(text="no such module ")]


def test_what_went_with_a_pod_is_said(speaking: Speaking) -> None:
    run = speaking.record(work(6))
    speaking.pod(run, "gone", "say(1, 4); time.sleep(600)")
    speaking.write(run, RunStatus(Phase.WORKING))
    follower = Follower(speaking, run)
    until(lambda: follower.numbers == [1, 2, 3, 4], seconds=60)
    speaking.namespace("delete", "pod", "gone", "--wait=true", "--grace-period=1")
    speaking.write(run, over(Phase.LOST), lines=4)
    follower.join(60)
    assert follower.numbers == [1, 2, 3, 4]
    (note,) = logs.read(speaking.api, run, after=1)
    assert note.n == 4
    assert isinstance(note.event, Note)
    assert note.event.text.startswith("lines 2 to 4 are not there any more")


def test_a_log_that_is_cut_to_its_end_by_the_node_loses_nothing_while_it_is_followed(
    speaking: Speaking,
) -> None:
    count = 60_000
    run = speaking.record(work(7))
    speaking.pod(run, "flood", f"say(1, {count}, rate=6000, size=400)")
    speaking.write(run, RunStatus(Phase.WORKING))
    follower = Follower(speaking, run)
    until(lambda: speaking.ended("flood"), seconds=120)
    speaking.write(run, over(), lines=count)
    follower.join(60)
    assert follower.numbers == list(range(1, count + 1))
    late = list(logs.read(speaking.api, run))
    assert late[-1].n == count
    if len(late) < count:  # how much is kept is the node's to say
        assert isinstance(late[0].event, Note)
        assert late[0].n == late[1].n - 1


def test_only_what_was_started_again_has_previous_words(speaking: Speaking) -> None:
    run = speaking.record(work(8))
    with pytest.raises(UsageError, match="started again"):
        list(logs.previous(speaking.api, run))


def test_an_unknown_run_is_an_error(speaking: Speaking) -> None:
    with pytest.raises(HiveError):
        list(logs.read(speaking.api, RunId("nobody"), follow=True))
