from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hive_tui.runner import run
from hive_tui.runner.flow import Over
from hive_tui.runner.orders import Signals
from tests.fakes.run_host import FakeHost, ToyAgent, job, repository

Play = Callable[..., Over]


class Stage:
    """A user's repository, a run on it, and the toy agent that plays a script."""

    def __init__(self, folder: Path, files: dict[str, str], **changes: Any) -> None:
        self.source = repository(folder / "my repö", files)
        self.host = FakeHost(folder / "the rün" / "home", job(self.source, **changes))
        self.signals = Signals()
        self.agent = ToyAgent("")

    def play(self, script: str, **options: Any) -> Over:
        self.agent = ToyAgent(script, **options)
        return run.execute(self.host, self.signals, load_agent=lambda name: self.agent)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "user home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.fixture
def stage(folder: Path) -> Callable[..., Stage]:
    def make(files: dict[str, str] | None = None, **changes: Any) -> Stage:
        return Stage(folder, files or {"a.txt": "1\n"}, **changes)

    return make
