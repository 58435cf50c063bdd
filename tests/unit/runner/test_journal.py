from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hive_tui.core.errors import StoreError
from hive_tui.core.events import LogLine, Said, ToolCall, UsageReport
from hive_tui.core.model import Phase, RunStatus, Step, StepUse, Tokens, Usage
from hive_tui.core.text import Redactor
from hive_tui.runner import journal
from hive_tui.runner.journal import Journal, last_number
from tests.fakes.run_host import FakeHost, job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FullDisk(FakeHost):
    full = False

    def append(self, lines: Sequence[LogLine]) -> None:
        if self.full:
            raise StoreError("No space left.", "Free some.")
        super().append(lines)


def host(tmp_path: Path) -> FullDisk:
    return FullDisk(tmp_path / "home", job(tmp_path))


def test_status_is_reported_at_most_twice_a_second_unless_it_must(tmp_path: Path) -> None:
    place = host(tmp_path)
    writer = Journal(place, RunStatus(), lambda: NOW)
    for number in range(50):
        writer.update(changed_files=number)
        writer.flush()
    assert len(place.reports) == 1
    writer.flush(now=True)
    assert [status.changed_files for status in place.reports] == [0, 49]
    writer.flush(now=True)
    assert len(place.reports) == 2


def test_lines_are_numbered_on_from_what_is_there(tmp_path: Path) -> None:
    place = host(tmp_path)
    for _ in range(2):
        writer = Journal(place, RunStatus(), lambda: NOW)
        writer.note("one")
        writer.note("two")
        writer.flush()
    assert [line.n for line in place.lines] == [1, 2, 3, 4]


def test_the_log_is_written_before_the_status_that_rests_on_it(tmp_path: Path) -> None:
    place = host(tmp_path)
    writer = Journal(place, RunStatus(), lambda: NOW)
    writer.event(Said(text="hello"))
    writer.flush(now=True)
    assert place.lines[-1].event == Said(text="hello")
    last = place.reports[-1].last_event
    assert last is not None
    assert last.text == "hello"


def test_a_torn_line_at_the_end_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert last_number(path) == 0
    path.write_bytes(b'{"n":1,"at":"x"}\n{"n":2}\ngarbage\n{"n":3,"a')
    assert last_number(path) == 2
    path.write_bytes(b'{"n":7,"x":"' + b"y" * 300_000 + b'"}\n')
    assert last_number(path) == 7


def test_a_full_disk_delays_the_log_and_keeps_the_numbers_whole(tmp_path: Path) -> None:
    place = host(tmp_path)
    writer = Journal(place, RunStatus(), lambda: NOW)
    place.full = True
    for number in range(journal.MAX_WAITING + 10):
        writer.note(str(number))
    writer.flush()
    assert place.lines == []
    place.full = False
    writer.note("last")
    writer.flush()
    assert [line.n for line in place.lines] == list(range(1, journal.MAX_WAITING + 2))
    assert place.log[-1] == "last"


def test_secrets_are_masked_in_every_field(tmp_path: Path) -> None:
    place = host(tmp_path)
    writer = Journal(place, RunStatus(), lambda: NOW, Redactor(("hunter22",)))
    writer.event(ToolCall(name="Bash", argument="curl -H hunter22", id="hunter22"))
    writer.phase(Phase.FAILED, "hunter22 did not work", evidence="hunter22", agent_problem="hunter22")
    writer.flush(now=True)
    stored = (place.home / "events.jsonl").read_text() + (place.home / "status.json").read_text()
    assert "hunter22" not in stored


def test_since_moves_with_the_phase_only(tmp_path: Path) -> None:
    times = iter(NOW + timedelta(seconds=n) for n in range(10))
    writer = Journal(host(tmp_path), RunStatus(), lambda: next(times))
    writer.phase(Phase.WORKING)
    writer.phase(Phase.WORKING, "still")
    assert writer.status.since == NOW
    writer.phase(Phase.STALLED, "no progress")
    assert writer.status.since == NOW + timedelta(seconds=1)


def test_usage_is_no_last_event(tmp_path: Path) -> None:
    writer = Journal(host(tmp_path), RunStatus(), lambda: NOW)
    writer.event(UsageReport(usage=Usage(Tokens(output=1))))
    assert writer.status.last_event is None


def test_the_last_words_are_the_agent_s_own(tmp_path: Path) -> None:
    writer = Journal(host(tmp_path), RunStatus(), lambda: NOW)
    writer.event(Said(text="It\nis done."))
    writer.event(Said(text="I looked around.", agent="explorer"))
    writer.note("pushing 216bd0a72c to hive/issue-1-a1")
    assert writer.status.last_words == "It is done."


def test_no_secret_gets_into_what_was_used_by_the_name_of_a_model(tmp_path: Path) -> None:
    place = host(tmp_path)
    writer = Journal(place, RunStatus(), lambda: NOW, Redactor(("hunter2hunter2",)))
    usage = Usage(Tokens(output=3), 5)
    part = StepUse(Step.IMPLEMENT, 1, usage, "opus hunter2hunter2", "s-hunter2hunter2")
    writer.update(model="opus hunter2hunter2", used=(part, StepUse(Step.IMPLEMENT, 2)))
    writer.flush(now=True)
    status = place.reports[-1]
    assert "hunter2" not in repr(status)
    assert (status.used[0].usage, status.used[0].model) == (usage, status.model)
    assert status.used[1] == StepUse(Step.IMPLEMENT, 2)
