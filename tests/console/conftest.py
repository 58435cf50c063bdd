"""What console tests share: an app over a scripted fleet, and waiting for a condition instead of a time."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from textual import strip
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot

from hive_tui.app import live, shell, tidying
from hive_tui.app.app import HiveApp
from hive_tui.app.stylesheet import RememberingStylesheet
from tests.fakes import scene
from tests.fakes.sources import ScriptedFleet

WITHIN = 30.0
"""Seconds within which something has to come true, on the busiest of machines."""


class _Kept(dict[Hashable, Any]):
    """What is true of other apps too, and stays when one of them forgets it."""

    def clear(self) -> None:
        pass


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """What every app makes anew, and hundreds of apps in one process need not.

    That is the parsed style sheets, by all that they are parsed from, what their rules come to for a
    widget, by all that the rules ask for, and seven bounded caches in each line that is painted.
    """
    parsed: dict[Hashable, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, *given: Any, **named: Any) -> list[RuleSet]:
        key = (css, given, tuple(named.items()), frozenset(sheet._variables.items()))
        if key not in parsed:
            parsed[key] = parse(sheet, css, *given, **named)
        return parsed[key]

    found: dict[Hashable, tuple[_Kept, _Kept]] = {}
    set_variables = RememberingStylesheet.set_variables

    def share(sheet: RememberingStylesheet, variables: dict[str, str]) -> None:
        set_variables(sheet, variables)
        kept = found.setdefault(frozenset(variables.items()), (_Kept(), _Kept()))
        sheet._found, sheet._components = kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        patch.setattr(RememberingStylesheet, "set_variables", share)
        patch.setattr(strip, "FIFOCache", lambda _size: {})
        yield


@pytest.fixture(autouse=True)
def _settled_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same colours, times and motion wherever the tests run."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TEXTUAL_THEME", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture(autouse=True)
def _no_waiting_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is gathered for long, and keys are done when nothing is left to run."""
    monkeypatch.setattr(live, "BATCH_SECONDS", 0.002)
    monkeypatch.setattr(shell, "KEY_SECONDS", 0.0)
    # Nobody types, to whom it would matter how long a look for garbage takes.
    monkeypatch.setattr(tidying, "SHORT_PAUSES", gc.get_threshold())
    monkeypatch.setattr(tidying, "keep", lambda: None)
    monkeypatch.setattr("textual.app.wait_for_idle", _loop_is_idle)
    monkeypatch.setattr("textual.pilot.wait_for_idle", _loop_is_idle)


async def _loop_is_idle(min_sleep: float = 0, max_sleep: float = 1) -> None:
    """Until nothing is left to run but what waits for a time, a thread or a key.

    Textual's own way is to sleep for 20 ms at a time until the whole process, with its threads, was
    hardly at work in one of them.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(10_000):
        await asyncio.sleep(0)
        if not ready:
            return


async def wait_for(condition: Callable[[], Any], what: str = "it") -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.005)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = scene.NOW

    def __call__(self) -> datetime:
        return self.now


class Console:
    """A running console under test."""

    def __init__(self, app: HiveApp, fleet: ScriptedFleet, pilot: Pilot[None], clock: Clock) -> None:
        self.app = app
        self._clock = clock
        self.fleet = fleet
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys one after the other; what they do at once is done and painted then."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], Any], what: str = "the condition") -> None:
        """Wait until it holds and is painted."""
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true; the screen:\n{self.text}"
            await asyncio.sleep(0.005)
        await self.pilot.pause()

    def later(self, **units: float) -> None:
        """Move the console's clock."""
        self._clock.now += timedelta(**units)

    @property
    def lines(self) -> list[str]:
        """The screen as it is painted."""
        strips = self.app.screen._compositor.render_strips(self.app.size)
        return [strip.text for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def shows(self, *words: str) -> Callable[[], bool]:
        """A condition: all these words are on the screen."""

        def shown() -> bool:
            text = self.text
            return all(word in text for word in words)

        return shown


Open = Callable[..., Any]


@pytest.fixture
def console() -> Open:
    """`async with console() as c:`: a console over a scripted fleet that has said nothing yet."""

    @asynccontextmanager
    async def opened(
        fleet: ScriptedFleet | None = None,
        *,
        size: tuple[int, int] = (160, 48),
        said: bool = False,
        prepare: Callable[[], str | None] | None = None,
        read_only: bool = False,
        **more: Any,
    ) -> AsyncIterator[Console]:
        fleet = fleet or ScriptedFleet()
        if said:
            fleet.list_all(*scene.ITEMS)
        clock = Clock()
        app = HiveApp(fleet, user="ann", now=clock, prepare=prepare, read_only=read_only, **more)
        async with app.run_test(size=size, notifications=True) as pilot:
            console = Console(app, fleet, pilot, clock)
            if said:
                await console.until(
                    lambda: console.app.main.pulls.table.keys and console.app.main.agents.table.keys
                )
            yield console

    return opened
