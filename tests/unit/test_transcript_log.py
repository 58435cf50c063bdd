"""A transcript as a log: parts of a file, each line once, and what comes while somebody reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_tui.app import transcript_log
from hive_tui.app.transcript_log import Part, last_part, logs
from hive_tui.core.errors import SourceError
from hive_tui.core.events import LogLine, Note, Said
from hive_tui.core.ids import RunId
from hive_tui.core.ports import Recorded

AT = datetime(2026, 11, 21, tzinfo=UTC)
RUN = RunId("s1")
WHOLE = Part(0)


class Words:
    """A parser to which each line that is not empty is what somebody said."""

    def line(self, data: bytes) -> list[Recorded]:
        return [Recorded(AT, Said(text=data.decode()))] if data else []


def read(path: Path, part: Part) -> list[str]:
    """What a part with an end tells."""
    assert part.end is not None
    return [told(line) for line in logs(str(path), part, Words)(RUN, 0, threading.Event())]


def told(line: LogLine) -> str:
    assert isinstance(line.event, Said | Note)
    return line.event.text


@given(st.lists(st.text("abc", max_size=9), max_size=30), st.integers(1, 40), st.booleans())
def test_parts_of_any_size_have_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int, ended: bool
) -> None:
    path = tmp_path_factory.mktemp("parts") / "t.jsonl"
    path.write_text("\n".join(lines) + ("\n" if ended else ""))
    length = path.stat().st_size
    parts = [Part(begin, begin + size) for begin in range(0, max(1, length), size)]
    assert [line for part in parts for line in read(path, part)] == [line for line in lines if line]


def test_parts_lead_from_the_end_to_the_beginning_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_log, "PART", 100)
    part: Part | None = last_part(250)
    older = []
    while part is not None:
        older.append(part)
        part = part.older()
    assert older == [Part(150), Part(50, 150), Part(0, 50)]
    newer = Part(0, 50).newer(250)
    assert newer == Part(50, 150)
    assert newer.newer(250) == Part(150)
    assert Part(150).newer(250) is None
    assert last_part(7) == Part(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.jsonl"


def following(path: Path, part: Part = WHOLE) -> Iterator[str]:
    stop = threading.Event()
    lines = logs(str(path), part, Words)(RUN, 0, stop)
    return (told(line) for line in lines)


def test_what_comes_is_told_when_its_line_is_whole(path: Path) -> None:
    path.write_text("one\ntw")
    lines = following(path)
    assert next(lines) == "one"
    with path.open("a") as file:
        file.write("o\nthree\n")
    assert [next(lines), next(lines)] == ["two", "three"]


def test_a_file_that_was_written_anew_is_read_from_its_beginning(path: Path) -> None:
    path.write_text("one\ntwo\n")
    lines = following(path)
    assert [next(lines), next(lines)] == ["one", "two"]
    path.write_text("1\n")
    assert [next(lines), next(lines)] == ["the transcript was written anew", "1"]
    other = path.with_name("other")
    other.write_text("2\n")
    other.rename(path)
    assert [next(lines), next(lines)] == ["the transcript was written anew", "2"]


def test_reading_stops_when_nobody_looks(path: Path) -> None:
    path.write_text("one\n")
    stop = threading.Event()
    lines = logs(str(path), Part(0), Words)(RUN, 0, stop)
    assert told(next(lines)) == "one"
    stop.set()
    assert list(lines) == []


def test_lines_are_numbered_and_those_that_were_told_are_left_out(path: Path) -> None:
    path.write_text("one\n\ntwo\nthree\n")
    lines = list(logs(str(path), Part(0, 100), Words)(RUN, 1, threading.Event()))
    assert [(line.n, told(line)) for line in lines] == [(2, "two"), (3, "three")]


def test_a_line_that_is_too_long_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript_log, "LONGEST_LINE", 100)
    monkeypatch.setattr(transcript_log, "_CHUNK", 16)
    path.write_text(f"one\n{'x' * 500}\ntwo\n")
    assert read(path, Part(0, 1_000)) == ["one", "two"]


def test_a_transcript_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / "gone.jsonl", Part(0, 1))


def test_the_end_of_a_huge_file_is_there_at_once(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 40)
        file.write(b"\nthe end\n")
    lines = following(path, last_part(path.stat().st_size))
    with closing(lines):  # type: ignore[type-var]
        assert next(lines) == "the end"
