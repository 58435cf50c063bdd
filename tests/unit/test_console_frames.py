from __future__ import annotations

import asyncio

import pytest

from hive_tui.app.frames import KEY_PERIOD, KEY_SECONDS, PERIOD, Frames


class _Screen:
    """Painted at times of its own clock, with a key some seconds ago."""

    def __init__(self) -> None:
        self.now = 100.0
        self.since_key = 10.0
        self.painted = 0
        self.frames = Frames(self._paint, lambda: self.since_key, lambda: self.now)

    def _paint(self) -> None:
        self.painted += 1


async def test_what_changes_after_a_rest_is_painted_at_once() -> None:
    screen = _Screen()
    screen.frames.resume()
    await asyncio.sleep(0)
    assert screen.painted == 1


async def test_what_changes_by_itself_keeps_to_the_pace() -> None:
    screen = _Screen()
    screen.frames.resume()
    await asyncio.sleep(0)
    assert screen.frames.wait == pytest.approx(PERIOD)
    screen.now += PERIOD / 2
    screen.frames.resume()
    await asyncio.sleep(0)
    assert screen.painted == 1
    screen.now += PERIOD
    assert not screen.frames.wait


async def test_what_a_key_does_waits_for_no_period() -> None:
    screen = _Screen()
    screen.frames.resume()
    await asyncio.sleep(0)
    screen.now += 1.01 * KEY_PERIOD
    screen.frames.resume()
    assert screen.frames.wait > 0
    screen.since_key = 0.0
    screen.frames.resume()
    await asyncio.sleep(0)
    assert screen.painted == 2
    screen.since_key = KEY_SECONDS
    assert screen.frames.wait == pytest.approx(PERIOD)


async def test_it_is_painted_once_however_often_it_is_asked_for() -> None:
    screen = _Screen()
    for _ in range(3):
        screen.frames.resume()
    await asyncio.sleep(0)
    assert screen.painted == 1


async def test_what_was_painted_by_the_way_is_not_painted_again() -> None:
    screen = _Screen()
    screen.frames.resume()
    screen.frames.pause()
    await asyncio.sleep(0)
    assert not screen.painted
