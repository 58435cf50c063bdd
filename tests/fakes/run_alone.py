"""A runner in a process of its own, over the fake host, that can be made to die at a chosen call.

A place is `name:count`, the n-th call of a function in `PLACES` (or `name:count:after`), or `never`. Dying
is SIGKILL to itself, as from outside.
"""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hive_tui.core.ports import Job
from hive_tui.runner import run
from hive_tui.runner.orders import Signals
from tests.fakes.run_host import FakeHost, ToyAgent

PLACES = {
    "fetch": "tests.fakes.run_host:FakeHost.fetch",
    "report": "tests.fakes.run_host:FakeHost.report",
    "append": "tests.fakes.run_host:FakeHost.append",
    "push": "tests.fakes.run_host:FakeHost.push",
    "clone": "backends.clusters.local.sandbox:LocalSandbox.clone",
    "start": "backends.clusters.local.sandbox:LocalSandbox.start",
    "stream": "backends.clusters.local.sandbox:LocalSandbox.stream",
    "git": "hive_tui.system.git:run",
    "bounded": "hive_tui.system.bounded:run",
    "session": "hive_tui.runner.session:save",
}


def die_at(place: str) -> None:
    """Arrange for this process to be killed at the given call."""
    name, count, *after = place.split(":")
    module, _, path = PLACES[name].partition(":")
    owner: Any = importlib.import_module(module)
    *outer, function = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, function, _deadly(getattr(owner, function), int(count), bool(after)))


def _deadly(function: Callable[..., Any], count: int, after: bool) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **options)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def play(home: Path, script: str, place: str, environment: Mapping[str, str]) -> None:
    """The whole life of such a process."""
    os.environ.clear()
    os.environ.update(environment)
    job = msgspec.json.decode((home / "job.json").read_bytes(), type=Job)
    agent = ToyAgent(script)
    if place != "never":
        die_at(place)
    signals = Signals()
    signals.install()
    run.execute(FakeHost(home, job), signals, load_agent=lambda name: agent)
