"""Whatever is appended to whichever transcript in whatever order, and wherever reading is cut off, the sums
are those of reading everything at once; for both agents."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hive_tui.costs.call import Call
from hive_tui.costs.files import Root
from hive_tui.costs.index import Dimension, Index, Sum
from hive_tui.costs.prices import Prices

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
EVERY = (Dimension.QUARTER, Dimension.SESSION, Dimension.MODEL, Dimension.PROJECT, Dimension.AGENT)
PRICES = Prices()


def claude_line(
    message: int, minute: int, output: int, session: str, sidechain: bool, hour: bool, speed: str | None
) -> bytes:
    written = {"ephemeral_1h_input_tokens": 9} if hour else {"ephemeral_5m_input_tokens": 9}
    usage = {"input_tokens": 10, "output_tokens": output, "cache_creation_input_tokens": 9, "speed": speed}
    told: dict[str, Any] = {"id": f"m{message}", "model": "claude-opus-5-5"}
    return _encoded(
        minute,
        type="assistant",
        sessionId=session,
        cwd="/p",
        isSidechain=sidechain,
        message={**told, "usage": {**usage, "cache_creation": written}},
    )


def codex_meta(session: str, model: str) -> bytes:
    return _encoded(0, type="session_meta", payload={"id": session, "cwd": "/q"}) + _encoded(
        0, type="turn_context", payload={"model": model, "cwd": "/q"}
    )


def codex_record(response: int, minute: int, output: int, cached: int) -> bytes:
    usage = {"input_tokens": 10, "cached_input_tokens": cached, "output_tokens": output}
    payload = {"response_id": f"r{response}", "usage": usage}
    return _encoded(minute, type="token_usage_record", payload=payload)


def codex_totals(total: int, minute: int, output: int) -> bytes:
    usage = {"input_tokens": 10, "output_tokens": output}
    info = {"total_token_usage": {**usage, "output_tokens": total}, "last_token_usage": usage}
    return _encoded(minute, type="event_msg", payload={"type": "token_count", "info": info})


def _encoded(minute: int, **fields: Any) -> bytes:
    at = (START + timedelta(minutes=minute)).isoformat()
    return msgspec.json.encode({"timestamp": at, **fields}) + b"\n"


MINUTES, OUTPUT = st.integers(0, 600), st.integers(0, 3)
CLAUDE = st.lists(
    st.builds(
        claude_line,
        st.integers(0, 5),
        MINUTES,
        OUTPUT,
        st.sampled_from("ab"),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, "fast"]),
    ),
    max_size=6,
)
CODEX = st.lists(
    st.one_of(
        st.builds(codex_meta, st.sampled_from("cd"), st.sampled_from(["gpt-6.1-sol", "gpt-6.1-luna"])),
        st.builds(codex_record, st.integers(0, 5), MINUTES, OUTPUT, st.integers(0, 9)),
        st.builds(codex_totals, st.integers(0, 5), MINUTES, OUTPUT),
        st.just(b"no line of any agent's\n"),
    ),
    max_size=8,
)
TRANSCRIPTS = st.lists(
    st.tuples(st.just("claude"), CLAUDE) | st.tuples(st.just("codex"), CODEX), min_size=1, max_size=4
)


class Killed(BaseException):
    """Nothing that hive would catch."""


class Mortal(sqlite3.Connection):
    """A connection that dies before the statement whose turn it is, and carries out none after it: not even
    that which would take back what was begun."""

    left: ClassVar[int | None] = None
    """Statements until then; None for never."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._turn()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._turn()
        return super().executemany(*arguments)

    def _turn(self) -> None:
        if Mortal.left is not None:
            Mortal.left -= 1
            if Mortal.left < 0:
                raise Killed


@contextmanager
def dying(after: int | None) -> Iterator[None]:
    connect = sqlite3.connect
    Mortal.left = after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Mortal, **options))
        try:
            yield
        finally:
            Mortal.left = None


