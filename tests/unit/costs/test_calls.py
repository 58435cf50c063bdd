"""Transcripts of real agent CLIs, read to the token and to the micro-dollar."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hive_tui.costs import claude, codex
from hive_tui.costs.call import Call, Place, Source
from hive_tui.costs.prices import Prices, cost
from tests.corpus import HERE

PRICES = Prices()


class Places:
    """Places by number."""

    def __init__(self) -> None:
        self.known: list[Place] = []

    def source(self, session: str = "s") -> Source:
        return Source(1, session, self._number)

    def of(self, call: Call) -> Place:
        return self.known[call.place]

    def _number(self, place: Place) -> int:
        if place not in self.known:
            self.known.append(place)
        return self.known.index(place)


class Truth(msgspec.Struct, frozen=True):
    """What the CLI's own records come to; tokens are input, output, cache write, cache read."""

    transcript_cost: Decimal
    transcript_tokens: tuple[int, int, int, int]
    unique_msgs: int


TRUTHS = msgspec.json.decode((HERE / "claude-truth.json").read_bytes(), type=dict[str, Truth])
CLAUDE = sorted(name for name in TRUTHS if (HERE / "claude" / name / "claude-home").is_dir())


def claude_calls(variant: str, places: Places) -> dict[int, Call]:
    best: dict[int, Call] = {}
    for path in sorted((HERE / "claude" / variant).rglob("claude-home/**/*.jsonl")):
        for call in claude.calls(path.read_bytes(), places.source(path.stem)):
            held = best.setdefault(call.key, call)
            if call.rank(places.of(call)) > held.rank(places.of(held)):
                best[call.key] = call
    return best


def price(call: Call, model: str) -> int:
    tariffs = PRICES.tariffs(model)
    assert tariffs is not None
    found = cost(call, tariffs)
    assert found is not None
    return found


@pytest.mark.parametrize("variant", CLAUDE)
def test_claude_code_is_read_to_the_token_and_the_cent(variant: str) -> None:
    places = Places()
    calls = claude_calls(variant, places).values()
    truth = TRUTHS[variant]
    sums = [
        sum(call.input for call in calls),
        sum(call.output for call in calls),
        sum(call.cache_write_5m + call.cache_write_1h for call in calls),
        sum(call.cache_read for call in calls),
    ]
    assert (len(calls), tuple(sums)) == (truth.unique_msgs, truth.transcript_tokens)
    told = int(truth.transcript_cost * 10**12)  # picodollars; it was written down with seven digits
    assert abs(sum(price(call, places.of(call)[1]) for call in calls) - told) <= 50_000


@pytest.mark.parametrize(
    ("variant", "tokens"),
    [
        # input, from the cache, output: those of the last turn.completed, which counts the whole thread.
        ("success", (71_097 - 56_320, 56_320, 423)),
        ("resume_1", (71_065 - 56_320, 56_320, 423)),
        ("err429", (27_908 - 13_824, 13_824, 152)),
        # Cut off or refused later: its one call counts, and the totals that were told again do not.
        ("quota", (13_847, 0, 99)),
        ("slow", (13_846, 0, 99)),
        ("auth401", (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("records", [True, False])
def test_codex_is_read_to_the_token(variant: str, tokens: tuple[int, int, int], records: bool) -> None:
    places = Places()
    calls = codex_calls(variant, places, records=records)
    found = [(call.input, call.cache_read, call.output) for call in calls.values()]
    assert tuple(map(sum, zip(*found, strict=True))) == (tokens if found else ())
    assert {places.of(call)[:2] for call in calls.values()} <= {("codex", "gpt-6.1-sol")}


def codex_calls(variant: str, places: Places, *, records: bool) -> dict[int, Call]:
    """The calls of a rollout; without `records` as an older Codex wrote it, which told only totals."""
    state, found = codex.State(), dict[int, Call]()
    for path in sorted((HERE / "codex" / variant).rglob("rollout-*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        data = b"".join(line for line in lines if records or b'"token_usage_record"' not in line)
        for call in codex.calls(data, places.source(), state):
            if isinstance(call, codex.State):
                state = call
            else:
                found[call.key] = call
    return found


LINE: dict[str, Any] = {
    "type": "assistant",
    "timestamp": "2026-11-21T10:00:00Z",
    "requestId": "r",
    "sessionId": "s",
    "message": {"id": "m", "model": "claude-opus-5-5", "usage": {"input_tokens": 1, "output_tokens": 2}},
}


def line(**changes: Any) -> bytes:
    message = {**LINE["message"], **changes.pop("message", {})}
    return msgspec.json.encode({**LINE, **changes, "message": message}) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b'{"usage":{\n',
        b'"usage":{"input_tokens":1}\n',
        b'{"type":"assistant","message":{"usage":{"input_tokens":"many"}}}\n',
        b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        b"\xff\xfe" + line(),
        line(timestamp="yesterday"),
        line(timestamp="1969-01-01T00:00:00Z"),
        line(type="user"),
        line(message={"model": "<synthetic>"}),
        line(message={"model": None}),
        line(message={"usage": None}),
    ],
)
def test_what_is_no_record_of_a_call_counts_nothing(data: bytes) -> None:
    assert list(claude.calls(data, Places().source())) == []
    assert [
        each for each in codex.calls(data, Places().source(), codex.State()) if isinstance(each, Call)
    ] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"uuid": 7},
        {"cwd": ["/p"]},
        {"isSidechain": "no"},
        {"message": {"usage": {"input_tokens": 1.0, "output_tokens": 2}}},
        *(
            {"message": {"usage": {"input_tokens": 1, "output_tokens": 2, name: {"kind": "new"}}}}
            for name in ("service_tier", "speed", "inference_geo", "server_tool_use")
        ),
    ],
)
def test_what_another_version_writes_in_another_way_loses_no_call(changes: dict[str, Any]) -> None:
    places = Places()
    (call,) = claude.calls(line(**changes), places.source())
    assert (places.of(call)[1], call.input, call.output) == ("claude-opus-5-5", 1, 2)


def test_what_another_codex_writes_in_another_way_loses_no_call() -> None:
    usage = {"input_tokens": 5.0, "cached_input_tokens": 2, "output_tokens": 3}
    payload = {"response_id": "r", "usage": usage, "cwd": {"path": "/p"}}
    record = {"timestamp": "2026-11-21T10:00:00Z", "type": "token_usage_record", "payload": payload}
    data = msgspec.json.encode(record) + b"\n"
    (call,) = (each for each in codex.calls(data, Places().source(), codex.State()) if isinstance(each, Call))
    assert (call.input, call.cache_read, call.output) == (3, 2, 3)


@pytest.mark.parametrize("number", [-5, 1 << 60])
def test_an_absurd_count_counts_as_none(number: int) -> None:
    (call,) = claude.calls(
        line(message={"usage": {"input_tokens": number, "output_tokens": 7}}), Places().source()
    )
    assert (call.input, call.output) == (0, 7)


def test_a_transcript_that_was_written_again_with_blanks_is_read() -> None:
    spaced = line().replace(b":", b": ").replace(b"2026-11-21T10: 00: 00Z", b"2026-11-21T10:00:00Z")
    assert len(list(claude.calls(spaced, Places().source()))) == 1


def test_calls_without_an_id_are_told_apart_by_their_lines() -> None:
    data = line(message={"id": None}, uuid="a") + line(message={"id": None}, uuid="b")
    assert len({call.key for call in claude.calls(data, Places().source())}) == 2


def test_a_name_with_half_a_character_has_a_key() -> None:
    cut = line().replace(b'"id":"m"', b'"id":"m\\ud83d"')
    (call,) = claude.calls(cut, Places().source())
    assert 0 <= call.key < 1 << 63


def test_cache_writes_of_an_hour_are_told_apart() -> None:
    creation = {"ephemeral_1h_input_tokens": 30, "ephemeral_5m_input_tokens": 70}
    usage = {"cache_creation_input_tokens": 100, "cache_creation": creation}
    (call,) = claude.calls(line(message={"usage": usage}), Places().source())
    assert (call.cache_write_5m, call.cache_write_1h) == (70, 30)


def test_a_session_is_named_by_its_file_where_its_lines_do_not_say() -> None:
    places = Places()
    (call,) = claude.calls(line(sessionId=None), places.source("from-the-file"))
    assert places.of(call)[2] == "from-the-file"
