from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

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


def test_who_never_rests_keeps_garbage_for_minutes_and_not_for_hours() -> None:
    Tidying(_Clock()).begin()
    new, _, everything = gc.get_threshold()
    assert new * everything < 1_000_000
