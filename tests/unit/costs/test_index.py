"""The index of transcripts: whatever is appended, in whatever order and however often it is cut off, the sums
are those of reading everything at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive_tui.core.errors import SourceError
from hive_tui.core.settings import PriceSettings
from hive_tui.costs import files
from hive_tui.costs.call import MOST
from hive_tui.costs.files import Root
from hive_tui.costs.index import Dimension, Index, Sum
from hive_tui.costs.prices import Prices

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
EVERY = (Dimension.QUARTER, Dimension.SESSION, Dimension.MODEL, Dimension.PROJECT, Dimension.AGENT)
PRICES = Prices()


class Line(msgspec.Struct, frozen=True):
    """A line of a transcript, as short as it may be."""

    message: int
    minute: int = 0
    output: int = 5
    session: str = "s"
    sidechain: bool = False

    def encode(self) -> bytes:
        at = START + timedelta(minutes=self.minute)
        usage = {"input_tokens": 10, "output_tokens": self.output}
        message: dict[str, Any] = {"id": f"m{self.message}", "model": "claude-opus-5-5", "usage": usage}
        fields = {"type": "assistant", "timestamp": at.isoformat(), "sessionId": self.session, "cwd": "/p"}
        return msgspec.json.encode({**fields, "isSidechain": self.sidechain, "message": message}) + b"\n"


def folder(home: Path) -> Path:
    (home / "projects").mkdir(parents=True, exist_ok=True)
    return home / "projects"


def roots(home: Path) -> tuple[Root, ...]:
    return (Root("claude", home / "projects"),)


def read(home: Path, index: Index | None = None) -> list[Sum]:
    index = index or Index(home / "index", PRICES)
    index.refresh(roots(home))
    return index.sums(EVERY)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def test_nothing_is_there_at_first(home: Path) -> None:
    assert Index(home / "index", PRICES).sums(EVERY) == []
    assert read(home) == []


def test_a_second_read_reads_what_was_appended(home: Path) -> None:
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode())
    index = Index(home / "index", PRICES)
    assert index.refresh(roots(home)) == path.stat().st_size
    assert index.refresh(roots(home)) == 0
    more = Line(2).encode()
    with path.open("ab") as file:
        file.write(more)
    assert index.refresh(roots(home)) == len(more)
    assert sum(each.calls for each in index.sums(EVERY)) == 2


def test_a_line_that_is_not_whole_is_read_when_it_is(home: Path) -> None:
    path = folder(home) / "a.jsonl"
    whole = Line(1).encode()
    path.write_bytes(whole[:40])
    assert read(home) == []
    with path.open("ab") as file:
        file.write(whole[40:])
    assert sum(each.calls for each in read(home)) == 1


def test_a_copy_in_another_session_counts_once_and_the_fuller_record_wins(home: Path) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1, output=5).encode())
    read(home)
    (folder(home) / "b.jsonl").write_bytes(Line(1, output=50, session="fork").encode())
    (found,) = read(home)
    assert (found.calls, found.output, found.session) == (1, 50, "fork")


@pytest.mark.parametrize("held", [0, 1_000])
@pytest.mark.parametrize("other", ["a", "c"], ids=["before", "after"])
def test_a_copy_counts_again_when_the_file_that_beat_it_is_written_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch, other: str, held: int
) -> None:
    monkeypatch.setattr("hive_tui.costs.batch._HELD", held)
    winner = folder(home) / "b.jsonl"
    (folder(home) / f"{other}.jsonl").write_bytes(Line(1, output=5, session="a").encode())
    winner.write_bytes(Line(1, output=50, session="b").encode() + Line(2, session="b").encode())
    assert sum(each.output for each in read(home)) == 55
    winner.write_bytes(Line(3, session="b", minute=1).encode())
    found = {each.session: (each.calls, each.output) for each in read(home)}
    assert found == {"a": (1, 5), "b": (1, 5)}


@pytest.mark.parametrize("change", ["shorter", "other", "moved"])
def test_a_file_that_was_written_anew_is_read_anew(home: Path, change: str) -> None:
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode() + Line(2).encode())
    read(home)
    match change:
        case "shorter":
            path.write_bytes(Line(1).encode())
        case "other":
            path.write_bytes(Line(8).encode() + Line(9).encode() + Line(10).encode())
        case "moved":
            path.rename(path.with_name("b.jsonl"))
    expected = {"shorter": 1, "other": 3, "moved": 2}[change]
    assert sum(each.calls for each in read(home)) == expected


def test_what_was_used_stays_known_when_its_transcript_is_deleted(home: Path) -> None:
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode())
    before = read(home)
    path.unlink()
    assert read(home) == before


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b""], ids=["other", "empty"])
def test_a_damaged_index_is_made_anew(home: Path, damage: bytes) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1).encode())
    index = Index(home / "index", PRICES)
    before = read(home, index)
    index.path.write_bytes(damage)
    assert read(home, Index(home / "index", PRICES)) == before


def test_a_page_that_is_damaged_in_the_middle_is_noticed(home: Path) -> None:
    (folder(home) / "a.jsonl").write_bytes(b"".join(Line(n).encode() for n in range(3_000)))
    index = Index(home / "index", PRICES)
    before = read(home, index)
    with sqlite3.connect(index.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(index.path.read_bytes())
    data[4_096:] = b"\xab" * (len(data) - 4_096)
    index.path.write_bytes(data)
    assert read(home, Index(home / "index", PRICES)) == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE files SET state = x'ff'",
        "UPDATE facts SET value = '{' WHERE name = 'tariffs'",
        "DROP TABLE calls; CREATE TABLE calls (other INT)",
    ],
    ids=["state", "tariffs", "columns"],
)
def test_what_makes_no_sense_in_an_index_is_made_anew(home: Path, damage: str) -> None:
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode())
    read(home)
    with closing(sqlite3.connect(Index(home / "index").path)) as connection:
        connection.executescript(damage)
    with path.open("ab") as file:
        file.write(Line(2).encode())
    assert sum(each.calls for each in read(home)) == 2


def test_an_index_with_keys_of_another_kind_is_made_anew(home: Path) -> None:
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode())
    before = read(home)
    with closing(sqlite3.connect(Index(home / "index").path)) as connection, connection:
        connection.execute("UPDATE calls SET key = key + 1")
        connection.execute("UPDATE facts SET value = 'other' WHERE name = 'keys'")
    (folder(home) / "b.jsonl").write_bytes(path.read_bytes())
    assert read(home) == before


def test_sums_that_cannot_be_read_are_made_anew(home: Path) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1).encode())
    index = Index(home / "index", PRICES)
    before = read(home, index)
    with closing(sqlite3.connect(index.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sums'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with index.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xab" * size)
    # Nothing is new, so only what asks for the sums comes upon it.
    assert read(home, Index(home / "index", PRICES)) == before


def test_other_prices_are_taken_for_what_was_read_before(home: Path) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1).encode())
    (before,) = read(home)
    own = {"claude-opus-5-5": PriceSettings(1_000, 1_000)}
    (after,) = read(home, Index(home / "index", Prices(own)))
    assert (before.cost, after.cost) == (10 * 4_000_000 + 5 * 20_000_000, 15 * 1_000_000_000)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("index._AT_ONCE", 1),
        ("rollups._AT_ONCE", 2),
        ("batch._HELD", 0),
        ("batch._TOGETHER", 2),
        ("claude._AT_ONCE", 2),
        ("files.CHUNK", 300),
    ],
)
def test_how_much_is_done_at_a_time_makes_no_difference(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int
) -> None:
    for number in range(4):
        lines = [Line(message, minute=message, output=number) for message in range(number, number + 5)]
        (folder(home) / f"{number}.jsonl").write_bytes(b"".join(line.encode() for line in lines))
    own = Prices({"claude-opus-5-5": PriceSettings(1, 2)})
    expected = [read(home, Index(home / "one", prices)) for prices in (PRICES, own)]
    monkeypatch.setattr(f"hive_tui.costs.{name}", size)
    found = [read(home, Index(home / "other", prices)) for prices in (PRICES, own)]
    assert found == expected
    assert found[0] != found[1]


@pytest.mark.parametrize("count", [10**12, 1 << 62])
def test_an_absurd_count_stops_no_sum(home: Path, count: int) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1, output=count).encode() + Line(2).encode())
    (found,) = read(home)
    assert (found.calls, found.output, found.cost) == (2, 5, 2 * 10 * 4_000_000 + 5 * 20_000_000)


def test_a_cost_beyond_belief_is_none(home: Path) -> None:
    (folder(home) / "a.jsonl").write_bytes(Line(1, output=MOST).encode() + Line(2).encode())
    (found,) = read(home, Index(home / "index", Prices({"claude-*": PriceSettings(1e6, 1e6)})))
    assert (found.calls, found.unpriced, found.cost) == (2, 1, 15 * 10**12)


def test_calls_of_a_quarter_of_an_hour_are_charged_each_by_its_length_and_mode(home: Path) -> None:
    usages: list[dict[str, Any]] = [
        {"input_tokens": 7, "output_tokens": 3},
        {"input_tokens": 1_000, "cache_read_input_tokens": 99_000},
        {"input_tokens": 1_001, "cache_read_input_tokens": 99_000},
        {"input_tokens": 70_000, "cache_creation_input_tokens": 70_000},
        {"input_tokens": 9, "service_tier": "batch"},
        {"input_tokens": 9, "inference_geo": "us"},
        {"input_tokens": 9, "speed": "fast"},
        {"input_tokens": 9, "server_tool_use": {"web_search_requests": 2}},
    ]
    at = START.isoformat()
    lines = [
        {"type": "assistant", "timestamp": at, "requestId": str(number), "message": {
            "id": "m", "model": "claude-haiku-5-5", "usage": usage,
        }}
        for number, usage in enumerate(usages)
    ]  # fmt: skip
    (folder(home) / "a.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    (found,) = read(home)
    short = 7 * 100_000 + 3 * 500_000 + 1_000 * 100_000 + 99_000 * 10_000
    long = 1_001 * 500_000 + 99_000 * 50_000 + 70_000 * 500_000 + 70_000 * 625_000
    modes = 9 * 50_000 + 9 * 110_000 + 9 * 100_000 + 2 * 10_000_000_000
    assert (found.calls, found.unpriced, found.cost) == (8, 1, short + long + modes)


@pytest.mark.parametrize("held", [0, 20_000])
def test_thousands_of_absurd_costs_stop_no_sum(
    home: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr("hive_tui.costs.batch._HELD", held)
    dearest = Prices({"claude-*": PriceSettings(1, 590)})  # almost what is believed of a call
    for quarter in range(100):
        lines = (Line(100 * quarter + n, minute=15 * quarter, output=MOST) for n in range(20))
        (folder(home) / f"{quarter}.jsonl").write_bytes(b"".join(line.encode() for line in lines))
    index = Index(home / "index", dearest)
    assert len(read(home, index)) == 100
    (found,) = index.sums([Dimension.AGENT])
    assert (found.calls, found.cost, found.unpriced) == (2_000, 100 * 10**17, 0)
    # One that goes away takes nothing from the others.
    (folder(home) / "0.jsonl").write_bytes(Line(1, minute=0, session="t").encode())
    index.refresh(roots(home))
    (found,) = index.sums([Dimension.AGENT])
    assert found.cost == 99 * 10**17 + 10 * 10**6 + 5 * 590 * 10**6


def test_an_unknown_model_is_unpriced(home: Path) -> None:
    data = Line(1).encode().replace(b"claude-opus-5-5", b"nobody-knows-1")
    (folder(home) / "a.jsonl").write_bytes(data)
    (found,) = read(home)
    assert (found.calls, found.unpriced, found.cost) == (1, 1, 0)


def test_several_at_once_count_everything_once(home: Path) -> None:
    for number in range(40):
        lines = (Line(100 * number + n, minute=n).encode() for n in range(20))
        (folder(home) / f"{number}.jsonl").write_bytes(b"".join(lines))
    threads = [threading.Thread(target=read, args=(home,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.calls for each in read(home)) == 800


def test_links_in_circles_and_folders_without_rights_are_passed_over(home: Path) -> None:
    top = folder(home)
    (top / "deep").mkdir()
    (top / "deep" / "a.jsonl").write_bytes(Line(1).encode())
    (top / "deep" / "up").symlink_to(top)
    (top / "again").symlink_to(top / "deep")
    (top / "b.jsonl").symlink_to(top / "deep" / "a.jsonl")
    (top / "gone.jsonl").symlink_to(top / "nowhere")
    (top / "folder.jsonl").mkdir()
    assert sum(each.calls for each in read(home)) == 1


def test_a_folder_for_the_index_that_cannot_be_is_told(home: Path) -> None:
    (home / "index").write_text("no folder")
    with pytest.raises(SourceError, match=r"index/usage-\d+\.db: File exists\."):
        Index(home / "index", PRICES).refresh(roots(home))


def test_a_transcript_that_cannot_be_read_is_left_for_the_next_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = folder(home) / "a.jsonl"
    secret.write_bytes(Line(1).encode())
    (folder(home) / "b.jsonl").write_bytes(Line(2).encode())
    with monkeypatch.context() as patch:
        patch.setattr(files, "appended", _without_rights(str(secret)))
        assert sum(each.calls for each in read(home)) == 1
    assert sum(each.calls for each in read(home)) == 2


def _without_rights(path: str) -> Callable[[str, int, files.Buffer], Iterator[files.Appended]]:
    appended = files.appended

    def refusing(asked: str, offset: int, buffer: files.Buffer) -> Iterator[files.Appended]:
        if asked == path:
            raise PermissionError(path)
        return appended(asked, offset, buffer)

    return refusing


def test_a_line_of_many_megabytes_is_read_and_one_beyond_belief_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 1_000)
    monkeypatch.setattr(files, "LONGEST_LINE", 5_000)
    short = b'{"type":"user","text":"' + b"x" * 3_000 + b'"}\n'
    long = b'{"type":"user","text":"' + b"x" * 9_000 + b'"}\n'
    path = folder(home) / "a.jsonl"
    path.write_bytes(Line(1).encode() + short + Line(2).encode() + long + Line(3).encode())
    assert sum(each.calls for each in read(home)) == 3
    assert Index(home / "index", PRICES).refresh(roots(home)) == 0


def test_the_folders_of_both_agents_are_found(tmp_path: Path) -> None:
    named = files.roots({"CLAUDE_CONFIG_DIR": "/a, ~/b", "CODEX_HOME": "/c"}, tmp_path)
    assert [str(root.folder) for root in named if root.agent == "claude"] == [
        "/a/projects",
        str(Path("~/b/projects").expanduser()),
    ]
    assert [str(root.folder) for root in named if root.agent == "codex"] == [
        "/c/sessions",
        "/c/archived_sessions",
    ]
    assert files.roots({}, tmp_path)[1].folder == tmp_path / ".claude" / "projects"


lines = st.builds(
    Line,
    message=st.integers(0, 6),
    minute=st.integers(0, 600),
    output=st.integers(0, 3),
    session=st.sampled_from("ab"),
    sidechain=st.booleans(),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    transcripts=st.lists(st.lists(lines, max_size=6), min_size=1, max_size=3),
    cuts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 900)), max_size=8),
    crash=st.sets(st.integers(0, 8)),
)
def test_any_order_any_cut_and_any_crash_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    transcripts: list[list[Line]],
    cuts: list[tuple[int, int]],
    crash: set[int],
) -> None:
    whole, parts = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts")
    contents = [b"".join(line.encode() for line in transcript) for transcript in transcripts]
    for number, content in enumerate(contents):
        (folder(whole) / f"{number}.jsonl").write_bytes(content)
    left = list(contents)
    everything = [(number, len(content)) for number, content in enumerate(contents)]
    for step, (number, size) in enumerate([*cuts, *everything]):
        if number < len(left):
            with (folder(parts) / f"{number}.jsonl").open("ab") as file:
                file.write(left[number][:size])
            left[number] = left[number][size:]
        if step in crash:
            with pytest.raises(KeyboardInterrupt):
                _cut_off(parts)
        else:
            read(parts)
    assert read(parts) == read(whole)


def _cut_off(home: Path) -> None:
    """Read, and die before anything of it is kept."""
    index = Index(home / "index", PRICES)
    broken: Callable[..., None] = _interrupted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hive_tui.costs.batch.Batch.keep", broken)
        index.refresh(roots(home))
    raise KeyboardInterrupt  # nothing was new, so nothing was to be kept


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt
