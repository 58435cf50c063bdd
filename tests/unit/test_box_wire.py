"""Frames, however they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.clusters.kubernetes.box.wire import (
    HEADER,
    MAX_FRAME,
    MAX_REQUEST,
    Broken,
    Kind,
    Splitter,
    frame,
    frames,
)

FRAMES = st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=300)), max_size=20)


@given(FRAMES, st.lists(st.integers(1, 400), min_size=1))
def test_frames_come_out_as_they_went_in(sent: list[tuple[Kind, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(kind, payload) for kind, payload in sent)
    splitter, got, at, turn = Splitter(), [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        got += list(splitter.feed(data[at : at + size]))
        at, turn = at + size, turn + 1
    assert got == sent


@given(st.binary(max_size=2_000))
def test_garbage_is_refused_or_waited_for(data: bytes) -> None:
    splitter = Splitter()
    try:
        got = list(splitter.feed(data))
    except Broken:
        return
    assert sum(HEADER.size + len(payload) for _, payload in got) <= len(data)


def test_what_is_too_large_is_refused_before_it_comes() -> None:
    for kind, most in ((Kind.OUT, MAX_FRAME), (Kind.REQUEST, MAX_REQUEST)):
        assert list(Splitter().feed(HEADER.pack(kind, most))) == []
        with pytest.raises(Broken, match="bytes"):
            list(Splitter().feed(HEADER.pack(kind, most + 1)))
    with pytest.raises(Broken, match="kind 99"):
        list(Splitter().feed(HEADER.pack(99, 0)))


def test_any_amount_is_cut_into_frames() -> None:
    data = bytes(range(256)) * 1_000
    got = list(Splitter().feed(b"".join(frames(Kind.OUT, data))))
    assert b"".join(payload for _, payload in got) == data
    assert list(frames(Kind.OUT, b"")) == []
