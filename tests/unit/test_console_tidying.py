from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from rich.segment import Segment
from textual.cache import FIFOCache
from textual.strip import Strip

from hive_tui.app import tidying
from hive_tui.app.tidying import Tidying


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class _Screen:
    """Something that holds itself, as closed screens do."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _own_thresholds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tidying, "keep", lambda: None)
    monkeypatch.setattr("textual.strip.FIFOCache", FIFOCache)  # put back what `spare` puts in its place
    before = gc.get_threshold()
    gc.collect()
    yield
    gc.set_threshold(*before)


def _made_much() -> None:
    for _ in range(tidying.ENOUGH):
        gc.collect(1)


def test_what_was_closed_is_given_back_when_nobody_types() -> None:
    clock = _Clock()
    tidy = Tidying(clock)
    tidy.begin()
    screen = _Screen()
    gc.collect(1)
    gone = weakref.ref(screen)
    del screen
    _made_much()
    assert gone() is not None
    clock.now += tidying.QUIET_SECONDS
    assert tidy.look()
    assert gone() is None


def test_nobody_who_types_waits_for_it() -> None:
    clock = _Clock()
    tidy = Tidying(clock)
    tidy.begin()
    _made_much()
    clock.now += tidying.QUIET_SECONDS
    tidy.touched()
    assert not tidy.look()
    clock.now += tidying.QUIET_SECONDS
    assert tidy.look()


def test_what_stands_still_is_not_looked_through() -> None:
    clock = _Clock()
    tidy = Tidying(clock)
    tidy.begin()
    clock.now += 1_000
    assert not tidy.look()


def test_what_is_hardly_older_is_looked_at_more_often_than_everything() -> None:
    clock = _Clock()
    tidy = Tidying(clock)
    tidy.begin()
    gc.collect()
    for _ in range(tidying.OLDER):
        gc.collect(0)
    screen = _Screen()
    gone = weakref.ref(screen)
    gc.collect(0)
    del screen
    clock.now += tidying.QUIET_SECONDS
    everything = gc.get_stats()[2]["collections"]
    assert tidy.look()
    assert gone() is None
    assert gc.get_stats()[2]["collections"] == everything


def test_who_never_rests_keeps_garbage_for_minutes_and_not_for_hours() -> None:
    Tidying(_Clock()).begin()
    new, older, everything = gc.get_threshold()
    assert new * older * everything < 2_000_000


def test_a_painted_line_costs_little_to_look_through() -> None:
    Tidying(_Clock()).begin()
    line = Strip([Segment("a line")])
    assert not any(gc.is_tracked(getattr(line, name)) for name in line.__slots__ if name != "_segments")
    assert line.crop(0, 3).text == line.crop(0, 3).text == "a l"
    assert Strip([Segment("another")])._crop_cache is not line._crop_cache