def refresh(home: Path, *, dies_after: int | None = None) -> list[Sum]:
    index = Index(home / "index", PRICES)
    roots = (Root("claude", home / "claude"), Root("codex", home / "codex"))
    with dying(dies_after):
        index.refresh(roots)
    return index.sums(EVERY)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    transcripts=TRANSCRIPTS,
    cuts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 900)), max_size=8),
    deaths=st.lists(st.none() | st.integers(5, 60), max_size=14),
    order=st.permutations(range(4)),
    small=st.booleans(),
)
def test_any_split_any_order_and_any_death_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    transcripts: list[tuple[str, list[bytes]]],
    cuts: list[tuple[int, int]],
    deaths: list[int | None],
    order: list[int],
    small: bool,
) -> None:
    whole, parts = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("parts")
    contents = [b"".join(lines) for _, lines in transcripts]
    for home in (whole, parts):
        for agent in ("claude", "codex"):
            (home / agent).mkdir()

    def path(home: Path, number: int) -> Path:
        # Files are read by name, so that another name is another order.
        place = number if home is whole else order[number]
        return home / transcripts[number][0] / f"{place}.jsonl"

    for number, content in enumerate(contents):
        path(whole, number).write_bytes(content)
    with monkeypatch.context() as patch:
        if small:  # each file is a portion of its own, and each two calls are kept at once
            patch.setattr("hive_tui.costs.index._AT_ONCE", 1)
            patch.setattr("hive_tui.costs.batch._HELD", 1)
        left = list(contents)
        everything = [(number, len(content)) for number, content in enumerate(contents)]
        when = iter(deaths)
        for number, size in [*cuts, *everything]:
            if number < len(left):
                with path(parts, number).open("ab") as file:
                    file.write(left[number][:size])
                left[number] = left[number][size:]
            try:
                refresh(parts, dies_after=next(when, None))
            except Killed:
                continue
        assert refresh(parts) == refresh(whole)


def test_a_death_before_any_statement_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hive_tui.costs.index._AT_ONCE", 1)
    for agent in ("claude", "codex"):
        (tmp_path / agent).mkdir()
    copied = claude_line(1, 2, 3, "a", False, True, None)
    (tmp_path / "claude" / "a.jsonl").write_bytes(copied)
    (tmp_path / "claude" / "b.jsonl").write_bytes(copied + claude_line(1, 2, 9, "b", False, True, None))
    (tmp_path / "codex" / "c.jsonl").write_bytes(codex_meta("c", "gpt-6.1-sol") + codex_record(1, 2, 3, 4))
    whole = refresh(tmp_path)
    for statement in itertools.count():
        shutil.rmtree(tmp_path / "index")
        try:
            refresh(tmp_path, dies_after=statement)
        except Killed:
            assert refresh(tmp_path) == whole
        else:
            break
    assert statement > 20


PLACE = ("claude", "model", "session", "/p")


@pytest.mark.parametrize("field", [name for name in Call._fields if name not in ("key", "place", "file")])
def test_of_two_records_that_differ_in_anything_it_is_certain_which_counts(field: str) -> None:
    one = Call(1, 2, 3, 4, 5, 6, 7, 8, 9)
    other = one._replace(**{field: getattr(one, field) + 1})
    if field == "output":  # as full as the other
        other = other._replace(input=one.input - 1)
    assert one.rank(PLACE) != other.rank(PLACE)


@pytest.mark.parametrize("part", range(len(PLACE)))
def test_of_two_records_at_different_places_it_is_certain_which_counts(part: int) -> None:
    one = Call(1, 2, 3, 4, 5)
    agent, model, session, folder = ("other" if part == at else each for at, each in enumerate(PLACE))
    # Another index may have other numbers for files and places.
    assert one.rank(PLACE) == one._replace(place=7, file=8).rank(PLACE)
    assert one.rank(PLACE) != one.rank((agent, model, session, folder))
